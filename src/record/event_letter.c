#include "record/event_letter.h"

#include <openssl/evp.h>

enum { HASH_BYTES = 32, PLACE_BYTES = sizeof "sha256:" + 2 * HASH_BYTES };

Str event_letter_place(Str raw, Arena *arena)
{
    const Str prefix = STR("sha256:");
    unsigned char hash[EVP_MAX_MD_SIZE];
    char *place = arena_alloc(arena, PLACE_BYTES);
    if (!place || EVP_Digest(raw.ptr ? raw.ptr : "", raw.len, hash, NULL, EVP_sha256(), NULL) != 1) {
        return (Str){NULL, 0};
    }
    memcpy(place, prefix.ptr, prefix.len);
    str_put_hex(place + prefix.len, hash, HASH_BYTES);
    return (Str){place, prefix.len + 2 * HASH_BYTES};
}

Str event_letter_format(Str mapping, Arena *arena)
{
    if (mapping.len == 0) {
        return STR("event");
    }
    const char *text = arena_printf(arena, "event:%.*s", STR_ARGS(mapping));
    return text ? str_from(text) : (Str){NULL, 0};
}

bool event_format_parse(Str format, Str *ret_mapping)
{
    const Str named = STR("event:");
    bool is_named = str_starts_with(format, named);
    *ret_mapping = is_named ? (Str){format.ptr + named.len, format.len - named.len} : (Str){NULL, 0};
    return is_named || str_is(format, "event");
}
