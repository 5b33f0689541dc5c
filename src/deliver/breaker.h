/* A circuit breaker: when most of the requests to a place fail, it is left alone for a while, and then asked with one.
 *
 *            failures ≥ percent of ≥ requests in the window
 *   CLOSED ────────────────────────────────────────────────► OPEN
 *     ▲                                                      │ ▲
 *     │ the probe was taken                      after pause │ │ the probe has failed
 *     └────────────────────────── HALF_OPEN ◄────────────────┘ │
 *                                     └────────────────────────┘
 *
 * Failures are often quick and answers slow, so that the first to come back say little: whoever tells what is under way
 * (breaker_under_way) has a breaker that is in doubt, and begins nothing, until that can tip the scales no more, or has
 * not done so within BREAKER_DOUBT_US: who is silent for so long is no help.
 *
 * After M. Nygard, "Release It!" (2007). Plain memory, one thread. */
#ifndef WEIR_DELIVER_BREAKER_H
#define WEIR_DELIVER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

typedef enum BreakerState { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN } BreakerState;
const char *breaker_state_name(BreakerState state); /* "closed", "open", "half_open" */

enum { BREAKER_SLICES = 10 };
#define BREAKER_DOUBT_US INT64_C(5000000)

typedef struct Breaker {
    BreakerState state;
    unsigned percent, requests; /* percent 0: it never opens */
    int64_t window_us, pause_us;
    int64_t open_until_us;  /* of an open one */
    bool probing;           /* half-open: the one request is under way */
    bool doubting;          /* closed: most have failed, and what is under way may show that most do not */
    int64_t doubt_until_us; /* while it is */
    unsigned under_way;     /* as the owner has told */
    struct {
        int64_t number; /* of the slice of time: time / (window / BREAKER_SLICES) */
        uint32_t taken, failed;
    } slices[BREAKER_SLICES];
    int64_t opened; /* how often */
} Breaker;

void breaker_init(Breaker *breaker, unsigned percent, unsigned requests, int64_t window_us, int64_t pause_us);

/* How many requests may be begun now: 0 while it is open or in doubt, 1 when it is (or hereby becomes) half-open and
 * nothing is under way, else `wanted`. Times are the monotonic clock's. */
unsigned breaker_allows(Breaker *breaker, int64_t now_us, unsigned wanted);
/* So many requests are under way, without those that the next call is about. Told before breaker_allows() and
 * breaker_ended(), or never: then a breaker judges by what has ended alone. */
void breaker_under_way(Breaker *breaker, unsigned requests);
/* A request was begun. */
void breaker_begun(Breaker *breaker);
/* A request has ended. Answers that belong to requests begun before it opened change nothing while it is open. */
void breaker_ended(Breaker *breaker, int64_t now_us, bool taken);
/* The other side asks to be left alone until then: unless it is closed, nothing may be begun before. */
void breaker_put_off(Breaker *breaker, int64_t until_us);
/* A request was begun but not tried. */
void breaker_withdrawn(Breaker *breaker);

#endif
