/* A disk in memory that knows what was synced, and fails, fills up and loses power where a seed or a driver wants it.
 *
 * What it promises is what SQLite assumes of a disk, and no more: a byte that was synced is never damaged by a failure
 * (the atom of writing is a sector of 512 bytes, and a write leaves the other bytes of its sectors alone, which SQLite
 * calls SQLITE_IOCAP_POWERSAFE_OVERWRITE), a name is durable once its directory was synced, a rename happens whole or
 * not at all. Everything else that was not synced may be there after a power loss, or not, or in part: each sector on
 * its own, in any of the versions that were written since the last sync; a length that was grown, at any of the lengths
 * it had; a truncation and what followed it, in their order; the names of a directory, a prefix or any subset of the
 * changes. Only sim_disk_flip and its neighbours damage what was synced.
 *
 * vfs.h gives such a disk to SQLite and sim_io.h to everything that takes an Io, both at once if wanted; the
 * calls under "Files" are what those two are made of.
 *
 * Deterministic: the same seed and the same calls give the same disk; no time, no addresses, nothing of the real
 * system.
 * One thread. Aborts without memory. Paths are texts and not interpreted, but that "a/b" lies in the directory "a", "b"
 * in "." and "/b" in "/"; a directory must have been made before a file can be in it ("." and "/" are always there). */
#ifndef WEIR_TESTS_SIM_DISK_DISK_H
#define WEIR_TESTS_SIM_DISK_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIM_SECTOR_BYTES = 512 };

typedef struct SimDisk SimDisk;

/* `seed` decides what the disk draws by itself: how much of a failed write was done, what a failed sync loses. */
SimDisk *sim_disk_new(uint64_t seed);
/* No file may be open (assert): one that still is was leaked. Accepts NULL. */
void sim_disk_free(SimDisk *disk);

/* ---- Operations -------------------------------------------------------------------------------------------------- */

/* What is counted, traced and made to fail; a set of them is an unsigned. */
typedef enum SimOp {
    SIM_READ = 1 << 0,
    SIM_WRITE = 1 << 1, /* an append of an Io, too */
    SIM_SYNC = 1 << 2,
    SIM_OPEN = 1 << 3,   /* of a file that is there, or is found not to be */
    SIM_CREATE = 1 << 4, /* of a file, new or in the place of an old one */
    SIM_RENAME = 1 << 5,
    SIM_REMOVE = 1 << 6,
    SIM_TRUNCATE = 1 << 7,
    SIM_SYNC_DIR = 1 << 8,
    SIM_MAKE_DIR = 1 << 9,
    SIM_LOOK = 1 << 10, /* whether a file is there, how long it is, what a directory has, how much room is left */
    SIM_LOCK = 1 << 11, /* an Io's; the locks and the shared memory of SQLite are not the disk's */
} SimOp;
enum {
    SIM_OP_KINDS = 12,
    SIM_ANY = (1 << SIM_OP_KINDS) - 1,
    /* Those after which a disk that loses power can be another one: what a crash at every operation has to go
     * through. */
    SIM_CHANGES =
        SIM_WRITE | SIM_SYNC | SIM_CREATE | SIM_RENAME | SIM_REMOVE | SIM_TRUNCATE | SIM_SYNC_DIR | SIM_MAKE_DIR,
};

/* How many operations out of `ops` were begun since the disk was made, failed ones included. */
uint64_t sim_disk_count(const SimDisk *disk, unsigned ops);

typedef enum SimEnd {
    SIM_END_DONE, /* or there was nothing that it could be done to */
    SIM_END_FULL,
    SIM_END_ERROR,
    SIM_END_FREEZES, /* the disk freezes with it */
    SIM_END_FROZEN,  /* it was frozen before */
} SimEnd;

/* An operation that is over. */
typedef struct SimOperation {
    uint64_t number; /* of all kinds, from 1 */
    SimOp op;
    const char *path;
    uint64_t bytes; /* that were read or written, or the length that a truncation asks for */
    SimEnd end;
} SimOperation;

