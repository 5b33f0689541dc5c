/* A replay is said to have sent one message more than it did, now and then. */
#include "now_and_then.h"
#include "store/sqlite/sqlite_store.h"

Status __real_sqlite_apply_delivery(SqliteStore *store, Work *work, int64_t now_us, Error *reterr);
Status __wrap_sqlite_apply_delivery(SqliteStore *store, Work *work, int64_t now_us, Error *reterr);

Status __wrap_sqlite_apply_delivery(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    static unsigned calls;
    if (work->delivery.job && work->delivery.sent > 0 && now_and_then(&calls, 5)) {
        work->delivery.sent++;
    }
    return __real_sqlite_apply_delivery(store, work, now_us, reterr);
}
