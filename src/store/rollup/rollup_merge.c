/* Writing runs of rollups: from memory, and from other runs. */
#include "store/rollup/rollup_merge.h"

#include <assert.h>
#include <stdlib.h>

#include "store/rollup/rollup_walk.h"

static Status add_row(RunWriter *writer, RollupLevel level, const Rollup *rollup, Error *reterr)
{
    char row[ROLLUP_ROW_BYTES_MAX];
    size_t bytes = rollup_row_put(level, rollup, row);
    return run_writer_add_row(writer, rollup_key(level, rollup->bucket), (Str){row, bytes}, reterr);
}

/* ---- From memory ------------------------------------------------------------------------------------------------- */

typedef struct Writing {
    RunWriter *writer;
    RollupLevel level;
    Status status;
    Error *reterr;
} Writing;

static bool write_rollup(void *context, const Rollup *rollup)
{
    Writing *writing = context;
    writing->status = add_row(writing->writer, writing->level, rollup, writing->reterr);
    return writing->status == STATUS_OK;
}

Status rollup_map_write(RollupMap *map, const Io *io, const char *path, const RunStamp *stamp, Error *reterr)
{
    Writing writing = {.reterr = reterr};
    Status status = run_writer_open(io, path, stamp, rollup_map_count(map), 0, &writing.writer, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    for (int level = ROLLUP_HOUR; level <= ROLLUP_WEEK && status == STATUS_OK; level++) {
        writing.level = (RollupLevel)level;
        status = rollup_map_visit(map, writing.level, write_rollup, &writing, reterr);
        status = status == STATUS_OK ? writing.status : status;
    }
    if (status == STATUS_OK) {
        return run_writer_finish(writing.writer, reterr);
    }
    run_writer_abandon(writing.writer);
    return status;
}

/* ---- From runs --------------------------------------------------------------------------------------------------- */

struct RollupMerge {
    RollupWalk *walk;
    RunWriter *writer; /* NULL when finished or failed */
};

Status rollup_merge_open(const Io *io, Run *const *inputs, size_t count, const char *path, const RunStamp *stamp,
                         RollupMerge **ret_merge, Error *reterr)
{
    RollupMerge *merge = calloc(1, sizeof *merge);
    if (!merge) {
        return error_set(reterr, STATUS_BUSY, "out of memory for a merge");
    }
    uint64_t expected = 0;
    for (size_t i = 0; i < count; i++) {
        expected += run_count(inputs[i]);
    }
    Status status = rollup_walk_open(inputs, count, 0, UINT64_MAX, &merge->walk, reterr);
    if (status == STATUS_OK) {
        status = run_writer_open(io, path, stamp, expected, 0, &merge->writer, reterr);
    }
    if (status != STATUS_OK) {
        rollup_merge_free(merge);
        return status;
    }
    *ret_merge = merge;
    return STATUS_OK;
}

void rollup_merge_free(RollupMerge *merge)
{
    if (merge) {
        rollup_walk_close(merge->walk);
        run_writer_abandon(merge->writer);
        free(merge);
    }
}

static Status finish(RollupMerge *merge, Error *reterr)
{
    RunWriter *writer = merge->writer;
    merge->writer = NULL;
    return run_writer_finish(writer, reterr);
}

Status rollup_merge_step(RollupMerge *merge, size_t rows, bool *ret_done, Error *reterr)
{
    assert(merge->writer);
    bool found = true;
    Status status = STATUS_OK;
    for (size_t i = 0; i < rows && found && status == STATUS_OK; i++) {
        RollupLevel level = ROLLUP_HOUR;
        Rollup rollup;
        status = rollup_walk_next(merge->walk, &level, &rollup, &found, reterr);
        if (status == STATUS_OK && found) {
            status = add_row(merge->writer, level, &rollup, reterr);
        }
    }
    if (status == STATUS_OK && !found) {
        status = finish(merge, reterr);
    }
    *ret_done = !found;
    return status;
}
