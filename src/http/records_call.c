#include "http/records_call.h"

#include "record/traceparent.h"

static const char *const parameters[] = {"results", "mode", "dryRun", "mapping"};
enum { RECORD_PARAMETERS = 3, EVENT_PARAMETERS = 4 };

static bool read_choices(Request *request, RecordsCall *call)
{
    const QueryParam *results = request_param(request, "results"), *mode = request_param(request, "mode");
    if (results && str_is(results->value, "all")) {
        call->results = RESULTS_ALL;
    } else if (results && str_is(results->value, "none")) {
        call->results = RESULTS_NONE;
    } else if (results && !str_is(results->value, "problems")) {
        request_invalid(request, "results", "must be problems, all or none");
        return false;
    }
    call->atomic = mode && str_is(mode->value, "atomic");
    if (mode && !call->atomic && !str_is(mode->value, "partial")) {
        request_invalid(request, "mode", "must be partial or atomic");
        return false;
    }
    return request_bool_param(request, "dryRun", false, &call->dry_run);
}

static void say_media_type(Request *request, const char *problem)
{
    Answer *answer = &request->answer;
    answer->headers[answer->header_count++] =
        (AnswerHeader){"Accept-Post", "application/json, application/x-ndjson, application/cloudevents+json, "
                                      "application/cloudevents-batch+json"};
    request_problem(request, PROBLEM_MEDIA_TYPE, "%s", problem);
}

static bool read_media(Request *request, RecordsCall *call)
{
    Str charset, encoding = request_header(request, "Content-Encoding");
    call->media = media_type_parse(request_header(request, "Content-Type"), &charset);
    if (call->media == MEDIA_FORM) {
        say_media_type(request,
                       "this is the content type of a form; send JSON with the header Content-Type: application/json");
    } else if (call->media == MEDIA_OTHER || call->media == MEDIA_CSV) {
        say_media_type(request, "send application/json, application/x-ndjson, application/cloudevents+json or "
                                "application/cloudevents-batch+json");
    } else if (!media_charset_is_utf8(charset)) {
        say_media_type(request, "the body has to be UTF-8");
    } else if (encoding.len && !str_equal_nocase(encoding, STR("identity"))) {
        say_media_type(request, "the body must not be compressed");
    } else {
        return true;
    }
    return false;
}

/* Records are taken out of Kafka one by one: what one of them contradicts is found when others are stored already. */
static bool check_atomic(Request *request, const RecordsCall *call)
{
    if (call->atomic && call->media == MEDIA_NDJSON) {
        request_invalid(request, "mode", "must be partial: NDJSON is committed while it comes in; send an array");
        return false;
    }
    if (call->atomic && call->accepts_only && request_options(request)->front_door) {
        request_invalid(request, "mode",
                        "must be partial: http.front_door is kafka, from where records are stored one by one; use POST "
                        "/api/records");
        return false;
    }
    return true;
}

static bool read_mapping(Request *request, RecordsCall *call)
{
    const QueryParam *mapping = request_param(request, "mapping");
    if (mapping && !mapping_find(request_options(request)->mappings, mapping->value)) {
        request_invalid(request, "mapping", "is none that is configured; leave it out for the one that fits");
        return false;
    }
    call->mapping = mapping ? mapping->value : (Str){NULL, 0};
    return true;
}

bool records_call_trace(Request *request, RecordsCall *call, const char *header)
{
    Str traceparent;
    if (!request_keep_header(request, header, &traceparent)) {
        return false;
    }
    call->traceparent = traceparent.len ? traceparent_check(traceparent) : call->traceparent;
    return true;
}

RecordsCall *records_call_read(Request *request, RecordsRoute route)
{
    RecordsCall *call = ARENA_NEW(&request->arena, RecordsCall);
    if (!call) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return NULL;
    }
    call->events = route == ROUTE_EVENTS;
    call->first_wins = call->events || request_options(request)->on_conflict == ON_CONFLICT_FIRST;
    call->accepts_only = route == ROUTE_RECORDS_ACCEPTED;
    if (!records_call_trace(request, call, "traceparent") || !read_media(request, call) ||
        !request_check_params(request, parameters, call->events ? EVENT_PARAMETERS : RECORD_PARAMETERS) ||
        !read_choices(request, call) || !read_mapping(request, call) || !check_atomic(request, call)) {
        return NULL;
    }
    /* What would become of records is for the processor to say. */
    call->by_front_door = call->accepts_only && !call->dry_run && request_options(request)->front_door;
    return call;
}

