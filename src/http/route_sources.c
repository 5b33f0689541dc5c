/* Sources: how they are, paused and resumed, their places forgotten. What is changed goes through the processor; the
 * sources are told to look then. */
#include "http/json_body.h"
#include "http/look.h"
#include "http/members.h"
#include "http/route_handlers.h"
#include "http/source_json.h"
#include "http/sources_call.h"

/* Of one source; a person who has more parts than that asks the store. */
enum { PLACES_MAX = 1000, PLACES_BYTES_MAX = 8 << 20 };

/* A pause is followed within milliseconds, unless the disk is full, or the source is connecting, which takes ten
 * seconds at most. */
#define PAUSED_WAIT_US INT64_C(12000000)
#define PAUSED_LOOK_US INT64_C(10000)

typedef struct SourcesCall {
    SourceList sources;
    const SourceStatus *named; /* NULL: all are meant */
    StoredSource *stored;      /* of each; without a name where there is none. Texts in the request's arena */
    Buf places;                /* of the one that is named, as JSON; owns */
    size_t place_count;
    bool starved;
    Str reason, part;
    int64_t wait_until_us; /* monotonic */
} SourcesCall;

static void release(Request *request) { buf_release(&((SourcesCall *)request->state)->places); }

/* NULL when an answer was said. */
static SourcesCall *begin(Request *request)
{
    SourcesCall *call = ARENA_NEW(&request->arena, SourcesCall);
    if (!call) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return NULL;
    }
    request_buf_init(request, &call->places, PLACES_BYTES_MAX);
    call->reason = STR("");
    call->part = STR("");
    request->state = call;
    request->release = release;
    if (!source_list_look(request, &call->sources) ||
        (request->id.len && !(call->named = source_list_named(request, &call->sources)))) {
        return NULL;
    }
    return call;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static bool copy_source(void *context, const StoredSource *source)
{
    Request *request = context;
    SourcesCall *call = request->state;
    for (size_t i = 0; i < call->sources.count; i++) {
        if (str_is(source->name, call->sources.items[i].options->name)) {
            call->stored[i] = *source;
            call->stored[i].name = str_from(call->sources.items[i].options->name);
            call->stored[i].reason = arena_copy(&request->arena, source->reason);
            call->starved = call->starved || !call->stored[i].reason.ptr;
        }
    }
    return true;
}

static bool put_place(void *context, const SourcePlace *place)
{
    SourcesCall *call = context;
    if (call->place_count < PLACES_MAX) {
        buf_put(&call->places, call->place_count ? STR(",") : STR(""));
        source_put_place(&call->places, place);
    }
    call->place_count++;
    return true;
}

static Status read_sources(Request *request, StoreReader *reader)
{
    SourcesCall *call = request->state;
    call->stored = ARENA_ARRAY(&request->arena, StoredSource, call->sources.count);
    call->starved = !call->stored;
    Status status = call->starved ? STATUS_OK : reader_sources(reader, copy_source, request, &request->error);
    if (status == STATUS_OK && call->named) {
        call->place_count = 0;
        buf_reset(&call->places);
        status =
            reader_places(reader, str_from(call->named->options->name), put_place, request->state, &request->error);
        call->starved = call->starved || call->places.failed;
    }
    return call->starved ? error_set(&request->error, STATUS_BUSY, "there is no memory for the sources") : status;
}

static JobNext read_step(Request *request, StoreReader *reader)
{
    SourcesCall *call = request->state;
    look_read(request, reader, read_sources);
    source_list_look_again(request, &call->sources);
    return JOB_FINISHED;
}

static void put_source(Request *request, size_t at)
{
    const SourcesCall *call = request->state;
    const StoredSource *stored = &call->stored[at];
    source_put_fields(&request->out, &call->sources.items[at], stored->name.len ? stored : NULL);
    if (call->named) {
        buf_put_key(&request->out, "places");
        buf_put_char(&request->out, '[');
        buf_put(&request->out, buf_str(&call->places));
        buf_put_char(&request->out, ']');
        buf_put_key_i64(&request->out, "placeCount", (int64_t)call->place_count);
    }
    buf_put_char(&request->out, '}');
}

static size_t place_of_named(const SourcesCall *call) { return (size_t)(call->named - call->sources.items); }

static void say_sources(Request *request)
{
    const SourcesCall *call = request->state;
    if (!look_is_done(request)) {
        return;
    }
    BUF_PUT(&request->out, "{\"data\":");
    if (call->named) {
        put_source(request, place_of_named(call));
        buf_put_char(&request->out, '}');
    } else {
        buf_put_char(&request->out, '[');
        for (size_t i = 0; i < call->sources.count; i++) {
            buf_put(&request->out, i ? STR(",") : STR(""));
            put_source(request, i);
        }
        BUF_PUT(&request->out, "],\"nextCursor\":null}");
    }
    request_answer(request, 200, JSON_TYPE);
}

void sources_list(Request *request)
{
    if (request_check_params(request, NULL, 0) && begin(request)) {
        request_run(request, read_step, say_sources);
    }
}

void sources_get(Request *request) { sources_list(request); }

