/* GET /api/events and GET /api/aggregations, on the fake store. */
#include "unit.h"

#include "base/decimal.h"
#include "base/timestamp.h"
#include "support/query_run.h"
#include "support/random.h"

#include <stdlib.h>

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HASH_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define HASH_D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static Record event(const char *id, const char *client, const char *metric, int64_t amount, const char *time,
                    const char *unit)
{
    Record record =
        run_record(1, time, client, amount < 0 ? "negative" : "positive", amount < 0 ? -amount : amount, unit);
    record.record_id = str_from(id);
    record.source_id = str_from(client);
    record.reference = str_from(metric);
    return record;
}

static Store *small_store(void)
{
    Store *store = fake_store_new(&run_info);
    const Record records[] = {
        event("sha256:" HASH_A, "A", "revenue", 120000, "2024-01-01 00:00:00", "EUR"),
        event("rec-1", "A", "revenue", 7, "2024-01-01 12:00:00", "EUR"),
        event("sha256:" HASH_B, "A", "revenue", -2050, "2024-01-01 23:59:59", "EUR"),
        event("sha256:" HASH_C, "B", "clicks, \"all\"", 300, "2024-01-02 00:00:00", "none"),
        event("correction:" HASH_B ":2", "A", "revenue", -2051, "2024-01-03 00:00:00", "EUR"),
    };
    const Record others[] = {
        event("sha256:" HASH_D, "A", "revenue", 900000, "2024-01-01 13:00:00", "EUR"),
        event("correction:" HASH_A ":2", "B", "clicks, \"all\"", -900000, "2024-01-02 00:00:00", "none"),
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        (i == 1 ? fake_store_add : fake_store_add_event)(store, &records[i]);
    }
    /* Whatever their ids are like, these are no events. */
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        fake_store_add(store, &others[i]);
    }
    return store;
}

static void check(char *answer, const char *expected)
{
    assert_string_equal(answer, expected);
    free(answer);
}

