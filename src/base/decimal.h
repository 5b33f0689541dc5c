/* Exact decimals as integers in minor units: text in, text out, never through a double. */
#ifndef WEIR_BASE_DECIMAL_H
#define WEIR_BASE_DECIMAL_H

#include "base/str.h"

enum { DECIMAL_SCALE_MAX = 6, DECIMAL_TEXT_BYTES_MAX = 48 };

typedef enum DecimalProblem {
    DECIMAL_OK,
    DECIMAL_NOT_A_NUMBER, /* anything but digits and one point with digits on both sides */
    DECIMAL_SIGNED,       /* has a sign (-0 too) */
    DECIMAL_TOO_PRECISE,  /* more digits behind the point than the scale has, zeros included where the text is not an
                                exponent number: 1.000 is refused at scale 2, as 1.005 is */
    DECIMAL_TOO_LARGE,    /* beyond `max` */
} DecimalProblem;

/* "100.50" at scale 2 → 10050. ASCII digits only; leading zeros are fine ("007.50"), ".5" and "5." are not. */
DecimalProblem decimal_parse(Str text, unsigned scale, int64_t max, int64_t *ret_value);

/* A JSON number (RFC 8259 grammar, already known to be well formed): as above, and with an exponent when the result is
 * exact at the scale: 1.5e3, 12300e-2. Never slow, however large the exponent. */
DecimalProblem decimal_parse_json_number(Str text, unsigned scale, int64_t max, int64_t *ret_value);

/* Writes "-1234.50" (at scale 0 without a point), NUL-terminated; returns its length. */
size_t decimal_format(__int128 value, unsigned scale, char ret_text[DECIMAL_TEXT_BYTES_MAX]);

#endif
