/* GET /api/records, on the fake store. */
#include "unit.h"

#include "base/timestamp.h"
#include "support/query_run.h"
#include "support/random.h"

#include <stdlib.h>

#define HEADER "id,recordId,time,sourceId,destinationId,type,value,unit,reference\r\n"

/* Four records; by time they are 3, 1, 4, 2. */
static Store *small_store(void)
{
    Store *store = fake_store_new(&run_info);
    const Record records[] = {
        run_record(1, "2025-01-01 10:00:00", "dest-1", "positive", 10050, "EUR"),
        run_record(2, "2025-01-01 12:00:00", "dest-1", "negative", 5000, "EUR"),
        run_record(3, "2025-01-01 09:00:00", "dest-2", "positive", 1, "SEK"),
        run_record(4, "2025-01-01 10:00:00", "dest-2", "positive", 200, "EUR"),
    };
    for (size_t i = 0; i < 4; i++) {
        fake_store_add(store, &records[i]);
    }
    return store;
}

/* The ids of a JSON answer in their order, "3 1 4 2", and what follows the records. */
static const char *ids_of(const char *answer)
{
    static char ids[65536];
    size_t len = 0;
    ids[0] = '\0';
    for (const char *at = strstr(answer, "\"id\":"); at; at = strstr(at + 1, "\"id\":")) {
        len += (size_t)snprintf(ids + len, sizeof ids - len, "%s%d", len ? " " : "", (int)strtol(at + 5, NULL, 10));
        assert_true(len < sizeof ids);
    }
    return ids;
}

static void check_ids(Store *store, const char *params, const char *ids)
{
    char *answer = run_list(store, params, QUERY_JSON);
    assert_string_equal(ids_of(answer), ids);
    free(answer);
}

static void test_shape(void **state)
{
    (void)state;
    Store *store = small_store();
    char *answer = run_list(store, "destinationId=dest-2&endTime=2025-01-01 09:30:00", QUERY_JSON);
    assert_string_equal(
        answer,
        "{\"data\":[{\"id\":3,\"recordId\":\"rec-3\",\"time\":\"2025-01-01T09:00:00Z\",\"sourceId\":\"source-1\","
        "\"destinationId\":\"dest-2\",\"type\":\"positive\",\"value\":\"0.01\",\"unit\":\"SEK\","
        "\"reference\":\"ref-1\"}],\"nextCursor\":null}");
    free(answer);
    answer = run_list(store, "unit=none", QUERY_JSON);
    assert_string_equal(answer, "{\"data\":[],\"nextCursor\":null}");
    free(answer);
    answer = run_list(store, "unit=SEK", QUERY_NDJSON);
    assert_string_equal(answer,
                        "{\"id\":3,\"recordId\":\"rec-3\",\"time\":\"2025-01-01T09:00:00Z\",\"sourceId\":\"source-1\","
                        "\"destinationId\":\"dest-2\",\"type\":\"positive\",\"value\":\"0.01\",\"unit\":\"SEK\","
                        "\"reference\":\"ref-1\"}\n");
    free(answer);
    answer = run_list(store, "unit=SEK", QUERY_CSV);
    assert_string_equal(answer, HEADER "3,rec-3,2025-01-01T09:00:00Z,source-1,dest-2,positive,0.01,SEK,ref-1\r\n");
    free(answer);
    answer = run_list(store, "unit=none", QUERY_CSV);
    assert_string_equal(answer, HEADER);
    free(answer);
    fake_store_free(store);
}

