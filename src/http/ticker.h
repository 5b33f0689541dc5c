/* The thread for everything that has a time: requests that sleep (long polls, event streams, uploads that wait for
 * room), time limits, and word of new commits. */
#ifndef WEIR_HTTP_TICKER_H
#define WEIR_HTTP_TICKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/wakeup.h"
#include "http/request.h"

typedef struct Ticker {
    HttpServer *server;
    pthread_t thread;
    Wakeup wakeup; /* called when there is something to look at before the next time */
    pthread_mutex_t lock;
    Request *first;
    int64_t next_us;            /* what the thread sleeps until, at most */
    atomic_int commit_sleepers; /* of those who sleep until a commit */
    atomic_bool committed;      /* told, and not looked at yet */
    bool stopping;
} Ticker;

Status ticker_start(Ticker *ticker, HttpServer *server, Error *reterr) MUST_CHECK;

/* Lets a request sleep until its wake_us, or the next commit when wake_on_commit; then it goes to a query thread
 * (to_pool) or back to its connection. Any thread that has the request. */
void ticker_add(Ticker *ticker, Request *request);

/* The log has grown. Any thread; costs a load when nobody sleeps for it. */
void ticker_committed(Ticker *ticker);

/* Wakes every sleeper now. */
void ticker_wake_all(Ticker *ticker);

/* Wakes every sleeper and ends the thread. Accepts one that was never started. */
void ticker_stop(Ticker *ticker);

/* After the last ticker_committed. */
void ticker_release(Ticker *ticker);

#endif
