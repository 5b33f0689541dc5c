/* A single event becomes a record, or a dead letter. */
#include "http/event_set.h"
#include "http/records_call.h"
#include "record/cloudevents.h"
#include "record/record_check.h"
#include "record/traceparent.h"

typedef struct SingleEvent {
    RecordsCall *call;
    EventSet set;
    Record record;
    Outcome outcome;
    RecordProblems problems; /* its unknown fields are the warnings */
    bool refused;
} SingleEvent;

/* NULL when an answer was said. */
static SingleEvent *begin(Request *request)
{
    RecordsCall *call = request->state;
    arena_allow(&request->arena, event_set_bytes_max(1) + sizeof(SingleEvent) + request->body.len + EVENT_RAW_BYTES);
    SingleEvent *single = arena_alloc(&request->arena, sizeof *single);
    if (!single || !event_set_init(&single->set, request_options(request), &request->arena, call->mapping, 1)) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return NULL;
    }
    single->call = call;
    /* At the top is what is around the event. */
    single->set.opened = single->set.policy.faults_refused = call->media == MEDIA_CLOUDEVENT;
    single->outcome = (Outcome){.kind = OUTCOME_NONE};
    single->refused = false;
    record_problems_reset(&single->problems);
    request->state = single;
    return single;
}

/* ---- The answer -------------------------------------------------------------------------------------------------- */

static void say_event(Request *request, const SingleEvent *single, int code, const char *message, const char *status)
{
    Buf *out = &request->out;
    const Outcome *outcome = &single->outcome;
    size_t warnings = single->problems.unknown_count;
    BUF_PUT(out, "{\"message\":\"");
    buf_put(out, str_from(message));
    BUF_PUT(out, "\",\"data\":{");
    const Record *shown = outcome->stored ? &outcome->stored->record : &single->record;
    event_put_json_fields(out, shown, outcome->seq, request_options(request)->policy->scale);
    BUF_PUT(out, ",\"mapping\":");
    buf_put_json(out, single->set.items[0].mapping);
    BUF_PUT(out, ",\"status\":\"");
    buf_put(out, str_from(status));
    buf_put(out, outcome->kind == OUTCOME_CREATED ? STR("\",\"isDuplicate\":false") : STR("\",\"isDuplicate\":true"));
    if (single->call->dry_run) {
        BUF_PUT(out, ",\"dryRun\":true");
    }
    if (outcome->differs) {
        BUF_PUT(out, ",\"differs\":");
        event_differs_put_json(out, outcome->differs);
    }
    buf_put_char(out, '}');
    warnings_put(out, single->problems.unknown_fields, warnings < RECORD_WARNINGS_MAX ? warnings : RECORD_WARNINGS_MAX);
    buf_put_char(out, '}');
    request_answer(request, code, JSON_TYPE);
}

/* By its place the dead letter is found among the others. */
static void say_refused(Request *request, const SingleEvent *single, const IntakeLetter *letter)
{
    Buf members;
    buf_init(&members, 4 << 10);
    if (!single->call->dry_run) {
        BUF_PUT(&members, "\"deadLetter\":{\"source\":\"events\",\"place\":");
        buf_put_json(&members, letter->place);
        BUF_PUT(&members, "},");
    }
    records_say_invalid(request, buf_str(&members), &single->problems);
    buf_release(&members);
}

/* An event like any other, which the store cannot take. */
static void say_rejected(Request *request, SingleEvent *single)
{
    record_problems_reset(&single->problems);
    record_problems_add(&single->problems, STR("amount"), "would make a total of its flow too large");
    say_refused(request, single, &single->set.letters[0]);
}

