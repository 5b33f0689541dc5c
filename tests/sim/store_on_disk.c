#include "sim/store_on_disk.h"

#include "disk/disk_tools.h"
#include "sim/disk/sim_io.h"
#include "support/handles.h"

#define FIRST_US INT64_C(1735689600000000) /* 2025 begins */

static int64_t now_us(void *self) { return ((StoreOnDisk *)self)->now_us += 1000; }

void store_on_disk_init(StoreOnDisk *ret_at, uint64_t seed)
{
    StoreOnDisk *at = ret_at;
    *at = (StoreOnDisk){.disk = sim_disk_new(seed), .seed = seed, .now_us = FIRST_US};
    at->vfs = sim_vfs_new(at->disk, "sim", seed);
    at->io = sim_io(at->disk);
    at->clock = (Clock){.wall_us = now_us, .monotonic_us = now_us, .self = at};
    at->random = seeded_random(&at->seed);
    at->options = store_options_default("store");
    at->options.clock = &at->clock;
    at->options.io = &at->io;
    at->options.random = &at->random;
    at->options.vfs = "sim";
    at->options.background = false;
    at->options.free_reserve_bytes = 0;
}

void store_on_disk_release(StoreOnDisk *at)
{
    store_close(at->store);
    sim_vfs_free(at->vfs);
    sim_disk_free(at->disk);
}

Status store_on_disk_open(StoreOnDisk *at, Error *reterr) { return store_open(&at->options, &at->store, reterr); }

void store_on_disk_close(StoreOnDisk *at)
{
    store_close(at->store);
    at->store = NULL;
}

static void print_problem(void *context, const char *text)
{
    (void)context;
    print_error("%s\n", text);
}

void store_on_disk_verify(const StoreOnDisk *at)
{
    StoreReader *reader = NULL;
    VerifyReport report = {0};
    Error error = {0};
    assert_int_equal(store_reader_open(at->store, &reader, &error), STATUS_OK);
    assert_int_equal(store_verify(reader, print_problem, NULL, NULL, &report, &error), STATUS_OK);
    assert_int_equal(report.problems, 0);
    store_reader_close(reader);
}
