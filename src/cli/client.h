/* A client of a running server, for the commands that take --to URL. */
#ifndef WEIR_CLI_CLIENT_H
#define WEIR_CLI_CLIENT_H

#include "query/query.h"

/* One server, one connection that is kept; one thread at a time. */
typedef struct Client Client;

/* `url` is http:// or https:// with host and port; a path is put in front of each call's. REFUSED when it is not
 * one. */
Status client_open(const char *url, Client **ret_client, Error *reterr) MUST_CHECK;
void client_close(Client *client); /* accepts NULL */

/* Takes a piece of the answer; returning false ends the call, which then is OK. */
typedef bool ClientSink(void *context, Str piece);

typedef struct ClientCall {
    const char *method; /* NULL: POST when there is a content type, else GET */
    const char *path;   /* "/api/records" */
    const QueryParam *params;
    size_t param_count;
    const char *accept;          /* NULL for anything */
    const char *content_type;    /* of the body; NULL: there is none */
    const char *idempotency_key; /* NULL: none */
    Str body;                    /* borrows until the call returns */
    ClientSink *sink;            /* gets the body of a 2xx answer */
    void *context;
    long seconds_max; /* without any byte moving */
} ClientCall;

/* OK: 2xx. REFUSED, CONFLICT: the server does not want it, and says why in the message. BUSY: it is away or overloaded,
 * and nothing was done. UNKNOWN: the connection was lost midway. BROKEN: 5xx. */
Status client_call(Client *client, const ClientCall *call, Error *reterr) MUST_CHECK;

/* How long the server asked to wait (Retry-After) in its last answer; 0 when it did not. */
int64_t client_retry_after_us(const Client *client);

/* The first bytes of the last answer's body when that was not 2xx, as it came; empty else. Until the next call. */
Str client_problem(const Client *client);
/* A header of the last answer; empty when it was not there. Until the next call. */
Str client_header(const Client *client, const char *name);

/* A part of a path or a query, percent-encoded. */
void client_put_encoded(Buf *url, Str text);

/* What a problem document (RFC 9457) says, as one sentence; for client_call and its tests. */
enum { CLIENT_PROBLEM_BYTES_MAX = 4 << 20 };
void client_describe_problem(long code, Str body, Error *reterr);
/* {"value":["is required"],"time":[…]} as "value is required; time …". Appends nothing when that is not what it is, and
 * when there is no memory to read it, which the buffer says. */
void client_put_field_errors(Buf *text, Str errors);

#endif
