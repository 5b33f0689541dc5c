/* How records go into the log: compared with what is there, totalled, appended. */
#include <inttypes.h>

#include "base/buf.h"
#include "deliver/message.h"
#include "store/sqlite/db.h"
#include "store/sqlite/record_search.h"
#include "store/sqlite/row.h"

enum { ALERT_BODY_BYTES_MAX = 64 << 10 };

static const EventItem *event_of(const Work *work, size_t at)
{
    const EventItem *item = work->records.events ? &work->records.events->items[at] : NULL;
    return item && !item->corrects ? item : NULL;
}

/* ---- Its flow ---------------------------------------------------------------------------------------------------- */

static void state_from_row(const StoredRecord *stored, FlowState *state)
{
    state->seq = stored->seq;
    state->totals = stored->totals;
}

/* The hash of this flow is also another one's: the index keeps only the newest entry of the two, so ask the log
 * itself. */
static Status search_flow(SqliteStore *store, const Record *record, FlowState *state, Error *reterr)
{
    sqlite3_stmt *stmt = store->select_flow;
    StoredRecord stored = {0};
    bool row = false;
    db_bind_text(stmt, 1, record->destination_id);
    db_bind_text(stmt, 2, record->reference);
    db_bind_text(stmt, 3, record->unit);
    Status status = db_step(stmt, "search a flow", &row, reterr);
    if (status == STATUS_OK && row) {
        row_read(stmt, FIELD_ALL, &stored);
        state_from_row(&stored, state);
    }
    sqlite3_reset(stmt);
    return status;
}

static Status load_flow(SqliteStore *store, const Record *record, FlowState *state, Error *reterr)
{
    int64_t seq = 0;
    bool row = false;
    Status status = derived_find_flow(store->derived, state->hash, &seq, reterr);
    if (status != STATUS_OK || seq == 0) {
        return status;
    }
    sqlite3_stmt *stmt = store->select_record;
    StoredRecord stored = {0};
    sqlite3_reset(stmt);
    sqlite3_bind_int64(stmt, 1, seq);
    status = db_step(stmt, "read a record", &row, reterr);
    bool is_flow = false;
    if (status == STATUS_OK && row) {
        row_read(stmt, FIELD_ALL, &stored);
        is_flow = record_same_flow(&stored.record, record);
        if (is_flow) {
            state_from_row(&stored, state);
        }
    }
    sqlite3_reset(stmt);
    return status == STATUS_OK && !is_flow ? search_flow(store, record, state, reterr) : status;
}

/* The flow's state from memory or the log; points into the cache, or at `room` when the cache does not keep it. */
static Status find_flow(SqliteStore *store, const Record *record, uint64_t hash, FlowState *room, FlowState **ret_state,
                        Error *reterr)
{
    FlowState *cached = flow_cache_find(store->flows, hash, record);
    if (cached) {
        store->tally.cache_hits++;
        *ret_state = cached;
        return STATUS_OK;
    }
    store->tally.cache_misses++;
    *room = (FlowState){.hash = hash};
    Status status = load_flow(store, record, room, reterr);
    if (status == STATUS_OK) {
        flow_cache_put(store->flows, record, room);
        cached = flow_cache_find(store->flows, hash, record);
        *ret_state = cached ? cached : room;
    }
    return status;
}

/* ---- Appending --------------------------------------------------------------------------------------------------- */

Status sqlite_append_message(SqliteStore *store, const StoredMessage *message, Error *reterr)
{
    sqlite3_stmt *stmt = store->insert_message;
    sqlite3_bind_int64(stmt, 1, store->next_seq++);
    db_bind_text(stmt, 2, message->kind);
    sqlite3_bind_int64(stmt, 3, message->record_seq);
    sqlite3_bind_int64(stmt, 4, message->created_us);
    db_bind_text(stmt, 5, message->body);
    Status status = db_run(stmt, "insert a message", reterr);
    sqlite3_clear_bindings(stmt);
    store->tally.messages++;
    return status;
}

