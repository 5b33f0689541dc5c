/* The feeds, one record by its id, and the test of a rule, on the fake store. */
#include "unit.h"

#include "base/timestamp.h"
#include "support/query_run.h"

#include <stdlib.h>

/* Sequences: 1 record, 2 record, 3 alert about 2, 4 record, 5 alert about 4, 6 record. */
static Store *small_store(void)
{
    Store *store = fake_store_new(&run_info);
    const Record records[] = {
        run_record(1, "2025-01-01 10:00:00", "dest-1", "positive", 10000, "EUR"),
        run_record(2, "2025-01-01 11:00:00", "dest-1", "positive", 125050, "EUR"),
        run_record(3, "2025-01-01 09:00:00", "dest-2", "positive", 160000, "SEK"),
        run_record(4, "2025-01-01 10:00:00", "dest-1", "negative", 4000, "EUR"),
    };
    fake_store_add(store, &records[0]);
    fake_store_add(store, &records[1]);
    fake_store_add_alert(store, 2, "{\"rule\":\"default\",\"severity\":\"high\"}");
    fake_store_add(store, &records[2]);
    fake_store_add_alert(store, 4, "{\"rule\":\"default\",\"severity\":\"critical\"}");
    fake_store_add(store, &records[3]);
    return store;
}

static char *page(Store *store, FeedKind kind, int64_t after, size_t limit, size_t bytes_wanted)
{
    QueryOptions options = run_options_hasty();
    Query *query;
    assert_int_equal(query_feed_new(kind, after, limit, &options, &query), STATUS_OK);
    return run_to_end(query, store, bytes_wanted);
}

/* The ids of the records in the messages, and nextAfter: "1 2 4 6 → 6". */
static void check_page(Store *store, FeedKind kind, int64_t after, size_t limit, const char *expected)
{
    static const size_t sizes[] = {1, 700, 1 << 20};
    for (size_t i = 0; i < 3; i++) {
        char *answer = page(store, kind, after, limit, sizes[i]), shown[256] = "";
        size_t len = 0;
        for (const char *at = strstr(answer, "\"id\":"); at; at = strstr(at + 1, "\"id\":")) {
            len += (size_t)snprintf(shown + len, sizeof shown - len, "%ld ", strtol(at + 5, NULL, 10));
        }
        const char *next = strstr(answer, "],\"nextAfter\":");
        assert_non_null(next);
        snprintf(shown + len, sizeof shown - len, "> %ld", strtol(next + 14, NULL, 10));
        assert_string_equal(shown, expected);
        free(answer);
    }
}

static void test_pages(void **state)
{
    (void)state;
    Store *store = small_store();
    check_page(store, FEED_NOTIFICATIONS, 0, 100, "1 2 4 6 > 6");
    check_page(store, FEED_NOTIFICATIONS, 0, 2, "1 2 > 2");
    check_page(store, FEED_NOTIFICATIONS, 2, 2, "4 6 > 6");
    check_page(store, FEED_NOTIFICATIONS, 6, 2, "> 6");
    check_page(store, FEED_NOTIFICATIONS, 1000, 2, "> 1000");
    check_page(store, FEED_ALERTS, 0, 100, "2 4 > 5");
    check_page(store, FEED_ALERTS, 0, 1, "2 > 3");
    check_page(store, FEED_ALERTS, 3, 1, "4 > 5");
    check_page(store, FEED_ALERTS, 5, 1, "> 5");
    fake_store_free(store);
}

static void test_many_alerts(void **state)
{
    (void)state;
    Store *store = small_store();
    for (size_t i = 0; i < 300; i++) {
        fake_store_add_alert(store, 1, "{\"rule\":\"many\"}");
    }
    char *answer = page(store, FEED_ALERTS, 5, 250, 1 << 20);
    assert_non_null(strstr(answer, "\"nextAfter\":256}"));
    free(answer);
    answer = page(store, FEED_ALERTS, 256, 250, 1 << 20);
    assert_non_null(strstr(answer, "\"nextAfter\":306}"));
    free(answer);
    /* One whose record retention has removed is passed over. */
    fake_store_add_alert(store, 99999, "{\"rule\":\"gone\"}");
    fake_store_add_alert(store, 1, "{\"rule\":\"there\"}");
    answer = page(store, FEED_ALERTS, 306, 250, 1 << 20);
    assert_null(strstr(answer, "gone"));
    assert_non_null(strstr(answer, "there"));
    assert_non_null(strstr(answer, "\"nextAfter\":308}"));
    free(answer);
    fake_store_free(store);
}

