#include "http/request.h"

#include <microhttpd.h>

#include "base/log.h"
#include "http/parts.h"
#include "http/routes.h"
#include "http/turn.h"

enum {
    /* What a request may take for reading its body, besides the body: a copy, and a value of JSON for each four bytes.
     * The densest JSON has one for each two, and is refused when it is long. */
    ARENA_BYTES_PER_BODY_BYTE = 5,
    ARENA_BYTES_LEAST = 4 << 20,
    OUT_BYTES_MAX = 96 << 20, /* the longest message that a dead letter keeps, as Base64 */
};

static size_t reading_bytes_max(const HttpServerOptions *options)
{
    return options->body_bytes_max * ARENA_BYTES_PER_BODY_BYTE + ARENA_BYTES_LEAST;
}

void request_buf_init(Request *request, Buf *buf, size_t bytes_max)
{
    buf_init(buf, bytes_max);
    buf->budget = &request->memory;
}

Request *request_new(Conn *conn)
{
    Request *request = calloc(1, sizeof *request);
    if (request) {
        const HttpServerOptions *options = &conn->server->options;
        request->server = conn->server;
        request->conn = conn;
        request->mhd = conn->mhd;
        request->memory.whole = &conn->server->bodies;
        arena_init(&request->arena, REQUEST_KEPT_BYTES, reading_bytes_max(options));
        request->arena.budget = &request->memory;
        request_buf_init(request, &request->body, options->body_bytes_max + YYJSON_PADDING_SIZE);
        request_buf_init(request, &request->out, OUT_BYTES_MAX);
        request->arena.uncounted = request->body.uncounted = request->out.uncounted = REQUEST_KEPT_BYTES;
    }
    return request;
}

static void release_state(Request *request)
{
    if (request->release) {
        request->release(request);
    }
    request->release = NULL;
    request->state = NULL;
    query_free(request->query);
    request->query = NULL;
    if (request->is_endless) {
        atomic_fetch_sub(&request->server->event_streams, 1);
        request->is_endless = false;
    }
}

void request_free(Request *request)
{
    if (request) {
        release_state(request);
        arena_release(&request->arena);
        buf_release(&request->body);
        buf_release(&request->out);
        free(request);
    }
}

/* Empties it, and keeps no more than a usual request needs. */
static void forget(Buf *buf)
{
    if (buf->cap > REQUEST_KEPT_BYTES) {
        buf_release(buf);
    }
    buf_reset(buf);
}

void request_forget_body(Request *request) { forget(&request->body); }
void request_forget_answer(Request *request) { forget(&request->out); }

void request_forget_work(Request *request)
{
    release_state(request);
    request_forget_body(request);
    arena_reset(&request->arena);
    /* These were in the arena. */
    request->uri = (Uri){.path = STR("/")};
    request->instance = request->uri.path;
    request->id = request->inner_id = (Str){NULL, 0};
}

void request_reset(Request *request)
{
    request_forget_work(request);
    request_forget_answer(request);
    request->arena.bytes_max = reading_bytes_max(request_options(request));
    size_t from = offsetof(Request, phase), to = offsetof(Request, error);
    memset((char *)request + from, 0, to - from);
}

bool request_only_reads(const Request *request)
{
    return request->method && (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0);
}

const HttpServerOptions *request_options(const Request *request) { return &request->server->options; }

size_t request_bytes_held(const Request *request)
{
    size_t taken = request->arena.taken, own = REQUEST_KEPT_BYTES;
    return request->body.len + (taken > own ? taken - own : 0) + 1;
}

const StoreInfo *request_store_info(const Request *request) { return &request->server->info; }
const QueryOptions *request_query_options(const Request *request) { return &request->server->query_options; }

int64_t request_now_us(const Request *request) { return clock_monotonic_us(request->server->options.clock); }

