#include "deliver/webhook_message.h"
#include "unit.h"

#define SECOND_US INT64_C(1000000)
#define NOW_US    (INT64_C(1735725600) * SECOND_US) /* 2025-01-01T10:00:00Z, a Wednesday */

static void check_body(Message message, const char *expected)
{
    Buf buf;
    buf_init(&buf, 4096);
    webhook_put_body(&buf, &message);
    assert_false(buf.failed);
    assert_text(buf_str(&buf), expected);
    buf_release(&buf);
}

static void test_body(void **state)
{
    (void)state;
    Message message = {.kind = MESSAGE_NOTIFICATION, .body = STR("{\"record\":{\"id\":7}}"), .created_us = NOW_US};
    check_body(message, "{\"type\":\"notification\",\"timestamp\":\"2025-01-01T10:00:00Z\","
                        "\"data\":{\"record\":{\"id\":7}}}");
    message.kind = MESSAGE_DEAD_LETTER_CREATED;
    message.created_us += 1500;
    check_body(message, "{\"type\":\"dead_letter.created\",\"timestamp\":\"2025-01-01T10:00:00.0015Z\","
                        "\"data\":{\"record\":{\"id\":7}}}");
}

static void test_body_without_room(void **state)
{
    (void)state;
    Message message = {.kind = MESSAGE_ALERT, .body = STR("{\"record\":{\"id\":7}}"), .created_us = NOW_US};
    Buf buf;
    buf_init(&buf, 32);
    webhook_put_body(&buf, &message);
    assert_true(buf.failed);
    buf_release(&buf);
}

static void test_header_values(void **state)
{
    (void)state;
    assert_true(webhook_is_header_value(STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
    assert_true(webhook_is_header_value(STR(" ~")));
    assert_false(webhook_is_header_value(STR("")));
    assert_false(webhook_is_header_value((Str){NULL, 0}));
    assert_false(webhook_is_header_value(STR("a\r\nb: c")));
    assert_false(webhook_is_header_value(STR("a\0b")));
    assert_false(webhook_is_header_value(STR("a\tb")));
    assert_false(webhook_is_header_value(STR("\x7F")));
    assert_false(webhook_is_header_value(STR("å")));
}

static void test_retry_after(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t seconds;
    } cases[] = {{"0", 0},
                 {"1", 1},
                 {" 120 \r\n", 120},
                 {"86399", 86399},
                 {"86400", 86400},
                 {"86401", 86400},
                 {"99999999999999999999999999", 86400},
                 {"Wed, 01 Jan 2025 10:00:30 GMT", 30},
                 {"Wednesday, 01-Jan-25 10:01:00 GMT", 60}, /* the older forms of RFC 9110 */
                 {"Wed Jan  1 10:02:00 2025", 120},
                 {"Wed, 01 Jan 2025 10:00:00 GMT", 0},
                 {"Wed, 01 Jan 2025 09:00:00 GMT", 0},
                 {"Fri, 03 Jan 2025 10:00:00 GMT", 86400},
                 {"", 0},
                 {"soon", 0},
                 {"-5", 0},
                 {"1.5", 0},
                 {"12x", 0},
                 {"Wed, 01 Jan 2025 10:00:30 GMT and then some more text that goes on and on and on and on", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t us = webhook_retry_after_us(str_from(cases[i].value), NOW_US);
        if (us != cases[i].seconds * SECOND_US) {
            fail_msg("\"%s\" is %lld us", cases[i].value, (long long)us);
        }
    }
}

static void test_verdicts(void **state)
{
    (void)state;
    for (int code = 0; code < 1000; code++) {
        SinkVerdict expected = code / 100 == 2 ? SINK_TAKEN : code == 410 ? SINK_GONE : SINK_FAILED;
        assert_int_equal(webhook_verdict(code), expected);
        bool is_judgement = code == 400 || code == 409 || code == 413 || code == 415 || code == 422;
        assert_int_equal(webhook_is_judgement(code), is_judgement);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body),          cmocka_unit_test(test_body_without_room),
        cmocka_unit_test(test_header_values), cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
