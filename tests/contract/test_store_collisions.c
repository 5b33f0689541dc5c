/* The store's contract when hashes are bad: every index key is one of eight values, so that nearly all lookups collide.
 *
 * The linker puts these functions in place of the real ones. A hash only finds candidates; answers must stay right. */
#include <stdlib.h>
#include <unistd.h>

#include "store_suite.h"

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

static void make_dir(char *ret_dir, size_t size)
{
    snprintf(ret_dir, size, "%s/weir-contract-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(ret_dir)) {
        abort();
    }
}

static void remove_dir(const char *dir)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command) != 0) {
        abort();
    }
}

static void small_cache(StoreOptions *options)
{
    options->background = false;
    options->publish_records = 64;
    options->flow_cache_bytes = 512; /* four flows: the index is asked all the time */
}

int main(void)
{
    const StoreFactory factory = {"store-sqlite-collisions", make_dir, remove_dir, small_cache};
    return store_suite_run(&factory);
}
