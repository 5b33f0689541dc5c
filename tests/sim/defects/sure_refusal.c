/* A commit that found the disk full is told to have been turned away, though it may be there after a kill. */
#include <string.h>

#include "store/store.h"

Status __real_store_apply(Store *store, Work *first, Error *reterr);
Status __wrap_store_apply(Store *store, Work *first, Error *reterr);

Status __wrap_store_apply(Store *store, Work *first, Error *reterr)
{
    Status status = __real_store_apply(store, first, reterr);
    bool was_full = status == STATUS_UNKNOWN && strstr(reterr->message, "the disk was full");
    return was_full ? error_set(reterr, STATUS_BUSY, "turned away") : status;
}
