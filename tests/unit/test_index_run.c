/* Runs against a plain sorted array: what they answer, what they refuse, and that damage is never answered wrongly. */
#include "store/index/run_format.h"
#include "support/io_memory.h"
#include "support/random.h"
#include "support/runs.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

enum { FIND_MAX = 4, VICTIM_PAIRS = 600 };
#define PATH "dir/run"

/* ---- The model --------------------------------------------------------------------------------------------------- */

static void check_find(const Run *run, PairList list, uint64_t key, size_t max)
{
    size_t end = runs_pairs_position(list, (IndexPair){key, UINT64_MAX});
    size_t begin = runs_pairs_position(list, (IndexPair){key, 0});
    size_t expected = end - begin < max ? end - begin : max;
    uint64_t values[FIND_MAX];
    size_t count = 99;
    bool more = false;
    assert_int_equal(run_find(run, key, values, max, &count, &more, NULL), STATUS_OK);
    assert_int_equal(count, expected);
    assert_int_equal(more, end - begin > max);
    for (size_t i = 0; i < expected; i++) {
        assert_int_equal(values[i], list.items[end - 1 - i].value);
    }
}

static void check_estimate(const Run *run, PairList list, IndexPair from, IndexPair to)
{
    size_t begin = runs_pairs_position(list, from), end = runs_pairs_position(list, to);
    uint64_t truth = end > begin ? end - begin : 0;
    uint64_t estimate = run_estimate(run, from, to);
    assert_true(estimate >= truth);
    assert_true(estimate <= truth + 2 * (uint64_t)RUN_BLOCK_PAIRS);
    assert_true(estimate <= list.count);
}

/* Walks `steps` pairs from a place. */
static void check_walk(Run *run, PairList list, IndexPair from, bool backwards, size_t steps)
{
    RunCursor cursor;
    assert_int_equal(run_cursor_init(&cursor, run, from, backwards, NULL), STATUS_OK);
    size_t at = runs_pairs_position(list, from);
    bool on_it = at < list.count && !index_pair_before(from, list.items[at]);
    at += backwards && on_it;
    for (; steps > 0; steps--) {
        IndexPair pair;
        bool found = false;
        assert_int_equal(run_cursor_next(&cursor, &pair, &found, NULL), STATUS_OK);
        assert_int_equal(found, backwards ? at > 0 : at < list.count);
        if (!found) {
            break;
        }
        size_t here = backwards ? --at : at++;
        assert_int_equal(pair.key, list.items[here].key);
        assert_int_equal(pair.value, list.items[here].value);
    }
    run_cursor_release(&cursor);
}

/* A place near a pair of the list, on it, or anywhere. */
static IndexPair some_place(PairList list, KeyStyle style, uint64_t *seed)
{
    IndexPair place = {runs_key(style, seed), random_below(seed, list.count + 2)};
    if (list.count > 0 && random_below(seed, 4) > 0) {
        place = list.items[random_below(seed, list.count)];
        place.value += random_below(seed, 3) - 1;
    }
    return place;
}

static void check_run(KeyStyle style, size_t count, unsigned filter_bits, uint64_t seed)
{
    IoMemory *memory = io_memory_new();
    PairList list = runs_pairs(style, count, 1, &seed);
    runs_write(io_memory_io(memory), PATH, list, count, filter_bits);
    Run *run = runs_open(io_memory_io(memory), PATH);
    runs_check_equal(run, list);
    for (unsigned i = 0; i < 200; i++) {
        IndexPair from = some_place(list, style, &seed), to = some_place(list, style, &seed);
        check_find(run, list, from.key, random_below(&seed, FIND_MAX + 1));
        check_find(run, list, from.key + 1, 1);
        check_estimate(run, list, from, to);
        check_walk(run, list, from, i % 2, 1 + random_below(&seed, 600));
    }
    check_walk(run, list, (IndexPair){UINT64_MAX, UINT64_MAX}, true, count + 1);
    check_estimate(run, list, (IndexPair){0, 0}, (IndexPair){UINT64_MAX, UINT64_MAX});
    run_drop(run);
    runs_pairs_free(list);
    io_memory_free(memory);
}

static void runs_answer_as_a_sorted_array_does(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 254, 255, 256, 510, 511, 2000, 16320, 16321, 30000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (KeyStyle style = 0; style < KEYS_STYLES; style++) {
            check_run(style, counts[i], 0, 100 + i);
            check_run(style, counts[i], 9, 200 + i);
        }
    }
}

