#include "bench/latencies.h"

#include <math.h>
#include <stddef.h>

enum { STEPS = 1 << LATENCIES_STEP_BITS };

/* The first power holds 0 … 127 one by one; each further one begins where the one before ends and its steps are twice
 * as wide. */
static size_t step_of(uint64_t us)
{
    if (us < STEPS) {
        return (size_t)us;
    }
    unsigned shift = 63U - (unsigned)__builtin_clzll(us) - LATENCIES_STEP_BITS;
    size_t step = ((size_t)(shift + 1) << LATENCIES_STEP_BITS) + (size_t)(us >> shift) - STEPS;
    return step < LATENCIES_STEPS ? step : LATENCIES_STEPS - 1;
}

static int64_t step_end(size_t step)
{
    size_t power = step >> LATENCIES_STEP_BITS;
    if (power == 0) {
        return (int64_t)step;
    }
    uint64_t start = (step & (STEPS - 1)) + STEPS;
    return (int64_t)(((start + 1) << (power - 1)) - 1);
}

void latencies_add(Latencies *latencies, int64_t us)
{
    if (us < 0) {
        us = 0;
    }
    latencies->counts[step_of((uint64_t)us)]++;
    latencies->count++;
    latencies->total_us += us;
    if (us > latencies->max_us) {
        latencies->max_us = us;
    }
}

void latencies_merge(Latencies *latencies, const Latencies *other)
{
    for (size_t i = 0; i < LATENCIES_STEPS; i++) {
        latencies->counts[i] += other->counts[i];
    }
    latencies->count += other->count;
    latencies->total_us += other->total_us;
    if (other->max_us > latencies->max_us) {
        latencies->max_us = other->max_us;
    }
}

int64_t latencies_percentile(const Latencies *latencies, double percent)
{
    uint64_t wanted = (uint64_t)ceil((double)latencies->count * percent / 100);
    uint64_t seen = 0;
    for (size_t i = 0; i < LATENCIES_STEPS && wanted > 0; i++) {
        seen += latencies->counts[i];
        if (seen >= wanted) {
            int64_t end = step_end(i);
            return end < latencies->max_us && i < LATENCIES_STEPS - 1 ? end : latencies->max_us;
        }
    }
    return 0;
}

int64_t latencies_mean(const Latencies *latencies)
{
    return latencies->count ? latencies->total_us / (int64_t)latencies->count : 0;
}