static void test_filters(void **state)
{
    (void)state;
    Store *store = small_store();
    check_ids(store, "", "3 1 4 2");
    check_ids(store, "order=desc", "2 4 1 3");
    check_ids(store, "order=asc", "3 1 4 2");
    check_ids(store, "type=negative", "2");
    check_ids(store, "type=positive", "3 1 4");
    check_ids(store, "destinationId=dest-1", "1 2");
    check_ids(store, "sourceId=source-1&reference=ref-1&unit=EUR", "1 4 2");
    check_ids(store, "sourceId=source-2", "");
    check_ids(store, "reference=ref-2", "");
    /* Both ends are inclusive. */
    check_ids(store, "startTime=2025-01-01 10:00:00&endTime=2025-01-01T10:00:00Z", "1 4");
    check_ids(store, "startTime=2025-01-01 10:00:00.000001", "2");
    check_ids(store, "endTime=2025-01-01 09:59:59.999999", "3");
    check_ids(store, "startTime=2025-01-01 10:00:00&order=desc", "2 4 1");
    /* An offset whose + was not percent-encoded. */
    check_ids(store, "startTime=2025-01-01T14:00:00 02:00", "2");
    check_ids(store, "startTime=2025-01-01T14:00:00+02:00", "2");
    check_ids(store, "startTime=2025-01-01 14:00:00 02:00", "2");
    fake_store_free(store);
}

static void check_problems(const char *params, const char *expected)
{
    char *problems = run_list_problems(params, QUERY_JSON);
    assert_string_equal(problems, expected);
    free(problems);
}

static void test_problems(void **state)
{
    (void)state;
    check_problems("starttime=2025-01-01 10:00:00", "starttime is not a known parameter; did you mean startTime?");
    check_problems("start_time=x", "start_time is not a known parameter; did you mean startTime?");
    check_problems("desination=x", "desination is not a known parameter; did you mean destinationId?");
    check_problems("destinatonId=x", "destinatonId is not a known parameter; did you mean destinationId?");
    check_problems("groupBy=unit", "groupBy is not a known parameter");
    check_problems("=", " is not a known parameter");
    check_problems("type=Positive", "type must be positive or negative");
    check_problems("type=positive&type=positive", "type is given more than once");
    check_problems("order=up", "order must be asc or desc");
    check_problems("limit=0", "limit must be a number from 1 to 1000");
    check_problems("limit=1001", "limit must be a number from 1 to 1000");
    check_problems("limit=", "limit must be a number from 1 to 1000");
    check_problems("limit=-1&order=x", "limit must be a number from 1 to 1000; order must be asc or desc");
    check_problems("unit=", "unit must be 1 to 255 characters of valid UTF-8 without NUL");
    check_problems("sourceId=\xFF", "sourceId must be 1 to 255 characters of valid UTF-8 without NUL");
    check_problems("startTime=2025-01-02 00:00:00&endTime=2025-01-01 00:00:00",
                   "startTime must not be later than endTime");
    check_problems("cursor=abc", "cursor is not a cursor; use a nextCursor as it was given, or none to start again");
    char *problems = run_list_problems("startTime=yesterday&endTime=2025-02-29 00:00:00", QUERY_JSON);
    assert_non_null(strstr(problems, "startTime "));
    assert_non_null(strstr(problems, "; endTime "));
    free(problems);
    problems = run_list_problems("limit=1001&limit=2", QUERY_NDJSON);
    assert_string_equal(problems, "limit is given more than once");
    free(problems);
}

/* More than fit are counted out, a name that is too long is cut between characters. */
static void test_many_problems(void **state)
{
    (void)state;
    char name[200], params[256];
    for (size_t i = 0; i + 2 < sizeof name; i += 2) {
        memcpy(name + i, "\xC3\xA5", 3);
    }
    snprintf(params, sizeof params, "%s=1", name);
    char *problems = run_list_problems(params, QUERY_JSON);
    assert_int_equal(strlen(problems), 62 + strlen(" is not a known parameter"));
    free(problems);
    QueryParam list[40];
    QueryProblems many;
    QueryOptions options = run_options();
    Query *query = NULL;
    for (size_t i = 0; i < 40; i++) {
        list[i] = (QueryParam){STR("nonsense"), STR("x")};
    }
    assert_int_equal(query_list_new(list, 40, QUERY_JSON, &options, &query, &many), STATUS_REFUSED);
    assert_int_equal(many.count, QUERY_PROBLEMS_MAX);
}

