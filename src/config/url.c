#include "config/url.h"

static bool has_blanks(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7F) {
            return true;
        }
    }
    return false;
}

static bool is_scheme(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char lower = (char)(text.ptr[i] | 0x20);
        if ((lower < 'a' || lower > 'z') && (i == 0 || !strchr("0123456789+-.", text.ptr[i]))) {
            return false;
        }
    }
    return text.len > 0;
}

static Str before_any(Str text, const char *ends)
{
    size_t len = 0;
    while (len < text.len && !strchr(ends, text.ptr[len])) {
        len++;
    }
    return (Str){text.ptr, len};
}

static Str behind(Str text, size_t bytes) { return (Str){text.ptr + bytes, text.len - bytes}; }

/* The last @ ends the user, since programs that do not encode passwords write others into them. */
static Str take_user(Str *authority)
{
    for (size_t at = authority->len; at > 0; at--) {
        if (authority->ptr[at - 1] == '@') {
            Str user = {authority->ptr, at - 1};
            *authority = behind(*authority, at);
            return user;
        }
    }
    return (Str){NULL, 0};
}

static bool split_host(Str authority, Url *url)
{
    bool bracketed = authority.len > 0 && authority.ptr[0] == '[';
    url->host = before_any(authority, bracketed ? "]" : ":");
    if (bracketed) {
        if (url->host.len == authority.len) {
            return false;
        }
        url->host.len++;
    }
    Str port = behind(authority, url->host.len);
    uint64_t number;
    if (port.len > 0) {
        url->port = behind(port, 1);
    }
    return url->host.len > (bracketed ? 2 : 0) &&
           (port.len == 0 || (port.ptr[0] == ':' && str_to_u64(url->port, UINT16_MAX, &number)));
}

bool url_split(Str text, Url *ret_url)
{
    Url url = {.scheme = before_any(text, ":")};
    Str rest = behind(text, url.scheme.len);
    if (has_blanks(text) || !is_scheme(url.scheme) || !str_starts_with(rest, STR("://"))) {
        return false;
    }
    rest = behind(rest, 3);
    Str authority = before_any(rest, "/?#");
    url.rest = behind(rest, authority.len);
    url.user = take_user(&authority);
    /* The socket of unix:///path is on this host. */
    if ((authority.len > 0 || !str_is(url.scheme, "unix")) && !split_host(authority, &url)) {
        return false;
    }
    *ret_url = url;
    return true;
}
