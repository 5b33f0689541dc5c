/* A page of a list: {"data":[…],"nextCursor":…}, how many entries it may have, and where the next page goes on. */
#ifndef WEIR_HTTP_LIST_PAGE_H
#define WEIR_HTTP_LIST_PAGE_H

#include "base/buf.h"
#include "http/json_body.h"

typedef struct ListPage {
    uint64_t limit; /* of entries, LIST_PAGE_MAX at most */
    int64_t cursor; /* where an earlier page ended, as the call says; 0: it is the first one */
    uint64_t count; /* entries that it has */
    int64_t last;   /* the number of the entry that was taken last: the next page's cursor */
    bool more;      /* there are entries that it has no room for */
} ListPage;

enum { LIST_PAGE_DEFAULT = 100, LIST_PAGE_MAX = 1000 };

/* `self` is a ListPage, or a struct that begins with one. */
FieldReader list_page_read_limit, list_page_read_cursor;

void list_page_put_begin(Buf *out);
/* The comma before the entry of that number. False when the page is full, and the entry is another page's: a page of
 * large ones is a short page. */
bool list_page_put_comma(ListPage *page, int64_t number, Buf *out);
void list_page_put_end(const ListPage *page, Buf *out);

#endif
