/* Files as a handle, so that a simulation can lose, tear and refuse writes.
 *
 * Only what derived files need: written once from front to back, synced, renamed into place, then read at offsets. And
 * what a store needs of the place that it is in: directories, a lock, the room that is left.
 * Paths are absolute or relative to the working directory. Every call may be made from any thread; one IoFile belongs
 * to one thread while it is written, and may be read by many once it is complete. */
#ifndef WEIR_BASE_IO_H
#define WEIR_BASE_IO_H

#include "base/err.h"
#include "base/str.h"

typedef struct IoFile IoFile;

typedef struct Io {
    /* Makes a new file; an old one of that name is replaced, and whoever has it open goes on reading the old bytes.
     * BUSY when the disk is full or too many files are open. */
    Status (*create)(void *self, const char *path, IoFile **ret_file, Error *reterr);
    /* REFUSED when there is none, or it is not a regular file. */
    Status (*open)(void *self, const char *path, IoFile **ret_file, uint64_t *ret_bytes, Error *reterr);
    /* Appends all of `data` or fails. BUSY when the disk is full, BROKEN otherwise; the file is then useless. */
    Status (*append)(IoFile *file, Str data, Error *reterr);
    /* On stable storage when OK. A failed sync is never repeated: the file is useless (BUSY when the disk was full: it
     * may be made anew). */
    Status (*sync)(IoFile *file, Error *reterr);
    /* Fills all `bytes` or fails: BROKEN for an I/O error, REFUSED when the file ends before. */
    Status (*read_at)(IoFile *file, uint64_t offset, void *data, size_t bytes, Error *reterr);
    void (*close)(IoFile *file); /* accepts NULL */
    /* REFUSED when there is no `from`. An old `to` is replaced. */
    Status (*rename)(void *self, const char *from, const char *to, Error *reterr);
    Status (*remove)(void *self, const char *path, Error *reterr); /* OK when there was none */
    /* Makes renames and removals in the directory durable. */
    Status (*sync_dir)(void *self, const char *path, Error *reterr);
    /* Calls `visit` with each file name (not path) in the directory, subdirectories left out, in any order. REFUSED
     * when there is no such directory. */
    Status (*list)(void *self, const char *path, void (*visit)(void *context, const char *name), void *context,
                   Error *reterr);
    /* Makes the directory, and its name durable; OK when it is there. REFUSED when it cannot be in this place (no
     * parent, no permission, a file of that name). */
    Status (*make_dir)(void *self, const char *path, Error *reterr);
    /* Takes the lock that goes with the file `path`, which is made when missing, until its `close` or the end of the
     * process. CONFLICT when another holds it: the message is then "held by another process", with its pid where that
     * is known. REFUSED when there cannot be such a file. The file is for nothing else. */
    Status (*lock)(void *self, const char *path, IoFile **ret_lock, Error *reterr);
    /* A file's length without opening it: closing a descriptor of a file drops the locks that this process has on it,
     * which for a database are SQLite's. REFUSED when there is none. */
    Status (*file_bytes)(void *self, const char *path, uint64_t *ret_bytes, Error *reterr);
    /* Bytes a writer without privileges can still write on the file system that holds `path`. */
    Status (*free_bytes)(void *self, const char *path, uint64_t *ret_bytes, Error *reterr);
    void *self;
} Io;

/* The operating system's files. */
extern const Io io_system;

#endif
