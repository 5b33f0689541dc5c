/* The writer: batches as transactions, and the care of the WAL and the disk. */
#include <stdlib.h>

#include "store/sqlite/db.h"
#include "store/sqlite/publish.h"
#include "store/sqlite/row.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

enum {
    FREE_CHECK_US = 100000,      /* how old the figure of the free disk space may be */
    CHECKPOINT_BYTES = 16 << 20, /* small and often: a large checkpoint stalls the writer */
    RESTART_WAIT_MS = 200,       /* how long a checkpoint at the cap waits for readers, */
    RESTART_AGAIN_US = 10000000, /* and how soon it does so again when that was in vain */
    SCRATCH_BYTES_MAX = 64 << 20,
};

/* ---- The disk ---------------------------------------------------------------------------------------------------- */

static Status measure_space(SqliteStore *store, Error *reterr)
{
    int64_t now = clock_monotonic_us(store->options.clock);
    if (now - store->checked_free_us >= FREE_CHECK_US || store->checked_free_us == 0) {
        uint64_t free_bytes = 0;
        const Io *io = store->options.io;
        Status status = io->free_bytes(io->self, store->dir, &free_bytes, reterr);
        if (status != STATUS_OK) {
            return status;
        }
        store->checked_free_us = now;
        store->counters.free_bytes = (int64_t)free_bytes;
        store->counters.disk_low = free_bytes < store->options.free_reserve_bytes;
    }
    return STATUS_OK;
}

/* Refuses early, while there is still room for everything that is under way: half a transaction is never needed. */
static Status check_space(SqliteStore *store, Error *reterr)
{
    Status status = measure_space(store, reterr);
    if (status == STATUS_OK && store->counters.disk_low) {
        return error_set(reterr, STATUS_BUSY,
                         "the disk has less than the reserve of %llu MiB left; make room and try again",
                         (unsigned long long)(store->options.free_reserve_bytes >> 20));
    }
    return status;
}

static int wal_grew(void *self, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    SqliteStore *store = self;
    enum { FRAME_HEADER_BYTES = 24 };
    int64_t page_bytes = store->page_bytes + FRAME_HEADER_BYTES;
    store->counters.wal_bytes = pages * page_bytes;
    return SQLITE_OK;
}

/* Moves the WAL into the database as far as readers allow. At the cap it waits for them a little. */
static Status checkpoint(SqliteStore *store, Error *reterr)
{
    int64_t now_us = clock_monotonic_us(store->options.clock);
    bool at_cap = (uint64_t)store->counters.wal_bytes >= store->options.wal_bytes_max && now_us >= store->restart_us;
    int in_wal = 0, moved = 0;
    sqlite3_busy_timeout(store->db, at_cap ? RESTART_WAIT_MS : 0);
    int code = sqlite3_wal_checkpoint_v2(
        store->db, "main", at_cap ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, &in_wal, &moved);
    sqlite3_busy_timeout(store->db, 0);
    store->counters.checkpoints++;
    if (at_cap && (code != SQLITE_OK || moved != in_wal)) {
        store->restart_us =
            now_us + RESTART_AGAIN_US; /* somebody reads for long: records must not wait for that each time */
    }
    if (code == SQLITE_OK && moved == in_wal) {
        store->wal_moved_bytes = store->counters.wal_bytes;
    }
    return code == SQLITE_OK || code == SQLITE_BUSY ? STATUS_OK
                                                    : db_error(store->db, code, "checkpoint the WAL", reterr);
}

static bool is_checkpoint_due(SqliteStore *store, bool idle)
{
    int64_t grown = store->counters.wal_bytes - store->wal_moved_bytes;
    if (grown < 0) { /* the WAL began anew */
        store->wal_moved_bytes = 0;
        grown = store->counters.wal_bytes;
    }
    return grown >= CHECKPOINT_BYTES || (idle && grown > 0);
}

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

static size_t count_records(const Work *first)
{
    size_t count = 0;
    for (const Work *work = first; work; work = work->next) {
        count += work->kind == WORK_RECORDS && !work->records.dry_run ? work->records.count : 0;
    }
    return count;
}

static void publish_counters(SqliteStore *store)
{
    Counters *counters = &store->counters;
    counters->last_seq = store->next_seq - 1;
    counters->records = store->tally.records;
    counters->messages = store->tally.messages;
    counters->dead_letters = store->tally.dead_letters;
    counters->letter_bytes = store->tally.letter_bytes;
    counters->cache_hits = store->tally.cache_hits;
    counters->cache_misses = store->tally.cache_misses;
}