/* Alerts whose record is gone are passed over, however many there are. */
static void test_alerts_without_records(void **state)
{
    (void)state;
    Store *store = small_store();
    for (size_t i = 0; i < 200; i++) {
        fake_store_add_alert(store, 999999, "{\"rule\":\"gone\"}");
    }
    fake_store_add_alert(store, 1, "{\"rule\":\"there\"}");
    check_page(store, FEED_ALERTS, 0, 100, "2 4 1 > 207");
    check_page(store, FEED_ALERTS, 5, 1, "1 > 207");
    fake_store_free(store);
}

static void test_streams(void **state)
{
    (void)state;
    Store *store = small_store();
    Buf out;
    int64_t after = 0;
    size_t count = 0;
    Error error;
    buf_init(&out, 1 << 20);
    assert_int_equal(
        feed_put_messages(fake_store_reader(store), FEED_ALERTS, &after, 1, true, &run_info, &out, &count, &error),
        STATUS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(after, 3);
    assert_text(buf_str(&out),
                "id: 3\nevent: alert\ndata: {\"record\":{\"id\":2,\"record_id\":\"rec-2\","
                "\"time\":\"2025-01-01T11:00:00Z\",\"source_id\":\"source-1\",\"destination_id\":\"dest-1\","
                "\"type\":\"positive\",\"value\":\"1250.50\",\"unit\":\"EUR\",\"reference\":\"ref-1\"},"
                "\"rule\":\"default\",\"severity\":\"high\"}\n\n");
    buf_reset(&out);
    after = 4;
    assert_int_equal(feed_put_messages(fake_store_reader(store), FEED_NOTIFICATIONS, &after, 10, false, &run_info, &out,
                                       &count, &error),
                     STATUS_OK);
    assert_int_equal(after, 6);
    assert_text(buf_str(&out),
                "{\"record\":{\"id\":6,\"record_id\":\"rec-4\",\"time\":\"2025-01-01T10:00:00Z\","
                "\"source_id\":\"source-1\",\"destination_id\":\"dest-1\",\"type\":\"negative\",\"value\":\"40.00\","
                "\"unit\":\"EUR\",\"reference\":\"ref-1\"},\"summary\":{\"destination_id\":\"dest-1\","
                "\"reference\":\"ref-1\",\"unit\":\"EUR\",\"count\":2,\"total_value\":\"1350.50\","
                "\"net_value\":\"1350.50\",\"positive_count\":2,\"negative_count\":0,"
                "\"positive_total\":\"1350.50\",\"negative_total\":\"0.00\"}}\n");
    buf_reset(&out);
    assert_int_equal(feed_put_messages(fake_store_reader(store), FEED_NOTIFICATIONS, &after, 10, true, &run_info, &out,
                                       &count, &error),
                     STATUS_OK);
    assert_int_equal(count, 0);
    assert_int_equal(out.len, 0);
    buf_release(&out);
    fake_store_free(store);
}

/* A buffer that is nearly full takes as many whole messages as fit, and goes on with the next. */
static void test_small_buffer(void **state)
{
    (void)state;
    Store *store = small_store();
    Buf out;
    int64_t after = 0;
    size_t count = 0;
    Error error;
    buf_init(&out, 1000);
    assert_int_equal(feed_put_messages(fake_store_reader(store), FEED_NOTIFICATIONS, &after, 10, true, &run_info, &out,
                                       &count, &error),
                     STATUS_OK);
    assert_int_equal(count, 2);
    assert_int_equal(after, 2);
    assert_false(out.failed);
    assert_int_equal(out.ptr[out.len - 1], '\n');
    buf_release(&out);
    buf_init(&out, 100);
    assert_int_equal(feed_put_messages(fake_store_reader(store), FEED_NOTIFICATIONS, &after, 10, true, &run_info, &out,
                                       &count, &error),
                     STATUS_BUSY);
    assert_int_equal(after, 2);
    assert_int_equal(out.len, 0);
    buf_release(&out);
    fake_store_free(store);
}

/* ---- One record -------------------------------------------------------------------------------------------------- */

/* Steps as long or as short as they get; the number of them in *ret_steps. */
static Status find(Store *store, const char *id, const char *source, bool hasty, Buf *out, QueryFound *ret_found,
                   size_t *ret_steps)
{
    const QueryOptions options = hasty ? run_options_hasty() : run_options();
    Error error;
    Query *query;
    bool done = false;
    assert_int_equal(query_find_new(str_from(id), str_from(source), &options, &query), STATUS_OK);
    Status status = STATUS_OK;
    for (*ret_steps = 0; status == STATUS_OK && !done; ++*ret_steps) {
        status = query_step(query, fake_store_reader(store), 1, out, &done, &error);
    }
    *ret_found = status == STATUS_OK ? query_found(query) : (QueryFound){0, 0};
    query_free(query);
    return status;
}

static void test_find(void **state)
{
    (void)state;
    Store *store = small_store();
    Buf out;
    QueryFound found;
    size_t steps;
    buf_init(&out, 1 << 20);
    BUF_PUT(&out, "x");
    assert_int_equal(find(store, "rec-4", "", false, &out, &found, &steps), STATUS_OK);
    assert_text(buf_str(&out),
                "x{\"data\":{\"id\":6,\"recordId\":\"rec-4\",\"time\":\"2025-01-01T10:00:00Z\","
                "\"sourceId\":\"source-1\",\"destinationId\":\"dest-1\",\"type\":\"negative\",\"value\":\"40.00\","
                "\"unit\":\"EUR\",\"reference\":\"ref-1\",\"summary\":{\"count\":2,\"totalValue\":\"1350.50\","
                "\"netValue\":\"1350.50\",\"positiveCount\":2,\"negativeCount\":0,"
                "\"positiveTotal\":\"1350.50\",\"negativeTotal\":\"0.00\"}}}");
    assert_int_equal(found.seq, 6);
    assert_int_equal(found.end_at, out.len - 3); /* behind the x, before the last two braces */
    buf_reset(&out);
    assert_int_equal(find(store, "rec-5", "", false, &out, &found, &steps), STATUS_REFUSED);
    assert_int_equal(out.len, 0);
    fake_store_fail(store, STATUS_BROKEN);
    assert_int_equal(find(store, "rec-1", "", false, &out, &found, &steps), STATUS_BROKEN);
    assert_int_equal(out.len, 0);
    buf_release(&out);
    fake_store_free(store);
}

static void test_find_several(void **state)
{
    (void)state;
    Store *store = small_store();
    Buf out;
    QueryFound found;
    size_t steps;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < 150; i++) {
        Record again = run_record(1, "2025-01-02 10:00:00", "dest-9", "positive", 1, "EUR");
        again.source_id = STR("source-2");
        fake_store_add(store, &again);
    }
    assert_int_equal(find(store, "rec-1", "source-1", false, &out, &found, &steps), STATUS_OK);
    buf_put_char(&out, '\0');
    assert_null(strstr(out.ptr, "others"));
    buf_reset(&out);
    assert_int_equal(find(store, "rec-1", "", false, &out, &found, &steps), STATUS_OK);
    buf_put_char(&out, '\0');
    size_t count = 0;
    for (const char *at = strstr(out.ptr, "{\"id\":"); at; at = strstr(at + 1, "{\"id\":")) {
        count++;
    }
    assert_int_equal(count, 101);
    assert_int_equal(strncmp(out.ptr, "{\"data\":{\"id\":1,", 16), 0);
    assert_non_null(strstr(out.ptr, "}},\"others\":[{\"id\":7,"));
    assert_int_equal(strncmp(out.ptr + found.end_at, "},\"others\"", 10), 0);
    assert_string_equal(out.ptr + out.len - 5, "}}]}");
    buf_release(&out);
    fake_store_free(store);
}

