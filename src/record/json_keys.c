#include "record/json_keys.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

bool key_set_init(KeySet *set, size_t keys, uint64_t seed)
{
    size_t slots = 8;
    while (slots < keys * 2) {
        slots *= 2;
    }
    set->seed = seed;
    set->mask = slots - 1;
    set->slots = set->local;
    if (slots > KEY_SET_LOCAL_SLOTS) {
        set->slots = calloc(slots, sizeof *set->slots);
        return set->slots != NULL;
    }
    memset(set->local, 0, slots * sizeof *set->slots);
    return true;
}

void key_set_release(KeySet *set)
{
    if (set->slots != set->local) {
        free(set->slots);
    }
}

static bool keys_equal(yyjson_val *a, yyjson_val *b)
{
    return yyjson_get_len(a) == yyjson_get_len(b) &&
           memcmp(yyjson_get_str(a), yyjson_get_str(b), yyjson_get_len(a)) == 0;
}

bool key_set_add(KeySet *set, yyjson_val *key)
{
    size_t at = XXH3_64bits_withSeed(yyjson_get_str(key), yyjson_get_len(key), set->seed) & set->mask;
    for (; set->slots[at]; at = (at + 1) & set->mask) {
        if (keys_equal(set->slots[at], key)) {
            return false;
        }
    }
    set->slots[at] = key;
    return true;
}

const char json_keys_no_memory[] = "is too large to be checked at the moment";

static const char *check_object(yyjson_val *object, uint64_t seed)
{
    KeySet set;
    const char *problem = NULL;
    if (yyjson_obj_size(object) < 2) {
        return NULL;
    }
    if (!key_set_init(&set, yyjson_obj_size(object), seed)) {
        return json_keys_no_memory;
    }
    yyjson_obj_iter keys = yyjson_obj_iter_with(object);
    for (yyjson_val *key; !problem && (key = yyjson_obj_iter_next(&keys));) {
        if (!key_set_add(&set, key)) {
            problem = "contains an object with the same key twice";
        }
    }
    key_set_release(&set);
    return problem;
}

const char *json_check_keys(yyjson_val *value, uint64_t seed)
{
    /* yyjson lays a value's descendants out behind it, in order: walking that array needs no recursion, so that depth
     * costs nothing. */
    const yyjson_val *end = unsafe_yyjson_get_next(value);
    for (yyjson_val *at = value; at < end; at++) {
        const char *problem = yyjson_is_obj(at) ? check_object(at, seed) : NULL;
        if (problem) {
            return problem;
        }
    }
    return NULL;
}
