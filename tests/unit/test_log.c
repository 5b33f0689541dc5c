/* Log lines. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/log.h"

static Buf buf;

static void check_line(LogFormat format, const char *message, const LogPair *pairs, const char *expected)
{
    buf_reset(&buf);
    log_format(&buf, format, 1735725600500000, LOG_WARN, message, pairs);
    assert_false(buf.failed);
    buf_put_char(&buf, '\0');
    assert_string_equal(buf.ptr, expected);
}

static void test_logfmt(void **state)
{
    (void)state;
    LogPair pairs[] = {
        log_text("dir", "./weir-data"),   log_int("seq", -7),       log_text("id", "a b"), log_text("empty", ""),
        log_text("quote", "say \"=\"\n"), log_text("name", "żółw"), {.key = NULL}};
    check_line(
        LOG_FORMAT_LOGFMT, "store opened", pairs,
        "time=2025-01-01T10:00:00.5Z level=warn msg=\"store opened\" dir=./weir-data seq=-7 id=\"a b\" empty=\"\" "
        "quote=\"say \\\"=\\\"\\n\" name=\"żółw\"\n");
}

static void test_json(void **state)
{
    (void)state;
    LogPair pairs[] = {log_text("id", "a\x01"), log_int("seq", 7), {.key = NULL}};
    check_line(
        LOG_FORMAT_JSON, "refused", pairs,
        "{\"time\":\"2025-01-01T10:00:00.5Z\",\"level\":\"warn\",\"msg\":\"refused\",\"id\":\"a\\u0001\",\"seq\":7}\n");
}

static void test_long_text_is_cut(void **state)
{
    (void)state;
    char *text = calloc(1, 100000);
    assert_non_null(text);
    memset(text, 'x', 99999);
    buf_reset(&buf);
    log_format(&buf, LOG_FORMAT_LOGFMT, 0, LOG_ERROR, "m", (LogPair[]){log_text("text", text), {.key = NULL}});
    assert_false(buf.failed);
    assert_true(buf.len < LOG_TEXT_BYTES_MAX + 100);
    assert_int_equal(buf.ptr[buf.len - 1], '\n');
    free(text);
}

static int begin(void **state)
{
    (void)state;
    buf_init(&buf, LOG_LINE_BYTES_MAX);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_release(&buf);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logfmt),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_long_text_is_cut),
    };
    return cmocka_run_group_tests_name("log", tests, begin, end);
}
