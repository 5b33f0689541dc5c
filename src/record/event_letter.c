#include "record/event_letter.h"

#include <openssl/evp.h>

enum { HASH_BYTES = 32 };

/* Not "sha256:", which is the hash of what an event means. */
static const Str of_bytes = STR("bytes:"), asking = STR("?mapping=");

static char *put(char *at, Str text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static Str no_text(void) { return (Str){NULL, 0}; }

Str event_letter_place_of_record(Str record_id, Str mapping, Arena *arena)
{
    if (mapping.len == 0) {
        return record_id;
    }
    char *place = arena_alloc(arena, record_id.len + asking.len + mapping.len);
    if (!place) {
        return no_text();
    }
    char *end = put(put(put(place, record_id), asking), mapping);
    return (Str){place, (size_t)(end - place)};
}

Str event_letter_place(Str raw, Str mapping, Arena *arena)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char text[sizeof "bytes:" + 2 * HASH_BYTES];
    if (EVP_Digest(raw.ptr ? raw.ptr : "", raw.len, hash, NULL, EVP_sha256(), NULL) != 1) {
        return no_text();
    }
    char *end = str_put_hex(put(text, of_bytes), hash, HASH_BYTES);
    Str place = arena_copy(arena, (Str){text, (size_t)(end - text)});
    return place.ptr ? event_letter_place_of_record(place, mapping, arena) : place;
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
