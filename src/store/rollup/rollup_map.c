/* Two tables: the series (destination, unit, type) that occur, and the cells (series, hour) that count. Many cells
 * share a series, so that texts are compared and kept once; and sorting cells is sorting numbers, once the few series
 * have their ranks. */
#include "store/rollup/rollup_map.h"

#include <stdlib.h>
#include <xxhash.h>

#include "store/index/sort.h"

typedef struct Series {
    Str destination_id, unit;
    RecordType type;
    uint32_t rank; /* its place among all, when the map is `ranked` */
} Series;

typedef struct Cell {
    Total sum;
    int64_t min, max, count;
    int32_t hour; /* those of the years 1 to 9999 need 28 bits */
    uint32_t series;
} Cell;
_Static_assert(sizeof(Cell) == 48, "a cell is small, since there may be millions");

/* A record on its way into its cell. */
typedef struct Pending {
    int64_t value;
    int32_t hour;
    uint32_t series, hash;
} Pending;

/* Open addressing, at most half full. `number` is an index + 1 into the items; 0: empty. */
typedef struct Slot {
    uint32_t hash, number;
} Slot;

typedef struct Table {
    Slot *slots;
    size_t capacity, count;
    void *items; /* room for capacity / 2 */
    size_t item_bytes;
} Table;

enum { SERIES_FIRST = 1024, CELLS_FIRST = 4096, PENDING_MAX = 16, HALFWAY = PENDING_MAX / 2 };

struct RollupMap {
    Arena texts;
    Table series, cells;
    bool ranked;
    /* With a million cells each add would wait for memory twice. So an add only begins to fetch the slot, the one half
     * a ring later what the slot points to, and the one a ring later counts. */
    Pending ring[PENDING_MAX];
    uint64_t entered, counted;
};
#define TEXTS_BYTES_MAX ((size_t)8 << 30)

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

static bool table_init(Table *table, size_t capacity, size_t item_bytes)
{
    *table = (Table){.capacity = capacity, .item_bytes = item_bytes};
    table->slots = calloc(capacity, sizeof *table->slots);
    table->items = malloc(capacity / 2 * item_bytes);
    return table->slots && table->items;
}

static void table_release(Table *table)
{
    free(table->slots);
    free(table->items);
}

static void table_clear(Table *table)
{
    memset(table->slots, 0, table->capacity * sizeof *table->slots);
    table->count = 0;
}

