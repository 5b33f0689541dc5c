/* The listening socket and the thread that accepts on it.
 *
 * The library could do both, but it can neither stop listening without a race (MHD_quiesce_daemon against its own
 * threads) nor spread connections evenly over threads; the pollers are given accepted sockets, by turns. */
#ifndef WEIR_HTTP_LISTENER_H
#define WEIR_HTTP_LISTENER_H

#include <pthread.h>

#include "base/wakeup.h"
#include "http/server.h"

typedef struct Listener {
    HttpServer *server;
    int listen_fd;
    Wakeup stop; /* called once, and never cleared */
    uint16_t port;
    pthread_t thread;
} Listener;

/* Binds and listens; nothing is accepted yet. REFUSED: not an address, in use, no permission. */
Status listener_open(Listener *listener, const char *address, uint16_t port, Error *reterr) MUST_CHECK;
/* Accepts from now on. */
Status listener_start(Listener *listener, HttpServer *server, Error *reterr) MUST_CHECK;
/* Accepts no more, and closes the socket: clients that come now are refused. Accepts one that was never opened. */
void listener_stop(Listener *listener);

#endif
