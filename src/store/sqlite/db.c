#include "store/sqlite/db.h"

#include <errno.h>

static Status status_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return STATUS_OK;
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM: return STATUS_BUSY;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_TOOBIG:
    case SQLITE_NOTADB: return STATUS_REFUSED;
    default: return STATUS_BROKEN;
    }
}

/* Too many open files, or too little memory: that passes. */
static bool is_shortage(sqlite3 *db, int code)
{
    int reason = db && (code & 0xff) == SQLITE_CANTOPEN ? sqlite3_system_errno(db) : 0;
    return reason == EMFILE || reason == ENFILE || reason == ENOMEM;
}

Status db_error(sqlite3 *db, int code, const char *what, Error *reterr)
{
    if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) {
        return error_set(reterr, STATUS_BUSY,
                         "another program keeps the database locked; try again when it has let go");
    }
    if ((code & 0xff) == SQLITE_NOTADB) {
        return error_set(reterr, STATUS_REFUSED, "%s is not a database", db ? sqlite3_db_filename(db, "main") : what);
    }
    return error_set(reterr, is_shortage(db, code) ? STATUS_BUSY : status_of(code), "%s: %s (SQLite code %d)", what,
                     db ? sqlite3_errmsg(db) : sqlite3_errstr(code), code);
}

Status db_exec(sqlite3 *db, const char *sql, Error *reterr)
{
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? STATUS_OK : db_error(db, code, sql, reterr);
}

bool db_roll_back(sqlite3 *db)
{
    if (!sqlite3_get_autocommit(db)) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return sqlite3_get_autocommit(db);
}

Status db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, Error *reterr)
{
    int code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL);
    return code == SQLITE_OK ? STATUS_OK : db_error(db, code, sql, reterr);
}

Status db_prepare_all(sqlite3 *db, const char *const *sql, size_t count, sqlite3_stmt **ret_stmts, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = db_prepare(db, sql[i], &ret_stmts[i], reterr);
    }
    return status;
}

void db_finalize_all(sqlite3_stmt *const *stmts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sqlite3_finalize(stmts[i]);
    }
}

Status db_take(sqlite3 *db, sqlite3_stmt **kept, const char *sql, sqlite3_stmt **ret_stmt, Error *reterr)
{
    if (!*kept) {
        return db_prepare(db, sql, ret_stmt, reterr);
    }
    *ret_stmt = *kept;
    *kept = NULL;
    return STATUS_OK;
}

void db_give_back(sqlite3_stmt **kept, sqlite3_stmt *stmt)
{
    if (*kept) {
        sqlite3_finalize(stmt);
        return;
    }
    sqlite3_reset(stmt);
    *kept = stmt;
}

Status db_bind_blob(sqlite3_stmt *stmt, int at, Str bytes, Error *reterr)
{
    int code = sqlite3_bind_blob64(stmt, at, bytes.len ? bytes.ptr : "", bytes.len, SQLITE_STATIC);
    return code == SQLITE_OK ? STATUS_OK
                             : db_error(sqlite3_db_handle(stmt), code, "keep the bytes of a message", reterr);
}

Status db_run(sqlite3_stmt *stmt, const char *what, Error *reterr)
{
    int code = sqlite3_step(stmt);
    Status status = STATUS_OK;
    if (code != SQLITE_DONE) {
        status = db_error(sqlite3_db_handle(stmt), code, what, reterr);
    }
    sqlite3_reset(stmt);
    return status;
}

Status db_step(sqlite3_stmt *stmt, const char *what, bool *ret_row, Error *reterr)
{
    int code = sqlite3_step(stmt);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return db_error(sqlite3_db_handle(stmt), code, what, reterr);
    }
    *ret_row = code == SQLITE_ROW;
    return STATUS_OK;
}

Status db_visit_texts(sqlite3 *db, const char *sql, void (*visit)(void *context, Str text), void *context,
                      Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    Status status = db_prepare(db, sql, &stmt, reterr);
    while (status == STATUS_OK && (status = db_step(stmt, sql, &row, reterr)) == STATUS_OK && row) {
        visit(context, db_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    return status;
}

Status db_get_int(sqlite3 *db, const char *sql, int64_t otherwise, int64_t *ret_value, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    Status status = db_prepare(db, sql, &stmt, reterr);
    if (status == STATUS_OK) {
        status = db_step(stmt, sql, &row, reterr);
    }
    if (status == STATUS_OK) {
        *ret_value = row && sqlite3_column_type(stmt, 0) != SQLITE_NULL ? sqlite3_column_int64(stmt, 0) : otherwise;
    }
    sqlite3_finalize(stmt);
    return status;
}

bool db_next(sqlite3_stmt *stmt, bool wanted, const char *what, Status *status, Error *reterr)
{
    bool row = false;
    if (stmt && wanted && *status == STATUS_OK) {
        *status = db_step(stmt, what, &row, reterr);
    }
    return row && *status == STATUS_OK;
}
