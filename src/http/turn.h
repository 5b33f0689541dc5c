/* Whose turn a request is: its connection's, or that of somebody it waits for (the processor, a query thread, the
 * sleepers).
 *
 *          turn_wait             request_wake            request_wake
 *   OURS ─────────────► THEIRS ───────────────► WAKING ───────────────► OURS    the connection goes on
 *                        │  │ turn_expire (time limit, stop)
 *                        │  ▼                           request_wake
 *                        │ EXPIRED ───────────────────────────────────► LATE    the connection finds the result after
 *                                                                               all
 *                        │  │ turn_leave, turn_abandon
 *           turn_abandon ▼  ▼                           request_wake
 *                        LEFT ────────────────────────────────────────► freed   the connection went on without it, or
 *                                                                               went away
 *
 * While it is theirs the connection is suspended, and nothing of the request is touched by its connection. One word
 * holds the state and, while it is theirs, the time limit: so an expiry can never hit a later wait than the one it was
 * meant for.
 *
 * Who touches what, and in which order:
 * 1. What the connection wrote before turn_wait is published by what hands the request over (the processor's queue, the
 * pool's or the
 *    ticker's lock). What the other wrote is published by its store of OURS or LATE (release), which turn_take_back,
 *    turn_leave and turn_abandon read (acquire).
 * 2. Waking is two steps, since it needs the connection: between WAKING and OURS the waker is inside poller_resume, and
 *    OURS is the last that it touches of request, connection and poller. The connection may run before that, as soon as
 *    the library knows that it is resumed; it then waits (yielding) for OURS, in turn_take_back as in turn_abandon. So
 *    a request, its connection and its poller never go away under a waker. That wait is short: one call of the library,
 *    which waits for nobody.
 * 3. `waits` of the server is counted down only after that. Hence nobody is inside poller_resume for a request when it
 * is 0,
 *    and the pollers can be stopped.
 * 4. EXPIRED needs no such step: turn_expire is called by who holds conns_lock, which the connection has to take before
 * it can
 *    leave its request or close, and the waker of an expired request does not touch the connection.
 * 5. LEFT is set under conns_lock, together with the connection's forgetting of the request: the sweeper must not find
 * one that its
 *    waker has freed meanwhile. */
#ifndef WEIR_HTTP_TURN_H
#define WEIR_HTTP_TURN_H

#include "http/request.h"

enum { TURN_OURS = 0, TURN_EXPIRED = -1, TURN_LATE = -2, TURN_LEFT = -3, TURN_WAKING = -4 };
#define TURN_NO_LIMIT INT64_MAX

/* Suspends the connection. False when the server is stopping: then nothing happened. On the connection's thread. */
bool turn_wait(Request *request, int64_t limit_us) MUST_CHECK;

/* Gives the request back; it must not be touched afterwards. Once for each wait, on any thread. */
void request_wake(Request *request);

/* True when the request was left by its connection, or is about to be: what is done for it now is in vain. For whoever
 * has it. */
bool turn_is_lost(const Request *request);

/* Ends the wait when its limit is before `now_us`. Any thread that holds conns_lock. */
void turn_expire(Request *request, int64_t now_us);

typedef enum TurnBack { TURN_BACK_OURS, TURN_BACK_NOT_YET, TURN_BACK_EXPIRED } TurnBack;

/* Called when the connection runs again. After EXPIRED follows turn_leave. */
TurnBack turn_take_back(Request *request);

/* True: the request is somebody else's now, for good, and may be gone already. False: it came back after all, and is
 * ours. Holding conns_lock. */
bool turn_leave(Request *request) MUST_CHECK;

/* The same for a connection that ends in the middle of a wait, without having been woken by turn_take_back first: ends
 * the wait and leaves the request to the one who has it. False, too, when the request did not wait at all. Holding
 * conns_lock. */
bool turn_abandon(Request *request) MUST_CHECK;

#endif