/* ---- Pages ------------------------------------------------------------------------------------------------------- */

/* Rows with random times, so that the log's order and the order of time have nothing in common. */
static Store *random_store(size_t count, uint64_t seed)
{
    static const char *const destinations[] = {"a", "b", "c", "d"};
    Store *store = fake_store_new(&run_info);
    for (size_t i = 0; i < count; i++) {
        Record record =
            run_record((int)i, "2025-01-01 00:00:00", destinations[random_next(&seed) % 4],
                       random_next(&seed) % 3 ? "positive" : "negative", (int64_t)(random_next(&seed) % 100000), "EUR");
        record.time_us += (int64_t)(random_next(&seed) % 86400) * 1000000;
        record.unit = random_next(&seed) % 1000 ? STR("EUR") : STR("SEK");
        fake_store_add(store, &record);
    }
    return store;
}

/* Follows the cursors to the end, and adds a record between the pages that no page may show. */
static char *all_pages(Store *store, const char *params, size_t *ret_pages)
{
    static char ids[1 << 20];
    char next[512] = "";
    size_t len = 0;
    *ret_pages = 0;
    do {
        char whole[1024], *end;
        snprintf(whole, sizeof whole, "%s%s%s", params, next[0] ? "&cursor=" : "", next);
        char *answer = run_list(store, whole, QUERY_JSON);
        len += (size_t)snprintf(ids + len, sizeof ids - len, "%s%s", *ret_pages ? " " : "", ids_of(answer));
        end = strstr(answer, "\"nextCursor\":");
        assert_non_null(end);
        next[0] = '\0';
        if (strcmp(end, "\"nextCursor\":null}") != 0) {
            snprintf(next, sizeof next, "%.46s", end + strlen("\"nextCursor\":\""));
        }
        free(answer);
        Record late = run_record(9999, "2025-01-01 12:00:00", "a", "positive", 7, "SEK");
        fake_store_add(store, &late);
        ++*ret_pages;
    } while (next[0]);
    return ids;
}

static void check_pages(size_t rows, const char *filter, const char *limit, size_t pages)
{
    char params[256];
    size_t found_pages;
    Store *store = random_store(rows, 3);
    char *whole = run_list(store, filter, QUERY_NDJSON);
    char *expected = strdup(ids_of(whole));
    snprintf(params, sizeof params, "%s%slimit=%s", filter, filter[0] ? "&" : "", limit);
    assert_string_equal(all_pages(store, params, &found_pages), expected);
    assert_int_equal(found_pages, pages);
    free(whole);
    free(expected);
    fake_store_free(store);
}

static void test_pages(void **state)
{
    (void)state;
    check_pages(1000, "", "1000", 1);
    check_pages(1000, "", "999", 2);
    check_pages(1000, "", "100", 10);
    check_pages(1000, "order=desc", "100", 10);
    check_pages(60, "", "1", 60);
    check_pages(60, "order=desc&type=positive", "7", 6);
    check_pages(0, "", "10", 1);
}

static void test_cursor_of_another_list(void **state)
{
    (void)state;
    Store *store = small_store();
    char *answer = run_list(store, "limit=1", QUERY_JSON), params[256];
    const char *cursor = strstr(answer, "nextCursor\":\"") + strlen("nextCursor\":\"");
    snprintf(params, sizeof params, "cursor=%.46s&type=positive", cursor);
    check_problems(params, "cursor belongs to other filters or another store; start again without it");
    snprintf(params, sizeof params, "cursor=%.46s&order=desc", cursor);
    check_problems(params, "cursor belongs to the other order; start again without it");
    snprintf(params, sizeof params, "cursor=%.46s&limit=2", cursor);
    check_ids(store, params, "1 4");
    free(answer);
    fake_store_free(store);
}

/* ---- Selective filters ------------------------------------------------------------------------------------------- */