static Status load_counters(SqliteStore *store, Error *reterr)
{
    int64_t last_seq = 0, published = 0, behind = 0;
    Status status = publish_last_seq(store->db, &last_seq, reterr);
    if (status == STATUS_OK) {
        status = meta_get_int(store->db, META_PUBLISHED_RECORDS, 0, &published, reterr);
    }
    if (status == STATUS_OK) {
        status = db_get_int(store->db,
                            "SELECT count(*) FROM records WHERE seq >"
                            " coalesce((SELECT value FROM meta WHERE name = '" META_PUBLISHED_SEQ "'), 0)",
                            0, &behind, reterr);
    }
    if (status == STATUS_OK) {
        status = sqlite_count_dead_letters(store, reterr);
    }
    if (status == STATUS_OK) {
        status = sqlite_count_letter_bytes(store, reterr);
    }
    if (status == STATUS_OK) {
        status = sqlite_load_events(store, reterr);
    }
    if (status == STATUS_OK) {
        status = sqlite_count_leases(store, reterr);
    }
    store->next_seq = last_seq + 1;
    store->tally.records = published + behind;
    store->tally.messages = last_seq - store->tally.records;
    publish_counters(store);
    return status;
}

/* After a failure SQLite may or may not have rolled back by itself; then everything in memory is made to fit the log
 * again. */
static Status roll_back(SqliteStore *store, Tally before, Error *reterr)
{
    if (!db_roll_back(store->db)) {
        return error_set(reterr, STATUS_BROKEN, "the transaction could not be rolled back");
    }
    store->next_seq = store->counters.last_seq + 1;
    store->tally = before;
    flow_cache_clear(store->flows);
    Status status = derived_reload(store->derived, reterr);
    return status == STATUS_OK ? sqlite_load_rules(store, reterr) : status;
}

/* SQLite syncs the database when a checkpoint has moved the last page of the WAL, but what one has moved that readers
 * cut short counts as being there at once, for every program that has the file open. After a failed sync the disk may
 * have forgotten it: readers of other programs, which keep that count beyond the end of this one, must take it from the
 * WAL, and the next checkpoint move it again. The count is nBackfill of https://www.sqlite.org/walformat.html (2.3.1).
 * Only we change it, since nobody else makes checkpoints. */
static void forget_moved(SqliteStore *store)
{
    enum { REGION_BYTES = 32768, VERSION = 0, VERSION_KNOWN = 3007000, BACKFILL = 24 };
    sqlite3_file *file = NULL;
    void volatile *region = NULL;
    int code = sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code == SQLITE_OK && file && file->pMethods && file->pMethods->iVersion >= 2) {
        code = file->pMethods->xShmMap(file, 0, REGION_BYTES, 0, &region);
    }
    uint32_t volatile *index = region;
    if (code == SQLITE_OK && index && index[VERSION] == VERSION_KNOWN) {
        __atomic_store_n(&index[BACKFILL], 0, __ATOMIC_SEQ_CST);
    }
}

static Status break_down(SqliteStore *store, Status status, const Error *why)
{
    store->broken = true;
    forget_moved(store);
    store->why = *why;
    return status;
}

/* A commit that found the disk full was refused within one of its frames. Where files are copied when they are written,
 * that may have been a frame in the place of an older one of the same page, with the same end: then all of it is in the
 * WAL. This process does not look there and its next commit writes over it, but a start after a kill would find it. */
static Status refuse_unsure(SqliteStore *store, Tally before, Error *error)
{
    Error ignored;
    if (roll_back(store, before, &ignored) != STATUS_OK) {
        return break_down(store, STATUS_UNKNOWN, error);
    }
    return error_set(
        error, STATUS_UNKNOWN,
        "the disk was full when this was to be committed, and it may have happened all the same; make room "
        "and send it again, which is safe");
}

/* Memory that gives out in the middle of a commit can leave it done or not; so can a sync that fails. */
static Status fail_commit(SqliteStore *store, Tally before, Error *error)
{
    if (sqlite3_errcode(store->db) == SQLITE_FULL) {
        return refuse_unsure(store, before, error);
    }
    store->counters.sync_failed++;
    return break_down(store, STATUS_UNKNOWN, error);
}

