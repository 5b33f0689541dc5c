/* Open addressing with linear probing over slots of one pair. A slot with value 0 is free. The log holds the slot
 * of every put; taking puts back in the reverse order leaves each probe sequence as it was, so no slot needs a
 * tombstone. */
#include "store/index/memtable.h"

#include <assert.h>
#include <stdlib.h>

struct MemTable {
    IndexPair *slots; /* a power of two of them, at least twice puts_max */
    uint64_t mask;
    uint32_t *log;      /* the slot of each put */
    uint64_t *replaced; /* with newest_only: what the slot held before, 0 when it was free */
    size_t puts, puts_max;
    size_t count; /* of pairs held */
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
    table->replaced = newest_only ? malloc(puts_max * sizeof *table->replaced) : NULL;
    table->mask = capacity - 1;
    table->puts_max = puts_max;
    table->newest_only = newest_only;
    if (!table->slots || !table->log || (newest_only && !table->replaced)) {
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
        free(table->replaced);
        free(table);
    }
}

/* By the log and not by the table: a table with a handful of pairs is emptied in as many steps. */
void memtable_clear(MemTable *table)
{
    for (size_t i = 0; i < table->puts; i++) {
        table->slots[table->log[i]] = (IndexPair){0};
    }
    table->puts = table->count = 0;
}

size_t memtable_count(const MemTable *table) { return table->count; }

bool memtable_is_full(const MemTable *table) { return table->puts == table->puts_max; }

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
    uint64_t old = table->slots[slot].value;
    if (table->newest_only) {
        table->replaced[table->puts] = old;
    }
    table->log[table->puts++] = (uint32_t)slot;
    table->count += old == 0;
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

size_t memtable_mark(const MemTable *table) { return table->puts; }

void memtable_undo(MemTable *table, size_t mark)
{
    assert(mark <= table->puts);
    while (table->puts > mark) {
        IndexPair *slot = &table->slots[table->log[--table->puts]];
        uint64_t old = table->newest_only ? table->replaced[table->puts] : 0;
        if (old != 0) {
            slot->value = old;
        } else {
            *slot = (IndexPair){0};
            table->count--;
        }
    }
}

/* In the order of the log the values of a key ascend, and where they were replaced its key stands alone. */
void memtable_sorted(const MemTable *table, IndexPair *ret_pairs, IndexPair *scratch)
{
    size_t count = 0;
    for (size_t i = 0; i < table->puts; i++) {
        if (!table->newest_only || table->replaced[i] == 0) {
            ret_pairs[count++] = table->slots[table->log[i]];
        }
    }
    index_pairs_sort_by_key(ret_pairs, scratch, count);
}
