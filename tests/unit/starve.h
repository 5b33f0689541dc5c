/* For programs that are linked with malloc, calloc and realloc wrapped (`no_memory` in meson.build): a system without
 * memory. */
#ifndef WEIR_TESTS_STARVE_H
#define WEIR_TESTS_STARVE_H

#include <stdbool.h>
#include <stddef.h>

/* While it is set there is none. */
static bool starving;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

void *__wrap_malloc(size_t bytes) { return starving ? NULL : __real_malloc(bytes); }
void *__wrap_calloc(size_t count, size_t bytes) { return starving ? NULL : __real_calloc(count, bytes); }
void *__wrap_realloc(void *old, size_t bytes) { return starving ? NULL : __real_realloc(old, bytes); }

#endif
