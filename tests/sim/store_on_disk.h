/* A small store on the simulated disk, for tests that drive it by themselves: time goes on by a millisecond at each
 * look, and what is random belongs to the seed. Nothing of it happens in the background. */
#ifndef WEIR_TESTS_SIM_STORE_ON_DISK_H
#define WEIR_TESTS_SIM_STORE_ON_DISK_H

#include "sim/disk/disk.h"
#include "sim/disk/vfs.h"
#include "store/store.h"

typedef struct StoreOnDisk {
    SimDisk *disk;
    SimVfs *vfs;
    Io io;
    Clock clock;
    Random random;
    uint64_t seed;
    int64_t now_us;
    StoreOptions options; /* may be changed while the store is closed */
    Store *store;         /* NULL while it is closed */
} StoreOnDisk;

/* Stays where it is until it is released. */
void store_on_disk_init(StoreOnDisk *ret_at, uint64_t seed);
void store_on_disk_release(StoreOnDisk *at); /* closes the store */

Status store_on_disk_open(StoreOnDisk *at, Error *reterr);
void store_on_disk_close(StoreOnDisk *at);

/* What is derived fits the log, or the test fails. */
void store_on_disk_verify(const StoreOnDisk *at);

#endif
