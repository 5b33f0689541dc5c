#include "store/sqlite/derived.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/sqlite/db.h"
#include "store/sqlite/publish.h"
#include "store/sqlite/row.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/worker.h"

/* With fewer records than this a tail is not worth a publish for idleness alone: scanning it costs a reader less than a
 * millisecond, and a trickle of records would turn into a trickle of files. */
enum { IDLE_PUBLISH_RECORDS = 1024, MERGE_FANOUT = 6, FIND_CANDIDATES_MAX = 32 };

/* How long files are not written again after they could not be: a full disk does not get better by trying. */
enum { RETRY_US = 1000000 };

#define DISTRUST_NAME "rebuild" /* a file of this name asks the next start for a rebuild */

struct Derived {
    sqlite3 *db;
    RunPlace place;
    StoreInfo info;
    char dir[INDEX_PATH_BYTES_MAX];
    size_t publish_records;
    uint64_t free_reserve_bytes;
    Tail *active, *frozen; /* frozen: being written out, or waiting for its transaction */
    Tail *spare;           /* an empty one */
    Worker *worker;
    Run *merging[MERGE_INPUTS_MAX]; /* the inputs of the merge under way, references held */
    size_t merging_count;
    IndexNumber merging_index;
    int64_t retry_us;               /* not before, by the monotonic clock */
    pthread_mutex_t published_lock; /* guards the pointer, not the set */
    IndexSet *published;
};

/* ---- Lookups ----------------------------------------------------------------------------------------------------- */

void derived_prefetch(const Derived *derived, uint64_t identity_hash, uint64_t flow_hash)
{
    const IndexSet *set = derived->published;
    memtable_prefetch(derived->active->ids, identity_hash);
    memtable_prefetch(derived->active->flows, flow_hash);
    if (derived->frozen) {
        memtable_prefetch(derived->frozen->ids, identity_hash);
    }
    for (size_t i = 0; i < set->counts[INDEX_IDS]; i++) {
        run_prefetch(set->runs[INDEX_IDS][i], identity_hash);
    }
}

typedef struct Candidates {
    bool (*check)(void *context, int64_t seq);
    void *context;
    bool found, exhausted;
} Candidates;

static void check_candidates(Candidates *candidates, const uint64_t *seqs, size_t count, bool more)
{
    for (size_t i = 0; i < count && !candidates->found; i++) {
        candidates->found = candidates->check(candidates->context, (int64_t)seqs[i]);
    }
    candidates->exhausted = candidates->exhausted || (more && !candidates->found);
}

static void check_memtable(Candidates *candidates, const MemTable *table, uint64_t hash)
{
    uint64_t seqs[FIND_CANDIDATES_MAX];
    size_t count = memtable_find(table, hash, seqs, FIND_CANDIDATES_MAX);
    bool more = count > FIND_CANDIDATES_MAX;
    check_candidates(candidates, seqs, more ? FIND_CANDIDATES_MAX : count, more);
}

void derived_distrust(Derived *derived)
{
    const Io *io = derived->place.io;
    char path[INDEX_PATH_BYTES_MAX];
    IoFile *file = NULL;
    Error ignored; /* without the word, the next start fails here again, and `weir verify --rebuild` mends it */
    run_place_path(&derived->place, DISTRUST_NAME, path);
    if (io->create(io->self, path, &file, &ignored) == STATUS_OK) {
        Status synced = io->sync(file, &ignored);
        io->close(file);
        synced = synced == STATUS_OK ? io->sync_dir(io->self, derived->dir, &ignored) : synced;
        (void)synced;
    }
}

/* The writer cannot go on after that: it no longer knows what the log holds. */
static Status distrust(Derived *derived, Status status)
{
    if (status == STATUS_BROKEN) {
        derived_distrust(derived);
    }
    return status;
}

static bool is_distrusted(const Derived *derived)
{
    const Io *io = derived->place.io;
    char path[INDEX_PATH_BYTES_MAX];
    IoFile *file = NULL;
    uint64_t bytes = 0;
    Error ignored; /* most often that there is no such file */
    run_place_path(&derived->place, DISTRUST_NAME, path);
    if (io->open(io->self, path, &file, &bytes, &ignored) != STATUS_OK) {
        return false;
    }
    io->close(file);
    return true;
}

