/* Reading a run: what is checked at open, finding a key, estimating a range. */
#include "store/index/run.h"
#include "store/index/run_filter.h"
#include "store/index/run_format.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct Run {
    const Io *io; /* borrows until the last reference is dropped */
    IoFile *file;
    uint64_t file_bytes;
    RunStamp stamp;
    RunFooter footer;
    uint64_t *keys, *values; /* the sparse array, one of each per block */
    /* A guess at a key's block: ((key - keys[0]) << guess_shift) × guess_scale / 2^64. Exact but for chance when keys
     * are hashes, and no worse than a binary search when they are not. */
    uint64_t guess_scale;
    unsigned guess_shift;
    RunFilter filter;
    atomic_size_t references;
    char path[]; /* for messages */
};

const RunStamp *run_stamp(const Run *run) { return &run->stamp; }
uint64_t run_count(const Run *run) { return run->footer.entries; }
uint64_t run_bytes(const Run *run) { return run->file_bytes; }
uint64_t run_block_count(const Run *run) { return run->footer.blocks; }
const char *run_path(const Run *run) { return run->path; }

size_t run_memory_bytes(const Run *run)
{
    return sizeof *run + strlen(run->path) + 1 + run->footer.blocks * 2 * sizeof *run->keys +
           run_filter_bytes(&run->filter);
}

Run *run_keep(Run *run)
{
    atomic_fetch_add_explicit(&run->references, 1, memory_order_relaxed);
    return run;
}

