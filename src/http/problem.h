/* Errors as application/problem+json (RFC 9457), one shape for all of them:
 *
 *     {"type":"urn:weir:problem:validation","title":"The request is not valid","status":422,"detail":"…","message":"…",
 *      "instance":"/api/records","errors":{"value":["…"]}}
 *
 * `message` repeats `detail` for clients that look there. The type never changes for the same kind of problem. */
#ifndef WEIR_HTTP_PROBLEM_H
#define WEIR_HTTP_PROBLEM_H

#include "base/buf.h"
#include "base/err.h"

typedef enum ProblemKind {
    PROBLEM_MALFORMED,         /* 400: not a request at all; the connection is closed */
    PROBLEM_FORBIDDEN,         /* 403: see origin.h */
    PROBLEM_NOT_FOUND,         /* 404 */
    PROBLEM_METHOD,            /* 405 */
    PROBLEM_CONFLICT,          /* 409 */
    PROBLEM_PRECONDITION,      /* 412: it is at another version than the client says */
    PROBLEM_TOO_LARGE,         /* 413 */
    PROBLEM_TARGET_TOO_LONG,   /* 414 */
    PROBLEM_MEDIA_TYPE,        /* 415 */
    PROBLEM_VALIDATION,        /* 422 */
    PROBLEM_HEADERS_TOO_LARGE, /* 431 */
    PROBLEM_INTERNAL,          /* 500 */
    PROBLEM_BUSY,              /* 503: nothing happened */
    PROBLEM_UNKNOWN,           /* 503: it may have happened */
    PROBLEM_KIND_COUNT,
} ProblemKind;

typedef struct Problem {
    ProblemKind kind;
    Str detail;   /* a sentence */
    Str instance; /* the path of the request */
    Str members;  /* further members as JSON without braces: "errors":{…}; may be empty */
} Problem;

int problem_code(ProblemKind kind);

/* What a status means to a client. Not for STATUS_OK. */
ProblemKind problem_of_status(Status status);

void problem_put(Buf *buf, const Problem *problem);

#endif
