/* Readers: read-only connections, and views with a fixed upper bound. */
#include <stdlib.h>

#include "store/rollup/rollup_walk.h"
#include "store/sqlite/db.h"
#include "store/sqlite/row.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

enum { BUSY_WAIT_MS = 1000 };

static const char last_seq_sql[] =
    "SELECT max(coalesce((SELECT max(seq) FROM records), 0), coalesce((SELECT max(seq) FROM messages), 0))";

Status sqlite_open_to_read(const char *path, const char *vfs, sqlite3 **ret_db, Error *reterr)
{
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, vfs);
    if (code != SQLITE_OK) {
        Status status = db_error(db, code, path, reterr);
        sqlite3_close(db);
        return status;
    }
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_WAIT_MS);
    /* Only the writer checkpoints: two connections that do it at one moment can damage the WAL in SQLite before
     * 3.51.3. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    Status status = db_exec(db, "PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY", reterr);
    if (status != STATUS_OK) {
        sqlite3_close(db);
        return status;
    }
    *ret_db = db;
    return STATUS_OK;
}

Status sqlite_reader_open(Store *base, StoreReader **ret_reader, Error *reterr)
{
    SqliteReader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    reader->base.ops = base->ops;
    reader->store = (SqliteStore *)base;
    Status status = sqlite_open_to_read(reader->store->path, reader->store->options.vfs, &reader->db, reterr);
    if (status == STATUS_OK) {
        /* The edges of a range are rows from all over the file: mapped, they take a third of the time. The price is
         * that a disk that cannot be read is a signal and not an error; service.c says what it means. */
        status = db_exec(reader->db, "PRAGMA mmap_size = 1099511627776", reterr);
    }
    if (status == STATUS_OK) {
        status = db_prepare(reader->db, last_seq_sql, &reader->select_last, reterr);
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
    sqlite3_finalize(reader->select_last);
    sqlite3_finalize(reader->select_record);
    for (size_t i = 0; i < READER_KEPT_COUNT; i++) {
        sqlite3_finalize(reader->kept[i]);
    }
    sqlite3_close(reader->db);
    index_set_drop(reader->own_set);
    free(reader);
}

/* ---- Views ------------------------------------------------------------------------------------------------------- */

static Status read_last_seq(SqliteReader *reader, int64_t *ret_last, Error *reterr)
{
    bool row = false;
    Status status = db_step(reader->select_last, "read the log's end", &row, reterr);
    if (status == STATUS_OK) {
        *ret_last = sqlite3_column_int64(reader->select_last, 0);
    }
    sqlite3_reset(reader->select_last);
    return status;
}

/* A store that is only read has its set from the files, and reads it again when another program has published since. */
static Status load_own_set(SqliteReader *reader, Error *reterr)
{
    SqliteStore *store = reader->store;
    int64_t published = 0;
    Status status = meta_get_int(reader->db, META_PUBLISHED_SEQ, 0, &published, reterr);
    if (status != STATUS_OK || (reader->own_set && reader->own_set->published_seq == published)) {
        return status;
    }
    char dir[INDEX_PATH_BYTES_MAX + 16];
    unsigned bad = 0;
    index_set_drop(reader->own_set);
    reader->own_set = NULL;
    snprintf(dir, sizeof dir, "%s/index", store->dir);
    status = index_set_load(reader->db, store->options.io, dir, &store->base.info, &reader->own_set, &bad, reterr);
    if (status != STATUS_OK) {
        index_set_drop(reader->own_set);
        reader->own_set = NULL;
        return error_set(reterr, status,
                         "the indexes do not fit the log; run `weir verify --rebuild` or start the service");
    }
    return STATUS_OK;
}

/* Beside a server, a merge may remove a file between our look at the list and our opening it: then the list is another
 * one already. */
static Status begin_with_own_set(SqliteReader *reader, Error *reterr)
{
    enum { ATTEMPTS_MAX = 20 };
    Status status = STATUS_OK;
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        status = db_exec(reader->db, "BEGIN", reterr);
        if (status == STATUS_OK) {
            status = load_own_set(reader, reterr);
        }
        if (status != STATUS_REFUSED) {
            return status;
        }
        sqlite_end(&reader->base);
    }
    return status;
}

/* An earlier look is still open if there was no memory even to roll it back. */
static Status end_earlier(SqliteReader *reader, Error *reterr)
{
    return db_roll_back(reader->db) ? STATUS_OK
                                    : error_set(reterr, STATUS_BUSY, "no memory to end what was read before");
}

/* The set is taken before the transaction begins, so that it never covers an entry which the transaction does not
 * see. */
