#include "query/sample.h"

#include "query/query.h"

#include <assert.h>
#include <stdlib.h>

enum { SUB_BITS = 6, SUB_BUCKETS = 1 << SUB_BITS, VALUES_FIRST = 8, GROWTH = 8, MARGIN = 64 };

static uint32_t bucket_of(int64_t value)
{
    uint64_t v = (uint64_t)value;
    if (v < 2 * SUB_BUCKETS) {
        return (uint32_t)v;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(v) - SUB_BITS;
    return (shift << SUB_BITS) + (uint32_t)(v >> shift);
}

static int64_t middle_of(uint32_t bucket)
{
    if (bucket < 2 * SUB_BUCKETS) {
        return bucket;
    }
    unsigned shift = (bucket >> SUB_BITS) - 1;
    uint64_t low = (uint64_t)(bucket - (shift << SUB_BITS)) << shift;
    return (int64_t)(low + (((uint64_t)1 << shift) - 1) / 2);
}

static bool grow_values(Sample *sample, Arena *arena)
{
    uint32_t cap = sample->cap ? sample->cap * GROWTH : VALUES_FIRST;
    cap = cap > QUERY_EXACT_VALUES_MAX ? QUERY_EXACT_VALUES_MAX : cap;
    int64_t *values = arena_alloc(arena, cap * sizeof *values);
    if (!values) {
        return false;
    }
    if (sample->count) {
        memcpy(values, sample->values, sample->count * sizeof *values);
    }
    sample->values = values;
    sample->cap = cap;
    return true;
}

/* Makes buckets first … last available, keeping what is there. With a margin, so that it is not needed often. */
static bool widen(Sample *sample, Arena *arena, uint32_t first, uint32_t last)
{
    uint32_t need = last - first + 1;
    uint64_t *old = sample->buckets, *buckets = old;
    if (!old || need > sample->cap) {
        uint32_t cap = need + need / 4 + MARGIN;
        buckets = arena_alloc(arena, cap * sizeof *buckets);
        if (!buckets) {
            return false;
        }
        sample->cap = cap;
    }
    uint32_t moved = old ? sample->first - first : 0, kept = old ? sample->used : 0;
    if (kept) {
        memmove(buckets + moved, old, kept * sizeof *buckets);
    }
    memset(buckets, 0, moved * sizeof *buckets);
    memset(buckets + moved + kept, 0, (need - moved - kept) * sizeof *buckets);
    sample->buckets = buckets;
    sample->first = first;
    sample->used = need;
    return true;
}

static bool count_value(Sample *sample, Arena *arena, int64_t value)
{
    uint32_t bucket = bucket_of(value);
    uint32_t first = bucket < sample->first ? bucket : sample->first;
    uint32_t end = sample->first + sample->used;
    if ((bucket < sample->first || bucket >= end) &&
        !widen(sample, arena, first, (bucket >= end ? bucket + 1 : end) - 1)) {
        return false;
    }
    sample->buckets[bucket - sample->first]++;
    return true;
}

static bool become_histogram(Sample *sample, Arena *arena)
{
    uint32_t first = UINT32_MAX, last = 0;
    for (uint64_t i = 0; i < sample->count; i++) {
        uint32_t bucket = bucket_of(sample->values[i]);
        first = bucket < first ? bucket : first;
        last = bucket > last ? bucket : last;
    }
    if (!widen(sample, arena, first, last)) {
        return false;
    }
    for (uint64_t i = 0; i < sample->count; i++) {
        sample->buckets[bucket_of(sample->values[i]) - first]++;
    }
    sample->values = NULL;
    return true;
}

bool sample_add(Sample *sample, Arena *arena, int64_t value)
{
    if (!sample->buckets) {
        if (sample->count < QUERY_EXACT_VALUES_MAX) {
            if (sample->count == sample->cap && !grow_values(sample, arena)) {
                return false;
            }
            sample->values[sample->count++] = value;
            return true;
        }
        if (!become_histogram(sample, arena)) {
            return false;
        }
    }
    if (!count_value(sample, arena, value)) {
        return false;
    }
    sample->count++;
    return true;
}

static int compare_values(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

uint64_t sample_rank(uint64_t count, unsigned percent)
{
    assert(count > 0);
    uint64_t rank = (uint64_t)(((unsigned __int128)count * percent + 99) / 100);
    return rank ? rank : 1;
}

int64_t sample_value_at(Sample *sample, uint64_t rank)
{
    assert(rank > 0 && rank <= sample->count);
    if (!sample->buckets) {
        qsort(sample->values, sample->count, sizeof sample->values[0], compare_values);
        return sample->values[rank - 1];
    }
    uint32_t at = 0;
    for (uint64_t below = sample->buckets[0]; below < rank; below += sample->buckets[at]) {
        at++;
    }
    return middle_of(sample->first + at);
}
