/* A directory that files are dropped into: which of them are there and whole, and where they go when they were read.
 *
 * What is inside it stays inside: files are opened below a descriptor, symbolic links and whatever is no regular file
 * are not touched, nor are names that begin with a dot or end as names of files do that are still being copied (~,
 * .tmp, .part, .partial, .filepart), our reports (.report.ndjson), names that no pattern takes, and names of more than
 * FILE_MARK_NAME_BYTES_MAX bytes.
 *
 * A file that was read is taken aside first, into .moving/, and is looked at there: it has to be the one that was read,
 * since another may be dropped under its name at any moment. What is found in there at the opening is dropped once
 * more.
 *
 * A file is whole when nobody has it open for writing. The kernel tells that of files of our own user, but not over
 * the network (intake/drop_writers.h). Of others it is known when they were moved here or closed while we watched;
 * otherwise they are taken to be whole when nothing was written to them for ten seconds, or for ten minutes when they
 * were made here while we watched: whoever writes them may stall. (A hard link is made, and never closed.) */
#ifndef WEIR_INTAKE_DROP_DIR_H
#define WEIR_INTAKE_DROP_DIR_H

#include "base/buf.h"
#include "base/clock.h"
#include "intake/file_mark.h"

typedef struct DropDir DropDir;

typedef struct DropDirOptions {
    const char *path;
    const char *patterns; /* as a shell has them, separated by commas */
    bool keep_done;       /* files that were read are moved to done/; otherwise removed */
    const Clock *clock;
} DropDirOptions;

/* Makes the directory when the one that it is in exists, and failed/, done/ and .moving/ in it. Borrows the options
 * until the close. BUSY: the directory above is missing, somebody else watches this one, the disk is full. REFUSED: it
 * cannot be made, read or written to. */
Status drop_dir_open(const DropDirOptions *options, DropDir **ret_dir, Error *reterr) MUST_CHECK;
void drop_dir_close(DropDir *dir); /* accepts NULL */

/* Becomes readable when something was dropped. */
int drop_dir_fd(const DropDir *dir);
/* Takes note of what was dropped. BUSY: the directory is not there any more. */
Status drop_dir_listen(DropDir *dir, Error *reterr) MUST_CHECK;
/* When drop_dir_next may find something though nothing is readable, by the monotonic clock. */
int64_t drop_dir_due_us(const DropDir *dir);

typedef struct DropFile {
    char name[FILE_MARK_NAME_BYTES_MAX + 1];
    int fd; /* the caller's; -1 when there is no permission to read it */
    FileIdentity identity;
} DropFile;

/* The oldest file that is whole, by the time when it was last written to. BUSY: the system has no descriptor or memory
 * left. */
Status drop_dir_next(DropDir *dir, DropFile *ret_file, bool *ret_any, Error *reterr) MUST_CHECK;
/* This one, if it is there and whole. */
Status drop_dir_try(DropDir *dir, const char *name, DropFile *ret_file, bool *ret_any, Error *reterr) MUST_CHECK;
/* False: there is nothing of that name. */
bool drop_dir_has(const DropDir *dir, const char *name);
/* The same file once more, from its beginning. BUSY: it is not to be had just now. */
Status drop_dir_open_again(const DropDir *dir, DropFile *file, Error *reterr) MUST_CHECK;
/* Whether the file is still the one that was opened, and nobody has written to it. */
bool drop_dir_is_unchanged(const DropDir *dir, const DropFile *file);

/* Files that wait, as far as is known: at least that many, and when the oldest of them was written. */
size_t drop_dir_waiting(const DropDir *dir, int64_t *ret_oldest_us);

/* A file that was not taken by the last look, since somebody has it open for writing; "" for none. Borrows until the
 * next look. */
const char *drop_dir_unfinished(const DropDir *dir);

/* The least number with which the name is free in done/ and failed/. 0 stands for none: "orders.csv", "orders.csv.1" …
 * BUSY: none is. */
Status drop_dir_number(const DropDir *dir, const char *name, unsigned *ret_number, Error *reterr) MUST_CHECK;
/* Opens failed/NAME[.NUMBER].report.ndjson behind its first `keep` bytes, what follows is cut off. *ret_fd is -1 when
 * it has fewer. */
Status drop_dir_open_report(const DropDir *dir, const char *name, unsigned number, uint64_t keep, int *ret_fd,
                            Error *reterr) MUST_CHECK;
/* Removes a report that is beside no file; OK when there is none. */
void drop_dir_remove_report(const DropDir *dir, const char *name, unsigned number);

/* Where a file goes: OK also when it is not there any more. *ret_moved is false when another file has come into its
 * place, or it was written to:
 * then that waits, as any that is dropped. BUSY: there is something of that name. */
Status drop_dir_move(DropDir *dir, const DropFile *file, unsigned number, bool failed, bool *ret_moved,
                     Error *reterr) MUST_CHECK;

#endif
