#include "http/conn.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/log.h"
#include "http/framing.h"
#include "http/origin.h"
#include "http/routes.h"
#include "http/turn.h"

enum {
    /* A body that is refused is read to its end all the same, so that the client gets to read the answer and the
     * connection can go on. A longer one is not: then the connection is closed. */
    DISCARD_BYTES_MAX = 64 << 20,
    /* Room for so much is made when a Content-Length promises it; for more as it comes. */
    PROMISED_BYTES_MAX = 256 << 10,
    /* What has to come of a stream in the time for a request, where memory is short. */
    STREAMED_BYTES_LEAST = 64 << 10,
};

/* ---- Connections ------------------------------------------------------------------------------------------------- */

static int64_t now_of(const HttpServer *server) { return clock_monotonic_us(server->options.clock); }

/* The library closes a connection on which nothing moves; this closes one on which a request, or an answer, moves too
 * slowly to ever get there. */
void conn_limit(Conn *conn, int64_t now_us, int64_t ms)
{
    atomic_store_explicit(&conn->limit_us, ms ? now_us + ms * 1000 : 0, memory_order_release);
    atomic_store_explicit(&conn->is_patient, false, memory_order_release);
}

/* A stream may take as long as it likes while it moves: the library's idle time-out watches over it. But where memory
 * is short, one that hardly moves makes room. */
static void limit_stream(Request *request)
{
    request->brought = 0;
    conn_limit(request->conn, now_of(request->server), request->server->options.request_ms_max);
    atomic_store_explicit(&request->conn->is_patient, true, memory_order_release);
}

static void link_conn(HttpServer *server, Conn *conn)
{
    pthread_mutex_lock(&server->conns_lock);
    conn->next = server->conns;
    if (conn->next) {
        conn->next->previous = conn;
    }
    server->conns = conn;
    pthread_mutex_unlock(&server->conns_lock);
}

static void unlink_conn(HttpServer *server, Conn *conn)
{
    pthread_mutex_lock(&server->conns_lock);
    *(conn->previous ? &conn->previous->next : &server->conns) = conn->next;
    if (conn->next) {
        conn->next->previous = conn->previous;
    }
    pthread_mutex_unlock(&server->conns_lock);
}

Conn *conn_open(Poller *poller, struct MHD_Connection *mhd)
{
    HttpServer *server = poller->server;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    Conn *conn = calloc(1, sizeof *conn);
    if (!conn || !info) {
        free(conn);
        return NULL;
    }
    *conn = (Conn){.server = server, .poller = poller, .mhd = mhd, .fd = info->connect_fd};
    conn->request = request_new(conn);
    if (!conn->request) {
        free(conn);
        return NULL;
    }
    conn_limit(conn, now_of(server), server->options.idle_ms_max + server->options.request_ms_max);
    link_conn(server, conn);
    return conn;
}

void conn_close(Conn *conn)
{
    if (conn) {
        unlink_conn(conn->server, conn);
        request_free(conn->request);
        free(conn);
    }
}

void conn_on_connection(void *self, struct MHD_Connection *mhd, void **context,
                        enum MHD_ConnectionNotificationCode code)
{
    Poller *poller = self;
    HttpServer *server = poller->server;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        atomic_fetch_add(&server->conn_count, 1);
        *context = conn_open(poller, mhd);
    } else {
        conn_close(*context);
        *context = NULL;
        atomic_fetch_sub(&server->conn_count, 1);
    }
}

/* The library misses the end of a stream that comes together with its last bytes (its polling is edge-triggered, and it
 * does not read again after a short read). Twice in a row, so that a body whose end is just being read is not taken for
 * a torn one. */
static bool is_hung_up(Conn *conn)
{
    struct pollfd fd = {.fd = conn->fd, .events = POLLRDHUP};
    int unread = 0;
    bool waits = !conn->request || atomic_load_explicit(&conn->request->turn, memory_order_relaxed) != TURN_OURS;
    if (waits || !atomic_load_explicit(&conn->expects_body, memory_order_relaxed) || poll(&fd, 1, 0) != 1 ||
        ioctl(conn->fd, FIONREAD, &unread) != 0 || unread > 0) {
        conn->hung_up = 0;
        return false;
    }
    return ++conn->hung_up > 1;
}

