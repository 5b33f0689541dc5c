#include "config/config.h"

static Str section_of(OptionId id)
{
    Str name = str_from(option_table[id].name);
    return str_split(&name, '.');
}

static bool begins_section(OptionId id) { return id == 0 || !str_equal(section_of(id), section_of(id - 1)); }

/* The first code point of the text, which is taken off; U+FFFD for a byte that begins none. */
static uint32_t take_code_point(Str *text)
{
    unsigned char first = (unsigned char)text->ptr[0];
    size_t bytes = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    bool is_whole = bytes <= text->len && str_count_code_points((Str){text->ptr, bytes}) == 1;
    uint32_t point = bytes == 1 ? first : first & (0x7Fu >> bytes);
    for (size_t i = 1; is_whole && i < bytes; i++) {
        point = point << 6 | ((unsigned char)text->ptr[i] & 0x3F);
    }
    bytes = is_whole ? bytes : 1;
    *text = (Str){text->ptr + bytes, text->len - bytes};
    return is_whole ? point : 0xFFFD;
}

/* YAML 1.2 section 5: what may not stand in a file as it is, or would be taken for a line break there. */
static bool needs_escape(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029 || point == 0xFEFF ||
           point == 0xFFFE || point == 0xFFFF;
}

static void put_yaml_quoted(Buf *buf, Str text)
{
    buf_put_char(buf, '"');
    while (text.len > 0) {
        const char *start = text.ptr;
        uint32_t point = take_code_point(&text);
        if (point == '"' || point == '\\') {
            buf_printf(buf, "\\%c", (char)point);
        } else if (needs_escape(point) || (point == 0xFFFD && text.ptr - start == 1)) {
            buf_printf(buf, "\\u%04x", point);
        } else {
            buf_put(buf, (Str){start, (size_t)(text.ptr - start)});
        }
    }
    buf_put_char(buf, '"');
}

/* Words that YAML would read as something else than text do not matter: the reader takes every scalar as text. But what begins
 * with a sign of YAML's own, as [::1]:8080 and ~ do, has to be quoted. */
static void put_yaml_scalar(Buf *buf, Str text)
{
    char first = text.len > 0 ? text.ptr[0] : ' ', lower = (char)(first | 0x20);
    bool plain = (first >= '0' && first <= '9') || (lower >= 'a' && lower <= 'z') || first == '.' || first == '/';
    for (size_t i = 0; i < text.len && plain; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        plain = c > ' ' && c < 0x7F && c != '#' && c != '"' && c != '\'' && !(c == ':' && i + 1 == text.len);
    }
    if (plain) {
        buf_put(buf, text);
    } else {
        put_yaml_quoted(buf, text);
    }
}

static void put_yaml_option(Buf *buf, const Config *config, OptionId id)
{
    size_t start = buf->len;
    buf_printf(buf, "  %s: ", strchr(option_table[id].name, '.') + 1);
    put_yaml_scalar(buf, str_from(config_text(config, id)));
    do { /* the remarks in one column */
        buf_put_char(buf, ' ');
    } while (buf->len - start < 40 && !buf->failed);
    buf_printf(buf, "# %s\n", config_where(config, id));
}

void config_put_yaml(Buf *buf, const Config *config)
{
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        if (begins_section(id)) {
            buf_printf(buf, "%.*s:\n", STR_ARGS(section_of(id)));
        }
        put_yaml_option(buf, config, id);
    }
}

void config_put_json(Buf *buf, const Config *config)
{
    buf_put_char(buf, '{');
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        buf_put_key(buf, option_table[id].name);
        BUF_PUT(buf, "{\"value\":");
        buf_put_json(buf, str_from(config_text(config, id)));
        BUF_PUT(buf, ",\"from\":");
        buf_put_json(buf, str_from(config_where(config, id)));
        buf_put_char(buf, '}');
    }
    BUF_PUT(buf, "}\n");
}

static void put_markdown_option(Buf *buf, OptionId id)
{
    char variable[OPTION_ENVIRONMENT_BYTES_MAX];
    option_environment_name(id, variable);
    buf_printf(buf, "| `%s`<br>`%s` | ", option_table[id].name, variable);
    option_put_type(buf, id);
    buf_printf(buf, " | `%s` | %s |\n", option_table[id].initial, option_table[id].help);
}

void config_put_markdown(Buf *buf)
{
    BUF_PUT(
        buf,
        "# Configuration\n\n"
        "This page is written by `make docs` from the program's own table of options.\n\n"
        "A value is taken from the first of these that has one: a flag of the command line (`--set "
        "http.listen=127.0.0.1:9000`, "
        "or a "
        "command's own such as `--data`), an environment variable, the file that `--config` or `WEIR_CONFIG` names, "
        "the "
        "default. `weir config print` shows every value and where it is from; `weir config check` says whether a file "
        "is "
        "in order.\n\n"
        "The file is YAML, with sections nested or dotted:\n\n"
        "```yaml\nhttp:\n  listen: 127.0.0.1:8080\nstore.dir: /var/lib/weir\n```\n\n"
        "A name that is no option is an error, in the file and in the environment, since a misspelt setting would "
        "otherwise do nothing in silence. Sizes are written `64KiB`, `16MiB`, `1GiB` (or `kB`, `MB`, `GB`), durations "
        "`50ms`, `30s`, `5m`, `2h`, `1d`.\n");
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        if (begins_section(id)) {
            buf_printf(buf, "\n## %.*s\n\n| option, variable | type | default | meaning |\n|---|---|---|---|\n",
                       STR_ARGS(section_of(id)));
        }
        put_markdown_option(buf, id);
    }
}
