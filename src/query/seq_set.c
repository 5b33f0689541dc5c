#include "query/seq_set.h"

#include <assert.h>

enum { CHUNK_BYTES = 16 << 10 };

void seq_set_init(SeqSet *set, int64_t bound, size_t bytes_max, Budget *budget)
{
    *set = (SeqSet){.bound = bound, .page_count = (size_t)(bound / SEQ_SET_PAGE_SEQS) + 1};
    arena_init(&set->arena, CHUNK_BYTES, bytes_max);
    set->arena.budget = budget;
}

void seq_set_release(SeqSet *set)
{
    arena_release(&set->arena);
    set->pages = NULL;
}

bool seq_set_add(SeqSet *set, int64_t seq)
{
    assert(seq >= 0 && seq <= set->bound);
    set->pages = set->pages ? set->pages : ARENA_ARRAY(&set->arena, uint64_t *, set->page_count);
    if (!set->pages) {
        return false;
    }
    uint64_t **page = &set->pages[seq / SEQ_SET_PAGE_SEQS];
    *page = *page ? *page : ARENA_ARRAY(&set->arena, uint64_t, SEQ_SET_PAGE_SEQS / SEQ_SET_WORD_SEQS);
    if (!*page) {
        return false;
    }
    uint64_t bit = (uint64_t)seq % SEQ_SET_PAGE_SEQS;
    (*page)[bit / SEQ_SET_WORD_SEQS] |= UINT64_C(1) << bit % SEQ_SET_WORD_SEQS;
    return true;
}