static Status begin_look(SqliteReader *reader, SqliteView *view, Error *reterr)
{
    Status status = STATUS_OK;
    if (reader->store->derived) {
        view->set = derived_published(reader->store->derived);
        status = db_exec(reader->db, "BEGIN", reterr);
    } else if ((status = begin_with_own_set(reader, reterr)) == STATUS_OK) {
        view->set = index_set_keep(reader->own_set);
    }
    if (status == STATUS_OK) {
        view->base.rollup_seq = view->set->published_seq;
        status = read_last_seq(reader, &view->base.bound, reterr);
    }
    return status;
}

Status sqlite_check(StoreReader *base, Error *reterr)
{
    return ((SqliteReader *)base)->store->broken
               ? error_set(reterr, STATUS_BROKEN, "nothing more is read after the store has failed")
               : STATUS_OK;
}

Status sqlite_begin(StoreReader *base, StoreView **ret_view, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    SqliteView *view = calloc(1, sizeof *view);
    if (!view) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    view->base.ops = base->ops;
    Status status = end_earlier(reader, reterr);
    if (status == STATUS_OK && (status = sqlite_check(base, reterr)) == STATUS_OK) {
        status = begin_look(reader, view, reterr);
    }
    if (status != STATUS_OK) {
        sqlite_end(base);
        sqlite_view_free(&view->base);
        return status;
    }
    reader->view = view;
    *ret_view = &view->base;
    return STATUS_OK;
}

Status sqlite_resume(StoreReader *base, StoreView *view, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    Status status = end_earlier(reader, reterr);
    if (status == STATUS_OK && (status = sqlite_check(base, reterr)) == STATUS_OK) {
        status = db_exec(reader->db, "BEGIN", reterr);
    }
    if (status == STATUS_OK) {
        reader->view = (SqliteView *)view;
    }
    return status;
}

void sqlite_end(StoreReader *base)
{
    SqliteReader *reader = (SqliteReader *)base;
    reader->view = NULL;
    db_roll_back(reader->db); /* what is open still is ended before the next look */
}

void sqlite_view_free(StoreView *base)
{
    SqliteView *view = (SqliteView *)base;
    index_set_drop(view->set);
    free(view->tail);
    free(view);
}

Status sqlite_distrust(SqliteReader *reader, Status status)
{
    if (status == STATUS_BROKEN && reader->store->derived) {
        derived_distrust(reader->store->derived);
    }
    return status;
}

/* ---- Records ----------------------------------------------------------------------------------------------------- */

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

Status sqlite_reader_has(SqliteReader *reader, int64_t schema, bool *ret_has, Error *reterr)
{
    Status status = reader->version >= schema ? STATUS_OK : schema_version(reader->db, &reader->version, reterr);
    if (status == STATUS_OK) {
        *ret_has = reader->version >= schema;
    }
    return status;
}

Status sqlite_reader_take(SqliteReader *reader, int64_t schema, ReaderKept which, const char *sql,
                          sqlite3_stmt **ret_stmt, Error *reterr)
{
    bool has = false;
    Status status = sqlite_reader_has(reader, schema, &has, reterr);
    return has ? db_take(reader->db, &reader->kept[which], sql, ret_stmt, reterr) : status;
}

void sqlite_reader_give_back(SqliteReader *reader, ReaderKept which, sqlite3_stmt *stmt)
{
    db_give_back(&reader->kept[which], stmt);
}

Status sqlite_reader_prepare(SqliteReader *reader, int64_t schema, const char *sql, sqlite3_stmt **ret_stmt,
                             Error *reterr)
{
    bool has = false;
    Status status = sqlite_reader_has(reader, schema, &has, reterr);
    return has ? db_prepare(reader->db, sql, ret_stmt, reterr) : status;
}

Status sqlite_take_select(SqliteReader *reader, ReaderKept which, uint32_t fields, const char *rest,
                          sqlite3_stmt **ret_stmt, Error *reterr)
{
    if (!reader->kept[which] || reader->kept_fields[which] != fields) {
        return row_prepare_select(reader->db, fields, rest, ret_stmt, reterr);
    }
    *ret_stmt = reader->kept[which];
    reader->kept[which] = NULL;
    return STATUS_OK;
}

void sqlite_give_back_select(SqliteReader *reader, ReaderKept which, uint32_t fields, sqlite3_stmt *stmt)
{
    if (stmt) {
        sqlite3_finalize(reader->kept[which]);
        sqlite3_reset(stmt);
        reader->kept[which] = stmt;
        reader->kept_fields[which] = fields;
    }
}

Status sqlite_scan(StoreReader *base, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                   void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    int64_t bound = reader->view->base.bound;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status = sqlite_readable_fields(reader, &fields, reterr);
    if (status == STATUS_OK) {
        status = sqlite_take_select(reader, READER_SCAN, fields, "FROM records WHERE seq > ? AND seq <= ? ORDER BY seq",
                                    &stmt, reterr);
    }
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, after);
        sqlite3_bind_int64(stmt, 2, through < bound ? through : bound);
        status = visit_rows(stmt, fields, visit, context, &go_on, reterr);
    }
    sqlite_give_back_select(reader, READER_SCAN, fields, stmt);
    return status;
}

