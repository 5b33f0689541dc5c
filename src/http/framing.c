#include "http/framing.h"

/* RFC 9110 section 5.6.2. */
static bool is_token(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!is_letter && !(c >= '0' && c <= '9') && !(c != 0 && strchr("!#$%&'*+-.^_`|~", c))) {
            return false;
        }
    }
    return text.len > 0;
}

static bool has_control(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F) {
            return true;
        }
    }
    return false;
}

static bool has_blank(Str text)
{
    return text.len > 0 && (memchr(text.ptr, ' ', text.len) || memchr(text.ptr, '\t', text.len));
}

void framing_begin(Framing *framing, Str method, Str target, const char *target_at, Str version)
{
    bool in_place = target_at == method.ptr + method.len + 1 && version.ptr == target_at + target.len + 1;
    if (!is_token(method) || has_control(target) || has_blank(target) || target.len == 0) {
        framing->problem = "the request line is not a method, an address without blanks (write %20) and a version";
    } else if (framing->has_layout && !in_place) {
        framing->problem = "the request line has more than one blank between its parts, or a NUL in it";
    }
    framing->line_end = version.ptr + version.len + 2;
}

/* In the library's buffer a header reads NAME NUL blanks VALUE NUL NUL, since it writes a NUL over the colon and over
 * CR and LF.
 * A folded line moves the name elsewhere; a NUL or a bare LF leaves something else than a NUL behind the value. */
static bool is_in_place(const Framing *framing, Str name, Str value)
{
    const char *name_end = name.ptr + name.len, *value_end = value.ptr + value.len;
    if ((framing->line_end && name.ptr != framing->line_end) || value.ptr <= name_end || value.ptr - name_end > 4096) {
        return false;
    }
    for (const char *at = name_end + 1; at < value.ptr; at++) {
        if (*at != ' ' && *at != '\t') {
            return false;
        }
    }
    return *name_end == '\0' && value_end[0] == '\0' && value_end[1] == '\0';
}

static void add_length(Framing *framing, Str value)
{
    framing->lengths++;
    if (!str_to_u64(value, INT64_MAX, &framing->length)) {
        framing->problem = "Content-Length is not a number of bytes";
    }
}

static void add_encoding(Framing *framing, Str value)
{
    framing->encodings++;
    framing->is_chunked = str_equal_nocase(value, STR("chunked"));
    if (!framing->is_chunked) {
        framing->problem = "the only Transfer-Encoding that is understood is chunked";
    }
}

void framing_add(Framing *framing, Str name, Str value)
{
    framing->headers++;
    framing->bytes += name.len + value.len + 4;
    if (framing->problem) {
        return;
    }
    if (!is_token(name) || has_control(value)) {
        framing->problem = "a header has a character that its name or value must not have";
    } else if (framing->has_layout && !is_in_place(framing, name, value)) {
        framing->problem = "a header is folded over several lines, has a NUL in it, or does not end with CR LF";
    } else if (str_equal_nocase(name, STR("Content-Length"))) {
        add_length(framing, value);
    } else if (str_equal_nocase(name, STR("Transfer-Encoding"))) {
        add_encoding(framing, value);
    } else if (str_equal_nocase(name, STR("Host"))) {
        framing->hosts++;
    }
    framing->line_end = value.ptr + value.len + 2;
}

/* CR and LF of the empty line follow the last header's. */
void framing_end(Framing *framing, const char *head_end)
{
    if (framing->has_layout && !framing->problem && head_end != framing->line_end + 2) {
        framing->problem = "the head does not end with an empty line, or has a line that is no header";
    }
}

const char *framing_problem(const Framing *framing, bool is_http_1_1)
{
    if (framing->problem) {
        return framing->problem;
    }
    if (framing->lengths > 1) {
        return "there is more than one Content-Length";
    }
    if (framing->encodings > 1) {
        return "there is more than one Transfer-Encoding";
    }
    if (framing->lengths && framing->encodings) {
        return "there are both a Content-Length and a Transfer-Encoding";
    }
    if (framing->encodings && !is_http_1_1) {
        return "Transfer-Encoding came with an HTTP version that does not have it";
    }
    if (framing->hosts != 1 && (is_http_1_1 || framing->hosts > 1)) {
        return framing->hosts ? "there is more than one Host" : "there is no Host";
    }
    return NULL;
}
