/* The newest pairs of a probed index, in memory: a hash table that forgets in the reverse order of its insertions, so that
 * a batch that failed leaves no trace. */
#ifndef WEIR_STORE_INDEX_MEMTABLE_H
#define WEIR_STORE_INDEX_MEMTABLE_H

#include "store/index/run.h"

typedef struct MemTable MemTable;

/* Room for `pairs_max` pairs, all allocated here: 2 to 4 × 16 bytes each. NULL without memory. `newest_only`: a put replaces the value of its key, as
 * MERGE_KEEP_NEWEST does; otherwise a key keeps all its values. */
MemTable *memtable_new(size_t pairs_max, bool newest_only);
void memtable_free(MemTable *table); /* accepts NULL */
void memtable_clear(MemTable *table);

size_t memtable_count(const MemTable *table);
bool memtable_is_full(const MemTable *table);
void memtable_prefetch(const MemTable *table, uint64_t key);

/* Keys are hashes and need no further mixing for their low bits. Putting into a full table is a programmer's error (assert). */
void memtable_put(MemTable *table, uint64_t key, uint64_t value);

/* The values of `key`, largest first, at most `max`; returns how many there are (maybe more than max). Values are put in ascending order. */
size_t memtable_find(const MemTable *table, uint64_t key, uint64_t *ret_values, size_t max);

/* A mark, and the way back to it: puts since then are undone. */
size_t memtable_mark(const MemTable *table);
void memtable_undo(MemTable *table, size_t mark);

/* The pairs in order, into `ret_pairs` (room for memtable_count). Sorts by radix: linear time, no allocation beyond `scratch` of the same size. */
void memtable_sorted(const MemTable *table, IndexPair *ret_pairs, IndexPair *scratch);

/* Sorts any pairs the same way: for the index by time, which is only a list until it is written. */
void index_pairs_sort(IndexPair *pairs, IndexPair *scratch, size_t count);

#endif
