#include "http/server.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "http/parts.h"

HttpServerOptions http_server_options_default(void)
{
    return (HttpServerOptions){
        .address = "127.0.0.1",
        .port = 8080,
        .version = "",
        .clock = &clock_system,
        .random = &random_system,
        .header_bytes_max = 16 << 10,
        .headers_max = 100,
        .body_bytes_max = 16 << 20,
        .items_max = 10000,
        .line_bytes_max = 1 << 20,
        .bodies_bytes_max = 256 << 20,
        .group_bytes_max = 64 << 20,
        .groups_bytes_max = 256 << 20,
        .event_streams_max = 256,
        .connections_max = 10000,
        .idle_ms_max = 60000,
        .request_ms_max = 30000,
        .drain_ms_max = 10000,
    };
}

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (unsigned)count;
}

/* As many as there are cores, though the processor needs one too: so no connection waits for a whole body of another's
 * to be read. */
static unsigned connection_threads(const HttpServerOptions *options)
{
    enum { ENOUGH = 16 };
    unsigned threads = options->connection_threads ? options->connection_threads : processors();
    return threads > ENOUGH && !options->connection_threads ? ENOUGH : threads;
}

static unsigned query_threads(const HttpServerOptions *options)
{
    unsigned threads = options->query_threads ? options->query_threads : processors();
    return threads < 2 ? 2 : threads > QUERY_THREADS_MAX ? QUERY_THREADS_MAX : threads;
}

static Status start_parts(HttpServer *server, Error *reterr)
{
    Status status = ticker_start(&server->ticker, server, reterr);
    if (status == STATUS_OK) {
        status = query_pool_start(&server->pool, server, query_threads(&server->options), reterr);
    }
    if (status == STATUS_OK) {
        status = pollers_start(&server->pollers, server, connection_threads(&server->options), reterr);
    }
    return status == STATUS_OK ? listener_start(&server->listener, server, reterr) : status;
}

Status http_server_start(const HttpServerOptions *options, HttpServer **ret_server, Error *reterr)
{
    HttpServer *server = calloc(1, sizeof *server);
    if (!server) {
        return error_set(reterr, STATUS_BUSY, "no memory for the HTTP server");
    }
    server->options = *options;
    server->info = *store_info(options->store);
    server->query_options = query_options_default(&server->info);
    server->query_options.clock = options->clock;
    server->query_options.group_bytes_max = options->group_bytes_max;
    server->query_options.groups = &server->groups;
    server->query_options.memory = &server->bodies;
    server->query_options.mappings = options->mappings;
    server->query_options.policy = options->policy;
    server->groups.bytes_max = options->groups_bytes_max;
    server->bodies.bytes_max = options->bodies_bytes_max;
    server->started_us = clock_monotonic_us(options->clock);
    atomic_store(&server->ready, true);
    atomic_store(&server->last_seq, store_last_seq(options->store));
    pthread_mutex_init(&server->conns_lock, NULL);
    Status status = listener_open(&server->listener, options->address, options->port, reterr);
    if (status == STATUS_OK) {
        status = start_parts(server, reterr);
    }
    if (status != STATUS_OK) {
        http_server_stop(server);
        http_server_free(server);
        return status;
    }
    *ret_server = server;
    return STATUS_OK;
}

uint16_t http_server_port(const HttpServer *server) { return server->listener.port; }

void http_server_set_ready(HttpServer *server, bool ready) { atomic_store(&server->ready, ready); }

void http_server_committed(HttpServer *server, int64_t last_seq)
{
    if (server) {
        atomic_store(&server->last_seq, last_seq);
        ticker_committed(&server->ticker);
    }
}

static void sleep_ms(int ms) { nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL); }

/* Waits until the counter is 0, at most until the limit. */
static bool wait_for_none(const HttpServer *server, const atomic_int *counter, int64_t limit_us)
{
    while (atomic_load(counter) > 0) {
        if (clock_monotonic_us(server->options.clock) >= limit_us) {
            return false;
        }
        sleep_ms(2);
    }
    return true;
}

/* Requests in flight may finish; those that only wait for something to happen are ended at once. */
static void drain(HttpServer *server)
{
    int64_t limit_us = clock_monotonic_us(server->options.clock) + server->options.drain_ms_max * 1000;
    atomic_store(&server->draining, true);
    ticker_wake_all(&server->ticker);
    if (!wait_for_none(server, &server->requests, limit_us)) {
        log_warn("requests were broken off", log_int("requests", atomic_load(&server->requests)));
    }
}

/* The library must not be stopped while a connection is suspended. Whoever has a request gives it back, or it is left
 * behind; after that nothing waits again, since `stopping` is set. */
static void end_waits(HttpServer *server)
{
    atomic_store(&server->stopping, true);
    while (atomic_load(&server->waits) > 0) {
        conns_expire_all(server);
        sleep_ms(1);
    }
}

void http_server_stop(HttpServer *server)
{
    if (!server) {
        return;
    }
    atomic_store(&server->ready, false);
    listener_stop(&server->listener);
    if (server->pollers.count > 0) {
        drain(server);
        end_waits(server);
        pollers_stop(&server->pollers);
    }
    atomic_store(&server->stopping, true);
    /* A job that was left behind may go to sleep once more, so that the sleepers come last. */
    query_pool_stop(&server->pool);
    ticker_stop(&server->ticker);
}

void http_server_free(HttpServer *server)
{
    if (server) {
        ticker_release(&server->ticker);
        pthread_mutex_destroy(&server->conns_lock);
        free(server);
    }
}
