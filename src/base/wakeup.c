#include "base/wakeup.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

Status wakeup_init(Wakeup *wakeup, Error *reterr)
{
    wakeup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wakeup->fd >= 0 ? STATUS_OK
                           : error_set(reterr, STATUS_BUSY, "the system gave no event: %s", strerror(errno));
}

void wakeup_release(Wakeup *wakeup)
{
    if (wakeup->fd >= 0) {
        close(wakeup->fd);
    }
    *wakeup = WAKEUP_NONE;
}

void wakeup_call(const Wakeup *wakeup)
{
    int written = eventfd_write(wakeup->fd, 1);
    (void)written; /* a counter that is full can be read, too */
}

void wakeup_clear(const Wakeup *wakeup)
{
    eventfd_t count;
    int read = eventfd_read(wakeup->fd, &count);
    (void)read; /* there may have been no call */
}

/* poll() knows when it ends, also when the process is stopped meanwhile; ppoll() would begin again with all that was
 * left, and so is for less than a millisecond. */
static int wait_for(struct pollfd *waiting, nfds_t count, int64_t us)
{
    int ms = us / 1000 < INT_MAX ? (int)(us / 1000) : INT_MAX;
    struct timespec rest = {.tv_nsec = us % 1000 * 1000};
    int ready = ms > 0 ? poll(waiting, count, ms) : 0;
    return ready == 0 ? ppoll(waiting, count, &rest, NULL) : ready;
}

bool wakeup_wait_beside(const Wakeup *wakeup, int fd, short events, int64_t us_max)
{
    struct pollfd waiting[] = {{.fd = wakeup->fd, .events = POLLIN}, {.fd = fd, .events = events}};
    bool called = wait_for(waiting, 2, us_max > 0 ? us_max : 0) > 0 && waiting[0].revents;
    if (called) {
        wakeup_clear(wakeup);
    }
    return called;
}

bool wakeup_wait(const Wakeup *wakeup, int64_t us_max) { return wakeup_wait_beside(wakeup, -1, 0, us_max); }
