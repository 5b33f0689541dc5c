#include <assert.h>
#include <stdlib.h>

#include "support/fake_rollups.h"
#include "support/fake_store_parts.h"
#include "support/fake_times.h"

static const StoreOps ops;

Store *fake_store_new(const StoreInfo *info)
{
    FakeStore *store = calloc(1, sizeof *store);
    assert(store);
    store->base = (Store){.ops = &ops, .info = *info};
    store->rows = calloc(ROWS_MAX, sizeof *store->rows);
    store->by_time = calloc(ROWS_MAX, sizeof *store->by_time);
    store->newest = calloc(FLOW_SLOTS, sizeof *store->newest);
    assert(store->rows && store->by_time && store->newest);
    store->deliveries = fake_deliveries_new();
    store->intake = fake_intake_new(store->deliveries);
    store->events = fake_events_new();
    arena_init(&store->texts, 64 << 10, (size_t)1 << 30);
    Error error = {0};
    Status status = rule_set_new(NULL, 0, &store->rules, &error);
    assert(status == STATUS_OK);
    store->reader = (FakeReader){.base.ops = &ops, .store = store};
    return &store->base;
}

void fake_store_free(Store *base)
{
    FakeStore *store = (FakeStore *)base;
    fake_events_free(store->events);
    fake_intake_free(store->intake);
    fake_deliveries_free(store->deliveries);
    rule_set_drop(store->rules);
    arena_release(&store->texts);
    free(store->rows);
    free(store->by_time);
    free(store->newest);
    free(store);
}

/* The flow's place in the table of newest rows: 0, or the row's index and 1. */
static size_t *newest_of_flow(const FakeStore *store, const Record *record)
{
    uint64_t hash =
        record_flow_hash(record->destination_id, record->reference, record->unit, store->base.info.hash_seed);
    size_t at = hash % FLOW_SLOTS;
    while (store->newest[at] && !record_same_flow(&store->rows[store->newest[at] - 1].record, record)) {
        at = (at + 1) % FLOW_SLOTS;
    }
    return &store->newest[at];
}

int64_t fake_store_add(Store *base, const Record *record)
{
    FakeStore *store = (FakeStore *)base;
    assert(store->count < ROWS_MAX);
    size_t *newest = newest_of_flow(store, record);
    const StoredRecord *previous = *newest ? &store->rows[*newest - 1] : NULL;
    StoredRecord *row = &store->rows[store->count];
    *row = (StoredRecord){.record = *record, .seq = ++store->last_seq, .prev_seq = previous ? previous->seq : 0};
    row->totals = previous ? previous->totals : (FlowTotals){0};
    bool fits = flow_totals_add(&row->totals, record->type, record->value, 1);
    assert(fits);
    *newest = ++store->count;
    store->sorted = false;
    return row->seq;
}

int64_t fake_store_add_message(Store *base, Str kind, int64_t record_seq, int64_t created_us, Str body)
{
    FakeStore *store = (FakeStore *)base;
    assert(store->message_count < MESSAGES_MAX);
    store->messages[store->message_count++] = (StoredMessage){.seq = ++store->last_seq,
                                                              .kind = fake_store_keep(store, kind),
                                                              .record_seq = record_seq,
                                                              .created_us = created_us,
                                                              .body = fake_store_keep(store, body)};
    return store->last_seq;
}

