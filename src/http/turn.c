#include "http/turn.h"

#include <microhttpd.h>
#include <sched.h>
#include <stdatomic.h>

#include "http/parts.h"

bool turn_wait(Request *request, int64_t limit_us)
{
    HttpServer *server = request->server;
    /* Counted before the look at `stopping`, which is set before the count is looked at: so either this wait is seen by
     * the one who stops the server, or the stop is seen here. */
    atomic_fetch_add(&server->waits, 1);
    if (atomic_load(&server->stopping)) {
        atomic_fetch_sub(&server->waits, 1);
        return false;
    }
    request->waits = true;
    MHD_suspend_connection(request->mhd);
    atomic_store_explicit(&request->turn, limit_us, memory_order_release);
    return true;
}

void request_wake(Request *request)
{
    int64_t turn = atomic_load_explicit(&request->turn, memory_order_acquire);
    while (turn > 0) {
        if (atomic_compare_exchange_weak_explicit(&request->turn, &turn, TURN_WAKING, memory_order_acq_rel,
                                                  memory_order_acquire)) {
            poller_resume(request->conn->poller, request->mhd);
            atomic_store_explicit(&request->turn, TURN_OURS, memory_order_release);
            return;
        }
    }
    if (turn == TURN_EXPIRED && atomic_compare_exchange_strong(&request->turn, &turn, TURN_LATE)) {
        return;
    }
    request_free(request);
}

/* The state, once nobody is at work on it. */
static int64_t settle(const Request *request)
{
    int64_t turn;
    while ((turn = atomic_load_explicit(&request->turn, memory_order_acquire)) == TURN_WAKING) {
        sched_yield();
    }
    return turn;
}

bool turn_is_lost(const Request *request) { return atomic_load_explicit(&request->turn, memory_order_relaxed) < 0; }

void turn_expire(Request *request, int64_t now_us)
{
    int64_t turn = atomic_load_explicit(&request->turn, memory_order_acquire);
    struct MHD_Connection *mhd = request->mhd;
    Poller *poller = request->conn->poller;
    if (turn > 0 && turn <= now_us && atomic_compare_exchange_strong(&request->turn, &turn, TURN_EXPIRED)) {
        poller_resume(poller, mhd);
    }
}

TurnBack turn_take_back(Request *request)
{
    if (!request->waits) {
        return TURN_BACK_OURS;
    }
    int64_t turn = settle(request);
    if (turn > 0) {
        return TURN_BACK_NOT_YET;
    }
    request->waits = false;
    atomic_fetch_sub(&request->server->waits, 1);
    if (turn == TURN_EXPIRED) {
        return TURN_BACK_EXPIRED;
    }
    atomic_store_explicit(&request->turn, TURN_OURS, memory_order_relaxed);
    return TURN_BACK_OURS;
}

bool turn_leave(Request *request)
{
    int64_t turn = TURN_EXPIRED;
    if (atomic_compare_exchange_strong(&request->turn, &turn, TURN_LEFT)) {
        return true;
    }
    atomic_store_explicit(&request->turn, TURN_OURS, memory_order_relaxed);
    return false;
}

bool turn_abandon(Request *request)
{
    HttpServer *server = request->server;
    bool left = false;
    if (!request->waits) {
        return false;
    }
    request->waits = false;
    for (int64_t turn = settle(request); !left && (turn > 0 || turn == TURN_EXPIRED);) {
        left = atomic_compare_exchange_strong(&request->turn, &turn, TURN_LEFT);
        turn = left || turn != TURN_WAKING ? turn : settle(request);
    }
    /* One that was left may be gone by now. */
    if (!left) {
        atomic_store_explicit(&request->turn, TURN_OURS, memory_order_relaxed);
    }
    atomic_fetch_sub(&server->waits, 1);
    return left;
}
