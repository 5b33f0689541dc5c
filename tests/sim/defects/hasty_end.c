/* The store gives up now and then in its housekeeping, though nothing has failed. */
#include "now_and_then.h"
#include "store/store.h"

Status __real_store_maintain(Store *store, bool idle, bool *ret_more, Error *reterr);
Status __wrap_store_maintain(Store *store, bool idle, bool *ret_more, Error *reterr);

Status __wrap_store_maintain(Store *store, bool idle, bool *ret_more, Error *reterr)
{
    static unsigned calls;
    Status status = __real_store_maintain(store, idle, ret_more, reterr);
    return status == STATUS_OK && now_and_then(&calls, 100) ? error_set(reterr, STATUS_BROKEN, "it gives up") : status;
}
