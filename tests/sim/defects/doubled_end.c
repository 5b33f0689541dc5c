/* That a batch has ended is told twice, now and then. */
#include "now_and_then.h"
#include "store/sqlite/onboard_parts.h"

Status __real_onboard_announce_batch(SqliteStore *store, const StoredBatch *batch, int64_t now_us, Error *reterr);
Status __wrap_onboard_announce_batch(SqliteStore *store, const StoredBatch *batch, int64_t now_us, Error *reterr);

Status __wrap_onboard_announce_batch(SqliteStore *store, const StoredBatch *batch, int64_t now_us, Error *reterr)
{
    static unsigned calls;
    Status status = __real_onboard_announce_batch(store, batch, now_us, reterr);
    return status == STATUS_OK && now_and_then(&calls, 5) ? __real_onboard_announce_batch(store, batch, now_us, reterr)
                                                          : status;
}
