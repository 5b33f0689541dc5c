/* How long to wait before the next attempt. The jitter keeps those who failed together from coming back together
 * (M. Brooker, "Exponential Backoff And Jitter", 2015). A system without random numbers gets the delays without
 * jitter. */
#ifndef WEIR_BASE_BACKOFF_H
#define WEIR_BASE_BACKOFF_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"

/* For reconnecting: base, then twice as long with each failure, at most `max_us`, of which the second half is random.
 * `failed` is how many attempts have failed in a row since the last one that went well: 1 … */
int64_t backoff_exponential_us(int64_t base_us, int64_t max_us, unsigned failed, const Random *random);

/* The delay before the attempt that follows `failed` failed ones: schedule_us[failed], ±10 %, but never shorter than
 * the other side asked for (Retry-After; 0 when it did not). -1 when the schedule has no further attempt. */
int64_t backoff_schedule_us(const int64_t *schedule_us, size_t count, size_t failed, int64_t retry_after_us,
                            const Random *random);

#endif
