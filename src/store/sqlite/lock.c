#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/sqlite/sqlite_store.h"

/* Who holds the lock, for the message: the file's content is only for people. */
static Status report_holder(int fd, const char *dir, Error *reterr)
{
    char holder[32] = "";
    ssize_t len = pread(fd, holder, sizeof holder - 1, 0);
    holder[len > 0 ? len : 0] = '\0';
    for (char *c = holder; *c; c++) {
        if (*c < '0' || *c > '9') {
            *c = '\0';
            break;
        }
    }
    return error_set(reterr, STATUS_BUSY,
                     "the store in %s is held by another process%s%s; stop it or choose another directory", dir,
                     *holder ? ", pid " : "", holder);
}

static void write_holder(int fd)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        return; /* a full disk: the lock holds all the same */
    }
}

Status store_lock_take(const char *dir, int *ret_lock, Error *reterr)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        return error_set(reterr, STATUS_REFUSED, "%s cannot be opened: %s", path, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        Status status = errno == EWOULDBLOCK
                            ? report_holder(fd, dir, reterr)
                            : error_set(reterr, STATUS_REFUSED, "%s cannot be locked: %s", path, strerror(errno));
        close(fd);
        return status;
    }
    write_holder(fd);
    *ret_lock = fd;
    return STATUS_OK;
}

void store_lock_release(int lock)
{
    if (lock >= 0) {
        close(lock);
    }
}
