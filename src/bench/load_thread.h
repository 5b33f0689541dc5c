/* One thread of the load generator: its connections, and the loop that keeps them busy. */
#ifndef WEIR_BENCH_LOAD_THREAD_H
#define WEIR_BENCH_LOAD_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "bench/load_answer.h"
#include "bench/load_request.h"

enum { LOAD_POINTS_MAX = 10 * LOAD_MILLIONS_MAX + 1 };

/* So many records were answered (or of one endless stream: sent) by then. */
typedef struct LoadPoint {
    int64_t at_us;
    uint64_t records;
} LoadPoint;

/* What the threads of one run share. */
typedef struct Load {
    const LoadOptions *options;
    const Clock *clock;
    struct sockaddr_storage address;
    socklen_t address_bytes;
    atomic_uint_fast64_t claimed; /* records given out to connections */
    atomic_uint_fast64_t settled; /* records that the points count */
    pthread_barrier_t connected;
    int64_t start_us, deadline_us; /* set by the thread that the barrier names, before a second wait there */
    pthread_mutex_t points_lock;
    LoadPoint points[LOAD_POINTS_MAX];
    size_t points_count;
} Load;

typedef enum ConnState {
    CONN_CLOSED, /* opened anew after resume_us */
    CONN_CONNECTING,
    CONN_RESTING, /* the server asked to be left alone until resume_us */
    CONN_IDLE,    /* in the thread's stack of idle ones */
    CONN_BUSY,    /* a request is out */
} ConnState;

typedef struct Conn {
    int fd; /* -1 when closed */
    ConnState state;
    bool wants_write; /* epoll is told to wait for room */
    bool again;       /* the range is to be sent once more before any other */
    bool cut;         /* the server takes no more of this request; it may still answer */
    int64_t resume_us;
    int64_t due_us, sent_us, progress_us;
    LoadRange range;
    char *out; /* owns; out[out_sent … out_bytes) is still to be sent */
    size_t out_bytes, out_sent;
    LoadAnswer answer;
} Conn;

typedef struct LoadThread {
    Load *load;
    unsigned index;
    int epoll;
    LoadMaker maker;
    Conn *conns; /* owns */
    unsigned conns_count, busy;
    unsigned *idle, idle_count; /* owns; a stack, so that few connections stay hot when few are needed */
    unsigned repeating;         /* connections with `again` */
    uint64_t issued;            /* requests, which in an open loop tells when the next is due */
    bool exhausted;             /* nothing more to claim, or no more time */
    int64_t alive_us;           /* when the server last took or answered anything */
    int64_t last_us;            /* when the last answer came */
    int64_t check_us;           /* when all connections are looked over next */
    LoadCounts counts;
    Latencies latencies, service;
} LoadThread;

/* NULL when there is not enough memory. Connections are opened by load_thread_run. `maker` is copied. */
LoadThread *load_thread_new(Load *load, unsigned index, unsigned connections, const LoadMaker *maker) MUST_CHECK;
void load_thread_free(LoadThread *thread); /* accepts NULL */

/* Waits until its connections stand and the other threads are as far, then runs to the end. `argument` is the
 * LoadThread. */
void *load_thread_run(void *argument);

#endif
