/* A message is given up one attempt before the last, now and then. */
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
    bool early = failed + 1 == count && now_and_then(&calls, 3);
    return __real_backoff_schedule_us(schedule_us, early ? count - 1 : count, failed, retry_after_us, random);
}