/* A log of four pieces with the id in the second and the last: a step for each, with a look of its own, and the answer
 * is the same. */
static void test_find_in_steps(void **state)
{
    (void)state;
    enum { OTHERS = 3 * FIND_ENTRIES_MAX + 1000, FIRST = FIND_ENTRIES_MAX + 5, LAST = OTHERS - 10 };
    Store *store = fake_store_new(&run_info);
    Buf whole, hasty;
    QueryFound found;
    size_t steps;
    buf_init(&whole, 1 << 20);
    buf_init(&hasty, 1 << 20);
    for (int seq = 1; seq <= OTHERS; seq++) {
        Record record =
            run_record(seq == FIRST || seq == LAST ? 1 : 2, "2025-01-01 10:00:00", "dest", "positive", 1, "EUR");
        assert_int_equal(fake_store_add(store, &record), seq);
    }
    assert_int_equal(find(store, "rec-1", "", false, &whole, &found, &steps), STATUS_OK);
    assert_int_equal(steps, 1);
    fake_store_reads(store);
    assert_int_equal(find(store, "rec-1", "", true, &hasty, &found, &steps), STATUS_OK);
    assert_int_equal(steps, 4);
    assert_int_equal(fake_store_reads(store).looks, 4);
    assert_int_equal(found.seq, FIRST);
    assert_int_equal(strncmp(hasty.ptr + found.end_at, "},\"others\":[", 12), 0);
    buf_put_char(&whole, '\0');
    assert_text(buf_str(&hasty), whole.ptr);
    buf_reset(&hasty);
    assert_int_equal(find(store, "rec-7", "", true, &hasty, &found, &steps), STATUS_REFUSED);
    assert_int_equal(steps, 4);
    buf_release(&whole);
    buf_release(&hasty);
    fake_store_free(store);
}

