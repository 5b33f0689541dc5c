#include "store/sqlite/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/rollup/rollup_merge.h"
#include "store/sqlite/db.h"
#include "store/sqlite/row.h"
#include "store/sqlite/sqlite_store.h"

enum { ROLLUP_FIELDS = FIELD_TIME | FIELD_VALUE | FIELD_TYPE | FIELD_DESTINATION_ID | FIELD_UNIT };
enum { MERGE_STEP_PAIRS = 65536, MERGE_STEP_ROWS = 8192 };

typedef struct Build {
    WorkerState state;
    const Tail *tail;
    uint64_t row_hash;
    NewRun made[INDEX_COUNT];
    Status status;
    Error error;
} Build;

typedef struct MergeTask {
    WorkerState state;
    Merge *merge;         /* of pairs, or */
    RollupMerge *rollups; /* of rows */
    RunStamp stamp;
    NewRun made;
    Status status;
    Error error;
} MergeTask;

struct Worker {
    RunPlace place;
    sqlite3 *db; /* read-only */
    sqlite3_stmt *select_rows;
    RollupMap *rollups; /* of the tail that is being written out */
    bool threaded, stopping;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the states; the rest of a task belongs to the worker while it is busy */
    pthread_cond_t changed;
    Build build;
    MergeTask merge;
};

/* ---- Builds ------------------------------------------------------------------------------------------------------ */

/* The records of a frozen tail are committed: they are read from the log here, so that the writer need not count
 * them. */
static Status add_up_tail(Worker *worker, const Tail *tail, Error *reterr)
{
    sqlite3_stmt *rows = worker->select_rows;
    StoredRecord stored = {0};
    bool row = true;
    Status status = STATUS_OK;
    rollup_map_clear(worker->rollups);
    sqlite3_bind_int64(rows, 1, tail->first_seq);
    sqlite3_bind_int64(rows, 2, tail->last_seq);
    while (status == STATUS_OK && (status = db_step(rows, "read the log", &row, reterr)) == STATUS_OK && row) {
        row_read(rows, ROLLUP_FIELDS, &stored);
        status = rollup_map_add(worker->rollups, &stored.record, reterr);
    }
    sqlite3_reset(rows);
    return status;
}

static void run_build(Worker *worker)
{
    Build *build = &worker->build;
    build->status = add_up_tail(worker, build->tail, &build->error);
    if (build->status == STATUS_OK) {
        build->status =
            tail_write(build->tail, worker->rollups, build->row_hash, &worker->place, build->made, &build->error);
    }
}

/* ---- Merges ------------------------------------------------------------------------------------------------------ */

/* The file is complete and synced: make its name durable and open it. */
static Status finish_merge(Worker *worker)
{
    MergeTask *task = &worker->merge;
    const RunPlace *place = &worker->place;
    char path[INDEX_PATH_BYTES_MAX];
    run_place_path(place, task->made.name, path);
    Status status = place->io->sync_dir(place->io->self, place->dir, &task->error);
    return status == STATUS_OK ? run_open(place->io, path, &task->stamp, &task->made.run, &task->error) : status;
}

static void free_merge(MergeTask *task)
{
    merge_free(task->merge);
    rollup_merge_free(task->rollups);
    task->merge = NULL;
    task->rollups = NULL;
}

/* Returns whether the merge has come to its end, well or not. */
static bool run_merge_step(Worker *worker)
{
    MergeTask *task = &worker->merge;
    bool done = false;
    task->status = task->rollups ? rollup_merge_step(task->rollups, MERGE_STEP_ROWS, &done, &task->error)
                                 : merge_step(task->merge, MERGE_STEP_PAIRS, &done, &task->error);
    if (task->status == STATUS_OK && done) {
        task->status = finish_merge(worker);
    }
    if (task->status == STATUS_OK && !done) {
        return false;
    }
    free_merge(task);
    if (task->status != STATUS_OK) {
        run_place_remove(&worker->place, task->made.name);
    }
    return true;
}

/* ---- The thread -------------------------------------------------------------------------------------------------- */

