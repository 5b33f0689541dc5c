#include "store/sqlite/flow_cache.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { WAYS = 4, KEY_BYTES_MAX = 57 };

/* Two cache lines: the second is touched only when the hash fits. An empty one has hash 0. */
typedef struct Entry {
    FlowState state;
    uint32_t used; /* the clock at the last use */
    uint8_t destination_len, reference_len, unit_len;
    char key[KEY_BYTES_MAX];
} Entry;
_Static_assert(sizeof(Entry) == 128, "an entry fills two cache lines");

struct FlowCache {
    Entry *entries;
    size_t sets; /* a power of two */
    size_t bytes;
    uint32_t clock;
};

static Entry *map_entries(size_t bytes)
{
    void *found = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return found == MAP_FAILED ? NULL : found;
}

FlowCache *flow_cache_new(size_t bytes)
{
    FlowCache *cache = calloc(1, sizeof *cache);
    if (!cache) {
        return NULL;
    }
    cache->sets = 1;
    while (cache->sets * 2 * WAYS * sizeof(Entry) <= bytes) {
        cache->sets *= 2;
    }
    cache->bytes = cache->sets * WAYS * sizeof(Entry);
    cache->entries = map_entries(cache->bytes);
    if (!cache->entries) {
        free(cache);
        return NULL;
    }
    return cache;
}

void flow_cache_free(FlowCache *cache)
{
    if (cache) {
        munmap(cache->entries, cache->bytes);
        free(cache);
    }
}

void flow_cache_clear(FlowCache *cache) { madvise(cache->entries, cache->bytes, MADV_DONTNEED); }

static Entry *set_of(const FlowCache *cache, uint64_t hash)
{
    return cache->entries + (hash >> 20 & (cache->sets - 1)) * WAYS;
}

void flow_cache_prefetch(const FlowCache *cache, uint64_t hash)
{
    const Entry *set = set_of(cache, hash);
    for (size_t way = 0; way < WAYS; way++) {
        __builtin_prefetch(&set[way]);
    }
}

static bool key_fits(const Record *record)
{
    return record->destination_id.len + record->reference.len + record->unit.len <= KEY_BYTES_MAX;
}

static bool is_flow(const Entry *entry, const Record *record)
{
    const char *key = entry->key;
    size_t destination = entry->destination_len, reference = entry->reference_len, unit = entry->unit_len;
    return destination == record->destination_id.len && reference == record->reference.len && unit == record->unit.len &&
           memcmp(key, record->destination_id.ptr, destination) == 0 &&
           memcmp(key + destination, record->reference.ptr, reference) == 0 &&
           memcmp(key + destination + reference, record->unit.ptr, unit) == 0;
}

FlowState *flow_cache_find(FlowCache *cache, uint64_t hash, const Record *record)
{
    Entry *set = set_of(cache, hash);
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].state.hash == hash && is_flow(&set[way], record)) {
            set[way].used = ++cache->clock;
            return &set[way].state;
        }
    }
    return NULL;
}

static Entry *choose_victim(const FlowCache *cache, Entry *set)
{
    Entry *oldest = set;
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].state.hash == 0) {
            return &set[way];
        }
        if (cache->clock - set[way].used > cache->clock - oldest->used) {
            oldest = &set[way];
        }
    }
    return oldest;
}

void flow_cache_put(FlowCache *cache, const Record *record, const FlowState *state)
{
    if (!key_fits(record)) {
        return;
    }
    Entry *entry = choose_victim(cache, set_of(cache, state->hash));
    entry->state = *state;
    entry->used = ++cache->clock;
    entry->destination_len = (uint8_t)record->destination_id.len;
    entry->reference_len = (uint8_t)record->reference.len;
    entry->unit_len = (uint8_t)record->unit.len;
    char *key = entry->key;
    memcpy(key, record->destination_id.ptr, record->destination_id.len);
    memcpy(key + record->destination_id.len, record->reference.ptr, record->reference.len);
    memcpy(key + record->destination_id.len + record->reference.len, record->unit.ptr, record->unit.len);
}
