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

/* Rounded up, so that nobody comes back before it is time, and within what poll() takes: there, less than 0 is for ever. */
static int milliseconds(int64_t us_max)
{
    if (us_max <= 0) {
        return 0;
    }
    return us_max / 1000 < INT_MAX ? (int)((us_max - 1) / 1000 + 1) : INT_MAX;
}

void wakeup_wait(const Wakeup *wakeup, int64_t us_max)
{
    struct pollfd waiting = {.fd = wakeup->fd, .events = POLLIN};
    if (poll(&waiting, 1, milliseconds(us_max)) > 0) {
        wakeup_clear(wakeup);
    }
}
