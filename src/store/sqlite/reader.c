/* Readers: read-only connections, and views with a fixed upper bound. */
#include <sched.h>
#include <stdlib.h>

#include "store/sqlite/db.h"
#include "store/sqlite/row.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

enum { BEGIN_ATTEMPTS_MAX = 10000, BUSY_WAIT_MS = 1000 };

static const char bounds_sql[] =
    "SELECT (SELECT value FROM meta WHERE name = '" META_PUBLISHED_SEQ "'),"
    " max(coalesce((SELECT max(seq) FROM records), 0), coalesce((SELECT max(seq) FROM messages), 0))";

static Status open_connection(SqliteReader *reader, Error *reterr)
{
    SqliteStore *store = reader->store;
    int code =
        sqlite3_open_v2(store->path, &reader->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, store->options.vfs);
    if (code != SQLITE_OK) {
        return db_error(reader->db, code, store->path, reterr);
    }
    sqlite3_extended_result_codes(reader->db, 1);
    sqlite3_busy_timeout(reader->db, BUSY_WAIT_MS);
    /* Only the writer checkpoints: two connections that do it at one moment can damage the WAL in SQLite before 3.51.3. */
    sqlite3_db_config(reader->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return db_exec(reader->db,
                   "PRAGMA cache_size = -8192; PRAGMA mmap_size = 1099511627776; PRAGMA temp_store = MEMORY", reterr);
}

Status sqlite_reader_open(Store *base, StoreReader **ret_reader, Error *reterr)
{
    SqliteReader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    reader->base.ops = base->ops;
    reader->store = (SqliteStore *)base;
    Status status = open_connection(reader, reterr);
    if (status == STATUS_OK) {
        status = db_prepare(reader->db, bounds_sql, &reader->select_bounds, reterr);
    }
    if (status == STATUS_OK) {
        status =
            row_prepare_select(reader->db, FIELD_ALL, "FROM records WHERE seq = ?", &reader->select_record, reterr);
    }
    if (status != STATUS_OK) {
        sqlite_reader_close(&reader->base);
        return status;
    }
    *ret_reader = &reader->base;
    return STATUS_OK;
}

void sqlite_reader_close(StoreReader *base)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_finalize(reader->select_bounds);
    sqlite3_finalize(reader->select_record);
    sqlite3_close(reader->db);
    index_set_drop(reader->own_set);
    free(reader);
}

/* ---- Views --------------------------------------------------------------------------------------------------------- */

static Status read_bounds(SqliteReader *reader, int64_t *ret_published, int64_t *ret_last, Error *reterr)
{
    bool row = false;
    Status status = db_step(reader->select_bounds, "read the log's end", &row, reterr);
    if (status == STATUS_OK) {
        *ret_published = sqlite3_column_int64(reader->select_bounds, 0);
        *ret_last = sqlite3_column_int64(reader->select_bounds, 1);
    }
    sqlite3_reset(reader->select_bounds);
    return status;
}

/* The index set that belongs to what the transaction sees, or NULL: the writer has committed a publish and is about to share
 * its set, so look again. A store that is only read has its set from the files. */
static Status matching_set(SqliteReader *reader, int64_t published, IndexSet **ret_set, Error *reterr)
{
    SqliteStore *store = reader->store;
    *ret_set = NULL;
    if (store->derived) {
        IndexSet *set = derived_published(store->derived);
        if (set->published_seq == published) {
            *ret_set = set;
        } else {
            index_set_drop(set);
        }
        return STATUS_OK;
    }
    if (!reader->own_set || reader->own_set->published_seq != published) {
        char dir[INDEX_PATH_BYTES_MAX + 16];
        unsigned bad = 0;
        index_set_drop(reader->own_set);
        reader->own_set = NULL;
        snprintf(dir, sizeof dir, "%s/index", store->dir);
        Status status =
            index_set_load(reader->db, store->options.io, dir, &store->base.info, &reader->own_set, &bad, reterr);
        if (status != STATUS_OK) {
            index_set_drop(reader->own_set);
            reader->own_set = NULL;
            return error_set(reterr, status,
                             "the indexes do not fit the log; run `weir verify --rebuild` or start the service");
        }
    }
    *ret_set = index_set_keep(reader->own_set);
    return STATUS_OK;
}

