/* The load generator: HTTP/1.1 over many connections from few threads, at so low a price a request that a server on the
 * same two cores can be measured.
 *
 * Closed loop (LOAD_SINGLE, LOAD_ARRAY, LOAD_NDJSON): each connection sends its next request when the last was
 * answered.
 * Open loop (LOAD_RATE): requests are due at fixed times whatever the server does, and their latency counts from when
 * they were due, so that a stall of the server is seen by every request that it held up ("coordinated omission", Gil
 * Tene). */
#ifndef WEIR_BENCH_LOAD_H
#define WEIR_BENCH_LOAD_H

#include <signal.h>
#include <stdbool.h>

#include "base/clock.h"
#include "bench/latencies.h"
#include "bench/workload.h"

typedef enum LoadMode {
    LOAD_RATE,   /* one record a request, at a fixed rate */
    LOAD_SINGLE, /* one record a request, as fast as answers come */
    LOAD_ARRAY,  /* arrays of `batch` records */
    LOAD_NDJSON, /* streams of `per_request` records in chunks */
} LoadMode;

enum { LOAD_THREADS_MAX = 16, LOAD_CONNECTIONS_MAX = 16384, LOAD_BATCH_MAX = 100000, LOAD_MILLIONS_MAX = 1000 };

/* All texts borrow until load_run returns. */
typedef struct LoadOptions {
    LoadMode mode;
    Str url;              /* http://127.0.0.1:8080; a path in it goes before `path` */
    Str path;             /* with its query */
    Str headers;          /* further ones, each ending with CRLF; may be empty */
    uint32_t connections; /* shared out over the threads */
    uint32_t threads;
    uint32_t batch;
    double rate;          /* requests a second over all connections (LOAD_RATE) */
    uint64_t first;       /* number of the first record */
    uint64_t records;     /* how many to send; 0: until the time is up */
    uint64_t per_request; /* LOAD_NDJSON; 0: all of a connection's share in one */
    double duration_s;    /* 0: until all records are sent */
    double timeout_s;     /* without progress for so long, a request is given up */
    bool retry;           /* repeat what was not answered, or with 503, under the same ids */
    WorkloadOptions workload;
    const volatile sig_atomic_t *stop; /* not 0: send no more, wait for the answers, report */
    void (*progress)(void *context, uint64_t records, double seconds); /* about ten times a second; may be NULL */
    void *progress_context;
} LoadOptions;

/* Every member a sensible value for `mode`; no bound on records or time. */
LoadOptions load_options_default(LoadMode mode, const Clock *clock);

typedef struct LoadCounts {
    uint64_t requests;         /* answered, whatever the status */
    uint64_t statuses[600];    /* by HTTP status */
    uint64_t connect_failures; /* connections that were refused or reset before a request */
    uint64_t broken;           /* requests whose connection ended without a whole answer */
    uint64_t timeouts;
    uint64_t bytes_sent;
    uint64_t records_sent;
    uint64_t records_answered;                         /* of requests answered with 2xx */
    uint64_t created, duplicates, conflicts, rejected; /* as the answers say */
} LoadCounts;

/* Plain memory, needs no release (about 100 KiB: do not keep it on a small stack). */
typedef struct LoadResult {
    LoadCounts counts;
    double seconds;                     /* from the first request to the last answer */
    double cpu_s;                       /* of this process meanwhile */
    Latencies latencies;                /* from when it was due (open loop) or sent to the whole answer */
    Latencies service;                  /* from when it was sent */
    double millions[LOAD_MILLIONS_MAX]; /* records a second of the first million, the second, …, and of the rest */
    uint64_t millions_count;
    uint64_t last_records; /* in the last of them */
} LoadResult;

/* Runs to the end. REFUSED when an option is wrong, BROKEN when the server cannot be reached at all; what goes wrong
 * later is in the counts. Opens sockets and starts threads. */
Status load_run(const LoadOptions *options, const Clock *clock, LoadResult *ret_result, Error *reterr) MUST_CHECK;

/* Makes `options->records` records and sends them nowhere: what the generator itself costs. */
Status load_run_dry(const LoadOptions *options, const Clock *clock, LoadResult *ret_result, Error *reterr) MUST_CHECK;

#endif