static bool is_short_of_memory(const HttpServer *server)
{
    return atomic_load_explicit(&server->bodies.taken, memory_order_relaxed) > server->bodies.bytes_max / 2;
}

static bool is_too_slow(Conn *conn, int64_t now_us, bool is_short)
{
    bool is_patient = atomic_load(&conn->is_patient);
    int64_t limit_us = atomic_load(&conn->limit_us);
    bool waits = conn->request && atomic_load_explicit(&conn->request->turn, memory_order_relaxed) != TURN_OURS;
    if (limit_us && is_patient && waits) {
        /* A stream that waits for us is not slow; unless its own thread has set another limit meanwhile. */
        atomic_compare_exchange_strong(&conn->limit_us, &limit_us,
                                       now_us + conn->server->options.request_ms_max * 1000);
        return false;
    }
    return limit_us && limit_us <= now_us && (is_short || !is_patient);
}

void conns_sweep(HttpServer *server, int64_t now_us)
{
    bool is_short = is_short_of_memory(server);
    pthread_mutex_lock(&server->conns_lock);
    for (Conn *conn = server->conns; conn; conn = conn->next) {
        if (is_too_slow(conn, now_us, is_short) || is_hung_up(conn)) {
            /* The library finds the socket at its end and closes the connection on its own thread. */
            shutdown(conn->fd, SHUT_RDWR);
        }
        if (conn->request) {
            turn_expire(conn->request, now_us);
        }
    }
    pthread_mutex_unlock(&server->conns_lock);
}

void conns_expire_all(HttpServer *server)
{
    pthread_mutex_lock(&server->conns_lock);
    for (Conn *conn = server->conns; conn; conn = conn->next) {
        if (conn->request) {
            turn_expire(conn->request, TURN_NO_LIMIT);
        }
    }
    pthread_mutex_unlock(&server->conns_lock);
}

/* ---- The head of a request --------------------------------------------------------------------------------------- */

void *conn_on_line(void *self, const char *target, struct MHD_Connection *mhd)
{
    HttpServer *server = self;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    Conn *conn = info ? info->socket_context : NULL;
    Request *request = conn ? conn->request : NULL;
    if (!request) {
        return NULL; /* there was no memory for it: the library closes the connection on our word in conn_on_request */
    }
    atomic_fetch_add(&server->requests, 1);
    request->started_us = now_of(server);
    conn_limit(conn, request->started_us, server->options.request_ms_max);
    /* The library decodes its own copy of the target in place, so this one has to be taken now. */
    Str copy = arena_copy(&request->arena, str_from(target));
    request->target_at = target;
    request->uri.path = copy;
    request->instance = copy.ptr ? copy : STR("/");
    return conn;
}

static bool too_long(const Request *request)
{
    return request->uri.path.len + 32 > request->server->options.header_bytes_max;
}

static enum MHD_Result add_header(void *self, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                  const char *value, size_t value_len)
{
    (void)kind;
    framing_add(self, (Str){name, name_len}, (Str){value ? value : "", value ? value_len : 0});
    return MHD_YES;
}

static Framing read_framing(Request *request, const char *version)
{
    Framing framing = {.has_layout = MHD_VERSION < 0x01000000};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    framing_begin(&framing, str_from(request->method), request->uri.path, request->target_at, str_from(version));
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, add_header, &framing);
    framing_end(&framing, info ? request->method + info->header_size : NULL);
    return framing;
}

