/* Bytes as a file with a name, for what reads files by name. One at a time. */
#ifndef WEIR_TESTS_FUZZ_MEMORY_FILE_H
#define WEIR_TESTS_FUZZ_MEMORY_FILE_H

#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

/* The name, which is the same each time. */
static inline const char *memory_file(const void *bytes, size_t count)
{
    static char path[64];
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    PROMISE(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, bytes, count, 0) == (ssize_t)count);
    return path;
}

#endif
