/* Rollups in memory: hours add up to days and weeks, in key order, also before 1970. */
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/rollup/rollup_map.h"

#define HOUR INT64_C(3600000000)

static void add(RollupMap *map, const char *destination, const char *unit, RecordType type, int64_t value,
                int64_t time_us)
{
    Error error = {0};
    Record record = {.destination_id = str_from(destination),
                     .unit = str_from(unit),
                     .type = type,
                     .value = value,
                     .time_us = time_us};
    assert_int_equal(rollup_map_add(map, &record, &error), STATUS_OK);
}

typedef struct Sorted {
    Rollup *items;
    size_t count;
} Sorted;

static bool collect(void *context, const Rollup *rollup)
{
    Sorted *sorted = context;
    sorted->items[sorted->count++] = *rollup;
    return true;
}

static size_t collect_sorted(RollupMap *map, RollupLevel level, Rollup *ret_sorted)
{
    Error error = {0};
    Sorted sorted = {ret_sorted, 0};
    assert_int_equal(rollup_map_visit(map, level, collect, &sorted, &error), STATUS_OK);
    return sorted.count;
}

static bool stop_at_once(void *context, const Rollup *rollup)
{
    (void)rollup;
    ++*(int *)context;
    return false;
}

static void test_buckets_round_down(void **state)
{
    (void)state;
    assert_int_equal(rollup_bucket(ROLLUP_HOUR, 0), 0);
    assert_int_equal(rollup_bucket(ROLLUP_HOUR, HOUR - 1), 0);
    assert_int_equal(rollup_bucket(ROLLUP_HOUR, -1), -1);
    assert_int_equal(rollup_bucket(ROLLUP_HOUR, -HOUR), -1);
    assert_int_equal(rollup_bucket(ROLLUP_HOUR, -HOUR - 1), -2);
    assert_int_equal(rollup_bucket(ROLLUP_DAY, -1), -1);
    assert_int_equal(rollup_bucket(ROLLUP_WEEK, 0), 0);             /* a Thursday, in the week from Monday 1969-12-29 */
    assert_int_equal(rollup_bucket(ROLLUP_WEEK, 4 * 24 * HOUR), 1); /* Monday 1970-01-05 */
    assert_int_equal(rollup_bucket(ROLLUP_WEEK, -3 * 24 * HOUR), 0); /* Monday 1969-12-29 */
    assert_int_equal(rollup_bucket(ROLLUP_WEEK, -3 * 24 * HOUR - 1), -1);
}

static void test_levels_add_up(void **state)
{
    (void)state;
    RollupMap *map = rollup_map_new();
    Rollup sorted[16];
    add(map, "b", "EUR", RECORD_POSITIVE, 5, 0);
    add(map, "a", "EUR", RECORD_POSITIVE, 7, 1);
    add(map, "a", "EUR", RECORD_NEGATIVE, 1, 2);
    add(map, "a", "EUR", RECORD_POSITIVE, 3, 23 * HOUR);
    add(map, "a", "EUR", RECORD_POSITIVE, 9, 24 * HOUR);
    assert_int_equal(collect_sorted(map, ROLLUP_HOUR, sorted), 5);
    assert_int_equal(collect_sorted(map, ROLLUP_DAY, sorted), 4);
    assert_true(str_is(sorted[0].destination_id, "a"));
    assert_int_equal(sorted[0].type, RECORD_POSITIVE);
    assert_int_equal(sorted[0].count, 2);
    assert_true(sorted[0].sum == 10);
    assert_int_equal(sorted[0].min, 3);
    assert_int_equal(sorted[0].max, 7);
    assert_int_equal(sorted[1].type, RECORD_NEGATIVE);
    assert_true(str_is(sorted[2].destination_id, "b"));
    assert_int_equal(sorted[3].bucket, 1);
    assert_int_equal(collect_sorted(map, ROLLUP_WEEK, sorted), 3);
    assert_true(sorted[0].sum == 19);
    int visits = 0;
    Error error = {0};
    assert_int_equal(rollup_map_visit(map, ROLLUP_HOUR, stop_at_once, &visits, &error), STATUS_OK);
    assert_int_equal(visits, 1);
    /* A series that comes after the order was asked for has its place in it, too. */
    add(map, "0", "EUR", RECORD_POSITIVE, 1, 0);
    assert_int_equal(collect_sorted(map, ROLLUP_HOUR, sorted), 6);
    assert_true(str_is(sorted[0].destination_id, "0"));
    rollup_map_clear(map);
    assert_int_equal(rollup_map_count(map), 0);
    assert_int_equal(collect_sorted(map, ROLLUP_HOUR, sorted), 0);
    rollup_map_free(map);
}

/* Texts that are equal only when joined differently stay apart; growth keeps everything. */
static void test_many_keys(void **state)
{
    (void)state;
    enum { KEYS = 20000 };
    RollupMap *map = rollup_map_new();
    Rollup *sorted = calloc(KEYS * 2, sizeof *sorted);
    char destination[32], unit[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < KEYS; i++) {
            snprintf(destination, sizeof destination, "%d", i / 100);
            snprintf(unit, sizeof unit, "%d", i % 100);
            add(map, destination, unit, RECORD_POSITIVE, i, 0);
        }
    }
    assert_int_equal(collect_sorted(map, ROLLUP_HOUR, sorted), KEYS);
    assert_int_equal(rollup_map_count(map), KEYS);
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(sorted[i].count, 2);
        assert_true(sorted[i].sum == 2 * sorted[i].min && sorted[i].min == sorted[i].max);
        if (i > 0) {
            int order = str_compare(sorted[i - 1].destination_id, sorted[i].destination_id);
            assert_true(order < 0 || (order == 0 && str_compare(sorted[i - 1].unit, sorted[i].unit) < 0));
        }
    }
    free(sorted);
    rollup_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_round_down),
        cmocka_unit_test(test_levels_add_up),
        cmocka_unit_test(test_many_keys),
    };
    return cmocka_run_group_tests_name("rollup_map", tests, NULL, NULL);
}
