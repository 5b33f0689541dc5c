/* Runs for tests: made from plain arrays, and the plain array itself as the model they are compared with. */
#ifndef WEIR_TESTS_SUPPORT_RUNS_H
#define WEIR_TESTS_SUPPORT_RUNS_H

#include "store/index/run.h"

typedef struct PairList {
    IndexPair *items; /* owns */
    size_t count;
} PairList;

typedef enum KeyStyle {
    KEYS_HASHED,  /* any 64 bits */
    KEYS_FEW,     /* so few that each spans blocks */
    KEYS_TIMES,   /* microseconds within a minute, and one far away */
    KEYS_EXTREME, /* 0, UINT64_MAX and their neighbours */
    KEYS_STYLES,
} KeyStyle;

uint64_t runs_key(KeyStyle style, uint64_t *seed);
/* Different pairs in order; their values are from first_value on, each once. */
PairList runs_pairs(KeyStyle style, size_t count, uint64_t first_value, uint64_t *seed);
void runs_pairs_free(PairList list);
void runs_pairs_sort(PairList list);
/* The place of the first pair at or behind `pair`. */
size_t runs_pairs_position(PairList list, IndexPair pair);

RunStamp runs_stamp(void);
/* Writes and opens; any failure fails the test. */
void runs_write(const Io *io, const char *path, PairList list, uint64_t expected, unsigned filter_bits);
Run *runs_open(const Io *io, const char *path);

/* Walks all of the run and compares. */
void runs_check_equal(Run *run, PairList list);

#endif
