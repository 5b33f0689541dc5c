/* The transactions that make derived files visible, and the rebuild of everything derived. Writer's connection. */
#ifndef WEIR_STORE_SQLITE_PUBLISH_H
#define WEIR_STORE_SQLITE_PUBLISH_H

#include "store/sqlite/tail.h"

/* Lists the runs of a frozen tail and moves published_seq to its end, in one transaction. On failure
 * nothing has changed. */
Status publish_tail(sqlite3 *db, const Tail *tail, const NewRun made[INDEX_COUNT], Error *reterr) MUST_CHECK;

/* Lists a merged run in place of its inputs, in one transaction. */
Status publish_merge(sqlite3 *db, IndexNumber index, Run *const *inputs, size_t count, const NewRun *made,
                     Error *reterr) MUST_CHECK;

/* Makes the indexes in `indexes` (bits 1 << IndexNumber) anew from the log: all of them up to its end, some up to the
 * present published_seq. */
enum { PUBLISH_REBUILD_ALL = (1 << INDEX_COUNT) - 1 };
Status publish_rebuild(sqlite3 *db, const RunPlace *place, unsigned indexes,
                       void (*progress)(void *self, const char *what, uint64_t done, uint64_t total),
                       void *progress_self, Error *reterr) MUST_CHECK;

/* Removes run files that the list does not name. */
Status publish_remove_unlisted(sqlite3 *db, const RunPlace *place, Error *reterr) MUST_CHECK;

/* The seq of the newest entry, record or message. */
Status publish_last_seq(sqlite3 *db, int64_t *ret_seq, Error *reterr) MUST_CHECK;

#endif
