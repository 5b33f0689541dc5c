#include "unit.h"

#include "base/buf.h"
#include "support/random.h"

#include <yyjson.h>

static void check_json(Str text, const char *expected)
{
    Buf buf;
    buf_init(&buf, 4096);
    buf_put_json(&buf, text);
    assert_text(buf_str(&buf), expected);
    buf_release(&buf);
}

static void test_json_texts(void **state)
{
    (void)state;
    check_json(STR(""), "\"\"");
    check_json((Str){NULL, 0}, "\"\"");
    check_json(STR("plain é€😀 /"), "\"plain é€😀 /\"");
    check_json(STR("\"\\\n\r\t\b\f"), "\"\\\"\\\\\\n\\r\\t\\u0008\\u000c\"");
    check_json(STR("a\0b\x1F\x7F"), "\"a\\u0000b\\u001f\x7F\"");
}

static void test_json_of_bytes_that_are_no_text(void **state)
{
    (void)state;
#define ODD "\xEF\xBF\xBD"
    check_json(STR("\xFF"), "\"" ODD "\"");
    check_json(STR("a\x80z"), "\"a" ODD "z\"");
    check_json(STR("\xC3"), "\"" ODD "\"");
    check_json(STR("\xC3\""), "\"" ODD "\\\"\"");
    check_json(STR("\xE2\x82"), "\"" ODD ODD "\"");
    check_json(STR("\xE2\x82\xAC\xE2\x82"), "\"€" ODD ODD "\"");
    check_json(STR("\xED\xA0\x80"), "\"" ODD ODD ODD "\"");
    check_json(STR("\xF0\x9F\x98"), "\"" ODD ODD ODD "\"");
#undef ODD
}

/* Whatever the bytes, a strict reader takes it; and it reads what was written when that was text. */
static void test_json_of_random_bytes(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int round = 0; round < 20000; round++) {
        char bytes[24];
        Buf buf;
        size_t len = random_below(&seed, sizeof bytes);
        bool any = random_below(&seed, 2);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (char)random_below(&seed, any ? 256 : 128);
        }
        buf_init(&buf, 4096);
        buf_put_json(&buf, (Str){bytes, len});
        yyjson_doc *doc = yyjson_read(buf.ptr, buf.len, 0);
        assert_non_null(doc);
        yyjson_val *root = yyjson_doc_get_root(doc);
        if (str_count_code_points((Str){bytes, len}) >= 0) {
            assert_int_equal(yyjson_get_len(root), len);
            assert_memory_equal(yyjson_get_str(root), bytes, len);
        }
        yyjson_doc_free(doc);
        buf_release(&buf);
    }
}

static void test_keys(void **state)
{
    (void)state;
    Buf buf;
    buf_init(&buf, 4096);
    buf_put_key(&buf, "a");
    buf_put_char(&buf, '{');
    buf_put_key(&buf, "b");
    BUF_PUT(&buf, "[");
    buf_put_key(&buf, "c");
    BUF_PUT(&buf, "1,");
    buf_put_key(&buf, "d");
    BUF_PUT(&buf, "2");
    buf_put_key(&buf, "e");
    BUF_PUT(&buf, "0");
    buf_put_key_i64(&buf, "f", -7);
    assert_text(buf_str(&buf), "\"a\":{\"b\":[\"c\":1,\"d\":2,\"e\":0,\"f\":-7");
    buf_release(&buf);
}