static void the_ends_of_the_key_space_are_keys_like_others(void **state)
{
    (void)state;
    IndexPair pairs[] = {{0, 0}, {0, 1}, {0, UINT64_MAX}, {UINT64_MAX, 0}, {UINT64_MAX, UINT64_MAX}};
    PairList list = {pairs, 5};
    IoMemory *memory = io_memory_new();
    runs_write(io_memory_io(memory), PATH, list, 5, 10);
    Run *run = runs_open(io_memory_io(memory), PATH);
    runs_check_equal(run, list);
    uint64_t values[FIND_MAX];
    size_t count;
    bool more;
    assert_int_equal(run_find(run, 0, values, FIND_MAX, &count, &more, NULL), STATUS_OK);
    assert_int_equal(count, 3);
    assert_int_equal(run_find(run, UINT64_MAX, values, FIND_MAX, &count, &more, NULL), STATUS_OK);
    assert_int_equal(count, 2);
    assert_int_equal(values[0], UINT64_MAX);
    assert_int_equal(run_find(run, 1, values, FIND_MAX, &count, &more, NULL), STATUS_OK);
    assert_int_equal(count, 0);
    for (unsigned i = 0; i < 5; i++) {
        check_walk(run, list, pairs[i], true, 6);
        check_walk(run, list, pairs[i], false, 6);
    }
    run_drop(run);
    io_memory_free(memory);
}

/* ---- Cost -------------------------------------------------------------------------------------------------------- */

/* So many hashed keys, evenly spread and in order. */
static PairList spread_pairs(size_t count, uint64_t *seed)
{
    PairList list = {.items = calloc(count, sizeof *list.items), .count = count};
    assert_non_null(list.items);
    uint64_t width = UINT64_MAX / count;
    for (size_t i = 0; i < count; i++) {
        list.items[i] = (IndexPair){i * width + random_below(seed, width), i + 1};
    }
    return list;
}

/* Blocks read per million finds of keys that are there, or of any others. */
static uint64_t reads_per_million(IoMemory *memory, const Run *run, PairList list, bool there, uint64_t *seed)
{
    enum { FINDS = 100000 };
    uint64_t before = io_memory_calls(memory, IO_MEMORY_READ);
    for (unsigned i = 0; i < FINDS; i++) {
        uint64_t key = there ? list.items[random_below(seed, list.count)].key : random_next(seed);
        run_prefetch(run, key);
        check_find(run, list, key, 2);
    }
    return (io_memory_calls(memory, IO_MEMORY_READ) - before) * 1000000 / FINDS;
}

/* The bounds below leave none of them room for a filter that is not there, or that lets nothing pass. */
static void check_cost(size_t pairs, uint64_t misses_min, uint64_t misses_max, size_t memory_max)
{
    uint64_t seed = 3;
    IoMemory *memory = io_memory_new();
    PairList list = spread_pairs(pairs, &seed);
    runs_write(io_memory_io(memory), PATH, list, pairs, 9);
    Run *run = runs_open(io_memory_io(memory), PATH);
    assert_in_range(run_memory_bytes(run), pairs, memory_max);
    assert_in_range(reads_per_million(memory, run, list, true, &seed), 1000000, 1006000);
    assert_in_range(reads_per_million(memory, run, list, false, &seed), misses_min, misses_max);
    run_drop(run);
    runs_pairs_free(list);
    io_memory_free(memory);
}

static void a_hit_reads_one_block_and_a_miss_almost_none(void **state)
{
    (void)state;
    check_cost(100000, 500, 2500, 200000);      /* 15 bits a pair */
    check_cost(2200000, 10000, 20000, 2640000); /* 9 bits a pair: 1.2 bytes in all */
}

static void a_filter_fits_what_was_written_and_not_what_was_announced(void **state)
{
    (void)state;
    uint64_t seed = 4;
    static const uint64_t announced[] = {0, 100, 5000, 10000, 20000, 33000, 65000, 1000000};
    PairList list = runs_pairs(KEYS_HASHED, 5000, 1, &seed);
    for (size_t i = 0; i < sizeof announced / sizeof *announced; i++) {
        IoMemory *memory = io_memory_new();
        runs_write(io_memory_io(memory), PATH, list, announced[i], 9);
        Run *run = runs_open(io_memory_io(memory), PATH);
        if (announced[i] <= 60000) {
            assert_true(run_memory_bytes(run) < 2 * 5000 * 15 / 8 + 2000);
        }
        for (size_t j = 0; j < list.count; j++) {
            check_find(run, list, list.items[j].key, 1);
        }
        run_drop(run);
        io_memory_free(memory);
    }
    runs_pairs_free(list);
}

