#include "http/records_call.h"
#include "http/route_handlers.h"
#include "record/cloudevents.h"
#include "record/record_check.h"
#include "record/traceparent.h"

/* One record on its way through the processor. */
typedef struct Single {
    RecordsCall *call;
    Record record;
    Outcome outcome;
    RecordProblems problems; /* its unknown fields are the warnings */
} Single;

static const RecordPolicy *policy_of(const Request *request) { return request_options(request)->policy; }

/* ---- The answer -------------------------------------------------------------------------------------------------- */

static void put_message(Buf *out, const char *message)
{
    BUF_PUT(out, "{\"message\":\"");
    buf_put(out, str_from(message));
    BUF_PUT(out, "\",\"data\":{");
}

static void end_answer(Request *request, const Single *single)
{
    buf_put_char(&request->out, '}');
    size_t count = single->problems.unknown_count;
    warnings_put(&request->out, single->problems.unknown_fields,
                 count < RECORD_WARNINGS_MAX ? count : RECORD_WARNINGS_MAX);
    buf_put_char(&request->out, '}');
}

static void put_status(Buf *out, const Single *single, bool is_duplicate)
{
    BUF_PUT(out, "\"recordId\":");
    buf_put_json(out, single->record.record_id);
    buf_put(out, is_duplicate ? STR(",\"status\":\"duplicate\"") : STR(",\"status\":\"created\""));
}

static void say_accepted(Request *request, const Single *single, bool is_duplicate)
{
    put_message(&request->out, "Record accepted");
    put_status(&request->out, single, is_duplicate);
    end_answer(request, single);
    request_answer(request, 202, JSON_TYPE);
}

/* What the record turns out to be is found when the source takes it in. */
static void say_handed_in(Request *request)
{
    const Single *single = request->state;
    if (request->failed != STATUS_OK) {
        records_say_not_handed_in(request);
        return;
    }
    put_message(&request->out, "Record accepted");
    BUF_PUT(&request->out, "\"recordId\":");
    buf_put_json(&request->out, single->record.record_id);
    BUF_PUT(&request->out, ",\"status\":\"accepted\"");
    end_answer(request, single);
    request_answer(request, 202, JSON_TYPE);
}

static void say_dry_run(Request *request, const Single *single, bool is_duplicate)
{
    put_message(&request->out,
                is_duplicate ? "Record already processed (dry run)" : "Record would be processed (dry run)");
    put_status(&request->out, single, is_duplicate);
    buf_put(&request->out, is_duplicate ? STR(",\"isDuplicate\":true,\"dryRun\":true")
                                        : STR(",\"isDuplicate\":false,\"dryRun\":true"));
    end_answer(request, single);
    request_answer(request, 200, JSON_TYPE);
}

static void say_created(Request *request, const Single *single)
{
    put_message(&request->out, "Record processed successfully");
    record_put_json_fields(&request->out, &single->record, single->outcome.seq, policy_of(request)->scale);
    BUF_PUT(&request->out, ",\"isDuplicate\":false");
    end_answer(request, single);
    request_answer(request, 201, JSON_TYPE);
}

/* `record` is the one that is there: equal to the one that came, but after a conflict that the first one wins, or under
 * another id where the content alone counts. */
static void say_duplicate(Request *request, const Single *single, const Record *record, uint32_t differs)
{
    put_message(&request->out, "Record already processed (idempotent response)");
    record_put_json_fields(&request->out, record, single->outcome.seq, policy_of(request)->scale);
    BUF_PUT(&request->out, ",\"isDuplicate\":true");
    if (differs) {
        BUF_PUT(&request->out, ",\"differs\":");
        record_differs_put_json(&request->out, differs);
    }
    end_answer(request, single);
    request_answer(request, 200, JSON_TYPE);
}

static void say_conflict(Request *request, const Single *single)
{
    Buf members;
    buf_init(&members, 16 << 10);
    BUF_PUT(&members, "\"recordId\":");
    buf_put_json(&members, single->record.record_id);
    BUF_PUT(&members, ",\"id\":");
    buf_put_i64(&members, single->outcome.seq);
    BUF_PUT(&members, ",\"differs\":");
    record_differs_put_json(&members, single->outcome.differs);
    request_problem_with(request, PROBLEM_CONFLICT, buf_str(&members),
                         "record %.*s is there already with other content; nothing was changed",
                         STR_ARGS(single->record.record_id));
    buf_release(&members);
}

