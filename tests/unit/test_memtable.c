/* The memory table and the sort against plain lists. */
#include "store/index/memtable.h"
#include "support/random.h"
#include "support/runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first. */
#include <cmocka.h>

enum { PUTS = 1000, FIND_MAX = 4 };

/* Every put in order; what the table must hold follows from it. */
typedef struct Model {
    IndexPair puts[PUTS];
    size_t count;
    bool newest_only;
} Model;

/* The values of a key, newest first. */
static size_t model_find(const Model *model, uint64_t key, uint64_t *ret_values, size_t max)
{
    size_t found = 0;
    for (size_t i = model->count; i > 0 && !(model->newest_only && found == 1); i--) {
        if (model->puts[i - 1].key == key) {
            if (found < max) {
                ret_values[found] = model->puts[i - 1].value;
            }
            found++;
        }
    }
    return found;
}

static PairList model_sorted(const Model *model)
{
    PairList list = {.items = calloc(PUTS, sizeof *list.items)};
    assert_non_null(list.items);
    for (size_t i = 0; i < model->count; i++) {
        uint64_t newest = 0;
        (void)model_find(model, model->puts[i].key, &newest, 1);
        if (!model->newest_only || newest == model->puts[i].value) {
            list.items[list.count++] = model->puts[i];
        }
    }
    runs_pairs_sort(list);
    return list;
}

static void check_find(const MemTable *table, const Model *model, uint64_t key, size_t max)
{
    uint64_t values[FIND_MAX + 1] = {[FIND_MAX] = 77}, expected[FIND_MAX];
    memtable_prefetch(table, key);
    size_t found = memtable_find(table, key, values, max);
    assert_int_equal(found, model_find(model, key, expected, max));
    for (size_t i = 0; i < found && i < max; i++) {
        assert_int_equal(values[i], expected[i]);
    }
    assert_int_equal(values[FIND_MAX], 77);
}

static void check_sorted(const MemTable *table, const Model *model)
{
    PairList list = model_sorted(model);
    assert_int_equal(memtable_count(table), list.count);
    IndexPair pairs[PUTS], scratch[PUTS];
    memtable_sorted(table, pairs, scratch);
    assert_memory_equal(pairs, list.items, list.count * sizeof *pairs);
    runs_pairs_free(list);
}

/* Keys that meet in the same slots, at the end of the table too, so that probes run on and round. */
static uint64_t colliding_key(uint64_t *seed)
{
    uint64_t number = random_next(seed);
    return number % 16 << 40 | (number >> 8 & 1 ? UINT64_MAX >> 30 : (number >> 9) % 3);
}

typedef uint64_t (*MakeKey)(uint64_t *seed);

static uint64_t hashed_key(uint64_t *seed) { return random_below(seed, 300) * UINT64_C(0x9E3779B97F4A7C15); }

/* Puts and looks at random. */
static void check_table(bool newest_only, MakeKey make_key, uint64_t seed)
{
    static Model model;
    model = (Model){.newest_only = newest_only};
    MemTable *table = memtable_new(PUTS, newest_only);
    assert_non_null(table);
    for (uint64_t value = 1; value <= PUTS; value++) {
        uint64_t key = make_key(&seed);
        memtable_put(table, key, value);
        model.puts[model.count++] = (IndexPair){key, value};
        check_find(table, &model, make_key(&seed), random_below(&seed, FIND_MAX + 1));
        if (random_below(&seed, 100) == 0) {
            check_sorted(table, &model);
        }
    }
    assert_int_equal(model.count, PUTS);
    check_sorted(table, &model);
    for (unsigned i = 0; i < PUTS; i++) {
        check_find(table, &model, model.puts[i].key, FIND_MAX);
    }
    memtable_clear(table);
    model.count = 0;
    check_sorted(table, &model);
    memtable_free(table);
}

static void a_table_keeps_all_values(void **state)
{
    (void)state;
    check_table(false, hashed_key, 1);
    check_table(false, colliding_key, 2);
}

static void a_table_of_newest_values_replaces(void **state)
{
    (void)state;
    check_table(true, hashed_key, 3);
    check_table(true, colliding_key, 4);
}

static void a_cleared_table_is_empty(void **state)
{
    (void)state;
    for (unsigned newest_only = 0; newest_only < 2; newest_only++) {
        MemTable *table = memtable_new(64, newest_only);
        assert_non_null(table);
        for (unsigned round = 0; round < 3; round++) {
            uint64_t value;
            assert_int_equal(memtable_find(table, 1, &value, 1), 0);
            for (uint64_t key = 0; key < 64; key++) {
                assert_false(memtable_is_full(table));
                memtable_put(table, key % 40, key + 1);
            }
            assert_int_equal(memtable_is_full(table), !newest_only);
            assert_int_equal(memtable_count(table), newest_only ? 40 : 64);
            memtable_clear(table);
            assert_int_equal(memtable_count(table), 0);
        }
        memtable_free(table);
    }
}

/* ---- The sort ---------------------------------------------------------------------------------------------------- */

static void check_sort(KeyStyle style, size_t count, uint64_t value_mask, uint64_t seed)
{
    PairList list = runs_pairs(style, count, 1, &seed);
    PairList sorted = {calloc(count + 1, sizeof *list.items), count};
    PairList scratch = {calloc(count + 1, sizeof *list.items), count};
    assert_true(sorted.items && scratch.items);
    for (size_t i = 0; i < count; i++) {
        list.items[i] = (IndexPair){runs_key(style, &seed), value_mask ? random_next(&seed) & value_mask : i};
        sorted.items[i] = list.items[i];
    }
    index_pairs_sort(sorted.items, scratch.items, count);
    runs_pairs_sort(list);
    assert_memory_equal(sorted.items, list.items, count * sizeof *list.items);
    index_pairs_sort(sorted.items, scratch.items, count);
    assert_memory_equal(sorted.items, list.items, count * sizeof *list.items);
    runs_pairs_free(list);
    runs_pairs_free(sorted);
    runs_pairs_free(scratch);
}

static void pairs_are_sorted_by_key_and_value(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 3, 100, 5000};
    static const uint64_t masks[] = {0, 1, 0xFFFFF, UINT64_C(0xFF000000000000FF), UINT64_MAX};
    for (KeyStyle style = 0; style < KEYS_STYLES; style++) {
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            for (size_t j = 0; j < sizeof masks / sizeof *masks; j++) {
                check_sort(style, counts[i], masks[j], i + j);
            }
        }
    }
}

static void a_sort_by_key_leaves_equal_keys_in_place(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static IndexPair pairs[COUNT], scratch[COUNT];
    uint64_t seed = 5;
    for (size_t i = 0; i < COUNT; i++) {
        pairs[i] = (IndexPair){runs_key(KEYS_FEW, &seed), COUNT - i};
    }
    index_pairs_sort_by_key(pairs, scratch, COUNT);
    for (size_t i = 1; i < COUNT; i++) {
        assert_true(pairs[i - 1].key < pairs[i].key ||
                    (pairs[i - 1].key == pairs[i].key && pairs[i - 1].value > pairs[i].value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_keeps_all_values),
        cmocka_unit_test(a_table_of_newest_values_replaces),
        cmocka_unit_test(a_cleared_table_is_empty),
        cmocka_unit_test(pairs_are_sorted_by_key_and_value),
        cmocka_unit_test(a_sort_by_key_leaves_equal_keys_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
