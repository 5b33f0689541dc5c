/* Everything that is derived from the log, on the writer's side: the three indexes and the rollups, all of them
 * sorted runs.
 *
 * What came in since the last publish is the *tail*: memory tables. When it is large enough it is frozen, a
 * new one begins, and the frozen one is written out as one run an index (on the worker's thread, or in steps). When
 * the files are synced, one transaction of the writer lists them and moves `published_seq`: everything
 * derived moves in step. Merges go the same way: a new file first, then one transaction that lists it in place of its
 * inputs.
 *
 * A tail holds committed entries and, during an apply, those of its transaction; derived_reload() forgets the
 * latter. */
#ifndef WEIR_STORE_SQLITE_DERIVED_H
#define WEIR_STORE_SQLITE_DERIVED_H

#include "store/sqlite/index_set.h"

typedef struct Derived Derived;

/* Loads what is published, rebuilds what does not fit (or everything, by option), replays the log behind it. `db` is
 * the writer's connection and borrows until derived_close. */
Status derived_open(sqlite3 *db, const StoreOptions *options, const StoreInfo *info, Derived **ret_derived,
                    Error *reterr) MUST_CHECK;
/* Waits for the worker, publishes nothing. Accepts NULL. */
void derived_close(Derived *derived);

/* Makes sure that `records` more fit into the tail; may wait for the worker and commit a publish. Outside
 * transactions. */
Status derived_make_room(Derived *derived, size_t records, Error *reterr) MUST_CHECK;

/* Hints for the processor's caches, a few records ahead of the lookups. */
void derived_prefetch(const Derived *derived, uint64_t identity_hash, uint64_t flow_hash);

/* Calls `check` with the seq of every entry that may have this identity, newest first, until it answers true.
 * *ret_exhausted: there were so many equal hashes that some were left out; only a scan of the log can tell. */
Status derived_find_ids(Derived *derived, uint64_t hash, bool (*check)(void *context, int64_t seq), void *context,
                        bool *ret_exhausted, Error *reterr) MUST_CHECK;

/* The newest entry of any flow with this hash, 0 for none. When its flow is another one (a collision), the index cannot
 * answer for this flow at all, and the log has to be searched. */
Status derived_find_flow(Derived *derived, uint64_t hash, int64_t *ret_seq, Error *reterr) MUST_CHECK;

/* Enters a record that was just inserted. derived_make_room came before. */
void derived_add(Derived *derived, const StoredRecord *stored, uint64_t flow_hash);
/* The entries up to `last_seq` are committed (also those that are not records). */
void derived_committed(Derived *derived, int64_t last_seq);
/* After a rollback: makes the tail anew from the log. */
Status derived_reload(Derived *derived, Error *reterr) MUST_CHECK;

/* A bounded piece of housekeeping, outside transactions; see store_maintain. */
Status derived_maintain(Derived *derived, bool idle, bool *ret_more, Error *reterr) MUST_CHECK;
/* Publishes all of the tail, waiting for it. */
Status derived_publish_all(Derived *derived, Error *reterr) MUST_CHECK;

/* The published set, with a reference for the caller. Any thread. */
IndexSet *derived_published(Derived *derived);

/* A block of a run is not as it was written: leaves word for the next start, which makes everything derived anew. Any
 * thread. */
void derived_distrust(Derived *derived);

#endif