/* The front door tells in the log that it is down; each request that feels it need not. */
void records_say_not_handed_in(Request *request)
{
    request_problem(request, problem_of_status(request->failed), "%s", request->error.message);
}

void records_say_starved(Request *request)
{
    request_problem(request, PROBLEM_BUSY, "there is no memory to show what is stored; it is safe to send this again");
}

void records_say_invalid(Request *request, Str members, const RecordProblems *problems)
{
    Buf all, detail;
    buf_init(&all, 64 << 10);
    buf_init(&detail, 64 << 10);
    buf_put(&all, members);
    BUF_PUT(&all, "\"errors\":");
    record_problems_put_json(&all, problems);
    record_problems_put_text(&detail, problems);
    request_problem_with(request, PROBLEM_VALIDATION, buf_str(&all), "%.*s", STR_ARGS(buf_str(&detail)));
    buf_release(&all);
    buf_release(&detail);
}

/* ---- The answer to many ------------------------------------------------------------------------------------------ */

void results_init(Results *results, const RecordsCall *call, Budget *budget)
{
    *results = (Results){.wanted = call->results,
                         .first_wins = call->first_wins && (call->events || !call->atomic),
                         .by_front_door = call->by_front_door,
                         .events = call->events};
    buf_init(&results->list, 32 << 20);
    results->list.budget = budget;
}

void results_release(Results *results) { buf_release(&results->list); }

void results_forget_list(Results *results)
{
    results->truncated = results->truncated || results->listed > 0;
    results->listed = 0;
    buf_release(&results->list);
    results->list.failed = true; /* no more go in */
}

static const char *outcome_name(OutcomeKind kind)
{
    static const char *const names[] = {
        [OUTCOME_NONE] = "undecided",    [OUTCOME_CREATED] = "created",   [OUTCOME_DUPLICATE] = "duplicate",
        [OUTCOME_CONFLICT] = "conflict", [OUTCOME_REJECTED] = "rejected",
    };
    return names[kind];
}

static void count_outcome(Results *results, OutcomeKind kind)
{
    results->received++;
    results->created += kind == OUTCOME_CREATED;
    results->duplicates += kind == OUTCOME_DUPLICATE;
    results->conflicts += kind == OUTCOME_CONFLICT;
    results->rejected += kind == OUTCOME_REJECTED;
}

/* Whether one more entry is to be written; puts the comma in front of it. `ret_at` is for end_entry. */
static bool begin_entry(Results *results, size_t *ret_at)
{
    if (results->wanted == RESULTS_NONE) {
        return false;
    }
    if (results->listed >= RESULTS_LISTED_MAX || results->list.failed) {
        results->truncated = true;
        return false;
    }
    *ret_at = results->list.len;
    if (results->listed++) {
        buf_put_char(&results->list, ',');
    }
    return true;
}

/* An entry for which there was no room is taken back, and nothing more is listed: half of one would spoil the whole
 * answer. */
static void end_entry(Results *results, size_t at)
{
    if (results->list.failed) {
        results->list.len = at;
        results->listed--;
        results->truncated = true;
    }
}

static void put_place(Buf *buf, ResultPlace place, Str record_id)
{
    BUF_PUT(buf, "{\"index\":");
    buf_put_u64(buf, place.index);
    if (place.line) {
        BUF_PUT(buf, ",\"line\":");
        buf_put_u64(buf, place.line);
    }
    BUF_PUT(buf, ",\"recordId\":");
    if (record_id.ptr) {
        buf_put_json(buf, record_id);
    } else {
        BUF_PUT(buf, "null");
    }
}

void results_add(Results *results, ResultPlace place, const Record *record, const Outcome *outcome)
{
    size_t at;
    bool is_first = outcome->kind == OUTCOME_CONFLICT && results->first_wins;
    OutcomeKind kind = is_first ? OUTCOME_DUPLICATE : outcome->kind;
    bool is_problem = kind != OUTCOME_CREATED;
    count_outcome(results, kind);
    if (results->wanted == RESULTS_PROBLEMS && !is_problem) {
        return;
    }
    if (outcome->starved && results->wanted != RESULTS_NONE) { /* of which it is not known what it was to name */
        results->truncated = true;
        return;
    }
    if (!begin_entry(results, &at)) {
        return;
    }
    Buf *buf = &results->list;
    put_place(buf, place, outcome->stored ? outcome->stored->record.record_id : record->record_id);
    BUF_PUT(buf, ",\"status\":\"");
    buf_put(buf, str_from(outcome_name(kind)));
    buf_put_char(buf, '"');
    if (outcome->seq) {
        BUF_PUT(buf, ",\"id\":");
        buf_put_i64(buf, outcome->seq);
    }
    if (outcome->kind == OUTCOME_CONFLICT) {
        BUF_PUT(buf, ",\"differs\":");
        (results->events ? event_differs_put_json : record_differs_put_json)(buf, outcome->differs);
    } else if (outcome->kind == OUTCOME_REJECTED) {
        buf_put(buf, results->events ? STR(",\"errors\":{\"amount\":") : STR(",\"errors\":{\"value\":"));
        BUF_PUT(buf, "[\"would make a total of its flow too large\"]}");
    }
    buf_put_char(buf, '}');
    end_entry(results, at);
}

