/* GET /api/events/{hash} */
#include "query/corrections.h"

#include "base/timestamp.h"
#include "record/record_json.h"

enum { LOG_MAX = 100, ROUNDS_MAX = 50, ID_BYTES = sizeof "sha256:" + EVENT_KEY_BYTES_MAX };

typedef struct EventFind {
    Query base;
    char record_id[ID_BYTES];
    int64_t at;    /* of reader_find */
    int64_t seq;   /* of the record; 0: not found yet */
    bool by_alias; /* the id is no more the one that was asked for */
} EventFind;

/* The event's own record, or one that took its place. */
typedef struct Place {
    int64_t seq;
    int64_t before; /* attempts that were those of the places before it */
} Place;

/* One step: what its visitors need. */
typedef struct Finding {
    EventFind *find;
    Buf *out;
    Place places[1 + ROUNDS_MAX];
    size_t place_count, place;      /* that is looked at */
    int64_t attempt_count;          /* all in all */
    EventAttempt attempts[LOG_MAX]; /* the newest, the last of them first */
    size_t count;
} Finding;

static bool visit_record(void *context, const StoredRecord *stored)
{
    Finding *finding = context;
    finding->find->seq = stored->seq;
    BUF_PUT(finding->out, "{\"data\":{");
    event_put_json_fields(finding->out, &stored->record, stored->seq, finding->find->base.options.info->scale);
    return false;
}

static void put_log_entry(Buf *out, int64_t number, const char *status, const int64_t times_us[4])
{
    static const char *const names[] = {"receivedAt", "normalisedAt", "hashedAt", "decidedAt"};
    BUF_PUT(out, "{\"attempt\":");
    buf_put_i64(out, number);
    buf_put_key(out, "status");
    buf_put_json(out, str_from(status));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        buf_put_key_time(out, names[i], times_us[i]);
    }
}

static bool visit_event(void *context, const StoredEvent *event)
{
    Finding *finding = context;
    Buf *out = finding->out;
    const int64_t times_us[] = {event->received_us, event->normalised_us, event->hashed_us, event->stored_us};
    buf_put_key_time(out, "receivedAt", event->received_us);
    if (event->taken_for) {
        buf_put_key_i64(out, "takenFor", event->taken_for);
    }
    buf_put_key(out, "mapping");
    buf_put_json(out, event->mapping);
    buf_put_key(out, "event");
    buf_put(out, event->raw);
    buf_put_key_i64(out, "attempts", finding->attempt_count);
    BUF_PUT(out, ",\"log\":[");
    put_log_entry(out, 1, "processed", times_us);
    buf_put_char(out, '}');
    return true;
}

static bool visit_attempt(void *context, const EventAttempt *attempt)
{
    Finding *finding = context;
    EventAttempt *kept = &finding->attempts[finding->count++];
    *kept = *attempt;
    kept->number += finding->places[finding->place].before;
    return finding->count < LOG_MAX;
}

/* What came since a correction is kept with the record that took the place of the one before it. */
static Status read_attempts(Finding *finding, StoreReader *reader, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = finding->place_count; i > 0 && finding->count < LOG_MAX && status == STATUS_OK; i--) {
        finding->place = i - 1;
        const EventAttemptFilter filter = {.seq = finding->places[i - 1].seq};
        status = reader_event_attempts(reader, &filter, visit_attempt, finding, reterr);
    }
    return status;
}

static void put_attempts(Finding *finding)
{
    for (size_t i = finding->count; i > 0; i--) {
        const EventAttempt *attempt = &finding->attempts[i - 1];
        const int64_t times_us[] = {attempt->received_us, attempt->normalised_us, attempt->hashed_us,
                                    attempt->decided_us};
        buf_put_char(finding->out, ',');
        put_log_entry(finding->out, attempt->number, "duplicate", times_us);
        if (attempt->differs) {
            buf_put_key(finding->out, "differs");
            event_differs_put_json(finding->out, attempt->differs);
        }
        buf_put_char(finding->out, '}');
    }
}

/* ---- Corrections ------------------------------------------------------------------------------------------------- */

static bool visit_correction(void *context, const StoredRecord *stored)
{
    const Finding *finding = context;
    Buf *out = finding->out;
    buf_put(out, out->ptr[out->len - 1] == '[' ? STR("{") : STR(",{"));
    event_put_json_fields(out, &stored->record, stored->seq, finding->find->base.options.info->scale);
    return true;
}

static bool visit_item(void *context, const StoredEvent *event)
{
    const Finding *finding = context;
    buf_put_key(finding->out, "mapping");
    buf_put_json(finding->out, event->mapping);
    buf_put_key_time(finding->out, "decidedAt", event->stored_us);
    buf_put_char(finding->out, '}');
    return true;
}

static Status put_correction(Finding *finding, StoreReader *reader, int64_t seq, Error *reterr)
{
    Status status = reader_get(reader, seq, visit_correction, finding, reterr);
    return status == STATUS_OK ? reader_event(reader, seq, visit_item, finding, reterr) : status;
}

