#include "http/list_page.h"

enum { LIST_PAGE_BYTES = 8 << 20 };

const char *list_page_read_limit(void *self, const char *name, yyjson_val *value)
{
    ListPage *page = self;
    (void)name;
    return field_integer(value, LIST_PAGE_MAX, &page->limit) && page->limit > 0 ? NULL
                                                                                : "must be a number from 1 to 1000";
}

const char *list_page_read_cursor(void *self, const char *name, yyjson_val *value)
{
    uint64_t cursor;
    (void)name;
    if (!field_integer(value, INT64_MAX, &cursor) || cursor == 0) {
        return "must be the nextCursor of an earlier answer";
    }
    ((ListPage *)self)->cursor = (int64_t)cursor;
    return NULL;
}

void list_page_put_begin(Buf *out) { BUF_PUT(out, "{\"data\":["); }

bool list_page_put_comma(ListPage *page, int64_t number, Buf *out)
{
    page->more = page->count == page->limit || (page->count && out->len > LIST_PAGE_BYTES);
    if (page->more) {
        return false;
    }
    buf_put(out, page->count++ ? STR(",") : STR(""));
    page->last = number;
    return true;
}

void list_page_put_end(const ListPage *page, Buf *out)
{
    BUF_PUT(out, "],\"nextCursor\":");
    if (page->more) {
        buf_printf(out, "\"%lld\"}", (long long)page->last);
    } else {
        BUF_PUT(out, "null}");
    }
}
