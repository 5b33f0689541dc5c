/* A line's change goes past a message that has failed, without its retry, now and then. */
#include "now_and_then.h"
#include "store/sqlite/sqlite_store.h"

Status __real_sqlite_apply_delivery(SqliteStore *store, Work *work, int64_t now_us, Error *reterr);
Status __wrap_sqlite_apply_delivery(SqliteStore *store, Work *work, int64_t now_us, Error *reterr);

/* What the line has handed in stays like this: it is the line's mistake, not the store's. */
Status __wrap_sqlite_apply_delivery(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    static unsigned calls;
    if (work->delivery.retry_count > 0 && now_and_then(&calls, 5)) {
        work->delivery.retry_count--;
    }
    return __real_sqlite_apply_delivery(store, work, now_us, reterr);
}
