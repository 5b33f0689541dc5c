/* Verify: every total, chain, index entry and rollup recomputed from the raw rows, independently of how they were made.
 *
 * Memory grows with the number of flows and of rollups (about 100 bytes each), and of records not published yet. */
#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/decimal.h"
#include "store/rollup/rollup_map.h"
#include "store/rollup/rollup_walk.h"
#include "store/sqlite/db.h"
#include "store/sqlite/row.h"
#include "store/sqlite/sqlite_store.h"

enum { CHUNK_ENTRIES = 50000, PROBLEMS_TOLD_MAX = 1000, PROBLEM_BYTES_MAX = 1024 };

/* A flow as the rows so far make it. Known by 128 bits of hash. */
typedef struct FlowCheck {
    XXH128_hash_t name;
    uint64_t hash; /* as in the index */
    int64_t newest_seq;
    FlowTotals totals;
} FlowCheck;

typedef struct Verify {
    SqliteReader *reader;
    SqliteView *view;
    const StoreInfo *info;
    void (*problem)(void *context, const char *text);
    void *context;
    void (*progress)(void *context, const char *what, uint64_t done, uint64_t total);
    VerifyReport report;
    FlowCheck *flows; /* open addressing; newest_seq 0: empty */
    size_t flows_capacity;
    RollupMap *rollups;
    uint64_t ids_digest, times_digest; /* sums over the published records: they do not depend on the order */
    int64_t published_records;
    IndexPair *tail; /* the records that are not published: hash of the identity, sequence; owns */
    size_t tail_count;
    bool in_tail;
    Status status; /* of a visitor */
    Error *reterr;
} Verify;

static void tell(Verify *verify, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(Verify *verify, const char *format, ...)
{
    char text[PROBLEM_BYTES_MAX];
    if (++verify->report.problems > PROBLEMS_TOLD_MAX) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    verify->problem(verify->context, text);
}

static uint64_t digest(uint64_t key, uint64_t value)
{
    uint64_t pair[] = {key, value};
    return XXH3_64bits(pair, sizeof pair);
}

/* ---- Rows: totals and chains ------------------------------------------------------------------------------------- */

enum { FLOW_NAME_BYTES_MAX = 3 * 4 * RECORD_TEXT_CODE_POINTS_MAX };

static XXH128_hash_t flow_name(const Record *record)
{
    char name[FLOW_NAME_BYTES_MAX + 3 * sizeof(size_t)];
    const Str *parts[] = {&record->destination_id, &record->reference, &record->unit};
    size_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t len = parts[i]->len < FLOW_NAME_BYTES_MAX / 3 ? parts[i]->len : FLOW_NAME_BYTES_MAX / 3;
        memcpy(name + at, &parts[i]->len, sizeof parts[i]->len);
        memcpy(name + at + sizeof parts[i]->len, parts[i]->ptr ? parts[i]->ptr : "", len);
        at += sizeof parts[i]->len + len;
    }
    return XXH3_128bits(name, at);
}

static FlowCheck *flow_slot(FlowCheck *flows, size_t capacity, XXH128_hash_t name)
{
    size_t at = name.low64 & (capacity - 1);
    while (flows[at].newest_seq && !XXH128_isEqual(flows[at].name, name)) {
        at = (at + 1) & (capacity - 1);
    }
    return &flows[at];
}

static bool flows_grow(Verify *verify)
{
    size_t capacity = verify->flows_capacity ? verify->flows_capacity * 2 : 1024;
    FlowCheck *flows = calloc(capacity, sizeof *flows);
    if (!flows) {
        return false;
    }
    for (size_t i = 0; i < verify->flows_capacity; i++) {
        if (verify->flows[i].newest_seq) {
            *flow_slot(flows, capacity, verify->flows[i].name) = verify->flows[i];
        }
    }
    free(verify->flows);
    verify->flows = flows;
    verify->flows_capacity = capacity;
    return true;
}

