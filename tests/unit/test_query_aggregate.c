/* GET /api/records/aggregate, on the fake store. */
#include "unit.h"

#include "base/timestamp.h"
#include "support/query_run.h"
#include "support/random.h"

#include <stdlib.h>

#define HEAD "{\"message\":\"Records aggregated successfully\",\"data\":{\"count\":"

static Store *small_store(void)
{
    Store *store = fake_store_new(&run_info);
    const Record records[] = {
        run_record(1, "2025-01-01 10:00:00", "dest-2", "positive", 10050, "EUR"),
        run_record(2, "2025-01-01 12:00:00", "dest-1", "negative", 5000, "EUR"),
        run_record(3, "2025-01-01 09:00:00", "dest-2", "positive", 1, "SEK"),
        run_record(4, "2025-01-02 10:00:00", "dest-2", "negative", 201, "EUR"),
    };
    for (size_t i = 0; i < 4; i++) {
        fake_store_add(store, &records[i]);
    }
    return store;
}

static void check_answer(Store *store, const char *params, QueryFormat format, const char *expected)
{
    char *answer = run_aggregate(store, params, format);
    assert_string_equal(answer, expected);
    free(answer);
}

/* ---- Shapes ------------------------------------------------------------------------------------------------------ */

static void test_shape(void **state)
{
    (void)state;
    Store *store = small_store();
    check_answer(
        store, "endTime=2025-01-01 10:00:00", QUERY_JSON,
        HEAD
        "2,\"records\":["
        "{\"id\":3,\"recordId\":\"rec-3\",\"time\":\"2025-01-01T09:00:00Z\",\"sourceId\":\"source-1\","
        "\"destinationId\":\"dest-2\",\"type\":\"positive\",\"value\":\"0.01\",\"unit\":\"SEK\",\"reference\":\"ref-"
        "1\"},"
        "{\"id\":1,\"recordId\":\"rec-1\",\"time\":\"2025-01-01T10:00:00Z\",\"sourceId\":\"source-1\","
        "\"destinationId\":\"dest-2\",\"type\":\"positive\",\"value\":\"100.50\",\"unit\":\"EUR\",\"reference\":\"ref-"
        "1\"}],"
        "\"groups\":[{\"destinationId\":\"dest-2\",\"recordCount\":2,\"totalValue\":\"100.51\",\"netValue\":\"100.51\","
        "\"units\":[{\"unit\":\"EUR\",\"recordCount\":1,\"totalValue\":\"100.50\",\"netValue\":\"100.50\"},"
        "{\"unit\":\"SEK\",\"recordCount\":1,\"totalValue\":\"0.01\",\"netValue\":\"0.01\"}]}]}}");
    check_answer(
        store, "records=false&unit=EUR", QUERY_JSON,
        HEAD "3,\"groups\":[{\"destinationId\":\"dest-1\",\"recordCount\":1,\"totalValue\":\"50.00\",\"netValue\":\"-"
             "50.00\","
             "\"units\":[{\"unit\":\"EUR\",\"recordCount\":1,\"totalValue\":\"50.00\",\"netValue\":\"-50.00\"}]},"
             "{\"destinationId\":\"dest-2\",\"recordCount\":2,\"totalValue\":\"102.51\",\"netValue\":\"98.49\","
             "\"units\":[{\"unit\":\"EUR\",\"recordCount\":2,\"totalValue\":\"102.51\",\"netValue\":\"98.49\"}]}]}}");
    check_answer(store, "records=false&groupBy=", QUERY_JSON,
                 HEAD
                 "4,\"groups\":[{\"recordCount\":4,\"totalValue\":\"152.52\",\"netValue\":\"48.50\","
                 "\"units\":[{\"unit\":\"EUR\",\"recordCount\":3,\"totalValue\":\"152.51\",\"netValue\":\"48.49\"},"
                 "{\"unit\":\"SEK\",\"recordCount\":1,\"totalValue\":\"0.01\",\"netValue\":\"0.01\"}]}]}}");
    check_answer(
        store, "records=false&groupBy=unit,type", QUERY_NDJSON,
        "{\"unit\":\"EUR\",\"type\":\"negative\",\"recordCount\":2,\"totalValue\":\"52.01\",\"netValue\":\"-52.01\"}\n"
        "{\"unit\":\"EUR\",\"type\":\"positive\",\"recordCount\":1,\"totalValue\":\"100.50\",\"netValue\":\"100.50\"}\n"
        "{\"unit\":\"SEK\",\"type\":\"positive\",\"recordCount\":1,\"totalValue\":\"0.01\",\"netValue\":\"0.01\"}\n");
    fake_store_free(store);
}

