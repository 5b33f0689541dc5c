#include "sim/bounds.h"

#include "store/index/merge.h"
#include "store/rollup/rollup_merge.h"
#include "store/sqlite/tail.h"

static Bounds now = {.merge_step = SIZE_MAX, .tail_records = SIZE_MAX};

void bounds_set(Bounds bounds) { now = bounds; }

static size_t lesser(size_t a, size_t b) { return a < b ? a : b; }

/* The store merges tens of thousands of pairs in a step: here something can happen between two steps, too. */
Status __real_merge_step(Merge *merge, size_t pairs, bool *ret_done, Error *reterr);
Status __wrap_merge_step(Merge *merge, size_t pairs, bool *ret_done, Error *reterr);
Status __wrap_merge_step(Merge *merge, size_t pairs, bool *ret_done, Error *reterr)
{
    return __real_merge_step(merge, lesser(pairs, now.merge_step), ret_done, reterr);
}

Status __real_rollup_merge_step(RollupMerge *merge, size_t rows, bool *ret_done, Error *reterr);
Status __wrap_rollup_merge_step(RollupMerge *merge, size_t rows, bool *ret_done, Error *reterr);
Status __wrap_rollup_merge_step(RollupMerge *merge, size_t rows, bool *ret_done, Error *reterr)
{
    return __real_rollup_merge_step(merge, lesser(rows, now.merge_step), ret_done, reterr);
}

/* A tail that is full makes a batch wait for a publish. */
Tail *__real_tail_new(size_t records_max);
Tail *__wrap_tail_new(size_t records_max);
Tail *__wrap_tail_new(size_t records_max) { return __real_tail_new(lesser(records_max, now.tail_records)); }

/* A hash only finds candidates: answers stay right when nearly all of them collide. Spread over the whole range like
 * real ones. */
static uint64_t weaken(uint64_t hash)
{
    return now.hashes ? (hash % now.hashes + 1) * (UINT64_MAX / (now.hashes + 1)) : hash;
}

uint64_t __real_record_identity_hash(const Record *record, RecordIdentity identity, uint64_t seed);
uint64_t __wrap_record_identity_hash(const Record *record, RecordIdentity identity, uint64_t seed);
uint64_t __wrap_record_identity_hash(const Record *record, RecordIdentity identity, uint64_t seed)
{
    return weaken(__real_record_identity_hash(record, identity, seed));
}

uint64_t __real_record_flow_hash(Str destination_id, Str reference, Str unit, uint64_t seed);
uint64_t __wrap_record_flow_hash(Str destination_id, Str reference, Str unit, uint64_t seed);
uint64_t __wrap_record_flow_hash(Str destination_id, Str reference, Str unit, uint64_t seed)
{
    return weaken(__real_record_flow_hash(destination_id, reference, unit, seed));
}
