#include "http/ticker.h"

#include "http/parts.h"
#include "http/turn.h"

enum {
    SWEEP_US = 1000000,
    /* Word of commits is passed on at most so often, so that a busy log does not keep the sleepers awake for single
     * records. */
    COMMIT_US = 10000,
};

/* Takes those out whose time has come, and says when the next one's will. */
static Request *take_due(Ticker *ticker, int64_t now_us, bool committed, int64_t *ret_next_us)
{
    Request *due = NULL;
    pthread_mutex_lock(&ticker->lock);
    for (Request **link = &ticker->first; *link;) {
        Request *request = *link;
        if (request->wake_us <= now_us || (committed && request->wake_on_commit) || turn_is_lost(request)) {
            *link = request->next;
            request->next = due;
            due = request;
            continue;
        }
        *ret_next_us = request->wake_us < *ret_next_us ? request->wake_us : *ret_next_us;
        link = &request->next;
    }
    ticker->next_us = *ret_next_us;
    pthread_mutex_unlock(&ticker->lock);
    return due;
}

/* An upload's pause, which is nobody's work, is over; a job is left as it is. */
static void give_back(Request *request)
{
    if (request->to_pool) {
        request_give_up(request);
    } else {
        request_wake(request);
    }
}

static void wake(Ticker *ticker, Request *request)
{
    if (request->wake_on_commit) {
        atomic_fetch_sub(&ticker->commit_sleepers, 1);
    }
    if (request->to_pool && !turn_is_lost(request)) {
        query_pool_add(&ticker->server->pool, request);
    } else {
        give_back(request);
    }
}

static bool is_stopping(Ticker *ticker)
{
    pthread_mutex_lock(&ticker->lock);
    bool stopping = ticker->stopping;
    pthread_mutex_unlock(&ticker->lock);
    return stopping;
}

static void *run(void *self)
{
    Ticker *ticker = self;
    const Clock *clock = ticker->server->options.clock;
    int64_t sweep_us = 0, commit_us = 0;
    while (!is_stopping(ticker)) {
        int64_t now_us = clock_monotonic_us(clock);
        if (now_us >= sweep_us) {
            conns_sweep(ticker->server, now_us);
            sweep_us = now_us + SWEEP_US;
        }
        int64_t next_us = sweep_us;
        bool committed = false;
        if (now_us < commit_us) {
            next_us = commit_us < next_us ? commit_us : next_us;
        } else if (atomic_exchange(&ticker->committed, false)) {
            committed = true;
            commit_us = now_us + COMMIT_US;
        }
        for (Request *due = take_due(ticker, now_us, committed, &next_us); due;) {
            Request *request = due;
            due = due->next;
            wake(ticker, request);
        }
        wakeup_wait(&ticker->wakeup, next_us - now_us);
    }
    return NULL;
}

Status ticker_start(Ticker *ticker, HttpServer *server, Error *reterr)
{
    Status status = wakeup_init(&ticker->wakeup, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    ticker->server = server;
    pthread_mutex_init(&ticker->lock, NULL);
    if (pthread_create(&ticker->thread, NULL, run, ticker) != 0) {
        pthread_mutex_destroy(&ticker->lock);
        ticker->server = NULL;
        return error_set(reterr, STATUS_BUSY, "cannot start the timer thread");
    }
    return STATUS_OK;
}

void ticker_add(Ticker *ticker, Request *request)
{
    if (request->wake_on_commit) {
        /* Counted before the look at last_seq, which is set before the count is looked at: no commit falls in
         * between. */
        atomic_fetch_add(&ticker->commit_sleepers, 1);
        int64_t soon_us = clock_monotonic_us(ticker->server->options.clock) + COMMIT_US;
        if (atomic_load(&ticker->server->last_seq) > request->seen_seq && soon_us < request->wake_us) {
            request->wake_us = soon_us;
        }
    }
    pthread_mutex_lock(&ticker->lock);
    if (atomic_load(&ticker->server->draining)) {
        request->wake_us = 0; /* ticker_wake_all has been here already, or would find it */
    }
    bool is_sooner = request->wake_us < ticker->next_us;
    request->next = ticker->first;
    ticker->first = request;
    pthread_mutex_unlock(&ticker->lock);
    if (is_sooner) {
        wakeup_call(&ticker->wakeup);
    }
}

void ticker_committed(Ticker *ticker)
{
    if (atomic_load(&ticker->commit_sleepers) > 0 && !atomic_exchange(&ticker->committed, true)) {
        wakeup_call(&ticker->wakeup);
    }
}

void ticker_wake_all(Ticker *ticker)
{
    pthread_mutex_lock(&ticker->lock);
    for (Request *request = ticker->first; request; request = request->next) {
        request->wake_us = 0;
    }
    pthread_mutex_unlock(&ticker->lock);
    wakeup_call(&ticker->wakeup);
}

void ticker_stop(Ticker *ticker)
{
    if (!ticker->server) {
        return;
    }
    pthread_mutex_lock(&ticker->lock);
    ticker->stopping = true;
    pthread_mutex_unlock(&ticker->lock);
    wakeup_call(&ticker->wakeup);
    pthread_join(ticker->thread, NULL);
    for (Request *request; (request = ticker->first);) {
        ticker->first = request->next;
        give_back(request);
    }
    pthread_mutex_destroy(&ticker->lock);
    ticker->server = NULL;
}

void ticker_release(Ticker *ticker)
{
    if (ticker->wakeup.fd > 0) { /* 0 in one that was never started */
        wakeup_release(&ticker->wakeup);
    }
}
