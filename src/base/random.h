/* Randomness as a handle, so that a simulation can own it. */
#ifndef WEIR_BASE_RANDOM_H
#define WEIR_BASE_RANDOM_H

#include <stddef.h>

#include "base/err.h"

typedef struct Random {
    /* Fills `bytes` with `count` random bytes, at most 256. BROKEN when the system has none. */
    Status (*fill)(void *self, void *bytes, size_t count, Error *reterr) MUST_CHECK;
    void *self;
} Random;

/* The system's own: nobody can predict it. */
extern const Random random_system;

static inline MUST_CHECK Status random_fill(const Random *random, void *bytes, size_t count, Error *reterr)
{
    return random->fill(random->self, bytes, count, reterr);
}

#endif