Status derived_find_ids(Derived *derived, uint64_t hash, bool (*check)(void *context, int64_t seq), void *context,
                        bool *ret_exhausted, Error *reterr)
{
    Candidates candidates = {.check = check, .context = context};
    const IndexSet *set = derived->published;
    check_memtable(&candidates, derived->active->ids, hash);
    if (!candidates.found && derived->frozen) {
        check_memtable(&candidates, derived->frozen->ids, hash);
    }
    for (size_t i = set->counts[INDEX_IDS]; i-- > 0 && !candidates.found;) {
        uint64_t seqs[FIND_CANDIDATES_MAX];
        size_t count = 0;
        bool more = false;
        Status status = run_find(set->runs[INDEX_IDS][i], hash, seqs, FIND_CANDIDATES_MAX, &count, &more, reterr);
        if (status != STATUS_OK) {
            return distrust(derived, status);
        }
        check_candidates(&candidates, seqs, count, more);
    }
    *ret_exhausted = candidates.exhausted && !candidates.found;
    return STATUS_OK;
}

Status derived_find_flow(Derived *derived, uint64_t hash, int64_t *ret_seq, Error *reterr)
{
    const IndexSet *set = derived->published;
    uint64_t seq = 0;
    if (memtable_find(derived->active->flows, hash, &seq, 1) ||
        (derived->frozen && memtable_find(derived->frozen->flows, hash, &seq, 1))) {
        *ret_seq = (int64_t)seq;
        return STATUS_OK;
    }
    for (size_t i = set->counts[INDEX_FLOWS]; i-- > 0;) {
        size_t count = 0;
        bool more = false;
        Status status = run_find(set->runs[INDEX_FLOWS][i], hash, &seq, 1, &count, &more, reterr);
        if (status != STATUS_OK || count) {
            *ret_seq = (int64_t)seq;
            return distrust(derived, status);
        }
    }
    *ret_seq = 0;
    return STATUS_OK;
}

/* ---- The tail ---------------------------------------------------------------------------------------------------- */

void derived_add(Derived *derived, const StoredRecord *stored, uint64_t flow_hash)
{
    tail_add(derived->active, stored, flow_hash);
}

void derived_committed(Derived *derived, int64_t last_seq) { derived->active->last_seq = last_seq; }

