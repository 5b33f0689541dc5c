#include "query/groups.h"

#include <assert.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { ARENA_CHUNK_BYTES = 65536, SLOTS_FIRST = 256 };

/* Open addressing with linear probing; at most three quarters full. */
typedef struct TextTable {
    GroupText **slots; /* NULL when free; in the arena */
    size_t cap, count;
} TextTable;

typedef struct CellTable {
    GroupCell **slots;
    size_t cap, count;
} CellTable;

struct Groups {
    GroupSpec spec;
    GroupKey columns[GROUP_KEY_COUNT];
    size_t column_count;
    Arena arena;
    TextTable texts;
    CellTable cells;
    const GroupText *types[2];                    /* by RecordType */
    const GroupText *last_texts[GROUP_KEY_COUNT]; /* by column: what came last often comes again */
    GroupCell *last_cell;
    bool sorted;
};

const char *const group_key_names[GROUP_KEY_COUNT] = {
    [KEY_DESTINATION_ID] = "destinationId",
    [KEY_SOURCE_ID] = "sourceId",
    [KEY_REFERENCE] = "reference",
    [KEY_TYPE] = "type",
    [KEY_UNIT] = "unit",
};

bool group_key_parse(Str text, GroupKey *ret_key)
{
    for (GroupKey key = 0; key < GROUP_KEY_COUNT; key++) {
        if (str_is(text, group_key_names[key])) {
            *ret_key = key;
            return true;
        }
    }
    return false;
}

Groups *groups_new(const GroupSpec *spec)
{
    Groups *groups = calloc(1, sizeof *groups);
    if (!groups) {
        return NULL;
    }
    bool has_unit = false;
    groups->spec = *spec;
    for (size_t i = 0; i < spec->key_count; i++) {
        groups->columns[groups->column_count++] = spec->keys[i];
        has_unit |= spec->keys[i] == KEY_UNIT;
    }
    if (!has_unit) {
        groups->columns[groups->column_count++] = KEY_UNIT;
    }
    arena_init(&groups->arena, ARENA_CHUNK_BYTES, spec->bytes_max);
    groups->arena.budget = spec->budget;
    return groups;
}

void groups_free(Groups *groups)
{
    if (groups) {
        arena_release(&groups->arena);
        free(groups);
    }
}

void groups_reset(Groups *groups)
{
    Groups empty = {.spec = groups->spec, .column_count = groups->column_count, .arena = groups->arena};
    memcpy(empty.columns, groups->columns, sizeof empty.columns);
    arena_reset(&empty.arena);
    *groups = empty;
}

size_t groups_column_count(const Groups *groups) { return groups->column_count; }

bool groups_is_starved(const Groups *groups) { return groups->arena.starved; }

GroupKey groups_column(const Groups *groups, size_t column) { return groups->columns[column]; }

uint32_t groups_fields(const Groups *groups)
{
    static const uint32_t fields[GROUP_KEY_COUNT] = {
        [KEY_DESTINATION_ID] = FIELD_DESTINATION_ID,
        [KEY_SOURCE_ID] = FIELD_SOURCE_ID,
        [KEY_REFERENCE] = FIELD_REFERENCE,
        [KEY_TYPE] = FIELD_TYPE,
        [KEY_UNIT] = FIELD_UNIT,
    };
    uint32_t wanted = FIELD_VALUE | FIELD_TYPE; /* the net total needs the type */
    for (size_t i = 0; i < groups->column_count; i++) {
        wanted |= fields[groups->columns[i]];
    }
    return wanted;
}

/* ---- Texts ------------------------------------------------------------------------------------------------------- */

static bool grow_texts(Groups *groups)
{
    TextTable *table = &groups->texts;
    size_t cap = table->cap ? table->cap * 2 : SLOTS_FIRST;
    GroupText **slots = ARENA_ARRAY(&groups->arena, GroupText *, cap);
    if (!slots) {
        return false;
    }
    for (size_t i = 0; i < table->cap; i++) {
        if (table->slots[i]) {
            size_t at = table->slots[i]->hash & (cap - 1);
            while (slots[at]) {
                at = (at + 1) & (cap - 1);
            }
            slots[at] = table->slots[i];
        }
    }
    table->slots = slots;
    table->cap = cap;
    return true;
}