static Status find_between(SqliteReader *reader, const Record *wanted, int64_t after, int64_t through,
                           RecordVisitor *visit, void *context, bool *ret_go_on, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = sqlite_take_select(reader, READER_FIND, FIELD_ALL,
                                       "FROM records WHERE seq > ? AND seq <= ? AND record_id = ?"
                                       " AND (? = '' OR source_id = ?) ORDER BY seq",
                                       &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, after);
        sqlite3_bind_int64(stmt, 2, through);
        db_bind_text(stmt, 3, wanted->record_id);
        db_bind_text(stmt, 4, wanted->source_id);
        db_bind_text(stmt, 5, wanted->source_id);
        status = visit_rows(stmt, FIELD_ALL, visit, context, ret_go_on, reterr);
    }
    sqlite_give_back_select(reader, READER_FIND, FIELD_ALL, stmt);
    return status;
}

/* The entries behind the published ones, or the whole log when the index cannot help: a piece. */
static Status find_by_scan(SqliteReader *reader, const Record *wanted, int64_t *at, RecordVisitor *visit, void *context,
                           Error *reterr)
{
    int64_t bound = reader->view->base.bound;
    int64_t through = bound - *at > FIND_ENTRIES_MAX ? *at + FIND_ENTRIES_MAX : bound;
    bool go_on = true;
    Status status = find_between(reader, wanted, *at, through, visit, context, &go_on, reterr);
    *at = go_on && through < bound ? through : FIND_DONE;
    return status;
}

/* The candidates of one run, oldest first. *ret_more: it has more equal hashes than are asked for, and none was
 * visited. */
static Status find_in_run(SqliteReader *reader, const Run *run, uint64_t hash, const Record *wanted,
                          RecordVisitor *visit, void *context, bool *ret_found, bool *ret_more, Error *reterr)
{
    enum { CANDIDATES_MAX = 256 };
    uint64_t seqs[CANDIDATES_MAX];
    size_t count = 0;
    bool go_on;
    Status status = sqlite_distrust(reader, run_find(run, hash, seqs, CANDIDATES_MAX, &count, ret_more, reterr));
    while (status == STATUS_OK && !*ret_more && count > 0 && !*ret_found) {
        status = visit_seq(reader, (int64_t)seqs[--count], wanted, visit, context, ret_found, &go_on, reterr);
    }
    return status;
}

/* Moves *at behind what the index has told. There is no second record with an identity. */
static Status find_by_index(SqliteReader *reader, const Record *wanted, int64_t *at, RecordVisitor *visit,
                            void *context, Error *reterr)
{
    const IndexSet *set = reader->view->set;
    const StoreInfo *info = &reader->store->base.info;
    uint64_t hash = record_identity_hash(wanted, info->identity, info->hash_seed);
    bool found = false, more = false;
    for (size_t i = 0; i < set->counts[INDEX_IDS]; i++) {
        const Run *run = set->runs[INDEX_IDS][i];
        Status status = find_in_run(reader, run, hash, wanted, visit, context, &found, &more, reterr);
        if (status != STATUS_OK || found || more) {
            /* What older runs cover has been visited. */
            *at = found ? FIND_DONE : run_stamp(run)->first_seq - 1;
            return status;
        }
    }
    *at = set->published_seq;
    return STATUS_OK;
}

Status sqlite_find(StoreReader *base, Str record_id, Str source_id, int64_t *at, RecordVisitor *visit, void *context,
                   Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    const RecordIdentity identity = reader->store->base.info.identity;
    bool is_identity =
        identity == IDENTITY_RECORD_ID || (identity == IDENTITY_SOURCE_AND_RECORD_ID && source_id.len > 0);
    Record wanted = {.record_id = record_id, .source_id = source_id};
    Status status = STATUS_OK;
    if (*at == 0 && is_identity) {
        status = find_by_index(reader, &wanted, at, visit, context, reterr);
    }
    return status == STATUS_OK && *at != FIND_DONE ? find_by_scan(reader, &wanted, at, visit, context, reterr) : status;
}

/* ---- Flows ------------------------------------------------------------------------------------------------------- */

