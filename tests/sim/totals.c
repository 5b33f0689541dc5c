#include "sim/totals.h"

#include <stdlib.h>

#include "support/need.h"

/* The records of one group that have one unit, and of one group whatever their unit. */
typedef struct Cell {
    int64_t window;
    Str keys[QUESTION_KEYS_MAX];
    Str unit; /* empty in the cell of the whole group */
    int64_t count;
    Exact gross, net;
    int64_t min, max;
    int64_t *values; /* of a unit's cell, when percentiles are asked for; owns */
} Cell;

typedef struct Cells {
    const Question *question;
    Cell *items; /* owns */
    size_t count, capacity;
    PlainMap by_name;   /* → index + 1 */
    PlainMap by_window; /* where a window begins, as text → index + 1 of a cell in it */
} Cells;

static void cell_name(const Question *question, const Cell *cell, PlainKey *ret_key)
{
    ret_key->len = 0;
    plain_key_add_number(ret_key, cell->window);
    for (size_t i = 0; i < question->key_count; i++) {
        plain_key_add(ret_key, cell->keys[i]);
    }
    plain_key_add(ret_key, cell->unit);
}

static Cell *cell_named(Cells *cells, const Cell *like, bool make)
{
    PlainKey key;
    cell_name(cells->question, like, &key);
    size_t at = (size_t)plain_map_get(&cells->by_name, plain_key_str(&key));
    if (at == 0 && make) {
        if (cells->count == cells->capacity) {
            cells->capacity = cells->capacity * 2 + 16;
            cells->items = need(realloc(cells->items, cells->capacity * sizeof *cells->items));
        }
        char window[PLAIN_TEXT_BYTES_MAX];
        cells->items[cells->count] = *like;
        at = ++cells->count;
        plain_map_put(&cells->by_name, plain_key_str(&key), (int64_t)at);
        plain_map_put(&cells->by_window, str_from(plain_time(like->window, window)), (int64_t)at);
    }
    return at ? &cells->items[at - 1] : NULL;
}

static void add(Cell *cell, const Record *record, bool keep_value)
{
    cell->min = cell->count == 0 || record->value < cell->min ? record->value : cell->min;
    cell->max = cell->count == 0 || record->value > cell->max ? record->value : cell->max;
    if (keep_value) {
        if (cell->count % 64 == 0) {
            cell->values = need(realloc(cell->values, (size_t)(cell->count + 64) * sizeof *cell->values));
        }
        cell->values[cell->count] = record->value;
    }
    cell->count++;
    cell->gross += record->value;
    cell->net += record->type == RECORD_POSITIVE ? record->value : -record->value;
}

static void add_record(Cells *cells, const Record *record)
{
    const Question *question = cells->question;
    Cell like = {.window = question->window ? plain_window_start(question->window, record->time_us) : 0};
    for (size_t i = 0; i < question->key_count; i++) {
        like.keys[i] = question_key_text(question->keys[i], record);
    }
    add(cell_named(cells, &like, true), record, false);
    like.unit = record->unit;
    add(cell_named(cells, &like, true), record, question->percentiles);
}

/* ---- Held against the answer ------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* By the nearest rank: the smallest value that so many percent of the values do not exceed. */
static int64_t percentile(const Cell *cell, int64_t percent)
{
    return cell->values[(cell->count * percent + 99) / 100 - 1];
}

static void check_measures(const Expect *expect, const Question *question, Cell *cell, yyjson_val *object)
{
    if (question->extremes) {
        expect_decimal(expect, object, "min", cell->min);
        expect_decimal(expect, object, "max", cell->max);
        expect_decimal(expect, object, "avg", (2 * cell->gross + cell->count) / (2 * (Exact)cell->count));
    }
    if (question->percentiles && cell->count <= QUERY_EXACT_VALUES_MAX) {
        qsort(cell->values, (size_t)cell->count, sizeof *cell->values, by_value);
        expect_decimal(expect, object, "p50", percentile(cell, 50));
        expect_decimal(expect, object, "p95", percentile(cell, 95));
        expect_decimal(expect, object, "p99", percentile(cell, 99));
    }
}

static void check_sums(const Expect *expect, const Cell *cell, yyjson_val *object)
{
    expect_int(expect, object, "recordCount", cell->count);
    expect_decimal(expect, object, "totalValue", cell->gross);
    expect_decimal(expect, object, "netValue", cell->net);
}

