/* The newest pairs of a probed index, in memory: a hash table. */
#ifndef WEIR_STORE_INDEX_MEMTABLE_H
#define WEIR_STORE_INDEX_MEMTABLE_H

#include "store/index/sort.h"

typedef struct MemTable MemTable;

/* Room for `puts_max` pairs (1 … 2^30), all allocated here: 2 to 4 × 16 bytes each, and 4 more.
 * NULL without memory. `newest_only`: a put replaces the value of its key, as MERGE_KEEP_NEWEST does; otherwise a key
 * keeps all its values. */
MemTable *memtable_new(size_t puts_max, bool newest_only) MUST_CHECK;
void memtable_free(MemTable *table); /* accepts NULL */
/* Forgets everything. Costs as much as there are pairs. */
void memtable_clear(MemTable *table);

size_t memtable_count(const MemTable *table); /* pairs held */
/* No room for another pair. */
bool memtable_is_full(const MemTable *table);
void memtable_prefetch(const MemTable *table, uint64_t key);

/* Keys are hashes and need no further mixing for their low bits. Values are not 0, and those of one key are put in
 * ascending order. Putting into a full table is a programmer's error (assert). */
void memtable_put(MemTable *table, uint64_t key, uint64_t value);

/* The values of `key`, largest first, at most `max`; returns how many there are (maybe more than max). */
size_t memtable_find(const MemTable *table, uint64_t key, uint64_t *ret_values, size_t max);

/* The pairs in order, into `ret_pairs`; it and `scratch` have room for memtable_count. */
void memtable_sorted(const MemTable *table, IndexPair *ret_pairs, IndexPair *scratch);

#endif
