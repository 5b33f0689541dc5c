#include "store/sqlite/publish.h"

#include <stdlib.h>

#include "store/sqlite/db.h"
#include "store/sqlite/row.h"
#include "store/sqlite/schema.h"

/* Sums carry between lo and hi like the totals of rows do. */
static const char upsert_sql[] = "INSERT INTO rollups VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10) ON CONFLICT DO UPDATE SET"
                                 " count = count + excluded.count,"
                                 " sum_hi = sum_hi + excluded.sum_hi + (sum_lo + excluded.sum_lo) / 1000000000000000,"
                                 " sum_lo = (sum_lo + excluded.sum_lo) % 1000000000000000,"
                                 " min = min(min, excluded.min), max = max(max, excluded.max)";

static Status upsert(sqlite3_stmt *stmt, RollupLevel level, const Rollup *rollup, Error *reterr)
{
    sqlite3_bind_int64(stmt, 1, level);
    sqlite3_bind_int64(stmt, 2, rollup->bucket);
    db_bind_text(stmt, 3, rollup->destination_id);
    db_bind_text(stmt, 4, rollup->unit);
    sqlite3_bind_int64(stmt, 5, rollup->type);
    sqlite3_bind_int64(stmt, 6, rollup->count);
    sqlite3_bind_int64(stmt, 7, row_total_hi(rollup->sum));
    sqlite3_bind_int64(stmt, 8, row_total_lo(rollup->sum));
    sqlite3_bind_int64(stmt, 9, rollup->min);
    sqlite3_bind_int64(stmt, 10, rollup->max);
    return db_run(stmt, "write a rollup", reterr);
}

static Status add_rollups(sqlite3 *db, const RollupMap *map, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Rollup *sorted = malloc((rollup_map_count(map) + 1) * sizeof *sorted);
    Status status =
        sorted ? db_prepare(db, upsert_sql, &stmt, reterr) : error_set(reterr, STATUS_BUSY, "out of memory");
    for (int level = ROLLUP_HOUR; level <= ROLLUP_WEEK && status == STATUS_OK; level++) {
        size_t count = rollup_map_sorted(map, (RollupLevel)level, sorted);
        for (size_t i = 0; i < count && status == STATUS_OK; i++) {
            status = upsert(stmt, (RollupLevel)level, &sorted[i], reterr);
        }
    }
    sqlite3_finalize(stmt);
    free(sorted);
    return status;
}

/* Commits when all went well, else rolls back; the status of the whole. */
static Status end_transaction(sqlite3 *db, Status status, Error *reterr)
{
    if (status == STATUS_OK) {
        status = db_exec(db, "COMMIT", reterr);
    }
    if (status != STATUS_OK && !sqlite3_get_autocommit(db)) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

Status publish_tail(sqlite3 *db, const Tail *tail, const NewRun made[INDEX_COUNT], Error *reterr)
{
    Status status = db_exec(db, "BEGIN IMMEDIATE", reterr);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < INDEX_COUNT && status == STATUS_OK; i++) {
        status = index_list_add(db, made[i].run, made[i].name, reterr);
    }
    if (status == STATUS_OK) {
        status = add_rollups(db, tail->rollups, reterr);
    }
    if (status == STATUS_OK) {
        status = meta_put_int(db, META_PUBLISHED_SEQ, tail->last_seq, reterr);
    }
    return end_transaction(db, status, reterr);
}

Status publish_merge(sqlite3 *db, IndexNumber index, Run *const *inputs, size_t count, const NewRun *made,
                     Error *reterr)
{
    Status status = db_exec(db, "BEGIN IMMEDIATE", reterr);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = index_list_remove(db, index, run_stamp(inputs[i])->first_seq, reterr);
    }
    if (status == STATUS_OK) {
        status = index_list_add(db, made->run, made->name, reterr);
    }
    return end_transaction(db, status, reterr);
}

Status publish_last_seq(sqlite3 *db, int64_t *ret_seq, Error *reterr)
{
    return db_get_int(
        db, "SELECT max(coalesce((SELECT max(seq) FROM records), 0), coalesce((SELECT max(seq) FROM messages), 0))", 0,
        ret_seq, reterr);
}

/* ---- Rebuild ------------------------------------------------------------------------------------------------------ */

enum { CHUNK_RECORDS = 1 << 20, PROGRESS_RECORDS = 100000 };

