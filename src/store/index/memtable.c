/* Open addressing with linear probing over slots of one pair. A slot with value 0 is free. The log holds the slots that
 * are taken, in the order in which they were. */
#include "store/index/memtable.h"

#include <assert.h>
#include <stdlib.h>

struct MemTable {
    IndexPair *slots; /* a power of two of them, at least twice puts_max */
    uint64_t mask;
    uint32_t *log; /* `count` slots */
    size_t count, puts_max;
    bool newest_only;
};

enum { PUTS_MAX = 1 << 30 };

MemTable *memtable_new(size_t puts_max, bool newest_only)
{
    assert(puts_max > 0 && puts_max <= PUTS_MAX);
    uint64_t capacity = 2;
    while (capacity < 2 * (uint64_t)puts_max) {
        capacity *= 2;
    }
    MemTable *table = calloc(1, sizeof *table);
    if (!table) {
        return NULL;
    }
    table->slots = calloc(capacity, sizeof *table->slots);
    table->log = malloc(puts_max * sizeof *table->log);
    table->mask = capacity - 1;
    table->puts_max = puts_max;
    table->newest_only = newest_only;
    if (!table->slots || !table->log) {
        memtable_free(table);
        return NULL;
    }
    return table;
}

void memtable_free(MemTable *table)
{
    if (table) {
        free(table->slots);
        free(table->log);
        free(table);
    }
}

/* By the log and not by the table: a table with a handful of pairs is emptied in as many steps. */
void memtable_clear(MemTable *table)
{
    for (size_t i = 0; i < table->count; i++) {
        table->slots[table->log[i]] = (IndexPair){0};
    }
    table->count = 0;
}

size_t memtable_count(const MemTable *table) { return table->count; }

bool memtable_is_full(const MemTable *table) { return table->count == table->puts_max; }

void memtable_prefetch(const MemTable *table, uint64_t key) { __builtin_prefetch(&table->slots[key & table->mask]); }

/* The slot of the key with newest_only, else the free slot behind all of its. The table is at most half full. */
static uint64_t slot_for_put(const MemTable *table, uint64_t key)
{
    uint64_t slot = key & table->mask;
    while (table->slots[slot].value != 0 && !(table->newest_only && table->slots[slot].key == key)) {
        slot = (slot + 1) & table->mask;
    }
    return slot;
}

void memtable_put(MemTable *table, uint64_t key, uint64_t value)
{
    assert(value != 0 && !memtable_is_full(table));
    uint64_t slot = slot_for_put(table, key);
    if (table->slots[slot].value == 0) {
        table->log[table->count++] = (uint32_t)slot;
    }
    table->slots[slot] = (IndexPair){key, value};
}

/* The values of a key stand along its probe sequence in the order they were put, so the largest is met last. */
size_t memtable_find(const MemTable *table, uint64_t key, uint64_t *ret_values, size_t max)
{
    size_t found = 0;
    for (uint64_t slot = key & table->mask; table->slots[slot].value != 0; slot = (slot + 1) & table->mask) {
        if (table->slots[slot].key == key) {
            if (found > 0 && max > 0) {
                memmove(ret_values + 1, ret_values, (found < max ? found : max - 1) * sizeof *ret_values);
            }
            if (max > 0) {
                ret_values[0] = table->slots[slot].value;
            }
            found++;
        }
    }
    return found;
}

/* In the order of the log the values of a key ascend, and where they were replaced its key stands alone. */
void memtable_sorted(const MemTable *table, IndexPair *ret_pairs, IndexPair *scratch)
{
    size_t count = table->count;
    for (size_t i = 0; i < count; i++) {
        ret_pairs[i] = table->slots[table->log[i]];
    }
    index_pairs_sort_by_key(ret_pairs, scratch, count);
}
