/* Replays: messages of the past once more, as a bounded job beside a sink's live line. */
#include "deliver/subscription_json.h"
#include "http/json_body.h"
#include "http/look.h"
#include "http/route_handlers.h"
#include "http/sink_json.h"
#include "http/sinks_call.h"

enum { FILTER_BYTES_MAX = SUBSCRIPTION_JSON_BYTES_MAX };

typedef struct ReplayCall {
    Request *request;
    SinkLines lines;
    const LineStatus *named;
    /* Of a new one. */
    Subscription subscription; /* the sink's, narrowed or widened by what the call says; texts in the request's arena */
    uint64_t after, through;
    bool has_after, has_through, dry_run;
    Error problem;  /* of the field that is being read */
    Outbox *outbox; /* of a dry run; owns */
    int64_t counted, counted_through;
    /* Of one that is there. */
    uint64_t id;
    bool found;
    ReplayState state;
} ReplayCall;

static void release(Request *request)
{
    ReplayCall *call = request->state;
    outbox_close(call->outbox);
    call->outbox = NULL;
}

/* NULL when an answer was said. */
static ReplayCall *begin(Request *request)
{
    ReplayCall *call = ARENA_NEW(&request->arena, ReplayCall);
    if (!call) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return NULL;
    }
    call->request = request;
    if (!sink_lines_look(request, &call->lines) || !(call->named = sink_lines_named(request, &call->lines))) {
        return NULL;
    }
    call->subscription = call->named->options->subscription;
    request->state = call;
    request->release = release;
    return call;
}

/* ---- A new one: what is asked for -------------------------------------------------------------------------------- */

static const char *read_after(void *self, const char *name, yyjson_val *value)
{
    ReplayCall *call = self;
    (void)name;
    call->has_after = true;
    return field_integer(value, INT64_MAX, &call->after) ? NULL : "must be a sequence, 0 for the beginning";
}

static const char *read_through(void *self, const char *name, yyjson_val *value)
{
    ReplayCall *call = self;
    (void)name;
    call->has_through = true;
    return field_integer(value, INT64_MAX, &call->through) ? NULL : "must be a sequence";
}

static const char *read_dry_run(void *self, const char *name, yyjson_val *value)
{
    ReplayCall *call = self;
    (void)name;
    return field_bool(value, &call->dry_run) ? NULL : "must be true or false";
}

static const char *read_filter(void *self, const char *name, yyjson_val *value)
{
    ReplayCall *call = self;
    Request *request = call->request;
    Status status = subscription_read_member(str_from(name), value, request_store_info(request)->scale, &request->arena,
                                             &call->subscription, &call->problem);
    return status == STATUS_OK ? NULL : call->problem.message;
}

static const Field fields[] = {
    {"after", read_after},          {"through", read_through}, {"messages", read_filter}, {"sourceId", read_filter},
    {"destinationId", read_filter}, {"unit", read_filter},     {"type", read_filter},     {"valueMin", read_filter},
    {"startTime", read_filter},     {"endTime", read_filter},  {"dryRun", read_dry_run},
};

/* What has been committed by now, and no more: a replay has an end. False when an answer was said. */
static bool check_range(Request *request, ReplayCall *call)
{
    uint64_t last = (uint64_t)store_last_seq(request_options(request)->store);
    call->through = call->has_through && call->through < last ? call->through : last;
    if (!call->has_after && !call->subscription.has_times) {
        request_invalid(request, "after",
                        "is required: the sequence behind which it begins, 0 for everything (or startTime)");
    } else if (call->after >= call->through) {
        request_invalid(request, "after", "must be less than %s, which is %llu",
                        call->has_through ? "through" : "the last sequence", (unsigned long long)call->through);
    } else if (call->subscription.has_times && call->subscription.start_us > call->subscription.end_us) {
        request_invalid(request, "startTime", "must not be later than endTime");
    } else if (call->subscription.value_min == 0 && call->named->options->subscription.value_min > 0) {
        request_invalid(request, "valueMin", "must be greater than 0, since the sink's own filter has one");
    } else {
        return true;
    }
    return false;
}

/* ---- A new one: what it would be --------------------------------------------------------------------------------- */

/* A bounded piece: reading and giving the thread to others in turn. */
static JobNext count_step(Request *request, StoreReader *reader)
{
    enum { PIECES = 4 };
    ReplayCall *call = request->state;
    (void)reader;
    for (int i = 0; i < PIECES; i++) {
        request->failed = outbox_count(call->outbox, call->counted_through, (int64_t)call->through, &call->counted,
                                       &call->counted_through, &request->error);
        if (request->failed != STATUS_OK || call->counted_through >= (int64_t)call->through) {
            return JOB_FINISHED;
        }
    }
    return JOB_AGAIN;
}

static JobNext open_step(Request *request, StoreReader *reader)
{
    ReplayCall *call = request->state;
    if (!call->outbox) {
        request->failed =
            outbox_open(request_options(request)->store, &call->subscription, &call->outbox, &request->error);
        call->counted_through = (int64_t)call->after;
    }
    return request->failed == STATUS_OK ? count_step(request, reader) : JOB_FINISHED;
}

