/* A retry is sent a while before it is due, now and then. */
#include "deliver/retries.h"
#include "now_and_then.h"

size_t __real_retries_due(const Retries *retries, int64_t now_us, int64_t *ret_seqs, size_t cap, int64_t *ret_next_us);
size_t __wrap_retries_due(const Retries *retries, int64_t now_us, int64_t *ret_seqs, size_t cap, int64_t *ret_next_us);

size_t __wrap_retries_due(const Retries *retries, int64_t now_us, int64_t *ret_seqs, size_t cap, int64_t *ret_next_us)
{
    static unsigned calls;
    int64_t early_us = now_and_then(&calls, 10) ? 50000 : 0;
    return __real_retries_due(retries, now_us + early_us, ret_seqs, cap, ret_next_us);
}
