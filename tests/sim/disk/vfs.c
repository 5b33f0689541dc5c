#include "vfs.h"
#include "support/random.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/need.h"

enum { SHM_REGIONS_MAX = 1024, PATH_BYTES_MAX = 512, VFS_SECTOR_BYTES = 4096 };

/* The unix VFS takes no more at once, and without assertions writes only the rest of a division by 128 KiB. */
enum { WRITE_BYTES_MAX = 0x1ffff };

typedef struct VfsFile VfsFile;

/* What the connections to one database share: its locks, and the memory that on a real system is the -shm file. */
typedef struct Database {
    struct Database *next;
    char *path;
    VfsFile *files; /* that are open on it */
    unsigned readers;
    VfsFile *reserved, *pending, *exclusive; /* who holds the lock; NULL for none */
    void *regions[SHM_REGIONS_MAX];
    int region_count;
} Database;

struct SimVfs {
    sqlite3_vfs base;
    SimDisk *disk;
    Database *databases;
    uint64_t random;
    size_t open_files;
};

struct VfsFile {
    sqlite3_file base;
    SimVfs *vfs;
    SimFile *file;
    char *path;         /* NULL for a temporary file */
    bool syncs_dir;     /* with its first sync: it is a journal that was made */
    bool is_temporary;  /* its name goes when it is closed */
    Database *database; /* NULL for journals and temporary files */
    VfsFile *next;      /* on the same database */
    int level;          /* the lock: SQLITE_LOCK_NONE … */
    bool has_shm;
    unsigned shm_shared, shm_exclusive; /* locks on the shared memory, as bits */
};

/* ---- Reading and writing ----------------------------------------------------------------------------------------- */

static int vfs_read(sqlite3_file *base, void *data, int count, sqlite3_int64 offset)
{
    VfsFile *file = (VfsFile *)base;
    size_t got = 0;
    if (sim_file_read(file->file, (uint64_t)offset, data, (size_t)count, &got) != SIM_OK) {
        return SQLITE_IOERR_READ;
    }
    if (got < (size_t)count) {
        memset((char *)data + got, 0, (size_t)count - got); /* SQLite wants it so */
        return SQLITE_IOERR_SHORT_READ;
    }
    return SQLITE_OK;
}