/* Reads the log backwards. */
static Status newest_between(SqliteReader *reader, const Record *flow, int64_t after, int64_t through, int64_t *ret_seq,
                             Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    Status status =
        row_prepare_select(reader->db, 0,
                           "FROM records WHERE seq > ? AND seq <= ? AND destination_id = ? AND reference = ?"
                           " AND unit = ? ORDER BY seq DESC LIMIT 1",
                           &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, after);
        sqlite3_bind_int64(stmt, 2, through);
        db_bind_text(stmt, 3, flow->destination_id);
        db_bind_text(stmt, 4, flow->reference);
        db_bind_text(stmt, 5, flow->unit);
        status = db_step(stmt, "search a flow", &row, reterr);
    }
    if (status == STATUS_OK) {
        *ret_seq = row ? sqlite3_column_int64(stmt, 0) : 0;
    }
    sqlite3_finalize(stmt);
    return status;
}

typedef struct FlowCheck {
    const Record *flow;
    bool same;
} FlowCheck;

static bool check_flow(void *context, const StoredRecord *stored)
{
    FlowCheck *check = context;
    check->same = record_same_flow(&stored->record, check->flow);
    return false;
}

/* The newest published entry with that hash, 0 for none: each run has the newest of every hash in its range. */
static Status newest_of_hash(SqliteReader *reader, uint64_t hash, int64_t *ret_seq, Error *reterr)
{
    const IndexSet *set = reader->view->set;
    Status status = STATUS_OK;
    uint64_t seq = 0;
    size_t count = 0;
    bool more;
    for (size_t i = set->counts[INDEX_FLOWS]; i-- > 0 && count == 0 && status == STATUS_OK;) {
        status = sqlite_distrust(reader, run_find(set->runs[INDEX_FLOWS][i], hash, &seq, 1, &count, &more, reterr));
    }
    *ret_seq = count ? (int64_t)seq : 0;
    return status;
}

/* An entry of another flow hides those of this one, and a block that is not as it was written hides what it held. */
static Status newest_published(SqliteReader *reader, const Record *flow, int64_t *ret_seq, Error *reterr)
{
    uint64_t seed = reader->store->base.info.hash_seed;
    FlowCheck check = {.flow = flow};
    int64_t seq = 0;
    bool found, go_on;
    Status status =
        newest_of_hash(reader, record_flow_hash(flow->destination_id, flow->reference, flow->unit, seed), &seq, reterr);
    if (status == STATUS_OK && seq > 0) {
        status = visit_seq(reader, seq, NULL, check_flow, &check, &found, &go_on, reterr);
        seq = check.same ? seq : FLOW_UNTOLD;
    } else if (status == STATUS_BROKEN) {
        seq = FLOW_UNTOLD;
        status = STATUS_OK;
    }
    *ret_seq = seq;
    return status;
}

Status sqlite_find_flow(StoreReader *base, Str destination_id, Str reference, Str unit, int64_t *ret_seq, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    const SqliteView *view = reader->view;
    Record flow = {.destination_id = destination_id, .reference = reference, .unit = unit};
    Status status = newest_between(reader, &flow, view->set->published_seq, view->base.bound, ret_seq, reterr);
    return status == STATUS_OK && *ret_seq == 0 ? newest_published(reader, &flow, ret_seq, reterr) : status;
}

/* ---- What is not a record ---------------------------------------------------------------------------------------- */

Status sqlite_rollups(StoreReader *base, RollupLevel level, int64_t from, int64_t to, RollupVisitor *visit,
                      void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    const IndexSet *set = reader->view->set;
    RollupWalk *walk = NULL;
    Rollup rollup;
    bool found = true, go_on = true;
    Status status = rollup_walk_open(set->runs[INDEX_ROLLUPS], set->counts[INDEX_ROLLUPS], rollup_key(level, from),
                                     rollup_key(level, to), &walk, reterr);
    while (status == STATUS_OK && go_on &&
           (status = rollup_walk_next(walk, &level, &rollup, &found, reterr)) == STATUS_OK && found) {
        go_on = visit(context, &rollup);
    }
    rollup_walk_close(walk);
    return sqlite_distrust(reader, status);
}

Status sqlite_messages(StoreReader *base, Str kind, int64_t after, MessageVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool row = true, go_on = true;
    sqlite3_stmt **kept = &reader->kept[kind.len ? READER_MESSAGES_OF_KIND : READER_MESSAGES];
    Status status = db_take(reader->db, kept,
                            kind.len ? "SELECT seq, kind, record_seq, created_us, body FROM messages"
                                       " WHERE seq > ?1 AND seq <= ?2 AND kind = ?3 ORDER BY seq"
                                     : "SELECT seq, kind, record_seq, created_us, body FROM messages"
                                       " WHERE seq > ?1 AND seq <= ?2 ORDER BY seq",
                            &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, after);
        sqlite3_bind_int64(stmt, 2, reader->view->base.bound);
    }
    if (status == STATUS_OK && kind.len) {
        db_bind_text(stmt, 3, kind);
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
    db_give_back(kept, stmt);
    return status;
}