typedef struct Rebuild {
    sqlite3 *db;
    const RunPlace *place;
    unsigned indexes;
    int64_t through;     /* the last entry to cover */
    int64_t chunk_first; /* the first entry of the chunk at hand */
    size_t count;        /* records in it */
    IndexPair *pairs[INDEX_COUNT], *scratch;
    RollupMap *rollups; /* NULL when they stay */
} Rebuild;

static Status rebuild_init(Rebuild *rebuild, Error *reterr)
{
    bool complete = true;
    for (size_t i = 0; i < INDEX_COUNT; i++) {
        rebuild->pairs[i] = malloc(CHUNK_RECORDS * sizeof(IndexPair));
        complete = complete && rebuild->pairs[i];
    }
    rebuild->scratch = malloc(CHUNK_RECORDS * sizeof(IndexPair));
    complete = complete && rebuild->scratch;
    if (rebuild->indexes == PUBLISH_REBUILD_ALL) {
        rebuild->rollups = rollup_map_new();
        complete = complete && rebuild->rollups;
    }
    return complete ? STATUS_OK : error_set(reterr, STATUS_BUSY, "out of memory for the rebuild");
}

static void rebuild_release(Rebuild *rebuild)
{
    for (size_t i = 0; i < INDEX_COUNT; i++) {
        free(rebuild->pairs[i]);
    }
    free(rebuild->scratch);
    rollup_map_free(rebuild->rollups);
}

static size_t keep_newest(IndexPair *sorted, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && sorted[kept - 1].key == sorted[i].key) {
            sorted[kept - 1] = sorted[i];
        } else {
            sorted[kept++] = sorted[i];
        }
    }
    return kept;
}

/* Writes the chunk's runs and lists them. They become visible with the transaction. */
static Status rebuild_flush(Rebuild *rebuild, int64_t last_seq, Error *reterr)
{
    uint64_t row_hash = 0;
    Status status = index_entry_hash(rebuild->db, last_seq, &row_hash, reterr);
    for (IndexNumber index = 0; index < INDEX_COUNT && status == STATUS_OK; index++) {
        if (!(rebuild->indexes & 1u << index)) {
            continue;
        }
        char name[RUN_NAME_BYTES_MAX];
        NewRun made = {0};
        RunStamp stamp = run_place_stamp(rebuild->place, index, rebuild->chunk_first, last_seq, row_hash, name);
        index_pairs_sort(rebuild->pairs[index], rebuild->scratch, rebuild->count);
        size_t count = index == INDEX_FLOWS ? keep_newest(rebuild->pairs[index], rebuild->count) : rebuild->count;
        status = run_place_write(rebuild->place, &stamp, name, rebuild->pairs[index], count, &made, reterr);
        if (status == STATUS_OK) {
            status = index_list_add(rebuild->db, made.run, made.name, reterr);
        }
        run_drop(made.run);
    }
    if (status == STATUS_OK && rebuild->rollups) {
        status = add_rollups(rebuild->db, rebuild->rollups, reterr);
        rollup_map_clear(rebuild->rollups);
    }
    rebuild->chunk_first = last_seq + 1;
    rebuild->count = 0;
    return status;
}

static Status rebuild_add(Rebuild *rebuild, StoredRecord *stored, Error *reterr)
{
    const StoreInfo *info = rebuild->place->info;
    Record *record = &stored->record;
    uint64_t seq = (uint64_t)stored->seq;
    size_t at = rebuild->count++;
    rebuild->pairs[INDEX_IDS][at] = (IndexPair){record_identity_hash(record, info->identity, info->hash_seed), seq};
    rebuild->pairs[INDEX_FLOWS][at] =
        (IndexPair){record_flow_hash(record->destination_id, record->reference, record->unit, info->hash_seed), seq};
    rebuild->pairs[INDEX_TIMES][at] = (IndexPair){index_time_key(record->time_us), seq};
    return rebuild->rollups ? rollup_map_add(rebuild->rollups, record, reterr) : STATUS_OK;
}