/* Called with every operation when it is over, and what a person may be told of it, like
 * "write store/weir.db-wal 4096@32768", "sync store/weir.db: I/O error", "create store/index/ids-1-9-77.run: frozen";
 * and with NULL and a text when the power fails or the process is killed. Both borrow until the call returns. NULL for
 * none; nothing is formatted then. */
typedef void SimTrace(void *context, const SimOperation *operation, const char *text);
void sim_disk_trace(SimDisk *disk, SimTrace *trace, void *context);

/* ---- Faults ------------------------------------------------------------------------------------------------------ */

typedef enum SimFailure {
    /* An I/O error. A write has done a random part of its sectors; a sync a random part of what was waiting, and what
     * it lost stays lost although a later sync of the same file says OK ("fsyncgate": Linux marks the pages clean).
     * Whether reads go on showing what was lost is drawn, too; both happen. Anything else has done nothing. */
    SIM_FAIL_ERROR,
    /* No space left: as the error, under its other name. A write within the file's length is struck, too: file systems
     * that copy what is written need room for it. A call that needs none takes it for an error. */
    SIM_FAIL_FULL,
    /* The power is about to fail: this operation still happens as an unsynced one (a sync does nothing), it and all
     * that follow answer with an I/O error and change nothing more, so that the program unwinds by itself. Nothing may
     * be acknowledged any more. sim_disk_crash ends it. */
    SIM_FAIL_FREEZE,
} SimFailure;

typedef struct SimFault {
    unsigned ops;       /* which operations it counts and strikes */
    const char *suffix; /* only on files whose path ends so ("-wal", ".run"); NULL for any. Borrows until disarmed */
    uint64_t nth;       /* strikes the nth of them from now on: 1 is the next one */
    SimFailure failure;
    bool for_good; /* and all of them that follow, until disarmed or sim_disk_crash */
} SimFault;

enum { SIM_FAULTS_MAX = 8 };

/* Several may be armed, at most SIM_FAULTS_MAX (assert); the first one whose time has come strikes. One that has struck
 * once is disarmed. */
void sim_disk_arm(SimDisk *disk, const SimFault *fault);
void sim_disk_disarm(SimDisk *disk); /* all of them; a frozen disk stays frozen */
/* How many operations failed because of a fault, calls on a frozen disk not counted. */
uint64_t sim_disk_struck(const SimDisk *disk);
/* How many of the faults that were armed have struck: one for good counts once. */
uint64_t sim_disk_faults_struck(const SimDisk *disk);
/* A sync of a file failed with an I/O error since the last crash: nothing may be acknowledged before the program was
 * started anew. (With "full", a run file may be made anew; SQLite knows no such difference.) */
bool sim_disk_sync_failed(const SimDisk *disk);

/* Freezes from here on, without waiting for an operation. */
void sim_disk_freeze(SimDisk *disk);
bool sim_disk_is_frozen(const SimDisk *disk);

/* The disk holds at most so many bytes (of all files, open ones without a name included); what would grow a file beyond
 * fails with "full" after having written what fits, and what is free is what free_bytes of an Io says. UINT64_MAX, as
 * at the start: no limit, and very much is free. May be below what is used. */
void sim_disk_limit(SimDisk *disk, uint64_t bytes);
uint64_t sim_disk_used(const SimDisk *disk);

/* ---- Crashes ----------------------------------------------------------------------------------------------------- */

typedef enum SimLoss {
    SIM_LOSS_DRAWN,   /* one of those below (the process less often), or for each file and the names one of their own */
    SIM_LOSS_NOTHING, /* the power fails, but all had made it to the disk */
    SIM_LOSS_ALL,     /* exactly what was synced is left */
    SIM_LOSS_SOME, /* a random subset: for each file by a pattern of its own (each second sector, all but one, …) */
    SIM_LOSS_PROCESS, /* only the program died (kill -9): the system goes on, what was written stays, synced or not */
} SimLoss;

/* Ends a program's life: afterwards the disk is what a new one finds. All files must be closed (assert). Faults are
 * disarmed, a frozen disk works again, locks are gone; the limit stays. Draws from `random` (support/random.h), and
 * returns which loss it was. */
SimLoss sim_disk_crash(SimDisk *disk, SimLoss loss, uint64_t *random);

