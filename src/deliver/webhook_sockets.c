#include "deliver/webhook_sockets.h"

#include <netinet/in.h>
#include <unistd.h>

void webhook_sockets_release(WebhookSockets *sockets) { free(sockets->items); }

static bool has_room(WebhookSockets *sockets)
{
    if (sockets->count < sockets->cap) {
        return true;
    }
    size_t cap = sockets->cap ? 2 * sockets->cap : 16;
    WebhookSocket *items = realloc(sockets->items, cap * sizeof *items);
    sockets->items = items ? items : sockets->items;
    sockets->cap = items ? cap : sockets->cap;
    return items != NULL;
}

curl_socket_t webhook_sockets_open(WebhookSockets *sockets, const struct curl_sockaddr *address,
                                   char ret_refused[WEBHOOK_REFUSED_BYTES_MAX])
{
    const char *what = address_guard_refuses(&sockets->guard, &address->addr, address->addrlen);
    if (what) {
        char text[ADDRESS_GUARD_TEXT_BYTES_MAX];
        address_guard_format(&address->addr, address->addrlen, text);
        snprintf(ret_refused, WEBHOOK_REFUSED_BYTES_MAX, "%s is %s", text, what);
        return CURL_SOCKET_BAD;
    }
    if (!has_room(sockets)) {
        return CURL_SOCKET_BAD;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0) {
        sockets->items[sockets->count++] = (WebhookSocket){.fd = fd};
    }
    return fd;
}

int webhook_sockets_close(void *context, curl_socket_t fd)
{
    WebhookSockets *sockets = context;
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->items[i].fd == fd) {
            sockets->items[i] = sockets->items[--sockets->count];
            break;
        }
    }
    return close(fd);
}

static void learn_port(WebhookSocket *item)
{
    struct sockaddr_in6 address; /* the larger kind; the port is at the same place in both */
    socklen_t len = sizeof address;
    if (getsockname(item->fd, (struct sockaddr *)&address, &len) == 0) {
        item->port = ntohs(address.sin6_port);
    }
}

static WebhookSocket *find(WebhookSockets *sockets, long port)
{
    for (size_t i = 0; i < sockets->count; i++) {
        WebhookSocket *item = &sockets->items[i];
        if (item->port == 0) {
            learn_port(item);
        }
        if (item->port == port) {
            return item;
        }
    }
    return NULL;
}

void webhook_sockets_answered(WebhookSockets *sockets, long port, bool http1)
{
    WebhookSocket *item = port > 0 ? find(sockets, port) : NULL;
    if (item) {
        item->http1 = http1;
    }
}

/* When the other side has closed, nothing waits, and the library opens another connection by itself. */
bool webhook_sockets_is_clean(WebhookSockets *sockets, long port)
{
    char byte;
    const WebhookSocket *item = find(sockets, port);
    return !item || !item->http1 || recv(item->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}
