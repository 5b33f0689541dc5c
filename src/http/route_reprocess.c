/* Events of the past are read again: what would change is told, or put right. */
#include "http/json_body.h"
#include "http/route_handlers.h"
#include "query/reprocess.h"

enum { PARAMS_MAX = 4, CORRECTION_BYTES = 2 << 10 };

typedef struct ReprocessCall {
    ReprocessOptions options;
    bool dry_run, has_dry_run;
    QueryParam params[PARAMS_MAX]; /* what the query reads itself */
    size_t param_count;
    /* What is put right: all changes in one piece, or, when some of them cannot be taken, one after another. */
    ReprocessPlan plan;
    size_t from, at_once; /* changes */
    Outcome *outcomes;
    EventChange events;
    int64_t corrected, refused;
} ReprocessCall;

/* ---- What is asked for ------------------------------------------------------------------------------------------- */

static const char *read_dry_run(void *self, const char *name, yyjson_val *value)
{
    ReprocessCall *call = self;
    (void)name;
    call->has_dry_run = true;
    return field_bool(value, &call->dry_run) ? NULL : "must be true or false";
}

static const char *read_take_back(void *self, const char *name, yyjson_val *value)
{
    ReprocessCall *call = self;
    (void)name;
    return field_bool(value, &call->options.take_back) ? NULL : "must be true or false";
}

static const char *read_mapping(void *self, const char *name, yyjson_val *value)
{
    ReprocessCall *call = self;
    (void)name;
    return field_text(value, &call->options.mapping) ? NULL : "must be the name of a mapping";
}

static const char *read_place(void *self, const char *name, yyjson_val *value)
{
    ReprocessCall *call = self;
    uint64_t number;
    bool is_after = strcmp(name, "after") == 0;
    if (!field_integer(value, INT64_MAX - 1, &number) || (!is_after && number == 0)) {
        return is_after ? "must be a sequence, 0 for the beginning" : "must be a sequence";
    }
    *(is_after ? &call->options.after : &call->options.through) = (int64_t)number;
    return NULL;
}

static const char *read_duplicate(void *self, const char *name, yyjson_val *value)
{
    ReprocessCall *call = self;
    uint64_t number;
    (void)name;
    if (!field_integer(value, INT64_MAX - 1, &number)) {
        return "must be the nextDuplicate of the call before";
    }
    call->options.after_duplicate = (int64_t)number;
    return NULL;
}

static const char *read_param(void *self, const char *name, yyjson_val *value)
{
    ReprocessCall *call = self;
    Str text = {yyjson_is_raw(value) ? yyjson_get_raw(value) : yyjson_get_str(value), yyjson_get_len(value)};
    if (!text.ptr) {
        return "must be a string";
    }
    call->params[call->param_count++] = (QueryParam){str_from(name), text};
    return NULL;
}

static const Field fields[] = {
    {"afterDuplicate", read_duplicate},
    {"takeBackUnreadable", read_take_back},
    {"dryRun", read_dry_run},
    {"mapping", read_mapping},
    {"after", read_place},
    {"through", read_place},
    {"client", read_param},
    {"startDate", read_param},
    {"endDate", read_param},
    {"limit", read_param},
};

/* By content the reversal of a correction may be there already, as another record. False when an answer was said. */
static bool check_call(Request *request, const ReprocessCall *call)
{
    if (!call->has_dry_run) {
        request_invalid(request, "dryRun", "is required: true only tells what would change, false puts it right");
    } else if (!call->dry_run && request_store_info(request)->identity == IDENTITY_CONTENT) {
        request_problem(
            request, PROBLEM_CONFLICT,
            "records of this store are known by their content (store.identity), so that a correction could not "
            "be told from a record that is there");
    } else {
        return true;
    }
    return false;
}

/* ---- Putting right ----------------------------------------------------------------------------------------------- */

static void submit(Request *request);

static void say_all(Request *request)
{
    const ReprocessCall *call = request->state;
    buf_printf(&request->out, ",\"dryRun\":%s", call->dry_run ? "true" : "false");
    if (!call->dry_run) {
        buf_printf(&request->out, ",\"corrected\":%lld,\"refused\":%lld", (long long)call->corrected,
                   (long long)call->refused);
    }
    BUF_PUT(&request->out, "}}");
    request_answer(request, 200, JSON_TYPE);
}

