#include "store/sqlite/rollup_map.h"

#include <stdlib.h>
#include <xxhash.h>

typedef struct Slot {
    uint64_t hash; /* 0: empty */
    Rollup *rollup;
} Slot;

struct RollupMap {
    Arena arena; /* the rollups and their texts */
    Slot *slots;
    size_t capacity, count;
};

enum { CAPACITY_FIRST = 4096 };

RollupMap *rollup_map_new(void)
{
    RollupMap *map = calloc(1, sizeof *map);
    if (!map) {
        return NULL;
    }
    arena_init(&map->arena, 256 << 10, (size_t)1 << 30);
    map->capacity = CAPACITY_FIRST;
    map->slots = calloc(map->capacity, sizeof *map->slots);
    if (!map->slots) {
        free(map);
        return NULL;
    }
    return map;
}

void rollup_map_free(RollupMap *map)
{
    if (map) {
        arena_release(&map->arena);
        free(map->slots);
        free(map);
    }
}

void rollup_map_clear(RollupMap *map)
{
    arena_reset(&map->arena);
    memset(map->slots, 0, map->capacity * sizeof *map->slots);
    map->count = 0;
}

size_t rollup_map_count(const RollupMap *map) { return map->count; }

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int64_t bucket_of_hour(RollupLevel level, int64_t hour)
{
    enum { HOURS_A_DAY = 24, HOURS_A_WEEK = 168, HOURS_FROM_MONDAY = 72 /* 1970 began on a Thursday */ };
    switch (level) {
    case ROLLUP_HOUR: return hour;
    case ROLLUP_DAY: return floor_div(hour, HOURS_A_DAY);
    case ROLLUP_WEEK: return floor_div(hour + HOURS_FROM_MONDAY, HOURS_A_WEEK);
    }
    return hour;
}

int64_t rollup_bucket(RollupLevel level, int64_t time_us)
{
    return bucket_of_hour(level, floor_div(time_us, INT64_C(3600000000)));
}

void rollup_merge(Rollup *a, const Rollup *b)
{
    a->count += b->count;
    a->sum += b->sum;
    a->min = b->min < a->min ? b->min : a->min;
    a->max = b->max > a->max ? b->max : a->max;
}

static uint64_t key_hash(const Record *record, int64_t hour)
{
    uint64_t hash = XXH3_64bits_withSeed(record->destination_id.ptr, record->destination_id.len,
                                         (uint64_t)hour * 2 + (uint64_t)record->type);
    hash ^= XXH3_64bits_withSeed(record->unit.ptr, record->unit.len, hash);
    return hash ? hash : 1;
}

static bool is_key(const Rollup *rollup, const Record *record, int64_t hour)
{
    return rollup->bucket == hour && rollup->type == record->type &&
           str_equal(rollup->destination_id, record->destination_id) && str_equal(rollup->unit, record->unit);
}

static Slot *find_slot(Slot *slots, size_t capacity, uint64_t hash, const Record *record, int64_t hour)
{
    size_t at = hash & (capacity - 1);
    while (slots[at].hash && !(slots[at].hash == hash && is_key(slots[at].rollup, record, hour))) {
        at = (at + 1) & (capacity - 1);
    }
    return &slots[at];
}

static bool grow(RollupMap *map)
{
    size_t capacity = map->capacity * 2;
    Slot *slots = calloc(capacity, sizeof *slots);
    if (!slots) {
        return false;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        Slot old = map->slots[i];
        if (old.hash) {
            size_t at = old.hash & (capacity - 1);
            while (slots[at].hash) {
                at = (at + 1) & (capacity - 1);
            }
            slots[at] = old;
        }
    }
    free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return true;
}

static Rollup *new_rollup(RollupMap *map, const Record *record, int64_t hour)
{
    Rollup *rollup = ARENA_NEW(&map->arena, Rollup);
    if (!rollup) {
        return NULL;
    }
    *rollup = (Rollup){.bucket = hour,
                       .type = record->type,
                       .min = INT64_MAX,
                       .max = INT64_MIN,
                       .destination_id = arena_copy(&map->arena, record->destination_id),
                       .unit = arena_copy(&map->arena, record->unit)};
    return rollup->destination_id.ptr && rollup->unit.ptr ? rollup : NULL;
}

Status rollup_map_add(RollupMap *map, const Record *record, Error *reterr)
{
    int64_t hour = rollup_bucket(ROLLUP_HOUR, record->time_us);
    uint64_t hash = key_hash(record, hour);
    Slot *slot = find_slot(map->slots, map->capacity, hash, record, hour);
    if (!slot->hash) {
        if (map->count * 2 >= map->capacity) {
            if (!grow(map)) {
                return error_set(reterr, STATUS_BUSY, "out of memory for rollups");
            }
            slot = find_slot(map->slots, map->capacity, hash, record, hour);
        }
        Rollup *rollup = new_rollup(map, record, hour);
        if (!rollup) {
            return error_set(reterr, STATUS_BUSY, "out of memory for rollups");
        }
        *slot = (Slot){hash, rollup};
        map->count++;
    }
    rollup_merge(slot->rollup, &(Rollup){.count = 1, .sum = record->value, .min = record->value, .max = record->value});
    return STATUS_OK;
}

/* The table's primary key: bucket, destination, unit, type. */
static int compare_keys(const void *left, const void *right)
{
    const Rollup *a = left, *b = right;
    if (a->bucket != b->bucket) {
        return a->bucket < b->bucket ? -1 : 1;
    }
    int order = str_compare(a->destination_id, b->destination_id);
    if (order == 0) {
        order = str_compare(a->unit, b->unit);
    }
    return order ? order : (int)a->type - (int)b->type;
}

size_t rollup_map_sorted(const RollupMap *map, RollupLevel level, Rollup *ret_sorted)
{
    size_t count = 0;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].hash) {
            ret_sorted[count] = *map->slots[i].rollup;
            ret_sorted[count].bucket = bucket_of_hour(level, ret_sorted[count].bucket);
            count++;
        }
    }
    qsort(ret_sorted, count, sizeof *ret_sorted, compare_keys);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && compare_keys(&ret_sorted[kept - 1], &ret_sorted[i]) == 0) {
            rollup_merge(&ret_sorted[kept - 1], &ret_sorted[i]);
        } else {
            ret_sorted[kept++] = ret_sorted[i];
        }
    }
    return kept;
}
