/* A line overlooks that retries are due, now and then, until its next step. */
#include "deliver/retries.h"
#include "now_and_then.h"

size_t __real_retries_due(const Retries *retries, int64_t now_us, int64_t *ret_seqs, size_t cap, int64_t *ret_next_us);
size_t __wrap_retries_due(const Retries *retries, int64_t now_us, int64_t *ret_seqs, size_t cap, int64_t *ret_next_us);

size_t __wrap_retries_due(const Retries *retries, int64_t now_us, int64_t *ret_seqs, size_t cap, int64_t *ret_next_us)
{
    static unsigned calls;
    size_t count = __real_retries_due(retries, now_us, ret_seqs, cap, ret_next_us);
    return count > 0 && now_and_then(&calls, 10) ? 0 : count;
}
