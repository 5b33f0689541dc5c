/* Memory that is taken bit by bit and given back all at once: one arena per request, per batch, per delivery attempt.
 *
 * An arena has a ceiling. Reaching it returns NULL, which is an error of the input (413) or of the moment (503), never
 * an abort. Not thread-safe; an arena may move between threads when its owner hands it over. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "base/budget.h"
#include "base/str.h"

typedef struct ArenaChunk ArenaChunk;

typedef struct Arena {
    ArenaChunk *chunks; /* newest first; owns */
    char *at, *end;     /* what is free in the newest chunk */
    size_t taken;       /* bytes of all chunks */
    size_t bytes_max;
    size_t chunk_bytes;
    Budget *budget; /* in which its chunks count; outlives it. NULL: none; set after arena_init, before the first … */
    size_t uncounted; /* … allocation, with this: so many bytes of all chunks do not count */
    /* Why it gave nothing, until its owner clears them: */
    bool starved; /* the system or the budget had no memory for a chunk */
    bool full;    /* the ceiling is reached */
} Arena;

/* `chunk_bytes` is the size of a usual chunk (a larger allocation gets one of its own), `bytes_max` the ceiling over
 * all chunks. Allocates nothing yet. */
void arena_init(Arena *arena, size_t chunk_bytes, size_t bytes_max);

/* Raises the ceiling, for what it was not made for. */
static inline void arena_allow(Arena *arena, size_t bytes_more) { arena->bytes_max += bytes_more; }

/* Gives everything back. The arena may be used again. */
void arena_release(Arena *arena);

/* Forgets everything allocated, keeps one usual chunk, so that a reused arena costs no malloc. */
void arena_reset(Arena *arena);

/* For scratch memory: what was allocated since the mark is forgotten. The arena must not have been reset since. */
typedef struct ArenaMark {
    ArenaChunk *chunk;
    char *at;
} ArenaMark;
static inline ArenaMark arena_mark(const Arena *arena) { return (ArenaMark){arena->chunks, arena->at}; }
void arena_rewind(Arena *arena, ArenaMark mark);

/* 16-byte aligned, not cleared; NULL at the ceiling or when the system has none. `bytes` may be 0. */
void *arena_alloc(Arena *arena, size_t bytes) MUST_CHECK;
/* Makes a block longer, the newest one where it is if that can be: then no more is taken than it has in the end. It may
 * move, and no mark may have been set since it was taken. NULL: it is as it was. */
void *arena_grow(Arena *arena, void *old, size_t old_bytes, size_t bytes) MUST_CHECK;
void *arena_alloc_zero(Arena *arena, size_t bytes) MUST_CHECK;
#define ARENA_NEW(arena, Type)          ((Type *)arena_alloc_zero((arena), sizeof(Type)))
#define ARENA_ARRAY(arena, Type, count) ((Type *)arena_alloc_array((arena), sizeof(Type), (count)))
void *arena_alloc_array(Arena *arena, size_t item_bytes, size_t count) MUST_CHECK; /* cleared; NULL on overflow too */

/* A copy with a NUL behind it (not counted in len). On failure ptr is NULL. */
Str arena_copy(Arena *arena, Str text) MUST_CHECK;
const char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3))) MUST_CHECK;

#endif
