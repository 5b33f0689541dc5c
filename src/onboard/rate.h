/* How many calls may be begun: so many a second, of which no more than a tenth of a second's worth (but one at least)
 * at once. A token bucket; plain memory, one thread. Times are the monotonic clock's. */
#ifndef WEIR_ONBOARD_RATE_H
#define WEIR_ONBOARD_RATE_H

#include <stddef.h>
#include <stdint.h>

enum { RATE_PER_SECOND_MAX = 1000000 };

typedef struct Rate {
    int64_t per_second; /* 0: there is no limit */
    int64_t credit;     /* in millionths of a call, as it was at `at_us` */
    int64_t at_us;
} Rate;

/* Begins with what may be begun at once. */
void rate_init(Rate *rate, int64_t per_second, int64_t now_us);

/* How many of so many may be begun now. */
size_t rate_allows(Rate *rate, int64_t now_us, size_t wanted);
/* They were begun; no more than were allowed. */
void rate_spend(Rate *rate, size_t calls);
/* When one more than `calls` may be begun, if none is before: after the last rate_allows() said that now is not the
 * time. */
int64_t rate_next_us(const Rate *rate, size_t calls);

#endif
