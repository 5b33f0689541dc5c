#include "store/sqlite/index_set.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#include "store/sqlite/db.h"
#include "store/sqlite/row.h"
#include "store/sqlite/schema.h"

const char *const index_names[INDEX_COUNT] = {"ids", "flows", "times", "rollups"};
/* times and rollups are only walked, never probed. */
const unsigned index_filter_bits[INDEX_COUNT] = {9, 9, 0, 0};
const RunContent index_contents[INDEX_COUNT] = {RUN_PAIRS, RUN_PAIRS, RUN_PAIRS, RUN_ROWS};

IndexSet *index_set_new(const IndexSet *from)
{
    IndexSet *set = calloc(1, sizeof *set);
    if (!set) {
        return NULL;
    }
    if (from) {
        /* Not the whole struct: others count references in `from` at this moment. */
        set->published_seq = from->published_seq;
        memcpy(set->counts, from->counts, sizeof set->counts);
        memcpy(set->runs, from->runs, sizeof set->runs);
        for (size_t index = 0; index < INDEX_COUNT; index++) {
            for (size_t i = 0; i < set->counts[index]; i++) {
                run_keep(set->runs[index][i]);
            }
        }
    }
    set->references = 1;
    return set;
}

IndexSet *index_set_keep(IndexSet *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void index_set_drop(IndexSet *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t index = 0; index < INDEX_COUNT; index++) {
        for (size_t i = 0; i < set->counts[index]; i++) {
            run_drop(set->runs[index][i]);
        }
    }
    free(set);
}

void index_set_replace(IndexSet *set, IndexNumber index, size_t first, size_t count, Run *run)
{
    Run **runs = set->runs[index];
    assert(set->counts[index] - count < INDEX_RUNS_MAX);
    for (size_t i = first; i < first + count; i++) {
        run_drop(runs[i]);
    }
    memmove(runs + first + 1, runs + first + count, (set->counts[index] - first - count) * sizeof *runs);
    runs[first] = run;
    set->counts[index] += 1 - count;
}

size_t index_chunk_records(int64_t entries)
{
    enum { CHUNK_RECORDS_MIN = 1 << 20, REBUILD_RUNS_MAX = INDEX_RUNS_MAX / 2 };
    size_t chunk = (size_t)(entries / REBUILD_RUNS_MAX) + 1;
    return chunk > CHUNK_RECORDS_MIN ? chunk : CHUNK_RECORDS_MIN;
}

static Status message_hash(sqlite3 *db, int64_t seq, uint64_t *ret_hash, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    Status status =
        db_prepare(db, "SELECT kind, body, record_seq, created_us FROM messages WHERE seq = ?", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, seq);
        status = db_step(stmt, "read a message", &row, reterr);
    }
    if (status == STATUS_OK && !row) {
        status = error_set(reterr, STATUS_REFUSED, "the log has no entry %lld", (long long)seq);
    }
    if (status == STATUS_OK) {
        int64_t numbers[] = {seq, sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 3)};
        Str kind = db_text(stmt, 0), body = db_text(stmt, 1);
        uint64_t hash = XXH3_64bits(numbers, sizeof numbers);
        hash = XXH3_64bits_withSeed(kind.ptr, kind.len, hash);
        *ret_hash = XXH3_64bits_withSeed(body.ptr, body.len, hash);
    }
    sqlite3_finalize(stmt);
    return status;
}

Status index_entry_hash(sqlite3 *db, int64_t seq, uint64_t *ret_hash, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    Status status = row_prepare_select(db, FIELD_ALL, "FROM records WHERE seq = ?", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, seq);
        status = db_step(stmt, "read a record", &row, reterr);
    }
    if (status == STATUS_OK && row) {
        StoredRecord stored = {0};
        row_read(stmt, FIELD_ALL, &stored);
        *ret_hash = row_hash(&stored);
    }
    sqlite3_finalize(stmt);
    return status == STATUS_OK && !row ? message_hash(db, seq, ret_hash, reterr) : status;
}

