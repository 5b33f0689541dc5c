/* Sorting pairs by radix, least significant digit first. Each pass is stable and takes 11 bits: 2,048 counters and as
 * many ends of streams still fit the first two caches. Digits that are equal in all pairs are skipped, which for times
 * and sequence numbers is most of them. For hashes two passes over the bits at the top nearly do: what still stands
 * wrong stands next to its place and is inserted there, 64 k pairs in a third of the time of six passes. */
#include "store/index/sort.h"

enum { DIGIT_BITS = 11, DIGIT_VALUES = 1 << DIGIT_BITS, DIGIT_MASK = DIGIT_VALUES - 1 };

typedef struct Survey {
    uint64_t key_bits, value_bits; /* that are not the same in all pairs */
    bool sorted;
    bool values_ascend;
} Survey;

static Survey survey_pairs(const IndexPair *pairs, size_t count)
{
    Survey survey = {.sorted = true, .values_ascend = true};
    for (size_t i = 1; i < count; i++) {
        survey.key_bits |= pairs[i].key ^ pairs[0].key;
        survey.value_bits |= pairs[i].value ^ pairs[0].value;
        survey.sorted &= !index_pair_before(pairs[i], pairs[i - 1]);
        survey.values_ascend &= pairs[i - 1].value <= pairs[i].value;
    }
    return survey;
}

static inline size_t digit_of(IndexPair pair, bool of_value, unsigned shift)
{
    return ((of_value ? pair.value : pair.key) >> shift) & DIGIT_MASK;
}

static inline void sort_digit(const IndexPair *from, IndexPair *to, size_t count, bool of_value, unsigned shift)
{
    size_t places[DIGIT_VALUES] = {0};
    for (size_t i = 0; i < count; i++) {
        places[digit_of(from[i], of_value, shift)]++;
    }
    size_t place = 0;
    for (size_t digit = 0; digit < DIGIT_VALUES; digit++) {
        size_t here = places[digit];
        places[digit] = place;
        place += here;
    }
    for (size_t i = 0; i < count; i++) {
        to[places[digit_of(from[i], of_value, shift)]++] = from[i];
    }
}

/* Sorts by those digits of the member, from bit `low` on, that differ; after each pass the two arrays have changed
 * places. */
static void sort_member(IndexPair **pairs, IndexPair **scratch, size_t count, bool of_value, uint64_t bits,
                        unsigned low)
{
    for (unsigned shift = low; shift < 64; shift += DIGIT_BITS) {
        if ((bits >> shift & DIGIT_MASK) == 0) {
            continue;
        }
        if (of_value) {
            sort_digit(*pairs, *scratch, count, true, shift);
        } else {
            sort_digit(*pairs, *scratch, count, false, shift);
        }
        IndexPair *swapped = *pairs;
        *pairs = *scratch;
        *scratch = swapped;
    }
}

/* Moves each pair that stands too far back to its place, and gives up (all pairs still there, equal keys in order) when
 * that takes more steps than there are pairs. */
static bool insert_strays(IndexPair *pairs, size_t count)
{
    size_t steps_left = count;
    for (size_t i = 1; i < count; i++) {
        IndexPair pair = pairs[i];
        size_t at = i;
        for (; at > 0 && pair.key < pairs[at - 1].key && steps_left > 0; at--, steps_left--) {
            pairs[at] = pairs[at - 1];
        }
        pairs[at] = pair;
    }
    return steps_left > 0;
}

static void sort_keys(IndexPair **pairs, IndexPair **scratch, size_t count, uint64_t bits)
{
    if (bits >> (2 * DIGIT_BITS) != 0) {
        unsigned top = 64 - (unsigned)__builtin_clzll(bits);
        sort_member(pairs, scratch, count, false, bits, top - 2 * DIGIT_BITS);
        if (insert_strays(*pairs, count)) {
            return;
        }
    }
    sort_member(pairs, scratch, count, false, bits, 0);
}

static void sort_pairs(IndexPair *pairs, IndexPair *scratch, size_t count, bool by_value_too)
{
    Survey survey = survey_pairs(pairs, count);
    if (survey.sorted) {
        return;
    }
    IndexPair *at = pairs, *other = scratch;
    if (by_value_too && !survey.values_ascend) {
        sort_member(&at, &other, count, true, survey.value_bits, 0);
    }
    sort_keys(&at, &other, count, survey.key_bits);
    if (at != pairs) {
        memcpy(pairs, at, count * sizeof *pairs);
    }
}

void index_pairs_sort(IndexPair *pairs, IndexPair *scratch, size_t count) { sort_pairs(pairs, scratch, count, true); }

void index_pairs_sort_by_key(IndexPair *pairs, IndexPair *scratch, size_t count)
{
    sort_pairs(pairs, scratch, count, false);
}
