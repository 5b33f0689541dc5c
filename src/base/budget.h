/* A limit on what many may hold together: counted where it grows, given back where it is freed. On any threads.
 *
 * A budget may be a part of a whole, as that of one request is of all requests'. Then both count, and whoever is alone
 * gets what it asks for:
 * a part may go beyond the limit of the whole while nothing else holds anything of it. So a whole that is too small
 * makes things take turns, and never makes one impossible. */
#ifndef WEIR_BASE_BUDGET_H
#define WEIR_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct Budget {
    atomic_size_t taken;
    size_t bytes_max;     /* of a whole; a part has no limit of its own */
    struct Budget *whole; /* what this is a part of, which outlives it; NULL: this is a whole */
} Budget;

/* False, and nothing was taken, when that would be too much. NULL: there is no limit. */
bool budget_take(Budget *budget, size_t bytes) MUST_CHECK;
void budget_give_back(Budget *budget, size_t bytes);

/* What of `bytes` counts, when the first so many do not. */
static inline size_t budget_counted(size_t bytes, size_t uncounted)
{
    return bytes > uncounted ? bytes - uncounted : 0;
}

#endif