static void check_totals(Verify *verify, const StoredRecord *stored, const FlowTotals *right)
{
    const FlowTotals *is = &stored->totals;
    char have[DECIMAL_TEXT_BYTES_MAX], want[DECIMAL_TEXT_BYTES_MAX];
    if (is->positive_count != right->positive_count || is->negative_count != right->negative_count) {
        tell(verify,
             "record %" PRId64 ": its flow's counts are %" PRId64 "+%" PRId64 ", but its rows are %" PRId64 "+%" PRId64,
             stored->seq, is->positive_count, is->negative_count, right->positive_count, right->negative_count);
    }
    if (is->positive_total != right->positive_total) {
        decimal_format(is->positive_total, verify->info->scale, have);
        decimal_format(right->positive_total, verify->info->scale, want);
        tell(verify, "record %" PRId64 ": positive_total is %s, but its flow's rows add up to %s", stored->seq, have,
             want);
    }
    if (is->negative_total != right->negative_total) {
        decimal_format(is->negative_total, verify->info->scale, have);
        decimal_format(right->negative_total, verify->info->scale, want);
        tell(verify, "record %" PRId64 ": negative_total is %s, but its flow's rows add up to %s", stored->seq, have,
             want);
    }
}

static bool check_flow(Verify *verify, const StoredRecord *stored)
{
    const Record *record = &stored->record;
    if ((size_t)verify->report.flows * 2 >= verify->flows_capacity && !flows_grow(verify)) {
        verify->status =
            error_set(verify->reterr, STATUS_BUSY, "out of memory for %" PRId64 " flows", verify->report.flows);
        return false;
    }
    XXH128_hash_t name = flow_name(record);
    FlowCheck *flow = flow_slot(verify->flows, verify->flows_capacity, name);
    if (!flow->newest_seq) {
        flow->name = name;
        flow->hash = record_flow_hash(record->destination_id, record->reference, record->unit, verify->info->hash_seed);
        verify->report.flows++;
    }
    if (stored->prev_seq != flow->newest_seq) {
        tell(verify, "record %" PRId64 ": prev_seq is %" PRId64 ", but its flow's previous record is %" PRId64,
             stored->seq, stored->prev_seq, flow->newest_seq);
    }
    if (!flow_totals_add(&flow->totals, record->type, record->value, 1)) {
        tell(verify, "record %" PRId64 ": its flow's total is beyond what a total can hold", stored->seq);
    }
    check_totals(verify, stored, &flow->totals);
    flow->newest_seq = stored->seq;
    return true;
}

static void check_values(Verify *verify, const StoredRecord *stored)
{
    const Record *record = &stored->record;
    if (record->value < 0 || record->value > RECORD_VALUE_MAX) {
        tell(verify, "record %" PRId64 ": value %" PRId64 " is out of range", stored->seq, record->value);
    }
    const Str *texts[] = {&record->record_id, &record->source_id, &record->destination_id, &record->unit,
                          &record->reference};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i]->len == 0) {
            tell(verify, "record %" PRId64 ": a text that is required is empty", stored->seq);
        }
    }
}

static bool check_record(void *context, const StoredRecord *stored)
{
    Verify *verify = context;
    uint64_t seq = (uint64_t)stored->seq;
    verify->report.records++;
    check_values(verify, stored);
    if (!verify->in_tail) {
        verify->published_records++;
        verify->ids_digest +=
            digest(record_identity_hash(&stored->record, verify->info->identity, verify->info->hash_seed), seq);
        verify->times_digest += digest(index_time_key(stored->record.time_us), seq);
        verify->status = rollup_map_add(verify->rollups, &stored->record, verify->reterr);
    }
    return check_flow(verify, stored) && verify->status == STATUS_OK;
}

