/* Once the disk has failed a batch, further ones are now and then told to be unsure, until the store is opened anew. */
#include "now_and_then.h"
#include "store/store.h"

static bool is_in_doubt;

Status __real_store_apply(Store *store, Work *first, Error *reterr);
Status __real_store_open(const StoreOptions *options, Store **ret_store, Error *reterr);
Status __wrap_store_apply(Store *store, Work *first, Error *reterr);
Status __wrap_store_open(const StoreOptions *options, Store **ret_store, Error *reterr);

Status __wrap_store_open(const StoreOptions *options, Store **ret_store, Error *reterr)
{
    is_in_doubt = false;
    return __real_store_open(options, ret_store, reterr);
}

Status __wrap_store_apply(Store *store, Work *first, Error *reterr)
{
    static unsigned calls;
    if (is_in_doubt && now_and_then(&calls, 3)) {
        return error_set(reterr, STATUS_UNKNOWN, "it may have happened");
    }
    Status status = __real_store_apply(store, first, reterr);
    is_in_doubt = is_in_doubt || status == STATUS_UNKNOWN;
    return status;
}
