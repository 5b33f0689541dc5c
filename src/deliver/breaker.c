#include "deliver/breaker.h"

#include <assert.h>

const char *breaker_state_name(BreakerState state)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half_open"};
    return names[state];
}

void breaker_init(Breaker *breaker, unsigned percent, unsigned requests, int64_t window_us, int64_t pause_us)
{
    *breaker = (Breaker){.state = BREAKER_CLOSED,
                         .percent = percent,
                         .requests = requests,
                         .window_us = window_us < BREAKER_SLICES ? BREAKER_SLICES : window_us,
                         .pause_us = pause_us};
}

static void open_it(Breaker *breaker, int64_t now_us)
{
    breaker->state = BREAKER_OPEN;
    breaker->open_until_us = now_us + breaker->pause_us;
    breaker->probing = breaker->doubting = false;
    breaker->opened++;
}

/* What failed before the pause says nothing about the place now: the window begins anew. */
static void close_it(Breaker *breaker)
{
    breaker->state = BREAKER_CLOSED;
    breaker->probing = false;
    for (int i = 0; i < BREAKER_SLICES; i++) {
        breaker->slices[i].taken = breaker->slices[i].failed = 0;
    }
}

static int64_t slice_of(const Breaker *breaker, int64_t now_us)
{
    return now_us / (breaker->window_us / BREAKER_SLICES);
}

/* A slice is taken over by a later time when its own has gone by. */
static void count(Breaker *breaker, int64_t number, bool taken)
{
    int64_t at = number % BREAKER_SLICES;
    if (breaker->slices[at].number != number) {
        breaker->slices[at].number = number;
        breaker->slices[at].taken = breaker->slices[at].failed = 0;
    }
    if (taken) {
        breaker->slices[at].taken++;
    } else {
        breaker->slices[at].failed++;
    }
}

/* Whether too many of those that have ended have failed; ret_sure: also if all that is under way were taken. */
static bool too_many_failed(const Breaker *breaker, int64_t now_us, bool *ret_sure)
{
    uint64_t taken = 0, failed = 0;
    int64_t number = slice_of(breaker, now_us);
    for (int i = 0; i < BREAKER_SLICES; i++) {
        if (breaker->slices[i].number > number - BREAKER_SLICES) {
            taken += breaker->slices[i].taken;
            failed += breaker->slices[i].failed;
        }
    }
    uint64_t ended = taken + failed;
    *ret_sure = failed * 100 >= (ended + breaker->under_way) * breaker->percent;
    return breaker->percent > 0 && ended >= breaker->requests && failed * 100 >= ended * breaker->percent;
}

static void judge(Breaker *breaker, int64_t now_us)
{
    bool sure = false, doubted = breaker->doubting;
    breaker->doubting = too_many_failed(breaker, now_us, &sure);
    breaker->doubt_until_us = doubted ? breaker->doubt_until_us : now_us + BREAKER_DOUBT_US;
    if (breaker->doubting && (sure || now_us >= breaker->doubt_until_us)) {
        open_it(breaker, now_us);
    }
}

/* In doubt with nothing under way: what was has been withdrawn, or it took too long. */
static unsigned allow_closed(Breaker *breaker, int64_t now_us, unsigned wanted)
{
    if (breaker->doubting && (breaker->under_way == 0 || now_us >= breaker->doubt_until_us)) {
        judge(breaker, now_us);
    }
    return breaker->state == BREAKER_CLOSED && !breaker->doubting ? wanted : 0;
}

unsigned breaker_allows(Breaker *breaker, int64_t now_us, unsigned wanted)
{
    if (breaker->state == BREAKER_OPEN && now_us >= breaker->open_until_us && wanted > 0) {
        breaker->state = BREAKER_HALF_OPEN;
        breaker->probing = false;
    }
    switch (breaker->state) {
    case BREAKER_CLOSED: return allow_closed(breaker, now_us, wanted);
    case BREAKER_OPEN: return 0;
    case BREAKER_HALF_OPEN: break;
    }
    return breaker->probing || wanted == 0 ? 0 : 1;
}

void breaker_under_way(Breaker *breaker, unsigned requests) { breaker->under_way = requests; }

void breaker_begun(Breaker *breaker) { breaker->probing = breaker->state == BREAKER_HALF_OPEN; }

void breaker_ended(Breaker *breaker, int64_t now_us, bool taken)
{
    assert(now_us >= 0);
    if (breaker->state == BREAKER_CLOSED) {
        count(breaker, slice_of(breaker, now_us), taken);
        if (!taken || breaker->doubting) {
            judge(breaker, now_us);
        }
    } else if (breaker->state == BREAKER_HALF_OPEN && breaker->probing) {
        if (taken) {
            close_it(breaker);
        } else {
            open_it(breaker, now_us);
        }
    }
}

void breaker_put_off(Breaker *breaker, int64_t until_us)
{
    if (breaker->state != BREAKER_CLOSED) {
        bool is_later = breaker->state == BREAKER_HALF_OPEN || until_us > breaker->open_until_us;
        breaker->open_until_us = is_later ? until_us : breaker->open_until_us;
        breaker->state = BREAKER_OPEN;
        breaker->probing = false;
    }
}

void breaker_withdrawn(Breaker *breaker)
{
    if (breaker->state == BREAKER_HALF_OPEN) {
        breaker->probing = false;
    }
}
