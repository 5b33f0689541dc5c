#include "record/event_text.h"

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* The bytes of a white space that begins here. */
static size_t space_at(const char *at, size_t left)
{
    if (is_space(at[0])) {
        return 1;
    }
    if (left >= 2 && memcmp(at, "\xC2\xA0", 2) == 0) {
        return 2;
    }
    bool is_thin = left >= 3 && (memcmp(at, "\xE2\x80\x89", 3) == 0 || memcmp(at, "\xE2\x80\xAF", 3) == 0);
    return is_thin ? 3 : 0;
}

/* The bytes of a white space that ends here. In UTF-8 no character's end looks like another. */
static size_t space_before(const char *end, size_t left)
{
    for (size_t bytes = 1; bytes <= 3 && bytes <= left; bytes++) {
        if (space_at(end - bytes, bytes) == bytes) {
            return bytes;
        }
    }
    return 0;
}

Str event_text_trim(Str text)
{
    for (size_t bytes; text.len > 0 && (bytes = space_at(text.ptr, text.len)) > 0;) {
        text = (Str){text.ptr + bytes, text.len - bytes};
    }
    for (size_t bytes; text.len > 0 && (bytes = space_before(text.ptr + text.len, text.len)) > 0;) {
        text.len -= bytes;
    }
    return text;
}

static const struct {
    const char *word;
    RecordType type;
} types[] = {
    {"positive", RECORD_POSITIVE}, {"credit", RECORD_POSITIVE},   {"in", RECORD_POSITIVE},
    {"inbound", RECORD_POSITIVE},  {"incoming", RECORD_POSITIVE}, {"plus", RECORD_POSITIVE},
    {"+", RECORD_POSITIVE},        {"negative", RECORD_NEGATIVE}, {"debit", RECORD_NEGATIVE},
    {"out", RECORD_NEGATIVE},      {"outbound", RECORD_NEGATIVE}, {"outgoing", RECORD_NEGATIVE},
    {"minus", RECORD_NEGATIVE},    {"-", RECORD_NEGATIVE},
};

const char *event_type_parse(Str text, RecordType *ret_type)
{
    text = event_text_trim(text);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (str_equal_nocase(text, str_from(types[i].word))) {
            *ret_type = types[i].type;
            return NULL;
        }
    }
    return "must be positive, credit, in, inbound, incoming, plus or +, or negative, debit, out, outbound, outgoing, "
           "minus "
           "or -";
}