static void *work(void *self)
{
    Worker *worker = self;
    pthread_mutex_lock(&worker->lock);
    while (!worker->stopping) {
        if (worker->build.state == WORKER_BUSY) {
            pthread_mutex_unlock(&worker->lock);
            run_build(worker);
            pthread_mutex_lock(&worker->lock);
            worker->build.state = WORKER_DONE;
            pthread_cond_broadcast(&worker->changed);
        } else if (worker->merge.state == WORKER_BUSY) {
            pthread_mutex_unlock(&worker->lock);
            bool done = run_merge_step(worker);
            pthread_mutex_lock(&worker->lock);
            worker->merge.state = done ? WORKER_DONE : WORKER_BUSY;
        } else {
            pthread_cond_wait(&worker->changed, &worker->lock);
        }
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

/* Now and not when it is first needed: then there may be no file descriptor left. */
static Status open_log(Worker *worker, const char *database, const char *vfs, Error *reterr)
{
    Status status = sqlite_open_to_read(database, vfs, &worker->db, reterr);
    return status == STATUS_OK
               ? row_prepare_select(worker->db, ROLLUP_FIELDS, "FROM records WHERE seq >= ? AND seq <= ? ORDER BY seq",
                                    &worker->select_rows, reterr)
               : status;
}

Status worker_open(const RunPlace *place, const char *database, const char *vfs, bool threaded, Worker **ret_worker,
                   Error *reterr)
{
    Worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    worker->place = *place;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    worker->rollups = rollup_map_new();
    Status status =
        worker->rollups ? open_log(worker, database, vfs, reterr) : error_set(reterr, STATUS_BUSY, "out of memory");
    if (status == STATUS_OK && threaded && pthread_create(&worker->thread, NULL, work, worker) != 0) {
        status = error_set(reterr, STATUS_BUSY, "the system gave no thread for the indexes");
    }
    if (status != STATUS_OK) {
        worker_close(worker);
        return status;
    }
    worker->threaded = threaded;
    *ret_worker = worker;
    return STATUS_OK;
}

void worker_close(Worker *worker)
{
    if (!worker) {
        return;
    }
    if (worker->threaded) {
        pthread_mutex_lock(&worker->lock);
        worker->stopping = true;
        pthread_cond_broadcast(&worker->changed);
        pthread_mutex_unlock(&worker->lock);
        pthread_join(worker->thread, NULL);
    }
    for (size_t i = 0; i < INDEX_COUNT; i++) {
        new_run_discard(&worker->build.made[i], &worker->place);
    }
    free_merge(&worker->merge);
    sqlite3_finalize(worker->select_rows);
    sqlite3_close(worker->db);
    rollup_map_free(worker->rollups);
    new_run_discard(&worker->merge.made, &worker->place);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->changed);
    free(worker);
}

static void set_state(Worker *worker, WorkerState *state, WorkerState now)
{
    pthread_mutex_lock(&worker->lock);
    *state = now;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

static WorkerState get_state(Worker *worker, const WorkerState *state)
{
    pthread_mutex_lock(&worker->lock);
    WorkerState now = *state;
    pthread_mutex_unlock(&worker->lock);
    return now;
}

WorkerState worker_build_state(Worker *worker) { return get_state(worker, &worker->build.state); }
WorkerState worker_merge_state(Worker *worker) { return get_state(worker, &worker->merge.state); }

void worker_start_build(Worker *worker, const Tail *frozen, uint64_t row_hash)
{
    worker->build.tail = frozen;
    worker->build.row_hash = row_hash;
    set_state(worker, &worker->build.state, WORKER_BUSY);
}

Status worker_start_merge(Worker *worker, IndexNumber index, Run *const *runs, size_t count, Error *reterr)
{
    MergeTask *task = &worker->merge;
    const RunStamp *oldest = run_stamp(runs[0]), *newest = run_stamp(runs[count - 1]);
    char path[INDEX_PATH_BYTES_MAX];
    task->stamp =
        run_place_stamp(&worker->place, index, oldest->first_seq, newest->last_seq, newest->row_hash, task->made.name);
    run_place_path(&worker->place, task->made.name, path);
    MergeKeep keep = index == INDEX_FLOWS ? MERGE_KEEP_NEWEST : MERGE_KEEP_ALL;
    Status status = index == INDEX_ROLLUPS
                        ? rollup_merge_open(worker->place.io, runs, count, path, &task->stamp, &task->rollups, reterr)
                        : merge_open(worker->place.io, runs, count, keep, path, &task->stamp, index_filter_bits[index],
                                     &task->merge, reterr);
    if (status == STATUS_OK) {
        set_state(worker, &task->state, WORKER_BUSY);
    } else {
        run_place_remove(&worker->place, task->made.name);
    }
    return status;
}

void worker_wait_build(Worker *worker)
{
    if (!worker->threaded) {
        worker_step(worker);
        return;
    }
    pthread_mutex_lock(&worker->lock);
    while (worker->build.state == WORKER_BUSY) {
        pthread_cond_wait(&worker->changed, &worker->lock);
    }
    pthread_mutex_unlock(&worker->lock);
}

Status worker_take_build(Worker *worker, NewRun ret_made[INDEX_COUNT], Error *reterr)
{
    Build *build = &worker->build;
    set_state(worker, &build->state, WORKER_IDLE);
    if (build->status != STATUS_OK) {
        return error_set(reterr, build->status, "%s", build->error.message);
    }
    memcpy(ret_made, build->made, sizeof build->made);
    memset(build->made, 0, sizeof build->made);
    return STATUS_OK;
}

Status worker_take_merge(Worker *worker, NewRun *ret_made, Error *reterr)
{
    MergeTask *task = &worker->merge;
    set_state(worker, &task->state, WORKER_IDLE);
    if (task->status != STATUS_OK) {
        return error_set(reterr, task->status, "%s", task->error.message);
    }
    *ret_made = task->made;
    task->made.run = NULL;
    return STATUS_OK;
}

void worker_step(Worker *worker)
{
    if (worker->threaded) {
        return;
    }
    if (worker->build.state == WORKER_BUSY) {
        run_build(worker);
        worker->build.state = WORKER_DONE;
    } else if (worker->merge.state == WORKER_BUSY && run_merge_step(worker)) {
        worker->merge.state = WORKER_DONE;
    }
}