/* ---- Paused, resumed --------------------------------------------------------------------------------------------- */

/* The source as the store has it now; it follows in a moment. */
static void say_changed(Request *request)
{
    if (look_is_written(request, PROBLEM_CONFLICT)) {
        intake_look(request_options(request)->intake);
        request_run(request, read_step, say_sources);
    }
}

static void submit_state(Request *request, SourceState state)
{
    const SourcesCall *call = request->state;
    request->submission.bytes = 1024;
    request->submission.work =
        (Work){.kind = WORK_SOURCE_STATE,
               .source = {.name = str_from(call->named->options->name), .state = state, .reason = call->reason}};
    request_submit(request, say_changed);
}

static const char *read_reason(void *self, const char *name, yyjson_val *value)
{
    SourcesCall *call = self;
    (void)name;
    return field_text(value, &call->reason) ? NULL : "must be 1 to 255 characters";
}

/* The reason of a parameter and of a body live as long as the request. */
void sources_pause(Request *request)
{
    static const Field fields[] = {{"reason", read_reason}};
    yyjson_val *body = NULL;
    SourcesCall *call = begin(request);
    if (call && request_json_body(request, "the reason", BODY_OPTIONAL, &body) &&
        request_read_fields(request, body, fields, sizeof fields / sizeof fields[0], call)) {
        submit_state(request, SOURCE_STATE_PAUSED);
    }
}

/* One that has failed is tried again at once. */
void sources_resume(Request *request)
{
    if (request_check_params(request, NULL, 0) && begin(request)) {
        submit_state(request, SOURCE_STATE_ACTIVE);
    }
}

/* ---- Forgotten --------------------------------------------------------------------------------------------------- */

static const char *read_part(void *self, const char *name, yyjson_val *value)
{
    SourcesCall *call = self;
    (void)name;
    call->part = yyjson_is_str(value) ? (Str){yyjson_get_str(value), yyjson_get_len(value)} : STR("");
    return call->part.len && call->part.len <= SOURCE_PART_BYTES_MAX ? NULL : "must be a part as the places have it";
}

static void say_forgotten(Request *request)
{
    const SourcesCall *call = request->state;
    size_t count = request->submission.work.forget.count;
    if (!look_is_written(request, PROBLEM_CONFLICT)) {
        return;
    }
    if (call->part.len && count == 0) {
        request_problem(request, PROBLEM_NOT_FOUND, "%s has no place in the part %.*s", call->named->options->name,
                        STR_ARGS(call->part));
        return;
    }
    intake_look(request_options(request)->intake);
    BUF_PUT(&request->out, "{\"data\":{");
    member_put_text(&request->out, "source", str_from(call->named->options->name));
    member_put_text(&request->out, "part", call->part);
    buf_put_key_i64(&request->out, "forgotten", (int64_t)count);
    BUF_PUT(&request->out, "}}");
    request_answer(request, 200, JSON_TYPE);
}

/* By the word of the store, or of the source. */
static bool is_stopped(const SourcesCall *call)
{
    return call->named->condition == SOURCE_FAILED || call->stored[place_of_named(call)].state == SOURCE_STATE_PAUSED;
}

static bool is_at_rest(const SourcesCall *call)
{
    return (call->named->condition == SOURCE_PAUSED || call->named->condition == SOURCE_FAILED) &&
           !call->named->is_storing;
}

/* A group that is still to be stored would put its places again, and is waited for. */
static JobNext rest_step(Request *request, StoreReader *reader)
{
    SourcesCall *call = request->state;
    read_step(request, reader);
    if (request->failed != STATUS_OK || !is_stopped(call) || is_at_rest(call) ||
        request_now_us(request) >= call->wait_until_us) {
        return JOB_FINISHED;
    }
    request->wake_us = request_now_us(request) + PAUSED_LOOK_US;
    return JOB_SLEEP;
}

static void forget_at_rest(Request *request)
{
    const SourcesCall *call = request->state;
    if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
    } else if (!is_at_rest(call) && is_stopped(call)) {
        request_problem(request, PROBLEM_BUSY, "%s is not at rest yet; try again in a moment",
                        call->named->options->name);
    } else if (!is_at_rest(call)) {
        request_problem(request, PROBLEM_CONFLICT,
                        "%s is %s; pause it first, since it would put its places again meanwhile",
                        call->named->options->name, source_condition_name(call->named->condition));
    } else {
        request->submission.bytes = 1024 + call->part.len;
        request->submission.work = (Work){
            .kind = WORK_SOURCE_FORGET, .forget = {.source = str_from(call->named->options->name), .part = call->part}};
        request_submit(request, say_forgotten);
    }
}

void sources_forget(Request *request)
{
    static const Field fields[] = {{"part", read_part}};
    yyjson_val *body = NULL;
    SourcesCall *call = begin(request);
    if (call && request_json_body(request, "the part", BODY_OPTIONAL, &body) &&
        request_read_fields(request, body, fields, sizeof fields / sizeof fields[0], call)) {
        call->wait_until_us = request_now_us(request) + PAUSED_WAIT_US;
        request_run_for(request, rest_step, forget_at_rest, call->wait_until_us);
    }
}
