#include "store/sqlite/sqlite_store.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/sqlite/db.h"
#include "store/sqlite/schema.h"

static RuleSet *sqlite_rules(Store *base) { return ((SqliteStore *)base)->rules; }

/* Sequentially consistent: a sink's thread says that it waits before it looks here, and whoever commits looks for that
 * after he wrote this. */
static int64_t sqlite_last_seq(const Store *base) { return ((const SqliteStore *)base)->counters.last_seq; }

static uint64_t file_bytes(const Io *io, const char *path)
{
    uint64_t bytes = 0;
    Error ignored; /* none yet */
    return io->file_bytes(io->self, path, &bytes, &ignored) == STATUS_OK ? bytes : 0;
}

static void index_metrics(const SqliteStore *store, StoreMetrics *ret_metrics)
{
    int64_t *runs[INDEX_COUNT] = {&ret_metrics->runs_ids, &ret_metrics->runs_flows, &ret_metrics->runs_times,
                                  &ret_metrics->runs_rollups};
    IndexSet *set = derived_published(store->derived);
    ret_metrics->published_seq = set->published_seq;
    for (size_t index = 0; index < INDEX_COUNT; index++) {
        *runs[index] = (int64_t)set->counts[index];
        for (size_t i = 0; i < set->counts[index]; i++) {
            ret_metrics->index_bytes += run_bytes(set->runs[index][i]);
        }
    }
    index_set_drop(set);
}

static void sqlite_metrics(const Store *base, StoreMetrics *ret_metrics)
{
    const SqliteStore *store = (const SqliteStore *)base;
    const Counters *counters = &store->counters;
    *ret_metrics = (StoreMetrics){.last_seq = counters->last_seq,
                                  .record_count = counters->records,
                                  .message_count = counters->messages,
                                  .dead_letters_open = counters->dead_letters,
                                  .dead_letter_bytes = (uint64_t)counters->letter_bytes,
                                  .database_bytes = file_bytes(store->options.io, store->path),
                                  .wal_bytes = (uint64_t)counters->wal_bytes,
                                  .free_bytes = (uint64_t)counters->free_bytes,
                                  .flow_cache_hits = counters->cache_hits,
                                  .flow_cache_misses = counters->cache_misses,
                                  .commits = counters->commits,
                                  .checkpoints = counters->checkpoints,
                                  .commit_us_total = counters->commit_us,
                                  .sync_failed = counters->sync_failed,
                                  .disk_low = counters->disk_low};
    if (store->derived) {
        index_metrics(store, ret_metrics);
    }
}

static void sqlite_close(Store *base)
{
    SqliteStore *store = (SqliteStore *)base;
    sqlite_writer_close(store);
    store->options.io->close(store->lock);
    free(store);
}

static const StoreOps sqlite_ops = {
    .close = sqlite_close,
    .apply = sqlite_apply,
    .maintain = sqlite_maintain,
    .rules = sqlite_rules,
    .last_seq = sqlite_last_seq,
    .metrics = sqlite_metrics,
    .reader_open = sqlite_reader_open,
    .reader_close = sqlite_reader_close,
    .begin = sqlite_begin,
    .resume = sqlite_resume,
    .check = sqlite_check,
    .end = sqlite_end,
    .view_free = sqlite_view_free,
    .get = sqlite_get,
    .find = sqlite_find,
    .find_flow = sqlite_find_flow,
    .scan = sqlite_scan,
    .walk_times = sqlite_walk_times,
    .estimate_times = sqlite_estimate_times,
    .rollups = sqlite_rollups,
    .messages = sqlite_messages,
    .reader_rules = sqlite_reader_rules,
    .sinks = sqlite_sinks,
    .retries = sqlite_retries,
    .attempts = sqlite_attempts,
    .dead_letters = sqlite_dead_letters,
    .replays = sqlite_replays,
    .sources = sqlite_sources,
    .places = sqlite_places,
    .event = sqlite_event,
    .events = sqlite_events,
    .event_attempts = sqlite_event_attempts,
    .event_corrections = sqlite_event_corrections,
    .event_alias = sqlite_event_alias,
    .event_duplicates = sqlite_event_duplicates,
    .event_clients = sqlite_event_clients,
    .organizations = sqlite_organizations,
    .organization_changes = sqlite_organization_changes,
    .jobs = sqlite_jobs,
    .batches = sqlite_batches,
    .onboard_counts = sqlite_onboard_counts,
    .idempotency = sqlite_idempotency,
    .verify = sqlite_verify,
};

