/* Merging runs of rollups into one, in steps of a bounded size. As store/index/merge.h, which also chooses which. */
#ifndef WEIR_STORE_ROLLUP_ROLLUP_MERGE_H
#define WEIR_STORE_ROLLUP_ROLLUP_MERGE_H

#include "store/rollup/rollup_map.h"
#include "store/rollup/rollup_row.h"

typedef struct RollupMerge RollupMerge;

/* Begins to merge `count` runs into a new file at `path`, which gets `stamp`. Keeps references to the inputs; `io` is
 * borrowed until rollup_merge_free. */
Status rollup_merge_open(const Io *io, Run *const *inputs, size_t count, const char *path, const RunStamp *stamp,
                         RollupMerge **ret_merge, Error *reterr) MUST_CHECK;
/* Writes about `rows` rows. When *ret_done the file is complete and synced; then, or after a failure,
 * rollup_merge_free. */
Status rollup_merge_step(RollupMerge *merge, size_t rows, bool *ret_done, Error *reterr) MUST_CHECK;
void rollup_merge_free(RollupMerge *merge); /* accepts NULL; an unfinished file stays, invalid */

/* Writes what is in the map, all levels, and syncs the file (not its directory). On failure the file is invalid. */
Status rollup_map_write(RollupMap *map, const Io *io, const char *path, const RunStamp *stamp,
                        Error *reterr) MUST_CHECK;

#endif