void run_drop(Run *run)
{
    if (!run || atomic_fetch_sub_explicit(&run->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (run->file) {
        run->io->close(run->file);
    }
    run_filter_release(&run->filter);
    free(run->keys);
    free(run->values);
    free(run);
}

/* ---- Opening: nothing from the file is used before it was checked ------------------------------------------------ */

static Status open_refused(const Run *run, const char *reason, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "%s: %s", run->path, reason);
}

static uint64_t sparse_offset(const Run *run) { return sizeof(RunHeader) + run->footer.blocks * sizeof(RunBlock); }

static uint64_t filter_offset(const Run *run)
{
    return sparse_offset(run) + run->footer.blocks * 2 * sizeof *run->keys;
}

static bool block_count_fits(const Run *run)
{
    uint64_t entries = run->footer.entries, blocks = run->footer.blocks;
    if (run->stamp.content == RUN_ROWS) { /* at least one in a block, and each takes up its length */
        return blocks <= entries && entries <= blocks * (RUN_BLOCK_ROW_BYTES / sizeof(uint16_t));
    }
    return blocks == entries / RUN_BLOCK_PAIRS + (entries % RUN_BLOCK_PAIRS != 0);
}

/* The file's length bounds every count, so that no product here or in filter_offset() overflows. */
static bool footer_fits(const Run *run)
{
    const RunFooter *footer = &run->footer;
    if (footer->blocks > run->file_bytes / sizeof(RunBlock) ||
        footer->filter_lines > run->file_bytes / RUN_FILTER_LINE_BYTES) {
        return false;
    }
    return block_count_fits(run) && footer->filter_probes <= RUN_FILTER_PROBES_MAX &&
           filter_offset(run) + footer->filter_lines * RUN_FILTER_LINE_BYTES + sizeof *footer == run->file_bytes;
}

static Status open_footer(Run *run, Error *reterr)
{
    RunFooter *footer = &run->footer;
    if (run->file_bytes < sizeof(RunHeader) + sizeof *footer) {
        return open_refused(run, "too short for a run", reterr);
    }
    Status status = run->io->read_at(run->file, run->file_bytes - sizeof *footer, footer, sizeof *footer, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (footer->magic != RUN_FOOTER_MAGIC || footer->checksum != run_footer_checksum(footer)) {
        return open_refused(run, "not a run, or one that was not finished", reterr);
    }
    return footer_fits(run) ? STATUS_OK : open_refused(run, "its sizes contradict each other", reterr);
}

static Status open_header(Run *run, Error *reterr)
{
    RunHeader header;
    Status status = run->io->read_at(run->file, 0, &header, sizeof header, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (header.magic != RUN_HEADER_MAGIC || run->footer.header_checksum != run_header_checksum(&header)) {
        return open_refused(run, "its header is damaged", reterr);
    }
    if (header.version != RUN_VERSION) {
        return error_set(reterr, STATUS_REFUSED, "%s: format version %u, this program writes %d", run->path,
                         header.version, RUN_VERSION);
    }
    const char *difference = run_stamp_difference(&header, &run->stamp);
    return difference ? error_set(reterr, STATUS_REFUSED, "%s: made from another %s", run->path, difference)
                      : STATUS_OK;
}

/* Prepares the guess: the keys' span is moved up until its top bit is set, then scaled to the number of blocks. */
static void prepare_guess(Run *run)
{
    uint64_t span = run->footer.last.key - run->keys[0];
    run->guess_shift = span == 0 ? 0 : (unsigned)__builtin_clzll(span);
    unsigned __int128 width = ((unsigned __int128)(span << run->guess_shift)) + 1;
    unsigned __int128 scale = ((unsigned __int128)run->footer.blocks << 64) / width;
    run->guess_scale = scale > UINT64_MAX ? UINT64_MAX : (uint64_t)scale;
}

static Status open_sparse(Run *run, Error *reterr)
{
    uint64_t blocks = run->footer.blocks;
    size_t bytes = blocks * sizeof *run->keys;
    run->keys = malloc(bytes + 1);
    run->values = malloc(bytes + 1);
    if (!run->keys || !run->values) {
        return error_set(reterr, STATUS_BUSY, "out of memory while opening %s", run->path);
    }
    Status status = run->io->read_at(run->file, sparse_offset(run), run->keys, bytes, reterr);
    if (status == STATUS_OK) {
        status = run->io->read_at(run->file, sparse_offset(run) + bytes, run->values, bytes, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (run->footer.sparse_checksum != run_sparse_checksum(run->keys, run->values, blocks)) {
        return open_refused(run, "its sparse array is damaged", reterr);
    }
    if (blocks > 0) {
        prepare_guess(run);
    }
    return STATUS_OK;
}

static Status open_filter(Run *run, Error *reterr)
{
    const RunFooter *footer = &run->footer;
    Status status = run_filter_init_lines(&run->filter, footer->filter_lines, (unsigned)footer->filter_probes, reterr);
    if (status == STATUS_OK && footer->filter_lines > 0) {
        status =
            run->io->read_at(run->file, filter_offset(run), run->filter.lines, run_filter_bytes(&run->filter), reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    return footer->filter_checksum == run_filter_checksum(&run->filter)
               ? STATUS_OK
               : open_refused(run, "its filter is damaged", reterr);
}

static Status open_parts(Run *run, Error *reterr)
{
    Status (*const parts[])(Run *, Error *) = {open_footer, open_header, open_sparse, open_filter};
    Status status = run->io->open(run->io->self, run->path, &run->file, &run->file_bytes, reterr);
    for (size_t i = 0; status == STATUS_OK && i < sizeof parts / sizeof *parts; i++) {
        status = parts[i](run, reterr);
    }
    return status;
}

Status run_open(const Io *io, const char *path, const RunStamp *stamp, Run **ret_run, Error *reterr)
{
    size_t path_bytes = strlen(path) + 1;
    Run *run = calloc(1, sizeof *run + path_bytes);
    if (!run) {
        return error_set(reterr, STATUS_BUSY, "out of memory while opening %s", path);
    }
    run->io = io;
    run->stamp = *stamp;
    atomic_init(&run->references, 1);
    memcpy(run->path, path, path_bytes);
    Status status = open_parts(run, reterr);
    if (status != STATUS_OK) {
        run_drop(run);
        return status;
    }
    *ret_run = run;
    return STATUS_OK;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------ */

static bool block_is_sound(const Run *run, const RunBlock *block, uint64_t number)
{
    uint64_t behind = run->footer.entries - number * RUN_BLOCK_PAIRS;
    bool fits = run->stamp.content == RUN_ROWS
                    ? block->count > 0 && block->bytes > 0 && block->bytes <= RUN_BLOCK_ROW_BYTES
                    : block->count == (behind < RUN_BLOCK_PAIRS ? behind : RUN_BLOCK_PAIRS);
    return fits && block->checksum == run_block_checksum(block, run->footer.header_checksum, number);
}

Status run_read_blocks(const Run *run, uint64_t first, size_t count, RunBlock *ret_blocks, Error *reterr)
{
    Error reason = {0};
    uint64_t offset = sizeof(RunHeader) + first * sizeof *ret_blocks;
    Status status = run->io->read_at(run->file, offset, ret_blocks, count * sizeof *ret_blocks, &reason);
    if (status != STATUS_OK) {
        /* Also when it ends too early: it was long enough when it was opened. */
        return error_set(reterr, STATUS_BROKEN, "%s: block %llu: %s", run->path, (unsigned long long)first,
                         reason.message);
    }
    for (size_t i = 0; i < count; i++) {
        if (!block_is_sound(run, &ret_blocks[i], first + i)) {
            return error_set(reterr, STATUS_BROKEN, "%s: block %llu is damaged (checksum)", run->path,
                             (unsigned long long)(first + i));
        }
    }
    return STATUS_OK;
}

uint32_t run_block_position(const RunBlock *block, IndexPair pair)
{
    uint32_t low = 0, high = block->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (index_pair_before(block->pairs[middle], pair)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- The sparse array -------------------------------------------------------------------------------------------- */

static bool begins_behind(const Run *run, uint64_t block, IndexPair pair)
{
    return index_pair_before(pair, (IndexPair){run->keys[block], run->values[block]});
}

static uint64_t guess_block(const Run *run, uint64_t key)
{
    if (key <= run->keys[0]) {
        return 0;
    }
    if (key >= run->footer.last.key) {
        return run->footer.blocks - 1;
    }
    uint64_t moved = (key - run->keys[0]) << run->guess_shift;
    uint64_t block = (uint64_t)(((unsigned __int128)moved * run->guess_scale) >> 64);
    return block < run->footer.blocks ? block : run->footer.blocks - 1;
}

/* From the guess in growing steps until the place is between `low` (begins at or before the pair, or is the front) and
 * `high` (begins behind it, or is the end), then by halves. */
uint64_t run_blocks_to(const Run *run, IndexPair pair)
{
    uint64_t blocks = run->footer.blocks;
    if (blocks == 0) {
        return 0;
    }
    uint64_t low = 0, high = blocks, at = guess_block(run, pair.key);
    for (uint64_t step = 1; at < blocks && !begins_behind(run, at, pair); at += step, step *= 2) {
        low = at + 1;
    }
    if (low > 0) {
        high = at < blocks ? at : blocks;
    } else {
        for (uint64_t step = 1; begins_behind(run, at, pair); at = at > step ? at - step : 0, step *= 2) {
            high = at;
            if (at == 0) {
                return 0;
            }
        }
        low = at + 1;
    }
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (begins_behind(run, middle, pair)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

uint64_t run_estimate(const Run *run, IndexPair from, IndexPair to)
{
    if (run->footer.entries == 0 || !index_pair_before(from, to) || index_pair_before(run->footer.last, from)) {
        return 0;
    }
    uint64_t last = run_blocks_to(run, to); /* blocks before this one may hold a pair before `to` */
    uint64_t first = run_blocks_to(run, from);
    first = first > 0 ? first - 1 : 0;
    uint64_t end = last * RUN_BLOCK_PAIRS;
    end = end < run->footer.entries ? end : run->footer.entries;
    return end > first * RUN_BLOCK_PAIRS ? end - first * RUN_BLOCK_PAIRS : 0;
}

/* ---- Finding ----------------------------------------------------------------------------------------------------- */

void run_prefetch(const Run *run, uint64_t key)
{
    if (run->filter.count > 0) {
        __builtin_prefetch(run_filter_line(&run->filter, key));
    }
}

typedef struct Finding {
    uint64_t key;
    uint64_t *values; /* room for `max` */
    size_t max, count;
    bool more;
} Finding;

/* Takes the key's values from a block, backwards; false when the block before cannot have any. */
static bool find_in_block(const RunBlock *block, Finding *finding)
{
    uint32_t at = run_block_position(block, (IndexPair){finding->key, UINT64_MAX});
    if (at < block->count && block->pairs[at].key == finding->key) {
        at++; /* the pair with the largest value there can be */
    }
    for (; at > 0 && block->pairs[at - 1].key == finding->key; at--) {
        if (finding->count == finding->max) {
            finding->more = true;
            return false;
        }
        finding->values[finding->count++] = block->pairs[at - 1].value;
    }
    return at == 0;
}

Status run_find(const Run *run, uint64_t key, uint64_t *ret_values, size_t max, size_t *ret_count, bool *ret_more,
                Error *reterr)
{
    Finding finding = {.key = key, .values = ret_values, .max = max};
    assert(run->stamp.content == RUN_PAIRS);
    uint64_t blocks = run_filter_may_have(&run->filter, key) ? run_blocks_to(run, (IndexPair){key, UINT64_MAX}) : 0;
    bool going = key <= run->footer.last.key;
    while (going && blocks > 0) {
        _Alignas(64) RunBlock block;
        Status status = run_read_blocks(run, --blocks, 1, &block, reterr);
        if (status != STATUS_OK) {
            return status;
        }
        going = find_in_block(&block, &finding);
    }
    *ret_count = finding.count;
    *ret_more = finding.more;
    return STATUS_OK;
}
