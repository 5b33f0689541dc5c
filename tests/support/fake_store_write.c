/* The writing side of the fake store. */
#include <assert.h>

#include "support/fake_store_parts.h"

Str fake_store_keep(FakeStore *store, Str text)
{
    Str copy = arena_copy(&store->texts, text.len ? text : STR(""));
    assert(copy.ptr);
    return copy;
}

int64_t fake_store_add_alert(Store *base, int64_t record_seq, const char *body)
{
    return fake_store_add_message(base, STR("alert"), record_seq, 0, str_from(body));
}

int64_t fake_store_add_event(Store *base, const Record *record)
{
    FakeStore *store = (FakeStore *)base;
    int64_t seq = fake_store_add(base, record);
    store->rows[store->count - 1].is_event = true;
    return seq;
}

static void append_record(FakeStore *store, const Record *record, bool is_event, Outcome *ret_outcome, int64_t now_us)
{
    Record copy = *record;
    Str *texts[] = {&copy.record_id, &copy.source_id, &copy.destination_id,
                    &copy.unit,      &copy.reference, &copy.traceparent};
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        *texts[at] = fake_store_keep(store, *texts[at]);
    }
    int64_t seq = (is_event ? fake_store_add_event : fake_store_add)(&store->base, &copy);
    store->rows[store->count - 1].received_us = now_us;
    *ret_outcome = (Outcome){.kind = OUTCOME_CREATED, .seq = seq};
}

static const StoredRecord *find_in_log(const FakeStore *store, const Record *record)
{
    uint32_t identity = record_identity_fields(store->base.info.identity);
    for (size_t i = 0; i < store->count; i++) {
        const Record *there = &store->rows[i].record;
        if (there->identity_hash == record->identity_hash && !(record_differs(there, record) & identity)) {
            return &store->rows[i];
        }
    }
    return NULL;
}

static void report_existing(const StoredRecord *there, const Record *record, uint32_t fields, Outcome *ret_outcome)
{
    uint32_t differs = record_differs(&there->record, record) & fields;
    *ret_outcome =
        (Outcome){.kind = differs ? OUTCOME_CONFLICT : OUTCOME_DUPLICATE, .differs = differs, .seq = there->seq};
}

static void take_record(FakeStore *store, const Record *record, bool is_event, Outcome *ret_outcome, int64_t now_us)
{
    const StoredRecord *there = find_in_log(store, record);
    if (there) {
        report_existing(there, record, UINT32_MAX, ret_outcome);
    } else {
        append_record(store, record, is_event, ret_outcome, now_us);
    }
}

/* Under its id and a number that no record has there. */
static void append_another(FakeStore *store, const Record *record, Outcome *ret_outcome, int64_t now_us)
{
    char id[256];
    Record another = *record;
    size_t number = store->count + 1;
    do {
        snprintf(id, sizeof id, "%.*s:%zu", STR_ARGS(record->record_id), number++);
        another.record_id = str_from(id);
        another.identity_hash = record_identity_hash(&another, store->base.info.identity, store->base.info.hash_seed);
    } while (find_in_log(store, &another));
    append_record(store, &another, true, ret_outcome, now_us);
    fake_events_put_alias(store->events, record->record_id, ret_outcome->seq);
}

/* One that had been taken for a duplicate: whoever had its id when that was decided does not keep it. */
static void take_duplicate(FakeStore *store, const Record *record, const EventItem *item, const StoredRecord *there,
                           bool was_given, Outcome *ret_outcome, int64_t now_us)
{
    if (there && there->seq != item->holder) {
        report_existing(there, record, ~(uint32_t)FIELD_RECORD_ID, ret_outcome);
    } else if (!fake_events_keeps(store->events, item)) {
        *ret_outcome = (Outcome){.kind = OUTCOME_CONFLICT};
    } else if (there || was_given) {
        append_another(store, record, ret_outcome, now_us);
    } else {
        append_record(store, record, true, ret_outcome, now_us);
    }
}

