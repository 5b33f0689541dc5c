#include "config/values.h"

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
        uint32_t point = str_take_code_point(&text);
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

/* Words that YAML would read as something else than text do not matter: the reader takes every scalar as text. But what
 * begins with a sign of YAML's own, as [::1]:8080 and ~ do, has to be quoted. */
static void put_yaml_scalar(Buf *buf, Str text)
{
    char first = text.len > 0 ? text.ptr[0] : ' ', lower = (char)(first | 0x20);
    bool plain = (first >= '0' && first <= '9') || (lower >= 'a' && lower <= 'z') || first == '.' || first == '/';
    for (size_t i = 0; i < text.len && plain; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        plain = c > ' ' && c < 0x7F && !strchr("#\"',[]{}", c) && !(c == ':' && i + 1 == text.len);
    }
    if (plain) {
        buf_put(buf, text);
    } else {
        put_yaml_quoted(buf, text);
    }
}

/* ---- Options ----------------------------------------------------------------------------------------------------- */

/* One value, or an item of a list, with what is secret hidden. */
static void put_yaml_shown(Buf *buf, const Option *option, Str text)
{
    Buf shown;
    buf_init(&shown, CONFIG_FILE_BYTES_MAX);
    option_put_shown(&shown, option, text);
    put_yaml_scalar(buf, buf_str(&shown));
    buf->failed |= shown.failed;
    buf_release(&shown);
}

static void put_yaml_value(Buf *buf, const Option *option, Str text)
{
    if (!(option->marks & OPTION_LIST) || text.len == 0) {
        put_yaml_shown(buf, option, text);
        return;
    }
    size_t start = buf->len;
    Str item;
    for (OptionItems items = option_items(text); option_items_next(&items, &item);) {
        buf_put(buf, buf->len == start ? STR("[") : STR(", "));
        put_yaml_shown(buf, option, item);
    }
    buf_put_char(buf, ']');
}

static void put_yaml_option(Buf *buf, const char *name, const Option *option, const ConfigValue *value)
{
    size_t start = buf->len;
    buf_printf(buf, "%s: ", name);
    put_yaml_value(buf, option, value->text);
    do { /* the remarks in one column */
        buf_put_char(buf, ' ');
    } while (buf->len - start < 40 && !buf->failed);
    buf_printf(buf, "# %s\n", value->where);
}

static void put_yaml_member(Buf *buf, const ConfigMember *member)
{
    char name[OPTION_ENVIRONMENT_BYTES_MAX + 4];
    buf_printf(buf, "  %s:\n", member->name);
    for (unsigned id = 0; id < member->group->table.count; id++) {
        if (config_member_takes(member, id)) {
            const Option *option = &member->group->table.items[id];
            snprintf(name, sizeof name, "    %s", option->name);
            put_yaml_option(buf, name, option, &member->values[id]);
        }
    }
}

void config_put_yaml(Buf *buf, const Config *config)
{
    char name[OPTION_ENVIRONMENT_BYTES_MAX + 2];
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        if (option_begins_section(id)) {
            buf_printf(buf, "%.*s:\n", STR_ARGS(option_section(id)));
        }
        snprintf(name, sizeof name, "  %s", strchr(option_table[id].name, '.') + 1);
        put_yaml_option(buf, name, &option_table[id], &config->values[id]);
    }
    for (OptionGroupId id = 0; id < OPTION_GROUP_COUNT; id++) {
        const ConfigMembers *members = &config->groups[id];
        if (members->count > 0) {
            buf_printf(buf, "%s:\n", option_groups[id]->prefix);
        }
        for (unsigned i = 0; i < members->count; i++) {
            put_yaml_member(buf, members->items[i]);
        }
    }
}

static void put_json_value(Buf *buf, const Option *option, const ConfigValue *value)
{
    Buf shown;
    buf_init(&shown, CONFIG_FILE_BYTES_MAX);
    option_put_all_shown(&shown, option, value->text);
    BUF_PUT(buf, "{\"value\":");
    buf_put_json(buf, buf_str(&shown));
    BUF_PUT(buf, ",\"from\":");
    buf_put_json(buf, str_from(value->where));
    buf_put_char(buf, '}');
    buf->failed |= shown.failed;
    buf_release(&shown);
}

static void put_json_member(Buf *buf, const ConfigMember *member)
{
    for (unsigned id = 0; id < member->group->table.count; id++) {
        if (config_member_takes(member, id)) {
            const Option *option = &member->group->table.items[id];
            buf_printf(buf, ",\"%s.%s.%s\":", member->group->prefix, member->name, option->name);
            put_json_value(buf, option, &member->values[id]);
        }
    }
}

void config_put_json(Buf *buf, const Config *config)
{
    buf_put_char(buf, '{');
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        buf_put_key(buf, option_table[id].name);
        put_json_value(buf, &option_table[id], &config->values[id]);
    }
    for (OptionGroupId id = 0; id < OPTION_GROUP_COUNT; id++) {
        for (unsigned i = 0; i < config->groups[id].count; i++) {
            put_json_member(buf, config->groups[id].items[i]);
        }
    }
    BUF_PUT(buf, "}\n");
}
