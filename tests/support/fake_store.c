#include "support/fake_store.h"

#include "store/store_ops.h"

#include <assert.h>
#include <stdlib.h>

enum { ROWS_MAX = 200000, ALERTS_MAX = 1000 };

typedef struct FakeStore FakeStore;

typedef struct FakeView {
    StoreView base;
    FakeStore *store;
} FakeView;

typedef struct FakeReader {
    StoreReader base;
    FakeStore *store;
    FakeView *view;
    bool looking;
} FakeReader;

struct FakeStore {
    Store base;
    StoredRecord *rows; /* in commit order */
    size_t count;
    size_t *by_time; /* indexes of rows, in order of (time, seq), when `sorted` */
    bool sorted;
    StoredMessage alerts[ALERTS_MAX];
    size_t alert_count;
    int64_t last_seq, rollup_seq;
    FakeReader reader;
    FakeReads reads;
    Status failure;
};

static const StoreOps ops;
static void sort_times(FakeStore *store);

Store *fake_store_new(const StoreInfo *info)
{
    FakeStore *store = calloc(1, sizeof *store);
    assert(store);
    store->base = (Store){.ops = &ops, .info = *info};
    store->reader.base.ops = &ops;
    store->rows = calloc(ROWS_MAX, sizeof *store->rows);
    store->by_time = calloc(ROWS_MAX, sizeof *store->by_time);
    assert(store->rows && store->by_time);
    store->reader.store = store;
    return &store->base;
}

void fake_store_free(Store *base)
{
    FakeStore *store = (FakeStore *)base;
    free(store->rows);
    free(store->by_time);
    free(store);
}

static const StoredRecord *last_of_flow(const FakeStore *store, const Record *record)
{
    for (size_t i = store->count; i > 0; i--) {
        if (record_same_flow(&store->rows[i - 1].record, record)) {
            return &store->rows[i - 1];
        }
        /* Long stores are for tests that do not look at totals; they need not wait for them. */
        if (store->count - i > 2000) {
            return NULL;
        }
    }
    return NULL;
}

int64_t fake_store_add(Store *base, const Record *record)
{
    FakeStore *store = (FakeStore *)base;
    assert(store->count < ROWS_MAX);
    const StoredRecord *previous = last_of_flow(store, record);
    StoredRecord *row = &store->rows[store->count];
    *row = (StoredRecord){.record = *record, .seq = ++store->last_seq, .prev_seq = previous ? previous->seq : 0};
    row->totals = previous ? previous->totals : (FlowTotals){0};
    bool fits = flow_totals_add(&row->totals, record->type, record->value, 1);
    assert(fits);
    store->count++;
    store->sorted = false;
    return row->seq;
}

int64_t fake_store_add_alert(Store *base, int64_t record_seq, const char *body)
{
    FakeStore *store = (FakeStore *)base;
    assert(store->alert_count < ALERTS_MAX);
    store->alerts[store->alert_count++] = (StoredMessage){
        .seq = ++store->last_seq, .kind = STR("alert"), .record_seq = record_seq, .body = str_from(body)};
    return store->last_seq;
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
    if (fields & FIELD_TOTALS) {
        copy.totals = row->totals;
        copy.prev_seq = row->prev_seq;
        to->traceparent = from->traceparent;
    }
    return copy;
}

