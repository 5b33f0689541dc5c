/* The header Idempotency-Key: a request that is sent twice under the same key is done once, and answered twice with the
 * same bytes.
 *
 * The store keeps the answer in the transaction that does what was asked (store/onboard.h), so that one without the
 * other is never there. What was refused is not kept: nothing happened, and the same request may be wanted once the
 * reason is gone. */
#ifndef WEIR_HTTP_IDEMPOTENCY_H
#define WEIR_HTTP_IDEMPOTENCY_H

#include "http/request.h"

typedef struct Idempotency {
    bool has_key;
    IdempotencyAnswer answer; /* its key and hash are those of this request */
    /* What the store has under the key; in the request's arena. */
    bool found;
    IdempotencyAnswer kept;
} Idempotency;

/* Reads the header, and hashes method, route, parameters, kind of content and body, which must not have been read yet:
 * reading changes it. False, and a 422 is said, for a key that is not 1 to 255 printable ASCII characters. */
bool idempotency_read(Request *request, Idempotency *ret_idempotency);

/* As a job's step, in a look at the store. */
Status idempotency_look(Request *request, StoreReader *reader, Idempotency *idempotency);

/* True when it was found, and an answer is said: the kept one, or a 422 because the key was another request's. */
bool idempotency_replay(Request *request, const Idempotency *idempotency);

/* A 422: the key was another request's. */
void idempotency_say_taken(Request *request);
/* A 409: the key came into use while this request was under way. */
void idempotency_say_running(Request *request);

/* Who asks, as what was done is told: "cli" or "api". Lives for ever. */
Str request_who(const Request *request);

#endif
