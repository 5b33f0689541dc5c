/* The HTTP server: one listening socket, a pool of connection threads, a pool of query threads, one thread for
 * time-outs.
 *
 * Start it after the processor and the store, stop it before them:
 *
 *     http_server_start → … → http_server_set_ready(false) → http_server_stop → front_door_stop, processor_stop →
 *     http_server_free
 *
 * Requests that write wait, suspended, for their commit; requests that read are answered in steps by the query threads.
 * Neither holds a thread while it waits. The routes are the table in routes.c, the contract is openapi.json. */
#ifndef WEIR_HTTP_SERVER_H
#define WEIR_HTTP_SERVER_H

#include "deliver/dispatcher.h"
#include "http/origin.h"
#include "intake/front_door.h"
#include "intake/intake.h"
#include "onboard/runner.h"
#include "process/processor.h"
#include "record/mapping.h"
#include "record/record_json.h"

typedef struct HttpServer HttpServer;

typedef struct HttpServerOptions {
    const char
        *address;       /* a numeric IPv4 or IPv6 address (without brackets); borrows until http_server_start returns */
    uint16_t port;      /* 0 takes a free one; http_server_port() tells */
    OriginRules origin; /* its texts borrow until http_server_free */
    const char *version; /* of the program, for /health and /metrics; borrows until http_server_free */

    Processor *processor;       /* borrows until processor_stop */
    Store *store;               /* borrows until http_server_stop */
    Dispatcher *dispatcher;     /* likewise; NULL: there are no sinks */
    Intake *intake;             /* likewise; NULL: nothing but HTTP takes records in */
    Runner *runner;             /* borrows until http_server_free; NULL: nothing has to be done for organizations */
    bool onboard_complete;      /* jobs of organizations are completed as they are made */
    FrontDoor *front_door;      /* borrows until http_server_free; NULL: POST /records goes to the processor, too */
    const RecordPolicy *policy; /* borrows until http_server_free */
    const MappingSet *mappings; /* likewise; of events */
    const Clock *clock;         /* borrows until http_server_free */
    const Random *random;       /* likewise; for ids of batches */
    OnConflict on_conflict;     /* what a record with a known id and other content is answered with */

    unsigned connection_threads; /* 0: as many as suit the machine */
    unsigned query_threads;      /* each owns a store reader; 0: as many as suit the machine */

    size_t header_bytes_max;              /* request line and headers: beyond it 431, or 414 when it is the line */
    unsigned headers_max;                 /* how many headers: beyond it 431 */
    size_t body_bytes_max;                /* of a body that is not streamed: beyond it 413 */
    size_t items_max;                     /* of an array: beyond it 413 */
    size_t line_bytes_max;                /* of a streamed NDJSON line: beyond it the line is rejected */
    size_t bodies_bytes_max;              /* all requests together, see below: beyond it 503 */
    size_t group_bytes_max;               /* memory for the groups of one aggregate */
    size_t groups_bytes_max;              /* and of all together: beyond it 503 */
    unsigned event_streams_max;           /* at once: beyond it 503 */
    unsigned connections_max;             /* further ones wait in the listening socket's queue */
    unsigned connections_per_address_max; /* further ones are closed; 0: no limit */
    int64_t idle_ms_max;                  /* a connection on which nothing moves is closed */
    int64_t request_ms_max; /* for a request (but for a streamed body) to come in, and for its answer to begin */
    int64_t drain_ms_max;   /* what http_server_stop grants to requests in flight */
} HttpServerOptions;

/* A connection keeps 48 KiB for its requests (values, a body, an answer, 16 KiB of each) and what the library has for
 * the head. All that a request takes beyond that counts in one budget, until it is freed: its body, what is read out of
 * it, the slices and results of an upload, the answer. The groups of aggregates have their own. */

/* 127.0.0.1:8080 and limits that suit a service on a small machine; the caller fills in the parts. */
HttpServerOptions http_server_options_default(void);

/* Listens and serves; ready from the start. REFUSED: not an address, in use, no permission. Ends with http_server_stop
 * and http_server_free. */
Status http_server_start(const HttpServerOptions *options, HttpServer **ret_server, Error *reterr) MUST_CHECK;

uint16_t http_server_port(const HttpServer *server);

/* What /ready answers: 200 or 503. Any thread. */
void http_server_set_ready(HttpServer *server, bool ready);

/* Tells those who wait for messages that the log has grown; for ProcessorOptions.committed. Any thread, until
 * http_server_free. Costs a load when nobody waits. Accepts NULL. */
void http_server_committed(HttpServer *server, int64_t last_seq);

/* Refuses new connections, lets requests in flight finish (for drain_ms_max at most), ends event streams and long
 * polls, closes every connection. The processor must still be running. Accepts NULL. */
void http_server_stop(HttpServer *server);

/* After http_server_stop, front_door_stop and processor_stop. Accepts NULL. */
void http_server_free(HttpServer *server);

#endif
