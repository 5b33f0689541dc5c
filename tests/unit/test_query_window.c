#include "unit.h"

#include "base/timestamp.h"
#include "query/window.h"
#include "support/random.h"

#define US INT64_C(1000000)

typedef struct WindowCase {
    WindowKind kind;
    const char *zone, *time, *start;
} WindowCase;

static Window *window(WindowKind kind, const char *zone)
{
    Window *made = NULL;
    Error error;
    if (window_new(kind, str_from(zone), &made, &error) != STATUS_OK) {
        fail_msg("%s: %s", zone, error.message);
    }
    return made;
}

static int64_t instant(const char *text)
{
    int64_t us = 0;
    if (timestamp_parse(str_from(text), &us)) {
        fail_msg("%s: not a time", text);
    }
    return us;
}

static void check(const WindowCase *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[TIMESTAMP_TEXT_BYTES_MAX];
        Window *made = window(cases[i].kind, cases[i].zone);
        timestamp_format(window_start(made, instant(cases[i].time)), text);
        if (strcmp(text, cases[i].start) != 0) {
            fail_msg("%s in %s: window %d begins %s, not %s", cases[i].time, cases[i].zone, cases[i].kind,
                     cases[i].start, text);
        }
        window_free(made);
    }
}
#define CHECK(cases) check(cases, sizeof(cases) / sizeof((cases)[0]))

