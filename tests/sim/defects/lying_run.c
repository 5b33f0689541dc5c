/* A run's filter says "not there" of a key that is there, now and then. */
#include "now_and_then.h"
#include "store/index/run.h"

Status __real_run_find(const Run *run, uint64_t key, uint64_t *ret_values, size_t max, size_t *ret_count,
                       bool *ret_more, Error *reterr);
Status __wrap_run_find(const Run *run, uint64_t key, uint64_t *ret_values, size_t max, size_t *ret_count,
                       bool *ret_more, Error *reterr);

Status __wrap_run_find(const Run *run, uint64_t key, uint64_t *ret_values, size_t max, size_t *ret_count,
                       bool *ret_more, Error *reterr)
{
    static unsigned calls;
    Status status = __real_run_find(run, key, ret_values, max, ret_count, ret_more, reterr);
    if (status == STATUS_OK && *ret_count > 0 && now_and_then(&calls, 20)) {
        *ret_count = 0;
    }
    return status;
}