/* The first record of a change. */
static size_t begin_of(const ReprocessCall *call, size_t change) { return change ? call->plan.ends[change - 1] : 0; }

/* By the last record of each: one that is there already was put by another call that did the same. */
static void count_corrected(ReprocessCall *call)
{
    size_t first = begin_of(call, call->from);
    for (size_t i = call->from; i < call->from + call->at_once; i++) {
        call->corrected += call->outcomes[call->plan.ends[i] - 1 - first].kind == OUTCOME_CREATED;
    }
}

static void go_on(Request *request)
{
    ReprocessCall *call = request->state;
    call->from += call->at_once;
    if (call->from < call->plan.changes) {
        submit(request);
    } else {
        say_all(request);
    }
}

/* Of several, one that cannot be taken keeps out the others: they are handed in one by one. */
static void say_written(Request *request)
{
    ReprocessCall *call = request->state;
    const Work *work = &request->submission.work;
    if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
    } else if (work->status == STATUS_OK) {
        count_corrected(call);
        go_on(request);
    } else if (work->status != STATUS_CONFLICT) {
        request_failed(request, work->status, &work->error);
    } else if (call->at_once > 1) {
        call->at_once = 1;
        submit(request);
    } else {
        call->refused++;
        go_on(request);
    }
}

static size_t bytes_of(const ReprocessPlan *plan, size_t first, size_t count)
{
    size_t bytes = count * CORRECTION_BYTES;
    for (size_t i = first; i < first + count; i++) {
        bytes += plan->items[i].raw.len;
    }
    return bytes;
}

static void submit(Request *request)
{
    ReprocessCall *call = request->state;
    size_t first = begin_of(call, call->from), count = begin_of(call, call->from + call->at_once) - first;
    call->events = (EventChange){.items = &call->plan.items[first]};
    request->submission.bytes = bytes_of(&call->plan, first, count);
    request->submission.work = (Work){.kind = WORK_RECORDS,
                                      .records = {.items = &call->plan.records[first],
                                                  .outcomes = call->outcomes,
                                                  .count = count,
                                                  .atomic = true,
                                                  .quiet = true,
                                                  .events = &call->events}};
    request_submit(request, say_written);
}

static void begin_writing(Request *request)
{
    ReprocessCall *call = request->state;
    call->at_once = call->plan.changes;
    call->outcomes = ARENA_ARRAY(&request->arena, Outcome, begin_of(call, call->plan.changes));
    if (call->outcomes) {
        submit(request);
    } else {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
    }
}

/* ---- The call ---------------------------------------------------------------------------------------------------- */

static JobNext look_step(Request *request, StoreReader *reader)
{
    enum { ALL_BYTES = 1 << 30 };
    return request_step_query(request, reader, ALL_BYTES) == JOB_AGAIN ? JOB_AGAIN : JOB_FINISHED;
}

static void looked(Request *request)
{
    ReprocessCall *call = request->state;
    if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
        return;
    }
    call->plan = query_reprocess_plan(request->query);
    if (call->dry_run || call->plan.changes == 0) {
        say_all(request);
    } else {
        begin_writing(request);
    }
}

static void run(Request *request, const ReprocessCall *call)
{
    QueryProblems problems = {.count = 0};
    Status status = query_reprocess_new(&call->options, call->params, call->param_count, request_query_options(request),
                                        &request->query, &problems);
    if (status == STATUS_OK) {
        request_run(request, look_step, looked);
    } else if (status == STATUS_REFUSED) {
        request_invalid_params(request, &problems);
    } else {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the query");
    }
}

void events_reprocess(Request *request)
{
    yyjson_val *body = NULL;
    ReprocessCall *call = ARENA_NEW(&request->arena, ReprocessCall);
    if (!call) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return;
    }
    request->state = call;
    if (request_json_body(request, "what to read again", BODY_OPTIONAL, &body) &&
        request_read_fields(request, body, fields, sizeof fields / sizeof fields[0], call) &&
        check_call(request, call)) {
        run(request, call);
    }
}