static Status check_records(Verify *verify, int64_t after, int64_t through)
{
    StoreReader *reader = &verify->reader->base;
    Status status = STATUS_OK;
    for (int64_t at = after; at < through && status == STATUS_OK; at += CHUNK_ENTRIES) {
        int64_t end = through - at > CHUNK_ENTRIES ? at + CHUNK_ENTRIES : through;
        status = sqlite_scan(reader, at, end, FIELD_ALL, check_record, verify, verify->reterr);
        status = status == STATUS_OK ? verify->status : status;
        sqlite_end(reader);
        if (verify->progress) {
            verify->progress(verify->context, "records", (uint64_t)end, (uint64_t)verify->view->base.bound);
        }
        if (status == STATUS_OK) {
            status = sqlite_resume(reader, &verify->view->base, verify->reterr);
        }
    }
    return status;
}

/* ---- Messages ---------------------------------------------------------------------------------------------------- */

static bool ignore_record(void *context, const StoredRecord *stored)
{
    (void)context;
    (void)stored;
    return false;
}

static Status check_messages(Verify *verify)
{
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    Status status = db_prepare(verify->reader->db, "SELECT seq, record_seq FROM messages WHERE seq <= ? ORDER BY seq",
                               &stmt, verify->reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, verify->view->base.bound);
    }
    while (status == STATUS_OK && (status = db_step(stmt, "read the messages", &row, verify->reterr)) == STATUS_OK &&
           row) {
        int64_t seq = sqlite3_column_int64(stmt, 0), record_seq = sqlite3_column_int64(stmt, 1);
        Error missing;
        verify->report.messages++;
        if (record_seq && sqlite_get(&verify->reader->base, record_seq, ignore_record, NULL, &missing) != STATUS_OK) {
            tell(verify, "message %" PRId64 ": it is about record %" PRId64 ", which the log does not have", seq,
                 record_seq);
        }
    }
    sqlite3_finalize(stmt);
    if (status == STATUS_OK && verify->report.records + verify->report.messages != verify->view->base.bound) {
        tell(verify,
             "the log ends at %" PRId64 ", but holds %" PRId64 " records and %" PRId64
             " messages: the sequence has gaps",
             verify->view->base.bound, verify->report.records, verify->report.messages);
    }
    return status;
}

static void tell_sentence(void *context, Str sentence) { tell(context, "%.*s", STR_ARGS(sentence)); }

/* ---- Indexes ----------------------------------------------------------------------------------------------------- */

/* Two entries with one hash: they must be different records. */
typedef struct PairCheck {
    const StoreInfo *info;
    Arena arena;
    Record first;
    bool has_first, equal;
} PairCheck;

static bool compare_record(void *context, const StoredRecord *stored)
{
    PairCheck *check = context;
    if (check->has_first) {
        check->equal =
            (record_differs(&check->first, &stored->record) & record_identity_fields(check->info->identity)) == 0;
        return false;
    }
    check->first = stored->record;
    Str *texts[] = {&check->first.record_id, &check->first.source_id, &check->first.destination_id,
                    &check->first.unit,      &check->first.reference, &check->first.traceparent};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = arena_copy(&check->arena, *texts[i]);
    }
    check->has_first = true;
    return false;
}

static Status check_equal_hashes(Verify *verify, uint64_t a, uint64_t b)
{
    PairCheck check = {.info = verify->info};
    arena_init(&check.arena, 8192, 65536);
    Status status = sqlite_get(&verify->reader->base, (int64_t)a, compare_record, &check, verify->reterr);
    if (status == STATUS_OK) {
        status = sqlite_get(&verify->reader->base, (int64_t)b, compare_record, &check, verify->reterr);
    }
    if (status == STATUS_OK && check.equal) {
        tell(verify, "records %" PRIu64 " and %" PRIu64 " are the same record: it was counted twice", a, b);
    }
    arena_release(&check.arena);
    if (status == STATUS_REFUSED) {
        tell(verify, "the index ids names records %" PRIu64 " and %" PRIu64 ", of which the log lacks one", a, b);
        status = STATUS_OK;
    }
    return status;
}

typedef struct RunWalk {
    RunCursor cursor;
    IndexPair next;
    bool has_next;
} RunWalk;

