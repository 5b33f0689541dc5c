#include "support/torture.h"

#include <errno.h>
#include <malloc.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
int __real_posix_memalign(void **ret_block, size_t alignment, size_t bytes);
void __real_free(void *block);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **ret_block, size_t alignment, size_t bytes);
void __wrap_free(void *block);

static struct {
    uint64_t asked, first, end; /* those from `first` up to `end` fail */
    bool struck;
    int64_t live;
} torture;

static bool strikes(void)
{
    uint64_t number = ++torture.asked;
    bool fails = number >= torture.first && number < torture.end;
    torture.struck |= fails;
    return fails;
}

static void *count_block(void *block)
{
    torture.live += block != NULL;
    return block;
}

void *__wrap_malloc(size_t bytes) { return strikes() ? NULL : count_block(__real_malloc(bytes)); }

void *__wrap_calloc(size_t count, size_t bytes) { return strikes() ? NULL : count_block(__real_calloc(count, bytes)); }

void *__wrap_realloc(void *old, size_t bytes)
{
    void *block = strikes() ? NULL : __real_realloc(old, bytes);
    torture.live += block && !old;
    return block;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return strikes() ? NULL : count_block(__real_aligned_alloc(alignment, bytes));
}

int __wrap_posix_memalign(void **ret_block, size_t alignment, size_t bytes)
{
    int error = strikes() ? ENOMEM : __real_posix_memalign(ret_block, alignment, bytes);
    torture.live += error == 0;
    return error;
}

void __wrap_free(void *block)
{
    torture.live -= block != NULL;
    __real_free(block);
}

/* ---- SQLite ------------------------------------------------------------------------------------------------------ */

static void *take(int bytes) { return __wrap_malloc((size_t)bytes); }
static void *take_again(void *old, int bytes) { return __wrap_realloc(old, (size_t)bytes); }
static int size_of(void *block) { return block ? (int)malloc_usable_size(block) : 0; }
static int round_up(int bytes) { return (bytes + 7) & ~7; }
static int init(void *self)
{
    (void)self;
    return SQLITE_OK;
}
static void stop(void *self) { (void)self; }

void torture_sqlite(void)
{
    static sqlite3_mem_methods methods = {.xMalloc = take,
                                          .xFree = __wrap_free,
                                          .xRealloc = take_again,
                                          .xSize = size_of,
                                          .xRoundup = round_up,
                                          .xInit = init,
                                          .xShutdown = stop};
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK) {
        abort();
    }
}

/* ---- What the test says ------------------------------------------------------------------------------------------ */

void torture_begin(uint64_t nth, uint64_t count)
{
    torture.asked = 0;
    torture.struck = false;
    torture.first = nth ? nth : UINT64_MAX;
    torture.end = nth && count > UINT64_MAX - nth ? UINT64_MAX : nth + count;
}

uint64_t torture_end(void)
{
    torture.first = torture.end = UINT64_MAX;
    return torture.asked;
}

uint64_t torture_failures(uint64_t nth, unsigned way)
{
    const uint64_t failures[TORTURE_WAYS] = {1, 2 + nth % 6, UINT64_MAX};
    return failures[way];
}

uint64_t torture_stride(uint64_t allocations, uint64_t wanted)
{
    return torture_is_whole() || allocations <= wanted ? 1 : allocations / wanted;
}

bool torture_struck(void) { return torture.struck; }
int64_t torture_live(void) { return torture.live; }
