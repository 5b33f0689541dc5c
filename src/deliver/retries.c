#include "deliver/retries.h"

#include <assert.h>
#include <stdlib.h>

Status retries_init(Retries *retries, bool ordered, Error *reterr)
{
    *retries = (Retries){.items = calloc(STORE_RETRIES_MAX, sizeof(Retry)), .ordered = ordered};
    return retries->items ? STATUS_OK : error_set(reterr, STATUS_BUSY, "no memory for retries");
}

void retries_release(Retries *retries)
{
    free(retries->items);
    *retries = (Retries){0};
}

/* The index of the first with at least this seq. */
static size_t lower_bound(const Retries *retries, int64_t seq)
{
    size_t low = 0, high = retries->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (retries->items[middle].stored.seq < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

Retry *retries_find(const Retries *retries, int64_t seq)
{
    size_t at = lower_bound(retries, seq);
    return at < retries->count && retries->items[at].stored.seq == seq ? &retries->items[at] : NULL;
}

Retry *retries_put(Retries *retries, const StoredRetry *stored)
{
    size_t at = lower_bound(retries, stored->seq);
    assert(retries->count < STORE_RETRIES_MAX);
    assert(at == retries->count || retries->items[at].stored.seq != stored->seq);
    memmove(&retries->items[at + 1], &retries->items[at], (retries->count - at) * sizeof(Retry));
    retries->items[at] = (Retry){.stored = *stored};
    retries->count++;
    return &retries->items[at];
}

void retries_remove(Retries *retries, int64_t seq)
{
    size_t at = lower_bound(retries, seq);
    if (at < retries->count && retries->items[at].stored.seq == seq) {
        retries->count--;
        memmove(&retries->items[at], &retries->items[at + 1], (retries->count - at) * sizeof(Retry));
    }
}

/* Whether one of the first `count` is of the flow. */
static bool has_flow(const Retries *retries, size_t count, uint64_t flow_hash)
{
    for (size_t i = 0; i < count; i++) {
        if (retries->items[i].stored.flow_hash == flow_hash) {
            return true;
        }
    }
    return false;
}

bool retries_has_flow(const Retries *retries, uint64_t flow_hash)
{
    return has_flow(retries, retries->count, flow_hash);
}

/* A message that is about no record has no flow, and waits for nothing. */
static bool waits_for_another(const Retries *retries, size_t i)
{
    uint64_t flow_hash = retries->items[i].stored.flow_hash;
    return retries->ordered && flow_hash != 0 && has_flow(retries, i, flow_hash);
}

size_t retries_due(const Retries *retries, int64_t now_us, int64_t *ret_seqs, size_t cap, int64_t *ret_next_us)
{
    size_t count = 0;
    *ret_next_us = INT64_MAX;
    for (size_t i = 0; i < retries->count; i++) {
        const Retry *retry = &retries->items[i];
        if (retry->sent || retry->stored.due_us >= *ret_next_us || waits_for_another(retries, i)) {
            continue;
        }
        if (retry->stored.due_us > now_us) {
            *ret_next_us = retry->stored.due_us;
        } else if (count == cap) {
            *ret_next_us = now_us;
            break;
        } else {
            ret_seqs[count++] = retry->stored.seq;
        }
    }
    return count;
}

int64_t retries_longest_due(const Retries *retries, int64_t now_us)
{
    const Retry *longest = NULL;
    for (size_t i = 0; i < retries->count; i++) {
        const Retry *retry = &retries->items[i];
        bool is_due = !retry->sent && retry->stored.due_us <= now_us && !waits_for_another(retries, i);
        if (is_due && (!longest || retry->stored.due_us < longest->stored.due_us)) {
            longest = retry;
        }
    }
    return longest ? longest->stored.seq : 0;
}
