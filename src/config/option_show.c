#include "config/options.h"
#include "config/units.h"
#include "config/url.h"

/* A limit as it would be written in the file. */
static void put_number(Buf *buf, OptionType type, int64_t number)
{
    switch (type) {
    case OPTION_BYTES: units_put_bytes(buf, number); break;
    case OPTION_DURATION: units_put_duration(buf, number); break;
    default: buf_put_i64(buf, number);
    }
}

void option_put_limits(Buf *buf, const Option *option)
{
    put_number(buf, option->type, option->min);
    BUF_PUT(buf, " to ");
    put_number(buf, option->type, option->max);
}

void option_put_choices(Buf *buf, const Option *option)
{
    for (int i = 0; i < OPTION_CHOICES_MAX && option->choices[i]; i++) {
        buf_printf(buf, "%s%s", i ? ", " : "", option->choices[i]);
    }
}

static bool has_limits(const Option *option)
{
    return (option->min || option->max) && option->type != OPTION_DECIMAL && option->type != OPTION_ADDRESS;
}

static const char *type_name(const Option *option)
{
    static const char *const names[] = {
        [OPTION_TEXT] = "text",     [OPTION_BOOL] = "true or false", [OPTION_INTEGER] = "integer",
        [OPTION_BYTES] = "bytes",   [OPTION_DURATION] = "duration",  [OPTION_DECIMAL] = "decimal",
        [OPTION_CHOICE] = "one of", [OPTION_ADDRESS] = "host:port",  [OPTION_URL] = "URL",
        [OPTION_HOST] = "host",     [OPTION_CIDR] = "address/bits",  [OPTION_PROPERTY] = "name=value",
    };
    return option->type == OPTION_DECIMAL && option->min > 0 ? "decimal above 0" : names[option->type];
}

void option_put_type(Buf *buf, const Option *option)
{
    bool is_choice = option->type == OPTION_CHOICE, is_list = option->marks & OPTION_LIST;
    buf_put(buf, str_from(is_list ? "list of " : ""));
    if (option->choices[0]) {
        buf_put(buf, str_from(is_choice && !is_list ? "one of " : ""));
        option_put_choices(buf, option);
        buf_put(buf, str_from(is_choice ? "" : " or "));
    }
    if (!is_choice) {
        buf_put(buf, str_from(type_name(option)));
    }
    if (has_limits(option)) {
        BUF_PUT(buf, ", ");
        option_put_limits(buf, option);
    }
}

/* The properties that librdkafka itself calls sensitive have one of these in their names. */
static bool is_sensitive(Str name)
{
    static const char *const words[] = {"password", "passphrase",        "secret", "key", "pem",
                                        "token",    "oauthbearer.config"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (memmem(name.ptr, name.len, words[i], strlen(words[i]))) {
            return true;
        }
    }
    return false;
}

static void put_property(Buf *buf, Str text)
{
    Str value = text;
    Str name = str_split(&value, '=');
    buf_put(buf, is_sensitive(name) ? name : text);
    if (is_sensitive(name)) {
        BUF_PUT(buf, "=" OPTION_HIDDEN);
    }
}

static void put_url(Buf *buf, Str text)
{
    Url url;
    if (url_split(text, &url) && url.user.len > 0) {
        buf_put(buf, (Str){text.ptr, (size_t)(url.user.ptr - text.ptr)});
        BUF_PUT(buf, OPTION_HIDDEN);
        text = (Str){url.user.ptr + url.user.len, (size_t)(text.ptr + text.len - url.user.ptr) - url.user.len};
    }
    buf_put(buf, text);
}

void option_put_shown(Buf *buf, const Option *option, Str text)
{
    if ((option->marks & OPTION_SECRET) && text.len > 0) {
        BUF_PUT(buf, OPTION_HIDDEN);
    } else if (option->type == OPTION_URL) {
        put_url(buf, text);
    } else if (option->type == OPTION_PROPERTY) {
        put_property(buf, text);
    } else {
        buf_put(buf, text);
    }
}

void option_put_all_shown(Buf *buf, const Option *option, Str text)
{
    bool hides = (option->marks & OPTION_SECRET) || option->type == OPTION_PROPERTY;
    if (!(option->marks & OPTION_LIST) || !hides) {
        option_put_shown(buf, option, text);
        return;
    }
    OptionItems items = option_items(text);
    Str item;
    for (bool more = option_items_next(&items, &item); more;) {
        option_put_shown(buf, option, item);
        more = option_items_next(&items, &item);
        buf_put(buf, more ? (Str){&items.separator, 1} : STR(""));
    }
}
