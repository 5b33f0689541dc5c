/* Merges against sorting everything at once, and the choice of what to merge over a long life. */
#include "store/index/merge.h"
#include "store/index/run_format.h"
#include "support/io_memory.h"
#include "support/random.h"
#include "support/runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

#define PATH_OUT "dir/merged"

/* Inputs as files and runs, and all of their pairs together. */
typedef struct Inputs {
    IoMemory *memory;
    Run *runs[MERGE_INPUTS_MAX];
    size_t count;
    PairList all;
} Inputs;

static void inputs_add(Inputs *inputs, PairList list)
{
    char path[32];
    snprintf(path, sizeof path, "dir/%zu", inputs->count);
    runs_write(io_memory_io(inputs->memory), path, list, list.count, 9);
    inputs->runs[inputs->count++] = runs_open(io_memory_io(inputs->memory), path);
    inputs->all.items = realloc(inputs->all.items, (inputs->all.count + list.count + 1) * sizeof *list.items);
    assert_non_null(inputs->all.items);
    memcpy(inputs->all.items + inputs->all.count, list.items, list.count * sizeof *list.items);
    inputs->all.count += list.count;
    runs_pairs_free(list);
}

/* Runs of different sizes, in the order of the log: each one's values are above those before it. */
static Inputs inputs_new(KeyStyle style, size_t count, size_t pairs_max, uint64_t *seed)
{
    Inputs inputs = {.memory = io_memory_new()};
    for (size_t i = 0; i < count; i++) {
        inputs_add(&inputs, runs_pairs(style, random_below(seed, pairs_max + 1), inputs.all.count + 1, seed));
    }
    runs_pairs_sort(inputs.all);
    return inputs;
}

static void inputs_free(Inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++) {
        run_drop(inputs->runs[i]);
    }
    runs_pairs_free(inputs->all);
    io_memory_free(inputs->memory);
}

/* What MERGE_KEEP_NEWEST leaves of a sorted list. */
static void keep_newest(PairList *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (i + 1 == list->count || list->items[i + 1].key != list->items[i].key) {
            list->items[kept++] = list->items[i];
        }
    }
    list->count = kept;
}

static Status merge_all(const Inputs *inputs, MergeKeep keep, size_t step)
{
    RunStamp stamp = runs_stamp();
    Merge *merge = NULL;
    Status status =
        merge_open(io_memory_io(inputs->memory), inputs->runs, inputs->count, keep, PATH_OUT, &stamp, 9, &merge, NULL);
    bool done = false;
    for (size_t steps = 0; status == STATUS_OK && !done; steps++) {
        status = merge_step(merge, step, &done, NULL);
        /* The last step may find that nothing is left to move. */
        assert_true(steps <= inputs->all.count / (step > 0 ? step : 1) + 1);
    }
    merge_free(merge);
    return status;
}

static void check_merge(KeyStyle style, MergeKeep keep, size_t count, size_t pairs_max, size_t step, uint64_t seed)
{
    Inputs inputs = inputs_new(style, count, pairs_max, &seed);
    assert_int_equal(merge_all(&inputs, keep, step), STATUS_OK);
    if (keep == MERGE_KEEP_NEWEST) {
        keep_newest(&inputs.all);
    }
    Run *merged = runs_open(io_memory_io(inputs.memory), PATH_OUT);
    runs_check_equal(merged, inputs.all);
    for (size_t i = 0; i < inputs.all.count; i += 7) {
        uint64_t value;
        size_t found;
        bool more;
        assert_int_equal(run_find(merged, inputs.all.items[i].key, &value, 1, &found, &more, NULL), STATUS_OK);
        assert_int_equal(found, 1);
        assert_false(keep == MERGE_KEEP_NEWEST && more);
    }
    run_drop(merged);
    inputs_free(&inputs);
}

