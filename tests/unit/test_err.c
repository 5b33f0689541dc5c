#include "unit.h"

#include "base/err.h"

static void test_set(void **state)
{
    (void)state;
    Error error = {.status = STATUS_OK};
    assert_int_equal(error_set(&error, STATUS_REFUSED, "line %d is too long", 7), STATUS_REFUSED);
    assert_int_equal(error.status, STATUS_REFUSED);
    assert_string_equal(error.message, "line 7 is too long");
    assert_int_equal(error_set(NULL, STATUS_BUSY, "nobody asks"), STATUS_BUSY);
}

static void test_prefix(void **state)
{
    (void)state;
    Error error;
    (void)!error_set(&error, STATUS_BROKEN, "cannot sync");
    assert_int_equal(error_prefix(&error, "store %s", "x.db"), STATUS_BROKEN);
    assert_string_equal(error.message, "store x.db: cannot sync");
}

/* A message that is too long is cut between characters, wherever the limit falls in one. */
static void test_long_messages_are_cut_at_a_character(void **state)
{
    (void)state;
    for (int shift = 0; shift < 8; shift++) {
        char text[1200];
        Error error;
        memset(text, 'a', (size_t)shift);
        for (size_t at = (size_t)shift; at + 4 < sizeof text; at += 4) {
            memcpy(text + at, "😀", 4);
            text[at + 4] = '\0';
        }
        (void)!error_set(&error, STATUS_REFUSED, "%s", text);
        Str message = str_from(error.message);
        assert_true(str_count_code_points(message) > 0);
        assert_in_range(message.len, ERROR_MESSAGE_BYTES_MAX - 8, ERROR_MESSAGE_BYTES_MAX - 1);
        assert_memory_equal(message.ptr, text, message.len);
        error_prefix(&error, "context");
        message = str_from(error.message);
        assert_true(str_count_code_points(message) > 0);
        assert_true(str_starts_with(message, STR("context: a")) || str_starts_with(message, STR("context: 😀")));
    }
}

static void test_meaning_of_statuses(void **state)
{
    (void)state;
    for (int status = 0; status < STATUS_COUNT; status++) {
        int code = status_http_code((Status)status);
        assert_in_range(code, 200, 599);
        assert_true(strlen(status_name((Status)status)) > 0);
        for (int other = 0; other < status; other++) {
            assert_string_not_equal(status_name((Status)status), status_name((Status)other));
        }
    }
    assert_int_equal(status_http_code(STATUS_REFUSED), 422);
    assert_int_equal(status_http_code(STATUS_CONFLICT), 409);
    assert_int_equal(status_http_code(STATUS_BUSY), 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_long_messages_are_cut_at_a_character),
        cmocka_unit_test(test_meaning_of_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