Str request_header(const Request *request, const char *name)
{
    const char *value = NULL;
    size_t len = 0;
    MHD_lookup_connection_value_n(request->mhd, MHD_HEADER_KIND, name, strlen(name), &value, &len);
    return (Str){value, value ? len : 0};
}

bool request_keep_header(Request *request, const char *name, Str *ret_value)
{
    Str value = request_header(request, name);
    *ret_value = value.ptr ? arena_copy(&request->arena, value) : value;
    if (value.ptr && !ret_value->ptr) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return false;
    }
    return true;
}

/* ---- Parameters -------------------------------------------------------------------------------------------------- */

const QueryParam *request_param(const Request *request, const char *name)
{
    for (size_t i = 0; i < request->uri.param_count; i++) {
        if (str_is(request->uri.params[i].name, name)) {
            return &request->uri.params[i];
        }
    }
    return NULL;
}

static bool is_known(Str name, const char *const *known, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_is(name, known[i])) {
            return true;
        }
    }
    return false;
}

static const char *nearest(Str name, const char *const *known, size_t count)
{
    enum { DISTANCE_MAX = 4 };
    const char *best = NULL;
    unsigned best_distance = DISTANCE_MAX + 1;
    for (size_t i = 0; i < count; i++) {
        unsigned distance = str_distance(name, str_from(known[i]), DISTANCE_MAX);
        if (distance < best_distance) {
            best = known[i];
            best_distance = distance;
        }
    }
    return best;
}

static void add_problem(QueryProblems *problems, Str field, const char *problem, const char *hint)
{
    if (problems->count < QUERY_PROBLEMS_MAX) {
        QueryProblem *added = &problems->items[problems->count++];
        snprintf(added->field, sizeof added->field, "%.*s", STR_ARGS(field));
        snprintf(added->problem, sizeof added->problem, hint ? "%s; did you mean %s?" : "%s", problem, hint);
    }
}

static bool is_repeated(const Uri *uri, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (str_equal(uri->params[i].name, uri->params[index].name)) {
            return true;
        }
    }
    return false;
}

bool request_check_params(Request *request, const char *const *known, size_t count)
{
    QueryProblems problems = {.count = 0};
    for (size_t i = 0; i < request->uri.param_count; i++) {
        Str name = request->uri.params[i].name;
        if (!is_known(name, known, count)) {
            add_problem(&problems, name, "is not a known parameter", nearest(name, known, count));
        } else if (is_repeated(&request->uri, i)) {
            add_problem(&problems, name, "is given more than once", NULL);
        }
    }
    if (problems.count) {
        request_invalid_params(request, &problems);
    }
    return problems.count == 0;
}

bool request_bool_param(Request *request, const char *name, bool otherwise, bool *ret_value)
{
    const QueryParam *param = request_param(request, name);
    bool yes = param && (str_is(param->value, "true") || str_is(param->value, "1"));
    bool no = param && (str_is(param->value, "false") || str_is(param->value, "0"));
    if (param && !yes && !no) {
        request_invalid(request, name, "must be true or false");
        return false;
    }
    *ret_value = param ? yes : otherwise;
    return true;
}

bool request_u64_param(Request *request, const char *name, uint64_t otherwise, uint64_t max, uint64_t *ret_value)
{
    const QueryParam *param = request_param(request, name);
    uint64_t value = otherwise;
    if (param && !str_to_u64(param->value, max, &value)) {
        request_invalid(request, name, "must be a number from 0 to %llu", (unsigned long long)max);
        return false;
    }
    *ret_value = value;
    return true;
}

static const char *offered_names(unsigned offered)
{
    if (offered & ANSWER_CSV) {
        return offered & ANSWER_EVENTS ? "json, ndjson, csv or sse" : "json, ndjson or csv";
    }
    return "json or sse";
}

