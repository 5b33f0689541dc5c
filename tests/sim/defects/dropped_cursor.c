/* A line's new cursor is not written, now and then, though the rest of its change is. */
#include "now_and_then.h"
#include "store/sqlite/sqlite_store.h"

Status __real_sqlite_apply_delivery(SqliteStore *store, Work *work, int64_t now_us, Error *reterr);
Status __wrap_sqlite_apply_delivery(SqliteStore *store, Work *work, int64_t now_us, Error *reterr);

Status __wrap_sqlite_apply_delivery(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    static unsigned calls;
    static SinkPlace before;
    SinkPlace place = work->delivery.place;
    work->delivery.place = now_and_then(&calls, 30) ? before : place;
    Status status = __real_sqlite_apply_delivery(store, work, now_us, reterr);
    work->delivery.place = before = place;
    return status;
}
