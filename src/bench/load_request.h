/* Requests from records: a head made once, and bodies written behind it with only lengths and records anew. */
#ifndef WEIR_BENCH_LOAD_REQUEST_H
#define WEIR_BENCH_LOAD_REQUEST_H

#include "base/buf.h"
#include "bench/load.h"

enum { LOAD_REQUEST_CHUNK_BYTES = 131072, LOAD_REQUEST_HEAD_BYTES_MAX = 8192 };

typedef struct LoadMaker {
    LoadMode mode;
    Workload workload;
    char head[LOAD_REQUEST_HEAD_BYTES_MAX];
    size_t head_bytes;
    size_t length_at; /* where in the head the Content-Length's digits stand, right-aligned */
} LoadMaker;

/* The records of one request, and how far it is written. A stream may be cut short by setting count = written. */
typedef struct LoadRange {
    uint64_t first, count, written;
    bool begun, ended; /* the head, and the last byte of the body */
} LoadRange;

/* `authority` is what the Host header says, `path` begins with a slash. REFUSED when the head is too long or a workload
 * option is wrong. */
Status load_maker_init(LoadMaker *maker, const LoadOptions *options, Str authority, Str path, Error *reterr) MUST_CHECK;

/* Bytes that load_request_put() may write at most. */
size_t load_request_bytes_max(const LoadOptions *options);

/* Writes the next part of a request to `out` and returns its length: all of it, or of a stream the head and a chunk, a
 * chunk, until range->ended. */
size_t load_request_put(LoadMaker *maker, LoadRange *range, char *out);

#endif