/* Each round takes back what the one before it had put in its place; the last may put nothing there. */
static Status put_corrections(Finding *finding, StoreReader *reader, Error *reterr)
{
    CorrectionRound round = {.replacement = finding->find->seq};
    Status status = STATUS_OK;
    BUF_PUT(finding->out, ",\"corrections\":[");
    for (int i = 0; i < ROUNDS_MAX && round.replacement && status == STATUS_OK && !finding->out->failed; i++) {
        status = corrections_of(reader, round.replacement, &round, reterr);
        if (status == STATUS_OK && round.reversal) {
            status = put_correction(finding, reader, round.reversal, reterr);
        }
        if (status == STATUS_OK && round.replacement) {
            status = put_correction(finding, reader, round.replacement, reterr);
        }
    }
    buf_put_char(finding->out, ']');
    return status;
}

/* ---- Its places -------------------------------------------------------------------------------------------------- */

static bool count_attempts(void *context, const StoredEvent *event)
{
    Finding *finding = context;
    finding->attempt_count += event->attempts - (finding->place_count > 1); /* the first of a correction is itself */
    return true;
}

static Status find_places(Finding *finding, StoreReader *reader, Error *reterr)
{
    CorrectionRound round = {.replacement = finding->find->seq};
    Status status = STATUS_OK;
    while (round.replacement && finding->place_count <= ROUNDS_MAX && status == STATUS_OK) {
        int64_t seq = round.replacement, before = finding->attempt_count - (finding->place_count > 0);
        finding->places[finding->place_count++] = (Place){seq, before};
        status = reader_event(reader, seq, count_attempts, finding, reterr);
        if (status == STATUS_OK) {
            status = corrections_of(reader, seq, &round, reterr);
        }
    }
    return status;
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

/* REFUSED: a record of that name is there, and came as a record. */
static Status put_event(Finding *finding, StoreReader *reader, Error *reterr)
{
    Status status = find_places(finding, reader, reterr);
    if (status == STATUS_OK) {
        status = reader_event(reader, finding->find->seq, visit_event, finding, reterr);
    }
    if (status == STATUS_OK) {
        status = read_attempts(finding, reader, reterr);
    }
    if (status == STATUS_OK) {
        put_attempts(finding);
        buf_put_char(finding->out, ']');
        status = put_corrections(finding, reader, reterr);
    }
    if (status == STATUS_OK) {
        BUF_PUT(finding->out, "}}");
    }
    return status;
}

static bool take_own_id(void *context, const StoredRecord *stored)
{
    EventFind *find = context;
    Str key;
    uint64_t number;
    if (record_has_event_id(&stored->record, &key, &number)) {
        snprintf(find->record_id, sizeof find->record_id, "sha256:%.*s", STR_ARGS(key));
    }
    return true;
}

/* The hash that was asked for may lead to an event with another id: then that one is looked for. */
static Status follow_alias(EventFind *find, StoreReader *reader, Error *reterr)
{
    int64_t seq = 0;
    Status status = reader_event_alias(reader, str_from(find->record_id), &seq, reterr);
    seq = seq < 0 ? -seq : seq;
    bool is_there = status == STATUS_OK && seq && seq <= view_bound(find->base.view);
    find->by_alias = true;
    return is_there ? reader_get(reader, seq, take_own_id, find, reterr) : status;
}

static Status look_for(Finding *finding, QueryStep *step, Error *reterr)
{
    EventFind *find = finding->find;
    Status status = find->by_alias ? STATUS_OK : follow_alias(find, step->reader, reterr);
    bool go_on = status == STATUS_OK;
    while (go_on) {
        status = reader_find(step->reader, str_from(find->record_id), (Str){"", 0}, &find->at, visit_record, finding,
                             reterr);
        go_on = status == STATUS_OK && find->at != FIND_DONE && !step_time_is_up(step);
    }
    return status;
}

static Status find_step(Query *query, QueryStep *step, bool *ret_done, Error *reterr)
{
    EventFind *find = (EventFind *)query;
    Finding finding = {.find = find, .out = step->out};
    Status status = step_look(step, reterr);
    if (status == STATUS_OK) {
        status = look_for(&finding, step, reterr);
    }
    if (status != STATUS_OK || find->at != FIND_DONE) {
        return status;
    }
    *ret_done = true;
    return find->seq ? put_event(&finding, step->reader, reterr)
                     : error_set(reterr, STATUS_REFUSED, "there is no event with this hash");
}

Status query_event_find_new(Str key, const QueryOptions *options, Query **ret_query)
{
    EventFind *find = query_alloc(sizeof *find, options);
    if (!find) {
        return STATUS_BUSY;
    }
    find->base.step = find_step;
    snprintf(find->record_id, sizeof find->record_id, "sha256:%.*s", STR_ARGS(key));
    *ret_query = &find->base;
    return STATUS_OK;
}