/* False, and an answer is said after which the connection is closed, when the head is not to be trusted. */
static bool check_head(Request *request, const char *version)
{
    const HttpServerOptions *options = &request->server->options;
    Framing framing = read_framing(request, version);
    const char *problem = framing_problem(&framing, strcmp(version, "HTTP/1.0") != 0);
    request->body_left = framing.is_chunked ? UINT64_MAX : framing.length;
    request->is_last = framing.is_chunked && framing.has_layout;
    if (!request->uri.path.ptr) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
    } else if (problem) {
        atomic_fetch_add_explicit(&request->server->metrics.refused_requests, 1, memory_order_relaxed);
        request_problem(request, PROBLEM_MALFORMED, "%s", problem);
    } else if (too_long(request)) {
        request_problem(request, PROBLEM_TARGET_TOO_LONG,
                        "the address has %zu bytes; %zu are possible for it and the headers", request->uri.path.len,
                        options->header_bytes_max);
    } else if (framing.bytes + request->uri.path.len > options->header_bytes_max ||
               framing.headers > options->headers_max) {
        request_problem(request, PROBLEM_HEADERS_TOO_LARGE,
                        "there are %zu headers of %zu bytes; %u headers and %zu bytes are possible", framing.headers,
                        framing.bytes, options->headers_max, options->header_bytes_max);
    } else {
        return true;
    }
    request->answer.close = true;
    return false;
}

/* False, and an answer is said, when there is nothing at this address. */
static bool find_route(Request *request)
{
    char allow[ROUTE_ALLOW_BYTES];
    Str bad_param, segments[URI_SEGMENTS_MAX] = {{NULL, 0}};
    Error error;
    Str target = request->uri.path;
    if (uri_parse(target, &request->arena, &request->uri, &bad_param, &error) != STATUS_OK) {
        Str rest = target;
        request->instance = str_split(&rest, '?');
        if (bad_param.len) {
            request_invalid(request, arena_printf(&request->arena, "%.*s", STR_ARGS(bad_param)), "%s", error.message);
        } else {
            request_problem(request, PROBLEM_MALFORMED, "the address %s", error.message);
            request->answer.close = true;
        }
        return false;
    }
    request->instance = request->uri.path;
    request->route = route_find(request->method, request->uri.path, segments, allow);
    if (!request->route && allow[0]) {
        request_problem(request, PROBLEM_METHOD, "%s is not possible here; %s are", request->method, allow);
        request->answer.headers[request->answer.header_count++] =
            (AnswerHeader){"Allow", arena_printf(&request->arena, "%s", allow)};
    } else if (!request->route) {
        request_problem(request, PROBLEM_NOT_FOUND, "there is nothing at %.*s", STR_ARGS(request->uri.path));
    } else if (uri_decode(segments[0], false, &request->arena, &request->id, &error) != STATUS_OK ||
               uri_decode(segments[1], false, &request->arena, &request->inner_id, &error) != STATUS_OK) {
        request_problem(request, PROBLEM_MALFORMED, "a part of the address %s", error.message);
    } else {
        return true;
    }
    return false;
}

/* False, and an answer is said, when a page of somebody else may have sent it. */
static bool check_origin(Request *request)
{
    OriginClaims claims = {.host = request_header(request, "Host"),
                           .origin = request_header(request, "Origin"),
                           .fetch_site = request_header(request, "Sec-Fetch-Site"),
                           .only_reads = request_only_reads(request)};
    const char *problem = origin_problem(&request->server->options.origin, &claims);
    if (problem) {
        atomic_fetch_add_explicit(&request->server->metrics.refused_requests, 1, memory_order_relaxed);
        request_problem(request, PROBLEM_FORBIDDEN, "%s", problem);
    }
    return !problem;
}

/* A body whose length is known never takes more room than that. */
static void expect_body(Request *request)
{
    size_t most = request->server->options.body_bytes_max;
    request->body.bytes_max = (request->body_left < most ? (size_t)request->body_left : most) + YYJSON_PADDING_SIZE;
    if (request->body_left != UINT64_MAX && request->body_left > most) {
        request_problem(request, PROBLEM_TOO_LARGE,
                        "the body has %llu bytes; %zu are possible (NDJSON is streamed and has no limit)",
                        (unsigned long long)request->body_left, most);
    }
}

