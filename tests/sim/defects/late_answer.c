/* The answer under an idempotency key is not kept in the transaction of its batch, but in the next one. */
#include <string.h>

#include "store/sqlite/db.h"
#include "store/store.h"

static char *late; /* a statement, of the batch at hand or the one before; owns */

Status __real_db_run(sqlite3_stmt *stmt, const char *what, Error *reterr);
Status __wrap_db_run(sqlite3_stmt *stmt, const char *what, Error *reterr);

Status __wrap_db_run(sqlite3_stmt *stmt, const char *what, Error *reterr)
{
    bool is_answer = strcmp(what, "keep the answer under an idempotency key") == 0;
    if (!is_answer || late) {
        return __real_db_run(stmt, what, reterr);
    }
    late = sqlite3_expanded_sql(stmt);
    sqlite3_reset(stmt);
    return STATUS_OK;
}

Status __real_db_exec(sqlite3 *db, const char *sql, Error *reterr);
Status __wrap_db_exec(sqlite3 *db, const char *sql, Error *reterr);

Status __wrap_db_exec(sqlite3 *db, const char *sql, Error *reterr)
{
    bool begins = strcmp(sql, "BEGIN IMMEDIATE") == 0;
    Status status = __real_db_exec(db, sql, reterr);
    if (begins && status == STATUS_OK && late) {
        (void)sqlite3_exec(db, late, NULL, NULL, NULL);
    }
    if (begins || strcmp(sql, "ROLLBACK") == 0) {
        sqlite3_free(late);
        late = NULL;
    }
    return status;
}

/* What was late when the process ended is lost. */
Status __real_store_open(const StoreOptions *options, Store **ret_store, Error *reterr);
Status __wrap_store_open(const StoreOptions *options, Store **ret_store, Error *reterr);

Status __wrap_store_open(const StoreOptions *options, Store **ret_store, Error *reterr)
{
    if (!options->read_only) {
        sqlite3_free(late);
        late = NULL;
    }
    return __real_store_open(options, ret_store, reterr);
}
