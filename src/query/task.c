#include "query/task.h"

#include <stdlib.h>

QueryOptions query_options_default(const StoreInfo *info)
{
    return (QueryOptions){
        .info = info, .clock = &clock_system, .step_us_max = 50000, .group_bytes_max = (size_t)64 << 20};
}

const char *query_content_type(QueryFormat format)
{
    static const char *const types[] = {[QUERY_JSON] = "application/json",
                                        [QUERY_NDJSON] = "application/x-ndjson",
                                        [QUERY_CSV] = "text/csv; charset=utf-8"};
    return types[format];
}

void *query_alloc(size_t bytes, const QueryOptions *options)
{
    enum { CHUNK_BYTES = 1024, ARENA_BYTES_MAX = 262144 };
    Query *query = calloc(1, bytes);
    if (query) {
        query->options = *options;
        arena_init(&query->arena, CHUNK_BYTES, ARENA_BYTES_MAX);
    }
    return query;
}

void query_free(Query *query)
{
    if (query) {
        if (query->release) {
            query->release(query);
        }
        view_free(query->view);
        arena_release(&query->arena);
        free(query);
    }
}

Status step_look(QueryStep *step, Error *reterr)
{
    if (step->looking) {
        return STATUS_OK;
    }
    Status status = step->query->view ? reader_resume(step->reader, step->query->view, reterr)
                                      : reader_begin(step->reader, &step->query->view, reterr);
    step->looking = status == STATUS_OK;
    step->view = step->query->view;
    return status;
}

Status step_look_away(QueryStep *step, Error *reterr)
{
    Status status = STATUS_OK;
    if (step->looking) {
        status = reader_check(step->reader, reterr);
        reader_end(step->reader);
        step->looking = false;
    }
    return status;
}

bool step_time_is_up(const QueryStep *step)
{
    return clock_monotonic_us(step->query->options.clock) >= step->deadline_us;
}

bool step_is_over(QueryStep *step)
{
    enum { CALLS_BETWEEN = 128 };
    if (step->until_clock > 0) {
        step->until_clock--;
        return false;
    }
    if (step_time_is_up(step)) {
        return true;
    }
    step->until_clock = CALLS_BETWEEN;
    return false;
}

Status query_step(Query *query, StoreReader *reader, size_t bytes_wanted, Buf *out, bool *ret_done, Error *reterr)
{
    size_t before = out->len;
    QueryStep step = {.query = query,
                      .reader = reader,
                      .out = out,
                      .out_enough = before + bytes_wanted,
                      .deadline_us = clock_monotonic_us(query->options.clock) + query->options.step_us_max};
    bool done = false;
    Status status = query->step(query, &step, &done, reterr);
    Error unheeded;
    Status looked = step_look_away(&step, status == STATUS_OK ? reterr : &unheeded);
    status = status == STATUS_OK ? looked : status;
    if (status == STATUS_OK && out->failed) {
        status = error_set(reterr, STATUS_BUSY, "no memory for this piece of the answer");
    }
    if (status == STATUS_OK) {
        *ret_done = done;
    } else {
        out->len = before;
    }
    return status;
}
