#include <microhttpd.h>

#include "base/log.h"
#include "http/parts.h"
#include "http/turn.h"

#define PROBLEM_TYPE "application/problem+json"

enum {
    FIRST_BYTES = 32 << 10, /* so that the first bytes of a long answer come soon */
    MORE_BYTES = 256 << 10,
    MORE_ROOM_BYTES = MORE_BYTES + QUERY_PIECE_BYTES_MAX,
    STREAM_BLOCK_BYTES = 32 << 10,
    /* A client has the time that a request may take to come in, and that of a slow line on top: what it leaves lying is
     * memory. */
    TAKEN_BYTES_PER_MS = 64,
};

static void limit_taking(const Request *request, size_t bytes)
{
    int64_t ms = request_options(request)->request_ms_max + (int64_t)(bytes / TAKEN_BYTES_PER_MS);
    conn_limit(request->conn, request_now_us(request), ms);
}

/* ---- Whole answers ----------------------------------------------------------------------------------------------- */

static void add_headers(struct MHD_Response *response, const Request *request)
{
    const Answer *answer = &request->answer;
    if (answer->content_type) {
        MHD_add_response_header(response, "Content-Type", answer->content_type);
    }
    for (size_t i = 0; i < answer->header_count; i++) {
        MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    }
    if (answer->close || request->is_last || atomic_load_explicit(&request->server->draining, memory_order_relaxed)) {
        MHD_add_response_header(response, "Connection", "close");
    }
}

static void queue(Request *request, struct MHD_Response *response)
{
    if (response) {
        add_headers(response, request);
        MHD_queue_response(request->mhd, (unsigned)request->answer.code, response);
        MHD_destroy_response(response);
    }
    request->phase = PHASE_ANSWERED;
}

void answer_send(Request *request)
{
    Str body = request->answer.content_type ? buf_str(&request->out) : (Str){NULL, 0};
    atomic_fetch_add_explicit(&request->server->metrics.body_bytes_out, (long long)body.len, memory_order_relaxed);
    limit_taking(request, body.len);
    /* `out` stays as it is until the request is completed, so there is no need for a copy. */
    queue(request, MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.ptr, MHD_RESPMEM_PERSISTENT));
}

void request_answer(Request *request, int code, const char *content_type)
{
    if (request->out.failed) {
        request_problem(request, request_only_reads(request) ? PROBLEM_BUSY : PROBLEM_UNKNOWN,
                        "there is no memory for the answer");
        return;
    }
    request->answer.code = code;
    request->answer.content_type = content_type;
    if (request->phase == PHASE_HANDLING) {
        answer_send(request);
    } else {
        request->phase = PHASE_DISCARD;
    }
}

void request_answer_with(Request *request, const Answer *answer)
{
    bool close = request->answer.close;
    request->answer = *answer;
    request->answer.close |= close;
    request_answer(request, answer->code, answer->content_type);
}

/* ---- Problems ---------------------------------------------------------------------------------------------------- */

static void say_problem(Request *request, ProblemKind kind, Str members, Str detail)
{
    if (kind == PROBLEM_BUSY || kind == PROBLEM_UNKNOWN) {
        request->answer.headers[0] = (AnswerHeader){"Retry-After", "1"};
        request->answer.header_count = 1;
    }
    buf_reset(&request->out);
    problem_put(&request->out, &(Problem){kind, detail, request->instance, members});
    if (request->out.failed) {
        /* Not even that: the code alone has to say it. */
        buf_reset(&request->out);
        request_answer(request, problem_code(kind), NULL);
        return;
    }
    request_answer(request, problem_code(kind), PROBLEM_TYPE);
}

