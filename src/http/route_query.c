/* Records and aggregates: the query module reads the parameters and writes the answers; here it gets its format and its
 * turn. */
#include <xxhash.h>

#include "http/parts.h"
#include "http/query_call.h"
#include "http/route_deliveries.h"
#include "http/route_handlers.h"
#include "http/turn.h"

/* ---- One record -------------------------------------------------------------------------------------------------- */

/* Puts `text` into `out` at `at`. */
static void insert(Buf *out, size_t at, Str text)
{
    size_t tail = out->len - at;
    buf_put(out, text);
    if (!out->failed && text.len) {
        memmove(out->ptr + at + text.len, out->ptr + at, tail);
        memcpy(out->ptr + at, text.ptr, text.len);
    }
}

static Status put_deliveries(Request *request, StoreReader *reader, const QueryFound *found)
{
    enum { DELIVERIES_BYTES_MAX = 64 << 10 };
    const SinkLines *lines = request->state;
    StoreView *view = NULL;
    Buf text;
    Status status = reader_begin(reader, &view, &request->error);
    if (status != STATUS_OK) {
        return status;
    }
    buf_init(&text, DELIVERIES_BYTES_MAX);
    buf_put_char(&text, ',');
    status = deliveries_put_states(reader, lines, found->seq, &request->arena, &text, &request->error);
    if (status == STATUS_OK) {
        status = reader_check(reader, &request->error);
    }
    reader_end(reader);
    view_free(view);
    if (status == STATUS_OK) {
        insert(&request->out, found->end_at, buf_str(&text));
        request->out.failed |= text.failed;
    }
    buf_release(&text);
    return status;
}

static JobNext find_step(Request *request, StoreReader *reader)
{
    enum { ALL_BYTES = 1 << 30 };
    const SinkLines *lines = request->state;
    if (request_step_query(request, reader, ALL_BYTES) == JOB_AGAIN) {
        return JOB_AGAIN;
    }
    if (request->failed == STATUS_OK && lines->count) {
        QueryFound found = query_found(request->query);
        request->failed = put_deliveries(request, reader, &found);
    }
    return JOB_FINISHED;
}

static void say_found(Request *request)
{
    if (request->failed == STATUS_REFUSED) {
        request_problem(request, PROBLEM_NOT_FOUND, "there is no record with the id %.*s", STR_ARGS(request->id));
    } else if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
    } else {
        request_answer(request, 200, JSON_TYPE);
    }
}

static void run_find(Request *request)
{
    const QueryParam *source = request_param(request, "sourceId");
    SinkLines *lines = ARENA_NEW(&request->arena, SinkLines);
    if (!lines || query_find_new(request->id, source ? source->value : (Str){NULL, 0}, request_query_options(request),
                                 &request->query) != STATUS_OK) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return;
    }
    request->state = lines;
    if (sink_lines_look(request, lines)) {
        request_run(request, find_step, say_found);
    }
}

void records_find(Request *request)
{
    static const char *const known[] = {"sourceId"};
    if (request_check_params(request, known, 1)) {
        run_find(request);
    }
}

/* ---- Lists and aggregates ---------------------------------------------------------------------------------------- */

static void answer_query(Request *request, QueryNew *make, MediaAnswer answer)
{
    size_t count;
    const QueryParam *params = query_params(request, &count);
    if (params) {
        query_answer(request, make, params, count, answer);
    }
}

void records_list(Request *request)
{
    static const char *const known[] = {"recordId", "sourceId"};
    const QueryParam *record_id = request_param(request, "recordId");
    MediaAnswer answer;
    if (record_id) {
        request->id = record_id->value;
        if (request_check_params(request, known, 2)) {
            run_find(request);
        }
    } else if (request_media(request, ANSWER_JSON | ANSWER_NDJSON | ANSWER_CSV, &answer)) {
        answer_query(request, query_list_new, answer);
    }
}

/* The groups as events, again and again: when they have changed, at most once a second; a comment when nothing was said
 * for a while, so that proxies and clients know that the stream lives. */
enum { GROUPS_US = 1000000, HEARTBEAT_US = 15000000 };

typedef struct GroupStream {
    const QueryParam *params;
    size_t count;
    Buf groups; /* as they are now; owns */
    uint64_t hash;
    bool was_said;
    int64_t said_us, began_us;
} GroupStream;

static void release_groups(Request *request)
{
    GroupStream *stream = request->state;
    buf_release(&stream->groups);
}

