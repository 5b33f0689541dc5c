#include "unit.h"

static void test_equal(void **state)
{
    (void)state;
    assert_true(str_equal(STR("abc"), STR("abc")));
    assert_false(str_equal(STR("abc"), STR("abd")));
    assert_false(str_equal(STR("abc"), STR("ab")));
    assert_true(str_equal((Str){NULL, 0}, STR("")));
    assert_false(str_equal(STR("a\0b"), STR("a\0c")));
    assert_true(str_is(STR("abc"), "abc"));
    assert_true(str_is((Str){NULL, 0}, NULL));
    assert_true(str_equal_nocase(STR("aBc-1"), STR("AbC-1")));
    assert_false(str_equal_nocase(STR("abc"), STR("abcd")));
    /* '@' and '`', '[' and '{' differ by the same bit as letters do. */
    assert_false(str_equal_nocase(STR("@["), STR("`{")));
    assert_false(str_equal_nocase(STR("é"), STR("É")));
}

static void test_compare(void **state)
{
    (void)state;
    /* In order; each is less than all that follow. */
    static const Str texts[] = {{NULL, 0}, {"\0", 1}, {"a", 1},    {"a\0", 2},
                                {"ab", 2}, {"b", 1},  {"\x7F", 1}, {"\xC3\xA9", 2}};
    size_t count = sizeof texts / sizeof texts[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int order = str_compare(texts[i], texts[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static void test_starts_with(void **state)
{
    (void)state;
    assert_true(str_starts_with(STR("abc"), STR("ab")));
    assert_true(str_starts_with(STR("abc"), STR("")));
    assert_true(str_starts_with(STR("abc"), STR("abc")));
    assert_false(str_starts_with(STR("ab"), STR("abc")));
    assert_false(str_starts_with(STR("abc"), STR("b")));
}

static void test_trim(void **state)
{
    (void)state;
    assert_text(str_trim(STR(" \t\r\n a b \n")), "a b");
    assert_text(str_trim(STR(" \t ")), "");
    assert_text(str_trim((Str){NULL, 0}), "");
    assert_text(str_trim(STR("\v")), "\v");
}

static void test_cut(void **state)
{
    (void)state;
    assert_text(str_cut(STR("abc"), 3), "abc");
    assert_text(str_cut(STR("abc"), 2), "ab");
    assert_text(str_cut(STR("abc"), 0), "");
    assert_text(str_cut((Str){NULL, 0}, 5), "");
    /* é has two bytes, 🙂 four: none of them is cut in two. */
    assert_text(str_cut(STR("a\xC3\xA9"), 2), "a");
    assert_text(str_cut(STR("a\xC3\xA9"), 3), "a\xC3\xA9");
    for (size_t most = 1; most < 5; most++) {
        assert_text(str_cut(STR("a\xF0\x9F\x99\x82z"), most), "a");
    }
    assert_text(str_cut(STR("\x82\x82\x82"), 2), ""); /* no beginning of one */
}

static void test_hex(void **state)
{
    (void)state;
    char text[8] = "-------";
    char *end = str_put_hex(text, (const uint8_t[]){0x00, 0x9a, 0xff}, 3);
    assert_ptr_equal(end, text + 6);
    assert_string_equal(text, "009aff-");
    assert_ptr_equal(str_put_hex(text, NULL, 0), text);
}

static void check_split(const char *text, const char *joined)
{
    char shown[64] = "";
    size_t len = 0;
    for (Str rest = str_from(text); rest.ptr;) {
        Str part = str_split(&rest, ',');
        len += (size_t)snprintf(shown + len, sizeof shown - len, "[%.*s]", STR_ARGS(part));
    }
    assert_string_equal(shown, joined);
}

static void test_split(void **state)
{
    (void)state;
    check_split("a,b,c", "[a][b][c]");
    check_split("a", "[a]");
    check_split("", "[]");
    check_split(",", "[][]");
    check_split("a,,b,", "[a][][b][]");
}

static void test_to_u64(void **state)
{
    (void)state;
    uint64_t value = 1;
    assert_true(str_to_u64(STR("0"), 0, &value));
    assert_true(value == 0);
    assert_true(str_to_u64(STR("007"), 7, &value));
    assert_true(value == 7);
    assert_true(str_to_u64(STR("18446744073709551615"), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "1.0", "0x1", "a", "18446744073709551616", "99999999999999999999", "١"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        value = 5;
        assert_false(str_to_u64(str_from(bad[i]), UINT64_MAX, &value));
        assert_true(value == 5);
    }
    assert_false(str_to_u64(STR("8"), 7, &value));
}

/* Writes a code point as RFC 3629 says, without asking whether it may be written. */
static size_t encode(uint32_t c, char ret[4])
{
    if (c < 0x80) {
        ret[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6) {
        ret[i] = (char)(0x80 | (c & 0x3F));
    }
    ret[0] = (char)(marks[len] | c);
    return len;
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x120000; c++) {
        char text[4];
        size_t len = encode(c, text);
        bool valid = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
        if (str_count_code_points((Str){text, len}) != (valid ? 1 : -1)) {
            fail_msg("U+%04X", c);
        }
        Str rest = {text, len};
        assert_int_equal(str_take_code_point(&rest), valid ? c : 0xFFFD);
        assert_ptr_equal(rest.ptr, text + (valid ? len : 1));
        assert_int_equal(rest.len, valid ? 0 : len - 1);
        for (size_t cut = 1; cut < len; cut++) {
            assert_int_equal(str_count_code_points((Str){text, cut}), -1);
        }
    }
}

/* All texts of two bytes. */
static void test_every_byte_pair(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            char text[2] = {(char)a, (char)b};
            bool ascii = a < 0x80 && b < 0x80, two = a >= 0xC2 && a <= 0xDF && b >= 0x80 && b <= 0xBF;
            assert_int_equal(str_count_code_points((Str){text, 2}), ascii ? 2 : two ? 1 : -1);
        }
    }
}

static void test_count(void **state)
{
    (void)state;
    assert_int_equal(str_count_code_points((Str){NULL, 0}), 0);
    assert_int_equal(str_count_code_points(STR("aé€😀")), 4);
    assert_int_equal(str_count_code_points(STR("a\0b")), 3);
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFF",
                                      "a\xC3",
                                      "\xE2\x82",
                                      "\xE2\x28\xA1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(str_count_code_points(str_from(bad[i])), -1);
    }
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(str_distance(STR("kitten"), STR("sitting"), 5), 3);
    assert_int_equal(str_distance(STR(""), STR("abc"), 5), 3);
    assert_int_equal(str_distance(STR("startTime"), STR("starttime"), 2), 0);
    assert_int_equal(str_distance(STR("recordId"), STR("record_id"), 2), 1);
    assert_int_equal(str_distance(STR("abc"), STR("xyz"), 2), 3);
    assert_int_equal(str_distance(STR("limit"), STR("limti"), 2), 2);
    char longer[100];
    memset(longer, 'a', sizeof longer);
    assert_int_equal(str_distance((Str){longer, sizeof longer}, (Str){longer, sizeof longer}, 2), 3);
    assert_int_equal(str_distance((Str){longer, 64}, (Str){longer, 63}, 2), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_starts_with),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_to_u64),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_every_byte_pair),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
