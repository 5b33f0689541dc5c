/* The few calls to SQLite that everything here is made of, with its result codes turned into a Status. */
#ifndef WEIR_STORE_SQLITE_DB_H
#define WEIR_STORE_SQLITE_DB_H

#include <sqlite3.h>

#include "base/err.h"
#include "base/str.h"

/* What a result code means for the caller: full disk and locks BUSY, a file that cannot be opened or written REFUSED,
 * all else BROKEN. `what` is the thing that was tried: "commit". */
Status db_error(sqlite3 *db, int code, const char *what, Error *reterr);

/* Runs statements that return nothing. */
Status db_exec(sqlite3 *db, const char *sql, Error *reterr) MUST_CHECK;

/* Rolls back the transaction that is open, if one is: SQLite may have done so itself. False: it is open still, since
 * even that takes memory, and what the connection reads has not happened. */
bool db_roll_back(sqlite3 *db);

/* Prepares a statement that will be kept. Finalize with sqlite3_finalize. */
Status db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, Error *reterr) MUST_CHECK;

/* A table of them: ret_stmts[i] is sql[i]. After a failure those that were prepared before it are there, to be
 * finalized. */
Status db_prepare_all(sqlite3 *db, const char *const *sql, size_t count, sqlite3_stmt **ret_stmts,
                      Error *reterr) MUST_CHECK;
void db_finalize_all(sqlite3_stmt *const *stmts, size_t count); /* accepts NULL among them */

/* A statement that is used again and again: taken from where it is kept, or prepared, and given back there. Whoever
 * comes in between prepares one of his own. */
Status db_take(sqlite3 *db, sqlite3_stmt **kept, const char *sql, sqlite3_stmt **ret_stmt, Error *reterr) MUST_CHECK;
void db_give_back(sqlite3_stmt **kept, sqlite3_stmt *stmt); /* accepts a NULL statement */

/* Steps a statement that returns no row, and resets it. */
Status db_run(sqlite3_stmt *stmt, const char *what, Error *reterr) MUST_CHECK;

/* Steps; *ret_row tells whether there is a row. The caller resets. */
Status db_step(sqlite3_stmt *stmt, const char *what, bool *ret_row, Error *reterr) MUST_CHECK;

/* Whether there is another row, when one is wanted and nothing has failed so far. `stmt` may be NULL: there is none. */
bool db_next(sqlite3_stmt *stmt, bool wanted, const char *what, Status *status, Error *reterr);

/* The first column of each row, as a text. */
Status db_visit_texts(sqlite3 *db, const char *sql, void (*visit)(void *context, Str text), void *context,
                      Error *reterr) MUST_CHECK;

/* The single integer that a query answers with; `otherwise` when it answers with no row or NULL. */
Status db_get_int(sqlite3 *db, const char *sql, int64_t otherwise, int64_t *ret_value, Error *reterr) MUST_CHECK;

/* Binds without copying: `text` must live until the statement is reset. An empty text is '' and not NULL. */
static inline void db_bind_text(sqlite3_stmt *stmt, int at, Str text)
{
    sqlite3_bind_text(stmt, at, text.len ? text.ptr : "", (int)text.len, SQLITE_STATIC);
}

/* REFUSED: SQLite keeps no value that is so long (10^9 bytes). */
Status db_bind_blob(sqlite3_stmt *stmt, int at, Str bytes, Error *reterr) MUST_CHECK;

/* Borrows until the next step or reset. */
static inline Str db_text(sqlite3_stmt *stmt, int column)
{
    const char *ptr = (const char *)sqlite3_column_text(stmt, column);
    return (Str){ptr, (size_t)sqlite3_column_bytes(stmt, column)};
}

#endif
