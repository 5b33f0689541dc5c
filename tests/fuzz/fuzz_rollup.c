/* Runs of rows that hold rollups, damaged or made up (run_damage.h): walking and merging them ends, within memory, and
 * while no checksum was made to fit, with the right rollups or an error. */
#include "run_damage.h"

#include "store/rollup/rollup_merge.h"
#include "store/rollup/rollup_walk.h"

#define PATH_SOUND  "sound"
#define PATH_INPUT  "input"
#define PATH_MERGED "merged"

enum { RECORDS = 150, ROWS_MAX = 4000 };

static const RunStamp stamp = {.store_id = {1}, .epoch = 1, .last_seq = RECORDS, .content = RUN_ROWS};

/* Few hours, several series, one of them with a name that is as long as it may be. */
static Record sound_record(size_t i)
{
    static char long_name[255 * 4 + 1];
    static const char *const names[] = {"a", "dest-1", "dest-2", long_name};
    for (size_t at = 0; at < sizeof long_name - 1; at += 4) {
        memcpy(long_name + at, "\xF0\x9F\x98\x80", 4);
    }
    return (Record){.destination_id = str_from(names[i % 4]),
                    .unit = i % 3 ? STR("EUR") : STR("SEK"),
                    .type = i % 5 ? RECORD_POSITIVE : RECORD_NEGATIVE,
                    .value = (int64_t)i * 1000,
                    .time_us = ((int64_t)(i % 60) - 30) * INT64_C(3600000000)};
}

/* Made once; what it holds is what a walk must show. */
static RollupMap *sound_map(void)
{
    static RollupMap *map;
    Error err;
    if (!map) {
        map = rollup_map_new();
        for (size_t i = 0; i < RECORDS; i++) {
            Record record = sound_record(i);
            PROMISE(rollup_map_add(map, &record, &err) == STATUS_OK);
        }
    }
    return map;
}

static Run *open_run(const Io *io, const char *path)
{
    Run *run = NULL;
    Error err;
    Status status = run_open(io, path, &stamp, &run, &err);
    PROMISE(status == STATUS_OK || status == STATUS_REFUSED);
    return run;
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

static size_t check_rows(Run *run, uint64_t key, bool must_be_right)
{
    RunRowCursor cursor;
    Error err;
    Str row;
    bool found = true;
    size_t rows = 0;
    if (run_row_cursor_init(&cursor, run, key, &err) != STATUS_OK) {
        return 0;
    }
    while (rows < ROWS_MAX && run_row_cursor_next(&cursor, &row, &found, &err) == STATUS_OK && found) {
        RollupLevel level;
        Rollup rollup;
        char copy[ROLLUP_ROW_BYTES_MAX];
        bool is_rollup = rollup_row_get(row, &level, &rollup);
        PROMISE(is_rollup || !must_be_right);
        PROMISE(!is_rollup || rollup_row_put(level, &rollup, copy) == row.len);
        rows++;
    }
    run_row_cursor_release(&cursor);
    return rows;
}

/* ---- Walks ------------------------------------------------------------------------------------------------------- */

typedef struct Comparing {
    RollupWalk *walk;
    RollupLevel level;
    int times; /* the sound run is under the walk */
    bool broken;
} Comparing;

static bool compare_next(void *context, const Rollup *right)
{
    Comparing *comparing = context;
    RollupLevel level;
    Rollup is;
    Error err;
    bool found;
    if (rollup_walk_next(comparing->walk, &level, &is, &found, &err) != STATUS_OK) {
        comparing->broken = true;
        return false;
    }
    PROMISE(found && level == comparing->level && rollup_compare(&is, right) == 0);
    PROMISE(is.count == right->count * comparing->times && is.sum == right->sum * comparing->times);
    PROMISE(is.min == right->min && is.max == right->max);
    return true;
}

static void compare_walk(RollupWalk *walk, int times)
{
    Comparing comparing = {.walk = walk, .times = times};
    for (int level = ROLLUP_HOUR; level <= ROLLUP_WEEK && !comparing.broken; level++) {
        Error err;
        comparing.level = (RollupLevel)level;
        PROMISE(rollup_map_visit(sound_map(), comparing.level, compare_next, &comparing, &err) == STATUS_OK);
    }
}

static void exhaust_walk(RollupWalk *walk)
{
    RollupLevel level;
    Rollup rollup;
    Error err;
    bool found = true;
    while (rollup_walk_next(walk, &level, &rollup, &found, &err) == STATUS_OK && found) {
        PROMISE(level <= ROLLUP_WEEK && rollup.type <= RECORD_NEGATIVE);
    }
}

static void check_walk(Run *const *runs, size_t count, uint64_t from, uint64_t to, bool must_be_right)
{
    RollupWalk *walk;
    Error err;
    if (rollup_walk_open(runs, count, from, to, &walk, &err) != STATUS_OK) {
        return;
    }
    if (must_be_right && from == 0 && to == UINT64_MAX) {
        compare_walk(walk, (int)count);
    } else {
        exhaust_walk(walk);
    }
    rollup_walk_close(walk);
}

/* ---- Merges ------------------------------------------------------------------------------------------------------ */

static void check_merge(const Io *io, Run *const *runs, size_t count, bool must_be_right)
{
    RollupMerge *merge = NULL;
    Error err;
    bool done = false;
    Status status = rollup_merge_open(io, runs, count, PATH_MERGED, &stamp, &merge, &err);
    while (status == STATUS_OK && !done) {
        status = rollup_merge_step(merge, 50, &done, &err);
    }
    PROMISE(status == STATUS_OK || status == STATUS_BROKEN);
    rollup_merge_free(merge);
    if (status == STATUS_OK) {
        Run *merged = open_run(io, PATH_MERGED);
        PROMISE(merged != NULL);
        RollupWalk *walk;
        PROMISE(rollup_walk_open(&merged, 1, 0, UINT64_MAX, &walk, &err) == STATUS_OK);
        if (must_be_right) {
            compare_walk(walk, (int)count);
        }
        rollup_walk_close(walk);
        run_drop(merged);
    }
}

static void check_run(const Io *io, Run *run, bool must_be_right)
{
    Run *sound = open_run(io, PATH_SOUND);
    Run *const runs[] = {sound, run, run};
    PROMISE(sound != NULL);
    for (int bucket = -40; bucket < 40; bucket += 20) {
        check_rows(run, rollup_key(ROLLUP_HOUR, bucket), must_be_right);
        check_walk(runs, 2, rollup_key(ROLLUP_HOUR, bucket), rollup_key(ROLLUP_DAY, bucket), must_be_right);
    }
    check_rows(run, 0, must_be_right);
    check_rows(run, UINT64_MAX, must_be_right);
    check_walk(runs, 3, 0, UINT64_MAX, must_be_right);
    check_merge(io, runs, 3, must_be_right);
    run_drop(sound);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err;
    IoMemory *memory = io_memory_new();
    const Io *io = io_memory_io(memory);
    PROMISE(rollup_map_write(sound_map(), io, PATH_SOUND, &stamp, &err) == STATUS_OK);
    bool must_be_right = run_damage(memory, PATH_SOUND, PATH_INPUT, data, size);
    Run *run = open_run(io, PATH_INPUT);
    if (run) {
        check_run(io, run, must_be_right);
        run_drop(run);
    }
    io_memory_free(memory);
    return 0;
}