/* A filter that picks a row in a thousand: the walk gives up early, a scan finds the places, and the answer is the
 * same. */
static void test_selective(void **state)
{
    (void)state;
    enum { ROWS = 60000 };
    Store *store = random_store(ROWS, 11);
    fake_store_reads(store);
    char *answer = run_list(store, "unit=SEK", QUERY_NDJSON);
    FakeReads reads = fake_store_reads(store);
    assert_int_equal(reads.scanned, ROWS);
    assert_in_range(reads.fetched, 8192, 8192 + 200);
    char *expected = strdup(ids_of(answer));
    assert_in_range(strlen(expected), 200, 600);
    free(answer);
    /* Pages of it, each by a scan, with records arriving in between. */
    size_t pages;
    assert_string_equal(all_pages(store, "unit=SEK&limit=9", &pages), expected);
    free(expected);
    answer = run_list(store, "unit=SEK&order=desc&limit=20", QUERY_JSON);
    assert_int_equal(strncmp(answer, "{\"data\":[{\"id\":", 15), 0);
    free(answer);
    /* What picks much is walked, and no further than the page needs. */
    fake_store_reads(store);
    free(run_list(store, "destinationId=a", QUERY_JSON));
    reads = fake_store_reads(store);
    assert_int_equal(reads.scanned, 0);
    assert_true(reads.fetched < 1000);
    /* In a narrow range of time there is little to walk. */
    free(run_list(store, "unit=SEK&startTime=2025-01-01 10:00:00&endTime=2025-01-01 10:10:00", QUERY_JSON));
    assert_int_equal(fake_store_reads(store).scanned, 0);
    fake_store_free(store);
}

/* The order of a selective list is by time, whichever way it was found. */
static void test_selective_order(void **state)
{
    (void)state;
    Store *store = random_store(60000, 12);
    static const char *const orders[] = {"unit=SEK&limit=1000", "unit=SEK&limit=1000&order=desc"};
    for (size_t i = 0; i < 2; i++) {
        char *answer = run_list(store, orders[i], QUERY_JSON), last[32] = "";
        size_t count = 0;
        for (const char *at = strstr(answer, "\"time\":\""); at; at = strstr(at + 1, "\"time\":\"")) {
            int order = strncmp(at + 8, last, 20);
            assert_true(count == 0 || (i == 0 ? order >= 0 : order <= 0));
            snprintf(last, sizeof last, "%.20s", at + 8);
            count++;
        }
        assert_in_range(count, 30, 100);
        free(answer);
    }
    fake_store_free(store);
}

/* A filter that picks nothing for a long while and then more than a scan keeps the places of: behind those the list
 * goes on. */
static void test_more_than_a_scan_keeps(void **state)
{
    (void)state;
    enum { OTHERS = 12000, WANTED = 66000 };
    Store *store = fake_store_new(&run_info);
    for (int i = 0; i < OTHERS + WANTED; i++) {
        Record record = run_record(i + 1, "2025-01-01 10:00:00", "a", "positive", 1, i < OTHERS ? "EUR" : "SEK");
        record.time_us += i * INT64_C(1000000);
        fake_store_add(store, &record);
    }
    fake_store_reads(store);
    char *answer = run_list(store, "unit=SEK", QUERY_NDJSON);
    assert_int_equal(fake_store_reads(store).scanned, OTHERS + WANTED);
    uint64_t id = OTHERS, found = 0;
    Str rest = str_from(answer);
    /* Line by line: what looks for the end of a text as long as this one each time would take minutes. */
    for (Str line; rest.len > 0 && (line = str_split(&rest, '\n')).len > 0;) {
        str_split(&line, ':'); /* {"id" */
        assert_true(str_to_u64(str_split(&line, ','), UINT64_MAX, &found));
        assert_int_equal(found, ++id);
    }
    assert_int_equal(id, OTHERS + WANTED);
    free(answer);
    fake_store_free(store);
}

