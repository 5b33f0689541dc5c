/* What the tests of the simulated disk have in common: files by a line each, and cmocka with the headers that it wants
 * first. */
#ifndef WEIR_TESTS_SIM_DISK_DISK_TOOLS_H
#define WEIR_TESTS_SIM_DISK_DISK_TOOLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "disk.h"

static inline SimFile *create(SimDisk *disk, const char *path)
{
    SimFile *file = NULL;
    assert_int_equal(sim_file_create(disk, path, &file), SIM_OK);
    return file;
}

static inline void write_text(SimFile *file, uint64_t offset, const char *text)
{
    assert_int_equal(sim_file_write(file, offset, text, strlen(text)), SIM_OK);
}

static inline bool is_there(SimDisk *disk, const char *path)
{
    uint64_t bytes = 0;
    return sim_disk_look(disk, path, &bytes) == SIM_OK;
}

static inline bool holds(const SimDisk *disk, const char *path, const char *text)
{
    const uint8_t *bytes = NULL;
    size_t count = 0;
    return sim_disk_peek(disk, path, &bytes, &count) && count == strlen(text) &&
           (count == 0 || memcmp(bytes, text, count) == 0);
}

static inline void put_text(SimDisk *disk, const char *path, const char *text)
{
    sim_disk_put(disk, path, text, strlen(text));
}

#endif
