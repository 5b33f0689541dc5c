#include "onboard/rate.h"

#include <assert.h>

#define ONE       INT64_C(1000000) /* a call, in the unit of credit */
#define SECOND_US INT64_C(1000000)

static int64_t credit_max(const Rate *rate)
{
    int64_t tenth = rate->per_second * ONE / 10;
    return tenth > ONE ? tenth : ONE;
}

void rate_init(Rate *rate, int64_t per_second, int64_t now_us)
{
    assert(per_second >= 0 && per_second <= RATE_PER_SECOND_MAX);
    *rate = (Rate){.per_second = per_second, .at_us = now_us};
    rate->credit = credit_max(rate);
}

/* In a microsecond come per_second millionths of a call. */
size_t rate_allows(Rate *rate, int64_t now_us, size_t wanted)
{
    if (rate->per_second == 0) {
        return wanted;
    }
    int64_t elapsed_us = now_us - rate->at_us, most = credit_max(rate);
    int64_t credit = rate->credit + (elapsed_us < SECOND_US ? elapsed_us : SECOND_US) * rate->per_second;
    rate->credit = credit < most ? credit : most;
    rate->at_us = now_us;
    size_t calls = (size_t)(rate->credit / ONE);
    return calls < wanted ? calls : wanted;
}

void rate_spend(Rate *rate, size_t calls)
{
    if (rate->per_second > 0) {
        rate->credit -= (int64_t)calls * ONE;
        assert(rate->credit >= 0);
    }
}

int64_t rate_next_us(const Rate *rate, size_t calls)
{
    if (rate->per_second == 0) {
        return rate->at_us;
    }
    int64_t missing = ((int64_t)calls + 1) * ONE - rate->credit;
    return missing > 0 ? rate->at_us + (missing + rate->per_second - 1) / rate->per_second : rate->at_us;
}
