/* The values of one group, kept for percentiles: all of them while they are few, then a histogram.
 *
 * The histogram is log-linear (as HdrHistogram's): values below 128 have a bucket each; above, every power of two is
 * divided into 64 buckets of one width. A bucket's middle is then within 1/128 (0.8 %) of every value in it, whatever
 * the size of the values. */
#ifndef WEIR_QUERY_SAMPLE_H
#define WEIR_QUERY_SAMPLE_H

#include "base/arena.h"

typedef struct Sample {
    uint64_t count;
    int64_t *values;      /* while exact: `count` of them; owned by the arena */
    uint64_t *buckets;    /* afterwards: how many values fell into bucket first + i; owned by the arena */
    uint32_t cap;         /* room, in items, of either */
    uint32_t first, used; /* the buckets kept: first … first + used - 1 */
} Sample;

/* `value` ≥ 0. False, and nothing was added, when the arena is at its ceiling. */
bool sample_add(Sample *sample, Arena *arena, int64_t value) MUST_CHECK;

/* Which of `count` sorted values, from 1, a percentile is: ⌈percent/100 × count⌉ (the nearest-rank method); count must
 * not be 0. */
uint64_t sample_rank(uint64_t count, unsigned percent);

/* The value at that place of the sorted ones, 1 … count. Sorts the values. */
int64_t sample_value_at(Sample *sample, uint64_t rank);

static inline int64_t sample_percentile(Sample *sample, unsigned percent)
{
    return sample_value_at(sample, sample_rank(sample->count, percent));
}

#endif