/* What cannot be answered after its body is answered before it, and then the connection is closed. */
static void answer_early(Request *request)
{
    bool is_long = request->body_left != UINT64_MAX && request->body_left > DISCARD_BYTES_MAX;
    bool has_body = request->body_left != 0;
    if (request->answer.close || is_long || (has_body && request->expects_continue)) {
        request->answer.close = true;
        answer_send(request);
    }
}

static void begin(Request *request, const char *method, const char *version)
{
    request->method = method;
    request->expects_continue = str_equal_nocase(request_header(request, "Expect"), STR("100-continue"));
    request->phase = PHASE_BODY;
    if (check_head(request, version) && find_route(request) && check_origin(request)) {
        if (request->route->begin) {
            request->route->begin(request);
        }
        if (request->phase == PHASE_BODY && !request->take_body) {
            expect_body(request);
        }
        request->is_streamed = request->take_body != NULL;
        if (request->is_streamed) {
            limit_stream(request);
        }
    }
    atomic_store_explicit(&request->conn->expects_body, request->body_left != 0, memory_order_relaxed);
    if (request->phase == PHASE_DISCARD) {
        answer_early(request);
    }
}

/* ---- Its body ---------------------------------------------------------------------------------------------------- */

static void keep_piece(Request *request, Str piece)
{
    size_t most = request->server->options.body_bytes_max;
    if (piece.len > most - request->body.len) {
        request_problem(request, PROBLEM_TOO_LARGE, "the body has more than the %zu bytes that are possible", most);
        return;
    }
    if (request->body.len == 0 && request->body_left <= PROMISED_BYTES_MAX) {
        buf_reserve(&request->body, (size_t)request->body_left + YYJSON_PADDING_SIZE);
    }
    buf_put(&request->body, piece);
    if (request->body.failed) {
        request_problem(request, PROBLEM_BUSY, "too many large requests at once; nothing of this one was taken in");
    }
}

static enum MHD_Result take_piece(Request *request, const char *piece, size_t *piece_bytes)
{
    size_t taken = *piece_bytes;
    if (request->phase == PHASE_DISCARD || request->phase == PHASE_ANSWERED) {
        request->discarded += taken;
        if (request->discarded > DISCARD_BYTES_MAX) {
            return MHD_NO;
        }
    } else if (request->take_body) {
        taken = request->take_body(request, (Str){piece, taken});
    } else {
        keep_piece(request, (Str){piece, taken});
    }
    if (request->phase == PHASE_DISCARD) {
        request_forget_body(request);
    }
    request->brought += taken;
    if (request->is_streamed && request->brought >= STREAMED_BYTES_LEAST) {
        limit_stream(request);
    }
    atomic_fetch_add_explicit(&request->server->metrics.body_bytes_in, (long long)taken, memory_order_relaxed);
    *piece_bytes -= taken;
    return MHD_YES;
}

/* ---- The whole of it --------------------------------------------------------------------------------------------- */

/* A request for the same connection, to take the place of one that is left behind. */
static Request *make_successor(const Request *left)
{
    Request *request = request_new(left->conn);
    if (request) {
        request->route = left->route;
        request->method = left->method;
        request->started_us = left->started_us;
        request->uri.path = request->instance = arena_copy(&request->arena, left->instance);
        request->phase = left->phase;
        request->is_streamed = left->is_streamed;
        request->committed_through = left->committed_through;
        request->answer.code = left->answer.code; /* of a stream whose headers are said */
    }
    return request;
}

/* The sweeper looks at a connection's request under the lock, so that one is given away and forgotten in one step:
 * whoever it is left to may free it at once. */
static bool give_away(Conn *conn, bool (*give)(Request *request), Request *successor)
{
    pthread_mutex_lock(&conn->server->conns_lock);
    bool given = give(conn->request);
    if (given) {
        conn->request = successor;
    }
    pthread_mutex_unlock(&conn->server->conns_lock);
    return given;
}

