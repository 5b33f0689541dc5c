/* The threads that read the store: each owns a reader and runs one step of one job after another, first come, first
 * served, so that a long answer never keeps a short one waiting for more than a step. A slow client holds no thread:
 * its job is not queued while it has bytes to take. */
#ifndef WEIR_HTTP_QUERY_POOL_H
#define WEIR_HTTP_QUERY_POOL_H

#include <pthread.h>

#include "http/request.h"

enum { QUERY_THREADS_MAX = 64 };

typedef struct QueryPool {
    HttpServer *server;
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    Request *first, *last; /* waiting for a thread */
    bool stopping;
    unsigned thread_count;
    pthread_t threads[QUERY_THREADS_MAX];
    StoreReader *readers[QUERY_THREADS_MAX];
} QueryPool;

Status query_pool_start(QueryPool *pool, HttpServer *server, unsigned threads, Error *reterr) MUST_CHECK;

/* Queues a request whose turn it is not its connection's. Any thread. */
void query_pool_add(QueryPool *pool, Request *request);

/* Gives back what is queued and ends the threads. Accepts one that was never started. */
void query_pool_stop(QueryPool *pool);

#endif
