#include "unit.h"

#include "http/records_call.h"
#include "http/slice.h"
#include "record/cloudevents.h"
#include "record/traceparent.h"

static Record record_of(const char *id) { return (Record){.record_id = str_from(id)}; }

static void check_results(const Results *results, const char *expected)
{
    Buf buf;
    buf_init(&buf, 1 << 20);
    results_put(&buf, results);
    assert_text(buf_str(&buf), expected);
    buf_release(&buf);
}

static void add_one_of_each(Results *results)
{
    const Record records[] = {record_of("a"), record_of("b"), record_of("c"), record_of("d")};
    const Outcome outcomes[] = {{.kind = OUTCOME_CREATED, .seq = 1},
                                {.kind = OUTCOME_DUPLICATE, .seq = 1},
                                {.kind = OUTCOME_CONFLICT, .seq = 1, .differs = FIELD_TIME | FIELD_VALUE},
                                {.kind = OUTCOME_REJECTED}};
    for (size_t i = 0; i < 4; i++) {
        results_add(results, (ResultPlace){i, 0}, &records[i], &outcomes[i]);
    }
    results_add_refused(results, STR("{\"index\":4}"));
}

static void test_results(void **state)
{
    Results results;
    (void)state;
    results_init(&results, &(RecordsCall){.results = RESULTS_PROBLEMS}, NULL);
    add_one_of_each(&results);
    check_results(&results,
                  "{\"received\":5,\"created\":1,\"duplicates\":1,\"conflicts\":1,\"rejected\":2,\"results\":["
                  "{\"index\":1,\"recordId\":\"b\",\"status\":\"duplicate\",\"id\":1},"
                  "{\"index\":2,\"recordId\":\"c\",\"status\":\"conflict\",\"id\":1,\"differs\":[\"time\",\"value\"]},"
                  "{\"index\":3,\"recordId\":\"d\",\"status\":\"rejected\",\"errors\":{\"value\":"
                  "[\"would make a total of its flow too large\"]}},{\"index\":4}]}");
    results_release(&results);
    results_init(&results, &(RecordsCall){.results = RESULTS_NONE}, NULL);
    add_one_of_each(&results);
    check_results(&results,
                  "{\"received\":5,\"created\":1,\"duplicates\":1,\"conflicts\":1,\"rejected\":2,\"results\":[]}");
    results_release(&results);
}

/* What becomes of records that the front door has is not known yet: only how many they are. */
static void test_accepted(void **state)
{
    Results results;
    const Record records[] = {record_of("a"), record_of("b")};
    (void)state;
    for (ResultsWanted wanted = RESULTS_PROBLEMS; wanted <= RESULTS_ALL; wanted++) {
        results_init(&results, &(RecordsCall){.results = wanted, .by_front_door = true}, NULL);
        results_add_accepted(&results, (ResultPlace){0, 1}, &records[0]);
        results_add_refused(&results, STR("{\"index\":1}"));
        results_add_accepted(&results, (ResultPlace){2, 3}, &records[1]);
        check_results(&results,
                      wanted == RESULTS_ALL
                          ? "{\"received\":3,\"accepted\":2,\"rejected\":1,\"results\":["
                            "{\"index\":0,\"line\":1,\"recordId\":\"a\",\"status\":\"accepted\"},"
                            "{\"index\":1},{\"index\":2,\"line\":3,\"recordId\":\"b\",\"status\":\"accepted\"}]}"
                          : "{\"received\":3,\"accepted\":2,\"rejected\":1,\"results\":[{\"index\":1}]}");
        results_release(&results);
    }
}

static void test_truncated(void **state)
{
    Results results;
    const Record record = record_of("a");
    (void)state;
    results_init(&results, &(RecordsCall){.results = RESULTS_ALL}, NULL);
    for (uint64_t i = 0; i < RESULTS_LISTED_MAX; i++) {
        results_add(&results, (ResultPlace){i, i + 1}, &record, &(Outcome){.kind = OUTCOME_CREATED, .seq = 1});
    }
    assert_false(results.truncated);
    results_add_refused(&results, STR("{}"));
    assert_true(results.truncated);
    assert_int_equal(results.listed, RESULTS_LISTED_MAX);
    assert_int_equal(results.received, RESULTS_LISTED_MAX + 1);
    assert_int_equal(results.rejected, 1);
    results_release(&results);
}

