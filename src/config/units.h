/* Numbers with units as people write them: 16MiB, 30s. */
#ifndef WEIR_CONFIG_UNITS_H
#define WEIR_CONFIG_UNITS_H

#include "base/buf.h"
#include "base/err.h"

/* All are REFUSED with what is wrong and an example. A space may stand before the unit. */
Status units_parse_integer(Str text, int64_t *ret_number, Error *reterr) MUST_CHECK;
/* B, KiB, MiB, GiB, TiB and kB, MB, GB, TB; a bare number is bytes. */
Status units_parse_bytes(Str text, int64_t *ret_bytes, Error *reterr) MUST_CHECK;
/* us, ms, s, m, h, d → microseconds; a bare number is refused, except 0. */
Status units_parse_duration(Str text, int64_t *ret_us, Error *reterr) MUST_CHECK;
/* At most RECORD_VALUE_MAX minor units. */
Status units_parse_decimal(Str text, unsigned scale, int64_t *ret_minor, Error *reterr) MUST_CHECK;

/* In the largest unit that is exact: 16MiB, 1500ms. */
void units_put_bytes(Buf *buf, int64_t bytes);
void units_put_duration(Buf *buf, int64_t us);

#endif
