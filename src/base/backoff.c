#include "base/backoff.h"

/* 0 … range; the slight preference of a remainder does no harm to a jitter. */
static int64_t random_up_to(int64_t range, int64_t otherwise, const Random *random)
{
    uint64_t bits;
    if (range <= 0 || random_fill(random, &bits, sizeof bits, NULL) != STATUS_OK) {
        return otherwise;
    }
    return (int64_t)(bits % ((uint64_t)range + 1));
}

int64_t backoff_exponential_us(int64_t base_us, int64_t max_us, unsigned failed, const Random *random)
{
    int64_t delay_us = base_us < max_us ? base_us : max_us;
    for (unsigned i = 1; i < failed && delay_us < max_us; i++) {
        delay_us = delay_us > max_us / 2 ? max_us : delay_us * 2;
    }
    int64_t half_us = delay_us / 2;
    return delay_us - half_us + random_up_to(half_us, half_us, random);
}

int64_t backoff_schedule_us(const int64_t *schedule_us, size_t count, size_t failed, int64_t retry_after_us,
                            const Random *random)
{
    if (failed >= count) {
        return -1;
    }
    int64_t tenth_us = schedule_us[failed] / 10;
    int64_t delay_us = schedule_us[failed] - tenth_us + random_up_to(2 * tenth_us, tenth_us, random);
    return delay_us < retry_after_us ? retry_after_us : delay_us;
}
