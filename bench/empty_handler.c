/* The baseline: the HTTP server that Weir uses, with a handler that does nothing. It takes the body in, throws it away
 * and answers 201 with as many bytes as Weir does for one record.
 *
 *   empty_handler [PORT [THREADS]]      port 0 (the default) takes a free one; one thread by default
 *
 * Prints "listening on http://127.0.0.1:PORT" and runs until SIGTERM or SIGINT. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>

#include "base/str.h"

enum { CONNECTIONS_MAX = 20000, THREADS_MAX = 64, IDLE_S_MAX = 60 };

static const char answer[] =
    "{\"message\":\"Record processed "
    "successfully\",\"data\":{\"id\":1,\"recordId\":\"00000000-0000-4000-8000-000000000000\","
    "\"isDuplicate\":false,\"time\":\"2025-01-01T10:00:00Z\",\"sourceId\":\"source-001\",\"destinationId\":"
    "\"destination-00001\",\"type\":\"positive\",\"value\":\"100.50\",\"unit\":\"EUR\",\"reference\":\"contract-"
    "00000001\"}}";

static struct MHD_Response *response;

static enum MHD_Result handle(void *self, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *body, size_t *body_bytes, void **context)
{
    static char begun;
    (void)self, (void)url, (void)method, (void)version, (void)body;
    if (!*context) {
        *context = &begun;
        return MHD_YES;
    }
    if (*body_bytes > 0) {
        *body_bytes = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_CREATED, response);
}

static uint64_t argument(int argc, char **argv, int at, uint64_t max, uint64_t otherwise)
{
    uint64_t value = otherwise;
    return argc > at && str_to_u64(str_from(argv[at]), max, &value) ? value : otherwise;
}

int main(int argc, char **argv)
{
    uint16_t port = (uint16_t)argument(argc, argv, 1, UINT16_MAX, 0);
    unsigned threads = (unsigned)argument(argc, argv, 2, THREADS_MAX, 1);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sigset_t stop;
    int number;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    response = MHD_create_response_from_buffer(sizeof(answer) - 1, (void *)(uintptr_t)answer, MHD_RESPMEM_PERSISTENT);
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, port, NULL, NULL, handle, NULL,
                         MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S_MAX,
                         threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, MHD_OPTION_END);
    if (!response || !daemon ||
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json") != MHD_YES) {
        fprintf(stderr, "port %u of 127.0.0.1 cannot be listened on\n", (unsigned)port);
        return 1;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    printf("listening on http://127.0.0.1:%u\n", (unsigned)(info ? info->port : port));
    fflush(stdout);
    sigwait(&stop, &number);
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}
