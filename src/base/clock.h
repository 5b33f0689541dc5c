/* Time as a handle, so that a simulation can own it. Microseconds everywhere. */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include <stdint.h>

typedef struct Clock {
    /* Microseconds since 1970-01-01T00:00:00Z; may jump either way. For what a person or another system sees. */
    int64_t (*wall_us)(void *self);
    /* Microseconds since some fixed point; never goes back. For time-outs and durations. */
    int64_t (*monotonic_us)(void *self);
    void *self;
} Clock;

static inline int64_t clock_wall_us(const Clock *clock) { return clock->wall_us(clock->self); }
static inline int64_t clock_monotonic_us(const Clock *clock) { return clock->monotonic_us(clock->self); }

/* The system's own clocks. */
extern const Clock clock_system;

#endif
