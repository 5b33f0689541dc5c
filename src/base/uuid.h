/* UUIDs of version 7 (RFC 9562, section 5.7): milliseconds since 1970, then random bits, so that those made later sort
 * behind. */
#ifndef WEIR_BASE_UUID_H
#define WEIR_BASE_UUID_H

#include "base/clock.h"
#include "base/random.h"

enum { UUID_TEXT_BYTES = 37 }; /* with its NUL */

/* "019a9c1e-7a3c-7d1e-8f00-0123456789ab". BROKEN when there is no randomness. */
Status uuid_make(const Clock *clock, const Random *random, char ret_text[UUID_TEXT_BYTES], Error *reterr) MUST_CHECK;

#endif
