#include "http/poller.h"

#define XXH_INLINE_ALL
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/log.h"
#include "http/conn.h"

enum {
    /* Beside the headers, the library's memory of a connection holds what it has read and what it is about to send. It
     * is cleared after each request, so it is no larger than it has to be. */
    CONNECTION_BYTES_MORE = 8 << 10,
    STACK_BYTES = 512 << 10,
};

enum { POLLER_AWAKE, POLLER_ASLEEP, POLLER_CALLED };

struct HandedSocket {
    HandedSocket *next;
    int fd;
    socklen_t bytes;
    struct sockaddr_storage address;
};

/* ---- The library's part ------------------------------------------------------------------------------------------ */

/* The library's own complaints, mostly about what clients did. */
static void log_library(void *self, const char *format, va_list args)
{
    char text[512];
    (void)self;
    vsnprintf(text, sizeof text, format, args);
    log_debug("http library", log_str("says", str_trim(str_from(text))));
}

/* From 1.0 on it reads a folded header as one line unless it is told to be strict; before, framing.h looks after that,
 * and strict only means a refusal of the library's own where there is no Host. */
enum { STRICTNESS = MHD_VERSION < 0x01000000 ? 0 : MHD_USE_PEDANTIC_CHECKS };

static struct MHD_Daemon *start_daemon(Poller *poller)
{
    HttpServer *server = poller->server;
    const HttpServerOptions *options = &server->options;
    const struct MHD_OptionItem items[] = {
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)(options->header_bytes_max + CONNECTION_BYTES_MORE), NULL},
        /* The listener keeps to the limit; this one only must not be in its way, wherever the connections go. */
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)options->connections_max + 1024, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)options->connections_per_address_max, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)((options->idle_ms_max + 999) / 1000), NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)conn_on_connection, poller},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)conn_on_line, server},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)conn_on_completed, server},
        /* Our threads block it, as the library's did; it writes head and body at once only when it knows that. */
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG |
                                STRICTNESS,
                            0, NULL, NULL, conn_on_request, server, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
                            MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

/* Milliseconds for poll(): -1 is for ever. */
static int wait_ms_of(Poller *poller)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (MHD_get_timeout(poller->daemon, &ms) != MHD_YES) {
        return -1;
    }
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* ---- Calls ------------------------------------------------------------------------------------------------------- */

/* What the thread is to find is there before the call. */
static void call(Poller *poller)
{
    if (atomic_exchange(&poller->state, POLLER_CALLED) == POLLER_ASLEEP) {
        wakeup_call(&poller->bell);
    }
}

void poller_resume(Poller *poller, struct MHD_Connection *mhd)
{
    MHD_resume_connection(mhd);
    call(poller);
}

/* Until a socket has something, a time-out of the library's is over, or somebody calls. A bell that comes late, when
 * the thread is awake again, only costs a round. */
static void sleep_until_called(Poller *poller, int wait_ms)
{
    struct pollfd fds[] = {{.fd = poller->epoll_fd, .events = POLLIN}, {.fd = poller->bell.fd, .events = POLLIN}};
    int awake = POLLER_AWAKE;
    if (atomic_compare_exchange_strong(&poller->state, &awake, POLLER_ASLEEP) && poll(fds, 2, wait_ms) > 0 &&
        fds[1].revents) {
        wakeup_clear(&poller->bell);
    }
}

/* ---- Sockets that are handed over -------------------------------------------------------------------------------- */

static void hand_over(Poller *poller, HandedSocket *handed)
{
    pthread_mutex_lock(&poller->lock);
    *poller->last = handed;
    poller->last = &handed->next;
    pthread_mutex_unlock(&poller->lock);
    call(poller);
}

/* Begins a round; false when the thread is to end. */
static bool take_handed(Poller *poller, HandedSocket **ret_first)
{
    atomic_exchange(&poller->state, POLLER_AWAKE);
    pthread_mutex_lock(&poller->lock);
    *ret_first = poller->first;
    poller->first = NULL;
    poller->last = &poller->first;
    bool stopping = poller->stopping;
    pthread_mutex_unlock(&poller->lock);
    return !stopping;
}

