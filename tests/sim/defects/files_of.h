/* The files that are open under one of the disk's names, however often: what a defect does to one of them it does to
 * all. */
#ifndef WEIR_TESTS_SIM_DEFECTS_FILES_OF_H
#define WEIR_TESTS_SIM_DEFECTS_FILES_OF_H

#include <stdbool.h>
#include <string.h>

#include "sim/disk/disk.h"

enum { FILES_OF_MAX = 64 };

typedef struct FilesOf {
    const char *suffix;
    const SimFile *files[FILES_OF_MAX];
} FilesOf;

/* Of what was opened or created. */
static inline SimResult files_of_note(FilesOf *of, SimResult result, const char *path, SimFile *const *file)
{
    size_t len = strlen(path), suffix_len = strlen(of->suffix);
    bool is_meant = len >= suffix_len && strcmp(path + len - suffix_len, of->suffix) == 0;
    for (size_t i = 0; result == SIM_OK && is_meant && i < FILES_OF_MAX; i++) {
        if (!of->files[i]) {
            of->files[i] = *file;
            break;
        }
    }
    return result;
}

static inline bool files_of_has(const FilesOf *of, const SimFile *file)
{
    bool found = false;
    for (size_t i = 0; i < FILES_OF_MAX && !found; i++) {
        found = of->files[i] == file;
    }
    return found;
}

static inline void files_of_forget(FilesOf *of, const SimFile *file)
{
    for (size_t i = 0; i < FILES_OF_MAX; i++) {
        of->files[i] = of->files[i] == file ? NULL : of->files[i];
    }
}

#endif