static Status freeze(Derived *derived, Error *reterr)
{
    uint64_t row_hash = 0;
    Tail *active = derived->active;
    Status status = index_entry_hash(derived->db, active->last_seq, &row_hash, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    tail_clear(derived->spare, active->last_seq + 1);
    derived->frozen = active;
    derived->active = derived->spare;
    derived->spare = NULL;
    worker_start_build(derived->worker, derived->frozen, row_hash);
    return STATUS_OK;
}

/* Swaps the published set. Readers that hold the old one go on with it. */
static void share(Derived *derived, IndexSet *set)
{
    pthread_mutex_lock(&derived->published_lock);
    IndexSet *old = derived->published;
    derived->published = set;
    pthread_mutex_unlock(&derived->published_lock);
    index_set_drop(old);
}

IndexSet *derived_published(Derived *derived)
{
    pthread_mutex_lock(&derived->published_lock);
    IndexSet *set = index_set_keep(derived->published);
    pthread_mutex_unlock(&derived->published_lock);
    return set;
}

static void put_off(Derived *derived) { derived->retry_us = clock_monotonic_us(derived->place.clock) + RETRY_US; }

static bool is_put_off(const Derived *derived)
{
    return derived->retry_us && clock_monotonic_us(derived->place.clock) < derived->retry_us;
}

/* Merges keep the runs few. Should they fall behind that far, what comes in has to wait for them. */
static Status check_run_counts(const IndexSet *set, Error *reterr)
{
    for (IndexNumber index = 0; index < INDEX_COUNT; index++) {
        if (set->counts[index] == INDEX_RUNS_MAX) {
            return error_set(reterr, STATUS_BUSY, "the index %s has %d files, and merging them takes its time",
                             index_names[index], INDEX_RUNS_MAX);
        }
    }
    return STATUS_OK;
}

/* The frozen tail's files are there: one transaction makes them visible. When it fails, the files are
 * discarded and the build begins again at the next opportunity. */
static Status adopt_build(Derived *derived, Error *reterr)
{
    NewRun made[INDEX_COUNT] = {0};
    IndexSet *set = index_set_new(derived->published);
    Status status = worker_take_build(derived->worker, made, reterr);
    if (status == STATUS_OK && !set) {
        status = error_set(reterr, STATUS_BUSY, "out of memory");
    }
    if (status == STATUS_OK) {
        status = check_run_counts(set, reterr);
    }
    if (status == STATUS_OK) {
        status = publish_tail(derived->db, derived->frozen, made, reterr);
    }
    if (status != STATUS_OK) {
        index_set_drop(set);
        for (size_t i = 0; i < INDEX_COUNT; i++) {
            new_run_discard(&made[i], &derived->place);
        }
        put_off(derived);
        return status;
    }
    for (IndexNumber index = 0; index < INDEX_COUNT; index++) {
        index_set_replace(set, index, set->counts[index], 0, made[index].run);
    }
    set->published_seq = derived->frozen->last_seq;
    share(derived, set);
    derived->spare = derived->frozen;
    derived->frozen = NULL;
    return STATUS_OK;
}

/* Starts the build of a frozen tail again after a failure. */
static Status retry_build(Derived *derived, Error *reterr)
{
    uint64_t row_hash = 0;
    Status status = index_entry_hash(derived->db, derived->frozen->last_seq, &row_hash, reterr);
    if (status == STATUS_OK) {
        worker_start_build(derived->worker, derived->frozen, row_hash);
    }
    return status;
}

/* ---- Merges ------------------------------------------------------------------------------------------------------ */

/* A merge needs room for its output beside its inputs. One that has not enough of it would be begun and given up again
 * and again. */
static bool has_room(const Derived *derived, Run *const *inputs, size_t count)
{
    uint64_t needed = 0, free_bytes = 0;
    Error ignored; /* if it cannot be told, the merge itself finds out */
    for (size_t i = 0; i < count; i++) {
        needed += run_bytes(inputs[i]);
    }
    const Io *io = derived->place.io;
    return io->free_bytes(io->self, derived->dir, &free_bytes, &ignored) != STATUS_OK ||
           free_bytes >= needed + derived->free_reserve_bytes;
}

static Status start_merge(Derived *derived, Error *reterr)
{
    const IndexSet *set = derived->published;
    for (IndexNumber index = 0; index < INDEX_COUNT; index++) {
        uint64_t sizes[INDEX_RUNS_MAX];
        size_t first = 0, count = 0;
        for (size_t i = 0; i < set->counts[index]; i++) {
            sizes[i] = run_count(set->runs[index][i]);
        }
        if (!merge_choose(sizes, set->counts[index], MERGE_FANOUT, &first, &count) ||
            !has_room(derived, &set->runs[index][first], count)) {
            continue;
        }
        Status status = worker_start_merge(derived->worker, index, &set->runs[index][first], count, reterr);
        for (size_t i = 0; i < count && status == STATUS_OK; i++) {
            derived->merging[i] = run_keep(set->runs[index][first + i]);
        }
        derived->merging_count = status == STATUS_OK ? count : 0;
        derived->merging_index = index;
        if (status != STATUS_OK) {
            put_off(derived);
        }
        return status;
    }
    return STATUS_OK;
}

static void forget_merge(Derived *derived)
{
    for (size_t i = 0; i < derived->merging_count; i++) {
        run_drop(derived->merging[i]);
    }
    derived->merging_count = 0;
}

/* The inputs are listed no more: their files go, which readers that have them open do not notice. */
static void remove_inputs(Derived *derived, char names[][RUN_NAME_BYTES_MAX])
{
    for (size_t i = 0; i < derived->merging_count; i++) {
        run_place_remove(&derived->place, names[i]);
    }
}

static Status listed_names(Derived *derived, char names[][RUN_NAME_BYTES_MAX], Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status =
        db_prepare(derived->db, "SELECT file FROM index_runs WHERE index_number = ? AND first_seq = ?", &stmt, reterr);
    for (size_t i = 0; i < derived->merging_count && status == STATUS_OK; i++) {
        bool row = false;
        sqlite3_bind_int64(stmt, 1, derived->merging_index);
        sqlite3_bind_int64(stmt, 2, run_stamp(derived->merging[i])->first_seq);
        status = db_step(stmt, "read the list of runs", &row, reterr);
        Str name = status == STATUS_OK && row ? db_text(stmt, 0) : STR("");
        snprintf(names[i], RUN_NAME_BYTES_MAX, "%.*s", STR_ARGS(name));
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    return status;
}

static Status adopt_merge(Derived *derived, Error *reterr)
{
    NewRun made = {0};
    char names[MERGE_INPUTS_MAX][RUN_NAME_BYTES_MAX];
    IndexNumber index = derived->merging_index;
    IndexSet *set = index_set_new(derived->published);
    Status status = distrust(derived, worker_take_merge(derived->worker, &made, reterr));
    if (status == STATUS_OK && !set) {
        status = error_set(reterr, STATUS_BUSY, "out of memory");
    }
    if (status == STATUS_OK) {
        status = listed_names(derived, names, reterr);
    }
    if (status == STATUS_OK) {
        status = publish_merge(derived->db, index, derived->merging, derived->merging_count, &made, reterr);
    }
    if (status != STATUS_OK) {
        index_set_drop(set);
        new_run_discard(&made, &derived->place);
        forget_merge(derived);
        put_off(derived);
        return status;
    }
    size_t first = 0;
    while (set->runs[index][first] != derived->merging[0]) {
        first++;
    }
    index_set_replace(set, index, first, derived->merging_count, made.run);
    share(derived, set);
    remove_inputs(derived, names);
    forget_merge(derived);
    return STATUS_OK;
}

/* ---- Housekeeping ------------------------------------------------------------------------------------------------ */

static bool is_publish_due(const Derived *derived, bool idle)
{
    size_t records = tail_records(derived->active);
    return records >= derived->publish_records || (idle && records >= IDLE_PUBLISH_RECORDS);
}

static Status maintain_publish(Derived *derived, bool idle, bool *ret_more, Error *reterr)
{
    WorkerState build = worker_build_state(derived->worker);
    if (build == WORKER_DONE) {
        *ret_more = true;
        return adopt_build(derived, reterr);
    }
    if (build != WORKER_IDLE || is_put_off(derived)) {
        return STATUS_OK;
    }
    if (derived->frozen) {
        return retry_build(derived, reterr);
    }
    return is_publish_due(derived, idle) ? freeze(derived, reterr) : STATUS_OK;
}

static Status maintain_merge(Derived *derived, bool *ret_more, Error *reterr)
{
    WorkerState merge = worker_merge_state(derived->worker);
    if (merge == WORKER_DONE) {
        *ret_more = true;
        return adopt_merge(derived, reterr);
    }
    return merge == WORKER_IDLE && !is_put_off(derived) ? start_merge(derived, reterr) : STATUS_OK;
}

Status derived_maintain(Derived *derived, bool idle, bool *ret_more, Error *reterr)
{
    *ret_more = false;
    Status status = maintain_publish(derived, idle, ret_more, reterr);
    if (status == STATUS_OK) {
        status = maintain_merge(derived, ret_more, reterr);
    }
    worker_step(derived->worker);
    return status;
}

Status derived_make_room(Derived *derived, size_t records, Error *reterr)
{
    if (tail_records(derived->active) + records <= derived->active->records_max) {
        return STATUS_OK;
    }
    Status status = STATUS_OK;
    if (derived->frozen) {
        if (worker_build_state(derived->worker) == WORKER_IDLE) {
            status = retry_build(derived, reterr);
        }
        worker_wait_build(derived->worker);
        if (status == STATUS_OK) {
            status = adopt_build(derived, reterr);
        }
    }
    return status == STATUS_OK ? freeze(derived, reterr) : status;
}

Status derived_publish_all(Derived *derived, Error *reterr)
{
    Status status = STATUS_OK;
    while (status == STATUS_OK && (derived->frozen || derived->active->last_seq >= derived->active->first_seq)) {
        if (!derived->frozen) {
            status = freeze(derived, reterr);
        } else if (worker_build_state(derived->worker) == WORKER_IDLE) {
            status = retry_build(derived, reterr);
        }
        if (status == STATUS_OK) {
            worker_wait_build(derived->worker);
            status = adopt_build(derived, reterr);
        }
    }
    return status;
}

/* ---- Opening ----------------------------------------------------------------------------------------------------- */

/* Reads the log behind what is covered into the active tail; publishes on the way when it does not fit. */
static Status replay(Derived *derived, Error *reterr)
{
    int64_t last_seq = 0;
    sqlite3_stmt *rows = NULL;
    StoredRecord stored = {0};
    Status status = publish_last_seq(derived->db, &last_seq, reterr);
    while (status == STATUS_OK && derived->active->last_seq < last_seq) {
        status = row_prepare_select(derived->db, FIELD_ALL & ~(uint32_t)FIELD_TOTALS,
                                    "FROM records WHERE seq > ? ORDER BY seq", &rows, reterr);
        bool row = status == STATUS_OK;
        if (row) {
            sqlite3_bind_int64(rows, 1, derived->active->last_seq);
        }
        while (status == STATUS_OK && tail_records(derived->active) < derived->active->records_max &&
               (status = db_step(rows, "read the log", &row, reterr)) == STATUS_OK && row) {
            row_read(rows, FIELD_ALL & ~(uint32_t)FIELD_TOTALS, &stored);
            Record *record = &stored.record;
            record->identity_hash = record_identity_hash(record, derived->info.identity, derived->info.hash_seed);
            tail_add(
                derived->active, &stored,
                record_flow_hash(record->destination_id, record->reference, record->unit, derived->info.hash_seed));
            derived->active->last_seq = stored.seq;
        }
        sqlite3_finalize(rows);
        rows = NULL;
        if (status == STATUS_OK && !row) {
            derived->active->last_seq = last_seq; /* the newest entries may be messages */
        } else if (status == STATUS_OK) {
            status = derived_make_room(derived, 1, reterr);
        }
    }
    return status;
}

Status derived_reload(Derived *derived, Error *reterr)
{
    tail_clear(derived->active, derived->active->first_seq);
    return replay(derived, reterr);
}

static Status load(Derived *derived, const StoreOptions *options, Error *reterr)
{
    IndexSet *set = NULL;
    unsigned bad = options->rebuild || is_distrusted(derived) ? PUBLISH_REBUILD_ALL : 0;
    Status status = STATUS_OK;
    if (!bad) {
        status = index_set_load(derived->db, options->io, derived->dir, &derived->info, &set, &bad, reterr);
    }
    if (bad) {
        index_set_drop(set);
        set = NULL;
        status = publish_rebuild(derived->db, &derived->place, bad, options->progress, options->progress_self, reterr);
        if (status == STATUS_OK) {
            status = index_set_load(derived->db, options->io, derived->dir, &derived->info, &set, &bad, reterr);
        }
    }
    if (status != STATUS_OK) {
        index_set_drop(set);
        return status;
    }
    derived->published = set;
    tail_clear(derived->active, set->published_seq + 1);
    run_place_remove(&derived->place, DISTRUST_NAME);
    return publish_remove_unlisted(derived->db, &derived->place, reterr);
}

Status derived_open(sqlite3 *db, const StoreOptions *options, const StoreInfo *info, Derived **ret_derived,
                    Error *reterr)
{
    Derived *derived = calloc(1, sizeof *derived);
    if (!derived) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    derived->db = db;
    derived->info = *info;
    derived->publish_records = options->publish_records;
    derived->free_reserve_bytes = options->free_reserve_bytes;
    snprintf(derived->dir, sizeof derived->dir, "%s/index", options->dir);
    derived->place =
        (RunPlace){.io = options->io, .dir = derived->dir, .info = &derived->info, .clock = options->clock};
    pthread_mutex_init(&derived->published_lock, NULL);
    size_t records_max = options->publish_records * 2 + STORE_BATCH_RECORDS_MAX;
    derived->active = tail_new(records_max);
    derived->spare = tail_new(records_max);
    Status status = derived->active && derived->spare ? STATUS_OK : error_set(reterr, STATUS_BUSY, "out of memory");
    if (status == STATUS_OK) {
        status = worker_open(&derived->place, sqlite3_db_filename(db, "main"), options->vfs, options->background,
                             &derived->worker, reterr);
    }
    if (status == STATUS_OK) {
        status = load(derived, options, reterr);
    }
    if (status == STATUS_OK) {
        status = replay(derived, reterr);
    }
    if (status != STATUS_OK) {
        derived_close(derived);
        return status;
    }
    *ret_derived = derived;
    return STATUS_OK;
}

void derived_close(Derived *derived)
{
    if (derived) {
        worker_close(derived->worker);
        forget_merge(derived);
        index_set_drop(derived->published);
        tail_free(derived->active);
        tail_free(derived->frozen);
        tail_free(derived->spare);
        pthread_mutex_destroy(&derived->published_lock);
        free(derived);
    }
}
