/* What came in as one piece is committed in two halves. */
#include "store/sqlite/db.h"
#include "store/sqlite/row.h"
#include "store/sqlite/sqlite_store.h"

static size_t half; /* of the piece at hand: so many rows are still to come before the first commit; 0: none */

Status __real_sqlite_apply_records(SqliteStore *store, Work *work, int64_t now_us, Error *reterr);
Status __real_row_insert(sqlite3_stmt *stmt, const StoredRecord *stored, Error *reterr);
Status __wrap_sqlite_apply_records(SqliteStore *store, Work *work, int64_t now_us, Error *reterr);
Status __wrap_row_insert(sqlite3_stmt *stmt, const StoredRecord *stored, Error *reterr);

Status __wrap_sqlite_apply_records(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    half = work->records.count / 2;
    Status status = __real_sqlite_apply_records(store, work, now_us, reterr);
    half = 0;
    return status;
}

Status __wrap_row_insert(sqlite3_stmt *stmt, const StoredRecord *stored, Error *reterr)
{
    Status status = __real_row_insert(stmt, stored, reterr);
    if (status != STATUS_OK || half == 0 || --half > 0) {
        return status;
    }
    status = db_exec(sqlite3_db_handle(stmt), "COMMIT", reterr);
    return status == STATUS_OK ? db_exec(sqlite3_db_handle(stmt), "BEGIN IMMEDIATE", reterr) : status;
}
