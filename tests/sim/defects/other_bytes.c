/* A further event with an id that was taken back passes for the first one, as if its bytes were the same. */
#include "store/sqlite/sqlite_store.h"

Status __real_sqlite_compare_event(SqliteStore *store, int64_t seq, const EventItem *item, int64_t *ret_event,
                                   bool *ret_same, Error *reterr);
Status __wrap_sqlite_compare_event(SqliteStore *store, int64_t seq, const EventItem *item, int64_t *ret_event,
                                   bool *ret_same, Error *reterr);

Status __wrap_sqlite_compare_event(SqliteStore *store, int64_t seq, const EventItem *item, int64_t *ret_event,
                                   bool *ret_same, Error *reterr)
{
    Status status = __real_sqlite_compare_event(store, seq, item, ret_event, ret_same, reterr);
    *ret_same = *ret_event != 0;
    return status;
}