static void test_other_formats(void **state)
{
    (void)state;
    Store *store = small_store();
    check_answer(store, "records=false&window=day", QUERY_CSV,
                 "windowStart,destinationId,unit,recordCount,totalValue,netValue\r\n"
                 "2025-01-01T00:00:00Z,dest-1,EUR,1,50.00,-50.00\r\n"
                 "2025-01-01T00:00:00Z,dest-2,EUR,1,100.50,100.50\r\n"
                 "2025-01-01T00:00:00Z,dest-2,SEK,1,0.01,0.01\r\n"
                 "2025-01-02T00:00:00Z,dest-2,EUR,1,2.01,-2.01\r\n");
    check_answer(store, "records=false&groupBy=sourceId,reference,unit&measures=min,p50,avg&unit=EUR", QUERY_CSV,
                 "sourceId,reference,unit,recordCount,totalValue,netValue,min,avg,p50\r\n"
                 "source-1,ref-1,EUR,3,152.51,48.49,2.01,50.84,50.00\r\n");
    check_answer(store, "unit=SEK", QUERY_CSV,
                 "id,recordId,time,sourceId,destinationId,type,value,unit,reference\r\n"
                 "3,rec-3,2025-01-01T09:00:00Z,source-1,dest-2,positive,0.01,SEK,ref-1\r\n");
    check_answer(store, "unit=SEK&limit=1", QUERY_NDJSON,
                 "{\"id\":3,\"recordId\":\"rec-3\",\"time\":\"2025-01-01T09:00:00Z\",\"sourceId\":\"source-1\","
                 "\"destinationId\":\"dest-2\",\"type\":\"positive\",\"value\":\"0.01\",\"unit\":\"SEK\",\"reference\":"
                 "\"ref-1\"}\n");
    fake_store_free(store);
}

static void test_empty(void **state)
{
    (void)state;
    Store *store = fake_store_new(&run_info);
    check_answer(store, "", QUERY_JSON, HEAD "0,\"records\":[],\"groups\":[]}}");
    check_answer(store, "limit=5", QUERY_JSON, HEAD "0,\"records\":[],\"nextCursor\":null,\"groups\":[]}}");
    check_answer(store, "records=false&window=month&timeZone=Europe/Stockholm&measures=p99", QUERY_JSON,
                 HEAD "0,\"groups\":[]}}");
    check_answer(store, "records=false", QUERY_NDJSON, "");
    check_answer(store, "records=false", QUERY_CSV, "destinationId,unit,recordCount,totalValue,netValue\r\n");
    fake_store_free(store);
}

static void test_measures(void **state)
{
    (void)state;
    Store *store = fake_store_new(&run_info);
    static const int64_t values[] = {100, 1, 2, 1000};
    for (int i = 0; i < 4; i++) {
        Record record = run_record(i, "2025-01-01 10:00:00", "d", i % 2 ? "negative" : "positive", values[i], "EUR");
        fake_store_add(store, &record);
    }
    /* 1103 / 4 = 275.75, rounded half up to 276. */
    check_answer(
        store, "records=false&measures=sum,count,min,max,avg,p50,p95,p99", QUERY_JSON,
        HEAD "4,\"groups\":[{\"destinationId\":\"d\",\"recordCount\":4,\"totalValue\":\"11.03\",\"netValue\":\"-8.99\","
             "\"units\":[{\"unit\":\"EUR\",\"recordCount\":4,\"totalValue\":\"11.03\",\"netValue\":\"-8.99\",\"min\":"
             "\"0.01\","
             "\"max\":\"10.00\",\"avg\":\"2.76\",\"p50\":\"0.02\",\"p95\":\"10.00\",\"p99\":\"10.00\"}]}]}}");
    /* 103 / 2 = 51.5 */
    check_answer(
        store, "records=false&measures=avg&groupBy=unit&type=positive", QUERY_NDJSON,
        "{\"unit\":\"EUR\",\"recordCount\":2,\"totalValue\":\"1.02\",\"netValue\":\"1.02\",\"avg\":\"0.51\"}\n");
    check_answer(
        store, "records=false&measures=avg&groupBy=unit&type=negative", QUERY_NDJSON,
        "{\"unit\":\"EUR\",\"recordCount\":2,\"totalValue\":\"10.01\",\"netValue\":\"-10.01\",\"avg\":\"5.01\"}\n");
    fake_store_free(store);
}

