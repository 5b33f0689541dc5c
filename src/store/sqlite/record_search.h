/* Whether a record is there already: by its identity in the log, or, of an event, by where its id leads. Internal to
 * records_writer.c. */
#ifndef WEIR_STORE_SQLITE_RECORD_SEARCH_H
#define WEIR_STORE_SQLITE_RECORD_SEARCH_H

#include "store/sqlite/sqlite_store.h"

typedef enum SearchEnd {
    SEARCH_NEW,   /* nothing of its identity is there */
    SEARCH_FOUND, /* `found`, on which select_record is left; search_leave() */
    /* an event whose id was given to another event before, or to a record that was none: it gets a further one */
    SEARCH_ANOTHER,
    SEARCH_GONE, /* no longer kept as the duplicate that it had been taken for */
} SearchEnd;

typedef struct Search {
    SqliteStore *store;
    const Record *record;
    const EventItem *event; /* NULL: it is a plain record, or a correction */
    SearchEnd end;
    StoredRecord found; /* borrows from select_record until search_leave() */
    bool by_alias;      /* found where its id leads since events were corrected */
    bool is_same_bytes; /* found, an event, and it came as these bytes, too; false also where that was not looked at */
    bool was_ended;     /* its id leads nowhere any more */
    Status status;
    Error *reterr;
} Search;

bool search_same_identity(const SqliteStore *store, const Record *a, const Record *b);
/* Looks for a record of this identity, whatever it was; select_record is left on what is found. */
Status search_in_log(Search *search) MUST_CHECK;
/* Lets go of what was found. A statement that is left on a row would keep the transaction's snapshot. */
void search_leave(Search *search, SearchEnd end);
/* The same of what is handed in: an event's id may lead elsewhere (see EventChange). */
Status search_existing(Search *search) MUST_CHECK;
/* Which record the alias of a correction leads to; *ret_seq is 0 for none. What takes back has the client that the
 * event had, and the alias is an id of the client that it has now. `record` is the correction's. */
Status search_holder(SqliteStore *store, const Record *record, const EventItem *item, int64_t *ret_seq,
                     Error *reterr) MUST_CHECK;

#endif
