/* Whose turn a request is: its connection's, or that of somebody it waits for (the processor, a query thread, the sleepers).
 *
 *              turn_wait                     request_wake
 *   OURS ────────────────────► THEIRS ────────────────────────► OURS   the connection goes on
 *                                │ turn_expire (time limit, stop)
 *                                ▼            request_wake
 *                             EXPIRED ────────────────────────► LATE   the connection finds the result after all
 *                                │ turn_leave
 *                                ▼            request_wake
 *                              LEFT ──────────────────────────► freed  the connection went on with another request
 *
 * While it is theirs the connection is suspended, and nothing of the request is touched by its connection. One word holds the
 * state and, while it is theirs, the time limit: so an expiry can never hit a later wait than the one it was meant for. */
#ifndef WEIR_HTTP_TURN_H
#define WEIR_HTTP_TURN_H

#include "http/request.h"

enum { TURN_OURS = 0, TURN_EXPIRED = -1, TURN_LATE = -2, TURN_LEFT = -3 };
#define TURN_NO_LIMIT INT64_MAX

/* Suspends the connection. False when the server is stopping: then nothing happened. On the connection's thread. */
bool turn_wait(Request *request, int64_t limit_us) MUST_CHECK;

/* Gives the request back; it must not be touched afterwards. Once for each wait, on any thread. */
void request_wake(Request *request);

/* True when the request was left by its connection, or is about to be: what is done for it now is in vain. For whoever has it. */
bool turn_is_lost(const Request *request);

/* Ends the wait when its limit is before `now_us`. Any thread that keeps the connection from going away. */
void turn_expire(Request *request, int64_t now_us);

typedef enum TurnBack { TURN_BACK_OURS, TURN_BACK_NOT_YET, TURN_BACK_EXPIRED } TurnBack;

/* Called when the connection runs again. After EXPIRED follows turn_leave. */
TurnBack turn_take_back(Request *request);

/* True: the request is somebody else's now, for good, and may be gone already. False: it came back after all, and is ours. */
bool turn_leave(Request *request) MUST_CHECK;

#endif
