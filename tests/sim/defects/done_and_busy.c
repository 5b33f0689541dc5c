/* A batch that was committed is now and then told to have been turned away. */
#include "now_and_then.h"
#include "store/store.h"

Status __real_store_apply(Store *store, Work *first, Error *reterr);
Status __wrap_store_apply(Store *store, Work *first, Error *reterr);

Status __wrap_store_apply(Store *store, Work *first, Error *reterr)
{
    static unsigned calls;
    Status status = __real_store_apply(store, first, reterr);
    return status == STATUS_OK && now_and_then(&calls, 50) ? error_set(reterr, STATUS_BUSY, "turned away") : status;
}
