/* Run files that somebody damaged or made up (run_damage.h): whatever the bytes, opening, finding, walking and merging
 * end, and stay within memory; and as long as no checksum was made to fit again, an answer is either right or an
 * error. */
#include "run_damage.h"

#include "store/index/merge.h"

#define PATH_SOUND  "sound"
#define PATH_INPUT  "input"
#define PATH_MERGED "merged"

enum { PAIRS = 600, KEYS_EVERY = 3, FIND_MAX = 4, STEPS_MAX = 2000 };

static const RunStamp stamp = {.store_id = {1}, .epoch = 1, .last_seq = PAIRS};

/* Three equal keys in a row, spread over all 64 bits. */
static IndexPair sound_pair(size_t i)
{
    return (IndexPair){i / KEYS_EVERY * (UINT64_MAX / (PAIRS / KEYS_EVERY)), i + 1};
}

static void write_sound(const Io *io)
{
    RunWriter *writer;
    IndexPair pairs[PAIRS];
    for (size_t i = 0; i < PAIRS; i++) {
        pairs[i] = sound_pair(i);
    }
    Error err;
    bool fine = run_writer_open(io, PATH_SOUND, &stamp, PAIRS, 8, &writer, &err) == STATUS_OK &&
                run_writer_add(writer, pairs, PAIRS, &err) == STATUS_OK && run_writer_finish(writer, &err) == STATUS_OK;
    PROMISE(fine);
}

static void check_find(const Run *run, uint64_t key, bool must_be_right)
{
    uint64_t values[FIND_MAX];
    size_t count = 0;
    bool more = false;
    Error err;
    run_prefetch(run, key);
    Status status = run_find(run, key, values, FIND_MAX, &count, &more, &err);
    PROMISE(status == STATUS_OK || status == STATUS_BROKEN);
    if (status == STATUS_OK && must_be_right) {
        size_t first = key / (UINT64_MAX / (PAIRS / KEYS_EVERY)) * KEYS_EVERY;
        bool there = first < PAIRS && sound_pair(first).key == key;
        PROMISE(count == (there ? KEYS_EVERY : 0) && !more);
        for (size_t i = 0; i < count; i++) {
            PROMISE(values[i] == first + KEYS_EVERY - i);
        }
    }
}

static void check_walk(Run *run, IndexPair from, bool backwards, bool must_be_right)
{
    RunCursor cursor;
    Error err;
    if (run_cursor_init(&cursor, run, from, backwards, &err) != STATUS_OK) {
        return;
    }
    bool found = true;
    for (unsigned i = 0; found && i < STEPS_MAX; i++) {
        IndexPair pair;
        if (run_cursor_next(&cursor, &pair, &found, &err) != STATUS_OK) {
            break;
        }
        PROMISE(!found || !must_be_right || sound_pair(pair.value - 1).key == pair.key);
    }
    run_cursor_release(&cursor);
}

static void check_merge(const Io *io, Run *run, Run *sound)
{
    Run *const inputs[] = {sound, run, run};
    Merge *merge = NULL;
    Error err;
    bool done = false;
    Status status = merge_open(io, inputs, 3, MERGE_KEEP_ALL, PATH_MERGED, &stamp, 9, &merge, &err);
    while (status == STATUS_OK && !done) {
        status = merge_step(merge, 100, &done, &err);
    }
    PROMISE(status == STATUS_OK || status == STATUS_BROKEN);
    merge_free(merge);
}

static void check_run(const Io *io, Run *run, bool must_be_right)
{
    Run *sound = NULL;
    Error err;
    Status status = run_open(io, PATH_SOUND, &stamp, &sound, &err);
    PROMISE(status == STATUS_OK);
    for (size_t i = 0; i < PAIRS; i += 50) {
        IndexPair pair = sound_pair(i);
        check_find(run, pair.key, must_be_right);
        check_find(run, pair.key + 1, must_be_right);
        check_walk(run, pair, i % 100 == 0, must_be_right);
        PROMISE(run_estimate(run, pair, (IndexPair){UINT64_MAX, 0}) <= run_count(run));
    }
    check_merge(io, run, sound);
    run_drop(sound);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    IoMemory *memory = io_memory_new();
    const Io *io = io_memory_io(memory);
    write_sound(io);
    bool must_be_right = run_damage(memory, PATH_SOUND, PATH_INPUT, data, size);
    Run *run = NULL;
    Error err;
    Status status = run_open(io, PATH_INPUT, &stamp, &run, &err);
    PROMISE(status == STATUS_OK || status == STATUS_REFUSED);
    if (status == STATUS_OK) {
        check_run(io, run, must_be_right);
        run_drop(run);
    }
    io_memory_free(memory);
    return 0;
}
