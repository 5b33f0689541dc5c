#include "intake/drop_writers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/vfs.h>

static bool is_shared(long file_system)
{
    uint32_t magic = (uint32_t)file_system; /* some are negative where a long has 32 bits */
    return magic == NFS_SUPER_MAGIC || magic == CIFS_SUPER_MAGIC || magic == SMB2_SUPER_MAGIC;
}

DropWriters drop_writers_judge(int error, long file_system)
{
    if (error == 0) {
        return DROP_WRITERS_NONE;
    }
    return error == EAGAIN && !is_shared(file_system) ? DROP_WRITERS_SOME : DROP_WRITERS_UNKNOWN;
}

/* Should somebody open it in the moment while we have the lease, the signal is one that nobody minds. */
DropWriters drop_writers_find(int fd)
{
    struct statfs info = {0};
    if (fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        fcntl(fd, F_SETLEASE, F_UNLCK);
        return drop_writers_judge(0, 0);
    }
    int error = errno;
    return drop_writers_judge(error, fstatfs(fd, &info) == 0 ? (long)info.f_type : 0);
}
