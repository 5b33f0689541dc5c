/* Events, as they were counted. */
#include "http/query_call.h"
#include "http/route_handlers.h"

/* What status says is ours: each is another question. NULL when an answer was said. */
static QueryNew *question_of(Request *request, QueryParam *params, size_t *count)
{
    QueryNew *question = query_events_new;
    for (size_t i = 0; i < *count; i++) {
        if (!str_is(params[i].name, "status")) {
            continue;
        }
        Str status = params[i].value;
        question = str_is(status, "processed")   ? query_events_new
                   : str_is(status, "duplicate") ? query_event_duplicates_new
                   : str_is(status, "failed")    ? query_event_failures_new
                                                 : NULL;
        params[i] = params[--*count];
        break;
    }
    if (!question) {
        request_invalid(request, "status", "must be processed, duplicate or failed");
    }
    return question;
}

void events_list(Request *request)
{
    size_t count;
    MediaAnswer answer;
    QueryParam *params = query_params(request, &count);
    QueryNew *question = params ? question_of(request, params, &count) : NULL;
    bool is_list = question == query_events_new;
    if (question && request_media(request, is_list ? ANSWER_JSON | ANSWER_NDJSON | ANSWER_CSV : ANSWER_JSON, &answer)) {
        query_answer(request, question, params, count, answer);
    }
}

void events_aggregate(Request *request)
{
    size_t count;
    MediaAnswer answer;
    QueryParam *params = query_params(request, &count);
    if (params && request_media(request, ANSWER_JSON | ANSWER_NDJSON | ANSWER_CSV, &answer)) {
        query_answer(request, query_event_aggregate_new, params, count, answer);
    }
}

/* ---- Whole answers ----------------------------------------------------------------------------------------------- */

static JobNext step(Request *request, StoreReader *reader)
{
    enum { ALL_BYTES = 1 << 30 };
    return request_step_query(request, reader, ALL_BYTES) == JOB_AGAIN ? JOB_AGAIN : JOB_FINISHED;
}

static void say(Request *request)
{
    if (request->failed == STATUS_REFUSED) {
        request_problem(request, PROBLEM_NOT_FOUND, "%s", request->error.message);
    } else if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
    } else {
        request_answer(request, 200, JSON_TYPE);
    }
}

static bool is_hash(Str text)
{
    Record record = {.record_id = text};
    Str key;
    uint64_t number;
    return record_has_event_id(&record, &key, &number) && number == 0;
}

/* Without the name of the hash function, or with it. */
void events_find(Request *request)
{
    const Str prefix = STR("sha256:");
    Str id = request->id;
    const char *full = str_starts_with(id, prefix) ? arena_printf(&request->arena, "%.*s", STR_ARGS(id))
                                                   : arena_printf(&request->arena, "sha256:%.*s", STR_ARGS(id));
    if (!request_check_params(request, NULL, 0)) {
        return;
    }
    if (full && !is_hash(str_from(full))) {
        request_problem(request, PROBLEM_NOT_FOUND, "%.*s is no hash of an event: 64 digits, 0 to 9 and a to f",
                        STR_ARGS(id));
    } else if (!full || query_event_find_new(str_from(full + prefix.len), request_query_options(request),
                                             &request->query) != STATUS_OK) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
    } else {
        request_run(request, step, say);
    }
}

void events_stats(Request *request)
{
    if (!request_check_params(request, NULL, 0)) {
        return;
    }
    if (query_event_stats_new(request_query_options(request), &request->query) != STATUS_OK) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
    } else {
        request_run(request, step, say);
    }
}
