#include "store/index/run_filter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

/* A filter can be folded by a divisor of its number of lines, so that is made a multiple of a number with many. */
enum { FOLD_UNIT = 12, HUGE_PAGE_BYTES = 2 << 20, SMALL_RUN_PAIRS = 2 << 20 };

Status run_filter_init_lines(RunFilter *filter, uint64_t count, unsigned probes, Error *reterr)
{
    *filter = (RunFilter){.count = count, .probes = probes};
    if (count == 0) {
        return STATUS_OK;
    }
    size_t bytes = run_filter_bytes(filter);
    size_t alignment = bytes >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : sizeof *filter->lines;
    void *lines;
    if (bytes / sizeof *filter->lines != count || posix_memalign(&lines, alignment, bytes) != 0) {
        return error_set(reterr, STATUS_BUSY, "out of memory for a filter of %llu lines", (unsigned long long)count);
    }
    filter->lines = lines;
    if (alignment == HUGE_PAGE_BYTES) {
        /* A probe hits any page of the filter; large pages spare it a second miss, for the address. Only a wish. */
        (void)madvise(filter->lines, bytes & ~(size_t)(HUGE_PAGE_BYTES - 1), MADV_HUGEPAGE);
    }
    return STATUS_OK;
}

/* The best number for a plain Bloom filter is bits × ln 2; with all bits in one line slightly fewer do better. */
static unsigned probes_for(unsigned bits)
{
    unsigned probes = bits * 2 / 3;
    return probes < 1 ? 1 : probes > RUN_FILTER_PROBES_MAX ? RUN_FILTER_PROBES_MAX : probes;
}

/* A key is looked for in every run, so what counts is the sum of the runs' false positives, and that sum is smallest
 * for the memory it takes when a small run has fewer of them than a large one: Dayan, Athanassoulis, Idreos: "Monkey:
 * Optimal Navigable Key-Value Store" (2017). The small runs hold few of the pairs, so this costs little. */
static unsigned bits_for(uint64_t pairs, unsigned bits)
{
    for (uint64_t limit = SMALL_RUN_PAIRS; pairs < limit && limit >= SMALL_RUN_PAIRS / 16; limit /= 4) {
        bits += 2;
    }
    return bits;
}

Status run_filter_init(RunFilter *filter, uint64_t pairs, unsigned bits, Error *reterr)
{
    uint64_t lines = 0;
    if (bits > 0 && pairs > 0) {
        bits = bits_for(pairs, bits);
        if (pairs > UINT64_MAX / 64 / bits) {
            return error_set(reterr, STATUS_BUSY, "a filter for %llu pairs is too large", (unsigned long long)pairs);
        }
        lines = pairs * bits / (RUN_FILTER_LINE_BYTES * 8) + 1;
        lines = (lines + FOLD_UNIT - 1) / FOLD_UNIT * FOLD_UNIT;
    }
    Status status = run_filter_init_lines(filter, lines, probes_for(bits), reterr);
    if (status == STATUS_OK && lines > 0) {
        memset(filter->lines, 0, run_filter_bytes(filter));
    }
    return status;
}

void run_filter_release(RunFilter *filter)
{
    free(filter->lines);
    *filter = (RunFilter){0};
}

/* Line i of n·f lines holds the keys with ⌊key·n·f / 2^64⌋ = i, and ⌊⌊key·n·f⌋ / f⌋ = ⌊key·n⌋: so f neighbours make
 * one. */
static void fold_lines(RunFilter *filter, uint64_t factor)
{
    uint64_t count = filter->count / factor;
    for (uint64_t to = 0; to < count; to++) {
        RunFilterLine line = filter->lines[to * factor];
        for (uint64_t from = to * factor + 1; from < (to + 1) * factor; from++) {
            for (unsigned word = 0; word < 8; word++) {
                line.words[word] |= filter->lines[from].words[word];
            }
        }
        filter->lines[to] = line;
    }
    filter->count = count;
}

void run_filter_fold(RunFilter *filter, uint64_t expected, uint64_t pairs)
{
    for (uint64_t factor = FOLD_UNIT; factor > 1; factor--) {
        if (FOLD_UNIT % factor == 0 && pairs <= expected / factor && filter->count > 0) {
            fold_lines(filter, factor);
            return;
        }
    }
}

uint64_t run_filter_checksum(const RunFilter *filter)
{
    return XXH3_64bits_withSeed(filter->lines, run_filter_bytes(filter), filter->probes);
}
