#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(Buf *buf, size_t bytes_max) { *buf = (Buf){.bytes_max = bytes_max}; }

static size_t counted(const Buf *buf, size_t cap) { return budget_counted(cap, buf->uncounted); }

void buf_release(Buf *buf)
{
    free(buf->ptr);
    budget_give_back(buf->budget, counted(buf, buf->cap));
    *buf = (Buf){.bytes_max = buf->bytes_max, .budget = buf->budget, .uncounted = buf->uncounted};
}

static bool take_memory(Buf *buf, size_t cap)
{
    size_t more = counted(buf, cap) - counted(buf, buf->cap);
    if (!budget_take(buf->budget, more)) {
        return false;
    }
    char *grown = realloc(buf->ptr, cap);
    if (!grown) {
        budget_give_back(buf->budget, more);
        return false;
    }
    buf->ptr = grown;
    buf->cap = cap;
    return true;
}

static bool grow(Buf *buf, size_t bytes)
{
    if (buf->failed || bytes > buf->bytes_max - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t cap = buf->cap ? buf->cap * 2 : 256;
    if (cap < buf->len + bytes) {
        cap = buf->len + bytes;
    }
    if (cap > buf->bytes_max) {
        cap = buf->bytes_max;
    }
    buf->failed = buf->no_memory = !take_memory(buf, cap);
    return !buf->failed;
}

char *buf_reserve(Buf *buf, size_t bytes)
{
    if (buf->failed || (bytes > buf->cap - buf->len && !grow(buf, bytes))) {
        return NULL;
    }
    return buf->ptr + buf->len;
}

void buf_put(Buf *buf, Str text)
{
    char *at = text.len ? buf_reserve(buf, text.len) : NULL;
    if (at) {
        memcpy(at, text.ptr, text.len);
        buf->len += text.len;
    }
}

void buf_put_char(Buf *buf, char c)
{
    char *at = buf_reserve(buf, 1);
    if (at) {
        *at = c;
        buf->len++;
    }
}

void buf_put_u64(Buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_put(buf, (Str){digits + at, sizeof digits - at});
}

void buf_put_i64(Buf *buf, int64_t value)
{
    if (value < 0) {
        buf_put_char(buf, '-');
    }
    buf_put_u64(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_printf(Buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *at = len < 0 ? NULL : buf_reserve(buf, (size_t)len + 1);
    if (at) {
        va_start(args, format);
        vsnprintf(at, (size_t)len + 1, format, args);
        va_end(args);
        buf->len += (size_t)len;
    }
}

/* What a byte below 0x20, a quote or a backslash is written as. */
static void put_escape(Buf *buf, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '"': BUF_PUT(buf, "\\\""); break;
    case '\\': BUF_PUT(buf, "\\\\"); break;
    case '\n': BUF_PUT(buf, "\\n"); break;
    case '\r': BUF_PUT(buf, "\\r"); break;
    case '\t': BUF_PUT(buf, "\\t"); break;
    default: buf_put(buf, (Str){(char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6});
    }
}

static bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

void buf_put_json(Buf *buf, Str text)
{
    buf_put_char(buf, '"');
    size_t start = 0;
    for (size_t at = 0; at < text.len;) {
        unsigned char c = (unsigned char)text.ptr[at];
        if (is_plain(c)) {
            at++;
            continue;
        }
        if (c >= 0x80) {
            size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
            if (length <= text.len - at && str_count_code_points((Str){text.ptr + at, length}) == 1) {
                at += length;
                continue;
            }
        }
        buf_put(buf, (Str){text.ptr + start, at - start});
        if (c >= 0x80) {
            BUF_PUT(buf, "\xEF\xBF\xBD");
        } else {
            put_escape(buf, c);
        }
        start = ++at;
    }
    buf_put(buf, (Str){text.ptr + start, text.len - start});
    buf_put_char(buf, '"');
}

void buf_put_key(Buf *buf, const char *name)
{
    char last = buf->len ? buf->ptr[buf->len - 1] : '{';
    if (last != '{' && last != '[' && last != ',') {
        buf_put_char(buf, ',');
    }
    buf_put_char(buf, '"');
    buf_put(buf, str_from(name));
    BUF_PUT(buf, "\":");
}

void buf_put_key_i64(Buf *buf, const char *name, int64_t count)
{
    buf_put_key(buf, name);
    buf_put_i64(buf, count);
}

void buf_put_csv(Buf *buf, Str text)
{
    bool quote = false;
    for (size_t i = 0; i < text.len && !quote; i++) {
        char c = text.ptr[i];
        quote = c == '"' || c == ',' || c == '\n' || c == '\r';
    }
    if (!quote) {
        buf_put(buf, text);
        return;
    }
    buf_put_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"') {
            buf_put_char(buf, '"');
        }
        buf_put_char(buf, text.ptr[i]);
    }
    buf_put_char(buf, '"');
}
