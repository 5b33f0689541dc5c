#include "intake/drop_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "intake/drop_names.h"
#include "intake/drop_writers.h"

#define SECOND_US    INT64_C(1000000)
#define RESCAN_US    (30 * SECOND_US) /* what no event told of: other machines' files, links */
#define SETTLE_US    (10 * SECOND_US)
#define STALL_US     (600 * SECOND_US) /* of one that was made here while we watched, and was not closed since */
#define UNSETTLED_US SECOND_US         /* until files that are not whole yet are looked at again */

enum {
    WAITING_MAX = 1024, /* names that are kept of one look at the directory: the oldest */
    NUMBER_MAX = 9999,
    EVENT_BYTES = 65536,
};

typedef struct Waiting {
    char name[FILE_MARK_NAME_BYTES_MAX + 1];
    int64_t written_ns;
} Waiting;

struct DropDir {
    const DropDirOptions *options;
    int fd, done, failed, moving,
        events; /* descriptors; of directories, so that nobody can put another place there meanwhile */
    dev_t device;
    ino_t inode;
    bool gone;
    bool changed; /* something was dropped since the last look from the beginning */
    bool more;    /* the last look found more than it could keep: the next one goes on behind `after` */
    bool held;    /* there is something in moving/ that is to be put back */
    size_t looks; /* since the last one from the beginning */
    bool any;     /* one of them had a file */
    char unfinished[FILE_MARK_NAME_BYTES_MAX + 1];
    int64_t scan_us;
    size_t at, count; /* of `waiting`, sorted */
    Waiting after;
    Waiting waiting[2 * WAITING_MAX];
    DropNames closed, made; /* that events told of: closed, or moved here; and made here */
};

static int64_t now_us(const DropDir *dir) { return clock_monotonic_us(dir->options->clock); }

/* ---- Opening ----------------------------------------------------------------------------------------------------- */

static Status fail(const DropDir *dir, const char *what, Error *reterr)
{
    int number = errno;
    bool passes = number == ENOSPC || number == EDQUOT || number == EMFILE || number == ENFILE || number == ENOMEM ||
                  number == EIO || number == ESTALE;
    return error_set(reterr, passes ? STATUS_BUSY : STATUS_REFUSED, "%s: %s: %s", dir->options->path, what,
                     strerror(number));
}

static Status make_dir(const DropDir *dir, Error *reterr)
{
    if (mkdir(dir->options->path, 0750) == 0 || errno == EEXIST) {
        return STATUS_OK;
    }
    if (errno == ENOENT) {
        return error_set(reterr, STATUS_BUSY,
                         "the directory %s is not there, and neither is the one that it would be made in",
                         dir->options->path);
    }
    return fail(dir, "the directory cannot be made", reterr);
}

