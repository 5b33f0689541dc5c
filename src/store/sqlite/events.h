/* How events are written: the statements, prepared once, and what a batch has gathered so far. */
#ifndef WEIR_STORE_SQLITE_EVENTS_H
#define WEIR_STORE_SQLITE_EVENTS_H

#include <openssl/evp.h>
#include <sqlite3.h>

#include "store/sqlite/event_counts.h"

typedef enum EventStatement {
    EVENT_PUT,
    EVENT_PUT_ATTEMPT,
    EVENT_TRIM_ATTEMPTS,
    EVENT_COUNT_KNOWN,
    EVENT_COUNT_NEW,
    EVENT_FIND_ALIAS,
    EVENT_PUT_ALIAS,
    EVENT_END_ALIASES, /* of what is taken back */
    EVENT_END_ID,
    EVENT_ORIGIN,
    EVENT_PUT_DUPLICATE,
    EVENT_FIND_DUPLICATE,
    EVENT_END_DUPLICATE,
    EVENT_UNCOUNT_DUPLICATE,
    EVENT_STATEMENT_COUNT,
} EventStatement;

typedef struct EventWriter {
    sqlite3_stmt *statements[EVENT_STATEMENT_COUNT];
    EVP_MD *digest;     /* of what was taken for a duplicate */
    EventCounts counts; /* that are not in the table yet */
    bool attempted;     /* the ring has grown in this batch */
} EventWriter;

#endif