/* Walks all runs of an index in one order: sums the digests up and, for ids, looks at equal neighbours. */
static Status walk_index(Verify *verify, IndexNumber index, uint64_t *ret_digest, int64_t *ret_count)
{
    const IndexSet *set = verify->view->set;
    size_t runs = set->counts[index];
    RunWalk *walks = calloc(runs + 1, sizeof *walks);
    IndexPair last = {0, 0};
    Status status = walks ? STATUS_OK : error_set(verify->reterr, STATUS_BUSY, "out of memory");
    for (size_t i = 0; i < runs && status == STATUS_OK; i++) {
        status = run_cursor_init(&walks[i].cursor, set->runs[index][i], (IndexPair){0, 0}, false, verify->reterr);
        if (status == STATUS_OK) {
            status = run_cursor_next(&walks[i].cursor, &walks[i].next, &walks[i].has_next, verify->reterr);
        }
    }
    while (status == STATUS_OK) {
        RunWalk *first = NULL;
        for (size_t i = 0; i < runs; i++) {
            if (walks[i].has_next && (!first || index_pair_before(walks[i].next, first->next))) {
                first = &walks[i];
            }
        }
        if (!first) {
            break;
        }
        if (index == INDEX_IDS && *ret_count > 0 && last.key == first->next.key) {
            status = check_equal_hashes(verify, last.value, first->next.value);
        }
        last = first->next;
        *ret_digest += digest(last.key, last.value);
        ++*ret_count;
        if (status == STATUS_OK) {
            status = run_cursor_next(&first->cursor, &first->next, &first->has_next, verify->reterr);
        }
    }
    for (size_t i = 0; i < runs && walks; i++) {
        if (walks[i].cursor.run) {
            run_cursor_release(&walks[i].cursor);
        }
    }
    free(walks);
    return status;
}

static Status check_index(Verify *verify, IndexNumber index, uint64_t right_digest)
{
    uint64_t is_digest = 0;
    int64_t count = 0;
    Status status = walk_index(verify, index, &is_digest, &count);
    if (status == STATUS_BROKEN) { /* a damaged run is a finding, not a failure to verify */
        tell(verify, "the index %s cannot be read: %s", index_names[index], verify->reterr->message);
        return STATUS_OK;
    }
    if (status == STATUS_OK && count != verify->published_records) {
        tell(verify, "the index %s has %" PRId64 " entries for %" PRId64 " records", index_names[index], count,
             verify->published_records);
    } else if (status == STATUS_OK && is_digest != right_digest) {
        tell(verify, "the index %s has other entries than the log", index_names[index]);
    }
    return status;
}

static Status check_flow_entry(Verify *verify, const FlowCheck *flow)
{
    const IndexSet *set = verify->view->set;
    for (size_t i = set->counts[INDEX_FLOWS]; i-- > 0;) {
        uint64_t seq = 0;
        size_t count = 0;
        bool more = false;
        Status status = run_find(set->runs[INDEX_FLOWS][i], flow->hash, &seq, 1, &count, &more, verify->reterr);
        if (status != STATUS_OK) {
            tell(verify, "the index flows cannot be read: %s", verify->reterr->message);
            return STATUS_OK;
        }
        if (count) {
            if (seq < (uint64_t)flow->newest_seq) { /* a larger one belongs to another flow with this hash */
                tell(verify, "the index flows says %" PRIu64 " for a flow whose newest record is %" PRId64, seq,
                     flow->newest_seq);
            }
            return STATUS_OK;
        }
    }
    tell(verify, "the index flows does not know the flow whose newest record is %" PRId64, flow->newest_seq);
    return STATUS_OK;
}

static Status check_flows_index(Verify *verify)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < verify->flows_capacity && status == STATUS_OK; i++) {
        if (verify->flows[i].newest_seq) {
            status = check_flow_entry(verify, &verify->flows[i]);
        }
    }
    return status;
}