static void say_outcome(Request *request)
{
    const Single *single = request->state;
    const Outcome *outcome = &single->outcome;
    bool is_first = outcome->kind == OUTCOME_CONFLICT && single->call->first_wins;
    bool is_duplicate = outcome->kind == OUTCOME_DUPLICATE || is_first;
    if (single->call->fault != FAULT_NONE) {
        fault_say(request, single->call->fault);
    } else if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
    } else if (outcome->starved) {
        records_say_starved(request);
    } else if (outcome->kind == OUTCOME_REJECTED) {
        request_invalid(request, "value", "would make a total of its flow too large");
    } else if (outcome->kind == OUTCOME_CONFLICT && !is_first) {
        say_conflict(request, single);
    } else if (single->call->dry_run) {
        say_dry_run(request, single, is_duplicate);
    } else if (single->call->accepts_only) {
        say_accepted(request, single, is_duplicate);
    } else if (is_duplicate) {
        say_duplicate(request, single, outcome->stored ? &outcome->stored->record : &single->record, outcome->differs);
    } else {
        say_created(request, single);
    }
}

/* ---- The call ---------------------------------------------------------------------------------------------------- */

static Status read_single(const Request *request, RecordsCall *call, yyjson_val *value, Single *single)
{
    RecordPolicy policy = *policy_of(request);
    if (call->media == MEDIA_CLOUDEVENT) {
        Str traceparent = {NULL, 0};
        Status status = cloudevent_open(value, &policy, &value, &traceparent, &single->problems);
        if (status != STATUS_OK) {
            return status;
        }
        call->traceparent = traceparent.len ? traceparent_check(traceparent) : call->traceparent;
        policy.faults_refused = true; /* at the top is what is around the record */
    }
    return record_from_json(value, &policy, &single->record, &single->problems);
}

/* The one that is there may be another one than came. */
static bool wants_stored(const Request *request, const RecordsCall *call)
{
    return call->first_wins || policy_of(request)->identity == IDENTITY_CONTENT;
}

static void submit(Request *request, Single *single)
{
    const RecordsCall *call = single->call;
    if (call->by_front_door) {
        request->front_door = (FrontDoorCall){.records = &single->record, .count = 1};
        request_hand_in(request, say_handed_in);
        return;
    }
    request->submission.bytes = request->body.len;
    request->submission.work = (Work){.kind = WORK_RECORDS,
                                      .records = {.items = &single->record,
                                                  .outcomes = &single->outcome,
                                                  .count = 1,
                                                  .dry_run = call->dry_run,
                                                  .simulate_failure = call->fault == FAULT_DURING,
                                                  .stored = wants_stored(request, call) ? &request->arena : NULL}};
    request_submit(request, say_outcome);
}

static void post_single(Request *request, RecordsCall *call, yyjson_val *value)
{
    Single *single = arena_alloc(&request->arena, sizeof *single);
    Status status = single ? read_single(request, call, value, single) : STATUS_BUSY;
    if (status == STATUS_BUSY) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return;
    }
    if (status != STATUS_OK) {
        records_say_invalid(request, (Str){NULL, 0}, &single->problems);
        return;
    }
    single->call = call;
    single->outcome = (Outcome){.kind = OUTCOME_NONE};
    single->record.traceparent = call->traceparent;
    request->state = single;
    submit(request, single);
}

/* An array, or the array in {"records":[…]} or {"events":[…]}; NULL when it is one of them. Given twice, it is the last
 * one and *ret_twice. */
static yyjson_val *find_items(const RecordsCall *call, yyjson_val *root, bool *ret_twice)
{
    yyjson_val *records = NULL, *key;
    if (yyjson_is_arr(root)) {
        return call->media == MEDIA_CLOUDEVENT ? NULL : root;
    }
    if (call->events && yyjson_obj_size(root) != 1) {
        return NULL; /* an event of any shape, which may have such a member */
    }
    yyjson_obj_iter keys = yyjson_obj_iter_with(call->media == MEDIA_JSON ? root : NULL);
    while ((key = yyjson_obj_iter_next(&keys)) != NULL) {
        if (yyjson_equals_str(key, call->events ? "events" : "records")) {
            *ret_twice = records != NULL;
            records = yyjson_obj_iter_get_val(key);
        }
    }
    return yyjson_is_arr(records) ? records : NULL;
}

