/* What the parts of the server share; not for handlers. */
#ifndef WEIR_HTTP_PARTS_H
#define WEIR_HTTP_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "http/http_metrics.h"
#include "http/listener.h"
#include "http/poller.h"
#include "http/query_pool.h"
#include "http/request.h"
#include "http/ticker.h"

/* A client's connection; it handles one request at a time, always on the same thread. */
struct Conn {
    HttpServer *server;
    Poller *poller; /* borrows until it closes */
    struct MHD_Connection *mhd;
    Request *request; /* owns; another one takes its place under conns_lock when it is left behind */
    int fd;
    _Atomic int64_t limit_us; /* the request has to be there by then, or the answer taken; 0: no limit */
    atomic_bool is_patient;   /* that limit counts only while memory is short */
    atomic_bool expects_body;
    int hung_up; /* the sweeper's: how often it found that there is no more to come */
    Conn *next, *previous;
};

struct HttpServer {
    HttpServerOptions options;
    StoreInfo info;
    QueryOptions query_options;
    Budget groups; /* of all aggregates */
    Budget bodies; /* of all requests, beyond what each connection keeps: bodies, what is made of them, answers */
    Pollers pollers;
    Listener listener;
    QueryPool pool;
    Ticker ticker;
    HttpMetrics metrics;
    int64_t started_us; /* monotonic */

    pthread_mutex_t conns_lock;
    Conn *conns;
    atomic_int conn_count;
    atomic_int waits;    /* connections that are suspended */
    atomic_int requests; /* that came in and are not answered yet */
    atomic_int event_streams;
    atomic_bool ready, draining, stopping;
    _Atomic int64_t last_seq;
};

/* A connection's callbacks for the library, on its thread. */
struct MHD_Connection;
Conn *conn_open(Poller *poller, struct MHD_Connection *mhd);
void conn_close(Conn *conn); /* accepts NULL */

/* What its client is doing, sending a request or taking an answer, has to be done after so many milliseconds; 0: there
 * is no limit. */
void conn_limit(Conn *conn, int64_t now_us, int64_t ms);

/* After TURN_BACK_EXPIRED: the connection goes on with a fresh request (NULL without memory). False when the result is
 * there after all. */
bool conn_leave_behind(Conn *conn) MUST_CHECK;

/* Ends what takes too long: a request that does not come in, a wait that is not over. On the ticker's thread. */
void conns_sweep(HttpServer *server, int64_t now_us);
/* Ends every wait, for a stop. */
void conns_expire_all(HttpServer *server);

Request *request_new(Conn *conn);
void request_free(Request *request);
/* Forgets all of the last request. */
void request_reset(Request *request);
/* What a connection keeps between its requests of each: its arena, a body, an answer. What is above it counts in the
 * budget of all requests. */
enum { REQUEST_KEPT_BYTES = 16 << 10 };
void request_forget_body(Request *request);
void request_forget_answer(Request *request);
/* When its answer is said whole: gives back all but that. */
void request_forget_work(Request *request);

/* Gives the request back when nothing more is done for it, since its time is over or the server's: `then` finds it
 * failed. Once for each wait, on any thread, in the place of request_wake. */
void request_give_up(Request *request);

/* GET or HEAD: nothing else may have happened. */
bool request_only_reads(const Request *request);

/* Says request->answer and request->out. Only when the whole request is there, or before its body. */
void answer_send(Request *request);

#endif
