/* A walk over the rollups of several runs as if they were one: in order, those with equal keys added up. */
#ifndef WEIR_STORE_ROLLUP_ROLLUP_WALK_H
#define WEIR_STORE_ROLLUP_ROLLUP_WALK_H

#include "store/rollup/rollup_row.h"

typedef struct RollupWalk RollupWalk;

/* The rollups whose key (rollup_key()) lies in [from, to). Keeps references to the runs. One thread. */
Status rollup_walk_open(Run *const *runs, size_t count, uint64_t from, uint64_t to, RollupWalk **ret_walk,
                        Error *reterr) MUST_CHECK;
void rollup_walk_close(RollupWalk *walk); /* accepts NULL */

/* The next by (level, rollup_compare()); texts borrow until the next call. *ret_found is false at the end. BROKEN when
 * a block is not as it was written; then only close. */
Status rollup_walk_next(RollupWalk *walk, RollupLevel *ret_level, Rollup *ret_rollup, bool *ret_found,
                        Error *reterr) MUST_CHECK;

#endif
