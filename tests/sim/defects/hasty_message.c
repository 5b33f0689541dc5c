/* The lines see what was committed before it is synced: the sync comes when they have sent it. */
#include <string.h>

#include "sim/world.h"

static World *world;     /* while its dispatcher is there */
static SimFile *wal;     /* the one that was opened last */
static bool is_in_apply; /* syncs of the WAL are put off */

Status __real_dispatcher_start(const DispatcherOptions *options, Dispatcher **ret_dispatcher, Error *reterr);
void __real_dispatcher_free(Dispatcher *freed);
SimResult __real_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __real_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __real_sim_file_sync(SimFile *file);
void __real_sim_file_close(SimFile *file);
Status __real_store_apply(Store *store, Work *first, Error *reterr);
Status __wrap_dispatcher_start(const DispatcherOptions *options, Dispatcher **ret_dispatcher, Error *reterr);
void __wrap_dispatcher_free(Dispatcher *freed);
SimResult __wrap_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __wrap_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __wrap_sim_file_sync(SimFile *file);
void __wrap_sim_file_close(SimFile *file);
Status __wrap_store_apply(Store *store, Work *first, Error *reterr);

Status __wrap_dispatcher_start(const DispatcherOptions *options, Dispatcher **ret_dispatcher, Error *reterr)
{
    Status status = __real_dispatcher_start(options, ret_dispatcher, reterr);
    world = status == STATUS_OK ? options->self : NULL;
    return status;
}

void __wrap_dispatcher_free(Dispatcher *freed)
{
    world = NULL;
    __real_dispatcher_free(freed);
}

static SimResult note(SimResult result, const char *path, SimFile *file)
{
    size_t len = strlen(path);
    wal = result == SIM_OK && len > 4 && strcmp(path + len - 4, "-wal") == 0 ? file : wal;
    return result;
}

SimResult __wrap_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file)
{
    SimResult result = __real_sim_file_create(disk, path, ret_file);
    return note(result, path, *ret_file);
}

SimResult __wrap_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file)
{
    SimResult result = __real_sim_file_open(disk, path, ret_file);
    return note(result, path, *ret_file);
}

SimResult __wrap_sim_file_sync(SimFile *file)
{
    return is_in_apply && file == wal ? SIM_OK : __real_sim_file_sync(file);
}

void __wrap_sim_file_close(SimFile *file)
{
    wal = file == wal ? NULL : wal;
    __real_sim_file_close(file);
}

Status __wrap_store_apply(Store *store, Work *first, Error *reterr)
{
    is_in_apply = true;
    Status status = __real_store_apply(store, first, reterr);
    is_in_apply = false;
    if (status == STATUS_OK && world) {
        wire_step(world);
    }
    bool is_synced = status != STATUS_OK || !wal || __real_sim_file_sync(wal) == SIM_OK;
    return is_synced ? status : error_set(reterr, STATUS_UNKNOWN, "the commit could not be synced");
}
