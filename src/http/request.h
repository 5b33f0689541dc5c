/* A request as its handler sees it.
 *
 * A handler runs on its connection's thread and must not block there. It ends in one of these:
 *
 *     request_answer, request_problem      the answer is said
 *     request_stream                       the answer is produced piece by piece by a job
 *     request_submit                       the processor is asked; `then` goes on when it has decided
 *     request_hand_in                      the front door is asked; `then` goes on when the broker has it
 *     request_run                          a job reads the store on a query thread; `then` goes on when it is finished
 *
 * While a request waits, its connection is suspended and others have it: nothing of it may be touched here. Each wait
 * has a time limit; when that comes first, the connection leaves the request behind (whoever has it frees it) and
 * answers 503. */
#ifndef WEIR_HTTP_REQUEST_H
#define WEIR_HTTP_REQUEST_H

#include "base/arena.h"
#include "http/media.h"
#include "http/problem.h"
#include "http/server.h"
#include "http/uri.h"

typedef struct Conn Conn;
typedef struct Request Request;
typedef struct Route Route;

typedef void RequestThen(Request *request);

typedef enum JobNext {
    JOB_FINISHED, /* the connection goes on: with `then`, or by sending what is in `out` */
    JOB_AGAIN,    /* another step, after the others that wait for a thread */
    JOB_SLEEP,    /* another step when the log has grown (if wake_on_commit) or at wake_us, whichever is first */
} JobNext;

/* One step on a query thread; takes 50 ms or so, no more. */
typedef JobNext RequestJob(Request *request, StoreReader *reader);

typedef struct AnswerHeader {
    const char *name, *value; /* borrow until the answer is said */
} AnswerHeader;
enum { ANSWER_HEADERS_MAX = 4 };

typedef struct Answer {
    int code;
    const char *content_type; /* NULL: there is no body */
    AnswerHeader headers[ANSWER_HEADERS_MAX];
    size_t header_count;
    bool close; /* the connection, after it */
} Answer;

typedef enum RequestPhase {
    PHASE_LINE,     /* the request line came in */
    PHASE_BODY,     /* its handler gets the body */
    PHASE_DISCARD,  /* the body is read and forgotten, then `answer` is said */
    PHASE_HANDLING, /* all is there */
    PHASE_ANSWERED,
} RequestPhase;

struct Request {
    /* What stays from one request of a connection to the next. */
    HttpServer *server;
    Conn *conn;
    struct MHD_Connection *mhd;
    _Atomic int64_t turn; /* see turn.h */
    Budget memory;        /* what it holds beyond what its connection keeps; a part of the budget of all requests */
    Arena arena;          /* emptied when the request ends */
    Buf body;             /* a body that is read whole, with room for YYJSON_PADDING_SIZE behind it; emptied likewise */
    Buf out;              /* the answer's body; likewise */

    /* What is cleared: from here … */
    RequestPhase phase;
    const Route *route;    /* NULL until it is known */
    const char *method;    /* "GET"; the library's, until the request ends */
    const char *target_at; /* where the library has it, and decodes it in place: see framing_begin */
    Str instance;          /* the path, as it was sent */
    bool is_last;          /* of its connection, see framing.h */
    Uri uri;
    Str id;       /* what stands for {…} in the route's pattern, decoded */
    Str inner_id; /* what stands for the second one */
    Answer answer;
    int64_t started_us;
    uint64_t body_left; /* of its Content-Length; UINT64_MAX when it is chunked */

    /* Takes a piece of the body and says how many bytes it took; when that is not all it has called turn_wait. Set by
     * the route's `begin`; NULL: the body is read whole. */
    size_t (*take_body)(Request *request, Str piece);
    size_t brought;                    /* of such a body, since its limit was set */
    bool is_streamed;                  /* take_body has it, or had it before the request was left behind */
    uint64_t committed_through;        /* of a body that is streamed: the line up to which all is decided */
    void *state;                       /* the handler's own */
    void (*release)(Request *request); /* of that; may be NULL. On any thread, when nothing else has the request */

    /* For the route's jobs. */
    Query *query;
    bool streaming;  /* the answer's headers are said */
    bool is_endless; /* an event stream, which lives until its client goes, or the server stops; it is counted */
    bool finished;   /* all of the answer is in `out` */
    Status failed;   /* a job's or the processor's error, with `error`; STATUS_OK */
    bool submitted;  /* to the processor, at least once */
    int64_t wake_us; /* for JOB_SLEEP, monotonic */
    bool wake_on_commit;
    int64_t seen_seq; /* the server's last_seq before the job looked and found nothing */