/* Without SQLite's global statistics every allocation is a lock cheaper. Must come before SQLite is first used. */
static void configure_library(void) { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

static Status make_dirs(SqliteStore *store, Error *reterr)
{
    const Io *io = store->options.io;
    char index[INDEX_PATH_BYTES_MAX + 16];
    snprintf(index, sizeof index, "%s/index", store->dir);
    Status status = io->make_dir(io->self, store->dir, reterr);
    return status == STATUS_OK ? io->make_dir(io->self, index, reterr) : status;
}

/* On a file of its own, since closing any descriptor of the database file would drop SQLite's locks. */
static Status take_lock(SqliteStore *store, Error *reterr)
{
    const Io *io = store->options.io;
    char path[INDEX_PATH_BYTES_MAX + 16];
    Error error = {0};
    snprintf(path, sizeof path, "%s/lock", store->dir);
    Status status = io->lock(io->self, path, &store->lock, &error);
    if (status == STATUS_CONFLICT) {
        return error_set(reterr, STATUS_BUSY, "the store in %s is %s; stop it or choose another directory", store->dir,
                         error.message);
    }
    return status == STATUS_OK ? STATUS_OK : error_set(reterr, status, "%s", error.message);
}

/* What SQLite says of files that this user may not touch does not tell a person what to do. */
static Status explain_unreadable(const SqliteStore *store, sqlite3 *db, Status status, Error *reterr)
{
    if (db && sqlite3_errcode(db) == SQLITE_CANTOPEN && sqlite3_system_errno(db) == EACCES) {
        return error_set(reterr, STATUS_REFUSED, "the store in %s may not be read by this user", store->dir);
    }
    if (db && sqlite3_errcode(db) == SQLITE_READONLY) {
        return error_set(reterr, STATUS_REFUSED,
                         "the store in %s can be read while a server runs on it, or by a user who may write there",
                         store->dir);
    }
    return status;
}

/* A store that is only read: the facts about it, no lock, no writer. */
static Status open_read_only(SqliteStore *store, Error *reterr)
{
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(store->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, store->options.vfs);
    Status status =
        code == SQLITE_OK ? STATUS_OK : error_set(reterr, STATUS_REFUSED, "there is no store in %s", store->dir);
    if (status == STATUS_OK) {
        sqlite3_busy_timeout(db, OPEN_WAIT_MS);
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        status = schema_open(db, &store->options, &store->base.info, reterr);
    }
    if (status != STATUS_OK) {
        status = explain_unreadable(store, db, status, reterr);
    }
    sqlite3_close(db);
    return status;
}

static Status open_writable(SqliteStore *store, Error *reterr)
{
    Status status = make_dirs(store, reterr);
    if (status == STATUS_OK) {
        status = take_lock(store, reterr);
    }
    return status == STATUS_OK ? sqlite_writer_open(store, reterr) : status;
}

Status sqlite_store_open(const StoreOptions *options, Store **ret_store, Error *reterr)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure_library);
    if (strlen(options->dir) >= sizeof(((SqliteStore *)0)->dir) - 128) {
        return error_set(reterr, STATUS_REFUSED, "the store's directory has too long a name");
    }
    SqliteStore *store = calloc(1, sizeof *store);
    if (!store) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    store->base.ops = &sqlite_ops;
    store->options = *options;
    snprintf(store->dir, sizeof store->dir, "%s", options->dir);
    snprintf(store->path, sizeof store->path, "%s/weir.db", options->dir);
    store->options.dir = store->dir;
    Status status = options->read_only ? open_read_only(store, reterr) : open_writable(store, reterr);
    if (status != STATUS_OK) {
        store->broken = true; /* close as it is: no publishing, no checkpoint */
        sqlite_close(&store->base);
        return status;
    }
    *ret_store = &store->base;
    return STATUS_OK;
}
