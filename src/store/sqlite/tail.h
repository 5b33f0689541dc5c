/* The tail: what came into the log since the last publish, in memory, ready to be looked up and to be written out. */
#ifndef WEIR_STORE_SQLITE_TAIL_H
#define WEIR_STORE_SQLITE_TAIL_H

#include "store/index/memtable.h"
#include "store/rollup/rollup_map.h"
#include "store/sqlite/index_set.h"

/* Written by the processor's thread until it is frozen; after that nobody changes it. */
typedef struct Tail {
    MemTable *ids, *flows;
    IndexPair *times;
    size_t times_count, records_max;
    int64_t first_seq, last_seq; /* last_seq: committed entries, records or not; first_seq - 1 when there are none */
} Tail;

/* Room for `records_max` records, allocated here. NULL without memory. */
Tail *tail_new(size_t records_max);
void tail_free(Tail *tail); /* accepts NULL */
/* Forgets everything; the next entry will be `first_seq`. */
void tail_clear(Tail *tail, int64_t first_seq);
static inline size_t tail_records(const Tail *tail) { return tail->times_count; }

void tail_add(Tail *tail, const StoredRecord *stored, uint64_t flow_hash);

/* What is needed to write runs: where to, and in whose name. Borrows everything. */
typedef struct RunPlace {
    const Io *io;
    const char *dir;
    const StoreInfo *info;
    const Clock *clock;
} RunPlace;

enum { RUN_NAME_BYTES_MAX = 128 };

/* A run that was written but is not listed yet. */
typedef struct NewRun {
    Run *run; /* owns a reference */
    char name[RUN_NAME_BYTES_MAX];
} NewRun;
void new_run_discard(NewRun *made, const RunPlace *place); /* drops it and removes the file */
/* Removes a file that is not listed. What stays behind for an I/O error goes at the next open. */
void run_place_remove(const RunPlace *place, const char *name);

/* The stamp and a file name that was never used before for a run of `index` over first_seq … last_seq. */
RunStamp run_place_stamp(const RunPlace *place, IndexNumber index, int64_t first_seq, int64_t last_seq,
                         uint64_t row_hash, char ret_name[RUN_NAME_BYTES_MAX]);
void run_place_path(const RunPlace *place, const char *name, char ret_path[INDEX_PATH_BYTES_MAX]);

/* Writes sorted pairs, or the rollups, as a run and syncs the file and its directory. On failure nothing is left. */
Status run_place_write(const RunPlace *place, const RunStamp *stamp, const char *name, const IndexPair *sorted,
                       size_t count, NewRun *ret_made, Error *reterr) MUST_CHECK;
Status run_place_write_rollups(const RunPlace *place, const RunStamp *stamp, const char *name, RollupMap *rollups,
                               NewRun *ret_made, Error *reterr) MUST_CHECK;

/* Writes a frozen tail, and the rollups of its records, as one run an index. On failure nothing is left. */
Status tail_write(const Tail *tail, RollupMap *rollups, uint64_t row_hash, const RunPlace *place,
                  NewRun ret_made[INDEX_COUNT], Error *reterr) MUST_CHECK;

#endif