static Status append_alert(SqliteStore *store, const StoredRecord *stored, const Alert *alert, Error *reterr)
{
    Buf body;
    buf_init(&body, ALERT_BODY_BYTES_MAX);
    message_put_alert_body(&body, alert, store->base.info.scale);
    if (body.failed) {
        buf_release(&body);
        return error_set(reterr, STATUS_BUSY, "out of memory for an alert");
    }
    StoredMessage message = {
        .kind = STR("alert"), .record_seq = stored->seq, .created_us = stored->received_us, .body = buf_str(&body)};
    Status status = sqlite_append_message(store, &message, reterr);
    buf_release(&body);
    return status;
}

static Status append_alerts(SqliteStore *store, const StoredRecord *stored, const FlowTotals *before, Error *reterr)
{
    size_t count = rule_set_decide(store->rules, &stored->record, before, &stored->totals, store->alerts);
    Status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = append_alert(store, stored, &store->alerts[i], reterr);
    }
    return status;
}

/* Copies what is in the log into the submission's arena, for an answer that shows it. An arena that is full is the
 * submission's own affair, and no reason to turn the batch away. */
static void copy_stored(const StoredRecord *stored, const Work *work, Outcome *outcome)
{
    Arena *arena = work->records.stored;
    StoredRecord *copy = ARENA_NEW(arena, StoredRecord);
    if (copy) {
        *copy = work->records.stored_ids
                    ? (StoredRecord){.record.record_id = stored->record.record_id, .seq = stored->seq}
                    : *stored;
        Str *texts[] = {&copy->record.record_id, &copy->record.source_id, &copy->record.destination_id,
                        &copy->record.unit,      &copy->record.reference, &copy->record.traceparent};
        for (size_t i = 0; i < (work->records.stored_ids ? 1 : sizeof texts / sizeof *texts); i++) {
            *texts[i] = arena_copy(arena, *texts[i]);
            copy = texts[i]->ptr ? copy : NULL;
            if (!copy) {
                break;
            }
        }
    }
    outcome->stored = copy;
    outcome->starved = !copy;
}

static void report_existing(Search *search, const Work *work, Outcome *outcome)
{
    outcome->seq = search->found.seq;
    outcome->differs = record_differs(&search->found.record, search->record);
    if (search->by_alias || search->store->base.info.identity == IDENTITY_CONTENT) {
        outcome->differs &= ~(uint32_t)FIELD_RECORD_ID; /* the same content under another id is the same record */
    }
    outcome->kind = outcome->differs ? OUTCOME_CONFLICT : OUTCOME_DUPLICATE;
    outcome->same_bytes = search->is_same_bytes;
    bool is_another = outcome->differs || !str_equal(search->found.record.record_id, search->record->record_id);
    bool is_shown = search->by_alias || (is_another && !work->records.stored_ids);
    if (work->records.stored && is_shown) {
        copy_stored(&search->found, work, outcome);
    }
    search_leave(search, SEARCH_FOUND);
}

