/* A set of sequences: a bitmap in pages, which are there where there is something in them. So it takes an eighth of a
 * byte a record of the log at most, and little when it has few. */
#ifndef WEIR_QUERY_SEQ_SET_H
#define WEIR_QUERY_SEQ_SET_H

#include "base/arena.h"

enum { SEQ_SET_PAGE_SEQS = 4096, SEQ_SET_WORD_SEQS = 64 };

typedef struct SeqSet {
    uint64_t **pages; /* NULL until there is something in it */
    size_t page_count;
    int64_t bound;
    Arena arena;
} SeqSet;

/* For sequences from 0 to `bound`. Allocates nothing yet. `budget` may be NULL. */
void seq_set_init(SeqSet *set, int64_t bound, size_t bytes_max, Budget *budget);
void seq_set_release(SeqSet *set); /* accepts one that is zeroed */

/* False at the ceiling or without memory (set->arena.starved). */
bool seq_set_add(SeqSet *set, int64_t seq) MUST_CHECK;

static inline bool seq_set_has(const SeqSet *set, int64_t seq)
{
    const uint64_t *page = set->pages && seq >= 0 && seq <= set->bound ? set->pages[seq / SEQ_SET_PAGE_SEQS] : NULL;
    uint64_t bit = (uint64_t)seq % SEQ_SET_PAGE_SEQS;
    return page && (page[bit / SEQ_SET_WORD_SEQS] >> bit % SEQ_SET_WORD_SEQS & 1);
}

#endif