static const GroupText *new_text(Groups *groups, Str text, uint32_t hash, size_t at)
{
    GroupText *made = ARENA_NEW(&groups->arena, GroupText);
    if (!made) {
        return NULL;
    }
    *made = (GroupText){.text = arena_copy(&groups->arena, text), .hash = hash};
    if (!made->text.ptr) {
        return NULL;
    }
    groups->texts.slots[at] = made;
    groups->texts.count++;
    return made;
}

/* The one copy of a text; NULL at the ceiling. */
static const GroupText *intern(Groups *groups, Str text)
{
    TextTable *table = &groups->texts;
    if (table->count * 4 >= table->cap * 3 && !grow_texts(groups)) {
        return NULL;
    }
    uint32_t hash = (uint32_t)XXH3_64bits_withSeed(text.ptr, text.len, groups->spec.hash_seed);
    size_t at = hash & (table->cap - 1);
    while (table->slots[at]) {
        if (table->slots[at]->hash == hash && str_equal(table->slots[at]->text, text)) {
            return table->slots[at];
        }
        at = (at + 1) & (table->cap - 1);
    }
    return new_text(groups, text, hash, at);
}

static Str key_text(GroupKey key, const Record *record)
{
    switch (key) {
    case KEY_DESTINATION_ID: return record->destination_id;
    case KEY_SOURCE_ID: return record->source_id;
    case KEY_REFERENCE: return record->reference;
    case KEY_UNIT: return record->unit;
    default: return record->type == RECORD_POSITIVE ? STR("positive") : STR("negative");
    }
}

static const GroupText *column_text(Groups *groups, size_t column, const Record *record)
{
    GroupKey key = groups->columns[column];
    const GroupText **last = key == KEY_TYPE ? &groups->types[record->type] : &groups->last_texts[column];
    if (key == KEY_TYPE && *last) {
        return *last;
    }
    Str text = key_text(key, record);
    if (!*last || !str_equal((*last)->text, text)) {
        *last = intern(groups, text);
    }
    return *last;
}

/* ---- Cells ------------------------------------------------------------------------------------------------------- */

static bool grow_cells(Groups *groups)
{
    CellTable *table = &groups->cells;
    size_t cap = table->cap ? table->cap * 2 : SLOTS_FIRST;
    GroupCell **slots = ARENA_ARRAY(&groups->arena, GroupCell *, cap);
    if (!slots) {
        return false;
    }
    for (size_t i = 0; i < table->cap; i++) {
        if (table->slots[i]) {
            size_t at = table->slots[i]->hash & (cap - 1);
            while (slots[at]) {
                at = (at + 1) & (cap - 1);
            }
            slots[at] = table->slots[i];
        }
    }
    table->slots = slots;
    table->cap = cap;
    return true;
}

static bool cell_is(const Groups *groups, const GroupCell *cell, int64_t window, const GroupText *const *keys)
{
    bool same = cell->window == window;
    for (size_t i = 0; i < groups->column_count && same; i++) {
        same = cell->keys[i] == keys[i];
    }
    return same;
}

