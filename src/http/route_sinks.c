/* Sinks: how they are, paused and resumed. What is changed goes through the processor; the lines follow by
 * themselves. */
#include "http/json_body.h"
#include "http/look.h"
#include "http/route_handlers.h"
#include "http/sink_json.h"
#include "http/sinks_call.h"

typedef struct SinksCall {
    SinkLines lines;
    const LineStatus *named; /* NULL: all are meant */
    StoredSink *stored;      /* of each line; without a name where there is none. Texts in the request's arena */
    bool starved;
    Str reason;
} SinksCall;

/* NULL when an answer was said. */
static SinksCall *begin(Request *request)
{
    SinksCall *call = ARENA_NEW(&request->arena, SinksCall);
    if (!call) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return NULL;
    }
    if (!sink_lines_look(request, &call->lines)) {
        return NULL;
    }
    call->reason = STR("");
    request->state = call;
    if (request->id.len && !(call->named = sink_lines_named(request, &call->lines))) {
        return NULL;
    }
    return call;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static bool copy_sink(void *context, const StoredSink *sink)
{
    Request *request = context;
    SinksCall *call = request->state;
    for (size_t i = 0; i < call->lines.count; i++) {
        if (!str_is(sink->name, call->lines.lines[i].options->name)) {
            continue;
        }
        call->stored[i] = *sink;
        call->stored[i].name = str_from(call->lines.lines[i].options->name);
        call->stored[i].reason = arena_copy(&request->arena, sink->reason);
        call->starved = call->starved || !call->stored[i].reason.ptr;
    }
    return true;
}

static Status read_sinks(Request *request, StoreReader *reader)
{
    SinksCall *call = request->state;
    call->stored = ARENA_ARRAY(&request->arena, StoredSink, call->lines.count);
    call->starved = !call->stored;
    Status status = call->starved ? STATUS_OK : reader_sinks(reader, copy_sink, request, &request->error);
    return call->starved ? error_set(&request->error, STATUS_BUSY, "there is no memory for the sinks") : status;
}

static JobNext read_step(Request *request, StoreReader *reader)
{
    look_read(request, reader, read_sinks);
    return JOB_FINISHED;
}

static void put_sink(Request *request, size_t at)
{
    const SinksCall *call = request->state;
    const StoredSink *stored = &call->stored[at];
    sink_put_json(&request->out, &call->lines.lines[at], stored->name.len ? stored : NULL, call->lines.lines,
                  call->lines.count, request_store_info(request)->scale);
}

static void put_all(Request *request)
{
    const SinksCall *call = request->state;
    const char *separator = "";
    BUF_PUT(&request->out, "{\"data\":[");
    for (size_t i = 0; i < call->lines.count; i++) {
        if (!call->lines.lines[i].job) {
            buf_put(&request->out, str_from(separator));
            put_sink(request, i);
            separator = ",";
        }
    }
    BUF_PUT(&request->out, "],\"nextCursor\":null}");
}

static void say_sinks(Request *request)
{
    const SinksCall *call = request->state;
    if (!look_is_done(request)) {
        return;
    }
    if (call->named) {
        BUF_PUT(&request->out, "{\"data\":");
        put_sink(request, (size_t)(call->named - call->lines.lines));
        buf_put_char(&request->out, '}');
    } else {
        put_all(request);
    }
    request_answer(request, 200, JSON_TYPE);
}

void sinks_list(Request *request)
{
    if (request_check_params(request, NULL, 0) && begin(request)) {
        request_run(request, read_step, say_sinks);
    }
}

void sinks_get(Request *request) { sinks_list(request); }

/* ---- Changing ---------------------------------------------------------------------------------------------------- */

/* The sink as the store has it now; its line follows within DISPATCHER_CONTROL_US. A sink that is configured and not in
 * the store yet is there in a moment. */
static void say_changed(Request *request)
{
    if (look_is_written(request, PROBLEM_BUSY)) {
        request_run(request, read_step, say_sinks);
    }
}

static void submit_state(Request *request, SinkState state)
{
    const SinksCall *call = request->state;
    request->submission.bytes = 1024;
    request->submission.work =
        (Work){.kind = WORK_SINK_STATE,
               .sink = {.name = str_from(call->named->options->name), .state = state, .reason = call->reason}};
    request_submit(request, say_changed);
}

static const char *read_reason(void *self, const char *name, yyjson_val *value)
{
    SinksCall *call = self;
    (void)name;
    return field_text(value, &call->reason) ? NULL : "must be 1 to 255 characters";
}

/* The reason of a parameter and of a body live as long as the request. */
void sinks_pause(Request *request)
{
    static const Field fields[] = {{"reason", read_reason}};
    yyjson_val *body = NULL;
    SinksCall *call = begin(request);
    if (call && request_json_body(request, "the reason", BODY_OPTIONAL, &body) &&
        request_read_fields(request, body, fields, sizeof fields / sizeof fields[0], call)) {
        submit_state(request, SINK_STATE_PAUSED);
    }
}

void sinks_resume(Request *request)
{
    if (request_check_params(request, NULL, 0) && begin(request)) {
        submit_state(request, SINK_STATE_ACTIVE);
    }
}
