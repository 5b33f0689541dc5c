#include "http/problem.h"

static const struct {
    int code;
    const char *type, *title;
} kinds[PROBLEM_KIND_COUNT] = {
    [PROBLEM_MALFORMED] = {400, "malformed-request", "The request is not well formed"},
    [PROBLEM_FORBIDDEN] = {403, "forbidden", "This is not taken from where it comes from"},
    [PROBLEM_NOT_FOUND] = {404, "not-found", "There is nothing here"},
    [PROBLEM_METHOD] = {405, "method-not-allowed", "The method is not possible here"},
    [PROBLEM_CONFLICT] = {409, "conflict", "The request contradicts what is recorded"},
    [PROBLEM_PRECONDITION] = {412, "precondition", "It is not as the request expects it to be"},
    [PROBLEM_TOO_LARGE] = {413, "too-large", "The request is too large"},
    [PROBLEM_TARGET_TOO_LONG] = {414, "address-too-long", "The address is too long"},
    [PROBLEM_MEDIA_TYPE] = {415, "media-type", "The body is of a kind that is not understood here"},
    [PROBLEM_VALIDATION] = {422, "validation", "The request is not valid"},
    [PROBLEM_HEADERS_TOO_LARGE] = {431, "headers-too-large", "The headers are too large"},
    [PROBLEM_INTERNAL] = {500, "internal", "Something went wrong on this side"},
    [PROBLEM_BUSY] = {503, "busy", "Nothing happened; try again later"},
    [PROBLEM_UNKNOWN] = {503, "outcome-unknown", "It may have happened; send the same request again"},
};

int problem_code(ProblemKind kind) { return kinds[kind].code; }

ProblemKind problem_of_status(Status status)
{
    switch (status) {
    case STATUS_REFUSED: return PROBLEM_VALIDATION;
    case STATUS_CONFLICT: return PROBLEM_CONFLICT;
    case STATUS_BUSY: return PROBLEM_BUSY;
    case STATUS_UNKNOWN: return PROBLEM_UNKNOWN;
    case STATUS_OK:
    case STATUS_BROKEN:
    case STATUS_COUNT: break;
    }
    return PROBLEM_INTERNAL;
}

void problem_put(Buf *buf, const Problem *problem)
{
    BUF_PUT(buf, "{\"type\":\"urn:weir:problem:");
    buf_put(buf, str_from(kinds[problem->kind].type));
    BUF_PUT(buf, "\",\"title\":");
    buf_put_json(buf, str_from(kinds[problem->kind].title));
    BUF_PUT(buf, ",\"status\":");
    buf_put_u64(buf, (uint64_t)kinds[problem->kind].code);
    BUF_PUT(buf, ",\"detail\":");
    buf_put_json(buf, problem->detail);
    BUF_PUT(buf, ",\"message\":");
    buf_put_json(buf, problem->detail);
    BUF_PUT(buf, ",\"instance\":");
    buf_put_json(buf, problem->instance);
    if (problem->members.len) {
        buf_put_char(buf, ',');
        buf_put(buf, problem->members);
    }
    buf_put_char(buf, '}');
}
