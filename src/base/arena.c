#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct ArenaChunk {
    ArenaChunk *next;
    size_t bytes; /* of the whole chunk, this header included */
    _Alignas(16) char data[];
};

void arena_init(Arena *arena, size_t chunk_bytes, size_t bytes_max)
{
    *arena = (Arena){.chunk_bytes = chunk_bytes, .bytes_max = bytes_max};
}

static size_t counted(const Arena *arena) { return budget_counted(arena->taken, arena->uncounted); }

static bool take(Arena *arena, size_t bytes)
{
    size_t before = counted(arena);
    arena->taken += bytes;
    if (!budget_take(arena->budget, counted(arena) - before)) {
        arena->taken -= bytes;
        return false;
    }
    return true;
}

static void give_back(Arena *arena, size_t bytes)
{
    size_t before = counted(arena);
    arena->taken -= bytes;
    budget_give_back(arena->budget, before - counted(arena));
}

static void free_chunks(Arena *arena, ArenaChunk *keep)
{
    ArenaChunk *chunk = arena->chunks;
    while (chunk) {
        ArenaChunk *next = chunk->next;
        if (chunk != keep) {
            give_back(arena, chunk->bytes);
            free(chunk);
        }
        chunk = next;
    }
    arena->chunks = keep;
    arena->at = keep ? keep->data : NULL;
    arena->end = keep ? (char *)keep + keep->bytes : NULL;
    if (keep) {
        keep->next = NULL;
    }
}

void arena_release(Arena *arena) { free_chunks(arena, NULL); }

void arena_reset(Arena *arena)
{
    ArenaChunk *keep = NULL;
    for (ArenaChunk *chunk = arena->chunks; chunk; chunk = chunk->next) {
        if (chunk->bytes <= arena->chunk_bytes) {
            keep = chunk;
        }
    }
    free_chunks(arena, keep);
}

void arena_rewind(Arena *arena, ArenaMark mark)
{
    ArenaChunk *keep = NULL;
    for (ArenaChunk *chunk = arena->chunks; chunk != mark.chunk;) {
        ArenaChunk *next = chunk->next;
        /* A usual chunk stays, empty: who rewinds often at the end of a chunk would pay for a new one each time. */
        if (!keep && chunk->bytes <= arena->chunk_bytes) {
            keep = chunk;
            keep->next = mark.chunk;
        } else {
            give_back(arena, chunk->bytes);
            free(chunk);
        }
        chunk = next;
    }
    arena->chunks = keep ? keep : mark.chunk;
    arena->at = keep ? keep->data : mark.at;
    arena->end = arena->chunks ? (char *)arena->chunks + arena->chunks->bytes : NULL;
}

static bool add_chunk(Arena *arena, size_t bytes)
{
    size_t whole = sizeof(ArenaChunk) + bytes;
    if (whole < arena->chunk_bytes) {
        whole = arena->chunk_bytes;
    }
    if (whole > arena->bytes_max - arena->taken) {
        whole = sizeof(ArenaChunk) + bytes;
        if (whole > arena->bytes_max - arena->taken) {
            arena->full = true;
            return false;
        }
    }
    if (!take(arena, whole)) {
        arena->starved = true;
        return false;
    }
    ArenaChunk *chunk = malloc(whole);
    if (!chunk) {
        give_back(arena, whole);
        arena->starved = true;
        return false;
    }
    chunk->bytes = whole;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->at = chunk->data;
    arena->end = (char *)chunk + whole;
    return true;
}

static size_t round_up(size_t bytes) { return (bytes + 15) & ~(size_t)15; }

void *arena_alloc(Arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    size_t rounded = round_up(bytes);
    if ((!arena->at || rounded > (size_t)(arena->end - arena->at)) && !add_chunk(arena, rounded)) {
        return NULL;
    }
    char *found = arena->at;
    arena->at += rounded;
    return found;
}

/* The newest chunk, which has nothing but one block. */
static void *grow_chunk(Arena *arena, size_t bytes)
{
    ArenaChunk *chunk = arena->chunks;
    size_t whole = sizeof *chunk + bytes, more = whole - chunk->bytes;
    if (more > arena->bytes_max - arena->taken) {
        arena->full = true;
        return NULL;
    }
    if (!take(arena, more)) {
        arena->starved = true;
        return NULL;
    }
    ArenaChunk *grown = realloc(chunk, whole);
    if (!grown) {
        give_back(arena, more);
        arena->starved = true;
        return NULL;
    }
    grown->bytes = whole;
    arena->chunks = grown;
    arena->at = arena->end = (char *)grown + whole;
    return grown->data;
}

void *arena_grow(Arena *arena, void *old, size_t old_bytes, size_t bytes)
{
    size_t before = round_up(old_bytes), after = round_up(bytes);
    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    bool is_newest = arena->at && (char *)old + before == arena->at && after >= before;
    if (is_newest && after - before <= (size_t)(arena->end - arena->at)) {
        arena->at += after - before;
        return old;
    }
    if (is_newest && old == arena->chunks->data) {
        return grow_chunk(arena, after);
    }
    void *found = arena_alloc(arena, bytes);
    if (found) {
        memcpy(found, old, old_bytes < bytes ? old_bytes : bytes);
    }
    return found;
}

void *arena_alloc_zero(Arena *arena, size_t bytes)
{
    void *found = arena_alloc(arena, bytes);
    if (found) {
        memset(found, 0, bytes);
    }
    return found;
}

void *arena_alloc_array(Arena *arena, size_t item_bytes, size_t count)
{
    size_t bytes;
    return __builtin_mul_overflow(item_bytes, count, &bytes) ? NULL : arena_alloc_zero(arena, bytes);
}

Str arena_copy(Arena *arena, Str text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    if (!copy) {
        return (Str){NULL, 0};
    }
    if (text.len) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return (Str){copy, text.len};
}

const char *arena_printf(Arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text) {
        va_start(args, format);
        vsnprintf(text, (size_t)len + 1, format, args);
        va_end(args);
    }
    return text;
}