static void a_merge_is_everything_in_order(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 3, 300, 9000};
    uint64_t seed = 1;
    for (KeyStyle style = 0; style < KEYS_STYLES; style++) {
        for (size_t count = 2; count <= MERGE_INPUTS_MAX; count++) {
            size_t size = sizes[count % 5], step = random_below(&seed, 3000);
            check_merge(style, MERGE_KEEP_ALL, count, size, step, seed);
            check_merge(style, MERGE_KEEP_NEWEST, count, size, step, seed);
        }
    }
}

static void the_largest_pair_is_a_pair_like_others(void **state)
{
    (void)state;
    Inputs inputs = {.memory = io_memory_new()};
    for (size_t i = 0; i < 3; i++) {
        PairList list = {calloc(3, sizeof(IndexPair)), 2};
        list.items[0] = (IndexPair){i, i};
        list.items[1] = (IndexPair){UINT64_MAX, i == 1 ? UINT64_MAX : i};
        inputs_add(&inputs, list);
    }
    runs_pairs_sort(inputs.all);
    assert_int_equal(merge_all(&inputs, MERGE_KEEP_ALL, 1), STATUS_OK);
    Run *merged = runs_open(io_memory_io(inputs.memory), PATH_OUT);
    runs_check_equal(merged, inputs.all);
    run_drop(merged);
    assert_int_equal(merge_all(&inputs, MERGE_KEEP_NEWEST, 100), STATUS_OK);
    keep_newest(&inputs.all);
    merged = runs_open(io_memory_io(inputs.memory), PATH_OUT);
    runs_check_equal(merged, inputs.all);
    run_drop(merged);
    inputs_free(&inputs);
}

/* The same pair in two inputs: what a crash between two publications could leave. */
static void equal_pairs_become_one(void **state)
{
    (void)state;
    uint64_t seed = 2, same_seed = 2;
    Inputs inputs = {.memory = io_memory_new()};
    inputs_add(&inputs, runs_pairs(KEYS_HASHED, 700, 1, &seed));
    inputs_add(&inputs, runs_pairs(KEYS_HASHED, 700, 1, &same_seed));
    assert_int_equal(merge_all(&inputs, MERGE_KEEP_ALL, 100), STATUS_OK);
    Run *merged = runs_open(io_memory_io(inputs.memory), PATH_OUT);
    runs_check_equal(merged, (PairList){inputs.all.items, 700});
    run_drop(merged);
    inputs_free(&inputs);
}

static void a_merge_keeps_its_inputs(void **state)
{
    (void)state;
    uint64_t seed = 3;
    Inputs inputs = inputs_new(KEYS_HASHED, 4, 9000, &seed);
    RunStamp stamp = runs_stamp();
    Merge *merge = NULL;
    assert_int_equal(merge_open(io_memory_io(inputs.memory), inputs.runs, inputs.count, MERGE_KEEP_ALL, PATH_OUT,
                                &stamp, 9, &merge, NULL),
                     STATUS_OK);
    for (size_t i = 0; i < inputs.count; i++) {
        run_drop(inputs.runs[i]);
        inputs.runs[i] = NULL;
    }
    bool done = false;
    while (!done) {
        assert_int_equal(merge_step(merge, 1000, &done, NULL), STATUS_OK);
    }
    merge_free(merge);
    Run *merged = runs_open(io_memory_io(inputs.memory), PATH_OUT);
    runs_check_equal(merged, inputs.all);
    run_drop(merged);
    inputs_free(&inputs);
}

static void an_unfinished_merge_leaves_no_run(void **state)
{
    (void)state;
    uint64_t seed = 4;
    Inputs inputs = inputs_new(KEYS_HASHED, 4, 40000, &seed);
    RunStamp stamp = runs_stamp();
    Merge *merge = NULL;
    assert_int_equal(merge_open(io_memory_io(inputs.memory), inputs.runs, inputs.count, MERGE_KEEP_ALL, PATH_OUT,
                                &stamp, 9, &merge, NULL),
                     STATUS_OK);
    bool done = true;
    assert_int_equal(merge_step(merge, inputs.all.count / 2, &done, NULL), STATUS_OK);
    assert_false(done);
    merge_free(merge);
    Run *run = NULL;
    assert_int_equal(run_open(io_memory_io(inputs.memory), PATH_OUT, &stamp, &run, NULL), STATUS_REFUSED);
    inputs_free(&inputs);
}