/* ---- Damage ------------------------------------------------------------------------------------------------------ */

/* A run of two full blocks and a part of one with its bytes, to be damaged. */
typedef struct Victim {
    IoMemory *memory;
    PairList list;
    uint8_t *bytes; /* a copy of the sound file; owns */
    size_t count;
} Victim;

static Victim victim_new(void)
{
    Victim victim = {.memory = io_memory_new()};
    uint64_t seed = 5;
    victim.list = runs_pairs(KEYS_HASHED, VICTIM_PAIRS, 1, &seed);
    runs_write(io_memory_io(victim.memory), PATH, victim.list, VICTIM_PAIRS, 9);
    uint8_t *bytes;
    assert_true(io_memory_peek(victim.memory, PATH, &bytes, &victim.count));
    victim.bytes = malloc(victim.count + 1);
    assert_non_null(victim.bytes);
    memcpy(victim.bytes, bytes, victim.count);
    return victim;
}

static void victim_free(Victim *victim)
{
    runs_pairs_free(victim->list);
    free(victim->bytes);
    io_memory_free(victim->memory);
}

/* Right or BROKEN; true when it was BROKEN. */
static bool find_is_broken(const Run *run, PairList list, size_t i)
{
    uint64_t values[FIND_MAX];
    size_t count;
    bool more;
    Error err = {0};
    Status status = run_find(run, list.items[i].key, values, FIND_MAX, &count, &more, &err);
    if (status == STATUS_OK) {
        assert_int_equal(count, 1);
        assert_int_equal(values[0], list.items[i].value);
        return false;
    }
    assert_int_equal(status, STATUS_BROKEN);
    assert_non_null(strstr(err.message, PATH));
    assert_non_null(strstr(err.message, "block"));
    return true;
}

static void check_damage(Victim *victim, size_t bytes)
{
    io_memory_place(victim->memory, PATH, victim->bytes, bytes);
    RunStamp stamp = runs_stamp();
    Run *run = NULL;
    Error err = {0};
    Status status = run_open(io_memory_io(victim->memory), PATH, &stamp, &run, &err);
    if (status != STATUS_OK) {
        assert_int_equal(status, STATUS_REFUSED);
        assert_null(run);
        assert_true(err.message[0] != '\0');
        return;
    }
    /* A pair of each block. */
    bool broken = find_is_broken(run, victim->list, 0);
    broken |= find_is_broken(run, victim->list, 300);
    broken |= find_is_broken(run, victim->list, VICTIM_PAIRS - 1);
    assert_true(broken);
    run_drop(run);
}

static void every_flipped_byte_is_noticed(void **state)
{
    (void)state;
    Victim victim = victim_new();
    uint64_t seed = 6;
    for (size_t i = 0; i < victim.count; i++) {
        uint8_t flip = (uint8_t)(1 + random_below(&seed, 255));
        victim.bytes[i] ^= flip;
        check_damage(&victim, victim.count);
        victim.bytes[i] ^= flip;
    }
    victim_free(&victim);
}

static void every_other_length_is_refused(void **state)
{
    (void)state;
    Victim victim = victim_new();
    victim.bytes[victim.count] = 0;
    for (size_t length = 0; length <= victim.count + 1; length++) {
        if (length != victim.count) {
            io_memory_place(victim.memory, PATH, victim.bytes, length);
            RunStamp stamp = runs_stamp();
            Run *run = NULL;
            assert_int_equal(run_open(io_memory_io(victim.memory), PATH, &stamp, &run, NULL), STATUS_REFUSED);
        }
    }
    victim_free(&victim);
}

static void blocks_that_changed_places_are_noticed(void **state)
{
    (void)state;
    Victim victim = victim_new();
    uint8_t block[RUN_BLOCK_BYTES];
    memcpy(block, victim.bytes + RUN_BLOCK_BYTES, sizeof block);
    memcpy(victim.bytes + (size_t)2 * RUN_BLOCK_BYTES, block, sizeof block);
    check_damage(&victim, victim.count);
    victim_free(&victim);
}