/* True when the event's headers will do, or it is none. */
static bool check_binary_event(Request *request, RecordsCall *call)
{
    Str specversion = request_header(request, "ce-specversion");
    if (call->media != MEDIA_JSON || specversion.len == 0) {
        return true;
    }
    const char *problem =
        cloudevent_check_headers(specversion, request_header(request, "ce-id"), request_header(request, "ce-source"),
                                 request_header(request, "ce-type"));
    if (problem) {
        request_invalid(request, "headers", "are not a CloudEvent's: %s", problem);
        return false;
    }
    return records_call_trace(request, call, "ce-traceparent");
}

static void post_one(Request *request, RecordsCall *call, yyjson_val *root, Str raw)
{
    if (!fault_read(request, root, &call->fault)) {
        return;
    }
    if (call->by_front_door && call->fault > FAULT_BEFORE) {
        request_invalid(request, FAULT_MEMBER, "must be before: http.front_door is kafka, and there is no transaction");
    } else if (call->fault == FAULT_BEFORE) {
        fault_say(request, call->fault);
    } else if (call->events) {
        events_post_single(request, root, raw);
    } else {
        post_single(request, call, root);
    }
}

/* The bytes of events are kept, and reading changes them where they lie. Of those of an array each event has its own:
 * all of them together are for the case that they cannot be read. */
static bool keep_raw(Request *request, const RecordsCall *call, Arena *values, Str *ret_raw)
{
    Str body = buf_str(&request->body), trimmed = str_trim(body);
    bool is_array = trimmed.len > 0 && *trimmed.ptr == '[' && call->media != MEDIA_CLOUDEVENT;
    *ret_raw = (Str){NULL, 0};
    if (call->events) {
        *ret_raw = arena_copy(is_array ? values : &request->arena, body);
    }
    return !call->events || ret_raw->ptr;
}

/* An event that is no JSON is kept, too. */
static void say_unreadable(Request *request, const RecordsCall *call, Str raw, Status status, const Error *error)
{
    if (status != STATUS_REFUSED) {
        request_failed(request, status, error);
    } else if (!call->events) {
        request_invalid(request, "body", "%s", error->message);
    } else if ((raw = arena_copy(&request->arena, raw)).ptr) {
        events_post_unreadable(request, raw, error->message);
    } else {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the body");
    }
}

static void post_values(Request *request, RecordsCall *call, yyjson_val *root, Str raw)
{
    bool twice = false;
    yyjson_val *items = find_items(call, root, &twice);
    if (twice) {
        request_invalid(request, call->events ? "events" : "records", "is given twice");
    } else if (items && items != root && yyjson_obj_get(root, FAULT_MEMBER)) {
        request_invalid(request, FAULT_MEMBER, PROBLEM_FAULT);
    } else if (items || call->media == MEDIA_CLOUDEVENTS) {
        records_post_many(request, items);
    } else {
        post_one(request, call, root, raw);
    }
}

static void read_body(Request *request, RecordsCall *call, Arena *values)
{
    yyjson_val *root;
    Error error;
    Str raw;
    char *text = buf_reserve(&request->body, YYJSON_PADDING_SIZE) ? request->body.ptr : NULL;
    if (!text || !keep_raw(request, call, values, &raw)) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the body");
        return;
    }
    Status status = json_read(text, request->body.len, values, &root, &error);
    if (status != STATUS_OK) {
        say_unreadable(request, call, raw, status, &error);
    } else if (check_binary_event(request, call)) {
        post_values(request, call, root, raw);
    }
}

/* The values of a long body take several times as much as the body. They are let go when what they say is known, and do
 * not wait for the processor. */
static void post(Request *request, RecordsCall *call)
{
    enum { LONG_BYTES = 64 << 10 };
    Arena values;
    arena_init(&values, LONG_BYTES, request->arena.bytes_max);
    values.budget = &request->memory;
    read_body(request, call, request->body.len > LONG_BYTES ? &values : &request->arena);
    arena_release(&values);
}

static void begin(Request *request, RecordsRoute route)
{
    RecordsCall *call = records_call_read(request, route);
    request->state = call;
    if (call && call->media == MEDIA_NDJSON) {
        records_begin_ndjson(request);
    }
}

void records_begin(Request *request) { begin(request, ROUTE_RECORDS); }
void records_begin_accepting(Request *request) { begin(request, ROUTE_RECORDS_ACCEPTED); }
void events_begin(Request *request) { begin(request, ROUTE_EVENTS); }

void records_post(Request *request)
{
    if (request->take_body) {
        records_finish_ndjson(request);
    } else {
        post(request, request->state);
    }
}