static void test_utc(void **state)
{
    (void)state;
    static const WindowCase cases[] = {
        {WINDOW_MINUTE, "", "2025-01-01T10:00:59.999999Z", "2025-01-01T10:00:00Z"},
        {WINDOW_HOUR, "UTC", "2025-01-01T10:59:59Z", "2025-01-01T10:00:00Z"},
        {WINDOW_DAY, "", "2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"},
        {WINDOW_DAY, "", "2024-12-31T23:59:59.999999Z", "2024-12-31T00:00:00Z"},
        {WINDOW_WEEK, "", "2025-01-05T23:59:59Z", "2024-12-30T00:00:00Z"},
        {WINDOW_WEEK, "", "2025-01-06T00:00:00Z", "2025-01-06T00:00:00Z"},
        {WINDOW_MONTH, "", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z"},
        {WINDOW_MONTH, "", "2024-12-31T23:59:59Z", "2024-12-01T00:00:00Z"},
    };
    CHECK(cases);
}

static void test_long_ago(void **state)
{
    (void)state;
    static const WindowCase cases[] = {
        {WINDOW_MINUTE, "", "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:00Z"},
        {WINDOW_HOUR, "", "1969-12-31T23:30:00Z", "1969-12-31T23:00:00Z"},
        {WINDOW_DAY, "", "1969-12-31T23:30:00Z", "1969-12-31T00:00:00Z"},
        {WINDOW_WEEK, "", "1970-01-04T00:00:00Z", "1969-12-29T00:00:00Z"},
        {WINDOW_WEEK, "", "1969-12-28T23:00:00Z", "1969-12-22T00:00:00Z"},
        {WINDOW_MONTH, "", "1900-02-28T23:59:59Z", "1900-02-01T00:00:00Z"},
        {WINDOW_MONTH, "", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
        {WINDOW_WEEK, "", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
        {WINDOW_DAY, "Asia/Tokyo", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
        {WINDOW_MONTH, "Europe/Stockholm", "9999-12-31T22:59:59Z", "9999-11-30T23:00:00Z"},
        /* Local mean time: 53 minutes and 28 seconds ahead. */
        {WINDOW_DAY, "Europe/Berlin", "1800-01-01T00:00:00Z", "1799-12-31T23:06:32Z"},
        {WINDOW_HOUR, "Europe/Berlin", "1800-01-01T00:00:00Z", "1799-12-31T23:06:32Z"},
        {WINDOW_HOUR, "Europe/Berlin", "1800-01-01T00:06:32Z", "1800-01-01T00:06:32Z"},
    };
    CHECK(cases);
}

static void test_stockholm(void **state)
{
    (void)state;
    static const WindowCase cases[] = {
        /* The clocks go forward on 2025-03-30 at 01:00 UTC: a day of 23 hours. */
        {WINDOW_DAY, "Europe/Stockholm", "2025-03-29T22:59:59Z", "2025-03-28T23:00:00Z"},
        {WINDOW_DAY, "Europe/Stockholm", "2025-03-29T23:00:00Z", "2025-03-29T23:00:00Z"},
        {WINDOW_DAY, "Europe/Stockholm", "2025-03-30T21:59:59Z", "2025-03-29T23:00:00Z"},
        {WINDOW_DAY, "Europe/Stockholm", "2025-03-30T22:00:00Z", "2025-03-30T22:00:00Z"},
        {WINDOW_HOUR, "Europe/Stockholm", "2025-03-30T00:59:59Z", "2025-03-30T00:00:00Z"},
        {WINDOW_HOUR, "Europe/Stockholm", "2025-03-30T01:00:00Z", "2025-03-30T01:00:00Z"},
        /* And back on 2025-10-26 at 01:00 UTC: a day of 25 hours, with 02:30 twice. */
        {WINDOW_DAY, "Europe/Stockholm", "2025-10-25T22:00:00Z", "2025-10-25T22:00:00Z"},
        {WINDOW_DAY, "Europe/Stockholm", "2025-10-26T22:59:59Z", "2025-10-25T22:00:00Z"},
        {WINDOW_DAY, "Europe/Stockholm", "2025-10-26T23:00:00Z", "2025-10-26T23:00:00Z"},
        {WINDOW_HOUR, "Europe/Stockholm", "2025-10-26T00:30:00Z", "2025-10-26T00:00:00Z"},
        {WINDOW_HOUR, "Europe/Stockholm", "2025-10-26T01:30:00Z", "2025-10-26T01:00:00Z"},
        {WINDOW_WEEK, "Europe/Stockholm", "2025-10-26T22:59:59Z", "2025-10-19T22:00:00Z"},
        {WINDOW_WEEK, "Europe/Stockholm", "2025-10-26T23:00:00Z", "2025-10-26T23:00:00Z"},
        {WINDOW_MONTH, "Europe/Stockholm", "2025-10-31T22:59:59Z", "2025-09-30T22:00:00Z"},
        {WINDOW_MONTH, "Europe/Stockholm", "2025-10-31T23:00:00Z", "2025-10-31T23:00:00Z"},
        {WINDOW_MONTH, "Europe/Stockholm", "2024-02-29T22:59:59Z", "2024-01-31T23:00:00Z"},
        {WINDOW_MONTH, "Europe/Stockholm", "2024-02-29T23:00:00Z", "2024-02-29T23:00:00Z"},
    };
    CHECK(cases);
}

static void test_odd_zones(void **state)
{
    (void)state;
    static const WindowCase cases[] = {
        {WINDOW_DAY, "Asia/Kolkata", "2025-01-01T18:29:59Z", "2024-12-31T18:30:00Z"},
        {WINDOW_DAY, "Asia/Kolkata", "2025-01-01T18:30:00Z", "2025-01-01T18:30:00Z"},
        {WINDOW_HOUR, "Asia/Kolkata", "2025-01-01T18:29:59Z", "2025-01-01T17:30:00Z"},
        /* Midnight was skipped: the day begins with the change of the clocks. */
        {WINDOW_DAY, "America/Sao_Paulo", "2017-10-15T02:59:59Z", "2017-10-14T03:00:00Z"},
        {WINDOW_DAY, "America/Sao_Paulo", "2017-10-15T12:00:00Z", "2017-10-15T03:00:00Z"},
        /* 23:00 to midnight came twice, and belongs to the day before. */
        {WINDOW_DAY, "America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17T02:00:00Z"},
        {WINDOW_DAY, "America/Sao_Paulo", "2018-02-18T03:00:00Z", "2018-02-18T03:00:00Z"},
        /* Half an hour back at 15:00 UTC: the hour in which that happens is cut there. */
        {WINDOW_HOUR, "Australia/Lord_Howe", "2025-04-05T14:50:00Z", "2025-04-05T14:00:00Z"},
        {WINDOW_HOUR, "Australia/Lord_Howe", "2025-04-05T15:10:00Z", "2025-04-05T15:00:00Z"},
        {WINDOW_HOUR, "Australia/Lord_Howe", "2025-04-05T15:30:00Z", "2025-04-05T15:30:00Z"},
        /* A Friday that never was. */
        {WINDOW_DAY, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z"},
        {WINDOW_DAY, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"},
        {WINDOW_DAY, "Etc/GMT+2", "2025-01-01T01:59:59Z", "2024-12-31T02:00:00Z"},
    };
    CHECK(cases);
}

/* A window holds its own beginning, and whatever lies between that and an instant that it holds. */
static void test_windows_are_stretches(void **state)
{
    (void)state;
    static const char *const zones[] = {
        "", "Europe/Stockholm", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "America/New_York"};
    uint64_t seed = 5;
    for (size_t zone = 0; zone < sizeof zones / sizeof zones[0]; zone++) {
        for (WindowKind kind = WINDOW_MINUTE; kind <= WINDOW_MONTH; kind++) {
            Window *made = window(kind, zones[zone]);
            for (size_t i = 0; i < 2000; i++) {
                int64_t time_us = (int64_t)(random_next(&seed) % 4000000000) * US - 1000000000 * US;
                int64_t start_us = window_start(made, time_us);
                int64_t between_us = start_us + (int64_t)(random_next(&seed) % (uint64_t)(time_us - start_us + 1));
                assert_true(start_us <= time_us);
                assert_int_equal(window_start(made, start_us), start_us);
                assert_int_equal(window_start(made, between_us), start_us);
                assert_int_not_equal(window_start(made, start_us - 1), start_us);
            }
            window_free(made);
        }
    }
}

static void check_refused(const char *zone, const char *message)
{
    Window *made = NULL;
    Error error;
    assert_int_equal(window_new(WINDOW_DAY, str_from(zone), &made, &error), STATUS_REFUSED);
    assert_string_equal(error.message, message);
}

static void test_unknown_zones(void **state)
{
    (void)state;
    check_refused("Europe/Stokholm", "is not a known time zone; did you mean Europe/Stockholm?");
    check_refused("europe/stockholm", "is not a known time zone; did you mean Europe/Stockholm?");
    check_refused("Mars/Olympus", "is not a known time zone; use an IANA name like Europe/Stockholm");
    check_refused("\xC3\xA5", "is not a known time zone; use an IANA name like Europe/Stockholm");
    Window *made = NULL;
    Error error;
    assert_int_equal(window_new(WINDOW_DAY, STR("BST"), &made, &error), STATUS_REFUSED);
    assert_int_equal(window_new(WINDOW_DAY, STR("GMT+02:00"), &made, &error), STATUS_REFUSED);
    assert_int_equal(window_new(WINDOW_DAY, STR("Etc/Unknown"), &made, &error), STATUS_REFUSED);
}

static void test_kinds(void **state)
{
    (void)state;
    WindowKind kind = WINDOW_NONE;
    assert_true(window_kind_parse(STR("week"), &kind));
    assert_int_equal(kind, WINDOW_WEEK);
    assert_false(window_kind_parse(STR("Week"), &kind));
    assert_false(window_kind_parse(STR(""), &kind));
    Window *days = window(WINDOW_DAY, ""), *hours = window(WINDOW_HOUR, ""),
           *local = window(WINDOW_DAY, "Europe/Stockholm");
    assert_true(window_holds_utc_days(days));
    assert_false(window_holds_utc_days(hours));
    assert_false(window_holds_utc_days(local));
    window_free(days);
    window_free(hours);
    window_free(local);
    window_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utc),           cmocka_unit_test(test_long_ago),
        cmocka_unit_test(test_stockholm),     cmocka_unit_test(test_odd_zones),
        cmocka_unit_test(test_unknown_zones), cmocka_unit_test(test_windows_are_stretches),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests_name("query_window", tests, NULL, NULL);
}