/* ---- Problems ---------------------------------------------------------------------------------------------------- */

static void check_problems(const char *params, QueryFormat format, const char *expected)
{
    char *problems = run_aggregate_problems(params, format);
    assert_string_equal(problems, expected);
    free(problems);
}

static void test_problems(void **state)
{
    (void)state;
    check_problems("groupby=unit", QUERY_JSON, "groupby is not a known parameter; did you mean groupBy?");
    check_problems("order=asc", QUERY_JSON, "order is not a known parameter");
    check_problems("groupBy=unit,unit", QUERY_JSON, "groupBy names unit twice");
    check_problems("groupBy=unit,", QUERY_JSON,
                   "groupBy must be a list of destinationId, sourceId, reference, type, unit, separated by commas");
    check_problems("measures=", QUERY_JSON,
                   "measures must be a list of sum, count, min, max, avg, p50, p95, p99, separated by commas");
    check_problems("measures=median", QUERY_JSON,
                   "measures must be a list of sum, count, min, max, avg, p50, p95, p99, separated by commas");
    check_problems("window=year", QUERY_JSON, "window must be minute, hour, day, week or month");
    check_problems("records=no", QUERY_JSON, "records must be true or false");
    check_problems("records=false&limit=5", QUERY_JSON, "limit has no meaning with records=false");
    check_problems("timeZone=UTC", QUERY_JSON, "timeZone has no meaning without window");
    check_problems("window=day&timeZone=Europe/Stokholm", QUERY_JSON,
                   "timeZone is not a known time zone; did you mean Europe/Stockholm?");
    check_problems("groupBy=unit", QUERY_CSV, "records must be false to get groups as NDJSON or CSV");
    check_problems(
        "type=x&limit=0&limit=0", QUERY_JSON,
        "type must be positive or negative; limit must be a number from 1 to 1000; limit is given more than once");
}

/* The + of Etc/GMT+2, not percent-encoded. */
static void test_zone_with_a_space(void **state)
{
    (void)state;
    Store *store = small_store();
    check_answer(store, "records=false&window=day&timeZone=Etc/GMT 2&groupBy=unit&unit=SEK", QUERY_NDJSON,
                 "{\"windowStart\":\"2025-01-01T02:00:00Z\",\"unit\":\"SEK\",\"recordCount\":1,\"totalValue\":\"0.01\","
                 "\"netValue\":\"0.01\"}\n");
    fake_store_free(store);
}

/* ---- Windows ----------------------------------------------------------------------------------------------------- */

static void test_windows(void **state)
{
    (void)state;
    Store *store = fake_store_new(&run_info);
    static const char *const times[] = {
        "2025-10-25 21:59:59", "2025-10-25 22:00:00", "2025-10-26 00:30:00",
        "2025-10-26 01:30:00", "2025-10-26 22:59:59", "2025-10-26 23:00:00",
        "1969-12-31 22:30:00", "1969-12-31 23:30:00", "2025-10-26 18:10:00",
    };
    for (int i = 0; i < 9; i++) {
        Record record = run_record(i, times[i], "d", "positive", 1, "EUR");
        fake_store_add(store, &record);
    }
    static const char *const expected = "windowStart,unit,recordCount,totalValue,netValue\r\n"
                                        "1969-12-30T23:00:00Z,EUR,1,0.01,0.01\r\n"
                                        "1969-12-31T23:00:00Z,EUR,1,0.01,0.01\r\n"
                                        "2025-10-24T22:00:00Z,EUR,1,0.01,0.01\r\n"
                                        "2025-10-25T22:00:00Z,EUR,5,0.05,0.05\r\n"
                                        "2025-10-26T23:00:00Z,EUR,1,0.01,0.01\r\n";
    check_answer(store, "records=false&groupBy=unit&window=day&timeZone=Europe/Stockholm", QUERY_CSV, expected);
    fake_store_publish(store);
    fake_store_reads(store);
    check_answer(store, "records=false&groupBy=unit&window=day&timeZone=Europe/Stockholm", QUERY_CSV, expected);
    assert_int_equal(fake_store_reads(store).scanned, 0);
    /* Half an hour from UTC: an hour's rollup belongs to two days, and the log is scanned instead. */
    check_answer(store, "records=false&groupBy=unit&window=day&timeZone=Asia/Kolkata&startTime=2025-01-01 00:00:00",
                 QUERY_CSV,
                 "windowStart,unit,recordCount,totalValue,netValue\r\n"
                 "2025-10-25T18:30:00Z,EUR,5,0.05,0.05\r\n"
                 "2025-10-26T18:30:00Z,EUR,2,0.02,0.02\r\n");
    assert_int_equal(fake_store_reads(store).scanned, 9);
    fake_store_free(store);
}

