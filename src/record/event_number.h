/* Numbers of events, as digits: read without a double, and exact whatever their exponent. */
#ifndef WEIR_RECORD_EVENT_NUMBER_H
#define WEIR_RECORD_EVENT_NUMBER_H

#include "base/decimal.h"
#include "base/err.h"

/* ± whole.fraction × 10^exponent; at least one of the two has a digit. Borrows. */
typedef struct EventNumber {
    Str whole, fraction;
    int64_t exponent;
    bool negative;
} EventNumber;

/* A number of JSON (RFC 8259) as it is written; false for anything else. */
bool event_number_read(Str text, EventNumber *ret_number) MUST_CHECK;

/* Its magnitude in units of 10^-scale, at most `max`. Digits beyond the scale are fine when they are zeros. OK,
 * TOO_PRECISE or TOO_LARGE. Never slow, however large the exponent. */
DecimalProblem event_number_magnitude(const EventNumber *number, unsigned scale, int64_t max, int64_t *ret_magnitude);

/* How many digits there are in front of the point when it is written out, without leading zeros. */
int64_t event_number_whole_digits(const EventNumber *number);

/* The number written out in the one way that it has: "-1200.5", without exponent, leading zeros or zeros behind the
 * fraction. False when that takes more than EVENT_NUMBER_DIGITS_MAX digits. */
enum { EVENT_NUMBER_DIGITS_MAX = 40, EVENT_NUMBER_BYTES_MAX = EVENT_NUMBER_DIGITS_MAX + 4 };
bool event_number_spell(const EventNumber *number, char ret_text[EVENT_NUMBER_BYTES_MAX], size_t *ret_len) MUST_CHECK;

#endif
