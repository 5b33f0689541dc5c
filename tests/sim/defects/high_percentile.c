/* A percentile is the next higher value. */
#include "query/sample.h"

uint64_t __real_sample_rank(uint64_t count, unsigned percent);
uint64_t __wrap_sample_rank(uint64_t count, unsigned percent);

uint64_t __wrap_sample_rank(uint64_t count, unsigned percent)
{
    uint64_t rank = __real_sample_rank(count, percent);
    return rank < count ? rank + 1 : rank;
}