/* ---- Rollups, rows and scans agree ------------------------------------------------------------------------------- */

static Store *random_store(size_t count, uint64_t seed, int64_t start_us, int64_t length_s)
{
    static const char *const destinations[] = {"a", "b", "c", "d", "\xC3\xA5"};
    Store *store = fake_store_new(&run_info);
    for (size_t i = 0; i < count; i++) {
        Record record = run_record((int)i, "1970-01-01 00:00:00", destinations[random_next(&seed) % 5],
                                   random_next(&seed) % 3 ? "positive" : "negative",
                                   (int64_t)(random_next(&seed) % (uint64_t)RECORD_VALUE_MAX), "EUR");
        record.time_us = start_us + (int64_t)(random_next(&seed) % (uint64_t)length_s) * 1000000;
        record.unit = random_next(&seed) % 3 ? STR("EUR") : STR("SEK");
        fake_store_add(store, &record);
    }
    return store;
}

static char *run_with(Store *store, const char *params, QueryFormat format, QueryOptions options, size_t bytes_wanted)
{
    QueryParam list[RUN_PARAMS_MAX];
    QueryProblems problems;
    Query *query;
    assert_int_equal(query_aggregate_new(list, run_params(params, list), format, &options, &query, &problems),
                     STATUS_OK);
    return run_to_end(query, store, bytes_wanted);
}

/* Random ranges of a week, to the second. */
static void random_params(char *ret_params, size_t size, uint64_t *seed, int64_t start_us, int64_t length_s)
{
    static const char *const more[] = {
        "",
        "&type=negative",
        "&destinationId=b&unit=SEK",
        "&groupBy=type,unit",
        "&groupBy=",
        "&window=day",
        "&window=hour&groupBy=unit",
        "&window=week&timeZone=Europe/Stockholm",
        "&measures=min,max,avg",
        "&measures=min,max&window=hour&timeZone=America/New_York&groupBy=",
        "&window=day&timeZone=Asia/Kolkata&groupBy=unit",
    };
    char from[TIMESTAMP_TEXT_BYTES_MAX], to[TIMESTAMP_TEXT_BYTES_MAX];
    int64_t first = start_us + (int64_t)(random_next(seed) % (uint64_t)length_s) * 1000000;
    int64_t length = (int64_t)(random_next(seed) % (uint64_t)length_s) * 1000000;
    length = random_next(seed) % 3 ? length : length / 50;
    timestamp_format(first, from);
    timestamp_format(first + length, to);
    uint64_t open = random_next(seed) % 8;
    snprintf(ret_params, size, "records=false%s%s%s%s%s", open == 0 ? "" : "&startTime=", open == 0 ? "" : from,
             open == 1 ? "" : "&endTime=", open == 1 ? "" : to,
             more[random_next(seed) % (sizeof more / sizeof more[0])]);
}

/* The same question with nothing in the rollups and with everything. A store that has never published reads no rollups,
 * and so its answer comes from the log alone. */