static void say_counted(Request *request)
{
    ReplayCall *call = request->state;
    if (!look_is_done(request)) {
        return;
    }
    BUF_PUT(&request->out, "{\"data\":{\"dryRun\":true,\"count\":");
    buf_put_i64(&request->out, call->counted);
    buf_printf(&request->out, ",\"after\":%llu,\"through\":%llu,\"filter\":", (unsigned long long)call->after,
               (unsigned long long)call->through);
    subscription_put_json(&request->out, &call->subscription, request_store_info(request)->scale);
    BUF_PUT(&request->out, "}}");
    request_answer(request, 200, JSON_TYPE);
}

static void say_created(Request *request)
{
    /* The sink is configured: when it has no row yet, it has one in a moment. */
    if (look_is_written(request, PROBLEM_BUSY)) {
        BUF_PUT(&request->out, "{\"data\":");
        replay_put_json(&request->out, &request->submission.work.replay, NULL);
        buf_put_char(&request->out, '}');
        request_answer(request, 202, JSON_TYPE);
    }
}

static void submit_replay(Request *request, ReplayCall *call)
{
    Buf filter;
    buf_init(&filter, FILTER_BYTES_MAX);
    subscription_put_json(&filter, &call->subscription, request_store_info(request)->scale);
    Str kept = filter.failed ? (Str){NULL, 0} : arena_copy(&request->arena, buf_str(&filter));
    buf_release(&filter);
    if (!kept.ptr) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the filter");
        return;
    }
    request->submission.bytes = 1024 + kept.len;
    request->submission.work = (Work){.kind = WORK_REPLAY_PUT,
                                      .replay = {.sink = str_from(call->named->options->name),
                                                 .after = (int64_t)call->after,
                                                 .through = (int64_t)call->through,
                                                 .filter = kept}};
    request_submit(request, say_created);
}

void replays_create(Request *request)
{
    yyjson_val *body = NULL;
    ReplayCall *call = begin(request);
    if (!call || !request_json_body(request, "the replay", BODY_OPTIONAL, &body) ||
        !request_read_fields(request, body, fields, sizeof fields / sizeof fields[0], call) ||
        !check_range(request, call)) {
        return;
    }
    if (call->dry_run) {
        request_run(request, open_step, say_counted);
    } else {
        submit_replay(request, call);
    }
}

/* ---- Those that are there ---------------------------------------------------------------------------------------- */

static bool put_replay(void *context, const StoredReplay *replay)
{
    Request *request = context;
    const ReplayCall *call = request->state;
    if (request->out.len && request->out.ptr[request->out.len - 1] == '}') {
        buf_put_char(&request->out, ',');
    }
    replay_put_json(&request->out, replay, sink_lines_replay(&call->lines, replay->id));
    return !request->out.failed;
}

static Status read_replays(Request *request, StoreReader *reader)
{
    const ReplayCall *call = request->state;
    return reader_replays(reader, str_from(call->named->options->name), put_replay, request, &request->error);
}

static JobNext list_step(Request *request, StoreReader *reader)
{
    BUF_PUT(&request->out, "{\"data\":[");
    look_read(request, reader, read_replays);
    BUF_PUT(&request->out, "],\"nextCursor\":null}");
    return JOB_FINISHED;
}

void replays_list(Request *request)
{
    if (request_check_params(request, NULL, 0) && begin(request)) {
        request_run(request, list_step, look_say);
    }
}

/* ---- Called off -------------------------------------------------------------------------------------------------- */

static bool find_replay(void *context, const StoredReplay *replay)
{
    ReplayCall *call = context;
    if (replay->id == (int64_t)call->id) {
        call->found = true;
        call->state = replay->state;
    }
    return !call->found;
}

static Status read_one(Request *request, StoreReader *reader)
{
    ReplayCall *call = request->state;
    return reader_replays(reader, str_from(call->named->options->name), find_replay, call, &request->error);
}

static JobNext find_step(Request *request, StoreReader *reader)
{
    look_read(request, reader, read_one);
    return JOB_FINISHED;
}

static void say_cancelled(Request *request)
{
    if (look_is_written(request, PROBLEM_CONFLICT)) {
        request_answer(request, 204, NULL);
    }
}

static void cancel_found(Request *request)
{
    const ReplayCall *call = request->state;
    if (!look_is_done(request)) {
        return;
    }
    if (!call->found) {
        request_problem(request, PROBLEM_NOT_FOUND, "the sink has no replay %.*s", STR_ARGS(request->inner_id));
    } else if (call->state != REPLAY_RUNNING) {
        request_problem(request, PROBLEM_CONFLICT, "the replay %.*s has come to its end already",
                        STR_ARGS(request->inner_id));
    } else {
        request->submission.bytes = 256;
        request->submission.work = (Work){.kind = WORK_REPLAY_CANCEL, .replay = {.id = (int64_t)call->id}};
        request_submit(request, say_cancelled);
    }
}

void replays_cancel(Request *request)
{
    ReplayCall *call = request_check_params(request, NULL, 0) ? begin(request) : NULL;
    if (!call) {
        return;
    }
    if (!str_to_u64(request->inner_id, INT64_MAX, &call->id)) {
        request_problem(request, PROBLEM_NOT_FOUND, "the sink has no replay %.*s", STR_ARGS(request->inner_id));
        return;
    }
    request_run(request, find_step, cancel_found);
}