/* The same pairs at the same place, but written for another history. */
static void a_block_of_another_run_is_noticed(void **state)
{
    (void)state;
    Victim victim = victim_new();
    RunStamp stamp = runs_stamp();
    stamp.row_hash++;
    RunWriter *writer = NULL;
    assert_int_equal(run_writer_open(io_memory_io(victim.memory), "dir/other", &stamp, VICTIM_PAIRS, 9, &writer, NULL),
                     STATUS_OK);
    assert_int_equal(run_writer_add(writer, victim.list.items, VICTIM_PAIRS, NULL), STATUS_OK);
    assert_int_equal(run_writer_finish(writer, NULL), STATUS_OK);
    uint8_t *other;
    size_t count;
    assert_true(io_memory_peek(victim.memory, "dir/other", &other, &count));
    assert_int_equal(count, victim.count);
    memcpy(victim.bytes + RUN_BLOCK_BYTES, other + RUN_BLOCK_BYTES, RUN_BLOCK_BYTES);
    check_damage(&victim, victim.count);
    victim_free(&victim);
}

static void another_version_of_the_format_is_refused(void **state)
{
    (void)state;
    Victim victim = victim_new();
    RunHeader header;
    RunFooter footer;
    uint8_t *place = victim.bytes + victim.count - sizeof footer;
    memcpy(&header, victim.bytes, sizeof header);
    memcpy(&footer, place, sizeof footer);
    header.version = RUN_VERSION + 1;
    footer.header_checksum = run_header_checksum(&header);
    footer.checksum = run_footer_checksum(&footer);
    memcpy(victim.bytes, &header, sizeof header);
    memcpy(place, &footer, sizeof footer);
    io_memory_place(victim.memory, PATH, victim.bytes, victim.count);
    RunStamp stamp = runs_stamp();
    Run *run = NULL;
    Error err = {0};
    assert_int_equal(run_open(io_memory_io(victim.memory), PATH, &stamp, &run, &err), STATUS_REFUSED);
    assert_non_null(strstr(err.message, "version 3"));
    victim_free(&victim);
}

/* A file of ours whose sizes are lies but whose checksums are right: somebody made it. */
static void check_lie(Victim *victim, size_t member, uint64_t lie)
{
    RunFooter footer;
    uint8_t sound[sizeof footer], *place = victim->bytes + victim->count - sizeof footer;
    memcpy(sound, place, sizeof footer);
    memcpy(&footer, place, sizeof footer);
    memcpy((uint8_t *)&footer + member, &lie, sizeof lie);
    footer.checksum = run_footer_checksum(&footer);
    memcpy(place, &footer, sizeof footer);
    check_damage(victim, victim->count);
    memcpy(place, sound, sizeof footer);
}

static void sizes_that_lie_are_refused(void **state)
{
    (void)state;
    Victim victim = victim_new();
    static const size_t members[] = {offsetof(RunFooter, entries), offsetof(RunFooter, blocks),
                                     offsetof(RunFooter, filter_lines), offsetof(RunFooter, filter_probes)};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        uint64_t truth;
        memcpy(&truth, victim.bytes + victim.count - sizeof(RunFooter) + members[i], sizeof truth);
        /* The last ones are chosen so that a product with the size of a block or of a line overflows to the truth. */
        const uint64_t lies[] = {0,
                                 truth - 1,
                                 truth + 1,
                                 truth + RUN_BLOCK_PAIRS,
                                 UINT32_MAX,
                                 UINT64_MAX,
                                 INT64_MAX,
                                 truth + (UINT64_C(1) << 58),
                                 truth + (UINT64_C(1) << 60)};
        for (size_t j = 0; j < sizeof lies / sizeof *lies; j++) {
            check_lie(&victim, members[i], lies[j]);
        }
    }
    victim_free(&victim);
}

