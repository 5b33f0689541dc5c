#include "record/json_read.h"

#include "record/record_json.h"

static size_t round_up(size_t bytes) { return (bytes + 15) & ~(size_t)15; }

static void *memory_alloc(void *context, size_t bytes)
{
    JsonMemory *memory = context;
    size_t rounded = round_up(bytes);
    if (rounded > (size_t)(memory->local_end - memory->local_at)) {
        return arena_alloc(memory->arena, bytes);
    }
    void *found = memory->local_at;
    memory->local_at += rounded;
    return found;
}

/* The newest block of the local memory grows where it is when there is room behind it. */
static bool grow_in_place(JsonMemory *memory, const char *old, size_t old_bytes, size_t bytes)
{
    size_t more = round_up(bytes) - round_up(old_bytes);
    if (old + round_up(old_bytes) != memory->local_at || more > (size_t)(memory->local_end - memory->local_at)) {
        return false;
    }
    memory->local_at += more;
    return true;
}

static void *memory_realloc(void *context, void *old, size_t old_bytes, size_t bytes)
{
    JsonMemory *memory = context;
    return bytes <= old_bytes || grow_in_place(memory, old, old_bytes, bytes)
               ? old
               : arena_grow(memory->arena, old, old_bytes, bytes);
}

static void memory_free(void *context, void *block)
{
    (void)context;
    (void)block;
}

yyjson_val *json_read_with(JsonMemory *memory, char *text, size_t len, yyjson_read_err *reterr)
{
    char padding[YYJSON_PADDING_SIZE];
    yyjson_alc alc = {memory_alloc, memory_realloc, memory_free, memory};
    /* yyjson stops at the zeros, not at the length: without them an unclosed string would go on into whatever
     * follows. */
    memcpy(padding, text + len, sizeof padding);
    memset(text + len, 0, sizeof padding);
    yyjson_doc *doc = yyjson_read_opts(text, len, YYJSON_READ_INSITU | YYJSON_READ_NUMBER_AS_RAW, &alc, reterr);
    memcpy(text + len, padding, sizeof padding);
    return yyjson_doc_get_root(doc);
}

static size_t count_newlines(const char *text, size_t len)
{
    size_t count = 0;
    for (const char *end = text + len; (text = memchr(text, '\n', (size_t)(end - text))); text++) {
        count++;
    }
    return count;
}

/* Names the place in a text whose part before the place may have been decoded already, which can make line breaks out
 * of escapes. Lines are therefore counted from the end, which is untouched; a column is named when no such line break
 * is in the way. */
static Status refuse_at(const char *text, size_t len, size_t newlines, const yyjson_read_err *err, Error *reterr)
{
    size_t at = err->pos < len ? err->pos : len;
    size_t before = newlines - count_newlines(text + at, len - at);
    if (before > 0 && count_newlines(text, at) != before) {
        return error_set(reterr, STATUS_REFUSED, "is not valid JSON: line %zu (byte %zu of the text): %s", before + 1,
                         at + 1, err->msg);
    }
    const char *newline = before > 0 ? memrchr(text, '\n', at) : NULL;
    size_t column = newline ? (size_t)(text + at - newline) : at + 1;
    return error_set(reterr, STATUS_REFUSED, "is not valid JSON: line %zu, column %zu: %s", before + 1, column,
                     err->msg);
}

Status json_read(char *text, size_t len, Arena *arena, yyjson_val **ret_root, Error *reterr)
{
    JsonMemory memory = {.arena = arena};
    yyjson_read_err err;
    bool half_free = arena->taken <= arena->bytes_max / 2;
    arena->starved = false;
    size_t newlines = count_newlines(text, len);
    if (len == 0) {
        return error_set(reterr, STATUS_REFUSED, "is not valid JSON: the text is empty where JSON was expected");
    }
    yyjson_val *root = json_read_with(&memory, text, len, &err);
    if (root) {
        *ret_root = root;
        return STATUS_OK;
    }
    if (err.code != YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        return refuse_at(text, len, newlines, &err, reterr);
    }
    return half_free && !arena->starved ? error_set(reterr, STATUS_REFUSED, JSON_TOO_MUCH)
                                        : error_set(reterr, STATUS_BUSY, "there is no memory left to read the JSON in");
}

Str json_write(const yyjson_val *value, Arena *arena)
{
    size_t len = 0;
    char *text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &len);
    Str copy = text ? arena_copy(arena, (Str){text, len}) : (Str){NULL, 0};
    free(text);
    return copy;
}