Status sqlite_begin(StoreReader *base, StoreView **ret_view, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    SqliteView *view = calloc(1, sizeof *view);
    if (!view) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    Status status = STATUS_OK;
    for (int attempt = 0; attempt < BEGIN_ATTEMPTS_MAX && status == STATUS_OK && !view->set; attempt++) {
        if ((status = db_exec(reader->db, "BEGIN", reterr)) == STATUS_OK &&
            (status = read_bounds(reader, &view->base.rollup_seq, &view->base.bound, reterr)) == STATUS_OK) {
            status = matching_set(reader, view->base.rollup_seq, &view->set, reterr);
        }
        if (!view->set && !sqlite3_get_autocommit(reader->db)) {
            sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
            sched_yield();
        }
    }
    if (status == STATUS_OK && !view->set) {
        status = error_set(reterr, STATUS_BUSY, "the indexes are being published; try again");
    }
    if (status != STATUS_OK) {
        free(view);
        return status;
    }
    view->base.ops = base->ops;
    reader->view = view;
    *ret_view = &view->base;
    return STATUS_OK;
}

Status sqlite_resume(StoreReader *base, StoreView *view, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    Status status = db_exec(reader->db, "BEGIN", reterr);
    if (status == STATUS_OK) {
        reader->view = (SqliteView *)view;
    }
    return status;
}

void sqlite_end(StoreReader *base)
{
    SqliteReader *reader = (SqliteReader *)base;
    reader->view = NULL;
    if (!sqlite3_get_autocommit(reader->db)) {
        sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
    }
}

void sqlite_view_free(StoreView *base)
{
    SqliteView *view = (SqliteView *)base;
    index_set_drop(view->set);
    free(view->tail);
    free(view);
}

/* ---- Records ------------------------------------------------------------------------------------------------------- */

/* Visits the row at `seq`; false in *ret_go_on when there is none or the visitor wants no more. */
static Status visit_seq(SqliteReader *reader, int64_t seq, const Record *only, RecordVisitor *visit, void *context,
                        bool *ret_found, bool *ret_go_on, Error *reterr)
{
    sqlite3_stmt *stmt = reader->select_record;
    bool row = false;
    sqlite3_bind_int64(stmt, 1, seq);
    Status status = db_step(stmt, "read a record", &row, reterr);
    *ret_found = false;
    if (status == STATUS_OK && row) {
        StoredRecord stored = {0};
        row_read(stmt, FIELD_ALL, &stored);
        if (!only || (str_equal(stored.record.record_id, only->record_id) &&
                      (!only->source_id.len || str_equal(stored.record.source_id, only->source_id)))) {
            *ret_found = true;
            *ret_go_on = visit(context, &stored);
        }
    }
    sqlite3_reset(stmt);
    return status;
}

Status sqlite_get(StoreReader *base, int64_t seq, RecordVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    bool found = false, go_on = true;
    if (seq > reader->view->base.bound) {
        return error_set(reterr, STATUS_REFUSED, "the log has no record %lld", (long long)seq);
    }
    Status status = visit_seq(reader, seq, NULL, visit, context, &found, &go_on, reterr);
    if (status == STATUS_OK && !found) {
        status = error_set(reterr, STATUS_REFUSED, "the log has no record %lld", (long long)seq);
    }
    return status;
}

/* Steps through rows of `FROM records WHERE …` until the visitor wants no more. */
static Status visit_rows(sqlite3_stmt *stmt, uint32_t fields, RecordVisitor *visit, void *context, bool *ret_go_on,
                         Error *reterr)
{
    StoredRecord stored = {0};
    bool row = true;
    Status status = STATUS_OK;
    while (*ret_go_on && (status = db_step(stmt, "read the log", &row, reterr)) == STATUS_OK && row) {
        row_read(stmt, fields, &stored);
        *ret_go_on = visit(context, &stored);
    }
    return status;
}