static void say_taken(Request *request, SingleEvent *single)
{
    bool dry_run = single->call->dry_run;
    if (single->outcome.kind == OUTCOME_REJECTED) {
        say_rejected(request, single);
    } else if (single->outcome.kind == OUTCOME_CREATED) {
        say_event(request, single, dry_run ? 200 : 201,
                  dry_run ? "Event would be processed (dry run)" : "Event processed successfully", "processed");
    } else {
        say_event(request, single, 200,
                  dry_run ? "Event already processed (dry run)" : "Event already processed (idempotent response)",
                  "duplicate");
    }
}

static void say_outcome(Request *request)
{
    SingleEvent *single = request->state;
    const Work *work = &request->submission.work;
    if (single->call->fault != FAULT_NONE) {
        fault_say(request, single->call->fault);
    } else if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
    } else if (single->outcome.starved) {
        records_say_starved(request);
    } else if (work->status != STATUS_OK) {
        request_failed(request, work->status, &work->error);
    } else if (single->refused) {
        say_refused(request, single, &single->set.refused[0]);
    } else {
        say_taken(request, single);
    }
}

/* ---- The call ---------------------------------------------------------------------------------------------------- */

static void submit(Request *request, SingleEvent *single)
{
    const RecordsCall *call = single->call;
    request->submission.bytes = request_bytes_held(request);
    request->submission.work = (Work){.kind = WORK_RECORDS,
                                      .records = {.items = &single->record,
                                                  .outcomes = &single->outcome,
                                                  .count = single->refused ? 0 : 1,
                                                  .dry_run = call->dry_run,
                                                  .stored = &request->arena,
                                                  .simulate_failure = call->fault == FAULT_DURING}};
    event_set_attach(&single->set, &request->submission.work);
    if (single->refused && call->dry_run) {
        say_refused(request, single, &single->set.refused[0]);
    } else {
        request_submit(request, say_outcome);
    }
}

static void go_on(Request *request, SingleEvent *single, Status status)
{
    if (status == STATUS_BUSY) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return;
    }
    single->refused = status != STATUS_OK;
    single->record.traceparent = single->call->traceparent;
    submit(request, single);
}

/* What is around an event is no part of it. */
static Status open_cloudevent(const Request *request, SingleEvent *single, yyjson_val **value, Str *raw)
{
    Str traceparent = {NULL, 0};
    Status status = cloudevent_open(*value, request_options(request)->policy, value, &traceparent, &single->problems);
    if (status != STATUS_OK) {
        return status;
    }
    if (traceparent.len) {
        single->call->traceparent = traceparent_check(traceparent);
    }
    *raw = json_write(*value, single->set.arena);
    return raw->ptr ? STATUS_OK : STATUS_BUSY;
}

void events_post_single(Request *request, yyjson_val *value, Str raw)
{
    SingleEvent *single = begin(request);
    int64_t now_us = clock_wall_us(request_options(request)->clock);
    Status status = STATUS_OK;
    if (!single) {
        return;
    }
    if (single->call->media == MEDIA_CLOUDEVENT) {
        status = open_cloudevent(request, single, &value, &raw);
        if (status == STATUS_REFUSED) {
            status = event_set_refuse(&single->set, raw, now_us, &single->problems) == STATUS_OK ? status : STATUS_BUSY;
        }
    }
    if (status == STATUS_OK) {
        status = event_set_read(&single->set, value, raw, now_us, &single->record, &single->problems);
    }
    go_on(request, single, status);
}

static Status refuse(Request *request, SingleEvent *single, Str raw, const char *why)
{
    Str problem = arena_copy(&request->arena, str_from(why));
    if (!problem.ptr) {
        return STATUS_BUSY;
    }
    record_problems_add(&single->problems, STR("event"), problem.ptr);
    int64_t now_us = clock_wall_us(request_options(request)->clock);
    Status status = event_set_refuse(&single->set, raw, now_us, &single->problems);
    return status == STATUS_OK ? STATUS_REFUSED : status;
}

void events_post_unreadable(Request *request, Str raw, const char *why)
{
    SingleEvent *single = begin(request);
    if (single) {
        go_on(request, single, refuse(request, single, raw, why));
    }
}
