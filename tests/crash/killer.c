/* A library to preload into a program that is to be killed at a named point: before or after its nth call of a kind on
 * files whose names match, or in the middle of a write.
 *
 *     LD_PRELOAD=libkiller.so KILL_AT=write:.db-wal:17:torn weir serve …
 *
 * KILL_AT is CALL:NAME:N:WHEN. CALL is open (only those that make a file), write, sync, rename or remove; NAME is what
 * the path ends in ("index" for syncs of the directory); N counts from 1; WHEN is before, after or torn (half of a
 * write's bytes).
 * SIGKILL: nothing of the process gets to run again, but what it handed to the system stays. Before that it says
 * "killed at" and the order on standard error, so that a kill of its own is told from any other. */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

typedef enum When { WHEN_NEVER, WHEN_BEFORE, WHEN_AFTER, WHEN_TORN } When;

static char wanted_call[16], wanted_name[64];
static atomic_long calls_left;
static When wanted_when;

__attribute__((constructor)) static void read_order(void)
{
    const char *order = getenv("KILL_AT");
    char when[16] = "";
    long nth = 0;
    if (order && sscanf(order, "%15[^:]:%63[^:]:%ld:%15s", wanted_call, wanted_name, &nth, when) == 4) {
        calls_left = nth;
        wanted_when = strcmp(when, "before") == 0 ? WHEN_BEFORE : strcmp(when, "after") == 0 ? WHEN_AFTER : WHEN_TORN;
    }
}

/* The system's own function. */
#define NEXT(name) ((__typeof__(&name))(void *)dlsym(RTLD_NEXT, #name))

static void end(void)
{
    char text[128];
    int len = snprintf(text, sizeof text, "\nkilled at %s\n", getenv("KILL_AT"));
    (void)!NEXT(write)(STDERR_FILENO, text, (size_t)len);
    kill(getpid(), SIGKILL);
    for (;;) { /* it is on its way */
    }
}

/* Whether this call is the one, and dies at once when it is to be killed before it. */
static When check(const char *call, const char *path)
{
    size_t path_len = strlen(path), name_len = strlen(wanted_name);
    if (wanted_when == WHEN_NEVER || strcmp(call, wanted_call) != 0 || path_len < name_len ||
        strcmp(path + path_len - name_len, wanted_name) != 0 || atomic_fetch_sub(&calls_left, 1) != 1) {
        return WHEN_NEVER;
    }
    if (wanted_when == WHEN_BEFORE) {
        end();
    }
    return wanted_when;
}

static When check_fd(const char *call, int fd)
{
    char link[64], path[PATH_MAX];
    if (wanted_when == WHEN_NEVER || strcmp(call, wanted_call) != 0) {
        return WHEN_NEVER;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    return check(call, path);
}

#define END_AFTER(when)                                                                                                \
    do {                                                                                                               \
        if ((when) != WHEN_NEVER)                                                                                      \
            end();                                                                                                     \
    } while (0)

ssize_t write(int fd, const void *data, size_t bytes)
{
    When when = check_fd("write", fd);
    ssize_t written = NEXT(write)(fd, data, when == WHEN_TORN ? bytes / 2 : bytes);
    END_AFTER(when);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    When when = check_fd("write", fd);
    ssize_t written = NEXT(pwrite)(fd, data, when == WHEN_TORN ? bytes / 2 : bytes, offset);
    END_AFTER(when);
    return written;
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset)
{
    When when = check_fd("write", fd);
    ssize_t written = NEXT(pwrite64)(fd, data, when == WHEN_TORN ? bytes / 2 : bytes, offset);
    END_AFTER(when);
    return written;
}

int fdatasync(int fd)
{
    When when = check_fd("sync", fd);
    int code = NEXT(fdatasync)(fd);
    END_AFTER(when);
    return code;
}

int fsync(int fd)
{
    When when = check_fd("sync", fd);
    int code = NEXT(fsync)(fd);
    END_AFTER(when);
    return code;
}

int rename(const char *from, const char *to)
{
    When when = check("rename", to);
    int code = NEXT(rename)(from, to);
    END_AFTER(when);
    return code;
}

int unlink(const char *path)
{
    When when = check("remove", path);
    int code = NEXT(unlink)(path);
    END_AFTER(when);
    return code;
}

static int open_mode(int flags, va_list args) { return flags & O_CREAT ? va_arg(args, int) : 0; }

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = open_mode(flags, args);
    va_end(args);
    When when = flags & O_CREAT ? check("open", path) : WHEN_NEVER;
    int fd = NEXT(open)(path, flags, mode);
    END_AFTER(when);
    return fd;
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = open_mode(flags, args);
    va_end(args);
    When when = flags & O_CREAT ? check("open", path) : WHEN_NEVER;
    int fd = NEXT(open64)(path, flags, mode);
    END_AFTER(when);
    return fd;
}
