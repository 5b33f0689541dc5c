#include "record/event_hash.h"

#include "base/decimal.h"
#include "base/timestamp.h"

/* What is written to has room for the most that it can become. */
typedef struct Writer {
    char *at;
} Writer;

static void put(Writer *writer, Str text)
{
    memcpy(writer->at, text.ptr, text.len);
    writer->at += text.len;
}

#define PUT(writer, literal) put((writer), STR(literal))

/* As JSON.stringify() escapes: the short forms that there are, \u00xx in small letters for other control characters,
 * nothing else. */
static void put_escaped(Writer *writer, unsigned char c)
{
    static const char hex[] = "0123456789abcdef", shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *at = shorts; *at; at += 2) {
        if ((unsigned char)at[0] == c) {
            put(writer, (Str){(char[]){'\\', at[1]}, 2});
            return;
        }
    }
    put(writer, (Str){(char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6});
}

static void put_text(Writer *writer, Str text)
{
    *writer->at++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            put_escaped(writer, c);
        } else {
            *writer->at++ = (char)c;
        }
    }
    *writer->at++ = '"';
}

/* Without zeros at the end, so that the store's scale is not in it. */
static void put_amount(Writer *writer, const EventMeaning *meaning)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    size_t len = decimal_format(meaning->value, meaning->scale, text);
    while (meaning->scale > 0 && text[len - 1] == '0') {
        len--;
    }
    len -= text[len - 1] == '.';
    put_text(writer, (Str){text, len});
}

/* Always with six digits of fraction. */
static void put_time(Writer *writer, int64_t time_us)
{
    char text[TIMESTAMP_TEXT_BYTES_MAX];
    size_t len = timestamp_format(time_us, text) - 1, seconds = STR("2025-01-01T10:00:00").len;
    *writer->at++ = '"';
    put(writer, (Str){text, len});
    if (len == seconds) {
        *writer->at++ = '.';
        len++;
    }
    for (; len < seconds + 7; len++) {
        *writer->at++ = '0';
    }
    PUT(writer, "Z\"");
}

static void put_extra(Writer *writer, const EventMeaning *meaning)
{
    *writer->at++ = '{';
    for (size_t i = 0; i < meaning->extra_count; i++) {
        if (i > 0) {
            *writer->at++ = ',';
        }
        put_text(writer, meaning->extra[i].name);
        *writer->at++ = ':';
        put_text(writer, meaning->extra[i].value);
    }
    *writer->at++ = '}';
}

static void put_list(Writer *writer, const Str *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *writer->at++ = i == 0 ? '[' : ',';
        put_text(writer, texts[i]);
    }
}

static void put_meaning(Writer *writer, const EventMeaning *meaning)
{
    if (meaning->id.len > 0) {
        put_list(writer, (Str[]){STR("weir-event-id-1"), meaning->client, meaning->id}, 3);
        *writer->at++ = ']';
        return;
    }
    Str type = meaning->type == RECORD_POSITIVE ? STR("positive") : STR("negative");
    put_list(writer, (Str[]){STR("weir-event-1"), meaning->client, meaning->metric, type}, 4);
    *writer->at++ = ',';
    put_amount(writer, meaning);
    *writer->at++ = ',';
    put_text(writer, meaning->unit);
    *writer->at++ = ',';
    put_time(writer, meaning->time_us);
    *writer->at++ = ',';
    put_extra(writer, meaning);
    *writer->at++ = ']';
}

/* No byte of a text becomes more than six. */
static size_t bytes_max(const EventMeaning *meaning)
{
    size_t texts = meaning->client.len + meaning->metric.len + meaning->unit.len + meaning->id.len;
    for (size_t i = 0; i < meaning->extra_count; i++) {
        texts += meaning->extra[i].name.len + meaning->extra[i].value.len + 1;
    }
    return texts * 6 + 256;
}

Str event_canonical_text(const EventMeaning *meaning, Arena *arena)
{
    char *start = arena_alloc(arena, bytes_max(meaning));
    Writer writer = {start};
    if (!start) {
        return (Str){NULL, 0};
    }
    put_meaning(&writer, meaning);
    return (Str){start, (size_t)(writer.at - start)};
}
