/* Calls are answered before their commit is on the disk: its sync is done when the next batch comes. */
#include "files_of.h"
#include "store/store.h"

static FilesOf wal = {.suffix = "-wal"};
static bool is_in_apply; /* syncs of the WAL are put off */
static SimFile *put_off; /* one was, of this; NULL: none */

SimResult __real_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __real_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __real_sim_file_sync(SimFile *file);
void __real_sim_file_close(SimFile *file);
Status __real_store_apply(Store *store, Work *first, Error *reterr);
SimResult __wrap_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __wrap_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __wrap_sim_file_sync(SimFile *file);
void __wrap_sim_file_close(SimFile *file);
Status __wrap_store_apply(Store *store, Work *first, Error *reterr);

SimResult __wrap_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file)
{
    return files_of_note(&wal, __real_sim_file_create(disk, path, ret_file), path, ret_file);
}

SimResult __wrap_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file)
{
    return files_of_note(&wal, __real_sim_file_open(disk, path, ret_file), path, ret_file);
}

SimResult __wrap_sim_file_sync(SimFile *file)
{
    bool is_wal = files_of_has(&wal, file);
    if (is_in_apply && is_wal) {
        put_off = file;
        return SIM_OK;
    }
    put_off = is_wal ? NULL : put_off;
    return __real_sim_file_sync(file);
}

void __wrap_sim_file_close(SimFile *file)
{
    files_of_forget(&wal, file);
    put_off = file == put_off ? NULL : put_off;
    __real_sim_file_close(file);
}

Status __wrap_store_apply(Store *store, Work *first, Error *reterr)
{
    if (put_off && __wrap_sim_file_sync(put_off) != SIM_OK) {
        return error_set(reterr, STATUS_BROKEN, "the batch before could not be synced");
    }
    is_in_apply = true;
    Status status = __real_store_apply(store, first, reterr);
    is_in_apply = false;
    return status;
}
