#include "http/server.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "http/conn.h"
#include "http/routes.h"

enum {
    /* Beside the headers, the library's memory of a connection holds what it has read and what it is about to send. It is cleared
     * after each request, so it is no larger than it has to be. */
    CONNECTION_BYTES_MORE = 8 << 10,
    STACK_BYTES = 512 << 10,
};

HttpServerOptions http_server_options_default(void)
{
    return (HttpServerOptions){
        .address = "127.0.0.1",
        .port = 8080,
        .version = "",
        .clock = &clock_system,
        .header_bytes_max = 16 << 10,
        .headers_max = 100,
        .body_bytes_max = 16 << 20,
        .items_max = 10000,
        .line_bytes_max = 1 << 20,
        .bodies_bytes_max = 256 << 20,
        .group_bytes_max = 64 << 20,
        .groups_bytes_max = 256 << 20,
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

/* As many as there are cores, though the processor needs one too: so no connection waits for a whole body of another's to be read. */
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

/* The library's own complaints, mostly about what clients did. */
static void log_library(void *self, const char *format, va_list args)
{
    char text[512];
    (void)self;
    vsnprintf(text, sizeof text, format, args);
    log_debug("http library", log_str("says", str_trim(str_from(text))));
}

/* From 1.0 on it reads a folded header as one line unless it is told to be strict; before, framing.h looks after that, and strict only
 * means a refusal of the library's own where there is no Host. */
enum { STRICTNESS = MHD_VERSION < 0x01000000 ? 0 : MHD_USE_PEDANTIC_CHECKS };

static Status start_daemon(HttpServer *server, Error *reterr)
{
    const HttpServerOptions *options = &server->options;
    unsigned threads = connection_threads(options);
    const struct MHD_OptionItem items[] = {
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)(options->header_bytes_max + CONNECTION_BYTES_MORE), NULL},
        /* The listener keeps to the limit; this one only must not be in its way. */
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)(options->connections_max + 1024) * threads, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)options->connections_per_address_max, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)((options->idle_ms_max + 999) / 1000), NULL},
        {MHD_OPTION_THREAD_STACK_SIZE, STACK_BYTES, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)conn_on_connection, server},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)conn_on_line, server},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)conn_on_completed, server},
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    server->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                                          MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG | STRICTNESS,
                                      0, NULL, NULL, conn_on_request, server, MHD_OPTION_EXTERNAL_LOGGER, log_library,
                                      NULL, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
    return server->daemon ? STATUS_OK : error_set(reterr, STATUS_BUSY, "cannot start the threads for connections");
}

static Status start_parts(HttpServer *server, Error *reterr)
{
    Status status = ticker_start(&server->ticker, server, reterr);
    if (status == STATUS_OK) {
        status = query_pool_start(&server->pool, server, query_threads(&server->options), reterr);
    }
    if (status == STATUS_OK) {
        status = start_daemon(server, reterr);
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
    server->groups.bytes_max = options->groups_bytes_max;
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

/* The library must not be stopped while a connection is suspended. Whoever has a request gives it back, or it is left behind;
 * after that nothing waits again, since `stopping` is set. */
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
    if (server->daemon) {
        drain(server);
        end_waits(server);
        MHD_stop_daemon(server->daemon);
        server->daemon = NULL;
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