static Status fail_batch(SqliteStore *store, Tally before, Status status, const Error *error)
{
    Error ignored; /* the first reason is the one to tell */
    if (status == STATUS_BUSY && roll_back(store, before, &ignored) == STATUS_OK) {
        return STATUS_BUSY;
    }
    return break_down(store, STATUS_BROKEN, error);
}

static Status apply_work(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    work->status = STATUS_OK;
    switch (work->kind) {
    case WORK_RECORDS: return sqlite_apply_records(store, work, now_us, reterr);
    case WORK_RULE_PUT:
    case WORK_RULE_DELETE: return sqlite_apply_rule(store, work, now_us, reterr);
    case WORK_SINK_PUT: return sqlite_put_sink(store, work, now_us, reterr);
    case WORK_SINK_STATE: return sqlite_set_sink_state(store, work, now_us, reterr);
    case WORK_DELIVERY: return sqlite_apply_delivery(store, work, now_us, reterr);
    case WORK_DEAD_LETTERS: return sqlite_apply_dead_letters(store, work, now_us, reterr);
    case WORK_REPLAY_PUT: return sqlite_put_replay(store, work, now_us, reterr);
    case WORK_REPLAY_CANCEL: return sqlite_cancel_replay(store, work, now_us, reterr);
    case WORK_SOURCE_STATE: return sqlite_set_source_state(store, work, now_us, reterr);
    case WORK_SOURCE_FORGET: return sqlite_forget_places(store, work, reterr);
    case WORK_ONBOARD: return sqlite_apply_onboard(store, work, now_us, reterr);
    case WORK_JOBS_TAKE: return sqlite_take_jobs(store, work, now_us, reterr);
    case WORK_JOBS_END: return sqlite_end_jobs(store, work, now_us, reterr);
    case WORK_BATCH_RETRY:
    case WORK_BATCH_CANCEL: return sqlite_change_batch(store, work, now_us, reterr);
    case WORK_ORGANIZATION: break;
    }
    return sqlite_edit_organization(store, work, now_us, reterr);
}

static Status apply_all(SqliteStore *store, Work *first, Error *reterr)
{
    int64_t now_us = clock_wall_us(store->options.clock);
    sqlite_begin_events(store);
    Status status = store->onboard.has_leases ? sqlite_end_leases(store, now_us, reterr) : STATUS_OK;
    if (status == STATUS_OK && now_us < store->onboard.latest_us) {
        status = sqlite_mend_due_times(store, now_us, reterr);
    }
    store->onboard.now_us = now_us;
    for (Work *work = first; work && status == STATUS_OK; work = work->next) {
        arena_reset(&store->scratch);
        status = apply_work(store, work, now_us, reterr);
    }
    return status == STATUS_OK ? sqlite_end_events(store, reterr) : status;
}

/* A dry run only looks. */
static bool writes(const Work *first)
{
    for (const Work *work = first; work; work = work->next) {
        if (work->kind != WORK_RECORDS || !work->records.dry_run) {
            return true;
        }
    }
    return false;
}

static Status check_batch(SqliteStore *store, const Work *first, Error *reterr)
{
    size_t records = count_records(first);
    if (store->broken || !store->db) {
        return error_set(reterr, STATUS_BROKEN, "the store takes nothing more after an earlier failure");
    }
    if (records > STORE_BATCH_RECORDS_MAX) {
        return error_set(reterr, STATUS_REFUSED, "a batch holds at most %d records", STORE_BATCH_RECORDS_MAX);
    }
    return writes(first) ? check_space(store, reterr) : STATUS_OK;
}

/* Room in the tail may take a publish, whose commit can fail like any other: then nothing may be acknowledged any
 * more. */
static Status make_room(SqliteStore *store, const Work *first, Error *reterr)
{
    Status status = derived_make_room(store->derived, count_records(first), reterr);
    return status == STATUS_OK || status == STATUS_BUSY ? status : break_down(store, STATUS_BROKEN, reterr);
}

static Status commit_all(SqliteStore *store, Work *first, Error *reterr)
{
    Tally before = store->tally;
    int64_t start_us = clock_monotonic_us(store->options.clock);
    Status status = db_exec(store->db, "BEGIN IMMEDIATE", reterr);
    if (status == STATUS_BUSY) {
        return status; /* nothing was begun, and nothing in memory has changed */
    }
    if (status == STATUS_OK) {
        status = apply_all(store, first, reterr);
    }
    if (status != STATUS_OK) {
        return fail_batch(store, before, status, reterr);
    }
    if (db_exec(store->db, "COMMIT", reterr) != STATUS_OK) {
        return fail_commit(store, before, reterr);
    }
    store->onboard.has_leases = false;
    store->onboard.latest_us = store->onboard.now_us;
    derived_committed(store->derived, store->next_seq - 1);
    publish_counters(store);
    store->counters.commits++;
    store->counters.commit_us += clock_monotonic_us(store->options.clock) - start_us;
    return STATUS_OK;
}

