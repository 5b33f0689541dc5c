/* An Io whose files live in memory: fast, and able to fail, fill up and crash where a test wants it. One thread at a
 * time. */
#ifndef WEIR_TESTS_SUPPORT_IO_MEMORY_H
#define WEIR_TESTS_SUPPORT_IO_MEMORY_H

#include "base/io.h"

typedef struct IoMemory IoMemory;

/* The calls of Io as a set. */
typedef enum IoMemoryCall {
    IO_MEMORY_CREATE = 1 << 0,
    IO_MEMORY_OPEN = 1 << 1,
    IO_MEMORY_APPEND = 1 << 2,
    IO_MEMORY_SYNC = 1 << 3,
    IO_MEMORY_READ = 1 << 4,
    IO_MEMORY_RENAME = 1 << 5,
    IO_MEMORY_REMOVE = 1 << 6,
    IO_MEMORY_SYNC_DIR = 1 << 7,
    IO_MEMORY_LIST = 1 << 8,
    IO_MEMORY_FREE_BYTES = 1 << 9,
    IO_MEMORY_MAKE_DIR = 1 << 10,
    IO_MEMORY_LOCK = 1 << 11,
    IO_MEMORY_FILE_BYTES = 1 << 12,
    IO_MEMORY_ANY = (1 << 13) - 1,
} IoMemoryCall;
enum { IO_MEMORY_CALL_KINDS = 13 };

IoMemory *io_memory_new(void); /* aborts without memory, as everything here does */
/* All files must be closed (assert): a file that is still open was leaked. Accepts NULL. */
void io_memory_free(IoMemory *memory);
const Io *io_memory_io(IoMemory *memory); /* borrows until io_memory_free */

/* The nth call (1 is the next one) out of `calls` fails with `status`, once; 0 takes the order back. A failing append
 * leaves half of its bytes behind, a failing sync nothing durable. */
void io_memory_fail(IoMemory *memory, unsigned calls, uint64_t nth, Status status);
/* How many out of `calls` were made so far. */
uint64_t io_memory_calls(const IoMemory *memory, unsigned calls);
/* Appends beyond so many bytes over all files answer BUSY. No limit at the start. */
void io_memory_limit(IoMemory *memory, uint64_t bytes);

/* A file's bytes to look at or to damage; false when there is none. Borrows until the file is written to or
 * replaced. */
bool io_memory_peek(IoMemory *memory, const char *path, uint8_t **ret_bytes, size_t *ret_count);
/* Puts a file in place, durable, as if it had always been there. Copies. */
void io_memory_place(IoMemory *memory, const char *path, const void *bytes, size_t count);

/* The power fails. What was synced stays; of what was not, the seed says which directory entries and how many of a
 * file's last bytes made it anyway. Files that are open go on reading what is left and must be closed. */
void io_memory_crash(IoMemory *memory, uint64_t seed);

#endif
