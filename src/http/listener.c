#include "http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "http/parts.h"

enum {
    BACKLOG = 1024,
    /* How long to wait before looking again when there is no room for a connection: no descriptors, or
     * connections_max. */
    RETRY_MS = 20,
};

typedef union SocketAddress {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
} SocketAddress;

static bool parse_address(const char *text, uint16_t port, SocketAddress *ret_address, socklen_t *ret_bytes)
{
    SocketAddress address = {0};
    if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(port);
        *ret_bytes = sizeof address.v4;
    } else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(port);
        *ret_bytes = sizeof address.v6;
    } else {
        return false;
    }
    *ret_address = address;
    return true;
}

static bool bind_and_listen(int fd, const SocketAddress *address, socklen_t bytes)
{
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->any.sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off); /* "::" takes IPv4 clients too */
    }
    return bind(fd, &address->any, bytes) == 0 && listen(fd, BACKLOG) == 0;
}

static uint16_t bound_port(int fd)
{
    SocketAddress address = {0};
    socklen_t bytes = sizeof address;
    if (getsockname(fd, &address.any, &bytes) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

Status listener_open(Listener *listener, const char *address, uint16_t port, Error *reterr)
{
    SocketAddress where;
    socklen_t bytes;
    *listener = (Listener){.listen_fd = -1, .stop = WAKEUP_NONE};
    if (!parse_address(address, port, &where, &bytes)) {
        return error_set(reterr, STATUS_REFUSED, "%s is not an IPv4 or IPv6 address", address);
    }
    int fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !bind_and_listen(fd, &where, bytes)) {
        Status status = error_set(reterr, STATUS_REFUSED, "cannot listen on %s port %u: %s%s", address, port,
                                  strerror(errno), errno == EADDRINUSE ? "; http.listen chooses another port" : "");
        close(fd);
        return status;
    }
    listener->listen_fd = fd;
    listener->port = bound_port(fd);
    return wakeup_init(&listener->stop, reterr);
}

typedef enum Accepted { ACCEPTED_ONE, ACCEPTED_NONE, ACCEPTED_NO_ROOM } Accepted;

static Accepted accept_one(Listener *listener)
{
    SocketAddress address;
    socklen_t bytes = sizeof address;
    int on = 1;
    int fd = accept4(listener->listen_fd, &address.any, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        bool no_room = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        return no_room ? ACCEPTED_NO_ROOM : errno == EAGAIN ? ACCEPTED_NONE : ACCEPTED_ONE;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pollers_give(&listener->server->pollers, fd, &address.any, bytes);
    return ACCEPTED_ONE;
}

/* First those on their way, since they are counted as connections before they cease to be. */
static int count_connections(HttpServer *server)
{
    int waiting = atomic_load(&server->pollers.waiting);
    return waiting + atomic_load(&server->conn_count);
}

static bool accept_some(Listener *listener)
{
    enum { AT_ONCE = 32 };
    HttpServer *server = listener->server;
    for (int i = 0; i < AT_ONCE; i++) {
        if (count_connections(server) >= (int)server->options.connections_max) {
            return false;
        }
        Accepted accepted = accept_one(listener);
        if (accepted != ACCEPTED_ONE) {
            return accepted == ACCEPTED_NONE;
        }
    }
    return true;
}

static void *run(void *self)
{
    Listener *listener = self;
    struct pollfd fds[] = {{.fd = listener->stop.fd, .events = POLLIN}, {.fd = listener->listen_fd, .events = POLLIN}};
    bool had_room = true;
    while (!(fds[0].revents & POLLIN)) {
        bool has_room = accept_some(listener);
        if (had_room && !has_room) {
            log_warn("no room for more connections",
                     log_int("connections", atomic_load(&listener->server->conn_count)));
        }
        had_room = has_room;
        poll(fds, has_room ? 2 : 1, has_room ? -1 : RETRY_MS);
    }
    return NULL;
}

Status listener_start(Listener *listener, HttpServer *server, Error *reterr)
{
    listener->server = server;
    if (pthread_create(&listener->thread, NULL, run, listener) != 0) {
        listener->server = NULL;
        return error_set(reterr, STATUS_BUSY, "cannot start the thread that accepts connections");
    }
    return STATUS_OK;
}

void listener_stop(Listener *listener)
{
    if (listener->server) {
        wakeup_call(&listener->stop);
        pthread_join(listener->thread, NULL);
        listener->server = NULL;
    }
    if (listener->listen_fd >= 0) {
        close(listener->listen_fd);
        wakeup_release(&listener->stop);
        listener->listen_fd = -1;
    }
}
