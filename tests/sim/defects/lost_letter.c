/* A group that has to be handed in again has lost what it could not take in. */
#include "store/store.h"

Status __real_store_apply(Store *store, Work *first, Error *reterr);
Status __wrap_store_apply(Store *store, Work *first, Error *reterr);

Status __wrap_store_apply(Store *store, Work *first, Error *reterr)
{
    Status status = __real_store_apply(store, first, reterr);
    for (const Work *work = first; work && status != STATUS_OK; work = work->next) {
        if (work->kind == WORK_RECORDS && work->records.intake) {
            work->records.intake->refused_count = 0;
        }
    }
    return status;
}