static void a_run_from_elsewhere_is_refused(void **state)
{
    (void)state;
    Victim victim = victim_new();
    RunStamp stamps[6];
    for (size_t i = 0; i < 6; i++) {
        stamps[i] = runs_stamp();
    }
    stamps[0].store_id[15] ^= 1;
    stamps[1].epoch++;
    stamps[2].index++;
    stamps[3].first_seq++;
    stamps[4].last_seq--;
    stamps[5].row_hash ^= UINT64_C(1) << 63;
    for (size_t i = 0; i < 6; i++) {
        Run *run = NULL;
        assert_int_equal(run_open(io_memory_io(victim.memory), PATH, &stamps[i], &run, NULL), STATUS_REFUSED);
    }
    Run *run = NULL;
    RunStamp stamp = runs_stamp();
    assert_int_equal(run_open(io_memory_io(victim.memory), "dir/none", &stamp, &run, NULL), STATUS_REFUSED);
    victim_free(&victim);
}

/* ---- Faults ------------------------------------------------------------------------------------------------------ */

static Status write_run(const Io *io, PairList list)
{
    RunStamp stamp = runs_stamp();
    RunWriter *writer = NULL;
    Status status = run_writer_open(io, PATH, &stamp, list.count, 9, &writer, NULL);
    if (status != STATUS_OK) {
        assert_null(writer);
        return status;
    }
    status = run_writer_add(writer, list.items, list.count, NULL);
    if (status != STATUS_OK) {
        run_writer_abandon(writer);
        return status;
    }
    return run_writer_finish(writer, NULL);
}

/* Each call in turn fails; what is left on the disk is never taken for a run. */
static void a_fault_while_writing_leaves_no_run(void **state)
{
    (void)state;
    uint64_t seed = 7;
    PairList list = runs_pairs(KEYS_HASHED, 40000, 1, &seed);
    RunStamp stamp = runs_stamp();
    uint64_t faults = 0;
    for (Status status = STATUS_BUSY;; faults++) {
        IoMemory *memory = io_memory_new();
        Run *run = NULL;
        io_memory_fail(memory, IO_MEMORY_ANY, faults + 1, faults % 2 ? STATUS_BUSY : STATUS_BROKEN);
        status = write_run(io_memory_io(memory), list);
        io_memory_fail(memory, 0, 0, STATUS_OK);
        if (status != STATUS_OK) {
            assert_int_equal(status, faults % 2 ? STATUS_BUSY : STATUS_BROKEN);
            io_memory_crash(memory, faults);
            assert_int_equal(run_open(io_memory_io(memory), PATH, &stamp, &run, NULL), STATUS_REFUSED);
        }
        io_memory_free(memory);
        if (status == STATUS_OK) {
            break;
        }
    }
    assert_true(faults >= 8); /* create, header, three buffers, two of sparse, filter, footer, sync */
    runs_pairs_free(list);
}

static void a_full_disk_is_busy(void **state)
{
    (void)state;
    uint64_t seed = 8;
    PairList list = runs_pairs(KEYS_HASHED, 40000, 1, &seed);
    for (uint64_t bytes = 0; bytes < 600000; bytes += 50000) {
        IoMemory *memory = io_memory_new();
        io_memory_limit(memory, bytes);
        assert_int_equal(write_run(io_memory_io(memory), list), STATUS_BUSY);
        io_memory_free(memory);
    }
    runs_pairs_free(list);
}

static void a_run_that_was_synced_survives_a_crash(void **state)
{
    (void)state;
    uint64_t seed = 9;
    PairList list = runs_pairs(KEYS_HASHED, 1000, 1, &seed);
    IoMemory *memory = io_memory_new();
    assert_int_equal(write_run(io_memory_io(memory), list), STATUS_OK);
    assert_int_equal(io_memory_io(memory)->sync_dir(memory, "dir", NULL), STATUS_OK);
    io_memory_crash(memory, seed);
    Run *run = runs_open(io_memory_io(memory), PATH);
    runs_check_equal(run, list);
    run_drop(run);
    io_memory_free(memory);
    runs_pairs_free(list);
}

static void a_fault_while_opening_is_told(void **state)
{
    (void)state;
    Victim victim = victim_new();
    RunStamp stamp = runs_stamp();
    Run *run = NULL;
    for (uint64_t nth = 1; nth <= 6; nth++) {
        io_memory_fail(victim.memory, IO_MEMORY_OPEN | IO_MEMORY_READ, nth, STATUS_BROKEN);
        assert_int_equal(run_open(io_memory_io(victim.memory), PATH, &stamp, &run, NULL), STATUS_BROKEN);
        assert_null(run);
    }
    io_memory_fail(victim.memory, 0, 0, STATUS_OK);
    victim_free(&victim);
}

