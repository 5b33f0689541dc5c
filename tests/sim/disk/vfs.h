/* SQLite's file layer over a SimDisk: what unix SQLite does with a file system, done with disk.h.
 *
 * A store gets it by its name, in StoreOptions.vfs. The files are those of the disk, so that a power loss, a fault and
 * the run files beside the database are all of one disk.
 *
 * Like the unix VFS it syncs the directory with the first sync of a journal or WAL that it made, and after removing one
 * where SQLite asks for it. It claims SQLITE_IOCAP_POWERSAFE_OVERWRITE, which the disk keeps, and nothing else. There
 * is no memory mapping (iVersion 2 of the methods). The shared memory that WAL readers need, and the locks among
 * connections, are kept in memory per database and go with its last connection: several connections of one thread see
 * each other as several processes would. Sleeping takes no time, the time of day stands still, and SQLite's random
 * numbers (the salts of the WAL) come from a seed: one and the same seed gives the same bytes. */
#ifndef WEIR_TESTS_SIM_DISK_VFS_H
#define WEIR_TESTS_SIM_DISK_VFS_H

#include "disk.h"

typedef struct SimVfs SimVfs;

/* Registers the disk with SQLite under `name` (copied; unique among those registered). The disk must outlive it. Aborts
 * without memory. */
SimVfs *sim_vfs_new(SimDisk *disk, const char *name, uint64_t seed);
/* Takes it away again. All connections must be closed (assert). Accepts NULL. */
void sim_vfs_free(SimVfs *vfs);

/* Begins SQLite's random numbers anew from `seed`; sim_vfs_new does so. They belong to the process, so that a seed that
 * is run after another must begin with this for its trace to be the same as when it is run alone. */
void sim_vfs_seed(uint64_t seed);

#endif
