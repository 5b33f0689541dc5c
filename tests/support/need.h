/* Memory for tests, which have no use for a program that goes on without. */
#ifndef WEIR_TESTS_SUPPORT_NEED_H
#define WEIR_TESTS_SUPPORT_NEED_H

#include <stddef.h>
#include <stdlib.h>

static inline void *need(void *memory)
{
    if (!memory) {
        abort();
    }
    return memory;
}

/* An array with room for `count` items of `size` bytes at least, which at least doubles when it grows. */
static inline void *need_room(void *items, size_t *room, size_t count, size_t size)
{
    if (count <= *room) {
        return items;
    }
    *room = count + *room + 8;
    return need(realloc(items, *room * size));
}

#endif
