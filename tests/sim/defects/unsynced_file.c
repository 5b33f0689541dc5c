/* Syncs of one file are left out, and said to be done. */
#include <string.h>

#include "now_and_then.h"
#include "sim/disk.h"

enum { FILES_MAX = 64 };
static const SimFile *files[FILES_MAX];

SimResult __real_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __real_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __real_sim_file_sync(SimFile *file);
void __real_sim_file_close(SimFile *file);
SimResult __wrap_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __wrap_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file);
SimResult __wrap_sim_file_sync(SimFile *file);
void __wrap_sim_file_close(SimFile *file);

static SimResult note(SimResult result, const char *path, SimFile *const *file)
{
    size_t len = strlen(path), suffix_len = strlen(UNSYNCED_SUFFIX);
    bool is_meant = len >= suffix_len && strcmp(path + len - suffix_len, UNSYNCED_SUFFIX) == 0;
    for (size_t i = 0; result == SIM_OK && is_meant && i < FILES_MAX; i++) {
        if (!files[i]) {
            files[i] = *file;
            break;
        }
    }
    return result;
}

SimResult __wrap_sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file)
{
    return note(__real_sim_file_open(disk, path, ret_file), path, ret_file);
}

SimResult __wrap_sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file)
{
    return note(__real_sim_file_create(disk, path, ret_file), path, ret_file);
}

SimResult __wrap_sim_file_sync(SimFile *file)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (files[i] == file) {
            return SIM_OK;
        }
    }
    return __real_sim_file_sync(file);
}

void __wrap_sim_file_close(SimFile *file)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        files[i] = files[i] == file ? NULL : files[i];
    }
    __real_sim_file_close(file);
}
