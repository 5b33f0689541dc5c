/* Merging runs into one, in steps of a bounded size, and choosing which. */
#ifndef WEIR_STORE_INDEX_MERGE_H
#define WEIR_STORE_INDEX_MERGE_H

#include "store/index/run.h"

typedef enum MergeKeep {
    MERGE_KEEP_ALL,    /* every pair */
    MERGE_KEEP_NEWEST, /* of each key only the pair with the largest value: an index of newest entries */
} MergeKeep;

typedef struct Merge Merge;

enum { MERGE_INPUTS_MAX = 16 };

/* Begins to merge `count` runs (2 … MERGE_INPUTS_MAX), adjacent in the log and in its order, into a new file at `path`,
 * which gets `stamp`. Keeps references to the inputs; `io` is borrowed until merge_free. A pair that is in several
 * inputs is kept once. Any thread, one at a time. Statuses as in run.h. */
Status merge_open(const Io *io, Run *const *inputs, size_t count, MergeKeep keep, const char *path,
                  const RunStamp *stamp, unsigned filter_bits, Merge **ret_merge, Error *reterr) MUST_CHECK;
/* Moves at least one and about `pairs` pairs: 8,192 take about 0.3 ms. The last step also writes sparse array and
 * filter and syncs. When *ret_done the file is complete and synced; then, or after a failure, merge_free. */
Status merge_step(Merge *merge, size_t pairs, bool *ret_done, Error *reterr) MUST_CHECK;
void merge_free(Merge *merge); /* accepts NULL; an unfinished file stays, invalid */

/* Which adjacent runs to merge, given their sizes (pairs) from oldest to newest: tiers, so that a pair is rewritten a
 * logarithmic number of times and there are a logarithmic number of runs. `fanout` (2 … MERGE_INPUTS_MAX) adjacent runs
 * of about one size become one of the next; a larger fanout means less rewriting and more runs. Returns false when
 * nothing is worth it. Call it again after each merge until it does. */
bool merge_choose(const uint64_t *sizes, size_t count, size_t fanout, size_t *ret_first, size_t *ret_count);

#endif
