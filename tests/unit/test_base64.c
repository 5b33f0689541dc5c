#include "unit.h"

#include "base/base64.h"

static void check(Str bytes, const char *encoded)
{
    Buf buf;
    char back[64];
    size_t len = 99;
    buf_init(&buf, 256);
    base64_put(&buf, bytes);
    assert_text(buf_str(&buf), encoded);
    assert_true(base64_decode(str_from(encoded), back, &len));
    assert_int_equal(len, bytes.len);
    assert_memory_equal(back, bytes.ptr, bytes.len);
    buf_release(&buf);
}

/* RFC 4648, section 10, and bytes that are no text. */
static void test_there_and_back(void **state)
{
    (void)state;
    check(STR(""), "");
    check(STR("f"), "Zg==");
    check(STR("fo"), "Zm8=");
    check(STR("foo"), "Zm9v");
    check(STR("foob"), "Zm9vYg==");
    check(STR("fooba"), "Zm9vYmE=");
    check(STR("foobar"), "Zm9vYmFy");
    check(STR("\xff\x00\x01z"), "/wABeg==");
    check(STR("\x00\x00"), "AAA=");
}

static void test_refused(void **state)
{
    static const char *const wrong[] = {
        "Zg",   "Zg=",  "Zg===",    "Z===", "====", "=",     "Zm9v\n",  " Zm9v",    "Zm 9v",      "Zm9-",
        "Zm9_", "Zm=v", "Zg==Zg==", "Zh==", "Zm9=", "Zm9v=", "Zm\x80v", "Zm9vYg=v", "\nZm9v\n  ", "Zm9vZm9v\t"};
    char back[64];
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (base64_decode(str_from(wrong[i]), back, &len)) {
            fail_msg("\"%s\" was taken", wrong[i]);
        }
    }
}

static void test_without_room(void **state)
{
    Buf buf;
    (void)state;
    buf_init(&buf, 8); /* of which one is the library's NUL */
    base64_put(&buf, STR("foo"));
    assert_text(buf_str(&buf), "Zm9v");
    base64_put(&buf, STR("bar"));
    assert_true(buf.failed);
    assert_text(buf_str(&buf), "Zm9v");
    buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_without_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
