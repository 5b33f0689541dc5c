#include "http/query_pool.h"

#include "http/parts.h"
#include "http/turn.h"

static Request *take(QueryPool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->stopping) {
        pthread_cond_wait(&pool->wanted, &pool->lock);
    }
    Request *request = pool->first;
    if (request) {
        pool->first = request->next;
        pool->last = pool->first ? pool->last : NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    return request;
}

static void run_step(QueryPool *pool, Request *request, StoreReader *reader)
{
    if (turn_is_lost(request) || atomic_load(&pool->server->stopping)) {
        request_give_up(request);
        return;
    }
    switch (request->job(request, reader)) {
    case JOB_FINISHED: request_wake(request); break;
    case JOB_AGAIN: query_pool_add(pool, request); break;
    case JOB_SLEEP:
        request->to_pool = true;
        ticker_add(&pool->server->ticker, request);
        break;
    }
}

typedef struct PoolThread {
    QueryPool *pool;
    StoreReader *reader;
} PoolThread;

static void *run(void *self)
{
    PoolThread *thread = self;
    Request *request;
    while ((request = take(thread->pool))) {
        run_step(thread->pool, request, thread->reader);
    }
    free(thread);
    return NULL;
}

static Status add_thread(QueryPool *pool, Error *reterr)
{
    unsigned index = pool->thread_count;
    PoolThread *thread = calloc(1, sizeof *thread);
    if (!thread) {
        return error_set(reterr, STATUS_BUSY, "no memory for a query thread");
    }
    Status status = store_reader_open(pool->server->options.store, &pool->readers[index], reterr);
    if (status == STATUS_OK) {
        *thread = (PoolThread){pool, pool->readers[index]};
        if (pthread_create(&pool->threads[index], NULL, run, thread) == 0) {
            pool->thread_count++;
            return STATUS_OK;
        }
        store_reader_close(pool->readers[index]);
        status = error_set(reterr, STATUS_BUSY, "cannot start a query thread");
    }
    free(thread);
    return status;
}

Status query_pool_start(QueryPool *pool, HttpServer *server, unsigned threads, Error *reterr)
{
    pool->server = server;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wanted, NULL);
    while (pool->thread_count < threads && pool->thread_count < QUERY_THREADS_MAX) {
        Status status = add_thread(pool, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

void query_pool_add(QueryPool *pool, Request *request)
{
    request->next = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->last) {
        pool->last->next = request;
    } else {
        pool->first = request;
    }
    pool->last = request;
    pthread_cond_signal(&pool->wanted);
    pthread_mutex_unlock(&pool->lock);
}

void query_pool_stop(QueryPool *pool)
{
    if (!pool->server) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wanted);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
        store_reader_close(pool->readers[i]);
    }
    for (Request *request; (request = pool->first);) { /* no thread was ever started */
        pool->first = request->next;
        request_give_up(request);
    }
    pool->thread_count = 0;
    pthread_cond_destroy(&pool->wanted);
    pthread_mutex_destroy(&pool->lock);
    pool->server = NULL;
}
