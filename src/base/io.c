#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A long file is handed to the disk piece by piece while it is written, so that the sync at its end does not bring one
 * large burst that every other sync has to wait behind. */
enum { WRITE_BEHIND_BYTES = 4 << 20 };

struct IoFile {
    int fd;
    uint64_t written;    /* bytes appended */
    uint64_t handed_out; /* of these, already on their way to the disk */
    char path[];         /* for messages */
};

/* Full disks, quotas and tables pass; a missing file is the caller's business; the rest needs a person. */
static Status status_of_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return STATUS_BUSY;
    case ENOENT:
    case ENOTDIR:
    case EISDIR: return STATUS_REFUSED;
    default: return STATUS_BROKEN;
    }
}

static Status io_fail(Error *reterr, const char *verb, const char *path)
{
    int number = errno;
    Status status = status_of_errno(number);
    errno = number; /* for %m */
    return error_set(reterr, status, "cannot %s %s: %m", verb, path);
}

/* Where the caller chose the place, permissions and names are the caller's to put right, too. */
static Status place_fail(Error *reterr, const char *verb, const char *path)
{
    int number = errno;
    bool is_place = number == EACCES || number == EPERM || number == EROFS || number == EEXIST || number == ELOOP ||
                    number == ENAMETOOLONG;
    Status status = is_place ? STATUS_REFUSED : status_of_errno(number);
    errno = number;
    return error_set(reterr, status, "cannot %s %s: %m", verb, path);
}

static Status file_new(int fd, const char *path, IoFile **ret_file, Error *reterr)
{
    size_t path_bytes = strlen(path) + 1;
    IoFile *file = calloc(1, sizeof *file + path_bytes);
    if (!file) {
        close(fd);
        return error_set(reterr, STATUS_BUSY, "out of memory while opening %s", path);
    }
    file->fd = fd;
    memcpy(file->path, path, path_bytes);
    *ret_file = file;
    return STATUS_OK;
}

/* The old file of that name keeps its bytes for whoever reads it: a new one takes its place, it is never truncated. */
static Status system_create(void *self, const char *path, IoFile **ret_file, Error *reterr)
{
    (void)self;
    if (unlink(path) != 0 && errno != ENOENT) {
        return io_fail(reterr, "replace", path);
    }
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0640);
    if (fd < 0) {
        return io_fail(reterr, "create", path);
    }
    return file_new(fd, path, ret_file, reterr);
}

/* O_NONBLOCK, so that a named pipe of that name is refused below and not waited for. */
static Status system_open(void *self, const char *path, IoFile **ret_file, uint64_t *ret_bytes, Error *reterr)
{
    (void)self;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return io_fail(reterr, "open", path);
    }
    struct stat info;
    if (fstat(fd, &info) != 0) {
        Status status = io_fail(reterr, "look at", path);
        close(fd);
        return status;
    }
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return error_set(reterr, STATUS_REFUSED, "cannot open %s: not a regular file", path);
    }
    Status status = file_new(fd, path, ret_file, reterr);
    if (status == STATUS_OK) {
        *ret_bytes = (uint64_t)info.st_size;
    }
    return status;
}

static void write_behind(IoFile *file)
{
    uint64_t waiting = file->written - file->handed_out;
    if (waiting >= WRITE_BEHIND_BYTES) {
        /* Only a hint: a file system that cannot do it leaves the work to the sync, which reports what goes wrong. */
        (void)sync_file_range(file->fd, (off_t)file->handed_out, (off_t)waiting, SYNC_FILE_RANGE_WRITE);
        file->handed_out = file->written;
    }
}

static Status system_append(IoFile *file, Str data, Error *reterr)
{
    while (data.len > 0) {
        ssize_t count = write(file->fd, data.ptr, data.len);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return io_fail(reterr, "write to", file->path);
        }
        data.ptr += count;
        data.len -= (size_t)count;
        file->written += (uint64_t)count;
    }
    write_behind(file);
    return STATUS_OK;
}

/* fdatasync also makes the length durable, which is all the metadata that a reader needs. */
static Status system_sync(IoFile *file, Error *reterr)
{
    return fdatasync(file->fd) == 0 ? STATUS_OK : io_fail(reterr, "sync", file->path);
}

static Status system_read_at(IoFile *file, uint64_t offset, void *data, size_t bytes, Error *reterr)
{
    if (offset > INT64_MAX || bytes > INT64_MAX - offset) {
        return error_set(reterr, STATUS_REFUSED, "%s ends before byte %llu", file->path, (unsigned long long)offset);
    }
    char *at = data;
    while (bytes > 0) {
        ssize_t count = pread(file->fd, at, bytes, (off_t)offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return io_fail(reterr, "read", file->path);
        }
        if (count == 0) {
            return error_set(reterr, STATUS_REFUSED, "%s ends at byte %llu, %zu bytes too early", file->path,
                             (unsigned long long)offset, bytes);
        }
        at += count;
        offset += (uint64_t)count;
        bytes -= (size_t)count;
    }
    return STATUS_OK;
}