static Status rebuild_scan(Rebuild *rebuild, sqlite3_stmt *rows,
                           void (*progress)(void *self, const char *what, uint64_t done, uint64_t total),
                           void *progress_self, Error *reterr)
{
    StoredRecord stored = {0};
    uint64_t done = 0;
    bool row = true;
    Status status = STATUS_OK;
    while ((status = db_step(rows, "read the log", &row, reterr)) == STATUS_OK && row) {
        row_read(rows, FIELD_ALL & ~(uint32_t)FIELD_TOTALS, &stored);
        status = rebuild_add(rebuild, &stored, reterr);
        if (status == STATUS_OK && rebuild->count == CHUNK_RECORDS) {
            status = rebuild_flush(rebuild, stored.seq, reterr);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (++done % PROGRESS_RECORDS == 0 && progress) {
            progress(progress_self, "rebuilding the indexes", (uint64_t)stored.seq, (uint64_t)rebuild->through);
        }
    }
    if (status == STATUS_OK && rebuild->chunk_first <= rebuild->through) {
        status = rebuild_flush(rebuild, rebuild->through, reterr);
    }
    return status;
}

static Status rebuild_clear(Rebuild *rebuild, Error *reterr)
{
    Status status = STATUS_OK;
    for (IndexNumber index = 0; index < INDEX_COUNT && status == STATUS_OK; index++) {
        static const char *const sql[] = {"DELETE FROM index_runs WHERE index_number = 0",
                                          "DELETE FROM index_runs WHERE index_number = 1",
                                          "DELETE FROM index_runs WHERE index_number = 2"};
        if (rebuild->indexes & 1u << index) {
            status = db_exec(rebuild->db, sql[index], reterr);
        }
    }
    return status == STATUS_OK && rebuild->rollups ? db_exec(rebuild->db, "DELETE FROM rollups", reterr) : status;
}

static Status rebuild_transaction(Rebuild *rebuild,
                                  void (*progress)(void *self, const char *what, uint64_t done, uint64_t total),
                                  void *progress_self, Error *reterr)
{
    sqlite3_stmt *rows = NULL;
    Status status = db_exec(rebuild->db, "BEGIN IMMEDIATE", reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if ((status = rebuild_clear(rebuild, reterr)) == STATUS_OK &&
        (status = row_prepare_select(rebuild->db, FIELD_ALL & ~(uint32_t)FIELD_TOTALS,
                                     "FROM records WHERE seq <= ? ORDER BY seq", &rows, reterr)) == STATUS_OK) {
        sqlite3_bind_int64(rows, 1, rebuild->through);
        status = rebuild_scan(rebuild, rows, progress, progress_self, reterr);
    }
    sqlite3_finalize(rows);
    if (status == STATUS_OK) {
        status = meta_put_int(rebuild->db, META_PUBLISHED_SEQ, rebuild->through, reterr);
    }
    return end_transaction(rebuild->db, status, reterr);
}

Status publish_rebuild(sqlite3 *db, const RunPlace *place, unsigned indexes,
                       void (*progress)(void *self, const char *what, uint64_t done, uint64_t total),
                       void *progress_self, Error *reterr)
{
    Rebuild rebuild = {.db = db, .place = place, .indexes = indexes, .chunk_first = 1};
    Status status = rebuild_init(&rebuild, reterr);
    if (status == STATUS_OK) {
        status = indexes == PUBLISH_REBUILD_ALL ? publish_last_seq(db, &rebuild.through, reterr)
                                                : meta_get_int(db, META_PUBLISHED_SEQ, 0, &rebuild.through, reterr);
    }
    if (status == STATUS_OK) {
        status = rebuild_transaction(&rebuild, progress, progress_self, reterr);
    }
    rebuild_release(&rebuild);
    return status;
}

/* ---- Files that nobody lists ---------------------------------------------------------------------------------------- */

typedef struct Sweep {
    sqlite3_stmt *listed;
    const RunPlace *place;
    Status status;
    Error *reterr;
} Sweep;

static void remove_if_unlisted(void *context, const char *name)
{
    Sweep *sweep = context;
    size_t len = strlen(name);
    bool row = false;
    if (sweep->status != STATUS_OK || len < 4 || strcmp(name + len - 4, ".run") != 0) {
        return;
    }
    db_bind_text(sweep->listed, 1, str_from(name));
    sweep->status = db_step(sweep->listed, "look for a run", &row, sweep->reterr);
    sqlite3_reset(sweep->listed);
    if (sweep->status == STATUS_OK && !row) {
        char path[INDEX_PATH_BYTES_MAX];
        run_place_path(sweep->place, name, path);
        sweep->status = sweep->place->io->remove(sweep->place->io->self, path, sweep->reterr);
    }
}

Status publish_remove_unlisted(sqlite3 *db, const RunPlace *place, Error *reterr)
{
    Sweep sweep = {.place = place, .reterr = reterr};
    Status status = db_prepare(db, "SELECT 1 FROM index_runs WHERE file = ?", &sweep.listed, reterr);
    if (status == STATUS_OK) {
        status = place->io->list(place->io->self, place->dir, remove_if_unlisted, &sweep, reterr);
    }
    sqlite3_finalize(sweep.listed);
    return status == STATUS_OK ? sweep.status : status;
}
