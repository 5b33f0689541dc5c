/* Run files that somebody damaged or made up: whatever the bytes, opening, finding, walking and merging end, and stay
 * within memory; and as long as no checksum was made to fit again, an answer is either right or an error.
 *
 * The input's first byte says what it is: a whole file, or changes to a sound one, {offset 2 bytes, count 1 byte,
 * bytes}, after which the checksums are made to fit (or not) and the file is cut (or not). */
#include "fuzz.h"

#include "store/index/merge.h"
#include "store/index/run_filter.h"
#include "store/index/run_format.h"
#include "support/io_memory.h"

#define PATH_SOUND  "sound"
#define PATH_INPUT  "input"
#define PATH_MERGED "merged"

enum { PAIRS = 600, KEYS_EVERY = 3, FIND_MAX = 4, STEPS_MAX = 2000 };
enum { IS_WHOLE_FILE = 1, MAKE_FIT = 2, CUT = 4 };

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

static size_t apply_changes(uint8_t *file, size_t file_bytes, const uint8_t *data, size_t size)
{
    while (size > 3) {
        size_t offset = (size_t)(data[0] | data[1] << 8) % file_bytes, count = data[2];
        data += 3;
        size -= 3;
        count = count < size ? count : size;
        for (size_t i = 0; i < count; i++) {
            file[(offset + i) % file_bytes] = data[i];
        }
        data += count;
        size -= count;
    }
    return size;
}

/* The sizes the footer claims, as far as they lie within the file: then every checksum fits. */
static void make_fit(uint8_t *file, size_t file_bytes)
{
    RunFooter footer;
    uint8_t *place = file + file_bytes - sizeof footer;
    memcpy(&footer, place, sizeof footer);
    footer.header_checksum = run_header_checksum((const RunHeader *)(const void *)file);
    size_t room = file_bytes - sizeof(RunHeader) - sizeof footer;
    if (footer.blocks <= room / (sizeof(RunBlock) + 16)) {
        RunBlock *blocks = (RunBlock *)(void *)(file + sizeof(RunHeader));
        for (uint64_t i = 0; i < footer.blocks; i++) {
            blocks[i].checksum = run_block_checksum(&blocks[i], footer.header_checksum, i);
        }
        uint64_t *keys = (uint64_t *)(void *)&blocks[footer.blocks];
        footer.sparse_checksum = run_sparse_checksum(keys, keys + footer.blocks, footer.blocks);
        room -= footer.blocks * (sizeof(RunBlock) + 16);
        if (footer.filter_lines <= room / RUN_FILTER_LINE_BYTES) {
            RunFilter filter = {(RunFilterLine *)(void *)(keys + 2 * footer.blocks), footer.filter_lines,
                                (unsigned)footer.filter_probes};
            footer.filter_checksum = run_filter_checksum(&filter);
        }
    }
    footer.checksum = run_footer_checksum(&footer);
    memcpy(place, &footer, sizeof footer);
}

static void place_input(IoMemory *memory, uint8_t flags, const uint8_t *data, size_t size)
{
    if (flags & IS_WHOLE_FILE) {
        io_memory_place(memory, PATH_INPUT, data, size);
        return;
    }
    uint8_t *sound;
    size_t file_bytes;
    bool found = io_memory_peek(memory, PATH_SOUND, &sound, &file_bytes);
    uint8_t *file = aligned_alloc(64, (file_bytes + 63) / 64 * 64);
    PROMISE(found && file);
    memcpy(file, sound, file_bytes);
    size_t left = apply_changes(file, file_bytes, data, size);
    if (flags & MAKE_FIT) {
        make_fit(file, file_bytes);
    }
    io_memory_place(memory, PATH_INPUT, file, flags & CUT && left > 0 ? file_bytes * data[size - 1] / 256 : file_bytes);
    free(file);
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
    place_input(memory, data[0], data + 1, size - 1);
    Run *run = NULL;
    Error err;
    Status status = run_open(io, PATH_INPUT, &stamp, &run, &err);
    PROMISE(status == STATUS_OK || status == STATUS_REFUSED);
    if (status == STATUS_OK) {
        check_run(io, run, !(data[0] & (IS_WHOLE_FILE | MAKE_FIT)));
        run_drop(run);
    }
    io_memory_free(memory);
    return 0;
}