bool request_media(Request *request, unsigned offered, MediaAnswer *ret_answer)
{
    const QueryParam *format = request_param(request, "format");
    if (!format) {
        *ret_answer = media_negotiate(request_header(request, "Accept"), offered);
        return true;
    }
    if (!media_answer_parse(format->value, offered, ret_answer)) {
        request_invalid(request, "format", "must be %s", offered_names(offered));
        return false;
    }
    return true;
}

/* ---- Waiting ----------------------------------------------------------------------------------------------------- */

static int64_t wait_limit_us(const Request *request)
{
    return request_now_us(request) + request->server->options.request_ms_max * 1000;
}

/* `decided`: something of the request was committed before, or may have been. */
static void say_stopping(Request *request, bool decided)
{
    request->answer.close = true;
    if (decided) {
        request_problem(request, PROBLEM_UNKNOWN, "the service is stopping, and cannot show what has become of this");
    } else {
        request_problem(request, PROBLEM_BUSY, "the service is stopping; nothing happened");
    }
}

/* The library's word for the method may be gone. */
void request_give_up(Request *request)
{
    bool reads = request->route && strcmp(request->route->method, "GET") == 0;
    request->failed = error_set(&request->error, reads ? STATUS_BUSY : STATUS_UNKNOWN,
                                "this took too long, or the service is stopping; try again later");
    request_wake(request);
}

static void give_back(Request *request, Status status, const Error *error)
{
    request->failed = status;
    if (status != STATUS_OK) {
        request->error = *error;
    }
    request_wake(request);
}

/* On the processor's thread. */
static void submission_done(Submission *submission, Status status, const Error *error)
{
    give_back(submission->owner, status, error);
}

/* On the front door's. */
static void front_door_done(FrontDoorCall *call, Status status, const Error *error)
{
    give_back(call->owner, status, error);
}

/* It was not taken: the connection says so when it is resumed. */
static void say_not_taken(Request *request) { request_failed(request, request->failed, &request->error); }

static void refuse(Request *request, Status status, const Error *error)
{
    request->then = say_not_taken;
    give_back(request, status, error);
}

void request_submit(Request *request, RequestThen *then)
{
    bool is_next = request->submitted;
    request->submitted = true;
    request->submission.done = submission_done;
    request->submission.owner = request;
    request->then = then;
    if (!turn_wait(request, wait_limit_us(request))) {
        say_stopping(request, is_next);
        return;
    }
    Error error;
    Status status = processor_submit(request->server->options.processor, &request->submission, &error);
    if (status != STATUS_OK) {
        refuse(request, status, &error);
    }
}

void request_hand_in(Request *request, RequestThen *then)
{
    FrontDoorCall *call = &request->front_door;
    call->done = front_door_done;
    call->owner = request;
    request->then = then;
    if (!turn_wait(request, wait_limit_us(request))) {
        say_stopping(request, false);
        return;
    }
    Error error;
    if (front_door_hand_in(request->server->options.front_door, call, &error) != FRONT_DOOR_TAKEN) {
        refuse(request, STATUS_BUSY, &error);
    }
}

void request_run_for(Request *request, RequestJob *job, RequestThen *then, int64_t until_us)
{
    int64_t now_us = request_now_us(request);
    int64_t begin_us = until_us > now_us ? until_us : now_us;
    request->job = job;
    request->then = then;
    if (!turn_wait(request, begin_us + request->server->options.request_ms_max * 1000)) {
        say_stopping(request, request->submitted);
        return;
    }
    query_pool_add(&request->server->pool, request);
}

void request_run(Request *request, RequestJob *job, RequestThen *then) { request_run_for(request, job, then, 0); }

JobNext request_step_query(Request *request, StoreReader *reader, size_t wanted)
{
    bool done = false;
    request->failed = query_step(request->query, reader, wanted, &request->out, &done, &request->error);
    request->finished = done;
    return request->failed != STATUS_OK || done || request->out.len >= wanted ? JOB_FINISHED : JOB_AGAIN;
}