static void every_fault_ends_the_merge(void **state)
{
    (void)state;
    uint64_t seed = 5;
    Inputs inputs = inputs_new(KEYS_HASHED, 3, 30000, &seed);
    uint64_t faults = 0;
    for (Status status = STATUS_BUSY; status != STATUS_OK; faults++) {
        io_memory_fail(inputs.memory, IO_MEMORY_ANY, faults + 1, STATUS_BROKEN);
        status = merge_all(&inputs, MERGE_KEEP_ALL, 10000);
        io_memory_fail(inputs.memory, 0, 0, STATUS_OK);
        assert_true(status == STATUS_OK || status == STATUS_BROKEN);
    }
    assert_true(faults > 15);
    inputs_free(&inputs);
}

static void a_damaged_input_ends_the_merge(void **state)
{
    (void)state;
    uint64_t seed = 6;
    Inputs inputs = inputs_new(KEYS_HASHED, 3, 30000, &seed);
    uint8_t *bytes;
    size_t count;
    assert_true(io_memory_peek(inputs.memory, "dir/1", &bytes, &count));
    bytes[count / 2] ^= 1;
    assert_int_equal(merge_all(&inputs, MERGE_KEEP_ALL, 10000), STATUS_BROKEN);
    inputs_free(&inputs);
}

/* Two pairs changed places and the checksum fits again: no disk does that, but a merge must not write nonsense. */
static void an_input_out_of_order_ends_the_merge(void **state)
{
    (void)state;
    uint64_t seed = 7;
    Inputs inputs = inputs_new(KEYS_HASHED, 3, 30000, &seed);
    uint8_t *bytes;
    size_t count;
    assert_true(io_memory_peek(inputs.memory, "dir/1", &bytes, &count));
    RunHeader header;
    RunBlock block;
    memcpy(&header, bytes, sizeof header);
    memcpy(&block, bytes + sizeof header, sizeof block);
    IndexPair pair = block.pairs[7];
    block.pairs[7] = block.pairs[8];
    block.pairs[8] = pair;
    block.checksum = run_block_checksum(&block, run_header_checksum(&header), 0);
    memcpy(bytes + sizeof header, &block, sizeof block);
    assert_int_equal(merge_all(&inputs, MERGE_KEEP_ALL, 10000), STATUS_BROKEN);
    inputs_free(&inputs);
}

/* ---- Choosing ---------------------------------------------------------------------------------------------------- */

/* The life of an index: sizes of its runs from oldest to newest, and how much was rewritten. */
typedef struct Life {
    uint64_t sizes[4096];
    size_t count, count_max;
    uint64_t pairs, rewritten;
    size_t merges;
} Life;

static void life_settle(Life *life, size_t fanout)
{
    size_t first, count;
    while (merge_choose(life->sizes, life->count, fanout, &first, &count)) {
        assert_in_range(count, 2, MERGE_INPUTS_MAX);
        assert_true(first + count <= life->count);
        for (size_t i = 1; i < count; i++) {
            life->sizes[first] += life->sizes[first + i];
        }
        life->rewritten += life->sizes[first];
        life->merges++;
        memmove(&life->sizes[first + 1], &life->sizes[first + count],
                (life->count - first - count) * sizeof life->sizes[0]);
        life->count -= count - 1;
    }
}

static void life_flush(Life *life, uint64_t size, size_t fanout)
{
    life->sizes[life->count++] = size;
    life->pairs += size;
    life_settle(life, fanout);
    life->count_max = life->count > life->count_max ? life->count : life->count_max;
}

typedef enum Flushes { FLUSHES_EQUAL, FLUSHES_RANDOM, FLUSHES_MOSTLY_TINY, FLUSHES_GROWING, FLUSHES_RULER } Flushes;