static Status open_dir(DropDir *dir, Error *reterr)
{
    struct stat info;
    Status status = make_dir(dir, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    dir->fd = open(dir->options->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0 || fstat(dir->fd, &info) != 0) {
        return fail(dir, "the directory cannot be opened", reterr);
    }
    dir->device = info.st_dev;
    dir->inode = info.st_ino;
    if (flock(dir->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return error_set(reterr, STATUS_BUSY, "another source takes files from %s already", dir->options->path);
    }
    return STATUS_OK;
}

/* Whoever may drop files could have put a link of that name there: it is not followed. */
static Status make_place(const DropDir *dir, const char *name, int *ret_fd, Error *reterr)
{
    char make[64], use[64]; /* before the calls, whose errno is told */
    snprintf(make, sizeof make, "%s/ cannot be made in it", name);
    snprintf(use, sizeof use, "%s/ in it cannot be opened", name);
    if (mkdirat(dir->fd, name, 0750) != 0 && errno != EEXIST) {
        return fail(dir, make, reterr);
    }
    *ret_fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *ret_fd >= 0 ? STATUS_OK : fail(dir, use, reterr);
}

static Status make_places(DropDir *dir, Error *reterr)
{
    Status status = make_place(dir, "failed", &dir->failed, reterr);
    if (status == STATUS_OK && dir->options->keep_done) {
        status = make_place(dir, "done", &dir->done, reterr);
    }
    if (status == STATUS_OK) {
        status = make_place(dir, ".moving", &dir->moving, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    return faccessat(dir->fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) == 0
               ? STATUS_OK
               : fail(dir, "files cannot be moved out of it", reterr);
}

static Status watch(DropDir *dir, Error *reterr)
{
    dir->events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (dir->events < 0 ||
        inotify_add_watch(dir->events, dir->options->path,
                          IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) < 0) {
        int number = errno;
        return error_set(reterr, STATUS_BUSY, "%s cannot be watched: %s (see fs.inotify in sysctl)", dir->options->path,
                         strerror(number));
    }
    return STATUS_OK;
}

Status drop_dir_open(const DropDirOptions *options, DropDir **ret_dir, Error *reterr)
{
    DropDir *dir = malloc(sizeof *dir);
    if (!dir) {
        return error_set(reterr, STATUS_BUSY, "no memory to watch %s", options->path);
    }
    memset(dir, 0, offsetof(DropDir, waiting));
    dir->closed.count = dir->made.count = 0;
    dir->options = options;
    dir->fd = dir->done = dir->failed = dir->moving = dir->events = -1;
    dir->changed = dir->held = true;
    Status status = open_dir(dir, reterr);
    if (status == STATUS_OK) {
        status = make_places(dir, reterr);
    }
    if (status == STATUS_OK) {
        status = watch(dir, reterr); /* before the first look, or what comes between is missed */
    }
    if (status != STATUS_OK) {
        drop_dir_close(dir);
        return status;
    }
    *ret_dir = dir;
    return STATUS_OK;
}

void drop_dir_close(DropDir *dir)
{
    if (dir) {
        const int fds[] = {dir->events, dir->done, dir->failed, dir->moving, dir->fd};
        for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
            if (fds[i] >= 0) {
                close(fds[i]);
            }
        }
        free(dir);
    }
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

int drop_dir_fd(const DropDir *dir) { return dir->events; }

/* Of a file that was made here nothing is to be had before it is closed. */
static void take_name(DropDir *dir, const struct inotify_event *event)
{
    bool is_made = (event->mask & IN_CREATE) != 0;
    if (drop_name_is_wanted(event->name, dir->options->patterns)) {
        drop_names_remove(is_made ? &dir->closed : &dir->made, event->name);
        drop_names_add(is_made ? &dir->made : &dir->closed, event->name);
    }
    dir->changed = dir->changed || !is_made;
}

static void take_event(DropDir *dir, const struct inotify_event *event)
{
    dir->gone |= (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0;
    if (event->len > 0 && !(event->mask & IN_ISDIR)) {
        take_name(dir, event);
    } else {
        dir->changed = true;
    }
    if (event->mask & IN_Q_OVERFLOW) { /* that they were closed may be among what was lost */
        dir->made.count = 0;
    }
}

static bool read_events(DropDir *dir)
{
    _Alignas(struct inotify_event) char bytes[EVENT_BYTES];
    ssize_t got = read(dir->events, bytes, sizeof bytes);
    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)(bytes + at);
        take_event(dir, event);
        at += (ssize_t)(sizeof *event + event->len);
    }
    return got > 0;
}

Status drop_dir_listen(DropDir *dir, Error *reterr)
{
    struct stat info;
    while (read_events(dir)) {
    }
    /* A directory further up can be moved as well, and no event tells. */
    if (dir->gone || stat(dir->options->path, &info) != 0 || info.st_dev != dir->device || info.st_ino != dir->inode) {
        return error_set(reterr, STATUS_BUSY, "the directory %s is not there any more", dir->options->path);
    }
    return STATUS_OK;
}

/* ---- Moving ------------------------------------------------------------------------------------------------------ */

/* Not every file system knows how to rename without replacing. */
static int rename_to_free(int from_dir, const char *from, int to_dir, const char *to)
{
    struct stat info;
    if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -1;
    }
    if (fstatat(to_dir, to, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(from_dir, from, to_dir, to);
}

/* In moving/ a file has a number and a dot in front of its name. One whose name is taken meanwhile waits there until it
 * is free. */
static bool put_back(const DropDir *dir, const char *held)
{
    const char *dot = strchr(held, '.');
    return !dot || rename_to_free(dir->moving, held, dir->fd, dot + 1) == 0 || errno == ENOENT;
}

static DIR *list(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    if (!listing && fd >= 0) {
        int number = errno;
        close(fd);
        errno = number;
    }
    return listing;
}

/* What was being moved, also by a process that ended meanwhile, is dropped once more. */
static void put_back_all(DropDir *dir)
{
    DIR *listing = dir->held ? list(dir->moving) : NULL;
    if (!listing) {
        return;
    }
    dir->held = false;
    for (const struct dirent *entry; (entry = readdir(listing));) {
        if (entry->d_name[0] != '.' && !put_back(dir, entry->d_name)) {
            dir->held = true;
        }
    }
    closedir(listing);
}

/* ---- What is there ----------------------------------------------------------------------------------------------- */

static int compare_waiting(const void *a, const void *b)
{
    const Waiting *left = a, *right = b;
    if (left->written_ns != right->written_ns) {
        return left->written_ns < right->written_ns ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

static void sort_waiting(DropDir *dir)
{
    qsort(dir->waiting, dir->count, sizeof *dir->waiting, compare_waiting);
    if (dir->count > WAITING_MAX) {
        dir->count = WAITING_MAX;
        dir->more = true;
    }
}

static void add_waiting(DropDir *dir, const char *name)
{
    struct stat info;
    if (!drop_name_is_wanted(name, dir->options->patterns) || fstatat(dir->fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(info.st_mode)) {
        return;
    }
    if (dir->count == 2 * (size_t)WAITING_MAX) {
        sort_waiting(dir);
    }
    Waiting *waiting = &dir->waiting[dir->count];
    memcpy(waiting->name, name, strlen(name) + 1);
    waiting->written_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    dir->count += dir->looks == 1 || compare_waiting(waiting, &dir->after) > 0;
}

/* A look that could not keep all is followed by one at what is behind that: files that are not whole for long, however
 * many, hide no others. */
static void begin_look(DropDir *dir)
{
    if (dir->more) {
        dir->after = dir->waiting[dir->count - 1];
        dir->looks++;
    } else {
        dir->looks = 1;
        dir->any = dir->changed = false;
        dir->unfinished[0] = '\0';
    }
    dir->at = dir->count = 0;
    dir->more = false;
    dir->scan_us = now_us(dir) + RESCAN_US;
}

static Status scan(DropDir *dir, Error *reterr)
{
    put_back_all(dir);
    DIR *listing = list(dir->fd);
    if (!listing) {
        return fail(dir, "the directory cannot be read", reterr);
    }
    begin_look(dir);
    for (const struct dirent *entry; (entry = readdir(listing));) {
        add_waiting(dir, entry->d_name);
    }
    closedir(listing);
    sort_waiting(dir);
    return STATUS_OK;
}

int64_t drop_dir_due_us(const DropDir *dir)
{
    return dir->at < dir->count || dir->changed || dir->more ? 0 : dir->scan_us;
}

size_t drop_dir_waiting(const DropDir *dir, int64_t *ret_oldest_us)
{
    *ret_oldest_us = dir->at < dir->count ? dir->waiting[dir->at].written_ns / 1000 : 0;
    return dir->count - dir->at;
}

/* ---- Whole files ------------------------------------------------------------------------------------------------- */

static bool has_settled(const DropDir *dir, const char *name, const struct stat *info)
{
    int64_t settle_us = drop_names_have(&dir->made, name) ? STALL_US : SETTLE_US;
    int64_t changed_us = (int64_t)info->st_ctim.tv_sec * SECOND_US + info->st_ctim.tv_nsec / 1000;
    int64_t age_us = clock_wall_us(dir->options->clock) - changed_us;
    return age_us >= settle_us || age_us < -settle_us; /* of another clock */
}

static bool is_whole(DropDir *dir, const char *name, int fd, const struct stat *info)
{
    DropWriters writers = drop_writers_find(fd);
    if (writers == DROP_WRITERS_SOME) {
        memcpy(dir->unfinished, name, strlen(name) + 1);
    }
    if (writers == DROP_WRITERS_UNKNOWN) {
        return drop_names_have(&dir->closed, name) || has_settled(dir, name, info);
    }
    return writers == DROP_WRITERS_NONE;
}

const char *drop_dir_unfinished(const DropDir *dir) { return dir->unfinished; }

static int open_file(int dir, const char *name)
{
    return openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

Status drop_dir_try(DropDir *dir, const char *name, DropFile *ret_file, bool *ret_any, Error *reterr)
{
    struct stat info;
    int fd = open_file(dir->fd, name), number = errno;
    *ret_any = false;
    if (fd < 0 && (number == EMFILE || number == ENFILE || number == ENOMEM)) {
        errno = number;
        return fail(dir, name, reterr);
    }
    bool no_permission = fd < 0 && (number == EACCES || number == EPERM);
    if ((fd < 0 && !no_permission) ||
        (no_permission ? fstatat(dir->fd, name, &info, AT_SYMLINK_NOFOLLOW) : fstat(fd, &info)) != 0 ||
        !S_ISREG(info.st_mode) || !(no_permission ? has_settled(dir, name, &info) : is_whole(dir, name, fd, &info))) {
        dir->scan_us = now_us(dir) + UNSETTLED_US;
        if (fd >= 0) {
            close(fd);
        }
        return STATUS_OK;
    }
    drop_names_remove(&dir->closed, name);
    drop_names_remove(&dir->made, name);
    *ret_file = (DropFile){.fd = fd, .identity = file_identity(&info)};
    memcpy(ret_file->name, name, strlen(name) + 1);
    *ret_any = true;
    return STATUS_OK;
}

Status drop_dir_next(DropDir *dir, DropFile *ret_file, bool *ret_any, Error *reterr)
{
    Status status = STATUS_OK;
    *ret_any = false;
    if (dir->at == dir->count && (dir->changed || dir->more || now_us(dir) >= dir->scan_us)) {
        status = scan(dir, reterr);
    }
    while (status == STATUS_OK && !*ret_any && dir->at < dir->count) {
        status = drop_dir_try(dir, dir->waiting[dir->at].name, ret_file, ret_any, reterr);
        dir->at += status == STATUS_OK;
    }
    dir->any = dir->any || *ret_any;
    if (dir->looks > 1 && dir->at == dir->count && !dir->more && !dir->any) {
        dir->scan_us = now_us(dir) + SETTLE_US; /* there were many, and none of them could be had */
    }
    return status;
}

bool drop_dir_has(const DropDir *dir, const char *name)
{
    struct stat info;
    return fstatat(dir->fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

Status drop_dir_open_again(const DropDir *dir, DropFile *file, Error *reterr)
{
    struct stat info;
    file->fd = open_file(dir->fd, file->name);
    if (file->fd < 0 || fstat(file->fd, &info) != 0) {
        return error_set(reterr, STATUS_BUSY, "%s: %s: %s", dir->options->path, file->name, strerror(errno));
    }
    file->identity = file_identity(&info);
    return STATUS_OK;
}

bool drop_dir_is_unchanged(const DropDir *dir, const DropFile *file)
{
    struct stat info;
    if (fstatat(dir->fd, file->name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT; /* whoever took it away has had it read */
    }
    FileIdentity now = file_identity(&info);
    return file_identity_equal(&now, &file->identity);
}

/* ---- Where they go ----------------------------------------------------------------------------------------------- */

static bool is_there(int dir, const char *name)
{
    struct stat info;
    return dir >= 0 && fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

Status drop_dir_number(const DropDir *dir, const char *name, unsigned *ret_number, Error *reterr)
{
    char target[DROP_NAME_BYTES_MAX];
    for (unsigned number = 0; number <= NUMBER_MAX; number++) {
        drop_name_of(target, name, number);
        if (!is_there(dir->done, target) && !is_there(dir->failed, target)) {
            *ret_number = number;
            return STATUS_OK;
        }
    }
    return error_set(reterr, STATUS_BUSY, "%s: %d files of the name %s were taken in; clear done/ and failed/",
                     dir->options->path, NUMBER_MAX, name);
}

Status drop_dir_open_report(const DropDir *dir, const char *name, unsigned number, uint64_t keep, int *ret_fd,
                            Error *reterr)
{
    char report[DROP_NAME_BYTES_MAX];
    struct stat info;
    drop_report_name_of(report, name, number);
    int fd = openat(dir->failed, report, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0 || fstat(fd, &info) != 0 || ((uint64_t)info.st_size >= keep && ftruncate(fd, (off_t)keep) != 0) ||
        lseek(fd, (off_t)keep, SEEK_SET) < 0) {
        Status status = fail(dir, report, reterr);
        if (fd >= 0) {
            close(fd);
        }
        return status == STATUS_REFUSED ? STATUS_BUSY : status; /* failed/ itself may be gone: connecting makes it */
    }
    if ((uint64_t)info.st_size < keep) {
        close(fd);
        fd = -1;
    }
    *ret_fd = fd;
    return STATUS_OK;
}

void drop_dir_remove_report(const DropDir *dir, const char *name, unsigned number)
{
    char report[DROP_NAME_BYTES_MAX];
    drop_report_name_of(report, name, number);
    unlinkat(dir->failed, report, 0);
}

/* Out of reach of whoever drops files: by its name there nobody replaces it, and nobody opens it. */
static int take_aside(const DropDir *dir, const char *name, char ret_held[DROP_NAME_BYTES_MAX])
{
    int result = -1;
    for (unsigned number = 0; number <= NUMBER_MAX; number++) {
        snprintf(ret_held, DROP_NAME_BYTES_MAX, "%u.%s", number, name);
        result = rename_to_free(dir->fd, name, dir->moving, ret_held);
        if (result == 0 || errno != EEXIST) {
            break;
        }
    }
    return result;
}

/* Nobody can open it any more; but somebody may have, and may be writing still. */
static bool is_the_one(const DropDir *dir, const char *held, const DropFile *file)
{
    struct stat info;
    FileIdentity now;
    int fd = open_file(dir->moving, held);
    bool is_written = fd >= 0 && drop_writers_find(fd) == DROP_WRITERS_SOME;
    if (fd >= 0) {
        close(fd);
    }
    if (is_written || fstatat(dir->moving, held, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return false;
    }
    now = file_identity(&info);
    return S_ISREG(info.st_mode) && file_identity_equal(&now, &file->identity);
}

static Status fail_move(const DropDir *dir, bool removes, Error *reterr)
{
    bool passes = errno == EEXIST || errno == ENOENT; /* connecting makes the place, and finds another number */
    Status status =
        fail(dir, removes ? "a file that was read cannot be removed" : "a file that was read cannot be moved", reterr);
    return passes ? STATUS_BUSY : status;
}

Status drop_dir_move(DropDir *dir, const DropFile *file, unsigned number, bool failed, bool *ret_moved, Error *reterr)
{
    char held[DROP_NAME_BYTES_MAX], target[DROP_NAME_BYTES_MAX];
    bool removes = !failed && !dir->options->keep_done;
    drop_name_of(target, file->name, number);
    *ret_moved = true;
    if (take_aside(dir, file->name, held) != 0) {
        return errno == ENOENT && !is_there(dir->fd, file->name) ? STATUS_OK : fail_move(dir, removes, reterr);
    }
    *ret_moved = is_the_one(dir, held, file);
    if (*ret_moved && (removes ? unlinkat(dir->moving, held, 0)
                               : rename_to_free(dir->moving, held, failed ? dir->failed : dir->done, target)) == 0) {
        dir->changed = dir->changed || dir->held; /* what waits for the name can have it */
        return STATUS_OK;
    }
    Status status = *ret_moved ? fail_move(dir, removes, reterr) : STATUS_OK;
    dir->held = true;
    put_back_all(dir);
    return status;
}