static void check_both_ways(size_t rows, int64_t start_us, int64_t length_s, size_t questions)
{
    uint64_t seed = rows;
    Store *plain = random_store(rows, 1, start_us, length_s), *whole = random_store(rows, 1, start_us, length_s);
    fake_store_publish(whole);
    size_t scanned = 0;
    for (size_t i = 0; i < questions; i++) {
        char params[256];
        random_params(params, sizeof params, &seed, start_us, length_s);
        char *expected = run_aggregate(plain, params, QUERY_JSON);
        fake_store_reads(whole);
        char *answer = run_aggregate(whole, params, QUERY_JSON);
        scanned += fake_store_reads(whole).scanned > 0;
        if (strcmp(answer, expected) != 0) {
            fail_msg("%s:\n%s\ninstead of\n%s", params, answer, expected);
        }
        free(answer);
        answer = run_with(whole, params, QUERY_JSON, run_options_hasty(), 50);
        assert_string_equal(answer, expected);
        free(answer);
        free(expected);
    }
    /* Only Kolkata's windows could not be had from rollups. */
    assert_true(scanned * 5 < questions);
    fake_store_free(plain);
    fake_store_free(whole);
}

#define WEEK_S     INT64_C(604800)
#define IN_2025_US INT64_C(1742770800000000) /* a week before Europe's clocks go forward */

static void test_rollups_and_scans_agree(void **state)
{
    (void)state;
    check_both_ways(3000, IN_2025_US, WEEK_S, 150);
    check_both_ways(300, -WEEK_S * 500000, WEEK_S, 60);
    check_both_ways(0, IN_2025_US, WEEK_S, 10);
}

/* Rollups of the first half of the log, the second half by a scan behind them. */
static void test_tail(void **state)
{
    (void)state;
    uint64_t seed = 77, more = 5;
    Store *plain = random_store(1500, 1, IN_2025_US, WEEK_S), *half = random_store(1500, 1, IN_2025_US, WEEK_S);
    fake_store_publish(half);
    for (int i = 0; i < 700; i++) {
        Record record = run_record(i, "2025-03-28 00:00:00", "a", "negative", i, "EUR");
        record.time_us += (int64_t)(random_next(&more) % 200000) * 1000000;
        fake_store_add(plain, &record);
        fake_store_add(half, &record);
    }
    for (size_t i = 0; i < 100; i++) {
        char params[256];
        random_params(params, sizeof params, &seed, IN_2025_US, WEEK_S);
        char *expected = run_aggregate(plain, params, QUERY_JSON), *answer = run_aggregate(half, params, QUERY_JSON);
        if (strcmp(answer, expected) != 0) {
            fail_msg("%s:\n%s\ninstead of\n%s", params, answer, expected);
        }
        free(expected);
        free(answer);
    }
    fake_store_free(plain);
    fake_store_free(half);
}

/* What a plan reads: whole days and few rows, not the log. */
static void test_rollups_are_used(void **state)
{
    (void)state;
    Store *store = random_store(20000, 4, IN_2025_US, WEEK_S);
    fake_store_publish(store);
    fake_store_reads(store);
    free(run_aggregate(store, "records=false", QUERY_JSON));
    FakeReads reads = fake_store_reads(store);
    assert_int_equal(reads.scanned + reads.fetched, 0);
    assert_in_range(reads.rollups, 7, 8 * 20);
    free(run_aggregate(store, "records=false&startTime=2025-03-25 10:20:30&endTime=2025-03-29 17:42:11", QUERY_JSON));
    reads = fake_store_reads(store);
    assert_int_equal(reads.scanned, 0);
    /* 119 rows an hour: the ends are at most half an hour from the next. */
    assert_in_range(reads.fetched, 1, 150);
    /* Percentiles and other keys scan. */
    free(run_aggregate(store, "records=false&measures=p50", QUERY_JSON));
    assert_int_equal(fake_store_reads(store).scanned, 20000);
    free(run_aggregate(store, "records=false&groupBy=sourceId", QUERY_JSON));
    assert_int_equal(fake_store_reads(store).scanned, 20000);
    free(run_aggregate(store, "records=false&reference=x", QUERY_JSON));
    assert_int_equal(fake_store_reads(store).scanned, 20000);
    /* In a narrow range they fetch rows. */
    free(run_aggregate(store, "records=false&measures=p50&startTime=2025-03-25 10:20:30&endTime=2025-03-25 11:00:00",
                       QUERY_JSON));
    reads = fake_store_reads(store);
    assert_int_equal(reads.scanned, 0);
    assert_in_range(reads.fetched, 40, 200);
    fake_store_free(store);
}