/* ---- What a rule would have fired on ----------------------------------------------------------------------------- */

static char *tested(Store *store, const AlertRule *rule, const char *params, size_t bytes_wanted)
{
    QueryParam list[RUN_PARAMS_MAX];
    QueryOptions options = run_options_hasty();
    QueryProblems problems;
    Query *query;
    assert_int_equal(query_rule_test_new(rule, list, run_params(params, list), &options, &query, &problems), STATUS_OK);
    return run_to_end(query, store, bytes_wanted);
}

static void check_test(Store *store, const AlertRule *rule, const char *params, const char *head, const char *ids)
{
    char *answer = tested(store, rule, params, 1), shown[256] = "";
    size_t len = 0;
    assert_int_equal(strncmp(answer, head, strlen(head)), 0);
    for (const char *at = strstr(answer, "{\"id\":"); at; at = strstr(at + 1, "{\"id\":")) {
        len += (size_t)snprintf(shown + len, sizeof shown - len, "%ld ", strtol(at + 6, NULL, 10));
    }
    assert_string_equal(shown, ids);
    free(answer);
}

static void test_rule_by_value(void **state)
{
    (void)state;
    Store *store = small_store();
    AlertRule rule = {.name = STR("r"), .type = -1, .measure = RULE_VALUE, .threshold = 100000, .enabled = false};
    char *answer = tested(store, &rule, "limit=1", 1 << 20);
    assert_string_equal(answer,
                        "{\"data\":{\"count\":2,\"severities\":{\"medium\":0,\"high\":1,\"critical\":1},\"examined\":4,"
                        "\"records\":[{\"id\":2,\"recordId\":\"rec-2\",\"time\":\"2025-01-01T11:00:00Z\","
                        "\"sourceId\":\"source-1\",\"destinationId\":\"dest-1\",\"type\":\"positive\","
                        "\"value\":\"1250.50\",\"unit\":\"EUR\",\"reference\":\"ref-1\","
                        "\"exceededBy\":\"250.50\",\"severity\":\"high\"}]}}");
    free(answer);
    check_test(store, &rule, "", "{\"data\":{\"count\":2,", "2 4 ");
    check_test(store, &rule, "startTime=2025-01-01 10:30:00", "{\"data\":{\"count\":1,", "2 ");
    rule.unit = STR("SEK");
    check_test(store, &rule, "", "{\"data\":{\"count\":1,", "4 ");
    rule.type = RECORD_NEGATIVE;
    check_test(store, &rule, "", "{\"data\":{\"count\":0,", "");
    fake_store_free(store);
}

static void test_rule_by_total(void **state)
{
    (void)state;
    Store *store = small_store();
    AlertRule rule = {.name = STR("r"), .type = -1, .measure = RULE_TOTAL_VALUE, .threshold = 139049, .enabled = true};
    check_test(store, &rule, "", "{\"data\":{\"count\":2,", "4 6 ");
    rule.measure = RULE_NET_VALUE;
    check_test(store, &rule, "", "{\"data\":{\"count\":1,", "4 ");
    fake_store_free(store);
}

static void test_rule_problems(void **state)
{
    (void)state;
    AlertRule rule = {.name = STR("r"), .type = -1, .threshold = 1};
    QueryParam params[] = {{STR("limit"), STR("1001")}, {STR("cursor"), STR("x")}};
    QueryOptions options = run_options();
    QueryProblems problems;
    Query *query;
    assert_int_equal(query_rule_test_new(&rule, params, 2, &options, &query, &problems), STATUS_REFUSED);
    assert_int_equal(problems.count, 2);
    assert_string_equal(problems.items[1].problem, "is not a known parameter");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_many_alerts),
        cmocka_unit_test(test_alerts_without_records),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_small_buffer),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_find_several),
        cmocka_unit_test(test_find_in_steps),
        cmocka_unit_test(test_rule_by_value),
        cmocka_unit_test(test_rule_by_total),
        cmocka_unit_test(test_rule_problems),
    };
    return cmocka_run_group_tests_name("query_feed", tests, NULL, NULL);
}