static const StoredRecord *row_at(const FakeReader *reader, int64_t seq)
{
    size_t low = 0, high = reader->store->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (reader->store->rows[middle].seq < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < reader->store->count && reader->store->rows[low].seq == seq && seq <= reader->view->base.bound;
    return found ? &reader->store->rows[low] : NULL;
}

static Status get(StoreReader *base, int64_t seq, RecordVisitor *visit, void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    assert(reader->looking);
    const StoredRecord *row = row_at(reader, seq);
    if (!row) {
        return error_set(reterr, STATUS_REFUSED, "there is no record %lld", (long long)seq);
    }
    reader->store->reads.fetched++;
    visit(context, row);
    return STATUS_OK;
}

static Status find(StoreReader *base, Str record_id, Str source_id, RecordVisitor *visit, void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    assert(reader->looking);
    for (size_t i = 0; i < reader->store->count; i++) {
        const StoredRecord *row = &reader->store->rows[i];
        if (row->seq <= reader->view->base.bound && str_equal(row->record.record_id, record_id) &&
            (source_id.len == 0 || str_equal(row->record.source_id, source_id)) && !visit(context, row)) {
            break;
        }
    }
    return fail_if_told(reader->store, reterr);
}

static Status scan(StoreReader *base, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                   void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    assert(reader->looking && through <= reader->view->base.bound);
    Status status = fail_if_told(reader->store, reterr);
    for (size_t i = 0; i < reader->store->count && status == STATUS_OK; i++) {
        const StoredRecord *row = &reader->store->rows[i];
        if (row->seq > after && row->seq <= through) {
            StoredRecord copy = shown(row, fields);
            reader->store->reads.scanned++;
            if (!visit(context, &copy)) {
                break;
            }
        }
    }
    return status;
}

static int compare_places(const void *a, const void *b, void *store)
{
    const StoredRecord *left = &((FakeStore *)store)->rows[*(const size_t *)a];
    const StoredRecord *right = &((FakeStore *)store)->rows[*(const size_t *)b];
    if (left->record.time_us != right->record.time_us) {
        return left->record.time_us < right->record.time_us ? -1 : 1;
    }
    return (left->seq > right->seq) - (left->seq < right->seq);
}

static void sort_times(FakeStore *store)
{
    if (!store->sorted) {
        for (size_t i = 0; i < store->count; i++) {
            store->by_time[i] = i;
        }
        qsort_r(store->by_time, store->count, sizeof store->by_time[0], compare_places, store);
        store->sorted = true;
    }
}

static bool before(TimePosition a, TimePosition b)
{
    return a.time_us != b.time_us ? a.time_us < b.time_us : a.seq < b.seq;
}

/* How many rows, in order of time, lie before the place or (with `or_at`) at it. */
static size_t rank_of(const FakeStore *store, TimePosition place, bool or_at)
{
    size_t low = 0, high = store->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const StoredRecord *row = &store->rows[store->by_time[middle]];
        TimePosition found = {row->record.time_us, row->seq};
        if (before(found, place) || (or_at && !before(place, found))) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static Status walk_times(StoreReader *base, TimePosition from, TimePosition to, int64_t through, uint32_t fields,
                         RecordVisitor *visit, void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    FakeStore *store = reader->store;
    assert(reader->looking);
    sort_times(store);
    bool down = before(to, from);
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
    assert(!before(to, from));
    sort_times(view->store);
    size_t first = rank_of(view->store, from, true), last = rank_of(view->store, to, false);
    return (uint64_t)(base->bound - base->rollup_seq) + (last > first ? last - first : 0);
}

/* ---- Rollups, made on the spot ----------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int compare_buckets(const void *a, const void *b)
{
    int64_t left = ((const Rollup *)a)->bucket, right = ((const Rollup *)b)->bucket;
    return (left > right) - (left < right);
}

static void add_to_rollups(Rollup *rollups, size_t *count, int64_t bucket, const Record *record)
{
    Rollup *found = NULL;
    for (size_t i = *count; i > 0 && !found; i--) {
        Rollup *rollup = &rollups[i - 1];
        if (rollup->bucket == bucket && rollup->type == record->type && str_equal(rollup->unit, record->unit) &&
            str_equal(rollup->destination_id, record->destination_id)) {
            found = rollup;
        }
    }
    if (!found) {
        found = &rollups[(*count)++];
        *found = (Rollup){bucket, record->destination_id, record->unit, record->type, 0, 0, INT64_MAX, INT64_MIN};
    }
    found->count++;
    found->sum += record->value;
    found->min = record->value < found->min ? record->value : found->min;
    found->max = record->value > found->max ? record->value : found->max;
}

static Status rollups_in(StoreReader *base, RollupLevel level, int64_t from, int64_t to, RollupVisitor *visit,
                         void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    FakeStore *store = reader->store;
    int64_t day_us = INT64_C(86400000000), offset_us = level == ROLLUP_WEEK ? 3 * day_us : 0;
    int64_t unit_us = level == ROLLUP_WEEK ? 7 * day_us : level == ROLLUP_DAY ? day_us : day_us / 24;
    size_t count = 0;
    assert(reader->looking);
    Rollup *rollups = calloc(store->count + 1, sizeof *rollups);
    assert(rollups);
    for (size_t i = 0; i < store->count; i++) {
        int64_t bucket = floor_div(store->rows[i].record.time_us + offset_us, unit_us);
        if (store->rows[i].seq <= reader->view->base.rollup_seq && bucket >= from && bucket < to) {
            add_to_rollups(rollups, &count, bucket, &store->rows[i].record);
        }
    }
    qsort(rollups, count, sizeof *rollups, compare_buckets);
    Status status = fail_if_told(store, reterr);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        store->reads.rollups++;
        if (!visit(context, &rollups[i])) {
            break;
        }
    }
    free(rollups);
    return status;
}

static Status messages(StoreReader *base, Str kind, int64_t after, MessageVisitor *visit, void *context, Error *reterr)
{
    FakeReader *reader = (FakeReader *)base;
    assert(reader->looking && str_is(kind, "alert"));
    for (size_t i = 0; i < reader->store->alert_count; i++) {
        const StoredMessage *alert = &reader->store->alerts[i];
        if (alert->seq > after && alert->seq <= reader->view->base.bound && !visit(context, alert)) {
            break;
        }
    }
    return fail_if_told(reader->store, reterr);
}

/* ---- Nothing here writes ----------------------------------------------------------------------------------------- */

static void close_store(Store *store) { fake_store_free(store); }

static Status apply(Store *store, Work *first, Error *reterr)
{
    (void)store, (void)first;
    return error_set(reterr, STATUS_BROKEN, "the fake store is only read");
}

static Status maintain(Store *store, bool idle, bool *ret_more, Error *reterr)
{
    (void)store, (void)idle;
    *ret_more = false;
    (void)reterr;
    return STATUS_OK;
}

static RuleSet *rules(Store *store)
{
    (void)store;
    return NULL;
}

static int64_t last_seq(const Store *base) { return ((const FakeStore *)base)->last_seq; }

static void metrics(const Store *base, StoreMetrics *ret_metrics)
{
    const FakeStore *store = (const FakeStore *)base;
    *ret_metrics = (StoreMetrics){.last_seq = store->last_seq, .published_seq = store->rollup_seq};
}

static Status reader_open(Store *base, StoreReader **ret_reader, Error *reterr)
{
    *ret_reader = fake_store_reader(base);
    (void)reterr;
    return STATUS_OK;
}

static void reader_close(StoreReader *reader) { (void)reader; }

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
    .apply = apply,
    .maintain = maintain,
    .rules = rules,
    .last_seq = last_seq,
    .metrics = metrics,
    .reader_open = reader_open,
    .reader_close = reader_close,
    .begin = begin,
    .resume = resume,
    .end = end,
    .view_free = free_view,
    .get = get,
    .find = find,
    .scan = scan,
    .walk_times = walk_times,
    .estimate_times = estimate_times,
    .rollups = rollups_in,
    .messages = messages,
    .reader_rules = read_rules,
    .verify = verify,
};
