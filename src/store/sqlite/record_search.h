/* Whether a record is there already: by its identity in the log, or, of an event, by where its id leads. Internal to records_writer.c. */
#ifndef WEIR_STORE_SQLITE_RECORD_SEARCH_H
#define WEIR_STORE_SQLITE_RECORD_SEARCH_H

#include "store/sqlite/sqlite_store.h"

typedef struct Search {
    SqliteStore *store;
    const Record *record;
    const EventItem *event; /* NULL: it is a plain record, or a correction */
    StoredRecord found;     /* borrows from select_record until it is reset */
    bool is_found, by_alias;
    bool is_same_bytes; /* found, an event, and it came as these bytes, too; false also where that was not looked at */
    bool was_ended;     /* its id leads nowhere any more */
    bool is_another;    /* not found, although its id was given to an event before */
    bool is_gone;       /* not found, and no longer kept as the duplicate that it had been taken for */
    Status status;
    Error *reterr;
} Search;

bool search_same_identity(const SqliteStore *store, const Record *a, const Record *b);
/* Looks for a record of this identity, whatever it was; select_record is left on what is found. */
Status search_in_log(Search *search) MUST_CHECK;
/* The same of what is handed in: an event's id may lead elsewhere (see EventChange). */
Status search_existing(Search *search) MUST_CHECK;
/* Which record the alias of a correction leads to; *ret_seq is 0 for none. What takes back has the client that the event had, and the alias is an
 * id of the client that it has now. `record` is the correction's. */
Status search_holder(SqliteStore *store, const Record *record, const EventItem *item, int64_t *ret_seq,
                     Error *reterr) MUST_CHECK;

#endif
