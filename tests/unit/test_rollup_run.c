/* Rollups in runs: written, merged and walked, they are what one map of all records says. */
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/rollup/rollup_merge.h"
#include "store/rollup/rollup_walk.h"
#include "support/io_memory.h"
#include "support/random.h"

#define HOUR INT64_C(3600000000)

enum { PARTS = 5, RECORDS_A_PART = 3000 };

static RunStamp stamp_of(unsigned part)
{
    return (RunStamp){
        .store_id = {7}, .epoch = 1, .index = 3, .first_seq = part, .last_seq = part, .content = RUN_ROWS};
}

/* Texts are long at times, so that rows do not fill blocks evenly. */
static Record random_record(uint64_t *seed, char destination[1024], char unit[16])
{
    size_t len = random_below(seed, 20) == 0 ? 200 + random_below(seed, 800) : 6;
    memset(destination, 'd', len);
    snprintf(destination + len - 4, 8, "%04u", (unsigned)random_below(seed, 40));
    snprintf(unit, 16, "u%u", (unsigned)random_below(seed, 3));
    return (Record){.destination_id = str_from(destination),
                    .unit = str_from(unit),
                    .type = random_below(seed, 2) ? RECORD_NEGATIVE : RECORD_POSITIVE,
                    .value = (int64_t)random_below(seed, 1000000),
                    .time_us = ((int64_t)random_below(seed, 400) - 200) * HOUR};
}

typedef struct Parts {
    IoMemory *memory;
    const Io *io;
    RollupMap *all; /* what they must add up to */
    Run *runs[PARTS];
} Parts;

static Run *open_part(const Parts *parts, const char *path, unsigned part)
{
    Run *run = NULL;
    Error error = {0};
    RunStamp stamp = stamp_of(part);
    assert_int_equal(run_open(parts->io, path, &stamp, &run, &error), STATUS_OK);
    return run;
}

static Parts make_parts(uint64_t seed)
{
    Parts parts = {.memory = io_memory_new(), .all = rollup_map_new()};
    parts.io = io_memory_io(parts.memory);
    Error error = {0};
    for (unsigned part = 0; part < PARTS; part++) {
        RollupMap *map = rollup_map_new();
        char destination[1024], unit[16], path[16];
        /* One part is empty. */
        for (int i = 0; i < (part == 2 ? 0 : RECORDS_A_PART); i++) {
            Record record = random_record(&seed, destination, unit);
            assert_int_equal(rollup_map_add(map, &record, &error), STATUS_OK);
            assert_int_equal(rollup_map_add(parts.all, &record, &error), STATUS_OK);
        }
        RunStamp stamp = stamp_of(part);
        snprintf(path, sizeof path, "part-%u", part);
        assert_int_equal(rollup_map_write(map, parts.io, path, &stamp, &error), STATUS_OK);
        parts.runs[part] = open_part(&parts, path, part);
        rollup_map_free(map);
    }
    return parts;
}

static void free_parts(Parts *parts)
{
    for (unsigned part = 0; part < PARTS; part++) {
        run_drop(parts->runs[part]);
    }
    rollup_map_free(parts->all);
    io_memory_free(parts->memory);
}

typedef struct Comparing {
    RollupWalk *walk;
    RollupLevel level;
    int64_t from, to;
    size_t count;
} Comparing;

static bool compare_next(void *context, const Rollup *right)
{
    Comparing *comparing = context;
    RollupLevel level = ROLLUP_HOUR;
    Rollup is;
    bool found = false;
    Error error = {0};
    if (right->bucket < comparing->from || right->bucket >= comparing->to) {
        return true;
    }
    assert_int_equal(rollup_walk_next(comparing->walk, &level, &is, &found, &error), STATUS_OK);
    assert_true(found && level == comparing->level);
    assert_int_equal(rollup_compare(&is, right), 0);
    assert_true(is.count == right->count && is.sum == right->sum && is.min == right->min && is.max == right->max);
    comparing->count++;
    return true;
}

static size_t check_walk(RollupMap *all, Run *const *runs, size_t count, RollupLevel level, int64_t from, int64_t to)
{
    Comparing comparing = {.level = level, .from = from, .to = to};
    Error error = {0};
    Rollup more;
    bool found = true;
    assert_int_equal(
        rollup_walk_open(runs, count, rollup_key(level, from), rollup_key(level, to), &comparing.walk, &error),
        STATUS_OK);
    assert_int_equal(rollup_map_visit(all, level, compare_next, &comparing, &error), STATUS_OK);
    assert_int_equal(rollup_walk_next(comparing.walk, &level, &more, &found, &error), STATUS_OK);
    assert_false(found);
    rollup_walk_close(comparing.walk);
    return comparing.count;
}

