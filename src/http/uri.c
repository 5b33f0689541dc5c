#include "http/uri.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_decoded(Str text, bool plus_is_space)
{
    return !memchr(text.ptr, '%', text.len) && !(plus_is_space && memchr(text.ptr, '+', text.len));
}

/* The byte that an escape at `at` stands for; -1 when it is none. */
static int escaped_byte(Str text, size_t at)
{
    if (text.len - at < 3) {
        return -1;
    }
    int high = hex_value(text.ptr[at + 1]), low = hex_value(text.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static Status check_text(Str text, Error *reterr)
{
    if (memchr(text.ptr, '\0', text.len)) {
        return error_set(reterr, STATUS_REFUSED, "must not contain a NUL character");
    }
    return str_count_code_points(text) < 0 ? error_set(reterr, STATUS_REFUSED, "must be valid UTF-8") : STATUS_OK;
}

Status uri_decode(Str text, bool plus_is_space, Arena *arena, Str *ret_text, Error *reterr)
{
    Str decoded = text;
    if (text.len > 0 && !is_decoded(text, plus_is_space)) {
        char *out = arena_alloc(arena, text.len);
        if (!out) {
            return error_set(reterr, STATUS_BUSY, "no memory for the request's address");
        }
        size_t len = 0;
        for (size_t at = 0; at < text.len; at++) {
            int byte = (unsigned char)text.ptr[at];
            if (byte == '%') {
                byte = escaped_byte(text, at);
                at += 2;
            } else if (byte == '+' && plus_is_space) {
                byte = ' ';
            }
            if (byte < 0) {
                return error_set(reterr, STATUS_REFUSED, "has a %% that is not followed by two hexadecimal digits");
            }
            out[len++] = (char)byte;
        }
        decoded = (Str){out, len};
    }
    if (decoded.len > 0) {
        Status status = check_text(decoded, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *ret_text = decoded;
    return STATUS_OK;
}

static size_t count_params(Str query)
{
    size_t count = 0;
    while (query.ptr) {
        count += str_split(&query, '&').len > 0;
    }
    return count;
}

static Status parse_params(Str query, Arena *arena, Uri *uri, Str *ret_bad_param, Error *reterr)
{
    size_t count = count_params(query);
    if (count > URI_PARAMS_MAX) {
        return error_set(reterr, STATUS_REFUSED, "has more than %d query parameters", URI_PARAMS_MAX);
    }
    uri->params = ARENA_ARRAY(arena, QueryParam, count);
    if (!uri->params) {
        return error_set(reterr, STATUS_BUSY, "no memory for the request's address");
    }
    while (query.ptr) {
        Str value = str_split(&query, '&');
        if (value.len == 0) {
            continue;
        }
        Str name = str_split(&value, '=');
        QueryParam *param = &uri->params[uri->param_count++];
        Status status = uri_decode(name, true, arena, &param->name, reterr);
        if (status == STATUS_OK) {
            status = uri_decode(value, true, arena, &param->value, reterr);
        }
        if (status != STATUS_OK) {
            *ret_bad_param = name;
            return status;
        }
    }
    return STATUS_OK;
}

/* RFC 3986 section 3.1; 0 when the text does not begin with a scheme and "://". */
static size_t scheme_length(Str target)
{
    size_t len = 0;
    if (target.len == 0) {
        return 0;
    }
    while (len < target.len) {
        char c = target.ptr[len], lower = (char)(c | 0x20);
        bool is_letter = lower >= 'a' && lower <= 'z', is_digit = c >= '0' && c <= '9';
        if (!is_letter && (len == 0 || (!is_digit && c != '+' && c != '-' && c != '.'))) {
            break;
        }
        len++;
    }
    return str_starts_with((Str){target.ptr + len, target.len - len}, STR("://")) ? len : 0;
}

/* RFC 9112 section 3.2.2: servers must take the absolute form too. The path of "http://host" and "http://host?a=b" is
 * "/". */
static Str split_target(Str target, Str *ret_query)
{
    size_t scheme_len = scheme_length(target);
    *ret_query = target;
    if (scheme_len == 0) {
        return str_split(ret_query, '?');
    }
    *ret_query = (Str){target.ptr + scheme_len + 3, target.len - scheme_len - 3};
    Str rest = str_split(ret_query, '?');
    const char *slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
    return slash ? (Str){slash, rest.len - (size_t)(slash - rest.ptr)} : STR("/");
}

Status uri_parse(Str target, Arena *arena, Uri *ret_uri, Str *ret_bad_param, Error *reterr)
{
    Uri uri = {0};
    *ret_bad_param = (Str){NULL, 0};
    Str query;
    uri.path = split_target(target, &query);
    if (memchr(target.ptr, ' ', target.len)) {
        return error_set(reterr, STATUS_REFUSED, "has a space in it; write %%20");
    }
    if (uri.path.len == 0 || uri.path.ptr[0] != '/') {
        return error_set(reterr, STATUS_REFUSED, "is not a path that begins with a slash");
    }
    if (query.ptr) {
        Status status = parse_params(query, arena, &uri, ret_bad_param, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *ret_uri = uri;
    return STATUS_OK;
}

bool uri_match(Str path, const char *pattern, Str ret_segments[URI_SEGMENTS_MAX])
{
    size_t segments = 0;
    Str left = str_from(pattern), right = path;
    while (left.ptr && right.ptr) {
        Str expected = str_split(&left, '/'), found = str_split(&right, '/');
        if (expected.len > 0 && expected.ptr[0] == '{') {
            if (found.len == 0 || segments == URI_SEGMENTS_MAX) {
                return false;
            }
            ret_segments[segments++] = found;
        } else if (!str_equal(expected, found)) {
            return false;
        }
    }
    return !left.ptr && !right.ptr;
}