static uint64_t flush_size(Flushes flushes, size_t i, uint64_t *seed)
{
    switch (flushes) {
    case FLUSHES_RANDOM: return 1 + random_below(seed, 65536);
    case FLUSHES_MOSTLY_TINY: return random_below(seed, 20) ? 1 + random_below(seed, 3) : 65536;
    case FLUSHES_GROWING: return 1 + i * 500;
    case FLUSHES_RULER: return UINT64_C(8192) << (2 * ((unsigned)__builtin_ctzll(i + 1) % 7));
    case FLUSHES_EQUAL: break;
    }
    return 65536;
}

static void runs_stay_few_and_rewriting_cheap(void **state)
{
    (void)state;
    for (Flushes flushes = FLUSHES_EQUAL; flushes <= FLUSHES_RULER; flushes++) {
        for (size_t fanout = 2; fanout <= 8; fanout *= 2) {
            static Life life;
            life = (Life){0};
            uint64_t seed = 7;
            for (size_t i = 0; i < 1000; i++) {
                life_flush(&life, flush_size(flushes, i, &seed), fanout);
            }
            uint64_t tiers = 1;
            for (uint64_t size = life.pairs / 8192; size > 0; size /= fanout) {
                tiers++;
            }
            print_message("# flushes %d fanout %zu: %zu runs at most, each pair written %.2f times, %zu merges\n",
                          (int)flushes, fanout, life.count_max, 1 + (double)life.rewritten / (double)life.pairs,
                          life.merges);
            assert_true(life.count_max <= tiers * (fanout - 1));
            assert_true(life.rewritten <= life.pairs * tiers * (flushes == FLUSHES_EQUAL ? 1 : 2));
        }
    }
}

/* Merging waited, as it does while a large one goes on: what piled up is caught up with. */
static void a_backlog_is_caught_up_with(void **state)
{
    (void)state;
    static Life life;
    life = (Life){0};
    uint64_t seed = 8;
    for (size_t i = 0; i < 500; i++) {
        life.sizes[life.count++] = 1 + random_below(&seed, 65536);
        life.pairs += life.sizes[i];
    }
    life_settle(&life, 4);
    assert_true(life.count <= 12);
    assert_true(life.rewritten <= life.pairs * 6);
}

static void a_few_runs_are_left_alone(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1 << 24, 1 << 22, 1 << 20, 1 << 18, 1 << 16, 1 << 14, 100};
    size_t first, count;
    assert_false(merge_choose(sizes, 0, 4, &first, &count));
    assert_false(merge_choose(sizes, 7, 4, &first, &count));
    static const uint64_t full[] = {1 << 24, 65536, 65536, 65536, 65536};
    assert_true(merge_choose(full, 5, 4, &first, &count));
    assert_int_equal(first, 1);
    assert_int_equal(count, 4);
    /* Two tiers that are due are merged in one go. */
    static const uint64_t cascade[] = {1 << 24, 1 << 18, 1 << 18, 1 << 18, 65536, 65536, 65536, 65536};
    assert_true(merge_choose(cascade, 8, 4, &first, &count));
    assert_int_equal(first, 1);
    assert_int_equal(count, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merge_is_everything_in_order),
        cmocka_unit_test(the_largest_pair_is_a_pair_like_others),
        cmocka_unit_test(equal_pairs_become_one),
        cmocka_unit_test(a_merge_keeps_its_inputs),
        cmocka_unit_test(an_unfinished_merge_leaves_no_run),
        cmocka_unit_test(every_fault_ends_the_merge),
        cmocka_unit_test(a_damaged_input_ends_the_merge),
        cmocka_unit_test(an_input_out_of_order_ends_the_merge),
        cmocka_unit_test(runs_stay_few_and_rewriting_cheap),
        cmocka_unit_test(a_backlog_is_caught_up_with),
        cmocka_unit_test(a_few_runs_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