static void test_walk_adds_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 6; seed++) {
        Parts parts = make_parts(seed);
        for (int level = ROLLUP_HOUR; level <= ROLLUP_WEEK; level++) {
            size_t all = check_walk(parts.all, parts.runs, PARTS, (RollupLevel)level, INT64_MIN, INT64_MAX);
            assert_true(all > 0);
        }
        assert_true(check_walk(parts.all, parts.runs, PARTS, ROLLUP_HOUR, -10, 11) > 0);
        assert_int_equal(check_walk(parts.all, parts.runs, PARTS, ROLLUP_HOUR, 5, 5), 0);
        assert_int_equal(check_walk(parts.all, parts.runs, PARTS, ROLLUP_DAY, 1000, 2000), 0);
        assert_int_equal(check_walk(parts.all, &parts.runs[2], 1, ROLLUP_DAY, 1000, 2000), 0);
        free_parts(&parts);
    }
}

static Run *merge_parts(const Parts *parts, size_t rows_a_step)
{
    RollupMerge *merge = NULL;
    RunStamp stamp = stamp_of(99);
    Error error = {0};
    bool done = false;
    assert_int_equal(rollup_merge_open(parts->io, parts->runs, PARTS, "merged", &stamp, &merge, &error), STATUS_OK);
    while (!done) {
        assert_int_equal(rollup_merge_step(merge, rows_a_step, &done, &error), STATUS_OK);
    }
    rollup_merge_free(merge);
    return open_part(parts, "merged", 99);
}

static void test_merge_keeps_everything(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 1000, 1000000};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        Parts parts = make_parts(i + 10);
        Run *merged = merge_parts(&parts, steps[i]);
        size_t rows = 0;
        for (int level = ROLLUP_HOUR; level <= ROLLUP_WEEK; level++) {
            rows += check_walk(parts.all, &merged, 1, (RollupLevel)level, INT64_MIN, INT64_MAX);
        }
        assert_int_equal(run_count(merged), rows);
        run_drop(merged);
        free_parts(&parts);
    }
}

/* Every single byte of a block matters. */
static void test_damage_is_found(void **state)
{
    (void)state;
    Parts parts = make_parts(77);
    uint8_t *file = NULL;
    size_t bytes = 0;
    assert_true(io_memory_peek(parts.memory, "part-0", &file, &bytes));
    for (size_t at = RUN_BLOCK_BYTES; at < RUN_BLOCK_BYTES * 2; at += 7) {
        RollupWalk *walk = NULL;
        RollupLevel level = ROLLUP_HOUR;
        Rollup rollup;
        bool found = true;
        Error error = {0};
        file[at] ^= 4;
        Status status = rollup_walk_open(parts.runs, 1, 0, UINT64_MAX, &walk, &error);
        while (status == STATUS_OK && found) {
            status = rollup_walk_next(walk, &level, &rollup, &found, &error);
        }
        assert_int_equal(status, STATUS_BROKEN);
        rollup_walk_close(walk);
        file[at] ^= 4;
    }
    free_parts(&parts);
}

static void test_rows_are_checked(void **state)
{
    (void)state;
    char row[ROLLUP_ROW_BYTES_MAX];
    RollupLevel level = ROLLUP_HOUR;
    Rollup read, rollup = {.bucket = -5,
                           .destination_id = STR("dest"),
                           .unit = STR("EUR"),
                           .type = RECORD_NEGATIVE,
                           .count = 3,
                           .sum = -((Total)1 << 100),
                           .min = -1,
                           .max = 9};
    size_t bytes = rollup_row_put(ROLLUP_DAY, &rollup, row);
    assert_true(rollup_row_get((Str){row, bytes}, &level, &read));
    assert_int_equal(level, ROLLUP_DAY);
    assert_true(rollup_compare(&read, &rollup) == 0 && read.sum == rollup.sum && read.count == 3 && read.min == -1);
    for (size_t len = 0; len < bytes; len++) {
        assert_false(rollup_row_get((Str){row, len}, &level, &read));
    }
    row[52] = 2; /* the type */
    assert_false(rollup_row_get((Str){row, bytes}, &level, &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk_adds_up),
        cmocka_unit_test(test_merge_keeps_everything),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_rows_are_checked),
    };
    return cmocka_run_group_tests_name("rollup_run", tests, NULL, NULL);
}