static void say_expired(Request *request)
{
    char members[48] = "";
    atomic_fetch_add_explicit(&request->server->metrics.waits_expired, 1, memory_order_relaxed);
    request->answer.close = true;
    if (request_only_reads(request)) {
        request_problem(request, PROBLEM_BUSY, "this took too long; try again later");
        return;
    }
    if (request->is_streamed) {
        snprintf(members, sizeof members, "\"committedThrough\":%llu", (unsigned long long)request->committed_through);
    }
    request_problem_with(request, PROBLEM_UNKNOWN, str_from(members),
                         "this took too long and may still happen; sending the same request again is safe");
}

/* The time limit of a wait came first. False when the result is there after all. */
bool conn_leave_behind(Conn *conn)
{
    Request *successor = make_successor(conn->request);
    if (!give_away(conn, turn_leave, successor)) {
        request_free(successor);
        return false;
    }
    return true;
}

static void handle(Request *request)
{
    RequestThen *then = request->then;
    if (request->phase == PHASE_DISCARD) {
        answer_send(request);
    } else if (request->phase == PHASE_BODY) {
        request->phase = PHASE_HANDLING;
        atomic_store_explicit(&request->conn->expects_body, false, memory_order_relaxed);
        conn_limit(request->conn, 0, 0);
        request->route->handle(request);
    } else if (request->phase == PHASE_HANDLING && then) {
        request->then = NULL;
        then(request);
    }
    if (!request->waits && request->phase == PHASE_ANSWERED && !request->streaming) {
        /* All of the answer is in `out`, and the client may take its time. */
        request_forget_work(request);
    }
}

enum MHD_Result conn_on_request(void *self, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *piece, size_t *piece_bytes, void **context)
{
    (void)self, (void)mhd, (void)url;
    Conn *conn = *context;
    if (!conn || !conn->request || !conn->request->uri.path.ptr) {
        return MHD_NO;
    }
    bool waited = conn->request->waits;
    TurnBack back = turn_take_back(conn->request);
    if (back == TURN_BACK_NOT_YET) {
        /* The library looks at `suspended` only between the chunks of a body; this one stays where it is. */
        return MHD_YES;
    }
    if (back == TURN_BACK_EXPIRED && conn_leave_behind(conn)) {
        if (!conn->request) {
            return MHD_NO;
        }
        /* In the middle of a body the answer has to wait for its end, as that of any other refusal. */
        say_expired(conn->request);
    }
    Request *request = conn->request;
    if (waited && request->is_streamed && request->phase != PHASE_HANDLING) {
        limit_stream(request);
    }
    if (request->phase == PHASE_LINE) {
        begin(request, method, version);
        return MHD_YES;
    }
    if (*piece_bytes) {
        return take_piece(request, piece, piece_bytes);
    }
    handle(request);
    return MHD_YES;
}

static void count_request(const Request *request, int64_t now_us)
{
    HttpMetrics *metrics = &request->server->metrics;
    if (request->phase == PHASE_ANSWERED) {
        size_t route = request->route ? (size_t)(request->route - routes) : HTTP_METRICS_ROUTES_MAX;
        http_metrics_count(metrics, route, request->answer.code, now_us - request->started_us);
    }
}

void conn_on_completed(void *self, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code)
{
    (void)mhd, (void)code;
    HttpServer *server = self;
    Conn *conn = *context;
    if (!conn) {
        return;
    }
    Request *request = conn->request;
    int64_t now_us = now_of(server);
    atomic_store_explicit(&conn->expects_body, false, memory_order_relaxed);
    if (request) {
        count_request(request, now_us);
        /* It may end while others have the request: the client reset it, and the library found that first when it was
         * resumed. There is no further request on such a connection. */
        if (!request->waits || !give_away(conn, turn_abandon, NULL)) {
            request_reset(request);
        }
    }
    conn_limit(conn, now_us, server->options.idle_ms_max + server->options.request_ms_max);
    atomic_fetch_sub(&server->requests, 1);
}