static int vfs_write(sqlite3_file *base, const void *data, int count, sqlite3_int64 offset)
{
    VfsFile *file = (VfsFile *)base;
    assert(count <= WRITE_BYTES_MAX);
    SimResult result = sim_file_write(file->file, (uint64_t)offset, data, (size_t)count);
    return result == SIM_OK ? SQLITE_OK : result == SIM_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int vfs_truncate(sqlite3_file *base, sqlite3_int64 bytes)
{
    return sim_file_truncate(((VfsFile *)base)->file, (uint64_t)bytes) == SIM_OK ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static SimResult sync_dir_of(SimDisk *disk, const char *path)
{
    char dir[PATH_BYTES_MAX];
    size_t len = sim_path_dir(path);
    snprintf(dir, sizeof dir, "%.*s", (int)(len ? len : 1), len ? path : ".");
    return sim_disk_sync_dir(disk, dir);
}

/* The unix VFS takes no notice of a directory that cannot be synced; on a real disk a fresh journal may then be lost.
 * That is beyond what SQLite promises to survive, so here it is told. */
static int vfs_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    VfsFile *file = (VfsFile *)base;
    if (sim_file_sync(file->file) != SIM_OK) {
        return SQLITE_IOERR_FSYNC;
    }
    if (file->syncs_dir && sync_dir_of(file->vfs->disk, file->path) != SIM_OK) {
        return SQLITE_IOERR_DIR_FSYNC;
    }
    file->syncs_dir = false;
    return SQLITE_OK;
}

static int vfs_file_size(sqlite3_file *base, sqlite3_int64 *ret_bytes)
{
    *ret_bytes = (sqlite3_int64)sim_file_bytes(((VfsFile *)base)->file);
    return SQLITE_OK;
}

/* ---- Locks ------------------------------------------------------------------------------------------------------- */

static bool is_other(const VfsFile *holder, const VfsFile *file) { return holder && holder != file; }

static int lock_shared(VfsFile *file)
{
    Database *database = file->database;
    if (is_other(database->pending, file) || is_other(database->exclusive, file)) {
        return SQLITE_BUSY;
    }
    database->readers++;
    file->level = SQLITE_LOCK_SHARED;
    return SQLITE_OK;
}

static int lock_exclusive(VfsFile *file)
{
    Database *database = file->database;
    if (is_other(database->pending, file) || is_other(database->reserved, file)) {
        return SQLITE_BUSY;
    }
    database->pending = file;
    if (file->level < SQLITE_LOCK_PENDING) {
        file->level = SQLITE_LOCK_PENDING;
    }
    if (database->readers > 1) {
        return SQLITE_BUSY; /* no more come, and the present ones are waited for */
    }
    database->exclusive = file;
    file->level = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
}

/* lockingv3.html: none, shared, reserved, pending, exclusive. */
static int vfs_lock(sqlite3_file *base, int level)
{
    VfsFile *file = (VfsFile *)base;
    Database *database = file->database;
    if (!database || file->level >= level) {
        return SQLITE_OK;
    }
    if (level == SQLITE_LOCK_SHARED) {
        return lock_shared(file);
    }
    if (level != SQLITE_LOCK_RESERVED) {
        return lock_exclusive(file);
    }
    if (is_other(database->reserved, file) || is_other(database->pending, file)) {
        return SQLITE_BUSY;
    }
    database->reserved = file;
    file->level = SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

static int vfs_unlock(sqlite3_file *base, int level)
{
    VfsFile *file = (VfsFile *)base;
    Database *database = file->database;
    if (!database || file->level <= level) {
        return SQLITE_OK;
    }
    database->reserved = is_other(database->reserved, file) ? database->reserved : NULL;
    database->pending = is_other(database->pending, file) ? database->pending : NULL;
    database->exclusive = is_other(database->exclusive, file) ? database->exclusive : NULL;
    database->readers -= level == SQLITE_LOCK_NONE;
    file->level = level;
    return SQLITE_OK;
}

static int vfs_check_reserved(sqlite3_file *base, int *ret_reserved)
{
    const Database *database = ((VfsFile *)base)->database;
    *ret_reserved = database && (database->reserved || database->pending || database->exclusive);
    return SQLITE_OK;
}

/* ---- Shared memory ----------------------------------------------------------------------------------------------- */

static int vfs_shm_map(sqlite3_file *base, int region, int bytes, int extend, void volatile **ret_region)
{
    VfsFile *file = (VfsFile *)base;
    Database *database = file->database;
    assert(database && region < SHM_REGIONS_MAX);
    file->has_shm = true;
    while (extend && database->region_count <= region) {
        database->regions[database->region_count++] = need(calloc(1, (size_t)bytes));
    }
    *ret_region = region < database->region_count ? database->regions[region] : NULL;
    return SQLITE_OK;
}

static bool is_shm_taken(const VfsFile *file, unsigned mask, bool exclusively)
{
    for (const VfsFile *other = file->database->files; other; other = other->next) {
        unsigned held = other->shm_exclusive | (exclusively ? other->shm_shared : 0);
        if (other != file && (held & mask)) {
            return true;
        }
    }
    return false;
}

static int vfs_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    VfsFile *file = (VfsFile *)base;
    unsigned mask = ((1u << count) - 1) << offset;
    bool exclusively = flags & SQLITE_SHM_EXCLUSIVE;
    if (flags & SQLITE_SHM_UNLOCK) {
        file->shm_shared &= ~mask;
        file->shm_exclusive &= ~mask;
        return SQLITE_OK;
    }
    if (is_shm_taken(file, mask, exclusively)) {
        return SQLITE_BUSY;
    }
    if (exclusively) {
        file->shm_exclusive |= mask;
    } else {
        file->shm_shared |= mask;
    }
    return SQLITE_OK;
}

static void vfs_shm_barrier(sqlite3_file *base) { (void)base; }

static void free_regions(Database *database)
{
    for (int i = 0; i < database->region_count; i++) {
        free(database->regions[i]);
    }
    database->region_count = 0;
}

/* The memory goes with the last connection, as a -shm file would be begun anew by the next first one. */
static int vfs_shm_unmap(sqlite3_file *base, int remove)
{
    (void)remove;
    VfsFile *file = (VfsFile *)base;
    bool is_used = false;
    file->has_shm = false;
    file->shm_shared = file->shm_exclusive = 0;
    for (const VfsFile *other = file->database->files; other; other = other->next) {
        is_used = is_used || other->has_shm;
    }
    if (!is_used) {
        free_regions(file->database);
    }
    return SQLITE_OK;
}

/* ---- Files ------------------------------------------------------------------------------------------------------- */

static int vfs_file_control(sqlite3_file *base, int op, void *argument)
{
    switch (op) {
    case SQLITE_FCNTL_LOCKSTATE: *(int *)argument = ((VfsFile *)base)->level; return SQLITE_OK;
    case SQLITE_FCNTL_HAS_MOVED: *(int *)argument = 0; return SQLITE_OK;
    case SQLITE_FCNTL_VFSNAME:
        *(char **)argument = sqlite3_mprintf("%s", ((VfsFile *)base)->vfs->base.zName);
        return SQLITE_OK;
    default: return SQLITE_NOTFOUND;
    }
}

static int vfs_sector_size(sqlite3_file *base)
{
    (void)base;
    return VFS_SECTOR_BYTES; /* as the unix VFS says; what tears is smaller */
}

static int vfs_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static Database *database_of(SimVfs *vfs, const char *path)
{
    for (Database *database = vfs->databases; database; database = database->next) {
        if (strcmp(database->path, path) == 0) {
            return database;
        }
    }
    Database *database = need(calloc(1, sizeof *database));
    database->path = need(strdup(path));
    database->next = vfs->databases;
    vfs->databases = database;
    return database;
}

static void leave_database(VfsFile *file)
{
    Database *database = file->database;
    vfs_unlock(&file->base, SQLITE_LOCK_NONE);
    vfs_shm_unmap(&file->base, 0);
    VfsFile **place = &database->files;
    while (*place != file) {
        place = &(*place)->next;
    }
    *place = file->next;
    if (!database->files) {
        Database **at = &file->vfs->databases;
        while (*at != database) {
            at = &(*at)->next;
        }
        *at = database->next;
        free(database->path);
        free(database);
    }
}

static int vfs_close(sqlite3_file *base)
{
    VfsFile *file = (VfsFile *)base;
    if (file->database) {
        leave_database(file);
    }
    sim_file_close(file->file);
    if (file->is_temporary && file->path) {
        sim_disk_remove(file->vfs->disk, file->path);
    }
    free(file->path);
    file->vfs->open_files--;
    return SQLITE_OK;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_file_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_unlock,
    .xCheckReservedLock = vfs_check_reserved,
    .xFileControl = vfs_file_control,
    .xSectorSize = vfs_sector_size,
    .xDeviceCharacteristics = vfs_characteristics,
    .xShmMap = vfs_shm_map,
    .xShmLock = vfs_shm_lock,
    .xShmBarrier = vfs_shm_barrier,
    .xShmUnmap = vfs_shm_unmap,
};

/* ---- The file system --------------------------------------------------------------------------------------------- */

static SimResult open_or_create(SimVfs *vfs, const char *path, int flags, SimFile **ret_file, bool *ret_made)
{
    if (!path) {
        *ret_file = sim_file_anonymous(vfs->disk);
        return SIM_OK;
    }
    SimResult result = flags & SQLITE_OPEN_EXCLUSIVE ? SIM_MISSING : sim_file_open(vfs->disk, path, ret_file);
    if (result == SIM_MISSING && (flags & SQLITE_OPEN_CREATE)) {
        *ret_made = true;
        result = sim_file_create(vfs->disk, path, ret_file);
    }
    return result;
}

static int vfs_open(sqlite3_vfs *base, const char *path, sqlite3_file *base_file, int flags, int *ret_flags)
{
    SimVfs *vfs = (SimVfs *)base;
    VfsFile *file = (VfsFile *)base_file;
    bool made = false;
    *file = (VfsFile){.vfs = vfs, .is_temporary = flags & SQLITE_OPEN_DELETEONCLOSE};
    if (open_or_create(vfs, path, flags, &file->file, &made) != SIM_OK) {
        return SQLITE_CANTOPEN;
    }
    file->base.pMethods = &file_methods;
    file->path = path ? need(strdup(path)) : NULL;
    file->syncs_dir = made && (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL));
    if (flags & SQLITE_OPEN_MAIN_DB) {
        file->database = database_of(vfs, path);
        file->next = file->database->files;
        file->database->files = file;
    }
    vfs->open_files++;
    if (ret_flags) {
        *ret_flags = flags;
    }
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *base, const char *path, int sync_dir)
{
    SimDisk *disk = ((SimVfs *)base)->disk;
    SimResult result = sim_disk_remove(disk, path);
    if (result == SIM_OK && sync_dir && sync_dir_of(disk, path) != SIM_OK) {
        return SQLITE_IOERR_DIR_FSYNC;
    }
    return result == SIM_OK ? SQLITE_OK : result == SIM_MISSING ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
}

