/* The part of the store's contract that the fake has to keep: tests of what delivers believe it. */
#include "store_suite.h"
#include "support/fake_store.h"
#include "support/scratch_dir.h"

static void nothing(StoreOptions *options) { (void)options; }

static Status open_fake(const StoreOptions *options, Store **ret_store, Error *reterr)
{
    (void)reterr;
    const StoreInfo info = {.hash_seed = 7, .epoch = 1, .scale = 2};
    *ret_store = fake_store_new(&info);
    fake_store_use_clock(*ret_store, options->clock);
    return STATUS_OK;
}

int main(void)
{
    const StoreFactory fake = {"store-fake", scratch_dir_make, scratch_dir_remove, nothing, open_fake, false};
    int failed = store_suite_run_deliveries(&fake);
    return failed + store_suite_run_dead_letters(&fake);
}
