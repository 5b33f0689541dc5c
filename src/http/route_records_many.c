#include "http/event_set.h"
#include "http/records_call.h"
#include "record/cloudevents.h"
#include "record/traceparent.h"

enum { ENTRIES_BYTES_ENOUGH = 16 << 20 };

/* The place of an item of the array: a record for the processor, or the entry of one that was refused. */
typedef struct Item {
    size_t record; /* when there is no entry */
    Str entry;
} Item;

typedef struct Many {
    RecordsCall *call;
    Item *items;
    size_t item_count;
    Record *records;
    Outcome *outcomes;
    size_t record_count;
    RecordPolicy policy;
    EventSet events; /* when that is what they are */
    int64_t received_us;
    size_t entry_bytes; /* of all entries */
    Results results;
    Buf errors; /* members of a 422 about the whole: "records.3.value":["…"], "events.3.amount":["…"] */
} Many;

static const char *noun(const RecordsCall *call) { return call->events ? "events" : "records"; }

static void release_many(Request *request)
{
    Many *many = request->state;
    results_release(&many->results);
    buf_release(&many->errors);
}

/* All of them were left out because of some. */
static void say_all_refused(Request *request, Many *many, ProblemKind kind, const char *why)
{
    Buf members;
    request_buf_init(request, &members, 64 << 20);
    if (many->errors.len && !many->errors.failed) {
        BUF_PUT(&members, "\"errors\":{");
        buf_put(&members, buf_str(&many->errors));
        BUF_PUT(&members, "},");
    }
    BUF_PUT(&members, "\"data\":");
    results_put(&members, &many->results);
    results_release(&many->results);
    request_problem_with(request, kind, buf_str(&members), "some %s %s; nothing was taken in", noun(many->call), why);
    buf_release(&members);
}

static void gather(Many *many)
{
    for (size_t i = 0; i < many->item_count; i++) {
        const Item *item = &many->items[i];
        if (item->entry.ptr) {
            results_add_refused(&many->results, item->entry);
        } else if (many->call->by_front_door) {
            results_add_accepted(&many->results, (ResultPlace){i, 0}, &many->records[item->record]);
        } else {
            results_add(&many->results, (ResultPlace){i, 0}, &many->records[item->record],
                        &many->outcomes[item->record]);
        }
    }
}

static void say_atomic_refused(Request *request, Many *many)
{
    bool conflict = many->results.conflicts > 0;
    if (!conflict) {
        buf_printf(&many->errors, "\"%s\":[\"a total of a flow would become too large\"]", noun(many->call));
    }
    say_all_refused(request, many, conflict ? PROBLEM_CONFLICT : PROBLEM_VALIDATION,
                    conflict ? "are there already with other content" : "would make a total too large");
}

static void say_handed_in(Request *request)
{
    Many *many = request->state;
    if (request->failed != STATUS_OK) {
        records_say_not_handed_in(request);
        return;
    }
    gather(many);
    results_answer(request, many->call, &many->results);
}

static void say_outcomes(Request *request)
{
    Many *many = request->state;
    const Work *work = &request->submission.work;
    if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
        return;
    }
    gather(many);
    if (work->status == STATUS_CONFLICT) {
        say_atomic_refused(request, many);
    } else if (work->status != STATUS_OK) {
        request_failed(request, work->status, &work->error);
    } else {
        results_answer(request, many->call, &many->results);
    }
}

/* "records.3.value":["…","…"], once a field. */
static void put_errors(Many *many, size_t index, const RecordProblems *problems)
{
    char whole[FIELD_PREFIX_BYTES_MAX], prefix[FIELD_PREFIX_BYTES_MAX];
    snprintf(whole, sizeof whole, "%s.%zu", noun(many->call), index);
    snprintf(prefix, sizeof prefix, "%s.%zu.", noun(many->call), index);
    field_problems_put(&many->errors, prefix, whole, problems->items, problems->count);
}

/* Behind so many bytes of entries, those that follow are counted and not listed. */
static bool make_entry(Request *request, Many *many, size_t index, const RecordProblems *problems)
{
    enum { ENTRY_BYTES_MAX = 64 << 10 };
    Str *ret_entry = &many->items[index].entry;
    *ret_entry = STR("");
    if (many->entry_bytes >= ENTRIES_BYTES_ENOUGH) {
        return true;
    }
    Buf entry;
    buf_init(&entry, ENTRY_BYTES_MAX);
    results_put_refused(&entry, (ResultPlace){index, 0}, problems);
    *ret_entry = entry.failed ? (Str){NULL, 0} : arena_copy(&request->arena, buf_str(&entry));
    many->entry_bytes += entry.len;
    buf_release(&entry);
    return ret_entry->ptr != NULL;
}

static bool refuse_item(Request *request, Many *many, size_t index, const RecordProblems *problems)
{
    enum { ERRORS_LISTED_BYTES = 1 << 20 };
    bool has_entry = make_entry(request, many, index, problems);
    if (many->call->atomic && many->errors.len < ERRORS_LISTED_BYTES) {
        put_errors(many, index, problems);
    }
    return has_entry;
}

/* Its bytes, but for what is between them: where they were is changed by reading. */
static Status read_event(Request *request, Many *many, yyjson_val *value, Record *ret_record, RecordProblems *problems)
{
    Str raw = json_write(value, &request->arena);
    return raw.ptr ? event_set_read(&many->events, value, raw, many->received_us, ret_record, problems) : STATUS_BUSY;
}