static bool table_grow(Table *table)
{
    size_t capacity = table->capacity * 2;
    Slot *slots = calloc(capacity, sizeof *slots);
    void *items = realloc(table->items, capacity / 2 * table->item_bytes);
    table->items = items ? items : table->items;
    if (!slots || !items) {
        free(slots);
        return false;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        Slot old = table->slots[i];
        if (old.number) {
            size_t at = old.hash & (capacity - 1);
            while (slots[at].number) {
                at = (at + 1) & (capacity - 1);
            }
            slots[at] = old;
        }
    }
    free(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    return true;
}

/* Enters a new item under the hash; NULL without memory. The caller fills it. */
static void *table_add(Table *table, uint32_t hash)
{
    if (table->count * 2 >= table->capacity && !table_grow(table)) {
        return NULL;
    }
    size_t at = hash & (table->capacity - 1);
    while (table->slots[at].number) {
        at = (at + 1) & (table->capacity - 1);
    }
    table->slots[at] = (Slot){hash, (uint32_t)++table->count};
    return (char *)table->items + (table->count - 1) * table->item_bytes;
}

/* ---- The map ----------------------------------------------------------------------------------------------------- */

RollupMap *rollup_map_new(void)
{
    RollupMap *map = calloc(1, sizeof *map);
    if (!map) {
        return NULL;
    }
    arena_init(&map->texts, 256 << 10, TEXTS_BYTES_MAX);
    bool complete = table_init(&map->series, SERIES_FIRST, sizeof(Series));
    complete = table_init(&map->cells, CELLS_FIRST, sizeof(Cell)) && complete;
    if (!complete) {
        rollup_map_free(map);
        return NULL;
    }
    return map;
}

void rollup_map_free(RollupMap *map)
{
    if (map) {
        arena_release(&map->texts);
        table_release(&map->series);
        table_release(&map->cells);
        free(map);
    }
}

void rollup_map_clear(RollupMap *map)
{
    arena_reset(&map->texts);
    table_clear(&map->series);
    table_clear(&map->cells);
    map->ranked = false;
    map->entered = map->counted = 0;
}

size_t rollup_map_count(const RollupMap *map) { return map->cells.count + (size_t)(map->entered - map->counted); }

static Series *series_at(const RollupMap *map, size_t number) { return (Series *)map->series.items + number; }
static Cell *cell_at(const RollupMap *map, size_t number) { return (Cell *)map->cells.items + number; }

static uint32_t series_hash(const Record *record)
{
    uint64_t hash =
        XXH3_64bits_withSeed(record->destination_id.ptr, record->destination_id.len, (uint64_t)record->type);
    return (uint32_t)XXH3_64bits_withSeed(record->unit.ptr, record->unit.len, hash);
}

/* The number of the record's series; false without memory. */
static bool find_series(RollupMap *map, const Record *record, uint32_t *ret_number)
{
    Table *table = &map->series;
    uint32_t hash = series_hash(record);
    for (size_t at = hash & (table->capacity - 1); table->slots[at].number; at = (at + 1) & (table->capacity - 1)) {
        const Series *series = series_at(map, table->slots[at].number - 1);
        if (table->slots[at].hash == hash && series->type == record->type &&
            str_equal(series->destination_id, record->destination_id) && str_equal(series->unit, record->unit)) {
            *ret_number = table->slots[at].number - 1;
            return true;
        }
    }
    Str destination_id = arena_copy(&map->texts, record->destination_id), unit = arena_copy(&map->texts, record->unit);
    Series *series = destination_id.ptr && unit.ptr ? table_add(table, hash) : NULL;
    if (!series) {
        return false;
    }
    *series = (Series){.destination_id = destination_id, .unit = unit, .type = record->type};
    map->ranked = false;
    *ret_number = (uint32_t)(table->count - 1);
    return true;
}

static Cell *find_cell(RollupMap *map, const Pending *pending)
{
    Table *table = &map->cells;
    size_t mask = table->capacity - 1;
    for (size_t at = pending->hash & mask; table->slots[at].number; at = (at + 1) & mask) {
        Cell *cell = cell_at(map, table->slots[at].number - 1);
        if (table->slots[at].hash == pending->hash && cell->hour == pending->hour && cell->series == pending->series) {
            return cell;
        }
    }
    Cell *cell = table_add(table, pending->hash);
    if (cell) {
        *cell = (Cell){.hour = pending->hour, .series = pending->series, .min = INT64_MAX, .max = INT64_MIN};
    }
    return cell;
}

static const Slot *first_slot(const RollupMap *map, uint32_t hash)
{
    return &map->cells.slots[hash & (map->cells.capacity - 1)];
}

/* Counts the oldest in the ring. */
static bool count_oldest(RollupMap *map)
{
    const Pending *pending = &map->ring[map->counted % PENDING_MAX];
    Cell *cell = find_cell(map, pending);
    if (!cell) {
        return false;
    }
    cell->count++;
    cell->sum += pending->value;
    cell->min = pending->value < cell->min ? pending->value : cell->min;
    cell->max = pending->value > cell->max ? pending->value : cell->max;
    map->counted++;
    return true;
}

static bool count_all(RollupMap *map)
{
    while (map->counted < map->entered) {
        if (!count_oldest(map)) {
            return false;
        }
    }
    return true;
}

static void enter(RollupMap *map, uint32_t series, int64_t hour, int64_t value)
{
    uint64_t key[] = {(uint64_t)hour, series};
    uint32_t hash = (uint32_t)XXH3_64bits(key, sizeof key);
    map->ring[map->entered++ % PENDING_MAX] =
        (Pending){.value = value, .hour = (int32_t)hour, .series = series, .hash = hash};
    __builtin_prefetch(first_slot(map, hash), 1);
    if (map->entered > HALFWAY) {
        const Slot *slot = first_slot(map, map->ring[(map->entered - HALFWAY) % PENDING_MAX].hash);
        if (slot->number) {
            __builtin_prefetch(cell_at(map, slot->number - 1), 1);
        }
    }
}

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

Status rollup_map_add(RollupMap *map, const Record *record, Error *reterr)
{
    uint32_t series = 0;
    bool has_room = map->entered - map->counted < PENDING_MAX || count_oldest(map);
    if (!has_room || !find_series(map, record, &series)) {
        return error_set(reterr, STATUS_BUSY, "out of memory for rollups");
    }
    enter(map, series, rollup_bucket(ROLLUP_HOUR, record->time_us), record->value);
    return STATUS_OK;
}

/* ---- In order ---------------------------------------------------------------------------------------------------- */

void rollup_add(Rollup *a, const Rollup *b)
{
    a->count += b->count;
    a->sum += b->sum;
    a->min = b->min < a->min ? b->min : a->min;
    a->max = b->max > a->max ? b->max : a->max;
}

static int compare_texts(Str destination_a, Str unit_a, Str destination_b, Str unit_b)
{
    int order = str_compare(destination_a, destination_b);
    return order ? order : str_compare(unit_a, unit_b);
}

int rollup_compare(const Rollup *a, const Rollup *b)
{
    if (a->bucket != b->bucket) {
        return a->bucket < b->bucket ? -1 : 1;
    }
    int order = compare_texts(a->destination_id, a->unit, b->destination_id, b->unit);
    return order ? order : (int)a->type - (int)b->type;
}

static int compare_series(const void *left, const void *right)
{
    const Series *a = *(Series *const *)left, *b = *(Series *const *)right;
    int order = compare_texts(a->destination_id, a->unit, b->destination_id, b->unit);
    return order ? order : (int)a->type - (int)b->type;
}

static bool rank_series(RollupMap *map)
{
    size_t count = map->series.count;
    Series **sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = series_at(map, i);
    }
    qsort(sorted, count, sizeof *sorted, compare_series);
    for (size_t i = 0; i < count; i++) {
        sorted[i]->rank = (uint32_t)i;
    }
    free(sorted);
    map->ranked = true;
    return true;
}

