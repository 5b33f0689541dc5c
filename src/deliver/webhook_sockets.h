/* The connections that a webhook's requests share: which addresses they may go to, and whether one is clean enough to
 * be used again.
 *
 * In HTTP/1 an answer belongs to a request by its place alone. An endpoint that answers twice leaves an answer behind,
 * which would be taken for that of the next request on the connection, and a message would count as taken that never
 * was. So a connection on which something waits before a request is sent is given up. (HTTP/2 numbers its streams.) */
#ifndef WEIR_DELIVER_WEBHOOK_SOCKETS_H
#define WEIR_DELIVER_WEBHOOK_SOCKETS_H

#include <curl/curl.h>

#include "deliver/address_guard.h"

typedef struct WebhookSocket {
    curl_socket_t fd;
    long port;  /* ours; 0 until it is known */
    bool http1; /* an answer has come on it, in HTTP/1 */
} WebhookSocket;

typedef struct WebhookSockets {
    AddressGuard guard;
    WebhookSocket *items; /* owns; those that are open, in no order */
    size_t count, cap;
} WebhookSockets;

/* `guard` is filled by the caller. */
void webhook_sockets_release(WebhookSockets *sockets);

/* A socket for the address, or CURL_SOCKET_BAD and in `ret_refused` why it may not be called: "127.0.0.1 is
 * loopback". */
enum { WEBHOOK_REFUSED_BYTES_MAX = 64 + ADDRESS_GUARD_TEXT_BYTES_MAX };
curl_socket_t webhook_sockets_open(WebhookSockets *sockets, const struct curl_sockaddr *address,
                                   char ret_refused[WEBHOOK_REFUSED_BYTES_MAX]);
/* For CURLOPT_CLOSESOCKETFUNCTION. */
int webhook_sockets_close(void *sockets, curl_socket_t fd);

/* An answer has come on the connection from our `port`. */
void webhook_sockets_answered(WebhookSockets *sockets, long port, bool http1);
/* A request is about to be sent on it. */
bool webhook_sockets_is_clean(WebhookSockets *sockets, long port);

#endif
