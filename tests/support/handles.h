/* Time and randomness that belong to a test: a clock that stands still until it is moved, and numbers that a seed
 * replays. */
#ifndef WEIR_TESTS_SUPPORT_HANDLES_H
#define WEIR_TESTS_SUPPORT_HANDLES_H

#include "base/clock.h"
#include "base/random.h"
#include "support/random.h"

typedef struct ManualClock {
    int64_t wall_us, monotonic_us;
} ManualClock;

static inline int64_t manual_clock_wall_us(void *self) { return ((ManualClock *)self)->wall_us; }
static inline int64_t manual_clock_monotonic_us(void *self) { return ((ManualClock *)self)->monotonic_us; }

/* Borrows `manual`. */
static inline Clock manual_clock(ManualClock *manual)
{
    return (Clock){.wall_us = manual_clock_wall_us, .monotonic_us = manual_clock_monotonic_us, .self = manual};
}

static inline void manual_clock_move(ManualClock *manual, int64_t us)
{
    manual->wall_us += us;
    manual->monotonic_us += us;
}

static inline Status seeded_random_fill(void *self, void *bytes, size_t count, Error *reterr)
{
    (void)reterr;
    for (size_t i = 0; i < count; i++) {
        ((uint8_t *)bytes)[i] = (uint8_t)random_next(self);
    }
    return STATUS_OK;
}

/* Borrows `seed`. */
static inline Random seeded_random(uint64_t *seed) { return (Random){.fill = seeded_random_fill, .self = seed}; }

#endif
