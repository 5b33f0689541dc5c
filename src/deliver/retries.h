/* The messages of a line that wait behind the cursor for another attempt, as they are (or are about to be) in the
 * store: by seq.
 *
 * With `ordered` a flow's messages are tried one after another: the first is, and the others wait for it. One
 * thread. */
#ifndef WEIR_DELIVER_RETRIES_H
#define WEIR_DELIVER_RETRIES_H

#include "base/err.h"
#include "store/delivery.h"

typedef struct Retry {
    StoredRetry stored;
    bool dirty; /* the store does not have it like this yet */
    bool sent;  /* under way */
} Retry;

typedef struct Retries {
    Retry *items; /* owns; by seq */
    size_t count; /* at most STORE_RETRIES_MAX */
    bool ordered;
} Retries;

Status retries_init(Retries *retries, bool ordered, Error *reterr) MUST_CHECK;
void retries_release(Retries *retries);
static inline bool retries_is_full(const Retries *retries) { return retries->count == STORE_RETRIES_MAX; }

/* NULL when it is not among them. */
Retry *retries_find(const Retries *retries, int64_t seq);
/* There must be room, and none of that seq (assert). Pointers to others become invalid. */
Retry *retries_put(Retries *retries, const StoredRetry *stored);
void retries_remove(Retries *retries, int64_t seq);
bool retries_has_flow(const Retries *retries, uint64_t flow_hash);

/* The seqs of those that are due and not under way, lowest first, at most `cap`. *ret_next_us gets when there are more:
 * now, when the next one is due, or INT64_MAX for never. */
size_t retries_due(const Retries *retries, int64_t now_us, int64_t *ret_seqs, size_t cap, int64_t *ret_next_us);

/* The seq of the one that is due for the longest time and not under way; 0 for none. */
int64_t retries_longest_due(const Retries *retries, int64_t now_us);

#endif
