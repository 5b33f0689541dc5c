/* The totals of hot flows in memory: a bounded, set-associative cache in front of the log.
 *
 * Purely derived: forgetting an entry costs a look into the flows index and one row, never a wrong total. The whole key
 * is kept and compared, so that a hash collision is a miss. One thread. */
#ifndef WEIR_STORE_SQLITE_FLOW_CACHE_H
#define WEIR_STORE_SQLITE_FLOW_CACHE_H

#include "record/record.h"

typedef struct FlowCache FlowCache;

/* What the log says of a flow at its newest row. seq 0: the flow has no record yet. */
typedef struct FlowState {
    uint64_t hash; /* record_flow_hash() */
    int64_t seq;
    FlowTotals totals;
} FlowState;

/* Address space for `bytes` is reserved at once, memory is used as flows come. NULL without memory. */
FlowCache *flow_cache_new(size_t bytes);
void flow_cache_free(FlowCache *cache); /* accepts NULL */
void flow_cache_clear(FlowCache *cache);

/* Hints, a few records ahead of the lookup: first for the set, then, when that has arrived, for the entry. */
void flow_cache_prefetch(const FlowCache *cache, uint64_t hash);
void flow_cache_prefetch_entry(const FlowCache *cache, uint64_t hash);

/* The state of the record's flow, or NULL. Borrows until the next put or clear; the caller may change it in place. */
FlowState *flow_cache_find(FlowCache *cache, uint64_t hash, const Record *record);

/* Adds a flow that is not there, in place of the one of its set that was used the longest time ago. Flows with very
 * long names are not kept. */
void flow_cache_put(FlowCache *cache, const Record *record, const FlowState *state);

#endif
