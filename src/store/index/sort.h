/* Putting pairs in the order of a run. */
#ifndef WEIR_STORE_INDEX_SORT_H
#define WEIR_STORE_INDEX_SORT_H

#include "store/index/run.h"

/* By (key, value): for the index by time, which is only a list until it is written. Linear time, by radix; `scratch`
 * has room for `count` pairs and is left with rubbish. Pairs whose values ascend already (log order) need no passes for
 * them. */
void index_pairs_sort(IndexPair *pairs, IndexPair *scratch, size_t count);

/* By key; equal keys stay in the order they had. */
void index_pairs_sort_by_key(IndexPair *pairs, IndexPair *scratch, size_t count);

#endif