/* What is around an event may be wrong, too. */
static Status open_cloudevent(Request *request, Many *many, yyjson_val **value, Str *ret_traceparent,
                              RecordProblems *problems)
{
    yyjson_val *whole = *value;
    Status status = cloudevent_open(whole, &many->policy, value, ret_traceparent, problems);
    if (status != STATUS_REFUSED || !many->call->events) {
        return status;
    }
    Str raw = json_write(whole, &request->arena);
    status = raw.ptr ? event_set_refuse(&many->events, raw, many->received_us, problems) : STATUS_BUSY;
    return status == STATUS_OK ? STATUS_REFUSED : status;
}

static Status read_value(Request *request, Many *many, yyjson_val *value, Record *ret_record, RecordProblems *problems)
{
    Str traceparent = {NULL, 0};
    Status status = STATUS_OK;
    if (many->call->media == MEDIA_CLOUDEVENTS) {
        status = open_cloudevent(request, many, &value, &traceparent, problems);
    }
    if (status == STATUS_OK) {
        status = many->call->events ? read_event(request, many, value, ret_record, problems)
                                    : record_from_json(value, &many->policy, ret_record, problems);
        results_add_warnings(&many->results, problems, &request->arena);
    }
    if (status == STATUS_OK) {
        ret_record->traceparent = traceparent.len ? traceparent_check(traceparent) : many->call->traceparent;
    }
    return status;
}

/* False without memory, which is no fault of the item. */
static bool read_item(Request *request, Many *many, size_t index, yyjson_val *value, RecordProblems *problems)
{
    Status status = read_value(request, many, value, &many->records[many->record_count], problems);
    if (status == STATUS_REFUSED) {
        return refuse_item(request, many, index, problems);
    }
    if (status == STATUS_OK) {
        many->items[index].record = many->record_count++;
    }
    return status == STATUS_OK;
}

static bool read_items(Request *request, Many *many, yyjson_val *values)
{
    RecordProblems *problems = arena_alloc(&request->arena, sizeof *problems);
    size_t index, count;
    yyjson_val *value;
    if (!problems) {
        return false;
    }
    yyjson_arr_foreach(values, index, count, value)
    {
        if (!read_item(request, many, index, value, problems)) {
            return false;
        }
    }
    return true;
}

/* Reading the body was all that its arena was made for. */
static void allow_memory(Request *request, const RecordsCall *call, size_t count)
{
    size_t each = sizeof(Item) + sizeof(Record) + sizeof(Outcome);
    arena_allow(&request->arena, sizeof(Many) + sizeof(RecordProblems) + count * each + 2 * ENTRIES_BYTES_ENOUGH);
    if (call->events) {
        arena_allow(&request->arena, event_set_bytes_max(count) + request->body.len + count * EVENT_RAW_BYTES);
    }
}

static Many *make_many(Request *request, RecordsCall *call, size_t count)
{
    allow_memory(request, call, count);
    Many *many = ARENA_NEW(&request->arena, Many);
    if (!many) {
        return NULL;
    }
    many->call = call;
    many->item_count = count;
    many->received_us = clock_wall_us(request_options(request)->clock);
    many->policy = *request_options(request)->policy;
    many->policy.faults_refused = true;
    many->items = ARENA_ARRAY(&request->arena, Item, count);
    many->records = ARENA_ARRAY(&request->arena, Record, count);
    many->outcomes = ARENA_ARRAY(&request->arena, Outcome, count);
    results_init(&many->results, call, &request->memory);
    request_buf_init(request, &many->errors, 16 << 20);
    bool has_events =
        !call->events || event_set_init(&many->events, request_options(request), &request->arena, call->mapping, count);
    many->events.policy.faults_refused = true;
    many->events.opened = call->media == MEDIA_CLOUDEVENTS;
    return has_events && many->items && many->records && many->outcomes ? many : NULL;
}

static void submit(Request *request, Many *many)
{
    if (many->call->by_front_door) {
        request->front_door = (FrontDoorCall){.records = many->records, .count = many->record_count};
        request_hand_in(request, say_handed_in);
        return;
    }
    request->submission.bytes = many->call->events ? request_bytes_held(request) : request->body.len;
    request->submission.work = (Work){.kind = WORK_RECORDS,
                                      .records = {.items = many->records,
                                                  .outcomes = many->outcomes,
                                                  .count = many->record_count,
                                                  .atomic = many->call->atomic,
                                                  .dry_run = many->call->dry_run}};
    if (many->call->events) {
        event_set_attach(&many->events, &request->submission.work);
    }
    request_submit(request, say_outcomes);
}

/* Events that are none become dead letters. */
static bool keeps_refused(const Many *many)
{
    return many->call->events && many->events.failed_count > 0 && !many->call->dry_run;
}

void records_post_many(Request *request, yyjson_val *values)
{
    RecordsCall *call = request->state;
    size_t count = yyjson_arr_size(values), most = request_options(request)->items_max;
    if (!values) {
        request_invalid(request, "body", "must be a JSON array of CloudEvents");
        return;
    }
    if (count > most) {
        request_problem(request, PROBLEM_TOO_LARGE,
                        "the array has %zu %s; %zu are possible (NDJSON is streamed and has no limit)", count,
                        noun(call), most);
        return;
    }
    Many *many = make_many(request, call, count);
    if (!many) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for so many %s", noun(call));
        return;
    }
    request->state = many;
    request->release = release_many;
    if (!read_items(request, many, values)) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for so many %s", noun(call));
    } else if (many->call->atomic && many->record_count < count) {
        gather(many);
        say_all_refused(request, many, PROBLEM_VALIDATION, "are not valid");
    } else if (many->record_count == 0 && !keeps_refused(many)) {
        gather(many);
        results_answer(request, many->call, &many->results);
    } else {
        submit(request, many);
    }
}
