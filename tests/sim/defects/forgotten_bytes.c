/* The bytes of a duplicate are not kept, now and then. */
#include "now_and_then.h"
#include "store/sqlite/sqlite_store.h"

Status __real_sqlite_keep_duplicate(SqliteStore *store, const EventItem *item, int64_t seq, Error *reterr);
Status __wrap_sqlite_keep_duplicate(SqliteStore *store, const EventItem *item, int64_t seq, Error *reterr);

Status __wrap_sqlite_keep_duplicate(SqliteStore *store, const EventItem *item, int64_t seq, Error *reterr)
{
    static unsigned calls;
    return now_and_then(&calls, 20) ? STATUS_OK : __real_sqlite_keep_duplicate(store, item, seq, reterr);
}