/* ---- Damage to derived files, and files from elsewhere ----------------------------------------------------------- */
/* These are no operations: not counted, never failing by a fault; durable at once. The file must not be open, but for
 * sim_disk_flip. All answer false when there is no such file (or bit). */

bool sim_disk_lose(SimDisk *disk, const char *path);
bool sim_disk_cut(SimDisk *disk, const char *path,
                  uint64_t bytes);                                 /* to this length, which is not beyond the present */
bool sim_disk_flip(SimDisk *disk, const char *path, uint64_t bit); /* the bit `bit % 8` of the byte `bit / 8` */

/* The present bytes, synced or not. Borrows until the file is written to, or the disk crashes. */
bool sim_disk_peek(const SimDisk *disk, const char *path, const uint8_t **ret_bytes, size_t *ret_count);
/* Puts a file in place, made when missing, as if it had always been there. Copies. */
void sim_disk_put(SimDisk *disk, const char *path, const void *bytes, size_t count);

/* A file's present bytes kept aside: an older version for later, the database of an older backup. */
typedef struct SimFileCopy SimFileCopy;
SimFileCopy *sim_disk_file_copy(const SimDisk *disk, const char *path); /* NULL when there is none */
/* Puts it back under the same or another name; a NULL copy removes the file. The copy stays the caller's. */
void sim_disk_file_restore(SimDisk *disk, const char *path, const SimFileCopy *copy);
void sim_file_copy_free(SimFileCopy *copy); /* accepts NULL */

/* Calls `visit` with the path of every file that has a name, in the order of the paths. The files may be damaged and
 * removed meanwhile. */
void sim_disk_each(SimDisk *disk, void (*visit)(void *context, const char *path), void *context);

/* ---- Files: what the VFS and the Io are made of ------------------------------------------------------------------ */

typedef enum SimResult {
    SIM_OK,
    SIM_MISSING, /* no such file, or no such directory */
    SIM_TAKEN,   /* the lock is another's */
    SIM_FULL,    /* no space left */
    SIM_ERROR,   /* an I/O error */
} SimResult;

typedef struct SimFile SimFile; /* an open file: goes on working when its name is removed or replaced */

SimResult sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file);
/* A new file under this name. What had the name before loses it, and whoever has it open goes on with the old bytes. */
SimResult sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file);
/* A file without a name, for temporary data. Not counted as an operation. */
SimFile *sim_file_anonymous(SimDisk *disk);
void sim_file_close(SimFile *file); /* accepts NULL */

/* Fills what there is; *ret_count is less than `count` only at the end of the file. */
SimResult sim_file_read(SimFile *file, uint64_t offset, void *data, size_t count, size_t *ret_count);
SimResult sim_file_write(SimFile *file, uint64_t offset, const void *data, size_t count);
SimResult sim_file_truncate(SimFile *file, uint64_t bytes); /* grows it with zeros, too */
SimResult sim_file_sync(SimFile *file);
uint64_t sim_file_bytes(const SimFile *file); /* no operation: an open file's length is in memory */

SimResult sim_disk_rename(SimDisk *disk, const char *from, const char *to); /* within one directory */
SimResult sim_disk_remove(SimDisk *disk, const char *path);
SimResult sim_disk_sync_dir(SimDisk *disk, const char *dir);
SimResult sim_disk_make_dir(SimDisk *disk, const char *dir); /* OK when it is there; durable at once */
SimResult sim_disk_look(SimDisk *disk, const char *path, uint64_t *ret_bytes); /* of a file */
SimResult sim_disk_free_bytes(SimDisk *disk, const char *path, uint64_t *ret_bytes);
SimResult sim_disk_list(SimDisk *disk, const char *dir, void (*visit)(void *context, const char *name), void *context);
/* The lock of the file `path`, made when missing: held until the file is closed. */
SimResult sim_disk_lock(SimDisk *disk, const char *path, SimFile **ret_file);

/* The directory that a path lies in, as a length of the path; 0 means "." . */
size_t sim_path_dir(const char *path);

/* The next number of the disk's own randomness. */
uint64_t sim_disk_random(SimDisk *disk);

#endif