/* A bucket and a rank as one number that sorts like them: an hour of the years 1 to 9999 needs 28 bits. */
static uint64_t sort_key(int64_t bucket, uint32_t rank) { return (uint64_t)(bucket + INT32_MAX) << 32 | rank; }

static Rollup rollup_of(const RollupMap *map, RollupLevel level, size_t number)
{
    const Cell *cell = cell_at(map, number);
    const Series *series = series_at(map, cell->series);
    return (Rollup){.bucket = bucket_of_hour(level, cell->hour),
                    .destination_id = series->destination_id,
                    .unit = series->unit,
                    .type = series->type,
                    .count = cell->count,
                    .sum = cell->sum,
                    .min = cell->min,
                    .max = cell->max};
}

static void visit_sorted(const RollupMap *map, RollupLevel level, const IndexPair *sorted, size_t count,
                         RollupVisitor *visit, void *context)
{
    bool go_on = true;
    for (size_t i = 0; i < count && go_on;) {
        uint64_t key = sorted[i].key;
        Rollup rollup = rollup_of(map, level, sorted[i++].value);
        for (; i < count && sorted[i].key == key; i++) {
            Rollup more = rollup_of(map, level, sorted[i].value);
            rollup_add(&rollup, &more);
        }
        go_on = visit(context, &rollup);
    }
}

Status rollup_map_visit(RollupMap *map, RollupLevel level, RollupVisitor *visit, void *context, Error *reterr)
{
    bool complete = count_all(map);
    size_t count = map->cells.count;
    IndexPair *pairs = malloc((count + 1) * sizeof *pairs), *scratch = malloc((count + 1) * sizeof *scratch);
    complete = complete && pairs && scratch && (map->ranked || rank_series(map));
    for (size_t i = 0; i < count && complete; i++) {
        const Cell *cell = cell_at(map, i);
        pairs[i] = (IndexPair){sort_key(bucket_of_hour(level, cell->hour), series_at(map, cell->series)->rank), i};
    }
    if (complete) {
        index_pairs_sort(pairs, scratch, count);
        visit_sorted(map, level, pairs, count, visit, context);
    }
    free(pairs);
    free(scratch);
    return complete ? STATUS_OK : error_set(reterr, STATUS_BUSY, "out of memory for sorting rollups");
}
