/* One request of a webhook after another: an easy handle with what it sends and what came back. */
#ifndef WEIR_DELIVER_WEBHOOK_CALL_H
#define WEIR_DELIVER_WEBHOOK_CALL_H

#include "base/buf.h"
#include "deliver/sign.h"
#include "deliver/sink.h"
#include "deliver/webhook_sockets.h"

/* What all requests of a sink have in common. */
typedef struct WebhookPlace {
    SinkContext context;
    Signer *signer;
    WebhookSockets sockets;
} WebhookPlace;

typedef struct WebhookCall {
    WebhookPlace *place;
    struct WebhookCall *next; /* its owner's */
    CURL *easy;               /* owns; its CURLINFO_PRIVATE is the call */
    bool under_way;           /* its owner's: the multi handle has it */
    Buf body, response;
    struct curl_slist *headers;
    size_t answer_bytes, head_bytes;
    int64_t begun_us;
    char curl_error[CURL_ERROR_SIZE];
    bool unclean;                              /* it was not sent, since the connection was not clean */
    char refused[WEBHOOK_REFUSED_BYTES_MAX];   /* the address that was not called; empty when none was */
    char called[ADDRESS_GUARD_TEXT_BYTES_MAX]; /* the last one that was; empty when none was */
    char error[ERROR_MESSAGE_BYTES_MAX];
    SinkResult result; /* borrows from the call until it is prepared again */
} WebhookCall;

/* Borrows `place` until the release. False without memory; release it all the same. */
bool webhook_call_init(WebhookCall *call, WebhookPlace *place) MUST_CHECK;
void webhook_call_release(WebhookCall *call);

/* Makes the handle ready to be driven. BUSY when that could not be done; the result is then SINK_HELD. Copies the
 * message. */
Status webhook_call_prepare(WebhookCall *call, const Message *message) MUST_CHECK;
/* For an owner who could not begin it. */
void webhook_call_hold(WebhookCall *call, const char *why);
/* The transfer is over: fills the result. */
void webhook_call_finish(WebhookCall *call, CURLcode why);

#endif