Status sqlite_apply(Store *base, Work *first, Error *reterr)
{
    SqliteStore *store = (SqliteStore *)base;
    Error error = {0};
    Status status = check_batch(store, first, &error);
    if (status == STATUS_OK) {
        status = make_room(store, first, &error);
    }
    if (status == STATUS_OK) {
        status = commit_all(store, first, &error);
    }
    return status == STATUS_OK ? STATUS_OK : error_set(reterr, status, "%s", error.message);
}

Status sqlite_maintain(Store *base, bool idle, bool *ret_more, Error *reterr)
{
    SqliteStore *store = (SqliteStore *)base;
    *ret_more = false;
    if (store->broken) {
        return error_set(reterr, STATUS_BROKEN, "%s", store->why.message);
    }
    if (!store->db) {
        return STATUS_OK;
    }
    Status status = measure_space(store, reterr);
    if (status == STATUS_OK && !store->counters.disk_low) {
        status = derived_maintain(store->derived, idle, ret_more, reterr);
    }
    if (status == STATUS_OK && is_checkpoint_due(store, idle && !*ret_more)) {
        status = checkpoint(store, reterr);
    }
    /* A full disk only puts housekeeping off. Anything else means that the file cannot be trusted to take more. */
    if (status != STATUS_OK && status != STATUS_BUSY) {
        break_down(store, status, reterr);
    }
    return status == STATUS_BUSY ? STATUS_OK : status;
}

/* ---- Opening ----------------------------------------------------------------------------------------------------- */

static Status configure(SqliteStore *store, Error *reterr)
{
    /* FULL: a commit is on disk when it returns. Automatic checkpoints are off, since they would come at the worst
     * moment; the WAL file is kept and reused, so that syncs do not extend it. */
    Status status = db_exec(store->db,
                            "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                            "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = -1; PRAGMA temp_store = MEMORY;"
                            "PRAGMA cache_size = -32768; PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF",
                            reterr);
    if (status == STATUS_OK) {
        status = db_get_int(store->db, "PRAGMA page_size", 4096, &store->page_bytes, reterr);
    }
    sqlite3_wal_hook(store->db, wal_grew, store);
    return status;
}

static Status prepare(SqliteStore *store, Error *reterr)
{
    Status status = row_prepare_insert(store->db, &store->insert_record, reterr);
    if (status == STATUS_OK) {
        status = db_prepare(store->db, "INSERT INTO messages VALUES(?,?,?,?,?)", &store->insert_message, reterr);
    }
    if (status == STATUS_OK) {
        status = row_prepare_select(store->db, FIELD_ALL, "FROM records WHERE seq = ?", &store->select_record, reterr);
    }
    if (status == STATUS_OK) {
        status = row_prepare_select(store->db, FIELD_ALL,
                                    "FROM records WHERE destination_id = ? AND reference = ? AND unit = ?"
                                    " ORDER BY seq DESC LIMIT 1",
                                    &store->select_flow, reterr);
    }
    if (status == STATUS_OK) {
        status = sqlite_prepare_deliveries(store, reterr);
    }
    if (status == STATUS_OK) {
        status = sqlite_prepare_events(store, reterr);
    }
    return status == STATUS_OK ? sqlite_prepare_onboard(store, reterr) : status;
}

/* Writes the WAL's own bytes back and syncs them. */
static Status rewrite_file(sqlite3_file *file, sqlite3_int64 bytes, Error *reterr)
{
    enum { PIECE_BYTES = 64 << 10 }; /* SQLite writes less than 128 KiB at once */
    char *piece = malloc(PIECE_BYTES);
    int code = piece ? SQLITE_OK : SQLITE_NOMEM;
    for (sqlite3_int64 at = 0; at < bytes && code == SQLITE_OK; at += PIECE_BYTES) {
        int count = bytes - at < PIECE_BYTES ? (int)(bytes - at) : PIECE_BYTES;
        code = file->pMethods->xRead(file, piece, count, at);
        code = code == SQLITE_OK ? file->pMethods->xWrite(file, piece, count, at) : code;
    }
    free(piece);
    code = code == SQLITE_OK ? file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) : code;
    return code == SQLITE_OK ? STATUS_OK : db_error(NULL, code, "make the write-ahead log durable", reterr);
}

