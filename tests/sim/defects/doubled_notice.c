/* A dead letter is announced twice, now and then. */
#include "now_and_then.h"
#include "store/sqlite/sqlite_store.h"

Status __real_sqlite_append_notice(SqliteStore *store, const DeadLetter *letter, bool is_record, Error *reterr);
Status __wrap_sqlite_append_notice(SqliteStore *store, const DeadLetter *letter, bool is_record, Error *reterr);

Status __wrap_sqlite_append_notice(SqliteStore *store, const DeadLetter *letter, bool is_record, Error *reterr)
{
    static unsigned calls;
    Status status = __real_sqlite_append_notice(store, letter, is_record, reterr);
    bool again = status == STATUS_OK && now_and_then(&calls, 3);
    return again ? __real_sqlite_append_notice(store, letter, is_record, reterr) : status;
}
