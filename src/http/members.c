#include "http/members.h"

#include "config/url.h"
#include "record/record_json.h"

enum { URL_BYTES_MAX = 4096 };

void member_put_text(Buf *buf, const char *name, Str text)
{
    buf_put_key(buf, name);
    if (text.len) {
        buf_put_json(buf, text);
    } else {
        BUF_PUT(buf, "null");
    }
}

void member_put_time(Buf *buf, const char *name, int64_t us)
{
    buf_put_key(buf, name);
    if (us) {
        buf_put_time_json(buf, us);
    } else {
        BUF_PUT(buf, "null");
    }
}

static void put_shown(Buf *text, Str url)
{
    Url parts;
    if (url_split(url, &parts)) {
        buf_printf(text, "%.*s://%.*s%s%.*s%.*s", STR_ARGS(parts.scheme), STR_ARGS(parts.host),
                   parts.port.len ? ":" : "", STR_ARGS(parts.port), STR_ARGS(parts.rest));
    } else if (str_starts_with(url, STR("unix://"))) {
        const char *at = memrchr(url.ptr, '@', url.len);
        size_t from = at ? (size_t)(at + 1 - url.ptr) : sizeof "unix://" - 1;
        buf_printf(text, "unix://%.*s", (int)(url.len - from), url.ptr + from);
    }
}

void member_put_url(Buf *buf, const char *name, Str url)
{
    Buf text;
    Str shown = str_split(&url, '?');
    shown = str_split(&shown, '#');
    buf_init(&text, URL_BYTES_MAX);
    put_shown(&text, shown);
    member_put_text(buf, name, buf_str(&text));
    buf->failed |= text.no_memory;
    buf_release(&text);
}
