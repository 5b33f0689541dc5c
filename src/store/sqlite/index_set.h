/* The published runs of everything that is derived: an immutable set that covers the log up to one seq, shared by the
 * writer and any number of readers.
 *
 * ids:   record_identity_hash() → seq of every record (equal keys are possible: two identities with one hash)
 * flows: record_flow_hash() → seq of the newest record of every flow
 * times: index_time_key() → seq of every record
 * rollups: rows, rollup_key() → what store/rollup/rollup_row.h says */
#ifndef WEIR_STORE_SQLITE_INDEX_SET_H
#define WEIR_STORE_SQLITE_INDEX_SET_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "store/index/run.h"
#include "store/store.h"

typedef enum IndexNumber { INDEX_IDS, INDEX_FLOWS, INDEX_TIMES, INDEX_ROLLUPS } IndexNumber;
#define INDEX_COUNT ((IndexNumber)4)
enum { INDEX_RUNS_MAX = 256, INDEX_PATH_BYTES_MAX = 4096 };

extern const char *const index_names[INDEX_COUNT];
extern const unsigned index_filter_bits[INDEX_COUNT];
extern const RunContent index_contents[INDEX_COUNT];

typedef struct IndexSet {
    atomic_int references;
    int64_t published_seq;
    size_t counts[INDEX_COUNT];
    Run *runs[INDEX_COUNT][INDEX_RUNS_MAX]; /* in the order of the log: oldest first; owns a reference each */
} IndexSet;

/* An empty set, or a copy of `from` to be changed before it is shared. One reference for the caller. NULL without
 * memory. */
IndexSet *index_set_new(const IndexSet *from);
IndexSet *index_set_keep(IndexSet *set);
void index_set_drop(IndexSet *set); /* accepts NULL */

/* Puts `run` (moves the reference) in place of `count` runs from `first` on; count 0 inserts, which at the end is
 * appending, and only possible while there are fewer than INDEX_RUNS_MAX (assert). */
void index_set_replace(IndexSet *set, IndexNumber index, size_t first, size_t count, Run *run);

/* How many records a rebuild puts into one run (entries in the log: many or few, the runs stay well below
 * INDEX_RUNS_MAX, and merges have time to catch up). It takes about 64 bytes of memory for each. */
size_t index_chunk_records(int64_t entries);

/* Reads the list of runs in the database and opens them. REFUSED when one is missing, torn or not of this log: *ret_bad
 * gets the bits (1 << IndexNumber) of the indexes that have to be made anew; the others are in the set all the same. */
Status index_set_load(sqlite3 *db, const Io *io, const char *dir, const StoreInfo *info, IndexSet **ret_set,
                      unsigned *ret_bad, Error *reterr) MUST_CHECK;

/* The list of runs in the database. Call inside a transaction. */
Status index_list_add(sqlite3 *db, const Run *run, const char *file, Error *reterr) MUST_CHECK;
Status index_list_remove(sqlite3 *db, IndexNumber index, int64_t first_seq, Error *reterr) MUST_CHECK;

/* A hash of the log entry (record or message) at `seq`, for a run's stamp. REFUSED when there is none. */
Status index_entry_hash(sqlite3 *db, int64_t seq, uint64_t *ret_hash, Error *reterr) MUST_CHECK;

/* Times ordered as unsigned numbers. */
static inline uint64_t index_time_key(int64_t time_us) { return (uint64_t)time_us ^ (UINT64_C(1) << 63); }

#endif