/* An event may be stored under another id than its own. */
static void test_stored_id(void **state)
{
    const Record record = record_of("sha256:a");
    const StoredRecord stored = {.record = record_of("correction:a:2"), .seq = 7};
    const Outcome outcome = {.kind = OUTCOME_DUPLICATE, .seq = 7, .stored = &stored};
    Results results;
    (void)state;
    results_init(&results, &(RecordsCall){.events = true, .first_wins = true}, NULL);
    results_add(&results, (ResultPlace){0, 3}, &record, &outcome);
    assert_text(buf_str(&results.list),
                "{\"index\":0,\"line\":3,\"recordId\":\"correction:a:2\",\"status\":\"duplicate\",\"id\":7}");
    results_release(&results);
}

/* What differs has the names of an event's parts. */
static void test_event_that_differs(void **state)
{
    const Record record = record_of("sha256:a");
    const Outcome outcome = {.kind = OUTCOME_CONFLICT,
                             .seq = 7,
                             .differs = FIELD_TIME | FIELD_SOURCE_ID | FIELD_DESTINATION_ID | FIELD_TYPE | FIELD_VALUE |
                                        FIELD_REFERENCE};
    Results results;
    (void)state;
    results_init(&results, &(RecordsCall){.events = true, .first_wins = true}, NULL);
    results_add(&results, (ResultPlace){0, 0}, &record, &outcome);
    assert_text(buf_str(&results.list), "{\"index\":0,\"recordId\":\"sha256:a\",\"status\":\"duplicate\",\"id\":7,"
                                        "\"differs\":[\"client\",\"metric\",\"amount\",\"time\"]}");
    results_release(&results);
}

/* With `on_conflict: first` a conflict is a duplicate that says what differs; of an atomic call it is not. */
static void test_first_wins(void **state)
{
    static const char *const expected[] = {
        "{\"index\":1,\"recordId\":\"r\",\"status\":\"duplicate\",\"id\":7,\"differs\":[\"value\"]}",
        "{\"index\":1,\"recordId\":\"r\",\"status\":\"conflict\",\"id\":7,\"differs\":[\"value\"]}"};
    const Record record = record_of("r");
    const Outcome outcome = {.kind = OUTCOME_CONFLICT, .differs = FIELD_VALUE, .seq = 7};
    (void)state;
    for (size_t atomic = 0; atomic < 2; atomic++) {
        Results results;
        results_init(&results, &(RecordsCall){.first_wins = true, .atomic = atomic != 0}, NULL);
        results_add(&results, (ResultPlace){1, 0}, &record, &outcome);
        assert_int_equal(results.duplicates, 1 - atomic);
        assert_int_equal(results.conflicts, atomic);
        assert_text(buf_str(&results.list), expected[atomic]);
        results_release(&results);
    }
}

/* Entries so large that the list is full before the count is: it ends behind a whole one, and so is still JSON. */
static void test_list_that_is_full(void **state)
{
    enum { ENTRY_BYTES = 1 << 20, ENTRIES = 40 };
    Results results;
    Buf buf;
    (void)state;
    char *entry = test_malloc(ENTRY_BYTES);
    memset(entry, 'x', ENTRY_BYTES);
    memcpy(entry, "{\"a\":\"", 6);
    memcpy(entry + ENTRY_BYTES - 2, "\"}", 2);
    results_init(&results, &(RecordsCall){.results = RESULTS_PROBLEMS}, NULL);
    for (int i = 0; i < ENTRIES; i++) {
        results_add_refused(&results, (Str){entry, ENTRY_BYTES});
    }
    assert_true(results.truncated && results.listed < ENTRIES && results.rejected == ENTRIES);
    buf_init(&buf, 64 << 20);
    results_put(&buf, &results);
    yyjson_doc *doc = yyjson_read(buf.ptr, buf.len, 0);
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(doc), "results")), results.listed);
    yyjson_doc_free(doc);
    buf_release(&buf);
    results_release(&results);
    test_free(entry);
}

static void test_warnings(void **state)
{
    Arena arena;
    Results results;
    Buf buf;
    RecordProblems problems = {.unknown_fields = {STR("colour"), STR("size"), STR("colour")}, .unknown_count = 3};
    (void)state;
    arena_init(&arena, 1024, 1 << 20);
    results_init(&results, &(RecordsCall){.results = RESULTS_NONE}, NULL);
    results_add_warnings(&results, &problems, &arena);
    results_add_warnings(&results, &problems, &arena);
    buf_init(&buf, 4096);
    warnings_put(&buf, results.warnings, results.warning_count);
    assert_text(buf_str(&buf), ",\"warnings\":[\"colour\",\"size\"]");
    buf_release(&buf);
    results_release(&results);
    arena_release(&arena);
}

