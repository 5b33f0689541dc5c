#include "onboard/metadata.h"

#include "onboard/organization.h"
#include "record/json_keys.h"

#define PROBLEM_LONG "must be at most 65536 bytes of JSON, as short as it can be written"

/* White space may make a text longer than what is kept of it, but not without end. */
enum { TEXT_BYTES_MAX = 4 * ONBOARD_METADATA_BYTES_MAX, SCRATCH_CHUNK_BYTES = 16 << 10, SCRATCH_BYTES_MAX = 16 << 20 };

typedef struct Walk {
    const yyjson_val *ends[ORGANIZATION_METADATA_DEPTH_MAX]; /* of what is around this value */
    size_t depth;
    size_t bytes; /* that will be written, at least */
} Walk;

static const char *look_at(Walk *walk, yyjson_val *at)
{
    while (walk->depth > 0 && at >= walk->ends[walk->depth - 1]) {
        walk->depth--;
    }
    if (yyjson_is_ctn(at)) {
        if (walk->depth == ORGANIZATION_METADATA_DEPTH_MAX) {
            return "must not be nested deeper than 32 levels";
        }
        walk->ends[walk->depth++] = unsafe_yyjson_get_next(at);
    }
    if (yyjson_is_str(at) && memchr(yyjson_get_str(at), '\0', yyjson_get_len(at))) {
        return "must not contain the character NUL";
    }
    walk->bytes += yyjson_is_str(at) || yyjson_is_raw(at) ? yyjson_get_len(at) : 1;
    return walk->bytes > ONBOARD_METADATA_BYTES_MAX ? PROBLEM_LONG : NULL;
}

/* A value's descendants lie behind it, in order: no recursion, and nothing is written that is known to be too long. */
static const char *check_values(yyjson_val *value)
{
    Walk walk = {.depth = 0};
    const char *problem = NULL;
    const yyjson_val *end = unsafe_yyjson_get_next(value);
    for (yyjson_val *at = value; !problem && at < end; at++) {
        problem = look_at(&walk, at);
    }
    return problem;
}

Status metadata_from_json(yyjson_val *value, uint64_t hash_seed, Arena *arena, Str *ret_metadata,
                          const char **ret_problem)
{
    const char *problem = yyjson_is_obj(value) ? check_values(value) : "must be a JSON object";
    problem = problem ? problem : json_check_keys(value, hash_seed);
    if (problem == json_keys_no_memory) {
        return STATUS_BUSY;
    }
    if (problem) {
        *ret_problem = problem;
        return STATUS_REFUSED;
    }
    size_t len = 0;
    char *text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &len);
    Str copy = text && len <= ONBOARD_METADATA_BYTES_MAX ? arena_copy(arena, (Str){text, len}) : (Str){NULL, 0};
    Status status = copy.ptr ? STATUS_OK : STATUS_BUSY;
    if (text && len > ONBOARD_METADATA_BYTES_MAX) {
        *ret_problem = PROBLEM_LONG;
        status = STATUS_REFUSED;
    }
    free(text);
    if (status == STATUS_OK) {
        *ret_metadata = copy;
    }
    return status;
}

static Status read_text(Str text, Arena *scratch, Arena *arena, yyjson_val **ret_value, const char **ret_problem)
{
    Error error;
    /* The text is the caller's own, writable buffer: a Str only borrows it. */
    Status status = json_read((char *)(uintptr_t)text.ptr, text.len, scratch, ret_value, &error);
    if (status == STATUS_REFUSED) {
        *ret_problem = arena_printf(arena, "must be a JSON object, and %s", error.message);
        status = *ret_problem ? status : STATUS_BUSY;
    }
    return status;
}

Status metadata_from_text(Str text, uint64_t hash_seed, Arena *arena, Str *ret_metadata, const char **ret_problem)
{
    Arena scratch;
    yyjson_val *value = NULL;
    if (text.len > TEXT_BYTES_MAX) {
        *ret_problem = PROBLEM_LONG;
        return STATUS_REFUSED;
    }
    /* What the reading takes is many times the text, and is not needed behind it. */
    arena_init(&scratch, SCRATCH_CHUNK_BYTES, SCRATCH_BYTES_MAX);
    Status status = read_text(text, &scratch, arena, &value, ret_problem);
    if (status == STATUS_OK) {
        status = metadata_from_json(value, hash_seed, arena, ret_metadata, ret_problem);
    }
    arena_release(&scratch);
    return status;
}
