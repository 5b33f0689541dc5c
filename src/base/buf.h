/* A growing byte buffer with a ceiling, and what is needed to write JSON and CSV into it.
 *
 * Appending never fails at the call: at the ceiling (or out of memory, or of its budget) the buffer sets `failed`,
 * takes nothing more, and the writer looks once at the end. */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include "base/budget.h"
#include "base/str.h"

typedef struct Buf {
    char *ptr; /* owns; NULL until the first byte */
    size_t len, cap;
    size_t bytes_max;
    Budget *budget; /* in which `cap` counts; outlives it. NULL: none; set after buf_init, before the first byte, … */
    size_t uncounted; /* … with this: so many bytes do not count */
    bool failed;
    bool no_memory; /* it has failed for want of memory, and not at its ceiling */
} Buf;

void buf_init(Buf *buf, size_t bytes_max);
void buf_release(Buf *buf);
static inline void buf_reset(Buf *buf)
{
    buf->len = 0;
    buf->failed = buf->no_memory = false;
}
static inline Str buf_str(const Buf *buf) { return (Str){buf->ptr, buf->len}; }

/* Room for `bytes` more without growing, or NULL (and `failed`); follow with buf->len += what was written. */
char *buf_reserve(Buf *buf, size_t bytes);
void buf_put(Buf *buf, Str text);
void buf_put_char(Buf *buf, char c);
void buf_put_u64(Buf *buf, uint64_t value);
void buf_put_i64(Buf *buf, int64_t value);
void buf_printf(Buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define BUF_PUT(buf, literal) buf_put((buf), STR(literal))

/* "text" with quotes, escaped as RFC 8259 asks; bytes that are not UTF-8 become U+FFFD. */
void buf_put_json(Buf *buf, Str text);
/* ,"name": or "name": as the last byte asks (no comma after { or [ or at the start). `name` is a literal of ours. */
void buf_put_key(Buf *buf, const char *name);
/* ,"name":7 likewise. */
void buf_put_key_i64(Buf *buf, const char *name, int64_t count);
/* A CSV field of RFC 4180, quoted only when it must be. */
void buf_put_csv(Buf *buf, Str text);

#endif