/* A fault in reading, and a file that was cut behind an open run's back: BROKEN, and the next try may succeed. */
static void a_fault_while_reading_is_broken(void **state)
{
    (void)state;
    Victim victim = victim_new();
    Run *run = runs_open(io_memory_io(victim.memory), PATH);
    static const Status statuses[] = {STATUS_BROKEN, STATUS_REFUSED};
    for (size_t i = 0; i < 2; i++) {
        io_memory_fail(victim.memory, IO_MEMORY_READ, 1, statuses[i]);
        assert_true(find_is_broken(run, victim.list, 0));
        assert_false(find_is_broken(run, victim.list, 0));
        RunCursor cursor;
        IndexPair pair;
        bool found;
        io_memory_fail(victim.memory, IO_MEMORY_READ, 1, statuses[i]);
        assert_int_equal(run_cursor_init(&cursor, run, victim.list.items[9], i, NULL), STATUS_BROKEN);
        assert_int_equal(run_cursor_init(&cursor, run, victim.list.items[i ? 256 : 254], i, NULL), STATUS_OK);
        assert_int_equal(run_cursor_next(&cursor, &pair, &found, NULL), STATUS_OK);
        assert_int_equal(i ? run_cursor_next(&cursor, &pair, &found, NULL) : STATUS_OK, STATUS_OK);
        io_memory_fail(victim.memory, IO_MEMORY_READ, 1, statuses[i]);
        assert_int_equal(run_cursor_next(&cursor, &pair, &found, NULL), STATUS_BROKEN);
        assert_int_equal(run_cursor_next(&cursor, &pair, &found, NULL), STATUS_OK);
        assert_int_equal(pair.value, victim.list.items[i ? 254 : 255].value);
        run_cursor_release(&cursor);
    }
    run_drop(run);
    victim_free(&victim);
}

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

typedef struct Reader {
    Run *run;
    PairList list;
    uint64_t seed;
    size_t right;
} Reader;

enum { READER_STEPS = 3000, READERS = 3 };

static void *read_at_random(void *argument)
{
    Reader *reader = argument;
    for (unsigned i = 0; i < READER_STEPS; i++) {
        const IndexPair *pair = &reader->list.items[random_below(&reader->seed, reader->list.count)];
        Run *run = run_keep(reader->run);
        uint64_t value = 0;
        size_t count = 0;
        bool more = false;
        Status status = run_find(run, pair->key, &value, 1, &count, &more, NULL);
        reader->right += status == STATUS_OK && count == 1 && value == pair->value;
        run_drop(run);
    }
    run_drop(reader->run);
    return NULL;
}

static void many_threads_read_one_run(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-test-run-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    uint64_t seed = 10;
    PairList list = runs_pairs(KEYS_HASHED, 20000, 1, &seed);
    runs_write(&io_system, path, list, list.count, 9);
    Run *run = runs_open(&io_system, path);
    unlink(path);
    pthread_t threads[READERS];
    Reader readers[READERS];
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (Reader){.run = run_keep(run), .list = list, .seed = i};
        assert_int_equal(pthread_create(&threads[i], NULL, read_at_random, &readers[i]), 0);
    }
    run_drop(run); /* the last reader closes it */
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(readers[i].right, READER_STEPS);
    }
    runs_pairs_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_answer_as_a_sorted_array_does),
        cmocka_unit_test(the_ends_of_the_key_space_are_keys_like_others),
        cmocka_unit_test(a_hit_reads_one_block_and_a_miss_almost_none),
        cmocka_unit_test(a_filter_fits_what_was_written_and_not_what_was_announced),
        cmocka_unit_test(every_flipped_byte_is_noticed),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(blocks_that_changed_places_are_noticed),
        cmocka_unit_test(a_block_of_another_run_is_noticed),
        cmocka_unit_test(another_version_of_the_format_is_refused),
        cmocka_unit_test(sizes_that_lie_are_refused),
        cmocka_unit_test(a_run_from_elsewhere_is_refused),
        cmocka_unit_test(a_fault_while_writing_leaves_no_run),
        cmocka_unit_test(a_full_disk_is_busy),
        cmocka_unit_test(a_run_that_was_synced_survives_a_crash),
        cmocka_unit_test(a_fault_while_opening_is_told),
        cmocka_unit_test(a_fault_while_reading_is_broken),
        cmocka_unit_test(many_threads_read_one_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
