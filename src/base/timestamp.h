/* Points in time as microseconds since 1970-01-01T00:00:00Z, years 0001 to 9999, proleptic Gregorian, without leap
 * seconds. */
#ifndef WEIR_BASE_TIMESTAMP_H
#define WEIR_BASE_TIMESTAMP_H

#include "base/str.h"

#define TIMESTAMP_MIN INT64_C(-62135596800000000) /* 0001-01-01T00:00:00Z */
#define TIMESTAMP_MAX INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */
enum { TIMESTAMP_TEXT_BYTES_MAX = 32 };

/* "2025-01-01 10:00:00" (UTC) or RFC 3339 ("2025-01-01T10:00:00.123456+02:00", 't', 'z' and a space for the T too),
 * with up to six digits of fraction. NULL when it was understood, else what is wrong, as a phrase: "is not a day of
 * that month". The result has to lie within the years 0001–9999 in UTC. Second 60 and hour 24 are refused. */
const char *timestamp_parse(Str text, int64_t *ret_us);

/* RFC 3339 in UTC: "2025-01-01T10:00:00Z", with ".123456" (trailing zeros cut) only when there is a fraction.
 * NUL-terminated; returns its length. */
size_t timestamp_format(int64_t us, char ret_text[TIMESTAMP_TEXT_BYTES_MAX]);

/* Days since 1970 of a date and back (Hinnant, "chrono-Compatible Low-Level Date Algorithms"). month 1–12, day 1–31. */
int64_t timestamp_days_from_date(int64_t year, unsigned month, unsigned day);
void timestamp_date_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day);

#endif
