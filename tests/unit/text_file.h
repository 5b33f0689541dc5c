/* A file for all tests of a program, into which they write what is to be read. */
#ifndef WEIR_TESTS_TEXT_FILE_H
#define WEIR_TESTS_TEXT_FILE_H

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/weir-test-XXXXXX";

static inline void write_file(const char *name, const char *bytes, size_t count)
{
    FILE *file = fopen(name, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

/* Around the group of tests. */
static inline int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static inline int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

#endif
