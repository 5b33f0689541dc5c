#include "bench/load_request.h"

enum { LENGTH_DIGITS = 10, CHUNK_SIZE_DIGITS = 6 };

Status load_maker_init(LoadMaker *maker, const LoadOptions *options, Str authority, Str path, Error *reterr)
{
    bool stream = options->mode == LOAD_NDJSON;
    maker->mode = options->mode;
    int length = snprintf(maker->head, sizeof(maker->head),
                          "POST %.*s HTTP/1.1\r\nHost: %.*s\r\n%.*sContent-Type: application/%s\r\n%s\r\n\r\n",
                          STR_ARGS(path), STR_ARGS(authority), STR_ARGS(options->headers), stream ? "x-ndjson" : "json",
                          stream ? "Transfer-Encoding: chunked" : "Content-Length:           0");
    if (length < 0 || (size_t)length >= sizeof(maker->head)) {
        return error_set(reterr, STATUS_REFUSED, "the path and the headers are longer than %d bytes",
                         LOAD_REQUEST_HEAD_BYTES_MAX);
    }
    maker->head_bytes = (size_t)length;
    maker->length_at = maker->head_bytes - 4 - LENGTH_DIGITS;
    return workload_init(&maker->workload, &options->workload, reterr);
}

size_t load_request_bytes_max(const LoadOptions *options)
{
    size_t body = options->mode == LOAD_NDJSON  ? LOAD_REQUEST_CHUNK_BYTES
                  : options->mode == LOAD_ARRAY ? (size_t)options->batch * (WORKLOAD_RECORD_BYTES_MAX + 1)
                                                : WORKLOAD_RECORD_BYTES_MAX;
    return LOAD_REQUEST_HEAD_BYTES_MAX + body + 64;
}

/* RFC 9112 allows spaces before a header's value, so the field keeps its width. */
static void put_length(char *field, size_t length)
{
    for (unsigned i = LENGTH_DIGITS; i > 0; i--) {
        field[i - 1] = length > 0 || i == LENGTH_DIGITS ? (char)('0' + length % 10) : ' ';
        length /= 10;
    }
}

/* A chunk's size may have leading zeros. */
static void put_chunk_size(char *field, size_t size)
{
    for (unsigned i = CHUNK_SIZE_DIGITS; i > 0; i--) {
        field[i - 1] = "0123456789abcdef"[size & 15];
        size >>= 4;
    }
    memcpy(field + CHUNK_SIZE_DIGITS, "\r\n", 2);
}

static size_t put_counted(LoadMaker *maker, LoadRange *range, char *out)
{
    char *body = out + maker->head_bytes, *at = body;
    memcpy(out, maker->head, maker->head_bytes);
    bool array = maker->mode == LOAD_ARRAY;
    for (; range->written < range->count; range->written++) {
        if (array) {
            *at++ = range->written == 0 ? '[' : ',';
        }
        at = workload_put_record(&maker->workload, range->first + range->written, at);
    }
    if (array) {
        *at++ = ']';
    }
    put_length(out + maker->length_at, (size_t)(at - body));
    range->begun = range->ended = true;
    return (size_t)(at - out);
}

/* A chunk of no records would be the last one, so it is left out. */
static size_t put_chunk(LoadMaker *maker, LoadRange *range, char *out)
{
    char *size = out;
    if (!range->begun) {
        size = (char *)memcpy(out, maker->head, maker->head_bytes) + maker->head_bytes;
        range->begun = true;
    }
    char *data = size + CHUNK_SIZE_DIGITS + 2, *at = data;
    const char *full = data + LOAD_REQUEST_CHUNK_BYTES - WORKLOAD_RECORD_BYTES_MAX - 1;
    while (range->written < range->count && at < full) {
        at = workload_put_record(&maker->workload, range->first + range->written++, at);
        *at++ = '\n';
    }
    if (at == data) {
        at = size;
    } else {
        put_chunk_size(size, (size_t)(at - data));
        at = (char *)memcpy(at, "\r\n", 2) + 2;
    }
    if (range->written == range->count) {
        at = (char *)memcpy(at, "0\r\n\r\n", 5) + 5;
        range->ended = true;
    }
    return (size_t)(at - out);
}

size_t load_request_put(LoadMaker *maker, LoadRange *range, char *out)
{
    return maker->mode == LOAD_NDJSON ? put_chunk(maker, range, out) : put_counted(maker, range, out);
}
