/* The store's contract when hashes are bad: every index key is one of eight values, so that nearly all lookups collide.
 *
 * The linker puts these functions in place of the real ones. A hash only finds candidates; answers must stay right. */
#include "store_suite.h"
#include "support/scratch_dir.h"

uint64_t __real_record_identity_hash(const Record *record, RecordIdentity identity, uint64_t seed);
uint64_t __real_record_flow_hash(Str destination_id, Str reference, Str unit, uint64_t seed);
uint64_t __wrap_record_identity_hash(const Record *record, RecordIdentity identity, uint64_t seed);
uint64_t __wrap_record_flow_hash(Str destination_id, Str reference, Str unit, uint64_t seed);

/* Spread over the whole range like real keys. */
static uint64_t weaken(uint64_t hash) { return ((hash & 7) + 1) * UINT64_C(0x1C71C71C71C71C71); }

uint64_t __wrap_record_identity_hash(const Record *record, RecordIdentity identity, uint64_t seed)
{
    return weaken(__real_record_identity_hash(record, identity, seed));
}

uint64_t __wrap_record_flow_hash(Str destination_id, Str reference, Str unit, uint64_t seed)
{
    return weaken(__real_record_flow_hash(destination_id, reference, unit, seed));
}

static void small_cache(StoreOptions *options)
{
    options->background = false;
    options->publish_records = 64;
    options->flow_cache_bytes = 512; /* four flows: the index is asked all the time */
}

int main(void)
{
    const StoreFactory factory = {
        "store-sqlite-collisions", scratch_dir_make, scratch_dir_remove, small_cache, store_open, true};
    return store_suite_run(&factory);
}