/* An empty file is as good as none, as for the unix VFS. */
static int vfs_access(sqlite3_vfs *base, const char *path, int flags, int *ret_there)
{
    uint64_t bytes = 0;
    SimResult result = sim_disk_look(((SimVfs *)base)->disk, path, &bytes);
    *ret_there = result == SIM_OK && (flags != SQLITE_ACCESS_EXISTS || bytes > 0);
    return result == SIM_OK || result == SIM_MISSING ? SQLITE_OK : SQLITE_IOERR_ACCESS;
}

static int vfs_full_pathname(sqlite3_vfs *base, const char *path, int room, char *ret_path)
{
    (void)base;
    int len = snprintf(ret_path, (size_t)room, "%s", path);
    return len < room ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *base, int count, char *ret_bytes)
{
    for (int i = 0; i < count; i++) {
        ret_bytes[i] = (char)random_next(&((SimVfs *)base)->random);
    }
    return count;
}

static int vfs_sleep(sqlite3_vfs *base, int us)
{
    (void)base;
    return us;
}

/* 2025-01-01T00:00:00Z, in milliseconds of the Julian period. */
static int vfs_time_int64(sqlite3_vfs *base, sqlite3_int64 *ret_ms)
{
    (void)base;
    *ret_ms = INT64_C(2460676) * 86400000 + 43200000;
    return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *base, double *ret_days)
{
    (void)base;
    *ret_days = 2460676.5;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *base, int room, char *ret_text)
{
    (void)base;
    if (room > 0) {
        *ret_text = '\0';
    }
    return 0;
}

void sim_vfs_seed(uint64_t seed)
{
    int number = (int)(seed ^ seed >> 32) | 1; /* 0 would mean: the system's randomness */
    sqlite3_initialize();
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, number, (sqlite3 *)NULL);
}

SimVfs *sim_vfs_new(SimDisk *disk, const char *name, uint64_t seed)
{
    SimVfs *vfs = need(calloc(1, sizeof *vfs));
    vfs->disk = disk;
    vfs->random = seed;
    vfs->base = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(VfsFile),
        .mxPathname = PATH_BYTES_MAX,
        .zName = need(strdup(name)),
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_pathname,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_time_int64,
    };
    sim_vfs_seed(seed);
    if (sqlite3_vfs_register(&vfs->base, 0) != SQLITE_OK) {
        abort();
    }
    return vfs;
}

void sim_vfs_free(SimVfs *vfs)
{
    if (vfs) {
        assert(vfs->open_files == 0);
        sqlite3_vfs_unregister(&vfs->base);
        free((char *)vfs->base.zName);
        free(vfs);
    }
}