void request_problem_with(Request *request, ProblemKind kind, Str members, const char *format, ...)
{
    char detail[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    say_problem(request, kind, members, str_from(detail));
}

void request_invalid_params(Request *request, const QueryProblems *problems)
{
    Buf members, detail;
    buf_init(&members, 32 << 10);
    buf_init(&detail, 32 << 10);
    BUF_PUT(&members, "\"errors\":{");
    for (size_t i = 0; i < problems->count; i++) {
        Str field = str_from(problems->items[i].field), problem = str_from(problems->items[i].problem);
        buf_put(&members, i ? STR(",") : STR(""));
        buf_put_json(&members, field);
        BUF_PUT(&members, ":[");
        buf_put_json(&members, problem);
        buf_put_char(&members, ']');
        buf_put(&detail, i ? STR("; ") : STR(""));
        buf_put(&detail, field);
        buf_put_char(&detail, ' ');
        buf_put(&detail, problem);
    }
    buf_put_char(&members, '}');
    say_problem(request, PROBLEM_VALIDATION, buf_str(&members), buf_str(&detail));
    buf_release(&members);
    buf_release(&detail);
}

void request_invalid(Request *request, const char *field, const char *format, ...)
{
    QueryProblems problems = {.count = 1};
    va_list args;
    va_start(args, format);
    snprintf(problems.items[0].field, sizeof problems.items[0].field, "%s", field);
    vsnprintf(problems.items[0].problem, sizeof problems.items[0].problem, format, args);
    va_end(args);
    request_invalid_params(request, &problems);
}

void request_failed(Request *request, Status status, const Error *error)
{
    if (status == STATUS_UNKNOWN || status == STATUS_BROKEN) {
        log_error("a request failed", log_text("method", request->method), log_str("path", request->instance),
                  log_text("status", status_name(status)), log_text("error", error->message));
    }
    request_problem(request, problem_of_status(status), "%s", error->message);
}

/* ---- Streams ----------------------------------------------------------------------------------------------------- */

/* An answer that has begun can only be broken off: the client sees a body without its end. */
static ssize_t break_off(const Request *request)
{
    if (request->failed != STATUS_OK) {
        log_error("an answer was broken off", log_str("path", request->instance),
                  log_text("error", request->error.message));
    }
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t send_piece(Request *request, char *room, size_t bytes)
{
    size_t left = request->out.len - request->sent;
    size_t piece = left < bytes ? left : bytes;
    memcpy(room, request->out.ptr + request->sent, piece);
    request->sent += piece;
    atomic_fetch_add_explicit(&request->server->metrics.body_bytes_out, (long long)piece, memory_order_relaxed);
    return (ssize_t)piece;
}

/* Event streams live as long as their client; a stop ends them. Other answers have the usual time for each piece. */
static int64_t piece_limit_us(const Request *request)
{
    return request->is_endless ? TURN_NO_LIMIT
                               : request_now_us(request) + request->server->options.request_ms_max * 1000;
}

/* The next one of an answer has its room; that of an event stream may be long in coming. */
static void forget_piece(Request *request)
{
    if (request->is_endless) {
        request_forget_answer(request);
    }
    buf_reset(&request->out);
    request->sent = 0;
}

static ssize_t read_stream(void *self, uint64_t position, char *room, size_t bytes)
{
    (void)position;
    Conn *conn = self;
    TurnBack back = turn_take_back(conn->request);
    if (back == TURN_BACK_NOT_YET) {
        return 0;
    }
    if (back == TURN_BACK_EXPIRED && conn_leave_behind(conn)) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    Request *request = conn->request;
    if (request->sent < request->out.len) {
        if (request->sent == 0) {
            limit_taking(request, request->out.len);
        }
        return send_piece(request, room, bytes);
    }
    if (request->failed != STATUS_OK || request->out.failed) {
        return break_off(request);
    }
    if (request->finished || (request->is_endless && atomic_load(&request->server->draining))) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    forget_piece(request);
    conn_limit(request->conn, 0, 0);
    if (!turn_wait(request, piece_limit_us(request))) {
        return request->is_endless ? MHD_CONTENT_READER_END_OF_STREAM : break_off(request);
    }
    query_pool_add(&request->server->pool, request);
    return 0;
}

void request_stream(Request *request, RequestJob *job, const Answer *answer)
{
    request->answer = *answer;
    request->job = job;
    request->streaming = true;
    queue(request,
          MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, read_stream, request->conn, NULL));
}

bool request_begin_events(Request *request)
{
    HttpServer *server = request->server;
    int most = (int)server->options.event_streams_max;
    /* Counted first, so that of several at once none is one too many; its end is the request's. */
    request->is_endless = true;
    if (atomic_fetch_add(&server->event_streams, 1) >= most) {
        request_problem(request, PROBLEM_BUSY, "there are %d event streams, and no more are possible at once", most);
        return false;
    }
    return true;
}

void request_stream_events(Request *request, RequestJob *job)
{
    request_stream(request, job,
                   &(Answer){.code = 200,
                             .content_type = "text/event-stream",
                             .headers = {{"Cache-Control", "no-cache"}},
                             .header_count = 1});
}

/* ---- Queries ----------------------------------------------------------------------------------------------------- */

static JobNext first_step(Request *request, StoreReader *reader)
{
    return request_step_query(request, reader, FIRST_BYTES);
}
static JobNext next_step(Request *request, StoreReader *reader)
{
    return request_step_query(request, reader, MORE_BYTES);
}

static void begin_query_answer(Request *request)
{
    const char *content_type = request->answer.content_type;
    if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
    } else if (request->finished) {
        request_answer(request, 200, content_type);
    } else if (!buf_reserve(&request->out, MORE_ROOM_BYTES)) {
        /* Now it can still be said. */
        request_problem(request, PROBLEM_BUSY, "too many large requests at once, and no memory for the answer");
    } else {
        request_stream(request, next_step, &(Answer){.code = 200, .content_type = content_type});
    }
}

void request_answer_query(Request *request, Query *query, const char *content_type)
{
    request->query = query;
    request->answer.content_type = content_type;
    request_run(request, first_step, begin_query_answer);
}
