#include "base/timestamp.h"

enum { MICROSECONDS = 1000000, SECONDS_A_DAY = 86400, FRACTION_DIGITS_MAX = 6, OFFSET_BYTES = 6 };
enum { DATE_TIME_BYTES = 19 }; /* "2025-01-01T10:00:00" */

static const char not_a_time[] = "is not a date and time such as 2025-01-01T10:00:00Z";

int64_t timestamp_days_from_date(int64_t year, unsigned month, unsigned day)
{
    /* Years begin in March here, so that the leap day is the last of its year; an era is 400 years. */
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned year_of_era = (unsigned)(year - era * 400);
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + (int64_t)day_of_era - 719468;
}

void timestamp_date_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned day_of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * month + 2) / 5 + 1;
    *ret_month = month < 10 ? month + 3 : month - 9;
    *ret_year = (int64_t)year_of_era + era * 400 + (*ret_month <= 2);
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Two digits as a number; anything else sets bits of `bad` above the lowest four. */
static inline unsigned two_digits(const char *p, unsigned *bad)
{
    unsigned tens = (unsigned)(unsigned char)p[0] - '0', ones = (unsigned)(unsigned char)p[1] - '0';
    *bad |= (tens > 9) | (ones > 9);
    return tens * 10 + ones;
}

typedef struct DateTime {
    unsigned year, month, day, hour, minute, second;
} DateTime;

/* The first 19 bytes, read without a look at whether the numbers make sense. */
static bool read_date_time(const char *p, DateTime *ret)
{
    unsigned bad = 0;
    ret->year = two_digits(p, &bad) * 100 + two_digits(p + 2, &bad);
    ret->month = two_digits(p + 5, &bad);
    ret->day = two_digits(p + 8, &bad);
    ret->hour = two_digits(p + 11, &bad);
    ret->minute = two_digits(p + 14, &bad);
    ret->second = two_digits(p + 17, &bad);
    bad |= (p[4] != '-') | (p[7] != '-') | (p[13] != ':') | (p[16] != ':');
    bad |= (p[10] != 'T') & (p[10] != 't') & (p[10] != ' ');
    return bad == 0;
}

static const char *check_date_time(const DateTime *t)
{
    if (t->year == 0) {
        return "must have a year from 0001 to 9999";
    }
    if (t->month < 1 || t->month > 12) {
        return "must have a month from 01 to 12";
    }
    if (t->day < 1 || t->day > days_in_month(t->year, t->month)) {
        return "is not a day of that month";
    }
    if (t->hour > 23) {
        return "must have an hour from 00 to 23";
    }
    if (t->minute > 59) {
        return "must have a minute from 00 to 59";
    }
    return t->second > 59 ? "must have a second from 00 to 59" : NULL;
}

/* ".123456" at the front of `rest`, when there is one. */
static const char *take_fraction(Str *rest, int64_t *ret_us)
{
    int64_t us = 0, unit = MICROSECONDS;
    size_t at = 1;
    *ret_us = 0;
    if (rest->len == 0 || rest->ptr[0] != '.') {
        return NULL;
    }
    for (; at < rest->len && rest->ptr[at] >= '0' && rest->ptr[at] <= '9'; at++) {
        if (at > FRACTION_DIGITS_MAX) {
            return "must have at most six digits of a second's fraction";
        }
        unit /= 10;
        us += (rest->ptr[at] - '0') * unit;
    }
    if (at == 1) {
        return not_a_time;
    }
    *rest = (Str){rest->ptr + at, rest->len - at};
    *ret_us = us;
    return NULL;
}

/* The end: Z, an offset, or nothing, which is UTC in the form without a T. */
static const char *parse_zone(Str rest, bool needs_zone, int64_t *ret_offset_seconds)
{
    unsigned bad = 0;
    *ret_offset_seconds = 0;
    if (rest.len == 0) {
        return needs_zone ? "has no time zone: end it with Z or an offset such as +02:00" : NULL;
    }
    if (rest.len == 1 && (rest.ptr[0] == 'Z' || rest.ptr[0] == 'z')) {
        return NULL;
    }
    if (rest.len != OFFSET_BYTES || (rest.ptr[0] != '+' && rest.ptr[0] != '-') || rest.ptr[3] != ':') {
        return not_a_time;
    }
    unsigned hours = two_digits(rest.ptr + 1, &bad), minutes = two_digits(rest.ptr + 4, &bad);
    if (bad) {
        return not_a_time;
    }
    if (hours > 23 || minutes > 59) {
        return "must have an offset from -23:59 to +23:59";
    }
    int64_t seconds = (int64_t)(hours * 60 + minutes) * 60;
    *ret_offset_seconds = rest.ptr[0] == '-' ? -seconds : seconds;
    return NULL;
}

static int64_t to_microseconds(const DateTime *t, int64_t fraction_us, int64_t offset_seconds)
{
    int64_t seconds = timestamp_days_from_date(t->year, t->month, t->day) * SECONDS_A_DAY;
    seconds += (int64_t)(t->hour * 3600 + t->minute * 60 + t->second) - offset_seconds;
    return seconds * MICROSECONDS + fraction_us;
}

const char *timestamp_parse(Str text, int64_t *ret_us)
{
    DateTime t;
    int64_t fraction_us, offset_seconds;
    if (text.len < DATE_TIME_BYTES || !read_date_time(text.ptr, &t)) {
        return not_a_time;
    }
    Str rest = {text.ptr + DATE_TIME_BYTES, text.len - DATE_TIME_BYTES};
    const char *problem = take_fraction(&rest, &fraction_us);
    if (!problem) {
        problem = parse_zone(rest, text.ptr[10] != ' ', &offset_seconds);
    }
    if (!problem) {
        problem = check_date_time(&t);
    }
    if (problem) {
        return problem;
    }
    int64_t us = to_microseconds(&t, fraction_us, offset_seconds);
    if (us < TIMESTAMP_MIN || us > TIMESTAMP_MAX) {
        return "must lie within the years 0001 to 9999 in UTC";
    }
    *ret_us = us;
    return NULL;
}

static char *put_digits(char *at, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--) {
        at[i - 1] = (char)('0' + (int)(value % 10));
        value /= 10;
    }
    return at + digits;
}

static char *put_fraction(char *at, uint64_t us)
{
    *at = '.';
    at = put_digits(at + 1, us, FRACTION_DIGITS_MAX);
    while (at[-1] == '0') {
        at--;
    }
    return at;
}

size_t timestamp_format(int64_t us, char ret_text[TIMESTAMP_TEXT_BYTES_MAX])
{
    const int64_t us_a_day = (int64_t)SECONDS_A_DAY * MICROSECONDS;
    int64_t days = us / us_a_day - (us % us_a_day < 0);
    uint64_t rest_us = (uint64_t)(us - days * us_a_day), seconds = rest_us / MICROSECONDS;
    int64_t year;
    unsigned month, day;
    timestamp_date_from_days(days, &year, &month, &day);

    char *at = put_digits(ret_text, (uint64_t)year, 4);
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day, 2);
    *at++ = 'T';
    at = put_digits(at, seconds / 3600, 2);
    *at++ = ':';
    at = put_digits(at, seconds / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, seconds % 60, 2);
    if (rest_us % MICROSECONDS != 0) {
        at = put_fraction(at, rest_us % MICROSECONDS);
    }
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - ret_text);
}
