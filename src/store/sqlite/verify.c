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
#include "store/sqlite/verify_parts.h"

enum { PROBLEMS_TOLD_MAX = 1000, PROBLEM_BYTES_MAX = 1024 };

void verify_tell(Verify *verify, const char *format, ...)
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

/* A server beside it can move its write-ahead log into the database only as far as nobody reads. */
Status verify_look_away(Verify *verify, const char *what, uint64_t done, uint64_t total)
{
    sqlite_end(&verify->reader->base);
    if (verify->progress) {
        verify->progress(verify->context, what, done, total);
    }
    return sqlite_resume(&verify->reader->base, &verify->view->base, verify->reterr);
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
        verify_tell(verify,
                    "record %" PRId64 ": its flow's counts are %" PRId64 "+%" PRId64 ", but its rows are %" PRId64
                    "+%" PRId64,
                    stored->seq, is->positive_count, is->negative_count, right->positive_count, right->negative_count);
    }
    if (is->positive_total != right->positive_total) {
        decimal_format(is->positive_total, verify->info->scale, have);
        decimal_format(right->positive_total, verify->info->scale, want);
        verify_tell(verify, "record %" PRId64 ": positive_total is %s, but its flow's rows add up to %s", stored->seq,
                    have, want);
    }
    if (is->negative_total != right->negative_total) {
        decimal_format(is->negative_total, verify->info->scale, have);
        decimal_format(right->negative_total, verify->info->scale, want);
        verify_tell(verify, "record %" PRId64 ": negative_total is %s, but its flow's rows add up to %s", stored->seq,
                    have, want);
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
        verify_tell(verify, "record %" PRId64 ": prev_seq is %" PRId64 ", but its flow's previous record is %" PRId64,
                    stored->seq, stored->prev_seq, flow->newest_seq);
    }
    if (!flow_totals_add(&flow->totals, record->type, record->value, 1)) {
        verify_tell(verify, "record %" PRId64 ": its flow's total is beyond what a total can hold", stored->seq);
    }
    check_totals(verify, stored, &flow->totals);
    flow->newest_seq = stored->seq;
    return true;
}

static void check_values(Verify *verify, const StoredRecord *stored)
{
    const Record *record = &stored->record;
    if (record->value < 0 || record->value > RECORD_VALUE_MAX) {
        verify_tell(verify, "record %" PRId64 ": value %" PRId64 " is out of range", stored->seq, record->value);
    }
    const Str *texts[] = {&record->record_id, &record->source_id, &record->destination_id, &record->unit,
                          &record->reference};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i]->len == 0) {
            verify_tell(verify, "record %" PRId64 ": a text that is required is empty", stored->seq);
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
            verify_digest(record_identity_hash(&stored->record, verify->info->identity, verify->info->hash_seed), seq);
        verify->times_digest += verify_digest(index_time_key(stored->record.time_us), seq);
        verify->status = rollup_map_add(verify->rollups, &stored->record, verify->reterr);
    }
    return check_flow(verify, stored) && verify->status == STATUS_OK;
}

static Status check_records(Verify *verify, int64_t after, int64_t through)
{
    Status status = STATUS_OK;
    for (int64_t at = after; at < through && status == STATUS_OK; at += VERIFY_CHUNK) {
        int64_t end = through - at > VERIFY_CHUNK ? at + VERIFY_CHUNK : through;
        status = sqlite_scan(&verify->reader->base, at, end, FIELD_ALL, check_record, verify, verify->reterr);
        status = status == STATUS_OK ? verify->status : status;
        if (status == STATUS_OK) {
            status = verify_look_away(verify, "records", (uint64_t)end, (uint64_t)verify->view->base.bound);
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

static Status check_messages_between(Verify *verify, int64_t after, int64_t through)
{
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    Status status =
        db_prepare(verify->reader->db, "SELECT seq, record_seq FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq",
                   &stmt, verify->reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, after);
        sqlite3_bind_int64(stmt, 2, through);
    }
    while (status == STATUS_OK && (status = db_step(stmt, "read the messages", &row, verify->reterr)) == STATUS_OK &&
           row) {
        int64_t seq = sqlite3_column_int64(stmt, 0), record_seq = sqlite3_column_int64(stmt, 1);
        Error missing;
        verify->report.messages++;
        if (record_seq && sqlite_get(&verify->reader->base, record_seq, ignore_record, NULL, &missing) != STATUS_OK) {
            verify_tell(verify, "message %" PRId64 ": it is about record %" PRId64 ", which the log does not have", seq,
                        record_seq);
        }
    }
    sqlite3_finalize(stmt);
    return status;
}

static Status check_messages(Verify *verify)
{
    int64_t bound = verify->view->base.bound;
    Status status = STATUS_OK;
    for (int64_t at = 0; at < bound && status == STATUS_OK; at += VERIFY_CHUNK) {
        int64_t end = bound - at > VERIFY_CHUNK ? at + VERIFY_CHUNK : bound;
        status = check_messages_between(verify, at, end);
        if (status == STATUS_OK) {
            status = verify_look_away(verify, "messages", (uint64_t)end, (uint64_t)bound);
        }
    }
    if (status == STATUS_OK && verify->report.records + verify->report.messages != bound) {
        verify_tell(verify,
                    "the log ends at %" PRId64 ", but holds %" PRId64 " records and %" PRId64
                    " messages: the sequence has gaps",
                    bound, verify->report.records, verify->report.messages);
    }
    return status;
}

static void tell_sentence(void *context, Str sentence) { verify_tell(context, "%.*s", STR_ARGS(sentence)); }

/* ---- Rollups ----------------------------------------------------------------------------------------------------- */

typedef struct RollupCheck {
    Verify *verify;
    RollupWalk *walk;
    const char *level;
    bool ended; /* the runs have no more, or were told to be wrong altogether */
} RollupCheck;

static void tell_other_keys(RollupCheck *check, const Rollup *rollup)
{
    verify_tell(check->verify, "the rollups by %s have other keys than the log, first at %s %" PRId64 " of %.*s",
                check->level, check->level, rollup->bucket, STR_ARGS(rollup->destination_id));
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
        verify_tell(check->verify, "the rollup of %s %" PRId64 ", %.*s, %.*s, differs from its records", check->level,
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
        verify_tell(verify, "the rollups by %s cannot be read: %s", check.level, verify->reterr->message);
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
        status = verify_flows_index(verify);
    }
    if (status == STATUS_OK) {
        status = verify_index(verify, INDEX_IDS, verify->ids_digest);
    }
    if (status == STATUS_OK) {
        status = verify_index(verify, INDEX_TIMES, verify->times_digest);
    }
    verify->in_tail = true;
    if (status == STATUS_OK) {
        status = check_records(verify, published, verify->view->base.bound);
    }
    if (status == STATUS_OK) {
        status = sqlite_scan(reader, published, verify->view->base.bound, FIELD_ALL, verify_tail_record, verify,
                             verify->reterr);
        status = status == STATUS_OK ? verify->status : status;
    }
    if (status == STATUS_OK && verify->tail) {
        status = verify_tail(verify);
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