Status index_list_add(sqlite3 *db, const Run *run, const char *file, Error *reterr)
{
    const RunStamp *stamp = run_stamp(run);
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(db, "INSERT INTO index_runs VALUES(?,?,?,?,?)", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, stamp->index);
        sqlite3_bind_int64(stmt, 2, stamp->first_seq);
        sqlite3_bind_int64(stmt, 3, stamp->last_seq);
        sqlite3_bind_int64(stmt, 4, (int64_t)stamp->row_hash);
        db_bind_text(stmt, 5, str_from(file));
        status = db_run(stmt, "list a run", reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

Status index_list_remove(sqlite3 *db, IndexNumber index, int64_t first_seq, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(db, "DELETE FROM index_runs WHERE index_number = ? AND first_seq = ?", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, index);
        sqlite3_bind_int64(stmt, 2, first_seq);
        status = db_run(stmt, "unlist a run", reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* A file name from the list must be a plain name: the list is data, and data may be damaged. */
static bool is_plain_name(Str name)
{
    return name.len > 0 && name.len < 200 && name.ptr[0] != '.' && !memchr(name.ptr, '/', name.len) &&
           !memchr(name.ptr, '\0', name.len);
}

/* Opens the run that the statement's row lists; REFUSED when it does not fit the log. */
static Status open_listed(sqlite3 *db, sqlite3_stmt *row, const Io *io, const char *dir, const StoreInfo *info,
                          int64_t first_seq, Run **ret_run, Error *reterr)
{
    IndexNumber index = (IndexNumber)sqlite3_column_int64(row, 0);
    RunStamp stamp = {.epoch = info->epoch,
                      .index = (uint32_t)index,
                      .content = index_contents[index],
                      .first_seq = sqlite3_column_int64(row, 1),
                      .last_seq = sqlite3_column_int64(row, 2),
                      .row_hash = (uint64_t)sqlite3_column_int64(row, 3)};
    memcpy(stamp.store_id, info->id, sizeof stamp.store_id);
    Str name = db_text(row, 4);
    char path[INDEX_PATH_BYTES_MAX];
    uint64_t hash = 0;
    if (stamp.first_seq != first_seq || !is_plain_name(name)) {
        return error_set(reterr, STATUS_REFUSED, "the list of runs has a gap before seq %lld",
                         (long long)stamp.first_seq);
    }
    Status status = index_entry_hash(db, stamp.last_seq, &hash, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (hash != stamp.row_hash) {
        return error_set(reterr, STATUS_REFUSED, "run %.*s was made from another history", STR_ARGS(name));
    }
    snprintf(path, sizeof path, "%s/%.*s", dir, STR_ARGS(name));
    return run_open(io, path, &stamp, ret_run, reterr);
}

static Status load_index(sqlite3 *db, const Io *io, const char *dir, const StoreInfo *info, IndexNumber index,
                         IndexSet *set, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    int64_t covered = 0;
    Status status = db_prepare(db,
                               "SELECT index_number, first_seq, last_seq, row_hash, file FROM index_runs WHERE "
                               "index_number = ? ORDER BY first_seq",
                               &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, index);
    }
    bool row = status == STATUS_OK;
    while (status == STATUS_OK) {
        status = db_step(stmt, "read the list of runs", &row, reterr);
        if (status != STATUS_OK || !row) {
            break;
        }
        Run *run = NULL;
        if (set->counts[index] == INDEX_RUNS_MAX) {
            status = error_set(reterr, STATUS_REFUSED, "too many runs are listed");
        } else if ((status = open_listed(db, stmt, io, dir, info, covered + 1, &run, reterr)) == STATUS_OK) {
            index_set_replace(set, index, set->counts[index], 0, run);
            covered = run_stamp(run)->last_seq;
        }
    }
    sqlite3_finalize(stmt);
    if (status == STATUS_OK && covered != set->published_seq) {
        status = error_set(reterr, STATUS_REFUSED, "the index %s covers the log to %lld, not %lld", index_names[index],
                           (long long)covered, (long long)set->published_seq);
    }
    return status;
}

Status index_set_load(sqlite3 *db, const Io *io, const char *dir, const StoreInfo *info, IndexSet **ret_set,
                      unsigned *ret_bad, Error *reterr)
{
    IndexSet *set = index_set_new(NULL);
    if (!set) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    unsigned bad = 0;
    Status status = meta_get_int(db, META_PUBLISHED_SEQ, 0, &set->published_seq, reterr);
    for (IndexNumber index = 0; index < INDEX_COUNT && status == STATUS_OK; index++) {
        status = load_index(db, io, dir, info, index, set, reterr);
        if (status == STATUS_REFUSED || status == STATUS_BROKEN) {
            bad |= 1u << index;
            status = STATUS_OK;
        }
    }
    *ret_bad = bad;
    if (status != STATUS_OK) {
        index_set_drop(set);
        return status;
    }
    *ret_set = set;
    return bad ? STATUS_REFUSED : STATUS_OK;
}