    /* Waiting; see turn.h, query_pool.h, ticker.h. */
    bool waits;
    RequestThen *then;
    RequestJob *job;
    Request *next;
    bool to_pool;          /* a sleeper's: on waking it goes to a query thread, not to its connection */
    size_t sent;           /* of `out` */
    uint64_t discarded;    /* bytes of a body that is only read to be polite */
    bool expects_continue; /* the client waits for a word before it sends the body */

    /* … to here. These are large, and filled before they are looked at. */
    Error error;
    Submission submission;    /* of handlers that need one */
    FrontDoorCall front_door; /* likewise */
};

/* ---- What was asked ---------------------------------------------------------------------------------------------- */

const HttpServerOptions *request_options(const Request *request);
/* What its body and all that was made of it take until it is answered, for Submission.bytes. The memory that its
 * connection keeps for every request is not in it. */
size_t request_bytes_held(const Request *request);
const StoreInfo *request_store_info(const Request *request);
const QueryOptions *request_query_options(const Request *request);

/* A buffer that counts in the request's memory. */
void request_buf_init(Request *request, Buf *buf, size_t bytes_max);

/* A header's value; empty when it is not there. It is the library's, until the request is answered: of one that is left
 * behind, whoever has it still must not look. */
Str request_header(const Request *request, const char *name);
/* The same for what is handed to others: a copy in the request's arena. False, and a 503 is said, without memory. */
bool request_keep_header(Request *request, const char *name, Str *ret_value);

/* A query parameter; NULL when it is not there. The first of several. */
const QueryParam *request_param(const Request *request, const char *name);

/* False, and a 422 is said that names each unknown (or repeated) parameter and the nearest known one. */
bool request_check_params(Request *request, const char *const *known, size_t count);

/* "true" or "1", "false" or "0", absent is `otherwise`. False, and a 422 is said, for anything else. */
bool request_bool_param(Request *request, const char *name, bool otherwise, bool *ret_value);
bool request_u64_param(Request *request, const char *name, uint64_t otherwise, uint64_t max, uint64_t *ret_value);

/* By ?format=, else by Accept. False, and a 422 is said, for a format that is not offered. */
bool request_media(Request *request, unsigned offered, MediaAnswer *ret_answer);

/* ---- How it is answered ------------------------------------------------------------------------------------------ */

/* Says what `out` holds. */
void request_answer(Request *request, int code, const char *content_type);
/* The same with headers and so on. */
void request_answer_with(Request *request, const Answer *answer);
#define JSON_TYPE "application/json"

/* Replaces what `out` holds by a problem with further members, as JSON without braces. */
void request_problem_with(Request *request, ProblemKind kind, Str members, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Without. */
#define request_problem(request, kind, ...) request_problem_with((request), (kind), (Str){NULL, 0}, __VA_ARGS__)
/* A 422 about one field. */
void request_invalid(Request *request, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A 422 with several. */
void request_invalid_params(Request *request, const QueryProblems *problems);
/* By the status of a part of the program that failed; `error` tells. A failure of ours is logged. */
void request_failed(Request *request, Status status, const Error *error);

/* Hands request->submission in; its work and bytes are filled by the caller. `then` finds its outcome in
 * request->failed, request->error and submission.work. When the processor's queue is full a 503 is said instead. */
void request_submit(Request *request, RequestThen *then);

/* The same with request->front_door, whose records are filled in by the caller. `then` finds in request->failed and
 * request->error what became of them. */
void request_hand_in(Request *request, RequestThen *then);

/* Runs `job` on a query thread until it is finished, then `then` here. */
void request_run(Request *request, RequestJob *job, RequestThen *then);
/* The same for one that sleeps on purpose: the usual time limit counts from `until_us`, when that is later than now. */
void request_run_for(Request *request, RequestJob *job, RequestThen *then, int64_t until_us);

/* Says the headers, then `out`, and whenever that is sent resets it and runs `job` for more, until `finished`. */
void request_stream(Request *request, RequestJob *job, const Answer *answer);

/* For an event stream, before anything is done for it. False, and a 503 is said, when there are too many at once. */
bool request_begin_events(Request *request);
/* The same as request_stream for events. */
void request_stream_events(Request *request, RequestJob *job);

/* For a job that steps request->query: appends to `out`. Finished when `wanted` bytes are there or all is said. */
JobNext request_step_query(Request *request, StoreReader *reader, size_t wanted);

/* Answers a query: its first step decides over the status, then what it says is streamed. Takes over the query. */
void request_answer_query(Request *request, Query *query, const char *content_type);

int64_t request_now_us(const Request *request); /* monotonic */

#endif
