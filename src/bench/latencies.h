/* Durations counted by size, as HdrHistogram does: each power of two is cut into equal steps, so that a percentile is
 * right to within 1 % from a microsecond to weeks, in constant memory, at the price of one addition. Not thread-safe; a
 * thread has its own, and they are merged at the end. */
#ifndef WEIR_BENCH_LATENCIES_H
#define WEIR_BENCH_LATENCIES_H

#include <stdint.h>

enum {
    LATENCIES_STEP_BITS = 7, /* 128 steps in each power of two */
    LATENCIES_POWERS = 34,   /* up to 2^40 us, 12 days; longer ones are all in the last step */
    LATENCIES_STEPS = LATENCIES_POWERS << LATENCIES_STEP_BITS,
};

/* Plain memory, zero when empty, needs no release. */
typedef struct Latencies {
    uint64_t counts[LATENCIES_STEPS];
    uint64_t count;
    int64_t max_us, total_us;
} Latencies;

void latencies_add(Latencies *latencies, int64_t us); /* below 0 counts as 0 */
void latencies_merge(Latencies *latencies, const Latencies *other);

/* The duration that `percent` (0–100] of all did not exceed, rounded up to the end of its step; 0 when empty. */
int64_t latencies_percentile(const Latencies *latencies, double percent);
int64_t latencies_mean(const Latencies *latencies); /* 0 when empty */

#endif