static bool keep_tail_record(Verify *verify, uint64_t hash, uint64_t seq)
{
    size_t count = verify->tail_count, room = 2 * count + 1;
    bool is_full = (count & (count - 1)) == 0; /* at each power of two */
    IndexPair *tail = is_full ? realloc(verify->tail, room * sizeof *tail) : verify->tail;
    if (!tail) {
        verify->status = error_set(verify->reterr, STATUS_BUSY, "out of memory");
        return false;
    }
    verify->tail = tail;
    verify->tail[verify->tail_count++] = (IndexPair){hash, seq};
    return true;
}

static int by_pair(const void *a, const void *b)
{
    return index_pair_before(*(const IndexPair *)a, *(const IndexPair *)b) ? -1 : 1; /* no two are the same */
}

/* … nor twice among themselves, which no index says. */
static Status check_tail(Verify *verify)
{
    Status status = STATUS_OK;
    qsort(verify->tail, verify->tail_count, sizeof *verify->tail, by_pair);
    for (size_t i = 1; i < verify->tail_count && status == STATUS_OK; i++) {
        if (verify->tail[i - 1].key == verify->tail[i].key) {
            status = check_equal_hashes(verify, verify->tail[i - 1].value, verify->tail[i].value);
        }
    }
    return status;
}

/* A record behind the published ones must not be among them already … */
static bool check_tail_record(void *context, const StoredRecord *stored)
{
    Verify *verify = context;
    const IndexSet *set = verify->view->set;
    uint64_t hash = record_identity_hash(&stored->record, verify->info->identity, verify->info->hash_seed);
    for (size_t i = 0; i < set->counts[INDEX_IDS] && verify->status == STATUS_OK; i++) {
        uint64_t seq = 0;
        size_t count = 0;
        bool more = false;
        verify->status = run_find(set->runs[INDEX_IDS][i], hash, &seq, 1, &count, &more, verify->reterr);
        if (verify->status == STATUS_BROKEN) { /* check_index has told of it */
            verify->status = STATUS_OK;
            break;
        }
        if (verify->status == STATUS_OK && count) {
            verify->status = check_equal_hashes(verify, seq, (uint64_t)stored->seq);
        }
    }
    return verify->status == STATUS_OK && keep_tail_record(verify, hash, (uint64_t)stored->seq);
}

/* ---- Rollups ----------------------------------------------------------------------------------------------------- */

typedef struct RollupCheck {
    Verify *verify;
    RollupWalk *walk;
    const char *level;
    bool ended; /* the runs have no more, or were told to be wrong altogether */
} RollupCheck;

static void tell_other_keys(RollupCheck *check, const Rollup *rollup)
{
    tell(check->verify, "the rollups by %s have other keys than the log, first at %s %" PRId64 " of %.*s", check->level,
         check->level, rollup->bucket, STR_ARGS(rollup->destination_id));
    check->ended = true;
}

static bool check_rollup(void *context, const Rollup *right)
{
    RollupCheck *check = context;
    RollupLevel level = ROLLUP_HOUR;
    Rollup is;
    bool found = false;
    check->verify->status = rollup_walk_next(check->walk, &level, &is, &found, check->verify->reterr);
    if (check->verify->status != STATUS_OK) {
        return false;
    }
    if (!found || rollup_compare(&is, right) != 0) {
        tell_other_keys(check, right);
        return false;
    }
    if (is.count != right->count || is.sum != right->sum || is.min != right->min || is.max != right->max) {
        tell(check->verify, "the rollup of %s %" PRId64 ", %.*s, %.*s, differs from its records", check->level,
             is.bucket, STR_ARGS(is.destination_id), STR_ARGS(is.unit));
    }
    return true;
}