void results_add_accepted(Results *results, ResultPlace place, const Record *record)
{
    size_t at;
    results->received++;
    results->accepted++;
    if (results->wanted == RESULTS_ALL && begin_entry(results, &at)) {
        put_place(&results->list, place, record->record_id);
        BUF_PUT(&results->list, ",\"status\":\"accepted\"}");
        end_entry(results, at);
    }
}

void results_put_refused(Buf *buf, ResultPlace place, const RecordProblems *problems)
{
    put_place(buf, place, problems->record_id);
    BUF_PUT(buf, ",\"status\":\"rejected\",\"errors\":");
    record_problems_put_json(buf, problems);
    buf_put_char(buf, '}');
}

void results_add_refused(Results *results, Str entry)
{
    size_t at;
    count_outcome(results, OUTCOME_REJECTED);
    if (entry.len == 0) {
        results->truncated = results->wanted != RESULTS_NONE;
    } else if (begin_entry(results, &at)) {
        buf_put(&results->list, entry);
        end_entry(results, at);
    }
}

void results_add_warnings(Results *results, const RecordProblems *problems, Arena *arena)
{
    size_t listed = problems->unknown_count < RECORD_WARNINGS_MAX ? problems->unknown_count : RECORD_WARNINGS_MAX;
    for (size_t i = 0; i < listed && results->warning_count < RECORD_WARNINGS_MAX; i++) {
        Str field = problems->unknown_fields[i];
        size_t at = 0;
        while (at < results->warning_count && !str_equal(results->warnings[at], field)) {
            at++;
        }
        Str copy = at == results->warning_count ? arena_copy(arena, field) : (Str){NULL, 0};
        if (copy.ptr) {
            results->warnings[results->warning_count++] = copy;
        }
    }
}

void warnings_put(Buf *buf, const Str *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_put(buf, i ? STR(",") : STR(",\"warnings\":["));
        buf_put_json(buf, fields[i]);
    }
    if (count) {
        buf_put_char(buf, ']');
    }
}

static void put_counts(Buf *buf, const Results *results)
{
    const unsigned long long received = results->received, rejected = results->rejected;
    if (results->by_front_door) {
        buf_printf(buf, "{\"received\":%llu,\"accepted\":%llu,\"rejected\":%llu,\"results\":[", received,
                   (unsigned long long)results->accepted, rejected);
        return;
    }
    buf_printf(
        buf,
        "{\"received\":%llu,\"created\":%llu,\"duplicates\":%llu,\"conflicts\":%llu,\"rejected\":%llu,\"results\":[",
        received, (unsigned long long)results->created, (unsigned long long)results->duplicates,
        (unsigned long long)results->conflicts, rejected);
}

void results_put(Buf *buf, const Results *results)
{
    put_counts(buf, results);
    buf_put(buf, buf_str(&results->list));
    buf_put(buf, results->truncated ? STR("],\"resultsTruncated\":true}") : STR("]}"));
}

static void put_answer(Request *request, const RecordsCall *call, const Results *results)
{
    buf_put(&request->out, call->events ? STR("{\"message\":\"Events ") : STR("{\"message\":\"Records "));
    buf_put(&request->out, call->dry_run        ? STR("checked (dry run)")
                           : call->accepts_only ? STR("accepted")
                                                : STR("processed"));
    BUF_PUT(&request->out, "\",\"data\":");
    results_put(&request->out, results);
    warnings_put(&request->out, results->warnings, results->warning_count);
    buf_put_char(&request->out, '}');
}

void results_answer(Request *request, const RecordsCall *call, Results *results)
{
    put_answer(request, call, results);
    if (request->out.failed) {
        /* It was carried out, and that has to be said. */
        results_forget_list(results);
        buf_reset(&request->out);
        put_answer(request, call, results);
    }
    request_answer(request, call->accepts_only && !call->dry_run ? 202 : 200, JSON_TYPE);
}