/* ---- Flows ------------------------------------------------------------------------------------------------------- */

static char *run_hasty(Store *store, const char *params, QueryFormat format, size_t bytes_wanted);

/* A flow's records by its chain, in pages and in steps: as many reads as it has records, twice, and the answer is that
 * of filters which pick the same and name no flow. */
static void check_flow(Store *store, const char *filter, size_t most)
{
    char params[256];
    size_t pages;
    snprintf(params, sizeof params, "unit=SEK&destinationId=a%s", filter);
    char *expected = run_list(store, params, QUERY_NDJSON);
    snprintf(params, sizeof params, "unit=SEK&destinationId=a&reference=ref-1%s", filter);
    fake_store_reads(store);
    char *answer = run_list(store, params, QUERY_NDJSON), *hasty = run_hasty(store, params, QUERY_NDJSON, 1);
    FakeReads reads = fake_store_reads(store);
    assert_int_equal(reads.scanned, 0);
    assert_in_range(reads.fetched, 2, 4 * most + 2);
    assert_string_equal(answer, expected);
    assert_string_equal(hasty, expected);
    char *ids = strdup(ids_of(expected));
    snprintf(params, sizeof params, "unit=SEK&destinationId=a&reference=ref-1&limit=4%s", filter);
    assert_string_equal(all_pages(store, params, &pages), ids);
    assert_true(pages > 1);
    free(ids);
    free(expected);
    free(answer);
    free(hasty);
}

static void test_flow(void **state)
{
    (void)state;
    Store *store = random_store(60000, 11);
    check_flow(store, "", 30);
    check_flow(store, "&order=desc", 40);
    check_flow(store, "&type=positive&order=desc", 50);
    check_flow(store, "&startTime=2025-01-01 10:00:00&order=desc", 60);
    check_flow(store, "&endTime=2025-01-01 13:00:00", 70);
    fake_store_reads(store);
    check_ids(store, "destinationId=a&unit=SEK&reference=none", "");
    assert_int_equal(fake_store_reads(store).fetched, 0);
    fake_store_free(store);
}

/* A page of a flow with a quarter of all records is walked, and so is an hour of it. */
static void test_long_flow(void **state)
{
    (void)state;
    Store *store = random_store(60000, 11);
    fake_store_publish(store); /* so that how many records a range has can be told */
    fake_store_reads(store);
    free(run_list(store, "destinationId=a&unit=EUR&reference=ref-1&limit=100", QUERY_JSON));
    assert_in_range(fake_store_reads(store).fetched, 100, 1000);
    free(run_list(store,
                  "destinationId=a&unit=EUR&reference=ref-1&startTime=2025-01-01 10:00:00&endTime=2025-01-01 11:00:00",
                  QUERY_NDJSON));
    assert_in_range(fake_store_reads(store).fetched, 500, 3000);
    fake_store_free(store);
}

/* Without the index the list is as long and in the same order, but it takes more reads. */
static void test_flow_untold(void **state)
{
    (void)state;
    Store *store = random_store(60000, 11);
    const char *params = "destinationId=a&unit=SEK&reference=ref-1&order=desc";
    char *expected = run_list(store, params, QUERY_NDJSON);
    fake_store_untell_flows(store);
    fake_store_reads(store);
    char *answer = run_list(store, params, QUERY_NDJSON);
    assert_true(strlen(expected) > 0);
    assert_string_equal(answer, expected);
    assert_true(fake_store_reads(store).fetched > 1000);
    free(expected);
    free(answer);
    fake_store_free(store);
}

