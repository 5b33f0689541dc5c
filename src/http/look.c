#include "http/look.h"

void look_read(Request *request, StoreReader *reader, LookRead *read)
{
    StoreView *view = NULL;
    request->failed = reader_begin(reader, &view, &request->error);
    if (request->failed == STATUS_OK) {
        request->failed = read(request, reader);
        if (request->failed == STATUS_OK) {
            request->failed = reader_check(reader, &request->error);
        }
        reader_end(reader);
        view_free(view);
    }
}

bool look_is_done(Request *request)
{
    if (request->failed == STATUS_OK) {
        return true;
    }
    request_failed(request, request->failed, &request->error);
    return false;
}

void look_say_none(Request *request, const char *what)
{
    request_problem(request, PROBLEM_NOT_FOUND, "there is no %s %.*s", what, STR_ARGS(request->id));
}

bool look_has_found(Request *request, bool found, const char *what)
{
    bool is_done = look_is_done(request);
    if (is_done && !found) {
        look_say_none(request, what);
    }
    return is_done && found;
}

void look_say(Request *request)
{
    if (look_is_done(request)) {
        request_answer(request, 200, JSON_TYPE);
    }
}

bool look_is_written(Request *request, ProblemKind lost)
{
    const Work *work = &request->submission.work;
    if (!look_is_done(request)) {
        return false;
    }
    if (work->status == STATUS_REFUSED) {
        request_problem(request, lost, "%s", work->error.message);
    } else if (work->status != STATUS_OK) {
        request_failed(request, work->status, &work->error);
    }
    return work->status == STATUS_OK;
}

void look_say_count(Request *request, int code, bool dry_run, int64_t count)
{
    buf_printf(&request->out, "{\"data\":{\"dryRun\":%s,\"count\":%lld}}", dry_run ? "true" : "false",
               (long long)count);
    request_answer(request, code, JSON_TYPE);
}
