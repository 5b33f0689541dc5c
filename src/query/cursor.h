/* Where a page of records ended, as an opaque text for the client to hand back. */
#ifndef WEIR_QUERY_CURSOR_H
#define WEIR_QUERY_CURSOR_H

#include "query/filter.h"
#include "store/store.h"

typedef struct Cursor {
    int64_t bound;   /* the pages cover the log up to here, however much came since */
    TimePosition at; /* the last place that has been looked at */
    bool descending;
} Cursor;

enum { CURSOR_TEXT_BYTES = 46 };

/* Base64url (RFC 4648, section 5, without padding) of a version byte, the bound, the place, the order, and a hash of
 * the filter and the store's epoch, little endian. */
void cursor_format(const Cursor *cursor, const Filter *filter, const StoreInfo *info, char ret_text[CURSOR_TEXT_BYTES]);

/* NULL when it was understood, else the problem as a phrase. A cursor of other filters, of another store or of one that
 * has been restored since is refused: it would skip or repeat records. */
const char *cursor_parse(Str text, const Filter *filter, const StoreInfo *info, Cursor *ret_cursor);

#endif