static Status append_record(SqliteStore *store, const Record *record, uint64_t flow_hash, int64_t now_us, bool quiet,
                            Outcome *outcome, Error *reterr)
{
    FlowState room, *flow = NULL;
    Status status = find_flow(store, record, flow_hash, &room, &flow, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    FlowTotals before = flow->totals;
    StoredRecord stored = {
        .record = *record, .seq = store->next_seq, .prev_seq = flow->seq, .received_us = now_us, .totals = before};
    if (!flow_totals_add(&stored.totals, record->type, record->value, 1)) {
        outcome->kind = OUTCOME_REJECTED;
        return STATUS_OK;
    }
    status = row_insert(store->insert_record, &stored, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    derived_add(store->derived, &stored, flow_hash);
    store->next_seq++;
    store->tally.records++;
    flow->seq = stored.seq;
    flow->totals = stored.totals;
    outcome->kind = OUTCOME_CREATED;
    outcome->seq = stored.seq;
    return quiet ? STATUS_OK : append_alerts(store, &stored, &before, reterr);
}

enum { EVENT_ID_BYTES = sizeof "sha256:" + EVENT_KEY_BYTES_MAX };

/* Names `record` in `id`: behind its id a number that no record has there. Anybody may have handed in a record of such
 * a name. */
static Status name_another(Search *search, char id[EVENT_ID_BYTES], Record *record)
{
    SqliteStore *store = search->store;
    Search named = {.store = store, .record = record, .reterr = search->reterr};
    int64_t number = store->next_seq;
    bool taken = false;
    Status status = STATUS_OK;
    do {
        snprintf(id, EVENT_ID_BYTES, "%.*s:%" PRId64, STR_ARGS(search->record->record_id), number++);
        record->record_id = str_from(id);
        record->identity_hash = record_identity_hash(record, store->base.info.identity, store->base.info.hash_seed);
        status = search_in_log(&named);
        taken = named.end == SEARCH_FOUND;
        search_leave(&named, SEARCH_NEW);
    } while (status == STATUS_OK && taken);
    return status;
}

/* An event that means what was given to another one first: see EventChange. */
static Status append_another(Search *search, const Work *work, uint64_t flow_hash, int64_t now_us, Outcome *outcome)
{
    SqliteStore *store = search->store;
    char id[EVENT_ID_BYTES];
    Record record = *search->record;
    Status status = name_another(search, id, &record);
    if (status != STATUS_OK) {
        return status;
    }
    status = append_record(store, &record, flow_hash, now_us, work->records.quiet, outcome, search->reterr);
    if (status != STATUS_OK || outcome->kind != OUTCOME_CREATED) {
        return status;
    }
    status = sqlite_put_alias(store, search->record->record_id, outcome->seq, search->reterr);
    if (status == STATUS_OK && work->records.stored) {
        copy_stored(&(StoredRecord){.record = record, .seq = outcome->seq}, work, outcome);
    }
    return status;
}

static Status append(Search *search, const Work *work, uint64_t flow_hash, int64_t now_us, Outcome *outcome)
{
    return search->end == SEARCH_ANOTHER ? append_another(search, work, flow_hash, now_us, outcome)
                                         : append_record(search->store, search->record, flow_hash, now_us,
                                                         work->records.quiet, outcome, search->reterr);
}

static uint64_t flow_hash_of(const SqliteStore *store, const Record *record)
{
    return record_flow_hash(record->destination_id, record->reference, record->unit, store->base.info.hash_seed);
}

static Status apply_one(SqliteStore *store, Work *work, size_t at, uint64_t flow_hash, int64_t now_us, Error *reterr)
{
    Outcome *outcome = &work->records.outcomes[at];
    Search search = {.store = store, .record = &work->records.items[at], .event = event_of(work, at), .reterr = reterr};
    *outcome = (Outcome){0};
    Status status = search_existing(&search);
    if (status != STATUS_OK || search.end == SEARCH_GONE) {
        outcome->kind = OUTCOME_CONFLICT;
        return status;
    }
    if (search.end == SEARCH_FOUND) {
        report_existing(&search, work, outcome);
        return STATUS_OK;
    }
    return append(&search, work, flow_hash, now_us, outcome);
}

/* The memory that a record's lookups will touch is fetched while those before it are worked on: what decides with which
 * cache line to begin first, what lies behind it half the way later. */
static Status apply_each(SqliteStore *store, Work *work, size_t count, int64_t now_us, Error *reterr)
{
    enum { AHEAD = 16, HALFWAY = AHEAD / 2 };
    uint64_t flow_hashes[AHEAD]; /* of the next few records */
    Status status = STATUS_OK;
    for (size_t i = 0; i < count + AHEAD && status == STATUS_OK; i++) {
        if (i >= AHEAD) {
            status = apply_one(store, work, i - AHEAD, flow_hashes[i % AHEAD], now_us, reterr);
        }
        if (i >= HALFWAY && i - HALFWAY < count) {
            flow_cache_prefetch_entry(store->flows, flow_hashes[(i - HALFWAY) % AHEAD]);
        }
        if (i < count) {
            flow_hashes[i % AHEAD] = flow_hash_of(store, &work->records.items[i]);
            derived_prefetch(store->derived, work->records.items[i].identity_hash, flow_hashes[i % AHEAD]);
            flow_cache_prefetch(store->flows, flow_hashes[i % AHEAD]);
        }
    }
    return status;
}

/* ---- Deciding without changing: dry runs, and what is atomic ----------------------------------------------------- */

/* The submission's own records that would be created, by identity hash: open addressing, at most half full. */
typedef struct Planned {
    uint32_t *slots; /* index + 1 into the items; 0: empty */
    size_t capacity;
    Total positive, negative; /* of all that would be created: an upper bound for what any flow gets */
} Planned;

static Status planned_init(Planned *planned, Arena *arena, size_t count, Error *reterr)
{
    *planned = (Planned){.capacity = 16};
    while (planned->capacity < count * 2) {
        planned->capacity *= 2;
    }
    planned->slots = ARENA_ARRAY(arena, uint32_t, planned->capacity);
    return planned->slots ? STATUS_OK : error_set(reterr, STATUS_BUSY, "out of memory for the submission");
}

/* The slot of the earlier item with the same identity, or the empty one in which this one would be. */
static uint32_t *planned_slot(const Planned *planned, const SqliteStore *store, const Record *items, size_t index)
{
    size_t at = items[index].identity_hash & (planned->capacity - 1);
    while (planned->slots[at]) {
        const Record *earlier = &items[planned->slots[at] - 1];
        if (earlier->identity_hash == items[index].identity_hash &&
            search_same_identity(store, earlier, &items[index])) {
            break;
        }
        at = (at + 1) & (planned->capacity - 1);
    }
    return &planned->slots[at];
}

/* The earlier item with the same identity, or NULL after entering this one. */
static const Record *planned_find_or_add(Planned *planned, const SqliteStore *store, const Record *items, size_t index)
{
    uint32_t *slot = planned_slot(planned, store, items, index);
    if (*slot) {
        return &items[*slot - 1];
    }
    *slot = (uint32_t)index + 1;
    return NULL;
}

/* Would the flow's total overflow, were all of the submission so far its own? Errs on the side of refusing, which only
 * a store that is within one submission of the end of 128-bit totals can notice. */
static Status plan_totals(SqliteStore *store, const Record *record, Planned *planned, Outcome *outcome, Error *reterr)
{
    FlowState room, *flow = NULL;
    Status status = find_flow(store, record, flow_hash_of(store, record), &room, &flow, reterr);
    if (status == STATUS_OK) {
        *(record->type == RECORD_POSITIVE ? &planned->positive : &planned->negative) += record->value;
        bool fits = flow->totals.positive_total <= TOTAL_MAX - planned->positive &&
                    flow->totals.negative_total <= TOTAL_MAX - planned->negative;
        outcome->kind = fits ? OUTCOME_CREATED : OUTCOME_REJECTED;
    }
    return status;
}

static bool is_brought_before(const Work *work, size_t index)
{
    const EventItem *items = work->records.events->items;
    for (size_t i = 0; i < index; i++) {
        Str id = items[i].taken_for ? work->records.items[i].record_id : items[i].alias;
        if ((items[i].replaces || items[i].taken_for) && str_equal(id, items[index].alias)) {
            return true;
        }
    }
    return false;
}

/* A correction was decided by who was known by its alias: see EventChange. */
static Status check_holder(SqliteStore *store, const Work *work, size_t index, bool *ret_fits, Error *reterr)
{
    const EventItem *item = work->records.events ? &work->records.events->items[index] : NULL;
    int64_t holder = 0;
    *ret_fits = true;
    if (!item || !item->corrects || item->alias.len == 0) {
        return STATUS_OK;
    }
    if (item->holder == EVENT_HOLDER_BEFORE_IT) {
        *ret_fits = is_brought_before(work, index);
        return STATUS_OK;
    }
    Status status = search_holder(store, &work->records.items[index], item, &holder, reterr);
    *ret_fits = holder == item->holder || (holder == 0 && item->replaces);
    return status;
}

static Status plan_new(SqliteStore *store, Work *work, size_t index, Planned *planned, Error *reterr)
{
    const Record *record = &work->records.items[index];
    Outcome *outcome = &work->records.outcomes[index];
    bool fits = true;
    Status status = check_holder(store, work, index, &fits, reterr);
    if (status != STATUS_OK || !fits) {
        outcome->kind = OUTCOME_CONFLICT;
        return status;
    }
    const Record *earlier = planned_find_or_add(planned, store, work->records.items, index);
    if (!earlier) {
        return plan_totals(store, record, planned, outcome, reterr);
    }
    outcome->differs = record_differs(earlier, record);
    if (store->base.info.identity == IDENTITY_CONTENT) {
        outcome->differs &= ~(uint32_t)FIELD_RECORD_ID;
    }
    outcome->kind = outcome->differs ? OUTCOME_CONFLICT : OUTCOME_DUPLICATE;
    return STATUS_OK;
}

static Status plan_one(SqliteStore *store, Work *work, size_t index, Planned *planned, Error *reterr)
{
    Outcome *outcome = &work->records.outcomes[index];
    Search search = {
        .store = store, .record = &work->records.items[index], .event = event_of(work, index), .reterr = reterr};
    *outcome = (Outcome){0};
    Status status = search_existing(&search);
    if (status != STATUS_OK || search.end == SEARCH_GONE) {
        outcome->kind = OUTCOME_CONFLICT;
        return status;
    }
    if (search.was_ended && *planned_slot(planned, store, work->records.items, index)) {
        search_leave(&search, SEARCH_ANOTHER); /* its id would be the earlier one's by then */
    }
    if (search.end == SEARCH_FOUND) {
        report_existing(&search, work, outcome);
        return STATUS_OK;
    }
    return plan_new(store, work, index, planned, reterr);
}

/* Of events the first wins: there has to be one. */
static bool is_fit(const Work *work, size_t index)
{
    const Outcome *outcome = &work->records.outcomes[index];
    const EventItem *event = event_of(work, index);
    return outcome->kind != OUTCOME_REJECTED &&
           (outcome->kind != OUTCOME_CONFLICT || (event && (!event->taken_for || outcome->seq)));
}

/* Fills the outcomes with what would happen. *ret_clean: nothing but creations and duplicates. */
static Status plan(SqliteStore *store, Work *work, bool *ret_clean, Error *reterr)
{
    Planned planned;
    Status status = planned_init(&planned, &store->scratch, work->records.count, reterr);
    *ret_clean = true;
    for (size_t i = 0; i < work->records.count && status == STATUS_OK; i++) {
        status = plan_one(store, work, i, &planned, reterr);
        *ret_clean = *ret_clean && is_fit(work, i);
    }
    return status;
}

/* What would have been created was not. */
static void forget_created(Work *work)
{
    for (size_t i = 0; i < work->records.count; i++) {
        Outcome *outcome = &work->records.outcomes[i];
        outcome->kind = outcome->kind == OUTCOME_CREATED ? OUTCOME_NONE : outcome->kind;
    }
}

/* The records, and what goes with them. */
static Status write_records(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    bool fails = work->records.simulate_failure;
    size_t count = fails ? (work->records.count + 1) / 2 : work->records.count;
    Status status = apply_each(store, work, count, now_us, reterr);
    if (status == STATUS_OK && fails) {
        status = error_set(reterr, STATUS_BUSY, "simulated failure");
    }
    if (status == STATUS_OK && work->records.intake) {
        status = sqlite_apply_intake(store, work, now_us, reterr);
    }
    return status == STATUS_OK && work->records.events ? sqlite_apply_events(store, work, now_us, reterr) : status;
}

static void decide_nothing(Work *work)
{
    for (size_t i = 0; i < work->records.count; i++) {
        work->records.outcomes[i] = (Outcome){.kind = OUTCOME_NONE};
    }
}

Status sqlite_apply_records(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    bool clean = true;
    work->status = STATUS_OK;
    decide_nothing(work);
    store->work_begin = store->next_seq;
    if (work->records.atomic || work->records.dry_run) {
        Status status = plan(store, work, &clean, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (work->records.atomic && !clean) {
        forget_created(work);
        work->status = error_set(&work->error, STATUS_CONFLICT, "at least one record cannot be taken, so none was");
    }
    if (work->records.intake && !work->records.dry_run && work->status == STATUS_OK) {
        Status status = sqlite_make_letter_room(store, work, reterr);
        if (status != STATUS_OK || work->status != STATUS_OK) {
            decide_nothing(work);
            return status;
        }
    }
    if (work->records.dry_run || work->status != STATUS_OK) {
        return STATUS_OK;
    }
    return write_records(store, work, now_us, reterr);
}