static uint32_t cell_hash(const Groups *groups, int64_t window, const GroupText *const *keys)
{
    uint64_t hash = (uint64_t)window * UINT64_C(0x9E3779B97F4A7C15);
    for (size_t i = 0; i < groups->column_count; i++) {
        hash = (hash ^ keys[i]->hash) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

static GroupCell *new_cell(Groups *groups, int64_t window, const GroupText *const *keys, uint32_t hash, size_t at)
{
    size_t keys_bytes = groups->column_count * sizeof keys[0];
    GroupCell *cell = arena_alloc(&groups->arena, sizeof *cell + keys_bytes);
    if (!cell) {
        return NULL;
    }
    *cell = (GroupCell){.window = window, .hash = hash, .min = INT64_MAX, .max = INT64_MIN};
    memcpy(cell->keys, keys, keys_bytes);
    if (groups->spec.percentiles) {
        cell->sample = ARENA_NEW(&groups->arena, Sample);
        if (!cell->sample) {
            return NULL;
        }
    }
    groups->cells.slots[at] = cell;
    groups->cells.count++;
    return cell;
}

static GroupCell *find_cell(Groups *groups, int64_t window, const GroupText *const *keys)
{
    CellTable *table = &groups->cells;
    if (table->count * 4 >= table->cap * 3 && !grow_cells(groups)) {
        return NULL;
    }
    uint32_t hash = cell_hash(groups, window, keys);
    size_t at = hash & (table->cap - 1);
    while (table->slots[at]) {
        if (table->slots[at]->hash == hash && cell_is(groups, table->slots[at], window, keys)) {
            return table->slots[at];
        }
        at = (at + 1) & (table->cap - 1);
    }
    return new_cell(groups, window, keys, hash, at);
}

/* The cell that a record belongs to; NULL at the ceiling. */
static GroupCell *cell_of(Groups *groups, int64_t window, const Record *record)
{
    const GroupText *keys[GROUP_KEY_COUNT];
    assert(!groups->sorted);
    for (size_t i = 0; i < groups->column_count; i++) {
        keys[i] = column_text(groups, i, record);
        if (!keys[i]) {
            return NULL;
        }
    }
    if (!groups->last_cell || !cell_is(groups, groups->last_cell, window, keys)) {
        groups->last_cell = find_cell(groups, window, keys);
    }
    return groups->last_cell;
}

static void add_to_cell(GroupCell *cell, RecordType type, const GroupAmount *amount, int sign)
{
    Total sum = sign > 0 ? amount->sum : -amount->sum;
    cell->count += sign > 0 ? amount->count : -amount->count;
    cell->gross += sum;
    cell->net += type == RECORD_POSITIVE ? sum : -sum;
    if (sign > 0) {
        cell->min = amount->min < cell->min ? amount->min : cell->min;
        cell->max = amount->max > cell->max ? amount->max : cell->max;
    }
}

bool groups_add_record(Groups *groups, int64_t window, const Record *record, int sign)
{
    GroupAmount amount = {.count = 1, .sum = record->value, .min = record->value, .max = record->value};
    GroupCell *cell = cell_of(groups, window, record);
    if (!cell || (cell->sample && !sample_add(cell->sample, &groups->arena, record->value))) {
        return false;
    }
    add_to_cell(cell, record->type, &amount, sign);
    return true;
}

bool groups_add_amount(Groups *groups, int64_t window, const Record *keys, const GroupAmount *amount, int sign)
{
    GroupCell *cell = cell_of(groups, window, keys);
    if (cell) {
        add_to_cell(cell, keys->type, amount, sign);
    }
    return cell != NULL;
}

/* ---- Order ------------------------------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b)
{
    return str_compare((*(GroupText *const *)a)->text, (*(GroupText *const *)b)->text);
}

static int compare_cells(const void *a, const void *b, void *column_count)
{
    const GroupCell *left = *(GroupCell *const *)a, *right = *(GroupCell *const *)b;
    int order = (left->window > right->window) - (left->window < right->window);
    for (size_t i = 0; i < *(const size_t *)column_count && order == 0; i++) {
        order = (left->keys[i]->rank > right->keys[i]->rank) - (left->keys[i]->rank < right->keys[i]->rank);
    }
    return order;
}

/* The table is no longer needed as one, and its slots become the sorted list. */
static void rank_texts(TextTable *table)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->cap; i++) {
        if (table->slots[i]) {
            table->slots[kept++] = table->slots[i];
        }
    }
    if (kept) {
        qsort(table->slots, kept, sizeof table->slots[0], compare_texts);
    }
    for (size_t i = 0; i < kept; i++) {
        table->slots[i]->rank = (uint32_t)i;
    }
}

void groups_sort(Groups *groups)
{
    CellTable *table = &groups->cells;
    size_t kept = 0;
    rank_texts(&groups->texts);
    for (size_t i = 0; i < table->cap; i++) {
        if (table->slots[i] && table->slots[i]->count != 0) {
            table->slots[kept++] = table->slots[i];
        }
    }
    if (kept) {
        qsort_r(table->slots, kept, sizeof table->slots[0], compare_cells, &groups->column_count);
    }
    table->count = kept;
    groups->sorted = true;
}

size_t groups_cell_count(const Groups *groups) { return groups->cells.count; }

GroupCell *groups_cell_at(const Groups *groups, size_t index)
{
    assert(groups->sorted && index < groups->cells.count);
    return groups->cells.slots[index];
}

int64_t groups_record_count(const Groups *groups)
{
    int64_t count = 0;
    assert(groups->sorted);
    for (size_t i = 0; i < groups->cells.count; i++) {
        count += groups->cells.slots[i]->count;
    }
    return count;
}