/* What an earlier process left in the WAL may be in the system's cache only: it was killed before its sync, or its sync
 * failed and the system took the pages for written all the same. Readers and repeated records would see it, and a power
 * loss would take it away. So its pages are made dirty and synced, and its name with them, before anything is told to
 * anybody. */
static Status make_durable(SqliteStore *store, Error *reterr)
{
    sqlite3_file *wal = NULL;
    sqlite3_int64 bytes = 0;
    int code = sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (code == SQLITE_OK && wal && wal->pMethods) {
        code = wal->pMethods->xFileSize(wal, &bytes);
    }
    Status status = code == SQLITE_OK ? STATUS_OK : db_error(store->db, code, "look at the write-ahead log", reterr);
    if (status == STATUS_OK && bytes > 0) {
        status = rewrite_file(wal, bytes, reterr);
    }
    const Io *io = store->options.io;
    return status == STATUS_OK ? io->sync_dir(io->self, store->dir, reterr) : status;
}

/* Jobs that an earlier process had are free at once, and not only when something is written. On a disk that has no room
 * for that, the first batch that is taken does it. */
static Status end_leases(SqliteStore *store, Error *reterr)
{
    Error ignored = {0};
    Status status = store->onboard.has_leases ? check_space(store, &ignored) : STATUS_OK;
    if (status == STATUS_OK && store->onboard.has_leases) {
        status = sqlite_apply(&store->base, NULL, &ignored);
    }
    return store->broken ? error_set(reterr, status, "%s", ignored.message) : STATUS_OK;
}

Status sqlite_writer_open(SqliteStore *store, Error *reterr)
{
    int code = sqlite3_open_v2(store->path, &store->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, store->options.vfs);
    if (code != SQLITE_OK) {
        Status status = db_error(store->db, code, store->path, reterr);
        sqlite3_close(store->db);
        store->db = NULL;
        return status;
    }
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, OPEN_WAIT_MS);
    arena_init(&store->scratch, 64 << 10, SCRATCH_BYTES_MAX);
    store->alerts = calloc(RULES_MAX, sizeof *store->alerts);
    store->flows = flow_cache_new(store->options.flow_cache_bytes);
    Status status = store->alerts && store->flows ? STATUS_OK : error_set(reterr, STATUS_BUSY, "out of memory");
    bool is_empty = false;
    if (status == STATUS_OK) {
        status = schema_check(store->db, &is_empty, reterr); /* first: what follows writes to the file */
    }
    if (status == STATUS_OK) {
        status = configure(store, reterr);
    }
    if (status == STATUS_OK) {
        status = schema_open(store->db, &store->options, &store->base.info, reterr);
    }
    if (status == STATUS_OK) {
        status = make_durable(store, reterr);
    }
    if (status == STATUS_OK) {
        status = measure_space(store, reterr);
    }
    if (status == STATUS_OK) {
        status = prepare(store, reterr);
    }
    if (status == STATUS_OK) {
        status = derived_open(store->db, &store->options, &store->base.info, &store->derived, reterr);
    }
    if (status == STATUS_OK) {
        status = sqlite_load_rules(store, reterr);
    }
    if (status == STATUS_OK) {
        status = load_counters(store, reterr);
    }
    sqlite3_busy_timeout(store->db, 0);
    return status == STATUS_OK ? end_leases(store, reterr) : status;
}

void sqlite_writer_close(SqliteStore *store)
{
    Error ignored; /* what is not published now is published after the next start */
    if (store->derived && !store->broken && !store->counters.disk_low) {
        Status published = derived_publish_all(store->derived, &ignored);
        (void)published;
    }
    derived_close(store->derived);
    sqlite3_finalize(store->insert_record);
    sqlite3_finalize(store->insert_message);
    sqlite3_finalize(store->select_record);
    sqlite3_finalize(store->select_flow);
    sqlite_finalize_deliveries(store);
    sqlite_finalize_events(store);
    sqlite_finalize_onboard(store);
    if (store->db) {
        /* The last connection checkpoints and removes the WAL when it closes, if no sync has failed. */
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, store->broken, NULL);
        sqlite3_close(store->db);
    }
    flow_cache_free(store->flows);
    rule_set_drop(store->rules);
    free(store->alerts);
    arena_release(&store->scratch);
}
