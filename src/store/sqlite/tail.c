#include "store/sqlite/tail.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "store/rollup/rollup_merge.h"

Tail *tail_new(size_t records_max)
{
    Tail *tail = calloc(1, sizeof *tail);
    if (!tail) {
        return NULL;
    }
    tail->records_max = records_max;
    tail->ids = memtable_new(records_max, false);
    tail->flows = memtable_new(records_max, true);
    tail->times = calloc(records_max, sizeof *tail->times);
    if (!tail->ids || !tail->flows || !tail->times) {
        tail_free(tail);
        return NULL;
    }
    tail_clear(tail, 1);
    return tail;
}

void tail_free(Tail *tail)
{
    if (tail) {
        memtable_free(tail->ids);
        memtable_free(tail->flows);
        free(tail->times);
        free(tail);
    }
}

void tail_clear(Tail *tail, int64_t first_seq)
{
    memtable_clear(tail->ids);
    memtable_clear(tail->flows);
    tail->times_count = 0;
    tail->first_seq = first_seq;
    tail->last_seq = first_seq - 1;
}

void tail_add(Tail *tail, const StoredRecord *stored, uint64_t flow_hash)
{
    memtable_put(tail->ids, stored->record.identity_hash, (uint64_t)stored->seq);
    memtable_put(tail->flows, flow_hash, (uint64_t)stored->seq);
    tail->times[tail->times_count++] = (IndexPair){index_time_key(stored->record.time_us), (uint64_t)stored->seq};
}

void run_place_path(const RunPlace *place, const char *name, char ret_path[INDEX_PATH_BYTES_MAX])
{
    snprintf(ret_path, INDEX_PATH_BYTES_MAX, "%s/%s", place->dir, name);
}

RunStamp run_place_stamp(const RunPlace *place, IndexNumber index, int64_t first_seq, int64_t last_seq,
                         uint64_t row_hash, char ret_name[RUN_NAME_BYTES_MAX])
{
    RunStamp stamp = {.epoch = place->info->epoch,
                      .index = (uint32_t)index,
                      .content = index_contents[index],
                      .first_seq = first_seq,
                      .last_seq = last_seq,
                      .row_hash = row_hash};
    memcpy(stamp.store_id, place->info->id, sizeof stamp.store_id);
    /* A name is used once. A store that was copied back in time writes other entries under the same numbers, and must
     * never find the runs of the other history under the names that its list has. */
    int64_t moment[] = {clock_wall_us(place->clock), clock_monotonic_us(place->clock), (int64_t)row_hash};
    snprintf(ret_name, RUN_NAME_BYTES_MAX, "%s-%lld-%lld-%016llx.run", index_names[index], (long long)first_seq,
             (long long)last_seq, (unsigned long long)XXH3_64bits(moment, sizeof moment));
    return stamp;
}

void run_place_remove(const RunPlace *place, const char *name)
{
    char path[INDEX_PATH_BYTES_MAX];
    Error ignored; /* an unlisted file does no harm */
    run_place_path(place, name, path);
    Status removed = place->io->remove(place->io->self, path, &ignored);
    (void)removed;
}

void new_run_discard(NewRun *made, const RunPlace *place)
{
    if (made->run) {
        run_drop(made->run);
        made->run = NULL;
        run_place_remove(place, made->name);
    }
}

/* The file is complete and synced, if the status is OK: makes its name durable and opens it. Otherwise removes it. */
static Status take_written(const RunPlace *place, const RunStamp *stamp, const char *name, Status status,
                           NewRun *ret_made, Error *reterr)
{
    char path[INDEX_PATH_BYTES_MAX];
    Run *run = NULL;
    run_place_path(place, name, path);
    if (status == STATUS_OK) {
        status = place->io->sync_dir(place->io->self, place->dir, reterr);
    }
    if (status == STATUS_OK) {
        status = run_open(place->io, path, stamp, &run, reterr);
    }
    if (status == STATUS_OK) {
        ret_made->run = run;
        snprintf(ret_made->name, sizeof ret_made->name, "%s", name);
    } else {
        run_place_remove(place, name);
    }
    return status;
}

Status run_place_write(const RunPlace *place, const RunStamp *stamp, const char *name, const IndexPair *sorted,
                       size_t count, NewRun *ret_made, Error *reterr)
{
    char path[INDEX_PATH_BYTES_MAX];
    RunWriter *writer = NULL;
    run_place_path(place, name, path);
    Status status = run_writer_open(place->io, path, stamp, count, index_filter_bits[stamp->index], &writer, reterr);
    if (status == STATUS_OK && (status = run_writer_add(writer, sorted, count, reterr)) == STATUS_OK) {
        status = run_writer_finish(writer, reterr);
    } else if (status != STATUS_OK) {
        run_writer_abandon(writer);
    }
    return take_written(place, stamp, name, status, ret_made, reterr);
}

Status run_place_write_rollups(const RunPlace *place, const RunStamp *stamp, const char *name, RollupMap *rollups,
                               NewRun *ret_made, Error *reterr)
{
    char path[INDEX_PATH_BYTES_MAX];
    run_place_path(place, name, path);
    Status status = rollup_map_write(rollups, place->io, path, stamp, reterr);
    return take_written(place, stamp, name, status, ret_made, reterr);
}

/* The pairs of one index in order; `ret_pairs` and `scratch` have room for the tail's records. */
static size_t sorted_pairs(const Tail *tail, IndexNumber index, IndexPair *ret_pairs, IndexPair *scratch)
{
    const MemTable *table = index == INDEX_IDS ? tail->ids : tail->flows;
    if (index == INDEX_TIMES) {
        memcpy(ret_pairs, tail->times, tail->times_count * sizeof *ret_pairs);
        index_pairs_sort(ret_pairs, scratch, tail->times_count);
        return tail->times_count;
    }
    memtable_sorted(table, ret_pairs, scratch);
    return memtable_count(table);
}

Status tail_write(const Tail *tail, RollupMap *rollups, uint64_t row_hash, const RunPlace *place,
                  NewRun ret_made[INDEX_COUNT], Error *reterr)
{
    size_t room = tail->times_count + 1;
    IndexPair *pairs = malloc(room * sizeof *pairs), *scratch = malloc(room * sizeof *scratch);
    Status status = pairs && scratch ? STATUS_OK : error_set(reterr, STATUS_BUSY, "out of memory");
    for (IndexNumber index = 0; index < INDEX_COUNT && status == STATUS_OK; index++) {
        char name[RUN_NAME_BYTES_MAX];
        RunStamp stamp = run_place_stamp(place, index, tail->first_seq, tail->last_seq, row_hash, name);
        if (index == INDEX_ROLLUPS) {
            status = run_place_write_rollups(place, &stamp, name, rollups, &ret_made[index], reterr);
            continue;
        }
        size_t count = sorted_pairs(tail, index, pairs, scratch);
        status = run_place_write(place, &stamp, name, pairs, count, &ret_made[index], reterr);
    }
    free(pairs);
    free(scratch);
    for (IndexNumber index = 0; index < INDEX_COUNT && status != STATUS_OK; index++) {
        new_run_discard(&ret_made[index], place);
    }
    return status;
}