static void add_connection(Poller *poller, const HandedSocket *handed)
{
    /* It closes the socket itself when it does not want it: too many connections from this address. */
    if (MHD_add_connection(poller->daemon, handed->fd, (const struct sockaddr *)&handed->address, handed->bytes) !=
        MHD_YES) {
        log_debug("a connection was refused");
    }
    /* By now it is counted as a connection, so that the sum of both is never too small. */
    atomic_fetch_sub(&poller->server->pollers.waiting, 1);
}

static void add_connections(Poller *poller, HandedSocket *first)
{
    for (HandedSocket *handed; (handed = first);) {
        first = handed->next;
        add_connection(poller, handed);
        free(handed);
    }
}

static uint64_t hash_of(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6) {
        return XXH3_64bits(&((const struct sockaddr_in6 *)address)->sin6_addr, sizeof(struct in6_addr));
    }
    return XXH3_64bits(&((const struct sockaddr_in *)address)->sin_addr, sizeof(struct in_addr));
}

static Poller *choose(Pollers *pollers, const struct sockaddr *address)
{
    bool by_address = pollers->server->options.connections_per_address_max > 0;
    uint64_t number = by_address ? hash_of(address) : pollers->next++;
    return &pollers->items[number % pollers->count];
}

void pollers_give(Pollers *pollers, int fd, const struct sockaddr *address, socklen_t bytes)
{
    HandedSocket *handed = malloc(sizeof *handed);
    if (!handed) {
        log_debug("there is no memory for a connection");
        close(fd);
        return;
    }
    *handed = (HandedSocket){.fd = fd, .bytes = bytes};
    memcpy(&handed->address, address, bytes);
    atomic_fetch_add(&pollers->waiting, 1);
    hand_over(choose(pollers, address), handed);
}

/* ---- The threads ------------------------------------------------------------------------------------------------- */

static void block_sigpipe(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *run(void *self)
{
    Poller *poller = self;
    HandedSocket *handed;
    block_sigpipe();
    while (take_handed(poller, &handed)) {
        add_connections(poller, handed);
        MHD_run(poller->daemon);
        int wait_ms = wait_ms_of(poller);
        if (wait_ms != 0) {
            sleep_until_called(poller, wait_ms);
        }
    }
    add_connections(poller, handed); /* the library closes them with the others */
    return NULL;
}

static bool start_thread(Poller *poller)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0) {
        return false;
    }
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    poller->is_running = pthread_create(&poller->thread, &attr, run, poller) == 0;
    pthread_attr_destroy(&attr);
    return poller->is_running;
}

static bool start(Poller *poller)
{
    poller->daemon = start_daemon(poller);
    Error ignored; /* whatever there is too little of */
    if (!poller->daemon || wakeup_init(&poller->bell, &ignored) != STATUS_OK) {
        return false;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(poller->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    poller->epoll_fd = info ? info->epoll_fd : -1;
    return poller->epoll_fd >= 0 && start_thread(poller);
}

Status pollers_start(Pollers *pollers, HttpServer *server, unsigned count, Error *reterr)
{
    pollers->server = server;
    pollers->items = calloc(count, sizeof *pollers->items);
    if (!pollers->items) {
        return error_set(reterr, STATUS_BUSY, "no memory for the threads for connections");
    }
    for (; pollers->count < count; pollers->count++) {
        Poller *poller = &pollers->items[pollers->count];
        *poller = (Poller){.server = server, .bell = WAKEUP_NONE, .last = &poller->first};
        pthread_mutex_init(&poller->lock, NULL);
        if (!start(poller)) {
            pollers->count++;
            return error_set(reterr, STATUS_BUSY, "cannot start the threads for connections");
        }
    }
    return STATUS_OK;
}

static void tell_to_stop(Poller *poller)
{
    pthread_mutex_lock(&poller->lock);
    poller->stopping = true;
    pthread_mutex_unlock(&poller->lock);
    call(poller);
}

static void stop(Poller *poller)
{
    if (poller->is_running) {
        pthread_join(poller->thread, NULL);
    }
    MHD_stop_daemon(poller->daemon);
    wakeup_release(&poller->bell);
    pthread_mutex_destroy(&poller->lock);
}

void pollers_stop(Pollers *pollers)
{
    for (unsigned i = 0; i < pollers->count; i++) {
        tell_to_stop(&pollers->items[i]);
    }
    for (unsigned i = 0; i < pollers->count; i++) {
        stop(&pollers->items[i]);
    }
    free(pollers->items);
    pollers->items = NULL;
    pollers->count = 0;
}