Status sqlite_scan(StoreReader *base, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                   void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    int64_t bound = reader->view->base.bound;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status =
        row_prepare_select(reader->db, fields, "FROM records WHERE seq > ? AND seq <= ? ORDER BY seq", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, after);
        sqlite3_bind_int64(stmt, 2, through < bound ? through : bound);
        status = visit_rows(stmt, fields, visit, context, &go_on, reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* The entries behind the published ones, and the whole log when the index cannot help. */
static Status find_by_scan(SqliteReader *reader, const Record *wanted, int64_t after, RecordVisitor *visit,
                           void *context, bool *ret_go_on, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = row_prepare_select(reader->db, FIELD_ALL,
                                       "FROM records WHERE seq > ? AND seq <= ? AND record_id = ?"
                                       " AND (? = '' OR source_id = ?) ORDER BY seq",
                                       &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, after);
        sqlite3_bind_int64(stmt, 2, reader->view->base.bound);
        db_bind_text(stmt, 3, wanted->record_id);
        db_bind_text(stmt, 4, wanted->source_id);
        db_bind_text(stmt, 5, wanted->source_id);
        status = visit_rows(stmt, FIELD_ALL, visit, context, ret_go_on, reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

Status sqlite_find(StoreReader *base, Str record_id, Str source_id, RecordVisitor *visit, void *context, Error *reterr)
{
    enum { CANDIDATES_MAX = 256 };
    SqliteReader *reader = (SqliteReader *)base;
    const IndexSet *set = reader->view->set;
    const StoreInfo *info = &reader->store->base.info;
    Record wanted = {.record_id = record_id, .source_id = source_id};
    uint64_t seqs[CANDIDATES_MAX];
    size_t count = 0;
    bool go_on = true, more = false, found = false;
    if (info->identity == IDENTITY_CONTENT || (info->identity == IDENTITY_SOURCE_AND_RECORD_ID && !source_id.len)) {
        return find_by_scan(reader, &wanted, 0, visit, context, &go_on, reterr);
    }
    uint64_t hash = record_identity_hash(&wanted, info->identity, info->hash_seed);
    for (size_t i = 0; i < set->counts[INDEX_IDS] && go_on; i++) {
        Status status = run_find(set->runs[INDEX_IDS][i], hash, seqs, CANDIDATES_MAX, &count, &more, reterr);
        if (status != STATUS_OK || more) {
            return status != STATUS_OK ? status : find_by_scan(reader, &wanted, 0, visit, context, &go_on, reterr);
        }
        while (count > 0 && go_on) {
            status = visit_seq(reader, (int64_t)seqs[--count], &wanted, visit, context, &found, &go_on, reterr);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    return go_on ? find_by_scan(reader, &wanted, set->published_seq, visit, context, &go_on, reterr) : STATUS_OK;
}

/* ---- What is not a record -------------------------------------------------------------------------------------------- */

Status sqlite_rollups(StoreReader *base, RollupLevel level, int64_t from, int64_t to, RollupVisitor *visit,
                      void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool row = true, go_on = true;
    Status status = db_prepare(reader->db,
                               "SELECT bucket, destination_id, unit, type, count, sum_hi, sum_lo, min, max FROM rollups"
                               " WHERE level = ? AND bucket >= ? AND bucket < ? ORDER BY level, bucket",
                               &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, level);
        sqlite3_bind_int64(stmt, 2, from);
        sqlite3_bind_int64(stmt, 3, to);
    }
    while (status == STATUS_OK && go_on && (status = db_step(stmt, "read the rollups", &row, reterr)) == STATUS_OK &&
           row) {
        Rollup rollup = {.bucket = sqlite3_column_int64(stmt, 0),
                         .destination_id = db_text(stmt, 1),
                         .unit = db_text(stmt, 2),
                         .type = sqlite3_column_int(stmt, 3) ? RECORD_NEGATIVE : RECORD_POSITIVE,
                         .count = sqlite3_column_int64(stmt, 4),
                         .sum = row_total(sqlite3_column_int64(stmt, 5), sqlite3_column_int64(stmt, 6)),
                         .min = sqlite3_column_int64(stmt, 7),
                         .max = sqlite3_column_int64(stmt, 8)};
        go_on = visit(context, &rollup);
    }
    sqlite3_finalize(stmt);
    return status;
}

Status sqlite_messages(StoreReader *base, Str kind, int64_t after, MessageVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool row = true, go_on = true;
    Status status = db_prepare(reader->db,
                               "SELECT seq, kind, record_seq, created_us, body FROM messages"
                               " WHERE kind = ? AND seq > ? AND seq <= ? ORDER BY seq",
                               &stmt, reterr);
    if (status == STATUS_OK) {
        db_bind_text(stmt, 1, kind);
        sqlite3_bind_int64(stmt, 2, after);
        sqlite3_bind_int64(stmt, 3, reader->view->base.bound);
    }
    while (status == STATUS_OK && go_on && (status = db_step(stmt, "read the messages", &row, reterr)) == STATUS_OK &&
           row) {
        StoredMessage message = {.seq = sqlite3_column_int64(stmt, 0),
                                 .kind = db_text(stmt, 1),
                                 .record_seq = sqlite3_column_int64(stmt, 2),
                                 .created_us = sqlite3_column_int64(stmt, 3),
                                 .body = db_text(stmt, 4)};
        go_on = visit(context, &message);
    }
    sqlite3_finalize(stmt);
    return status;
}
