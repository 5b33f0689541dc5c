/* A source's places are put in a transaction before the one of the records that they cover. */
#include "store/store.h"

Status __real_store_apply(Store *store, Work *first, Error *reterr);
Status __wrap_store_apply(Store *store, Work *first, Error *reterr);

Status __wrap_store_apply(Store *store, Work *first, Error *reterr)
{
    for (const Work *work = first; work; work = work->next) {
        const IntakeChange *intake = work->kind == WORK_RECORDS ? work->records.intake : NULL;
        if (intake && intake->place_count > 0) {
            IntakeChange places = {
                .source = intake->source, .places = intake->places, .place_count = intake->place_count};
            Work early = {.kind = WORK_RECORDS, .records = {.intake = &places}};
            Status status = __real_store_apply(store, &early, reterr);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    return __real_store_apply(store, first, reterr);
}
