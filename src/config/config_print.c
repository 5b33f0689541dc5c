#include "config/config.h"

static Str section_of(OptionId id)
{
    Str name = str_from(option_table[id].name);
    return str_split(&name, '.');
}

static bool begins_section(OptionId id) { return id == 0 || !str_equal(section_of(id), section_of(id - 1)); }

/* JSON's double-quoted strings are YAML's too. Words that YAML would read as something else do not matter: the reader takes
 * every scalar as text. */
static void put_yaml_scalar(Buf *buf, Str text)
{
    bool plain = text.len > 0 && ((text.ptr[0] >= '0' && text.ptr[0] <= '9') || (text.ptr[0] | 32) >= 'a' ||
                                  text.ptr[0] == '.' || text.ptr[0] == '/');
    for (size_t i = 0; i < text.len && plain; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        plain = c > ' ' && c < 0x7F && c != '#' && c != '"' && c != '\'' && !(c == ':' && i + 1 == text.len);
    }
    if (plain) {
        buf_put(buf, text);
    } else {
        buf_put_json(buf, text);
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
