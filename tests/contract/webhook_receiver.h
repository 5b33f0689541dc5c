/* An HTTP endpoint on 127.0.0.1, in this process, on a thread of its own: takes webhooks, keeps them, and answers as it
 * was told. */
#ifndef WEIR_TESTS_CONTRACT_WEBHOOK_RECEIVER_H
#define WEIR_TESTS_CONTRACT_WEBHOOK_RECEIVER_H

#include "base/str.h"

typedef struct WebhookReceiver WebhookReceiver;

enum { RECEIVER_HEADERS_MAX = 32 };

/* A request that has come; texts are NUL-terminated. */
typedef struct ReceivedRequest {
    char *method, *path, *body;
    size_t body_len;
    size_t header_count;
    char *names[RECEIVER_HEADERS_MAX], *values[RECEIVER_HEADERS_MAX];
    int code; /* what it was answered with */
} ReceivedRequest;

/* How requests are answered; the body and the headers' texts outlive the receiver. */
typedef struct ReceiverAnswer {
    int code;
    const char *header, *value; /* NULL for none */
    const char *body;
    size_t body_len;
} ReceiverAnswer;

/* On a free port. Whatever fails ends the program, here and below. */
WebhookReceiver *webhook_receiver_start(void);
void webhook_receiver_stop(WebhookReceiver *receiver);
unsigned webhook_receiver_port(const WebhookReceiver *receiver);

/* The next request whose webhook-id ends so is answered so; without a suffix all are, from now on. */
void webhook_receiver_answer_once(WebhookReceiver *receiver, const char *id_suffix, ReceiverAnswer answer);
void webhook_receiver_answer(WebhookReceiver *receiver, ReceiverAnswer answer);
/* Requests wait for their answers. */
void webhook_receiver_stall(WebhookReceiver *receiver, bool stall);
/* Closes its port and all connections, or opens the same port again. */
void webhook_receiver_close_port(WebhookReceiver *receiver, bool closed);

/* Those that came. A request stays where it is until the receiver is stopped. */
size_t webhook_receiver_count(WebhookReceiver *receiver);
const ReceivedRequest *webhook_receiver_request(WebhookReceiver *receiver, size_t index);
/* The same, of those that were answered with 2xx. */
size_t webhook_receiver_taken_count(WebhookReceiver *receiver);
const ReceivedRequest *webhook_receiver_taken(WebhookReceiver *receiver, size_t index);
/* A header's value, or NULL. */
const char *received_header(const ReceivedRequest *request, const char *name);
/* Connections that were opened. */
size_t webhook_receiver_connections(WebhookReceiver *receiver);

#endif
