#include "sim_io.h"

#include <stdlib.h>

#include "support/need.h"

struct IoFile {
    SimFile *file;
    uint64_t end; /* where the next append goes */
    char *path;
};

static Status io_result(SimResult result, const char *verb, const char *path, Error *reterr)
{
    switch (result) {
    case SIM_OK: return STATUS_OK;
    case SIM_MISSING: return error_set(reterr, STATUS_REFUSED, "cannot %s %s: no such file or directory", verb, path);
    case SIM_TAKEN: return error_set(reterr, STATUS_CONFLICT, "held by another process");
    case SIM_FULL: return error_set(reterr, STATUS_BUSY, "cannot %s %s: no space left on device", verb, path);
    case SIM_ERROR: break;
    }
    return error_set(reterr, STATUS_BROKEN, "cannot %s %s: I/O error", verb, path);
}

static IoFile *file_new(SimFile *file, const char *path)
{
    IoFile *self = need(calloc(1, sizeof *self));
    *self = (IoFile){.file = file, .end = sim_file_bytes(file), .path = need(strdup(path))};
    return self;
}

static Status io_create(void *self, const char *path, IoFile **ret_file, Error *reterr)
{
    SimFile *file = NULL;
    Status status = io_result(sim_file_create(self, path, &file), "create", path, reterr);
    if (status == STATUS_OK) {
        *ret_file = file_new(file, path);
    }
    return status;
}

static Status io_open(void *self, const char *path, IoFile **ret_file, uint64_t *ret_bytes, Error *reterr)
{
    SimFile *file = NULL;
    Status status = io_result(sim_file_open(self, path, &file), "open", path, reterr);
    if (status == STATUS_OK) {
        *ret_file = file_new(file, path);
        *ret_bytes = sim_file_bytes(file);
    }
    return status;
}

static Status io_append(IoFile *file, Str data, Error *reterr)
{
    SimResult result = sim_file_write(file->file, file->end, data.ptr, data.len);
    file->end += data.len;
    return io_result(result, "write to", file->path, reterr);
}

static Status io_sync(IoFile *file, Error *reterr)
{
    return io_result(sim_file_sync(file->file), "sync", file->path, reterr);
}

static Status io_read_at(IoFile *file, uint64_t offset, void *data, size_t bytes, Error *reterr)
{
    size_t count = 0;
    Status status = io_result(sim_file_read(file->file, offset, data, bytes, &count), "read", file->path, reterr);
    if (status == STATUS_OK && count < bytes) {
        return error_set(reterr, STATUS_REFUSED, "%s ends at byte %llu, %zu bytes too early", file->path,
                         (unsigned long long)(offset + count), bytes - count);
    }
    return status;
}

static void io_close(IoFile *file)
{
    if (file) {
        sim_file_close(file->file);
        free(file->path);
        free(file);
    }
}

static Status io_rename(void *self, const char *from, const char *to, Error *reterr)
{
    return io_result(sim_disk_rename(self, from, to), "rename", from, reterr);
}

static Status io_remove(void *self, const char *path, Error *reterr)
{
    SimResult result = sim_disk_remove(self, path);
    return result == SIM_MISSING ? STATUS_OK : io_result(result, "remove", path, reterr);
}

static Status io_sync_dir(void *self, const char *path, Error *reterr)
{
    return io_result(sim_disk_sync_dir(self, path), "sync directory", path, reterr);
}

static Status io_list(void *self, const char *path, void (*visit)(void *context, const char *name), void *context,
                      Error *reterr)
{
    return io_result(sim_disk_list(self, path, visit, context), "list", path, reterr);
}

static Status io_make_dir(void *self, const char *path, Error *reterr)
{
    return io_result(sim_disk_make_dir(self, path), "make the directory", path, reterr);
}

static Status io_lock(void *self, const char *path, IoFile **ret_lock, Error *reterr)
{
    SimFile *file = NULL;
    Status status = io_result(sim_disk_lock(self, path, &file), "lock", path, reterr);
    if (status == STATUS_OK) {
        *ret_lock = file_new(file, path);
    }
    return status;
}

static Status io_file_bytes(void *self, const char *path, uint64_t *ret_bytes, Error *reterr)
{
    return io_result(sim_disk_look(self, path, ret_bytes), "look at", path, reterr);
}

static Status io_free_bytes(void *self, const char *path, uint64_t *ret_bytes, Error *reterr)
{
    return io_result(sim_disk_free_bytes(self, path, ret_bytes), "look at the file system of", path, reterr);
}

Io sim_io(SimDisk *disk)
{
    return (Io){
        .create = io_create,
        .open = io_open,
        .append = io_append,
        .sync = io_sync,
        .read_at = io_read_at,
        .close = io_close,
        .rename = io_rename,
        .remove = io_remove,
        .sync_dir = io_sync_dir,
        .list = io_list,
        .make_dir = io_make_dir,
        .lock = io_lock,
        .file_bytes = io_file_bytes,
        .free_bytes = io_free_bytes,
        .self = disk,
    };
}