/* A row that is damaged: its flow's previous record is itself, or a later one, or none that can be. */
static void test_bent_chain(void **state)
{
    (void)state;
    static const int64_t wrong[] = {2, 4, -1, INT64_MAX};
    Store *store = small_store();
    QueryParam params[RUN_PARAMS_MAX];
    size_t count = run_params("destinationId=dest-1&reference=ref-1&unit=EUR", params);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        QueryOptions options = run_options();
        QueryProblems problems;
        Query *query;
        Error error;
        Buf out;
        bool done = false;
        buf_init(&out, 1 << 20);
        ((StoredRecord *)fake_store_at(store, 2))->prev_seq = wrong[i];
        assert_int_equal(query_list_new(params, count, QUERY_JSON, &options, &query, &problems), STATUS_OK);
        assert_int_equal(query_step(query, fake_store_reader(store), 4096, &out, &done, &error), STATUS_BROKEN);
        assert_non_null(strstr(error.message, "record 2 follows record"));
        assert_int_equal(out.len, 0);
        query_free(query);
        buf_release(&out);
    }
    fake_store_free(store);
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static char *run_hasty(Store *store, const char *params, QueryFormat format, size_t bytes_wanted)
{
    QueryParam list[RUN_PARAMS_MAX];
    QueryOptions options = run_options_hasty();
    QueryProblems problems;
    Query *query;
    assert_int_equal(query_list_new(list, run_params(params, list), format, &options, &query, &problems), STATUS_OK);
    return run_to_end(query, store, bytes_wanted);
}

/* Steps of one row, pieces of any size: the answer is the same to the byte. */
static void test_steps(void **state)
{
    (void)state;
    static const char *const params[] = {"", "order=desc&type=negative", "limit=13",
                                         "unit=SEK&startTime=2025-01-01 03:00:00"};
    Store *store = random_store(600, 5);
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        for (QueryFormat format = QUERY_JSON; format <= QUERY_CSV; format++) {
            char *whole = run_list(store, params[i], format), *hasty = run_hasty(store, params[i], format, 1 << 20);
            char *small = run_hasty(store, params[i], format, 1);
            assert_string_equal(whole, hasty);
            assert_string_equal(whole, small);
            free(whole);
            free(hasty);
            free(small);
        }
    }
    fake_store_free(store);
}

static void test_selective_in_steps(void **state)
{
    (void)state;
    Store *store = random_store(30000, 5);
    char *whole = run_list(store, "unit=SEK&limit=10", QUERY_JSON);
    char *hasty = run_hasty(store, "unit=SEK&limit=10", QUERY_JSON, 100);
    assert_string_equal(whole, hasty);
    free(whole);
    free(hasty);
    fake_store_free(store);
}

/* A failure appends nothing, so that it can still be the answer, and frees everything. */
static void test_failures(void **state)
{
    (void)state;
    Store *store = small_store();
    QueryOptions options = run_options();
    QueryProblems problems;
    Query *query;
    Error error;
    bool done = false;
    Buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(query_list_new(NULL, 0, QUERY_JSON, &options, &query, &problems), STATUS_OK);
    fake_store_fail(store, STATUS_BUSY);
    assert_int_equal(query_step(query, fake_store_reader(store), 1000, &out, &done, &error), STATUS_BUSY);
    assert_int_equal(out.len, 0);
    assert_false(done);
    query_free(query);
    query_free(NULL);
    /* Without room for the answer. */
    buf_release(&out);
    buf_init(&out, 40);
    assert_int_equal(query_list_new(NULL, 0, QUERY_JSON, &options, &query, &problems), STATUS_OK);
    assert_int_equal(query_step(query, fake_store_reader(store), 1000, &out, &done, &error), STATUS_BUSY);
    assert_int_equal(out.len, 0);
    query_free(query);
    buf_release(&out);
    fake_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_many_problems),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_cursor_of_another_list),
        cmocka_unit_test(test_selective),
        cmocka_unit_test(test_selective_order),
        cmocka_unit_test(test_more_than_a_scan_keeps),
        cmocka_unit_test(test_flow),
        cmocka_unit_test(test_long_flow),
        cmocka_unit_test(test_flow_untold),
        cmocka_unit_test(test_bent_chain),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_selective_in_steps),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests_name("query_list", tests, NULL, NULL);
}
