/* What the model works with, written here once more and as plainly as can be, so that a mistake in src/ is not made in
 * the model, too: exact sums, decimals and times as text, a map from texts to numbers. */
#ifndef WEIR_TESTS_SIM_PLAIN_H
#define WEIR_TESTS_SIM_PLAIN_H

#include "base/arena.h"
#include "base/str.h"

/* Minor units, exact. */
typedef __int128 Exact;

enum { PLAIN_TEXT_BYTES_MAX = 64 };

/* 12345 at scale 2 → "123.45"; -5 → "-0.05". NUL-terminated; returns ret_text. */
const char *plain_decimal(Exact value, unsigned scale, char ret_text[PLAIN_TEXT_BYTES_MAX]);

/* Microseconds since 1970 → "2025-01-01T10:00:00Z", with a fraction only when there is one. */
const char *plain_time(int64_t time_us, char ret_text[PLAIN_TEXT_BYTES_MAX]);

/* "250 us", "12.345 ms", "1.500000 s", "1 d 2 h 3 min 4 s"; with a sign when negative. Returns ret_text. */
const char *plain_duration(int64_t us, char ret_text[PLAIN_TEXT_BYTES_MAX]);

/* Where the stretch of time begins that a point lies in: "minute", "hour", "day", "week" (from Monday), "month"; in
 * UTC. */
int64_t plain_window_start(const char *kind, int64_t time_us);

/* Texts to numbers other than 0. Keys are copied. */
typedef struct PlainMap {
    struct PlainSlot {
        Str key;
        int64_t value; /* 0: empty */
    } * slots;         /* owns */
    size_t count, capacity;
    Arena keys;
} PlainMap;

void plain_map_init(PlainMap *map);
void plain_map_release(PlainMap *map);
void plain_map_clear(PlainMap *map);
int64_t plain_map_get(const PlainMap *map, Str key); /* 0 for none */
void plain_map_put(PlainMap *map, Str key, int64_t value);

/* Several texts as one key: with their lengths, so that "ab","c" is not "a","bc". */
typedef struct PlainKey {
    char bytes[8192];
    size_t len;
} PlainKey;
void plain_key_add(PlainKey *key, Str text);
void plain_key_add_number(PlainKey *key, int64_t number);
static inline Str plain_key_str(const PlainKey *key) { return (Str){key->bytes, key->len}; }

#endif
