#include "store/index/merge.h"

#include <assert.h>

/* Runs below this size are all of the lowest tier: rewriting them costs less than opening and syncing a file does. */
enum { TIER_BASE_PAIRS = 8192 };

static unsigned tier_of(uint64_t size, size_t fanout)
{
    unsigned tier = 0;
    for (size /= TIER_BASE_PAIRS; size > 0; size /= fanout) {
        tier++;
    }
    return tier;
}

/* Where the runs begin that stand directly before `end` and are of this tier or below. */
static size_t group_first(const uint64_t *sizes, size_t end, unsigned tier, size_t fanout)
{
    size_t first = end;
    while (first > 0 && tier_of(sizes[first - 1], fanout) <= tier) {
        first--;
    }
    return first;
}

/* Merging the runs first … end-1 makes one of a higher tier. If that would at once be merged with those before it, take
 * them all in one go. */
static size_t extend_to_older(const uint64_t *sizes, size_t first, size_t end, size_t fanout)
{
    uint64_t sum = 0;
    for (size_t i = first; i < end; i++) {
        sum += sizes[i];
    }
    for (;;) {
        size_t older = group_first(sizes, first, tier_of(sum, fanout), fanout);
        if (first - older + 1 < fanout || end - older > MERGE_INPUTS_MAX) {
            return first;
        }
        for (; first > older; first--) {
            sum += sizes[first - 1];
        }
    }
}

/* From the newest run to the oldest, the runs fall into groups: a run begins one when its tier is above all newer
 * ones', and older runs of its tier or below belong to it. A small run that is older than a large one will get no
 * neighbours of its own size any more, so it waits as a member of the large one's group. A group of `fanout` is merged.
 * At rest there are fewer than `fanout` runs in a group and one group a tier; and each merge within a tier was preceded
 * by a new run of that tier. */
bool merge_choose(const uint64_t *sizes, size_t count, size_t fanout, size_t *ret_first, size_t *ret_count)
{
    assert(fanout >= 2 && fanout <= MERGE_INPUTS_MAX);
    size_t first;
    for (size_t end = count; end > 0; end = first) {
        first = group_first(sizes, end, tier_of(sizes[end - 1], fanout), fanout);
        if (end - first >= fanout) {
            if (end - first > MERGE_INPUTS_MAX) {
                end = first + MERGE_INPUTS_MAX;
            }
            *ret_first = extend_to_older(sizes, first, end, fanout);
            *ret_count = end - *ret_first;
            return true;
        }
    }
    return false;
}
