#include "store/sqlite/flow_cache.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { WAYS = 8, KEY_BYTES_MAX = 61 };

/* One cache line that says which flows a set may hold: 32 bits of each hash, and the clock at its last use. */
typedef struct Set {
    uint32_t tags[WAYS]; /* 0: empty */
    uint32_t used[WAYS];
} Set;
_Static_assert(sizeof(Set) == 64, "a set's tags fill one cache line");

/* Two cache lines. */
typedef struct Entry {
    FlowState state;
    uint8_t destination_len, reference_len, unit_len;
    char key[KEY_BYTES_MAX];
} Entry;
_Static_assert(sizeof(Entry) == 128, "an entry fills two cache lines");

struct FlowCache {
    Set *sets;
    Entry *entries; /* WAYS of each set */
    size_t set_count;
    uint32_t clock;
};

/* Address space; pages are used when they are first written, and read as zero until then. */
static void *map_pages(size_t bytes)
{
    void *found = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return found == MAP_FAILED ? NULL : found;
}

static void unmap_pages(void *pages, size_t bytes)
{
    if (pages) {
        munmap(pages, bytes);
    }
}

FlowCache *flow_cache_new(size_t bytes)
{
    FlowCache *cache = calloc(1, sizeof *cache);
    if (!cache) {
        return NULL;
    }
    cache->set_count = bytes / (sizeof(Set) + WAYS * sizeof(Entry));
    cache->set_count += cache->set_count == 0;
    cache->sets = map_pages(cache->set_count * sizeof(Set));
    cache->entries = map_pages(cache->set_count * WAYS * sizeof(Entry));
    if (!cache->sets || !cache->entries) {
        flow_cache_free(cache);
        return NULL;
    }
    return cache;
}

void flow_cache_free(FlowCache *cache)
{
    if (cache) {
        unmap_pages(cache->sets, cache->set_count * sizeof(Set));
        unmap_pages(cache->entries, cache->set_count * WAYS * sizeof(Entry));
        free(cache);
    }
}

void flow_cache_clear(FlowCache *cache) { madvise(cache->sets, cache->set_count * sizeof(Set), MADV_DONTNEED); }

/* The high bits choose the set, the low ones are the tag. */
static size_t set_of(const FlowCache *cache, uint64_t hash)
{
    return (size_t)((unsigned __int128)hash * cache->set_count >> 64);
}

static uint32_t tag_of(uint64_t hash) { return (uint32_t)hash | 1; }

void flow_cache_prefetch(const FlowCache *cache, uint64_t hash)
{
    __builtin_prefetch(&cache->sets[set_of(cache, hash)]);
}

void flow_cache_prefetch_entry(const FlowCache *cache, uint64_t hash)
{
    size_t at = set_of(cache, hash);
    for (size_t way = 0; way < WAYS; way++) {
        if (cache->sets[at].tags[way] == tag_of(hash)) {
            const Entry *entry = &cache->entries[at * WAYS + way];
            __builtin_prefetch(entry);
            __builtin_prefetch(&entry->destination_len);
        }
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
    return destination == record->destination_id.len && reference == record->reference.len &&
           unit == record->unit.len && memcmp(key, record->destination_id.ptr, destination) == 0 &&
           memcmp(key + destination, record->reference.ptr, reference) == 0 &&
           memcmp(key + destination + reference, record->unit.ptr, unit) == 0;
}

FlowState *flow_cache_find(FlowCache *cache, uint64_t hash, const Record *record)
{
    size_t at = set_of(cache, hash);
    Set *set = &cache->sets[at];
    for (size_t way = 0; way < WAYS; way++) {
        Entry *entry = &cache->entries[at * WAYS + way];
        if (set->tags[way] == tag_of(hash) && entry->state.hash == hash && is_flow(entry, record)) {
            set->used[way] = ++cache->clock;
            return &entry->state;
        }
    }
    return NULL;
}

static size_t choose_victim(const FlowCache *cache, const Set *set)
{
    size_t oldest = 0;
    for (size_t way = 0; way < WAYS; way++) {
        if (set->tags[way] == 0) {
            return way;
        }
        if (cache->clock - set->used[way] > cache->clock - set->used[oldest]) {
            oldest = way;
        }
    }
    return oldest;
}

void flow_cache_put(FlowCache *cache, const Record *record, const FlowState *state)
{
    if (!key_fits(record)) {
        return;
    }
    size_t at = set_of(cache, state->hash);
    Set *set = &cache->sets[at];
    size_t way = choose_victim(cache, set);
    Entry *entry = &cache->entries[at * WAYS + way];
    set->tags[way] = tag_of(state->hash);
    set->used[way] = ++cache->clock;
    entry->state = *state;
    entry->destination_len = (uint8_t)record->destination_id.len;
    entry->reference_len = (uint8_t)record->reference.len;
    entry->unit_len = (uint8_t)record->unit.len;
    char *key = entry->key;
    memcpy(key, record->destination_id.ptr, record->destination_id.len);
    memcpy(key + record->destination_id.len, record->reference.ptr, record->reference.len);
    memcpy(key + record->destination_id.len + record->reference.len, record->unit.ptr, record->unit.len);
}
