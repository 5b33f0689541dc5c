/* The store's contract on the simulated disk: SQLite over its VFS, run files over its Io, in steps. */
#include <assert.h>
#include <stdio.h>

#include "contract/store_suite.h"
#include "disk/sim_io.h"
#include "disk/vfs.h"

/* One test's disk. */
static SimDisk *disk;
static SimVfs *vfs;
static Io io;

static void make_disk(char *ret_dir, size_t size)
{
    disk = sim_disk_new(1);
    vfs = sim_vfs_new(disk, "sim", 1);
    io = sim_io(disk);
    snprintf(ret_dir, size, "store");
}

/* The store left nothing open, or these abort. */
static void free_disk(const char *dir)
{
    assert(sim_disk_count(disk, SIM_WRITE) > 0 && *dir);
    sim_vfs_free(vfs);
    sim_disk_free(disk);
}

static void on_disk(StoreOptions *options)
{
    options->io = &io;
    options->vfs = "sim";
    options->background = false;
    options->publish_records = 16; /* publishes and merges all the time */
}

int main(void)
{
    const StoreFactory factory = {"sqlite on the simulated disk", make_disk, free_disk, on_disk, store_open, true};
    return store_suite_run(&factory);
}