static void put_event(Buf *out, const GroupStream *stream)
{
    Str rest = buf_str(&stream->groups);
    BUF_PUT(out, "event: groups\n");
    while (rest.ptr) {
        BUF_PUT(out, "data: ");
        buf_put(out, str_split(&rest, '\n'));
        buf_put_char(out, '\n');
    }
    buf_put_char(out, '\n');
}

/* Sleeps until the groups may be asked for again: after a commit, but not within a second. */
static JobNext sleep_for_change(Request *request, GroupStream *stream, int64_t now_us)
{
    bool is_soon = now_us < stream->began_us + GROUPS_US;
    request->wake_on_commit = !is_soon;
    request->wake_us = is_soon ? stream->began_us + GROUPS_US : stream->said_us + HEARTBEAT_US;
    return JOB_SLEEP;
}

static JobNext say_groups(Request *request, GroupStream *stream, int64_t now_us)
{
    uint64_t hash = XXH3_64bits(stream->groups.ptr, stream->groups.len);
    bool is_news = !stream->was_said || stream->hash != hash;
    query_free(request->query);
    request->query = NULL;
    if (is_news) {
        put_event(&request->out, stream);
    }
    /* They may be long, and whoever sleeps needs none. */
    buf_release(&stream->groups);
    if (!is_news) {
        return sleep_for_change(request, stream, now_us);
    }
    stream->was_said = true;
    stream->hash = hash;
    stream->said_us = now_us;
    return JOB_FINISHED;
}

static bool begin_round(Request *request, GroupStream *stream, int64_t now_us)
{
    QueryProblems problems = {.count = 0};
    request->seen_seq = atomic_load(&request->server->last_seq);
    buf_reset(&stream->groups);
    stream->began_us = now_us;
    request->failed = query_aggregate_new(stream->params, stream->count, QUERY_JSON, request_query_options(request),
                                          &request->query, &problems);
    return request->failed == STATUS_OK;
}

static JobNext groups_step(Request *request, StoreReader *reader)
{
    GroupStream *stream = request->state;
    int64_t now_us = request_now_us(request);
    bool done = false;
    if (atomic_load(&request->server->draining)) {
        request->finished = true;
        return JOB_FINISHED;
    }
    if (!request->query && stream->was_said) {
        bool has_news = atomic_load(&request->server->last_seq) > request->seen_seq;
        if (now_us >= stream->said_us + HEARTBEAT_US) {
            stream->said_us = now_us;
            BUF_PUT(&request->out, ": still here\n\n");
            return JOB_FINISHED;
        }
        if (!has_news || now_us < stream->began_us + GROUPS_US) {
            return sleep_for_change(request, stream, now_us);
        }
    }
    if (!request->query && !begin_round(request, stream, now_us)) {
        return JOB_FINISHED;
    }
    request->failed =
        query_step(request->query, reader, QUERY_PIECE_BYTES_MAX, &stream->groups, &done, &request->error);
    if (request->failed != STATUS_OK) {
        return JOB_FINISHED;
    }
    return done ? say_groups(request, stream, now_us) : JOB_AGAIN;
}

static void begin_groups(Request *request)
{
    if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
        return;
    }
    request_stream_events(request, groups_step);
}

static void stream_groups(Request *request)
{
    enum { GROUPS_BYTES_MAX = 64 << 20 };
    size_t count;
    QueryParam *params = query_params(request, &count);
    GroupStream *stream = params ? ARENA_NEW(&request->arena, GroupStream) : NULL;
    if (params && !stream) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
    }
    if (!stream) {
        return;
    }
    if (!request_param(request, "records")) {
        params[count++] = (QueryParam){STR("records"), STR("false")};
    }
    /* Bad parameters show now, when they can still be a 422. */
    request->query = query_make(request, query_aggregate_new, params, count, QUERY_JSON);
    if (!request->query) {
        return;
    }
    *stream = (GroupStream){.params = params, .count = count, .began_us = request_now_us(request)};
    request_buf_init(request, &stream->groups, GROUPS_BYTES_MAX);
    request->seen_seq = atomic_load(&request->server->last_seq);
    request->state = stream;
    request->release = release_groups;
    if (request_begin_events(request)) {
        request_run(request, groups_step, begin_groups);
    }
}

void records_aggregate(Request *request)
{
    MediaAnswer answer;
    if (!request_media(request, ANSWER_JSON | ANSWER_NDJSON | ANSWER_CSV | ANSWER_EVENTS, &answer)) {
        return;
    }
    if (answer == ANSWER_EVENTS) {
        stream_groups(request);
    } else {
        answer_query(request, query_aggregate_new, answer);
    }
}
