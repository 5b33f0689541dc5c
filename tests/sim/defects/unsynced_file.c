/* Syncs of one file are left out, and said to be done. */
#include "files_of.h"

static FilesOf unsynced = {.suffix = UNSYNCED_SUFFIX};

SimResult __real_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __real_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __real_sim_file_sync(SimFile *file);
void __real_sim_file_close(SimFile *file);
SimResult __wrap_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __wrap_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __wrap_sim_file_sync(SimFile *file);
void __wrap_sim_file_close(SimFile *file);

SimResult __wrap_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file)
{
    return files_of_note(&unsynced, __real_sim_file_open(disk, path, ret_file), path, ret_file);
}

SimResult __wrap_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file)
{
    return files_of_note(&unsynced, __real_sim_file_create(disk, path, ret_file), path, ret_file);
}

SimResult __wrap_sim_file_sync(SimFile *file)
{
    return files_of_has(&unsynced, file) ? SIM_OK : __real_sim_file_sync(file);
}

void __wrap_sim_file_close(SimFile *file)
{
    files_of_forget(&unsynced, file);
    __real_sim_file_close(file);
}