static void check_has(char *answer, const char *expected)
{
    if (!strstr(answer, expected)) {
        fail_msg("%s\nhas no %s", answer, expected);
    }
    free(answer);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

static void test_list(void **state)
{
    (void)state;
    Store *store = small_store();
    check_has(run_events(store, "limit=1", QUERY_JSON),
              "{\"data\":[{\"hash\":\"" HASH_B "\",\"recordId\":\"correction:" HASH_B
              ":2\",\"id\":5,\"client\":\"A\",\"metric\":\"revenue\",\"amount\":\"-20.51\",\"unit\":\"EUR\","
              "\"timestamp\":\"2024-01-03T00:00:00Z\",\"correction\":2,\"status\":\"processed\",\"receivedAt\":");
    check_has(run_events(store, "limit=1", QUERY_JSON), "\"}],\"nextCursor\":\"");
    char *all = run_events(store, "order=asc&endDate=2024-01-02", QUERY_NDJSON);
    const char *first = strstr(all, HASH_A), *second = strstr(all, HASH_B), *third = strstr(all, HASH_C);
    assert_true(first && second && third && first < second && second < third);
    assert_null(strstr(all, "rec-1"));
    assert_null(strstr(all, "correction"));
    free(all);
    check_has(run_events(store, "client=B", QUERY_CSV),
              "hash,recordId,id,client,metric,amount,unit,timestamp,receivedAt,correction,takenBackBy\r\n" HASH_C
              ",sha256:" HASH_C ",4,B,\"clicks, \"\"all\"\"\",3.00,none,2024-01-02T00:00:00Z,");
    char *lines = run_events(store, "startDate=2024-01-03", QUERY_CSV);
    assert_string_equal(lines + strlen(lines) - strlen("Z,2,\r\n"),
                        "Z,2,\r\n"); /* a correction, and nothing takes it back */
    free(lines);
    fake_store_free(store);
}

static size_t count_events(Store *store, const char *params)
{
    size_t count = 0;
    char *answer = run_events(store, params, QUERY_NDJSON);
    for (const char *at = answer; (at = strchr(at, '\n')) != NULL; at++) {
        count++;
    }
    free(answer);
    return count;
}

static void test_filters(void **state)
{
    (void)state;
    Store *store = small_store();
    assert_int_equal(count_events(store, ""), 4);
    assert_int_equal(count_events(store, "client=A"), 3);
    assert_int_equal(count_events(store, "client=A&metric=revenue&unit=EUR"), 3); /* one flow */
    assert_int_equal(count_events(store, "metric=revenue"), 3);
    assert_int_equal(count_events(store, "client=B&metric=revenue"), 0);
    assert_int_equal(count_events(store, "startDate=2024-01-01&endDate=2024-01-01"), 2); /* a day is all of it */
    assert_int_equal(count_events(store, "startDate=2024/01/02"), 2);
    assert_int_equal(count_events(store, "endDate=2024-01-01 12:00:00"), 1);
    assert_int_equal(count_events(store, "unit=none"), 1);
    fake_store_free(store);
}

static void test_problems(void **state)
{
    (void)state;
    check(run_events_problems("sourceId=A"), "sourceId is not a known parameter");
    check(run_events_problems("startTime=2024-01-01 00:00:00"),
          "startTime is not a known parameter; did you mean startDate?");
    check(run_events_problems("startDate=2024-01-02&endDate=2024-01-01"), "startDate must not be later than endDate");
    check_has(run_events_problems("startDate=2024-13-01"), "startDate ");
    check(run_event_aggregate_problems("groupBy=client,unit"), "groupBy must be client, metric or client,metric");
    check(run_event_aggregate_problems("groupBy=client,client"), "groupBy names client twice");
    check(run_event_aggregate_problems("timeZone=Europe/Paris"), "timeZone has no meaning without window");
    check_has(run_event_aggregate_problems("window=day&timeZone=Mars/Base"), "timeZone ");
    check_has(run_event_aggregate_problems("limit=3"), "limit is not a known parameter");
}

/* ---- Aggregations ------------------------------------------------------------------------------------------------ */

static void test_aggregate(void **state)
{
    (void)state;
    Store *store = small_store();
    check(run_event_aggregate(store, "", QUERY_JSON),
          "{\"message\":\"Events aggregated successfully\",\"data\":{\"count\":4,\"groups\":["
          "{\"client\":\"A\",\"metric\":\"revenue\",\"unit\":\"EUR\",\"count\":3,\"sum\":\"1158.99\","
          "\"min\":\"-20.51\",\"max\":\"1200.00\",\"avg\":\"386.33\"},"
          "{\"client\":\"B\",\"metric\":\"clicks, \\\"all\\\"\",\"unit\":\"none\",\"count\":1,\"sum\":\"3.00\","
          "\"min\":\"3.00\",\"max\":\"3.00\",\"avg\":\"3.00\"}]}}");
    check(run_event_aggregate(store, "client=A&window=day&measures=p50", QUERY_NDJSON),
          "{\"windowStart\":\"2024-01-01T00:00:00Z\",\"client\":\"A\",\"metric\":\"revenue\",\"unit\":\"EUR\","
          "\"count\":2,\"sum\":\"1179.50\",\"p50\":\"-20.50\"}\n"
          "{\"windowStart\":\"2024-01-03T00:00:00Z\",\"client\":\"A\",\"metric\":\"revenue\",\"unit\":\"EUR\","
          "\"count\":1,\"sum\":\"-20.51\",\"p50\":\"-20.51\"}\n");
    check(run_event_aggregate(store, "groupBy=metric&measures=max&unit=EUR&window=month", QUERY_CSV),
          "windowStart,metric,unit,count,sum,max\r\n2024-01-01T00:00:00Z,revenue,EUR,3,1158.99,1200.00\r\n");
    fake_store_free(store);
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void put_amount(char *out, size_t size, const char *name, int64_t amount)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    decimal_format(amount, 2, text);
    snprintf(out, size, "\"%s\":\"%s\"", name, text);
}

/* Against sorting them: few enough that percentiles are exact. */
static void test_signed_measures(void **state)
{
    (void)state;
    /* Each round makes a store, whose memory is written twice over where tests spoil it. */
    enum { COUNT_MAX = 40, ROUNDS = 40 };
    uint64_t seed = 7;
    char ids[COUNT_MAX + 1][80]; /* the store borrows them */
    for (int round = 0; round < ROUNDS; round++) {
        Store *store = fake_store_new(&run_info);
        int64_t amounts[COUNT_MAX], sum = 0;
        int64_t shift = (int64_t)(random_below(&seed, 3)) * 500; /* all of one sign, or both */
        size_t count = 1 + (size_t)random_below(&seed, COUNT_MAX);
        for (size_t i = 0; i < count; i++) {
            amounts[i] = (int64_t)random_below(&seed, 1000) - 1 - shift;
            sum += amounts[i];
            snprintf(ids[i], sizeof ids[i], "sha256:%064zu", i);
            Record record = event(ids[i], "A", "m", amounts[i], "2024-01-01 00:00:00", "EUR");
            fake_store_add_event(store, &record);
        }
        qsort(amounts, count, sizeof *amounts, compare);
        char *answer = run_event_aggregate(store, "measures=min,max,avg,p50,p95", QUERY_JSON);
        int64_t average = (2 * llabs(sum) + (int64_t)count) / (2 * (int64_t)count);
        const struct {
            const char *name;
            int64_t value;
        } expected[] = {{"sum", sum},
                        {"min", amounts[0]},
                        {"max", amounts[count - 1]},
                        {"avg", sum < 0 ? -average : average},
                        {"p50", amounts[(count * 50 + 99) / 100 - 1]},
                        {"p95", amounts[(count * 95 + 99) / 100 - 1]}};
        for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
            char text[96];
            put_amount(text, sizeof text, expected[i].name, expected[i].value);
            if (!strstr(answer, text)) {
                fail_msg("round %d: no %s in %s", round, text, answer);
            }
        }
        free(answer);
        fake_store_free(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),      cmocka_unit_test(test_filters),         cmocka_unit_test(test_problems),
        cmocka_unit_test(test_aggregate), cmocka_unit_test(test_signed_measures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
