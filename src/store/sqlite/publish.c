#include "store/sqlite/publish.h"

#include <stdlib.h>

#include "store/rollup/rollup_map.h"

#include "store/sqlite/db.h"
#include "store/sqlite/row.h"
#include "store/sqlite/schema.h"

/* Commits when all went well, else rolls back; the status of the whole. BROKEN when it can do neither. */
static Status end_transaction(sqlite3 *db, Status status, Error *reterr)
{
    if (status == STATUS_OK) {
        status = db_exec(db, "COMMIT", reterr);
    }
    return status == STATUS_OK || db_roll_back(db) ? status : STATUS_BROKEN;
}

static Status put_published(sqlite3 *db, int64_t seq, int64_t records, Error *reterr)
{
    Status status = meta_put_int(db, META_PUBLISHED_SEQ, seq, reterr);
    return status == STATUS_OK ? meta_put_int(db, META_PUBLISHED_RECORDS, records, reterr) : status;
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
    int64_t records = 0;
    if (status == STATUS_OK) {
        status = meta_get_int(db, META_PUBLISHED_RECORDS, 0, &records, reterr);
    }
    if (status == STATUS_OK) {
        status = put_published(db, tail->last_seq, records + (int64_t)tail_records(tail), reterr);
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

/* ---- Rebuild ----------------------------------------------------------------------------------------------------- */

enum { PROGRESS_RECORDS = 100000 };

typedef struct Rebuild {
    sqlite3 *db;
    const RunPlace *place;
    unsigned indexes;
    int64_t through;     /* the last entry to cover */
    int64_t chunk_first; /* the first entry of the chunk at hand */
    size_t count;        /* records in it */
    int64_t records;     /* read so far */
    size_t chunk_records;
    IndexPair *pairs[INDEX_COUNT], *scratch; /* NULL for an index that stays, and for rollups */
    RollupMap *rollups;                      /* NULL when they stay */
} Rebuild;

static bool rebuilds(const Rebuild *rebuild, IndexNumber index) { return (rebuild->indexes & 1u << index) != 0; }

static Status rebuild_init(Rebuild *rebuild, Error *reterr)
{
    bool complete = true;
    for (IndexNumber index = 0; index < INDEX_COUNT; index++) {
        if (rebuilds(rebuild, index) && index_contents[index] == RUN_PAIRS) {
            rebuild->pairs[index] = malloc(rebuild->chunk_records * sizeof(IndexPair));
            complete = complete && rebuild->pairs[index];
        }
    }
    rebuild->scratch = malloc(rebuild->chunk_records * sizeof(IndexPair));
    complete = complete && rebuild->scratch;
    if (rebuilds(rebuild, INDEX_ROLLUPS)) {
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

static Status write_run(Rebuild *rebuild, IndexNumber index, int64_t last_seq, uint64_t row_hash, NewRun *made,
                        Error *reterr)
{
    char name[RUN_NAME_BYTES_MAX];
    RunStamp stamp = run_place_stamp(rebuild->place, index, rebuild->chunk_first, last_seq, row_hash, name);
    if (index == INDEX_ROLLUPS) {
        return run_place_write_rollups(rebuild->place, &stamp, name, rebuild->rollups, made, reterr);
    }
    index_pairs_sort(rebuild->pairs[index], rebuild->scratch, rebuild->count);
    size_t count = index == INDEX_FLOWS ? keep_newest(rebuild->pairs[index], rebuild->count) : rebuild->count;
    return run_place_write(rebuild->place, &stamp, name, rebuild->pairs[index], count, made, reterr);
}

/* Writes the chunk's runs and lists them. They become visible with the transaction. */
static Status rebuild_flush(Rebuild *rebuild, int64_t last_seq, Error *reterr)
{
    uint64_t row_hash = 0;
    Status status = index_entry_hash(rebuild->db, last_seq, &row_hash, reterr);
    for (IndexNumber index = 0; index < INDEX_COUNT && status == STATUS_OK; index++) {
        NewRun made = {0};
        if (!rebuilds(rebuild, index)) {
            continue;
        }
        status = write_run(rebuild, index, last_seq, row_hash, &made, reterr);
        if (status == STATUS_OK) {
            status = index_list_add(rebuild->db, made.run, made.name, reterr);
        }
        run_drop(made.run);
    }
    if (rebuild->rollups) {
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
    if (rebuilds(rebuild, INDEX_IDS)) {
        rebuild->pairs[INDEX_IDS][at] = (IndexPair){record_identity_hash(record, info->identity, info->hash_seed), seq};
    }
    if (rebuilds(rebuild, INDEX_FLOWS)) {
        rebuild->pairs[INDEX_FLOWS][at] = (IndexPair){
            record_flow_hash(record->destination_id, record->reference, record->unit, info->hash_seed), seq};
    }
    if (rebuilds(rebuild, INDEX_TIMES)) {
        rebuild->pairs[INDEX_TIMES][at] = (IndexPair){index_time_key(record->time_us), seq};
    }
    return rebuild->rollups ? rollup_map_add(rebuild->rollups, record, reterr) : STATUS_OK;
}

static Status rebuild_scan(Rebuild *rebuild, sqlite3_stmt *rows,
                           void (*progress)(void *self, const char *what, uint64_t done, uint64_t total),
                           void *progress_self, Error *reterr)
{
    StoredRecord stored = {0};
    bool row = true;
    Status status = STATUS_OK;
    while ((status = db_step(rows, "read the log", &row, reterr)) == STATUS_OK && row) {
        row_read(rows, FIELD_ALL & ~(uint32_t)FIELD_TOTALS, &stored);
        status = rebuild_add(rebuild, &stored, reterr);
        if (status == STATUS_OK && rebuild->count == rebuild->chunk_records) {
            status = rebuild_flush(rebuild, stored.seq, reterr);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (++rebuild->records % PROGRESS_RECORDS == 0 && progress) {
            progress(progress_self, "rebuilding the indexes", (uint64_t)stored.seq, (uint64_t)rebuild->through);
        }
    }
    if (status == STATUS_OK && rebuild->chunk_first <= rebuild->through) {
        status = rebuild_flush(rebuild, rebuild->through, reterr);
    }
    return status;
}

static Status rebuild_clear(const Rebuild *rebuild, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(rebuild->db, "DELETE FROM index_runs WHERE index_number = ?", &stmt, reterr);
    for (IndexNumber index = 0; index < INDEX_COUNT && status == STATUS_OK; index++) {
        if (rebuilds(rebuild, index)) {
            sqlite3_bind_int64(stmt, 1, index);
            status = db_run(stmt, "unlist the runs of an index", reterr);
        }
    }
    sqlite3_finalize(stmt);
    return status;
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
        status = put_published(rebuild->db, rebuild->through, rebuild->records, reterr);
    }
    return end_transaction(rebuild->db, status, reterr);
}

Status publish_rebuild(sqlite3 *db, const RunPlace *place, unsigned indexes,
                       void (*progress)(void *self, const char *what, uint64_t done, uint64_t total),
                       void *progress_self, Error *reterr)
{
    Rebuild rebuild = {.db = db, .place = place, .indexes = indexes, .chunk_first = 1};
    Status status = indexes == PUBLISH_REBUILD_ALL ? publish_last_seq(db, &rebuild.through, reterr)
                                                   : meta_get_int(db, META_PUBLISHED_SEQ, 0, &rebuild.through, reterr);
    rebuild.chunk_records = index_chunk_records(rebuild.through);
    if (status == STATUS_OK) {
        status = rebuild_init(&rebuild, reterr);
    }
    if (status == STATUS_OK) {
        status = rebuild_transaction(&rebuild, progress, progress_self, reterr);
    }
    rebuild_release(&rebuild);
    return status;
}

/* ---- Files that nobody lists ------------------------------------------------------------------------------------- */

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
