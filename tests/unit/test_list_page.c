/* Pages: where one ends, and where the next one goes on. */
#include "http/list_page.h"

#include "unit.h"

enum { PAGE_BYTES = 8 << 20 };

/* Entries 9, 8, 7 … of so many bytes each, until there is no room or none left. */
static void put_entries(ListPage *page, Buf *out, int64_t left, size_t entry_bytes)
{
    list_page_put_begin(out);
    for (int64_t number = 9; left-- > 0 && list_page_put_comma(page, number, out); number--) {
        for (size_t i = 0; i < entry_bytes; i++) {
            buf_put_char(out, '7');
        }
    }
    list_page_put_end(page, out);
    assert_false(out->failed);
}

static void check_page(uint64_t limit, int64_t entries, const char *expected)
{
    ListPage page = {.limit = limit};
    Buf out;
    buf_init(&out, 1 << 20);
    put_entries(&page, &out, entries, 1);
    assert_text(buf_str(&out), expected);
    buf_release(&out);
}

static void test_the_limit(void **state)
{
    (void)state;
    check_page(3, 0, "{\"data\":[],\"nextCursor\":null}");
    check_page(3, 2, "{\"data\":[7,7],\"nextCursor\":null}");
    check_page(3, 3, "{\"data\":[7,7,7],\"nextCursor\":null}");
    check_page(3, 4, "{\"data\":[7,7,7],\"nextCursor\":\"7\"}");
}

/* However large one is, it comes: the next page would not have it either. */
static void test_large_entries(void **state)
{
    ListPage page = {.limit = LIST_PAGE_MAX};
    Buf out;
    (void)state;
    buf_init(&out, 4 * PAGE_BYTES);
    put_entries(&page, &out, 3, PAGE_BYTES / 2);
    assert_int_equal(page.count, 2);
    assert_true(page.more && page.last == 8);
    buf_reset(&out);
    page = (ListPage){.limit = LIST_PAGE_MAX};
    put_entries(&page, &out, 2, PAGE_BYTES + 1);
    assert_int_equal(page.count, 1);
    assert_true(page.more && page.last == 9);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_limit), cmocka_unit_test(test_large_entries)};
    return cmocka_run_group_tests_name("list_page", tests, NULL, NULL);
}
