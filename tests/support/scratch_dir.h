/* A directory of its own for a test. */
#ifndef WEIR_TESTS_SUPPORT_SCRATCH_DIR_H
#define WEIR_TESTS_SUPPORT_SCRATCH_DIR_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void scratch_dir_make(char *ret_dir, size_t size)
{
    snprintf(ret_dir, size, "%s/weir-test-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(ret_dir)) {
        abort();
    }
}

/* With everything in it. */
static inline void scratch_dir_remove(const char *dir)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command) != 0) {
        abort();
    }
}

#endif