static void test_csv(void **state)
{
    (void)state;
    static const struct {
        Str text;
        const char *cell;
    } cases[] = {
        {{NULL, 0}, ""},         {{"plain", 5}, "plain"},           {{"a b'c;d", 7}, "a b'c;d"},
        {{"a,b", 3}, "\"a,b\""}, {{"\"", 1}, "\"\"\"\""},           {{"a\nb", 3}, "\"a\nb\""},
        {{"a\r", 2}, "\"a\r\""}, {{"a\"b\"", 4}, "\"a\"\"b\"\"\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Buf buf;
        buf_init(&buf, 64);
        buf_put_csv(&buf, cases[i].text);
        assert_text(buf_str(&buf), cases[i].cell);
        buf_release(&buf);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0, 1, -1, 9, 10, -10, 1234567890, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        Buf buf;
        char expected[32];
        buf_init(&buf, 64);
        buf_put_i64(&buf, numbers[i]);
        snprintf(expected, sizeof expected, "%lld", (long long)numbers[i]);
        assert_text(buf_str(&buf), expected);
        buf_reset(&buf);
        buf_put_u64(&buf, (uint64_t)numbers[i]);
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)numbers[i]);
        assert_text(buf_str(&buf), expected);
        buf_release(&buf);
    }
}

static void test_growing(void **state)
{
    (void)state;
    Buf buf;
    buf_init(&buf, 1 << 20);
    for (int i = 0; i < 10000; i++) {
        buf_printf(&buf, "%d,", i);
    }
    assert_false(buf.failed);
    Str rest = buf_str(&buf);
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t number;
        assert_true(str_to_u64(str_split(&rest, ','), UINT64_MAX, &number));
        assert_true(number == i);
    }
    assert_int_equal(rest.len, 0);
    buf_release(&buf);
    assert_null(buf.ptr);
    assert_int_equal(buf.bytes_max, 1 << 20);
}

/* At the ceiling nothing is taken, not even what would fit: a cut answer must not look like a whole one. */
static void test_ceiling(void **state)
{
    (void)state;
    Buf buf;
    buf_init(&buf, 10);
    BUF_PUT(&buf, "12345678");
    assert_false(buf.failed);
    BUF_PUT(&buf, "abc");
    assert_true(buf.failed);
    assert_false(buf.no_memory);
    BUF_PUT(&buf, "d");
    buf_put_char(&buf, 'e');
    buf_put_u64(&buf, 1);
    buf_printf(&buf, "%d", 1);
    buf_put_json(&buf, STR(""));
    assert_null(buf_reserve(&buf, 1));
    assert_text(buf_str(&buf), "12345678");
    buf_reset(&buf);
    assert_false(buf.failed);
    BUF_PUT(&buf, "1234567890");
    assert_false(buf.failed);
    assert_text(buf_str(&buf), "1234567890");
    assert_null(buf_reserve(&buf, SIZE_MAX));
    assert_true(buf.failed);
    buf_release(&buf);

    buf_init(&buf, 0);
    buf_put(&buf, STR(""));
    assert_false(buf.failed);
    buf_put_char(&buf, 'x');
    assert_true(buf.failed);
    buf_release(&buf);
}

/* What it has counts, but for the first bytes; where there is too little the buffer has failed, and says why. */
static void test_budget(void **state)
{
    (void)state;
    Budget budget = {.bytes_max = 3000};
    Buf buf;
    buf_init(&buf, 1 << 20);
    buf.budget = &budget;
    buf.uncounted = 1024;
    assert_non_null(buf_reserve(&buf, 1000));
    assert_int_equal(budget.taken, 0);
    buf.len += 1000;
    assert_non_null(buf_reserve(&buf, 2000));
    assert_int_equal(budget.taken, buf.cap - 1024);
    assert_null(buf_reserve(&buf, 10000));
    assert_true(buf.failed && buf.no_memory);
    assert_int_equal(budget.taken, buf.cap - 1024);
    buf_reset(&buf);
    assert_false(buf.failed || buf.no_memory);
    buf_release(&buf);
    assert_int_equal(budget.taken, 0);
    assert_non_null(buf_reserve(&buf, 4000)); /* still in the budget */
    assert_int_equal(budget.taken, 4000 - 1024);
    buf_release(&buf);
    assert_int_equal(budget.taken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_texts),
        cmocka_unit_test(test_json_of_bytes_that_are_no_text),
        cmocka_unit_test(test_json_of_random_bytes),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
