/* Text as a pointer and a length: not owned, not NUL-terminated, any bytes.
 *
 * A Str borrows; the comment where one is stored says until when. */
#ifndef WEIR_BASE_STR_H
#define WEIR_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Str {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;      /* bytes */
} Str;

#define STR(literal) ((Str){(literal), sizeof(literal) - 1})
/* For printf's "%.*s". */
#define STR_ARGS(s)  (int)(s).len, (s).ptr ? (s).ptr : ""

static inline Str str_from(const char *text) { return (Str){text, text ? strlen(text) : 0}; }

static inline bool str_equal(Str a, Str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_is(Str a, const char *text) { return str_equal(a, str_from(text)); }

/* Orders by bytes (which for UTF-8 is order by code point): <0, 0, >0. */
int str_compare(Str a, Str b);

/* ASCII letters compare without case; other bytes exactly. */
bool str_equal_nocase(Str a, Str b);

bool str_starts_with(Str a, Str prefix);

/* Without ASCII spaces, tabs, CR and LF at both ends. */
Str str_trim(Str a);

/* No more than so many bytes of its beginning, and no half of a character of UTF-8. */
Str str_cut(Str a, size_t bytes_max);

/* Splits at the first `separator`: returns what is before it and moves `rest` behind it. Without one, returns all and
 * leaves `rest` empty with a NULL pointer, which ends a loop `while (rest.ptr)`. */
Str str_split(Str *rest, char separator);

/* Decimal digits only, no sign, no space; false when empty, not a number or beyond `max`. */
bool str_to_u64(Str a, uint64_t max, uint64_t *ret_value);

/* Takes the ASCII digits off its front; there may be none. */
Str str_take_digits(Str *text);

/* How many code points; -1 when it is not valid UTF-8 (overlong, surrogate, beyond U+10FFFF, cut). RFC 3629. */
int64_t str_count_code_points(Str a);

/* The first code point of a text that is not empty, which is taken off; U+FFFD for a byte that begins none, which alone
 * is taken. */
uint32_t str_take_code_point(Str *text);

/* Two digits for each byte, in small letters; no NUL behind them. Returns what is behind them. */
char *str_put_hex(char *at, const uint8_t *bytes, size_t count);

/* The edit distance (Levenshtein) of two short texts; above `limit` it answers limit + 1. For "did you mean". */
unsigned str_distance(Str a, Str b, unsigned limit);

#endif
