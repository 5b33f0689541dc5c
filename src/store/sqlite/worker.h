/* The work behind a publish or a merge: writing files, away from the processor's thread (or in steps, on it).
 *
 * One build and one merge may be under way at a time; a build goes first, since the writer may be waiting for it. The
 * worker only reads frozen tails, their records in the log (over a connection of its own) and immutable runs, and makes
 * new files; what comes of them, the writer decides. */
#ifndef WEIR_STORE_SQLITE_WORKER_H
#define WEIR_STORE_SQLITE_WORKER_H

#include "store/index/merge.h"
#include "store/sqlite/tail.h"

typedef struct Worker Worker;

typedef enum WorkerState { WORKER_IDLE, WORKER_BUSY, WORKER_DONE } WorkerState;

/* `database` is the log's path and `vfs` SQLite's file layer. `threaded`: on a thread of its own, otherwise worker_step
 * does it.
 * `place` is copied; everything that is pointed to must outlive the worker. */
Status worker_open(const RunPlace *place, const char *database, const char *vfs, bool threaded, Worker **ret_worker,
                   Error *reterr) MUST_CHECK;
/* Ends the thread after its present step; unfinished and uncollected files are discarded. Accepts NULL. */
void worker_close(Worker *worker);

/* Begins to write a frozen tail, which borrows until worker_take_build. Only when no build is under way. */
void worker_start_build(Worker *worker, const Tail *frozen, uint64_t row_hash);
/* Begins to merge `count` adjacent runs, oldest first. Only when no merge is under way. */
Status worker_start_merge(Worker *worker, IndexNumber index, Run *const *runs, size_t count, Error *reterr) MUST_CHECK;

WorkerState worker_build_state(Worker *worker);
WorkerState worker_merge_state(Worker *worker);
/* Waits until no build is busy (does it, when not threaded). */
void worker_wait_build(Worker *worker);

/* Takes the result of what is WORKER_DONE, which is then idle again: the runs, or why there are none. */
Status worker_take_build(Worker *worker, NewRun ret_made[INDEX_COUNT], Error *reterr) MUST_CHECK;
Status worker_take_merge(Worker *worker, NewRun *ret_made, Error *reterr) MUST_CHECK;

/* Not threaded: does a bounded piece of what is busy. Threaded: nothing. */
void worker_step(Worker *worker);

#endif
