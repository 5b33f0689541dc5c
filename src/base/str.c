#include "base/str.h"

int str_compare(Str a, Str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

bool str_equal_nocase(Str a, Str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool str_starts_with(Str a, Str prefix) { return a.len >= prefix.len && memcmp(a.ptr, prefix.ptr, prefix.len) == 0; }

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

Str str_trim(Str a)
{
    while (a.len > 0 && is_space(a.ptr[0])) {
        a.ptr++;
        a.len--;
    }
    while (a.len > 0 && is_space(a.ptr[a.len - 1])) {
        a.len--;
    }
    return a;
}

Str str_cut(Str a, size_t bytes_max)
{
    if (a.len > bytes_max) {
        a.len = bytes_max;
        while (a.len > 0 && ((unsigned char)a.ptr[a.len] & 0xC0) == 0x80) {
            a.len--;
        }
    }
    return a;
}

Str str_split(Str *rest, char separator)
{
    Str whole = *rest;
    const char *found = whole.len ? memchr(whole.ptr, separator, whole.len) : NULL;
    if (!found) {
        *rest = (Str){NULL, 0};
        return whole;
    }
    size_t before = (size_t)(found - whole.ptr);
    *rest = (Str){found + 1, whole.len - before - 1};
    return (Str){whole.ptr, before};
}

bool str_to_u64(Str a, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (a.len == 0) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        unsigned digit = (unsigned)(unsigned char)a.ptr[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    if (value > max) {
        return false;
    }
    *ret_value = value;
    return true;
}

/* The length of the well-formed sequence at p, 0 when it is not one: RFC 3629, section 4, row by row. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    if (c < 0x80) {
        return 1;
    }
    size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    unsigned char low = 0x80, high = 0xBF;
    if (c < 0xC2 || c > 0xF4 || left < length) {
        return 0;
    }
    if (c == 0xE0) {
        low = 0xA0;
    } else if (c == 0xED) {
        high = 0x9F;
    } else if (c == 0xF0) {
        low = 0x90;
    } else if (c == 0xF4) {
        high = 0x8F;
    }
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}

int64_t str_count_code_points(Str a)
{
    int64_t count = 0;
    for (size_t at = 0; at < a.len; count++) {
        size_t length = utf8_sequence((const unsigned char *)a.ptr + at, a.len - at);
        if (length == 0) {
            return -1;
        }
        at += length;
    }
    return count;
}

uint32_t str_take_code_point(Str *text)
{
    const unsigned char *at = (const unsigned char *)text->ptr;
    size_t bytes = utf8_sequence(at, text->len);
    if (bytes == 0) {
        *text = (Str){text->ptr + 1, text->len - 1};
        return 0xFFFD;
    }
    uint32_t point = bytes == 1 ? at[0] : at[0] & (0x7Fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        point = point << 6 | (at[i] & 0x3F);
    }
    *text = (Str){text->ptr + bytes, text->len - bytes};
    return point;
}

char *str_put_hex(char *at, const uint8_t *bytes, size_t count)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *at++ = hex[bytes[i] >> 4];
        *at++ = hex[bytes[i] & 15];
    }
    return at;
}

unsigned str_distance(Str a, Str b, unsigned limit)
{
    enum { LENGTH_MAX = 64 };
    unsigned row[LENGTH_MAX + 1];
    if (a.len > LENGTH_MAX || b.len > LENGTH_MAX) {
        return limit + 1;
    }
    for (unsigned j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned replace = diagonal + (lower(a.ptr[i - 1]) != lower(b.ptr[j - 1]));
            unsigned insert = row[j - 1] + 1, erase = row[j] + 1;
            diagonal = row[j];
            unsigned best = insert < erase ? insert : erase;
            row[j] = replace < best ? replace : best;
        }
    }
    return row[b.len] > limit ? limit + 1 : row[b.len];
}

Str str_take_digits(Str *text)
{
    Str digits = {text->ptr, 0};
    while (digits.len < text->len && digits.ptr[digits.len] >= '0' && digits.ptr[digits.len] <= '9') {
        digits.len++;
    }
    *text = (Str){text->ptr + digits.len, text->len - digits.len};
    return digits;
}