const StoredRecord *fake_store_at(Store *base, int64_t seq)
{
    FakeStore *store = (FakeStore *)base;
    size_t low = 0, high = store->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (store->rows[middle].seq < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < store->count && store->rows[low].seq == seq ? &store->rows[low] : NULL;
}

const StoredMessage *fake_store_message_at(Store *base, int64_t seq)
{
    FakeStore *store = (FakeStore *)base;
    for (size_t i = 0; i < store->message_count; i++) {
        if (store->messages[i].seq == seq) {
            return &store->messages[i];
        }
    }
    return NULL;
}

void fake_store_publish(Store *base)
{
    FakeStore *store = (FakeStore *)base;
    store->rollup_seq = store->last_seq;
}

StoreReader *fake_store_reader(Store *base) { return &((FakeStore *)base)->reader.base; }

FakeReads fake_store_reads(Store *base)
{
    FakeStore *store = (FakeStore *)base;
    FakeReads reads = store->reads;
    store->reads = (FakeReads){0};
    return reads;
}

void fake_store_fail(Store *base, Status status) { ((FakeStore *)base)->failure = status; }

static Status fail_if_told(FakeStore *store, Error *reterr)
{
    Status status = store->failure;
    store->failure = STATUS_OK;
    return status == STATUS_OK ? STATUS_OK : error_set(reterr, status, "the fake store was told to fail");
}

/* ---- store.h ----------------------------------------------------------------------------------------------------- */

static Status begin(StoreReader *base, StoreView **ret_view, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    assert(!reader->looking);
    Status status = fail_if_told(reader->store, reterr);
    if (status == STATUS_OK) {
        reader->view = calloc(1, sizeof *reader->view);
        assert(reader->view);
        *reader->view = (FakeView){{&ops, reader->store->last_seq, reader->store->rollup_seq}, reader->store};
        reader->looking = true;
        reader->store->reads.looks++;
        *ret_view = &reader->view->base;
    }
    return status;
}

static Status resume(StoreReader *base, StoreView *view, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    assert(!reader->looking);
    Status status = fail_if_told(reader->store, reterr);
    reader->view = (FakeView *)view;
    reader->looking = status == STATUS_OK;
    reader->store->reads.looks++;
    return status;
}

static Status check(StoreReader *base, Error *reterr)
{
    assert(((FakeReader *)base)->looking);
    return fail_if_told(((FakeReader *)base)->store, reterr);
}

static void end(StoreReader *base)
{
    FakeReader *reader = (FakeReader *)base;
    assert(reader->looking);
    reader->looking = false;
}

static void free_view(StoreView *view) { free(view); }

/* A row with nothing in it but what was asked for; the rest would be noticed. */
static StoredRecord shown(const StoredRecord *row, uint32_t fields)
{
    static const Str unread = {"(not read)", 10};
    StoredRecord copy = {.seq = row->seq, .record = {.time_us = INT64_MIN, .value = INT64_MIN, .type = (RecordType)77}};
    const Record *from = &row->record;
    Record *to = &copy.record;
    to->record_id = fields & FIELD_RECORD_ID ? from->record_id : unread;
    to->source_id = fields & FIELD_SOURCE_ID ? from->source_id : unread;
    to->destination_id = fields & FIELD_DESTINATION_ID ? from->destination_id : unread;
    to->unit = fields & FIELD_UNIT ? from->unit : unread;
    to->reference = fields & FIELD_REFERENCE ? from->reference : unread;
    to->time_us = fields & FIELD_TIME ? from->time_us : to->time_us;
    to->value = fields & FIELD_VALUE ? from->value : to->value;
    to->type = fields & FIELD_TYPE ? from->type : to->type;
    copy.is_event = (fields & FIELD_EVENT) && row->is_event;
    if (fields & FIELD_TOTALS) {
        copy.totals = row->totals;
        copy.prev_seq = row->prev_seq;
        to->traceparent = from->traceparent;
    }
    return copy;
}

static Status get(StoreReader *base, int64_t seq, RecordVisitor *visit, void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    assert(reader->looking);
    const StoredRecord *row = fake_store_at(&reader->store->base, seq);
    if (!row || seq > reader->view->base.bound) {
        return error_set(reterr, STATUS_REFUSED, "there is no record %lld", (long long)seq);
    }
    StoredRecord copy = *row;
    copy.is_event = false; /* nobody has asked for it */
    reader->store->reads.fetched++;
    visit(context, &copy);
    return STATUS_OK;
}

static Status find(StoreReader *base, Str record_id, Str source_id, int64_t *at, RecordVisitor *visit, void *context,
                   Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    int64_t bound = reader->view->base.bound, after = *at;
    int64_t through = bound - after > FIND_ENTRIES_MAX ? after + FIND_ENTRIES_MAX : bound;
    assert(reader->looking);
    *at = through < bound ? through : FIND_DONE;
    for (size_t i = 0; i < reader->store->count; i++) {
        const StoredRecord *row = &reader->store->rows[i];
        bool in_piece = row->seq > after && row->seq <= through;
        reader->store->reads.scanned += in_piece;
        if (in_piece && str_equal(row->record.record_id, record_id) &&
            (source_id.len == 0 || str_equal(row->record.source_id, source_id)) && !visit(context, row)) {
            *at = FIND_DONE;
            break;
        }
    }
    return fail_if_told(reader->store, reterr);
}

static Status find_flow(StoreReader *base, Str destination_id, Str reference, Str unit, int64_t *ret_seq, Error *reterr)
{
    const FakeReader *reader = (const FakeReader *)base;
    const Record flow = {.destination_id = destination_id, .reference = reference, .unit = unit};
    assert(reader->looking);
    size_t newest = *newest_of_flow(reader->store, &flow);
    const StoredRecord *row = newest ? &reader->store->rows[newest - 1] : NULL;
    while (row && row->seq > reader->view->base.bound) {
        row = fake_store_at(&reader->store->base, row->prev_seq);
    }
    *ret_seq = reader->store->flows_untold ? FLOW_UNTOLD : row ? row->seq : 0;
    return fail_if_told(reader->store, reterr);
}

static Status scan(StoreReader *base, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                   void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    int64_t bound = reader->view->base.bound;
    assert(reader->looking);
    Status status = fail_if_told(reader->store, reterr);
    for (size_t i = 0; i < reader->store->count && status == STATUS_OK; i++) {
        const StoredRecord *row = &reader->store->rows[i];
        if (row->seq > after && row->seq <= through && row->seq <= bound) {
            StoredRecord copy = shown(row, fields);
            reader->store->reads.scanned++;
            if (!visit(context, &copy)) {
                break;
            }
        }
    }
    return status;
}

static void sort_times(FakeStore *store)
{
    if (!store->sorted) {
        fake_times_sort(store->rows, store->count, store->by_time);
        store->sorted = true;
    }
}

static size_t rank_of(const FakeStore *store, TimePosition place, bool or_at)
{
    return fake_times_rank(store->rows, store->count, store->by_time, place, or_at);
}

static Status walk_times(StoreReader *base, TimePosition from, TimePosition to, int64_t through, uint32_t fields,
                         RecordVisitor *visit, void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    FakeStore *store = reader->store;
    assert(reader->looking);
    sort_times(store);
    bool down = fake_times_before(to, from);
    size_t first = rank_of(store, down ? to : from, true), end = rank_of(store, down ? from : to, false);
    Status status = fail_if_told(store, reterr);
    for (size_t i = 0; first + i < end && status == STATUS_OK; i++) {
        const StoredRecord *row = &store->rows[store->by_time[down ? end - 1 - i : first + i]];
        if (row->seq <= reader->view->base.bound && row->seq <= through) {
            StoredRecord copy = shown(row, fields);
            store->reads.fetched++;
            if (!visit(context, &copy)) {
                break;
            }
        }
    }
    return status;
}

/* As the real one, which counts the whole tail whatever the range. */
static uint64_t estimate_times(const StoreView *base, TimePosition from, TimePosition to)
{
    const FakeView *view = (const FakeView *)base;
    assert(!fake_times_before(to, from));
    sort_times(view->store);
    size_t first = rank_of(view->store, from, true), last = rank_of(view->store, to, false);
    return (uint64_t)(base->bound - base->rollup_seq) + (last > first ? last - first : 0);
}

static Status rollups_in(StoreReader *base, RollupLevel level, int64_t from, int64_t to, RollupVisitor *visit,
                         void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    FakeStore *store = reader->store;
    assert(reader->looking);
    Status status = fail_if_told(store, reterr);
    if (status == STATUS_OK) {
        store->reads.rollups +=
            fake_rollups(store->rows, store->count, reader->view->base.rollup_seq, level, from, to, visit, context);
    }
    return status;
}

static Status messages(StoreReader *base, Str kind, int64_t after, MessageVisitor *visit, void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    assert(reader->looking);
    Status status = fail_if_told(reader->store, reterr);
    bool go_on = status == STATUS_OK;
    for (size_t i = 0; i < reader->store->message_count && go_on; i++) {
        const StoredMessage *message = &reader->store->messages[i];
        if (message->seq > after && message->seq <= reader->view->base.bound &&
            (!kind.len || str_equal(message->kind, kind))) {
            go_on = visit(context, message);
        }
    }
    return status;
}

/* ---- Deliveries -------------------------------------------------------------------------------------------------- */

static Status sinks(StoreReader *base, SinkVisitor *visit, void *context, Error *reterr)
{
    FakeStore *store = ((FakeReader *)base)->store;
    Status status = fail_if_told(store, reterr);
    if (status == STATUS_OK) {
        fake_deliveries_sinks(store->deliveries, visit, context);
    }
    return status;
}

static Status retries(StoreReader *base, Str sink, int64_t job, RetryVisitor *visit, void *context, Error *reterr)
{
    FakeStore *store = ((FakeReader *)base)->store;
    Status status = fail_if_told(store, reterr);
    if (status == STATUS_OK) {
        fake_deliveries_retries(store->deliveries, sink, job, visit, context);
    }
    return status;
}

static Status attempts(StoreReader *base, int64_t seq, AttemptVisitor *visit, void *context, Error *reterr)
{
    FakeStore *store = ((FakeReader *)base)->store;
    Status status = fail_if_told(store, reterr);
    if (status == STATUS_OK) {
        fake_deliveries_attempts(store->deliveries, seq, visit, context);
    }
    return status;
}

static Status dead_letters(StoreReader *base, const DeadLetterFilter *filter, DeadLetterVisitor *visit, void *context,
                           Error *reterr)
{
    FakeStore *store = ((FakeReader *)base)->store;
    Status status = fail_if_told(store, reterr);
    if (status == STATUS_OK) {
        fake_deliveries_letters(store->deliveries, filter, visit, context);
    }
    return status;
}

static Status replays(StoreReader *base, Str sink, ReplayVisitor *visit, void *context, Error *reterr)
{
    FakeStore *store = ((FakeReader *)base)->store;
    Status status = fail_if_told(store, reterr);
    if (status == STATUS_OK) {
        fake_deliveries_replays(store->deliveries, sink, visit, context);
    }
    return status;
}

static Status sources(StoreReader *base, SourceVisitor *visit, void *context, Error *reterr)
{
    FakeStore *store = ((FakeReader *)base)->store;
    Status status = fail_if_told(store, reterr);
    if (status == STATUS_OK) {
        fake_intake_sources(store->intake, visit, context);
    }
    return status;
}

static Status places(StoreReader *base, Str source, PlaceVisitor *visit, void *context, Error *reterr)
{
    FakeStore *store = ((FakeReader *)base)->store;
    Status status = fail_if_told(store, reterr);
    if (status == STATUS_OK) {
        fake_intake_places(store->intake, source, visit, context);
    }
    return status;
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

static Status events_in(StoreReader *base, int64_t after, int64_t through, EventVisitor *visit, void *context,
                        Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    int64_t bound = reader->view->base.bound;
    Status status = fail_if_told(reader->store, reterr);
    if (status == STATUS_OK) {
        fake_events_walk(reader->store->events, after, through < bound ? through : bound, visit, context);
    }
    return status;
}

static Status event_at(StoreReader *base, int64_t seq, EventVisitor *visit, void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    Status status = fail_if_told(reader->store, reterr);
    bool is_seen = seq <= reader->view->base.bound;
    return status == STATUS_OK && !(is_seen && fake_events_at(reader->store->events, seq, visit, context))
               ? error_set(reterr, STATUS_REFUSED, "it was no event")
               : status;
}

static Status event_attempts(StoreReader *base, const EventAttemptFilter *filter, EventAttemptVisitor *visit,
                             void *context, Error *reterr)
{
    FakeStore *store = ((FakeReader *)base)->store;
    Status status = fail_if_told(store, reterr);
    if (status == STATUS_OK) {
        fake_events_attempts(store->events, filter, visit, context);
    }
    return status;
}

static Status event_duplicates(StoreReader *base, int64_t seq, int64_t after, EventDuplicateVisitor *visit,
                               void *context, Error *reterr)
{
    FakeStore *store = ((FakeReader *)base)->store;
    Status status = fail_if_told(store, reterr);
    if (status == STATUS_OK) {
        fake_events_duplicates(store->events, seq, after, visit, context);
    }
    return status;
}

static Status event_clients(StoreReader *base, EventClientVisitor *visit, void *context, Error *reterr)
{
    FakeStore *store = ((FakeReader *)base)->store;
    Status status = fail_if_told(store, reterr);
    if (status == STATUS_OK) {
        fake_events_clients(store->events, visit, context);
    }
    return status;
}

static Status event_corrections(StoreReader *base, int64_t first, int64_t last, EventCorrectionVisitor *visit,
                                void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    Status status = fail_if_told(reader->store, reterr);
    if (status == STATUS_OK) {
        fake_events_corrections(reader->store->events, first, last, reader->view->base.bound, visit, context);
    }
    return status;
}

static Status event_alias(StoreReader *base, Str record_id, int64_t *ret_seq, Error *reterr)
{
    FakeStore *store = ((FakeReader *)base)->store;
    *ret_seq = fake_events_alias(store->events, record_id);
    return fail_if_told(store, reterr);
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

static void close_store(Store *store) { fake_store_free(store); }

static Status maintain(Store *store, bool idle, bool *ret_more, Error *reterr)
{
    (void)store, (void)idle;
    *ret_more = false;
    (void)reterr;
    return STATUS_OK;
}

static RuleSet *rules(Store *base) { return ((FakeStore *)base)->rules; }

static int64_t last_seq(const Store *base) { return ((const FakeStore *)base)->last_seq; }

static void metrics(const Store *base, StoreMetrics *ret_metrics)
{
    const FakeStore *store = (const FakeStore *)base;
    *ret_metrics = (StoreMetrics){.last_seq = store->last_seq,
                                  .published_seq = store->rollup_seq,
                                  .record_count = (int64_t)store->count,
                                  .message_count = (int64_t)store->message_count,
                                  .dead_letters_open = fake_deliveries_open_letters(store->deliveries),
                                  .dead_letter_bytes = fake_intake_bytes(store->intake)};
}

static Status reader_open(Store *base, StoreReader **ret_reader, Error *reterr)
{
    (void)reterr;
    FakeReader *reader = calloc(1, sizeof *reader);
    assert(reader);
    *reader = (FakeReader){.base = {.ops = &ops}, .store = (FakeStore *)base};
    *ret_reader = &reader->base;
    return STATUS_OK;
}

static void reader_close(StoreReader *base)
{
    FakeReader *reader = (FakeReader *)base;
    if (reader != &reader->store->reader) {
        free(reader);
    }
}

static Status read_rules(StoreReader *reader, RuleVisitor *visit, void *context, Error *reterr)
{
    (void)reader, (void)visit, (void)context, (void)reterr;
    return STATUS_OK;
}

static Status verify(StoreReader *reader, void (*problem)(void *context, const char *text), void *context,
                     void (*progress)(void *context, const char *what, uint64_t done, uint64_t total),
                     VerifyReport *ret_report, Error *reterr)
{
    (void)reader, (void)problem, (void)context, (void)progress, (void)reterr;
    *ret_report = (VerifyReport){0};
    return STATUS_OK;
}

static const StoreOps ops = {
    .close = close_store,
    .apply = fake_store_apply,
    .maintain = maintain,
    .rules = rules,
    .last_seq = last_seq,
    .metrics = metrics,
    .reader_open = reader_open,
    .reader_close = reader_close,
    .begin = begin,
    .resume = resume,
    .check = check,
    .end = end,
    .view_free = free_view,
    .get = get,
    .find = find,
    .find_flow = find_flow,
    .scan = scan,
    .walk_times = walk_times,
    .estimate_times = estimate_times,
    .rollups = rollups_in,
    .messages = messages,
    .reader_rules = read_rules,
    .sinks = sinks,
    .retries = retries,
    .attempts = attempts,
    .dead_letters = dead_letters,
    .replays = replays,
    .sources = sources,
    .places = places,
    .event = event_at,
    .events = events_in,
    .event_corrections = event_corrections,
    .event_alias = event_alias,
    .event_attempts = event_attempts,
    .event_duplicates = event_duplicates,
    .event_clients = event_clients,
    .organizations = fake_no_organizations,
    .organization_changes = fake_no_organization_changes,
    .jobs = fake_no_jobs,
    .batches = fake_no_batches,
    .onboard_counts = fake_no_onboard_counts,
    .idempotency = fake_no_idempotency,
    .verify = verify,
};
