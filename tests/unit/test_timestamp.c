#include "unit.h"

#include "base/timestamp.h"
#include "support/random.h"

static void test_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2025-01-01 10:00:00", INT64_C(1735725600000000)},
        {"2025-01-01 10:00:00.5", INT64_C(1735725600500000)},
        {"2025-01-01T10:00:00Z", INT64_C(1735725600000000)},
        {"2025-01-01t10:00:00z", INT64_C(1735725600000000)},
        {"2025-01-01 10:00:00Z", INT64_C(1735725600000000)},
        {"2025-01-01T12:00:00+02:00", INT64_C(1735725600000000)},
        {"2025-01-01 12:00:00+02:00", INT64_C(1735725600000000)},
        {"2025-01-01T04:30:00-05:30", INT64_C(1735725600000000)},
        {"2025-01-01T10:00:00-00:00", INT64_C(1735725600000000)},
        {"2025-01-01T10:00:00.123456+00:00", INT64_C(1735725600123456)},
        {"2025-01-01T10:00:00.000001Z", INT64_C(1735725600000001)},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800000000)},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000000)},
        {"0001-01-01T00:00:00Z", TIMESTAMP_MIN},
        {"9999-12-31T23:59:59.999999Z", TIMESTAMP_MAX},
        {"9999-12-31T23:59:59.999999+00:01", TIMESTAMP_MAX - INT64_C(60000000)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t us = 42;
        const char *problem = timestamp_parse(str_from(cases[i].text), &us);
        if (problem || us != cases[i].us) {
            fail_msg("%s gave %lld, %s", cases[i].text, (long long)us, problem ? problem : "no problem");
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char not_a_time[] = "is not a date and time such as 2025-01-01T10:00:00Z";
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", not_a_time},
        {"2025", not_a_time},
        {"2025-01-01", not_a_time},
        {"2025-01-01T10:00", not_a_time},
        {"2025-01-01T10:00Z", not_a_time},
        {"20250101T100000Z", not_a_time},
        {"2025/01/01 10:00:00", not_a_time},
        {"2025-01-01_10:00:00", not_a_time},
        {"2025-1-01 10:00:000", not_a_time},
        {"+025-01-01 10:00:00", not_a_time},
        {" 2025-01-01 10:00:00", not_a_time},
        {"2025-01-01 10:00:00 ", not_a_time},
        {"2025-01-01T10:00:00.Z", not_a_time},
        {"2025-01-01T10:00:00,5Z", not_a_time},
        {"2025-01-01T10:00:00+0200", not_a_time},
        {"2025-01-01T10:00:00+02", not_a_time},
        {"2025-01-01T10:00:00+02:0x", not_a_time},
        {"2025-01-01T10:00:00 02:00", not_a_time},
        {"2025-01-01T10:00:00ZZ", not_a_time},
        {"2025-01-01T10:00:00+02:00Z", not_a_time},
        {"٢٠٢٥-01-01T10:00:00Z", not_a_time},
        {"2025-01-01T10:00:00", "has no time zone: end it with Z or an offset such as +02:00"},
        {"2025-01-01T10:00:00.5", "has no time zone: end it with Z or an offset such as +02:00"},
        {"2025-01-01T10:00:00.1234567Z", "must have at most six digits of a second's fraction"},
        {"2025-01-01T10:00:00.0000000Z", "must have at most six digits of a second's fraction"},
        {"0000-01-01T00:00:00Z", "must have a year from 0001 to 9999"},
        {"2025-00-01T00:00:00Z", "must have a month from 01 to 12"},
        {"2025-13-01T00:00:00Z", "must have a month from 01 to 12"},
        {"2025-02-29T00:00:00Z", "is not a day of that month"},
        {"1900-02-29T00:00:00Z", "is not a day of that month"},
        {"2025-04-31T00:00:00Z", "is not a day of that month"},
        {"2025-01-00T00:00:00Z", "is not a day of that month"},
        {"2025-01-32T00:00:00Z", "is not a day of that month"},
        {"2025-01-01T24:00:00Z", "must have an hour from 00 to 23"},
        {"2025-01-01T23:60:00Z", "must have a minute from 00 to 59"},
        {"2025-01-01T23:59:60Z", "must have a second from 00 to 59"},
        {"2016-12-31 23:59:60", "must have a second from 00 to 59"},
        {"2025-01-01T10:00:00+24:00", "must have an offset from -23:59 to +23:59"},
        {"2025-01-01T10:00:00+02:60", "must have an offset from -23:59 to +23:59"},
        {"0001-01-01T00:00:00+00:01", "must lie within the years 0001 to 9999 in UTC"},
        {"9999-12-31T23:59:59-00:01", "must lie within the years 0001 to 9999 in UTC"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t us = 42;
        const char *problem = timestamp_parse(str_from(cases[i].text), &us);
        if (!problem || strcmp(problem, cases[i].problem) != 0 || us != 42) {
            fail_msg("%s gave %s", cases[i].text, problem ? problem : "no problem");
        }
    }
}

static void test_format(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {INT64_C(1735725600000000), "2025-01-01T10:00:00Z"},
        {INT64_C(1735725600500000), "2025-01-01T10:00:00.5Z"},
        {INT64_C(1735725600000010), "2025-01-01T10:00:00.00001Z"},
        {TIMESTAMP_MIN, "0001-01-01T00:00:00Z"},
        {TIMESTAMP_MAX, "9999-12-31T23:59:59.999999Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[TIMESTAMP_TEXT_BYTES_MAX];
        assert_int_equal(timestamp_format(cases[i].us, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

/* Every day of the ten thousand years in a row, counted by hand and put to the formulas. */
static void test_every_day(void **state)
{
    (void)state;
    static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days = TIMESTAMP_MIN / INT64_C(86400000000);
    for (unsigned year = 1; year <= 9999; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (unsigned month = 1; month <= 12; month++) {
            unsigned length = lengths[month - 1] + (leap && month == 2 ? 1u : 0u);
            for (unsigned day = 1; day <= length; day++, days++) {
                int64_t year_back;
                unsigned month_back, day_back;
                timestamp_date_from_days(days, &year_back, &month_back, &day_back);
                if (timestamp_days_from_date(year, month, day) != days || year_back != year || month_back != month ||
                    day_back != day) {
                    fail_msg("day %lld is not %04u-%02u-%02u", (long long)days, year, month, day);
                }
            }
        }
    }
    assert_true(days == TIMESTAMP_MAX / INT64_C(86400000000) + 1);
}

/* The C library knows the calendar too. */
static void test_against_timegm(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 100000; round++) {
        uint64_t range = (uint64_t)(TIMESTAMP_MAX - TIMESTAMP_MIN);
        int64_t us = TIMESTAMP_MIN + (int64_t)(random_next(&seed) % range);
        int offset = (int)(random_next(&seed) % (2 * 1439 + 1)) - 1439;
        time_t seconds = (time_t)(us / 1000000 - (us % 1000000 < 0));
        struct tm tm;
        char text[64], formatted[TIMESTAMP_TEXT_BYTES_MAX];
        int64_t micros = us - (int64_t)seconds * 1000000, back = 0;
        time_t local = seconds + offset * 60;
        assert_non_null(gmtime_r(&local, &tm));
        if (tm.tm_year + 1900 < 1 || tm.tm_year + 1900 > 9999) {
            continue;
        }
        snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06d%c%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)micros, offset < 0 ? '-' : '+', abs(offset) / 60,
                 abs(offset) % 60);
        assert_null(timestamp_parse(str_from(text), &back));
        assert_true(back == us);
        assert_true(timegm(&tm) == local);

        Str own = {formatted, timestamp_format(us, formatted)};
        assert_null(timestamp_parse(own, &back));
        assert_true(back == us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),  cmocka_unit_test(test_refused),        cmocka_unit_test(test_format),
        cmocka_unit_test(test_every_day), cmocka_unit_test(test_against_timegm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
