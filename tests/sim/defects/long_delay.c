/* The wait before an attempt is longer than the schedule says, now and then. */
#include "base/backoff.h"
#include "now_and_then.h"

int64_t __real_backoff_schedule_us(const int64_t *schedule_us, size_t count, size_t failed, int64_t retry_after_us,
                                   const Random *random);
int64_t __wrap_backoff_schedule_us(const int64_t *schedule_us, size_t count, size_t failed, int64_t retry_after_us,
                                   const Random *random);

int64_t __wrap_backoff_schedule_us(const int64_t *schedule_us, size_t count, size_t failed, int64_t retry_after_us,
                                   const Random *random)
{
    static unsigned calls;
    int64_t delay_us = __real_backoff_schedule_us(schedule_us, count, failed, retry_after_us, random);
    return delay_us > 0 && now_and_then(&calls, 10) ? delay_us + delay_us / 4 : delay_us;
}
