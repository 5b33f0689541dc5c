#include "reading.h"

#include "base/timestamp.h"
#include "bench/workload.h"

static const int64_t START_US = INT64_C(1735725600000000); /* 2025-01-01T10:00:00Z */

static Workload made(const WorkloadOptions *options)
{
    Workload workload;
    Error error;
    assert_int_equal(workload_init(&workload, options, &error), STATUS_OK);
    return workload;
}

static Str put(Workload *workload, uint64_t number, char text[WORKLOAD_RECORD_BYTES_MAX])
{
    size_t bytes = (size_t)(workload_put_record(workload, number, text) - text);
    assert_true(bytes <= WORKLOAD_RECORD_BYTES_MAX);
    return (Str){text, bytes};
}

static int compare_ids(const void *a, const void *b) { return memcmp(a, b, 36); }

/* Every record is one that the service takes, and no two have one id. */
static void test_records_are_good(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static char ids[COUNT][36];
    WorkloadOptions options = workload_options_default(START_US);
    Workload workload = made(&options);
    int alerts = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        char text[WORKLOAD_RECORD_BYTES_MAX];
        Reading reading;
        read_line(&reading, put(&workload, i, text), &strict);
        assert_int_equal(reading.status, STATUS_OK);
        assert_int_equal(reading.record.record_id.len, 36);
        assert_true(reading.record.time_us == START_US + (int64_t)i * options.step_us);
        assert_true(reading.record.value > 0 && reading.record.value < 1000000);
        alerts += reading.record.value > 100000;
        memcpy(ids[i], reading.record.record_id.ptr, 36);
        reading_release(&reading);
    }
    assert_in_range(alerts, COUNT / 200, COUNT / 50);
    qsort(ids, COUNT, sizeof *ids, compare_ids);
    for (size_t i = 1; i < COUNT; i++) {
        assert_int_not_equal(memcmp(ids[i - 1], ids[i], 36), 0);
    }
}

static void test_known_bytes(void **state)
{
    (void)state;
    char text[WORKLOAD_RECORD_BYTES_MAX];
    WorkloadOptions options = workload_options_default(START_US);
    Workload workload = made(&options);
    /* Written down once, so that records stay the same from version to version. */
    assert_text(put(&workload, 0, text),
                "{\"recordId\":\"5e41ab08-7439-411e-86d6-fd953217ae03\",\"time\":\"2025-01-01T10:00:00.000000Z\","
                "\"sourceId\":\"source-044\",\"type\":\"negative\",\"value\":\"367.41\",\"unit\":\"EUR\","
                "\"destinationId\":\"destination-00192\",\"reference\":\"contract-00000465\"}");
}

static void test_seed_and_number_decide(void **state)
{
    (void)state;
    WorkloadOptions options = workload_options_default(START_US);
    Workload one = made(&options), same = made(&options);
    options.seed = 2;
    Workload other = made(&options);
    char a[WORKLOAD_RECORD_BYTES_MAX], b[WORKLOAD_RECORD_BYTES_MAX], c[WORKLOAD_RECORD_BYTES_MAX];
    for (uint64_t i = 100; i > 0; i--) {
        Str left = put(&one, i, a);
        (void)put(&same, i * 7, b); /* what was made before does not matter */
        assert_true(str_equal(left, put(&same, i, b)));
        assert_false(str_equal(left, put(&other, i, c)));
    }
}

static void test_repeats(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static char ids[COUNT][36];
    WorkloadOptions options = workload_options_default(START_US);
    options.repeat_percent = 20;
    Workload workload = made(&options);
    for (uint64_t i = 0; i < COUNT; i++) {
        char text[WORKLOAD_RECORD_BYTES_MAX];
        memcpy(ids[i], put(&workload, i, text).ptr + 13, 36);
    }
    qsort(ids, COUNT, sizeof *ids, compare_ids);
    int repeats = 0;
    for (size_t i = 1; i < COUNT; i++) {
        repeats += memcmp(ids[i - 1], ids[i], 36) == 0;
    }
    assert_in_range(repeats, COUNT * 17 / 100, COUNT * 23 / 100);
}

static void test_spread(void **state)
{
    (void)state;
    WorkloadOptions options = workload_options_default(START_US);
    Error error;
    assert_int_equal(workload_parse_times(STR("spread:30d"), &options, &error), STATUS_OK);
    assert_true(options.spread_us == INT64_C(2592000000000));
    Workload workload = made(&options);
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (uint64_t i = 0; i < 2000; i++) {
        char text[WORKLOAD_RECORD_BYTES_MAX];
        Reading reading;
        read_line(&reading, put(&workload, i, text), &strict);
        assert_int_equal(reading.status, STATUS_OK);
        least = reading.record.time_us < least ? reading.record.time_us : least;
        most = reading.record.time_us > most ? reading.record.time_us : most;
        reading_release(&reading);
    }
    assert_true(most <= START_US && most > START_US - INT64_C(86400000000));
    assert_true(least > START_US - options.spread_us && least < START_US - options.spread_us + INT64_C(86400000000));
}

static void test_flows(void **state)
{
    (void)state;
    WorkloadOptions options = workload_options_default(START_US);
    options.destinations = 3;
    options.flows = 5;
    Workload workload = made(&options);
    bool seen[3] = {0};
    for (uint64_t i = 0; i < 200; i++) {
        char text[WORKLOAD_RECORD_BYTES_MAX];
        Reading reading;
        uint64_t number;
        read_line(&reading, put(&workload, i, text), &strict);
        assert_int_equal(reading.status, STATUS_OK);
        assert_true(str_to_u64((Str){reading.record.destination_id.ptr + 12, 5}, 2, &number));
        seen[number] = true;
        assert_true(str_to_u64((Str){reading.record.reference.ptr + 9, 8}, 1, &number));
        reading_release(&reading);
    }
    assert_true(seen[0] && seen[1] && seen[2]);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const times[] = {
        "",          "later",      "spread:",      "spread:d",   "spread:30",
        "spread:0d", "spread:30w", "spread:3651d", "spread:-1d", "spread:99999999999999999999s"};
    WorkloadOptions options = workload_options_default(START_US);
    Workload workload;
    Error error;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        assert_int_equal(workload_parse_times(str_from(times[i]), &options, &error), STATUS_REFUSED);
    }
    assert_int_equal(workload_parse_times(STR("now"), &options, &error), STATUS_OK);
    options.flows = options.destinations - 1;
    assert_int_equal(workload_init(&workload, &options, &error), STATUS_REFUSED);
    options = workload_options_default(START_US);
    options.repeat_percent = 100;
    assert_int_equal(workload_init(&workload, &options, &error), STATUS_REFUSED);
    options.repeat_percent = 0;
    options.destinations = 0;
    assert_int_equal(workload_init(&workload, &options, &error), STATUS_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_are_good),
        cmocka_unit_test(test_known_bytes),
        cmocka_unit_test(test_seed_and_number_decide),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_flows),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
