/* The store's contract on the embedded store: with its worker on a thread, and in steps. */
#include "store_suite.h"
#include "support/scratch_dir.h"

static void on_thread(StoreOptions *options) { options->background = true; }

static void in_steps(StoreOptions *options)
{
    options->background = false;
    options->publish_records = 16; /* publishes and merges all the time */
}

int main(void)
{
    const StoreFactory threaded = {
        "store-sqlite-threaded", scratch_dir_make, scratch_dir_remove, on_thread, store_open, true};
    const StoreFactory stepped = {
        "store-sqlite-stepped", scratch_dir_make, scratch_dir_remove, in_steps, store_open, true};
    int failed = store_suite_run(&threaded);
    return failed + store_suite_run(&stepped);
}