static Status check_level(Verify *verify, RollupLevel level)
{
    static const char *const names[] = {"hour", "day", "week"};
    const IndexSet *set = verify->view->set;
    RollupCheck check = {.verify = verify, .level = names[level]};
    Status status = rollup_walk_open(set->runs[INDEX_ROLLUPS], set->counts[INDEX_ROLLUPS], rollup_key(level, INT64_MIN),
                                     rollup_key(level, INT64_MAX), &check.walk, verify->reterr);
    if (status == STATUS_OK) {
        status = rollup_map_visit(verify->rollups, level, check_rollup, &check, verify->reterr);
    }
    if (status == STATUS_OK) {
        status = verify->status;
    }
    if (status == STATUS_OK && !check.ended) {
        Rollup more;
        bool found = false;
        status = rollup_walk_next(check.walk, &level, &more, &found, verify->reterr);
        if (status == STATUS_OK && found) {
            tell_other_keys(&check, &more);
        }
    }
    rollup_walk_close(check.walk);
    if (status == STATUS_BROKEN) { /* as with the indexes: a finding */
        tell(verify, "the rollups by %s cannot be read: %s", check.level, verify->reterr->message);
        return STATUS_OK;
    }
    return status;
}

static Status check_rollups(Verify *verify)
{
    Status status = STATUS_OK;
    for (int level = ROLLUP_HOUR; level <= ROLLUP_WEEK && status == STATUS_OK; level++) {
        status = check_level(verify, (RollupLevel)level);
    }
    return status;
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

static Status verify_view(Verify *verify)
{
    StoreReader *reader = &verify->reader->base;
    int64_t published = verify->view->base.rollup_seq;
    Status status = check_records(verify, 0, published);
    if (status == STATUS_OK) {
        status = check_flows_index(verify);
    }
    if (status == STATUS_OK) {
        status = check_index(verify, INDEX_IDS, verify->ids_digest);
    }
    if (status == STATUS_OK) {
        status = check_index(verify, INDEX_TIMES, verify->times_digest);
    }
    verify->in_tail = true;
    if (status == STATUS_OK) {
        status = check_records(verify, published, verify->view->base.bound);
    }
    if (status == STATUS_OK) {
        status = sqlite_scan(reader, published, verify->view->base.bound, FIELD_ALL, check_tail_record, verify,
                             verify->reterr);
        status = status == STATUS_OK ? verify->status : status;
    }
    if (status == STATUS_OK && verify->tail) {
        status = check_tail(verify);
    }
    if (status == STATUS_OK) {
        status = check_messages(verify);
    }
    if (status == STATUS_OK) {
        status = sqlite_find_forgotten(verify->reader->db, tell_sentence, verify, verify->reterr);
    }
    if (status == STATUS_OK) {
        status = sqlite_check_onboard(verify->reader->db, tell_sentence, verify, &verify->report.jobs, verify->reterr);
    }
    return status == STATUS_OK
               ? sqlite_check_events(verify->reader, tell_sentence, verify, &verify->report.events, verify->reterr)
               : status;
}

Status sqlite_verify(StoreReader *base, void (*problem)(void *context, const char *text), void *context,
                     void (*progress)(void *context, const char *what, uint64_t done, uint64_t total),
                     VerifyReport *ret_report, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    StoreView *view = NULL;
    Error error = {0};
    Verify verify = {.reader = reader,
                     .info = &reader->store->base.info,
                     .problem = problem,
                     .context = context,
                     .progress = progress,
                     .rollups = rollup_map_new(),
                     .reterr = &error};
    Status status =
        verify.rollups ? sqlite_begin(base, &view, &error) : error_set(&error, STATUS_BUSY, "out of memory");
    verify.view = (SqliteView *)view;
    if (status == STATUS_OK) {
        status = verify_view(&verify);
        if (status == STATUS_OK) {
            status = check_rollups(&verify);
        }
        sqlite_end(base);
    }
    view_free(view);
    rollup_map_free(verify.rollups);
    free(verify.flows);
    free(verify.tail);
    *ret_report = verify.report;
    return status == STATUS_OK ? STATUS_OK : error_set(reterr, status, "%s", error.message);
}