/* An event's id may lead elsewhere since events were corrected, and a record may have it that was none. */
static void take_event(FakeStore *store, const Record *record, const EventItem *item, Outcome *ret_outcome,
                       int64_t now_us)
{
    int64_t seq = fake_events_alias(store->events, record->record_id);
    const StoredRecord *there = find_in_log(store, record);
    bool is_none = there && !there->is_event && store->base.info.identity != IDENTITY_CONTENT;
    bool leads = seq > 0 || (seq < 0 && fake_events_is_same(store->events, -seq, item));
    if (item->taken_for) {
        const StoredRecord *known = seq == 0 && !is_none ? there : NULL;
        known = leads ? fake_store_at(&store->base, seq > 0 ? seq : -seq) : known;
        take_duplicate(store, record, item, known, seq != 0 || is_none, ret_outcome, now_us);
    } else if (item->corrects || (seq == 0 && !is_none)) {
        take_record(store, record, true, ret_outcome, now_us);
    } else if (leads) {
        report_existing(fake_store_at(&store->base, seq > 0 ? seq : -seq), record, ~(uint32_t)FIELD_RECORD_ID,
                        ret_outcome);
    } else {
        append_another(store, record, ret_outcome, now_us);
    }
}

static void apply_records(FakeStore *store, Work *work, int64_t now_us)
{
    bool has_source = work->records.intake != NULL, are_events = work->records.events != NULL;
    for (size_t i = 0; i < work->records.count; i++) {
        work->records.outcomes[i] = (Outcome){.kind = OUTCOME_NONE};
    }
    if (work->records.dry_run || (has_source && !fake_intake_make_room(store->intake, work))) {
        return;
    }
    for (size_t i = 0; i < work->records.count; i++) {
        if (are_events) {
            take_event(store, &work->records.items[i], &work->records.events->items[i], &work->records.outcomes[i],
                       now_us);
        } else if (has_source) {
            take_record(store, &work->records.items[i], false, &work->records.outcomes[i], now_us);
        } else {
            append_record(store, &work->records.items[i], false, &work->records.outcomes[i], now_us);
        }
    }
    if (has_source) {
        fake_intake_apply(store->intake, &store->base, work, now_us);
    }
    if (are_events) {
        fake_events_apply(store->events, &store->base, work, now_us);
    }
}

static void apply_work(FakeStore *store, Work *work, int64_t now_us)
{
    work->status = STATUS_OK;
    switch (work->kind) {
    case WORK_RECORDS: apply_records(store, work, now_us); break;
    case WORK_RULE_PUT:
    case WORK_RULE_DELETE: assert(false && "there are no rules"); break;
    case WORK_SOURCE_STATE:
    case WORK_SOURCE_FORGET: fake_intake_change(store->intake, work, now_us); break;
    case WORK_ONBOARD:
    case WORK_JOBS_TAKE:
    case WORK_JOBS_END:
    case WORK_BATCH_RETRY:
    case WORK_BATCH_CANCEL:
    case WORK_ORGANIZATION: assert(false && "nobody is onboarded here"); break;
    default: fake_deliveries_apply(store->deliveries, &store->base, work, now_us); break;
    }
}

static bool is_to_fail(const Work *first)
{
    bool fails = false;
    for (const Work *work = first; work; work = work->next) {
        fails = fails || (work->kind == WORK_RECORDS && work->records.simulate_failure && !work->records.dry_run);
    }
    return fails;
}

Status fake_store_apply(Store *base, Work *first, Error *reterr)
{
    FakeStore *store = (FakeStore *)base;
    Status failure = store->apply_failure;
    int64_t now_us = store->clock ? clock_wall_us(store->clock) : 0;
    store->apply_failure = STATUS_OK;
    if (failure != STATUS_OK) {
        return error_set(reterr, failure, "the fake store was told to fail");
    }
    if (is_to_fail(first)) {
        return error_set(reterr, STATUS_BUSY, "simulated failure");
    }
    for (Work *work = first; work; work = work->next) {
        apply_work(store, work, now_us);
    }
    return STATUS_OK;
}

/* ---- How it is to behave ----------------------------------------------------------------------------------------- */

void fake_store_fail_apply(Store *base, Status status) { ((FakeStore *)base)->apply_failure = status; }

void fake_store_untell_flows(Store *base) { ((FakeStore *)base)->flows_untold = true; }

void fake_store_use_clock(Store *base, const Clock *clock) { ((FakeStore *)base)->clock = clock; }

void fake_store_set_letter_bytes_max(Store *base, uint64_t bytes)
{
    fake_intake_set_bytes_max(((FakeStore *)base)->intake, bytes);
}

void fake_store_set_events_max(Store *base, size_t attempts, size_t clients)
{
    fake_events_set_max(((FakeStore *)base)->events, attempts, clients);
}
