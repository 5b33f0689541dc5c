#include "unit.h"

#include "deliver/message.h"

/* The example of the message contract. */
static StoredRecord example(void)
{
    return (StoredRecord){
        .seq = 7,
        .prev_seq = 6,
        .record = {.record_id = STR("rec-001"),
                   .time_us = INT64_C(1735725600000000),
                   .source_id = STR("source-1"),
                   .destination_id = STR("dest-1"),
                   .type = RECORD_POSITIVE,
                   .value = 10050,
                   .unit = STR("EUR"),
                   .reference = STR("ref-001")},
        .totals = {.positive_count = 4, .negative_count = 2, .positive_total = 45050, .negative_total = 15000}};
}

#define EXAMPLE_RECORD                                                                                                 \
    "\"record\":{\"id\":7,\"record_id\":\"rec-001\",\"time\":\"2025-01-01T10:00:00Z\",\"source_id\":\"source-1\","     \
    "\"destination_id\":\"dest-1\",\"type\":\"positive\",\"value\":\"100.50\",\"unit\":\"EUR\",\"reference\":\"ref-"   \
    "001\"}"

static void test_dead_letter(void **state)
{
    (void)state;
    DeadLetter letter = {.id = 3,
                         .stage = DEAD_LETTER_DELIVERY,
                         .origin = STR("hooks"),
                         .seq = 7,
                         .error = STR("it said \"no\""),
                         .attempts = 10,
                         .created_us = INT64_C(1735725600500000)};
    Buf buf;
    buf_init(&buf, 65536);
    message_put_dead_letter_body(&buf, &letter);
    assert_text(buf_str(&buf), "{\"dead_letter\":{\"id\":3,\"stage\":\"delivery\",\"sink\":\"hooks\",\"seq\":7,"
                               "\"error\":\"it said \\\"no\\\"\",\"attempts\":10,"
                               "\"created\":\"2025-01-01T10:00:00.5Z\"}}");
    letter = (DeadLetter){.id = 4,
                          .stage = DEAD_LETTER_INTAKE,
                          .origin = STR("drop"),
                          .place = STR("in.csv:7"),
                          .error = STR("no value")};
    buf_reset(&buf);
    message_put_dead_letter_body(&buf, &letter);
    assert_text(buf_str(&buf),
                "{\"dead_letter\":{\"id\":4,\"stage\":\"intake\",\"source\":\"drop\",\"place\":\"in.csv:7\","
                "\"error\":\"no value\",\"attempts\":0,\"created\":\"1970-01-01T00:00:00Z\"}}");
    buf_release(&buf);
}

static void test_notification(void **state)
{
    (void)state;
    StoredRecord stored = example();
    Buf buf;
    buf_init(&buf, 65536);
    message_put_notification(&buf, &stored, 2);
    assert_text(buf_str(&buf),
                "{" EXAMPLE_RECORD ",\"summary\":{\"destination_id\":\"dest-1\",\"reference\":\"ref-001\","
                "\"unit\":\"EUR\",\"count\":5,\"total_value\":\"500.00\",\"net_value\":\"200.00\","
                "\"positive_count\":3,\"negative_count\":2,\"positive_total\":\"350.00\","
                "\"negative_total\":\"-150.00\"}}");
    buf_release(&buf);
}

/* Nothing was before: no total is -0.00. */
static void test_first_of_flow(void **state)
{
    (void)state;
    StoredRecord stored = example();
    Buf buf;
    stored.record.type = RECORD_NEGATIVE;
    stored.record.destination_id = STR("d\"\n");
    stored.totals = (FlowTotals){.negative_count = 1, .negative_total = 10050};
    buf_init(&buf, 65536);
    message_put_notification(&buf, &stored, 0);
    Str text = buf_str(&buf);
    buf_put_char(&buf, '\0');
    assert_non_null(strstr(text.ptr, "\"destination_id\":\"d\\\"\\n\",\"type\":\"negative\",\"value\":\"10050\""));
    assert_non_null(strstr(text.ptr, "\"count\":0,\"total_value\":\"0\",\"net_value\":\"0\",\"positive_count\":0,"
                                     "\"negative_count\":0,\"positive_total\":\"0\",\"negative_total\":\"0\"}}"));
    buf_release(&buf);
}

static void test_alert(void **state)
{
    (void)state;
    StoredRecord stored = example();
    AlertRule rule = {.name = STR("default"), .threshold = 100000, .measure = RULE_VALUE};
    Alert alert = {.rule = &rule, .exceeded_by = 25050, .severity = SEVERITY_HIGH};
    Buf body, buf;
    buf_init(&body, 65536);
    buf_init(&buf, 65536);
    message_put_alert_body(&body, &alert, 2);
    assert_text(buf_str(&body),
                "{\"rule\":\"default\",\"threshold\":1000.00,\"exceeded_by\":250.50,\"severity\":\"high\"}");
    message_put_alert(&buf, &stored, buf_str(&body), 2);
    assert_text(buf_str(&buf),
                "{" EXAMPLE_RECORD
                ",\"rule\":\"default\",\"threshold\":1000.00,\"exceeded_by\":250.50,\"severity\":\"high\"}");
    buf_release(&body);
    buf_release(&buf);
}

static void test_alert_of_a_total(void **state)
{
    (void)state;
    AlertRule rule = {.name = STR("much"), .threshold = 1, .measure = RULE_NET_VALUE};
    Alert alert = {.rule = &rule, .exceeded_by = TOTAL_MAX, .severity = SEVERITY_CRITICAL};
    Buf body;
    buf_init(&body, 65536);
    message_put_alert_body(&body, &alert, 6);
    assert_text(buf_str(&body), "{\"rule\":\"much\",\"measure\":\"net_value\",\"threshold\":0.000001,"
                                "\"exceeded_by\":9223372036854775807000000000.000000,\"severity\":\"critical\"}");
    buf_release(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_letter),      cmocka_unit_test(test_notification),
        cmocka_unit_test(test_first_of_flow),    cmocka_unit_test(test_alert),
        cmocka_unit_test(test_alert_of_a_total),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