static void system_close(IoFile *file)
{
    if (file) {
        close(file->fd);
        free(file);
    }
}

static Status system_rename(void *self, const char *from, const char *to, Error *reterr)
{
    (void)self;
    if (rename(from, to) == 0) {
        return STATUS_OK;
    }
    int number = errno;
    Status status = status_of_errno(number);
    errno = number;
    return error_set(reterr, status, "cannot rename %s to %s: %m", from, to);
}

static Status system_remove(void *self, const char *path, Error *reterr)
{
    (void)self;
    return unlink(path) == 0 || errno == ENOENT ? STATUS_OK : io_fail(reterr, "remove", path);
}

static Status system_sync_dir(void *self, const char *path, Error *reterr)
{
    (void)self;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return io_fail(reterr, "open directory", path);
    }
    Status status = fsync(fd) == 0 ? STATUS_OK : io_fail(reterr, "sync directory", path);
    close(fd);
    return status;
}

/* Some file systems do not tell in the entry. */
static bool is_directory(DIR *dir, const struct dirent *entry)
{
    struct stat info;
    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

static Status system_list(void *self, const char *path, void (*visit)(void *context, const char *name), void *context,
                          Error *reterr)
{
    (void)self;
    DIR *dir = opendir(path);
    if (!dir) {
        return io_fail(reterr, "list", path);
    }
    Status status = STATUS_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            status = errno == 0 ? STATUS_OK : io_fail(reterr, "list", path);
            break;
        }
        if (!is_directory(dir, entry)) {
            visit(context, entry->d_name);
        }
    }
    closedir(dir);
    return status;
}

static bool is_there(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* fsync of what is in a new directory need not make the directory's own name durable. */
static Status sync_parent(const char *path, Error *reterr)
{
    char parent[4096];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= sizeof parent) {
        return error_set(reterr, STATUS_REFUSED, "the path %s is too long", path);
    }
    memcpy(parent, path, len);
    parent[len] = '\0';
    return system_sync_dir(NULL, len ? parent : slash ? "/" : ".", reterr);
}

static Status system_make_dir(void *self, const char *path, Error *reterr)
{
    (void)self;
    if (mkdir(path, 0750) == 0) {
        Status status = sync_parent(path, reterr);
        if (status != STATUS_OK) {
            rmdir(path); /* so that the next attempt does not take it for a durable one */
        }
        return status;
    }
    int number = errno;
    if (number == EEXIST && is_there(path)) {
        return STATUS_OK;
    }
    errno = number;
    return place_fail(reterr, "make the directory", path);
}

/* Who holds the lock: the file's content is only for people. */
static Status report_holder(int fd, Error *reterr)
{
    char holder[32] = "";
    ssize_t len = pread(fd, holder, sizeof holder - 1, 0);
    holder[len > 0 ? len : 0] = '\0';
    holder[strspn(holder, "0123456789")] = '\0';
    return error_set(reterr, STATUS_CONFLICT, "held by another process%s%s", *holder ? ", pid " : "", holder);
}

static void write_holder(int fd)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        return; /* a full disk: the lock holds all the same */
    }
}

static Status system_lock(void *self, const char *path, IoFile **ret_lock, Error *reterr)
{
    (void)self;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        return place_fail(reterr, "open", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        Status status = errno == EWOULDBLOCK ? report_holder(fd, reterr) : place_fail(reterr, "lock", path);
        close(fd);
        return status;
    }
    write_holder(fd);
    return file_new(fd, path, ret_lock, reterr);
}

static Status system_file_bytes(void *self, const char *path, uint64_t *ret_bytes, Error *reterr)
{
    (void)self;
    struct stat info;
    if (stat(path, &info) != 0) {
        return io_fail(reterr, "look at", path);
    }
    *ret_bytes = (uint64_t)info.st_size;
    return STATUS_OK;
}

static Status system_free_bytes(void *self, const char *path, uint64_t *ret_bytes, Error *reterr)
{
    (void)self;
    struct statvfs info;
    if (statvfs(path, &info) != 0) {
        return io_fail(reterr, "look at the file system of", path);
    }
    *ret_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    return STATUS_OK;
}

const Io io_system = {
    .create = system_create,
    .open = system_open,
    .append = system_append,
    .sync = system_sync,
    .read_at = system_read_at,
    .close = system_close,
    .rename = system_rename,
    .remove = system_remove,
    .sync_dir = system_sync_dir,
    .list = system_list,
    .make_dir = system_make_dir,
    .lock = system_lock,
    .file_bytes = system_file_bytes,
    .free_bytes = system_free_bytes,
};
