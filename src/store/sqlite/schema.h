/* The tables of a SQLite store, and the facts about a store that are kept in it. */
#ifndef WEIR_STORE_SQLITE_SCHEMA_H
#define WEIR_STORE_SQLITE_SCHEMA_H

#include <sqlite3.h>

#include "store/store.h"

enum {
    SCHEMA_APPLICATION_ID = 0x57656972, /* "Weir": PRAGMA application_id */
    SCHEMA_VERSION = 5,                 /* PRAGMA user_version */
};

/* dead_letter_bytes() of a row of dead_letters, in SQL. */
#define DEAD_LETTER_BYTES_SQL                                                                                          \
    "(320 + length(raw) + length(CAST(format AS BLOB)) + 2 * length(CAST(error AS BLOB))"                              \
    " + 3 * (length(CAST(origin AS BLOB)) + length(CAST(place AS BLOB))))"

/* Changes nothing. REFUSED when the database is neither empty nor a store that this program understands. */
Status schema_check(sqlite3 *db, bool *ret_empty, Error *reterr) MUST_CHECK;

/* Makes the tables in an empty database, adds what an older program's store lacks, and reads the facts. REFUSED: not a
 * store of ours, newer, other identity or scale. With `read_only` nothing is made or added. */
Status schema_open(sqlite3 *db, const StoreOptions *options, StoreInfo *ret_info, Error *reterr) MUST_CHECK;

/* Since which version a store has sinks, retries, attempts, dead letters and replays. */
enum { SCHEMA_DELIVERIES = 2 };
/* And sources, with what dead letters say of them. */
enum { SCHEMA_SOURCES = 3 };
/* And events. */
enum { SCHEMA_EVENTS = 4 };
/* And organizations, with their batches and jobs. */
enum { SCHEMA_ONBOARD = 5 };
/* The version of a store that is only read: what its tables are. */
Status schema_version(sqlite3 *db, int64_t *ret_version, Error *reterr) MUST_CHECK;

/* Whole numbers kept by name in the table `meta`. */
Status meta_get_int(sqlite3 *db, const char *name, int64_t otherwise, int64_t *ret_value, Error *reterr) MUST_CHECK;
Status meta_put_int(sqlite3 *db, const char *name, int64_t value, Error *reterr) MUST_CHECK;

/* The seq up to which everything derived has been published. */
#define META_PUBLISHED_SEQ     "published_seq"
/* How many of these entries are records, so that nobody has to count them. */
#define META_PUBLISHED_RECORDS "published_records"

#endif