static void test_traceparent(void **state)
{
    static const char good[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    static const char *const bad[] = {
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
    };
    (void)state;
    assert_text(traceparent_check(str_from(good)), good);
    assert_int_equal(traceparent_check(STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")).len, 55);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(traceparent_check(str_from(bad[i])).len, 0);
    }
}

static Status open_event_by(const char *text, const RecordPolicy *policy, RecordProblems *problems)
{
    yyjson_val *data;
    Str traceparent;
    yyjson_doc *doc = yyjson_read(text, strlen(text), YYJSON_READ_NUMBER_AS_RAW);
    assert_non_null(doc);
    Status status = cloudevent_open(yyjson_doc_get_root(doc), policy, &data, &traceparent, problems);
    if (status == STATUS_OK) {
        assert_true(yyjson_is_obj(data));
    }
    yyjson_doc_free(doc);
    return status;
}

static Status open_event(const char *text, RecordProblems *problems)
{
    return open_event_by(text, &(RecordPolicy){.hash_seed = 7}, problems);
}

/* Beside the data of one among many. */
static void test_faults_around_data(void **state)
{
    static const char text[] = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{},"
                               "\"simulateFailure\":\"before\"}";
    RecordProblems problems;
    (void)state;
    assert_int_equal(open_event(text, &problems), STATUS_OK);
    assert_int_equal(open_event_by(text, &(RecordPolicy){.faults_refused = true}, &problems), STATUS_REFUSED);
    assert_int_equal(problems.count, 1);
    assert_text(problems.items[0].field, "simulateFailure");
}

static void test_events(void **state)
{
    static const char *const bad[] = {
        "[]",
        "{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{}}",
        "{\"specversion\":\"1.0\",\"source\":\"s\",\"type\":\"t\",\"data\":{}}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"\",\"type\":\"t\",\"data\":{}}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\"}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data_base64\":\"e30=\"}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{},\"data\":{}}",
    };
    RecordProblems problems;
    (void)state;
    assert_int_equal(
        open_event("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{}}", &problems),
        STATUS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(open_event(bad[i], &problems), STATUS_REFUSED);
        assert_true(problems.count > 0);
    }
    assert_null(cloudevent_check_headers(STR("1.0"), STR("1"), STR("s"), STR("t")));
    assert_non_null(cloudevent_check_headers(STR("1.1"), STR("1"), STR("s"), STR("t")));
    assert_non_null(cloudevent_check_headers(STR("1.0"), STR("1"), (Str){NULL, 0}, STR("t")));
}

/* Records and refused lines come out in the order of the lines, whatever came first. */
static void test_slice(void **state)
{
    Results results;
    RecordProblems problems = {.count = 1, .items = {{STR("value"), "is required"}}};
    (void)state;
    Slice *slice = slice_new(1024, 4, NULL);
    assert_non_null(slice);
    slice->first_index = 10;
    slice->lines[slice->line_count++] = (SliceLine){21, 0, 0, 0};
    slice->records[slice->record_count++] = record_of("a");
    assert_true(slice_add_refused(slice, 23, &problems));
    slice->lines[slice->line_count++] = (SliceLine){24, 1, 0, 0};
    slice->records[slice->record_count++] = record_of("c");
    assert_false(slice_is_full(slice));
    slice->outcomes[0] = (Outcome){.kind = OUTCOME_CREATED, .seq = 5};
    slice->outcomes[1] = (Outcome){.kind = OUTCOME_DUPLICATE, .seq = 2};
    results_init(&results, &(RecordsCall){.results = RESULTS_ALL}, NULL);
    slice_put_results(slice, &results);
    check_results(
        &results,
        "{\"received\":3,\"created\":1,\"duplicates\":1,\"conflicts\":0,\"rejected\":1,\"results\":["
        "{\"index\":10,\"line\":21,\"recordId\":\"a\",\"status\":\"created\",\"id\":5},"
        "{\"index\":11,\"line\":23,\"recordId\":null,\"status\":\"rejected\",\"errors\":{\"value\":[\"is required\"]}},"
        "{\"index\":12,\"line\":24,\"recordId\":\"c\",\"status\":\"duplicate\",\"id\":2}]}");
    results_release(&results);
    slice_free(slice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),     cmocka_unit_test(test_truncated), cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_first_wins),  cmocka_unit_test(test_stored_id), cmocka_unit_test(test_event_that_differs),
        cmocka_unit_test(test_traceparent), cmocka_unit_test(test_events),    cmocka_unit_test(test_faults_around_data),
        cmocka_unit_test(test_accepted),    cmocka_unit_test(test_slice),     cmocka_unit_test(test_list_that_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
