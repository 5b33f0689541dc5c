/* The threads that serve connections. Each owns one of the library's daemons and drives it: waits until its sockets
 * have something, or until somebody calls it, and then lets it run once without blocking.
 *
 * The library has threads of its own, but they can stall. MHD_epoll() (0.9.75, 1.0) takes at most 128 events from the
 * system, and when it got exactly so many it asks for more before it handles those: with its full time-out. As many
 * connections as a multiple of 128 that send at the same moment and wait for their answers, which any load generator
 * does, then wait until one of them runs out of patience. MHD_run() asks with a time-out of 0.
 *
 * What that takes, beside the poll():
 * 1. Without threads of its own a daemon is only touched by one thread at a time, but for MHD_resume_connection.
 * MHD_add_connection is no
 *    exception: it works on the daemon's lists at once. So sockets are handed over in a list, and added by the thread.
 * 2. Without threads of its own a daemon has no bell (MHD_USE_ITC is dropped), and MHD_get_timeout() does not look for
 * resumed
 *    connections. So who resumes one calls the thread, and who hands a socket over does. That is a word in memory, and
 *    costs a system call only when the thread sleeps:
 *
 *         AWAKE ── going to sleep ─► ASLEEP        a call makes it CALLED, and rings the bell if it was ASLEEP;
 *           ▲                           │          a thread that finds CALLED does not go to sleep;
 *           └─────── next round ────────┘          each round begins with AWAKE, and looks at what there is after that.
 *
 * 3. The library limits the connections of an address in each daemon. When there is such a limit, all connections of an
 * address go to the
 *    same daemon; otherwise they go to all by turns. */
#ifndef WEIR_HTTP_POLLER_H
#define WEIR_HTTP_POLLER_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/wakeup.h"
#include "http/server.h"

struct MHD_Connection;
struct MHD_Daemon;

typedef struct HandedSocket HandedSocket;

typedef struct Poller {
    HttpServer *server;
    struct MHD_Daemon *daemon;
    int epoll_fd; /* the daemon's */
    Wakeup bell;
    atomic_int state;
    bool is_running;
    pthread_t thread;

    pthread_mutex_t lock;
    HandedSocket *first, **last;
    bool stopping;
} Poller;

typedef struct Pollers {
    HttpServer *server;
    Poller *items;
    unsigned count;
    unsigned next;      /* the listener's */
    atomic_int waiting; /* sockets that are handed over and not yet connections of the library */
} Pollers;

/* Starts so many. BUSY: no memory, descriptors or threads; pollers_stop is needed all the same. */
Status pollers_start(Pollers *pollers, HttpServer *server, unsigned count, Error *reterr) MUST_CHECK;

/* Moves an accepted socket, which does not block, to one of them. It is closed when there is no memory for it, or too
 * many connections of its address. On the listener's thread. */
void pollers_give(Pollers *pollers, int fd, const struct sockaddr *address, socklen_t bytes);

/* Closes every connection and ends the threads. No connection may be suspended, and pollers_give must not be called any
 * more.
 * Accepts those that were never started. */
void pollers_stop(Pollers *pollers);

/* MHD_resume_connection for a connection of this one, which notices. Any thread. */
void poller_resume(Poller *poller, struct MHD_Connection *mhd);

#endif