static _Noreturn void fail(const Expect *expect, const char *what)
{
    char text[900];
    snprintf(text, sizeof text, "%s: %s", expect->what, what);
    story_fail(expect->story, text, NULL, NULL);
}

static Str text_of(const Expect *expect, yyjson_val *object, const char *name)
{
    yyjson_val *value = expect_member(expect, object, name);
    return (Str){yyjson_get_str(value), yyjson_get_len(value)};
}

/* "2025-01-01T00:00:00Z" back to a number. */
static int64_t window_of(const Expect *expect, const Cells *cells, yyjson_val *group)
{
    int64_t at = plain_map_get(&cells->by_window, text_of(expect, group, "windowStart"));
    if (!at) {
        fail(expect, "a window without records");
    }
    return cells->items[at - 1].window;
}

static void read_keys(const Expect *expect, const Cells *cells, yyjson_val *group, Cell *ret_like)
{
    *ret_like = (Cell){.window = cells->question->window ? window_of(expect, cells, group) : 0};
    for (size_t i = 0; i < cells->question->key_count; i++) {
        ret_like->keys[i] = text_of(expect, group, question_key_name(cells->question->keys[i]));
    }
}

static int compare_texts(Str a, Str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool is_before(const Question *question, const Cell *a, const Cell *b)
{
    int order = (a->window > b->window) - (a->window < b->window);
    for (size_t i = 0; i < question->key_count && order == 0; i++) {
        order = compare_texts(a->keys[i], b->keys[i]);
    }
    return order < 0 || (order == 0 && compare_texts(a->unit, b->unit) < 0);
}

static bool unit_is_key(const Question *question)
{
    bool is_key = false;
    for (size_t i = 0; i < question->key_count; i++) {
        is_key = is_key || question->keys[i] == QUESTION_UNIT;
    }
    return is_key;
}

/* Returns how many units the group has. */
static size_t check_units(const Expect *expect, Cells *cells, const Cell *group_like, yyjson_val *units)
{
    yyjson_arr_iter each = yyjson_arr_iter_with(units);
    Cell like = *group_like;
    yyjson_val *item;
    Str last = {NULL, 0};
    while ((item = yyjson_arr_iter_next(&each))) {
        like.unit = text_of(expect, item, "unit");
        Cell *cell = cell_named(cells, &like, false);
        if (!cell || compare_texts(last, like.unit) >= 0) {
            fail(expect, "a unit that has no records, or is not in order");
        }
        check_sums(expect, cell, item);
        check_measures(expect, cells->question, cell, item);
        last = like.unit;
    }
    return yyjson_arr_size(units);
}

/* Returns how many units the group has. */
static size_t check_group(const Expect *expect, Cells *cells, yyjson_val *group, const Cell *like)
{
    Cell *cell = cell_named(cells, like, false);
    if (!cell) {
        fail(expect, "a group without records");
    }
    check_sums(expect, cell, group);
    if (!unit_is_key(cells->question)) {
        return check_units(expect, cells, like, expect_member(expect, group, "units"));
    }
    Cell of_unit = *like;
    of_unit.unit = text_of(expect, group, "unit");
    check_measures(expect, cells->question, cell_named(cells, &of_unit, false), group);
    return 1;
}

static void check_groups(const Expect *expect, Cells *cells, yyjson_val *groups)
{
    yyjson_arr_iter each = yyjson_arr_iter_with(groups);
    yyjson_val *group;
    size_t seen = 0;
    Cell last = {0};
    while ((group = yyjson_arr_iter_next(&each))) {
        Cell like;
        read_keys(expect, cells, group, &like);
        if (seen > 0 && !is_before(cells->question, &last, &like)) {
            fail(expect, "the groups are not in order");
        }
        seen += 1 + check_group(expect, cells, group, &like);
        last = like;
    }
    if (seen != cells->count) {
        fail(expect, "groups or units are missing");
    }
}

void totals_check(const Expect *expect, const Question *question, const Model *model, const int64_t *seqs, size_t count,
                  yyjson_val *groups)
{
    Cells cells = {.question = question};
    plain_map_init(&cells.by_name);
    plain_map_init(&cells.by_window);
    for (size_t i = 0; i < count; i++) {
        add_record(&cells, &model_at(model, seqs[i])->record);
    }
    check_groups(expect, &cells, groups);
    for (size_t i = 0; i < cells.count; i++) {
        free(cells.items[i].values);
    }
    free(cells.items);
    plain_map_release(&cells.by_name);
    plain_map_release(&cells.by_window);
}
