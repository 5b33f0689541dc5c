/* The other side of a source of files: a directory of its own, and files that are dropped into it. */
#ifndef WEIR_TESTS_CONTRACT_FILES_SIDE_H
#define WEIR_TESTS_CONTRACT_FILES_SIDE_H

#include <stdatomic.h>

#include "source_suite.h"

typedef struct FilesSide {
    char top[256], dir[300], away[300]; /* dir is two levels below top; nobody has made it yet */
    atomic_uint files;
    SourceOptions options;
    SourceContext context;
} FilesSide;

/* As SourceSide has them; `self` is a FilesSide. */
void *files_side_start(void);
void files_side_stop(void *self);
Source *files_side_open(void *self, SideLimits limits);
/* A new file with each call. */
void files_side_put(void *self, size_t part, const Str *raws, size_t count);
bool files_side_put_unfit(void *self); /* there is no such thing */
/* Files, for nobody has counted lines. */
int64_t files_side_left(void *self);
bool files_side_unreachable(void *self, bool unreachable);

/* Writes a file elsewhere and moves it there, as it should be. */
void files_side_drop(FilesSide *side, const char *name, const void *bytes, size_t len);
void files_side_drop_text(FilesSide *side, const char *name, const char *text);

#endif