/* Totals beyond 64 bits, through rows, rollups and output. */
static void test_large_totals(void **state)
{
    (void)state;
    Store *store = fake_store_new(&run_info);
    Record record = run_record(1, "2025-01-01 10:00:00", "d", "negative", RECORD_VALUE_MAX, "EUR");
    for (int i = 0; i < 20000; i++) {
        fake_store_add(store, &record);
    }
    static const char *const expected =
        HEAD "20000,\"groups\":[{\"recordCount\":20000,\"totalValue\":\"199999999999999800.00\","
             "\"netValue\":\"-199999999999999800.00\",\"units\":[{\"unit\":\"EUR\","
             "\"recordCount\":20000,\"totalValue\":\"199999999999999800.00\","
             "\"netValue\":\"-199999999999999800.00\"}]}]}}";
    check_answer(store, "records=false&groupBy=", QUERY_JSON, expected);
    fake_store_publish(store);
    check_answer(store, "records=false&groupBy=", QUERY_JSON, expected);
    fake_store_free(store);
}

/* ---- Records ----------------------------------------------------------------------------------------------------- */

/* Records and groups are of one moment, whatever is committed while the answer is written. */
static void test_consistent(void **state)
{
    (void)state;
    Store *store = random_store(200, 9, IN_2025_US, WEEK_S);
    char *expected = run_aggregate(store, "", QUERY_JSON);
    QueryOptions options = run_options_hasty();
    QueryProblems problems;
    Query *query;
    Error error;
    Buf out;
    bool done = false;
    buf_init(&out, 1 << 22);
    assert_int_equal(query_aggregate_new(NULL, 0, QUERY_JSON, &options, &query, &problems), STATUS_OK);
    for (int i = 0; !done; i++) {
        assert_int_equal(query_step(query, fake_store_reader(store), 300, &out, &done, &error), STATUS_OK);
        Record late = run_record(0, "2025-03-25 12:00:00", "a", "positive", 7, "SEK");
        fake_store_add(store, &late);
        if (i % 10 == 0) {
            fake_store_publish(store);
        }
    }
    buf_put_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    query_free(query);
    buf_release(&out);
    free(expected);
    fake_store_free(store);
}

/* The records that come in while a question is answered, one after another. */
static Record late_record(int number)
{
    uint64_t seed = (uint64_t)number * 7919;
    Record record = run_record(0, "2025-03-24 00:00:00", number % 2 ? "a" : "z", number % 3 ? "positive" : "negative",
                               number, "SEK");
    record.time_us += (int64_t)(random_next(&seed) % WEEK_S) * 1000000;
    return record;
}

/* Rollups are read a bucket a step, while records come in and are published: the answer is still that of the first
 * step's moment. */
static void check_one_moment(const char *params)
{
    Store *store = random_store(300, 9, IN_2025_US, WEEK_S);
    QueryOptions options = run_options_hasty();
    QueryParam list[RUN_PARAMS_MAX];
    QueryProblems problems;
    Query *query;
    Error error;
    Buf out;
    bool done = false;
    fake_store_publish(store);
    char *expected = run_aggregate(store, params, QUERY_JSON);
    buf_init(&out, 1 << 22);
    assert_int_equal(query_aggregate_new(list, run_params(params, list), QUERY_JSON, &options, &query, &problems),
                     STATUS_OK);
    int steps = 0;
    for (; !done; steps++) {
        assert_int_equal(query_step(query, fake_store_reader(store), 300, &out, &done, &error), STATUS_OK);
        Record record = late_record(steps);
        fake_store_add(store, &record);
        if (steps % 5 == 0) {
            fake_store_publish(store);
        }
    }
    buf_put_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    assert_true(steps > 5);
    query_free(query);
    buf_release(&out);
    free(expected);
    fake_store_free(store);
}

static void test_one_moment(void **state)
{
    (void)state;
    check_one_moment("records=false");
    check_one_moment("records=false&window=hour&groupBy=");
    check_one_moment("records=false&window=day&timeZone=Europe/Stockholm&groupBy=unit");
    check_one_moment("records=false&startTime=2025-03-24 01:17:00&endTime=2025-03-30 22:50:00");
    check_one_moment("records=false&startTime=2025-03-24 01:17:00&endTime=2025-03-30 22:50:00&measures=min,max");
    check_one_moment(
        "records=false&startTime=2025-03-24 02:40:00&endTime=2025-03-29 01:17:00&groupBy=type&window=hour");
    check_one_moment(
        "records=false&startTime=2025-03-24 22:40:00&endTime=2025-03-28 21:17:00&destinationId=a&groupBy=");
    check_one_moment("records=false&window=day&timeZone=Asia/Kolkata&groupBy=");
}

