#include "base/wakeup.h"

#include <errno.h>
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

bool wakeup_wait_beside(const Wakeup *wakeup, int fd, short events, int64_t us_max)
{
    struct pollfd waiting[] = {{.fd = wakeup->fd, .events = POLLIN}, {.fd = fd, .events = events}};
    int64_t us = us_max > 0 ? us_max : 0;
    struct timespec limit = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    bool called = ppoll(waiting, 2, &limit, NULL) > 0 && waiting[0].revents;
    if (called) {
        wakeup_clear(wakeup);
    }
    return called;
}

bool wakeup_wait(const Wakeup *wakeup, int64_t us_max) { return wakeup_wait_beside(wakeup, -1, 0, us_max); }
