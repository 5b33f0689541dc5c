/* The store's contract on the embedded store: with its worker on a thread, and in steps. */
#include <stdlib.h>
#include <unistd.h>

#include "store_suite.h"

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

static void on_thread(StoreOptions *options) { options->background = true; }

static void in_steps(StoreOptions *options)
{
    options->background = false;
    options->publish_records = 16; /* publishes and merges all the time */
}

int main(void)
{
    const StoreFactory threaded = {"store-sqlite-threaded", make_dir, remove_dir, on_thread};
    const StoreFactory stepped = {"store-sqlite-stepped", make_dir, remove_dir, in_steps};
    int failed = store_suite_run(&threaded);
    return failed + store_suite_run(&stepped);
}