/* The same count and groups on every page, although records come in and are published between them. */
static void check_pages(const char *params, size_t pages)
{
    Store *store = random_store(1000, 9, IN_2025_US, WEEK_S);
    char first_groups[8192] = "", next[64] = "";
    size_t records = 0, page = 0;
    fake_store_publish(store);
    do {
        char whole[256];
        snprintf(whole, sizeof whole, "%s&limit=300%s%s", params, next[0] ? "&cursor=" : "", next);
        char *answer = run_aggregate(store, whole, QUERY_JSON);
        assert_int_equal(strncmp(answer, HEAD "1000,", strlen(HEAD "1000,")), 0);
        for (const char *at = strstr(answer, "\"id\":"); at; at = strstr(at + 1, "\"id\":")) {
            records++;
        }
        const char *groups = strstr(answer, "\"groups\":"), *cursor = strstr(answer, "\"nextCursor\":");
        assert_non_null(groups);
        if (page++ == 0) {
            snprintf(first_groups, sizeof first_groups, "%s", groups);
        }
        assert_string_equal(groups, first_groups);
        snprintf(next, sizeof next, "%.46s", cursor[13] == 'n' ? "" : cursor + 14);
        free(answer);
        Record late = run_record(1, "2025-03-25 12:00:00", "new", "positive", 7, "SEK");
        for (int i = 0; i < 50; i++) {
            fake_store_add(store, &late);
        }
        fake_store_publish(store);
    } while (next[0]);
    assert_int_equal(records, 1000);
    assert_int_equal(page, pages);
    fake_store_free(store);
}

static void test_pages(void **state)
{
    (void)state;
    check_pages("groupBy=destinationId", 4);
    check_pages("measures=min,max,p50&groupBy=unit", 4);
    check_pages("window=day&groupBy=sourceId", 4);
}

/* One group with more units than a piece of the answer holds. */
static void test_many_units(void **state)
{
    (void)state;
    Store *store = fake_store_new(&run_info);
    static char names[400][16];
    for (int i = 0; i < 400; i++) {
        Record record = run_record(i, "2025-01-01 10:00:00", "d", "positive", i, "EUR");
        snprintf(names[i], sizeof names[i], "u%03d", i);
        record.unit = str_from(names[i]);
        fake_store_add(store, &record);
    }
    char *whole = run_aggregate(store, "records=false", QUERY_JSON);
    char *hasty = run_with(store, "records=false", QUERY_JSON, run_options_hasty(), 1);
    assert_string_equal(whole, hasty);
    assert_non_null(strstr(whole, "\"recordCount\":400,\"totalValue\":\"798.00\""));
    assert_non_null(
        strstr(whole, "\"unit\":\"u399\",\"recordCount\":1,\"totalValue\":\"3.99\",\"netValue\":\"3.99\"}]}]}}"));
    free(whole);
    free(hasty);
    hasty = run_with(store, "records=false", QUERY_NDJSON, run_options_hasty(), 1);
    assert_non_null(strstr(hasty, "\"netValue\":\"3.99\"}]}\n"));
    assert_ptr_equal(strchr(hasty, '\n'), hasty + strlen(hasty) - 1);
    free(hasty);
    fake_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),        cmocka_unit_test(test_other_formats),
        cmocka_unit_test(test_empty),        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_problems),     cmocka_unit_test(test_zone_with_a_space),
        cmocka_unit_test(test_windows),      cmocka_unit_test(test_rollups_and_scans_agree),
        cmocka_unit_test(test_tail),         cmocka_unit_test(test_rollups_are_used),
        cmocka_unit_test(test_large_totals), cmocka_unit_test(test_consistent),
        cmocka_unit_test(test_one_moment),   cmocka_unit_test(test_pages),
        cmocka_unit_test(test_many_units),
    };
    return cmocka_run_group_tests_name("query_aggregate", tests, NULL, NULL);
}
