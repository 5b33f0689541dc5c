/* docs/configuration.md */
#include "config/config.h"

static void put_option(Buf *buf, const OptionGroup *group, const Option *option)
{
    char variable[OPTION_ENVIRONMENT_BYTES_MAX], prefix[OPTION_ENVIRONMENT_BYTES_MAX];
    option_environment_name(option->name, variable);
    if (group) {
        option_environment_name(group->prefix, prefix);
        buf_printf(buf, "| `%s`<br>`WEIR_%s_NAME_%s` | ", option->name, prefix, variable);
    } else {
        buf_printf(buf, "| `%s`<br>`WEIR_%s` | ", option->name, variable);
    }
    option_put_type(buf, option);
    const char *quote = option->initial[0] ? "`" : "";
    buf_printf(buf, " | %s%s%s | ", quote, option->initial, quote);
}

static void put_help(Buf *buf, const Option *option) { buf_printf(buf, "%s |\n", option->help); }

/* The members that an option is for. */
static void put_kinds(Buf *buf, const OptionGroup *group, const Option *option)
{
    const Option *kind = &group->table.items[0];
    if (!group->has_kinds) {
        return;
    }
    for (unsigned i = 0, put = 0; i < OPTION_CHOICES_MAX && kind->choices[i]; i++) {
        if (option->kinds >> i & 1) {
            buf_printf(buf, "%s%s", put++ ? ", " : "", kind->choices[i]);
        }
    }
    BUF_PUT(buf, " | ");
}

static void put_group(Buf *buf, const OptionGroup *group)
{
    buf_printf(buf, "\n## %s\n\n%s\n\n```yaml\n%s```\n\n", group->prefix, group->help, group->example);
    buf_printf(buf, "The options of `%s.<name>`:\n\n", group->prefix);
    buf_put(buf, group->has_kinds
                     ? STR("| option, variable | type | default | only for | meaning |\n|---|---|---|---|---|\n")
                     : STR("| option, variable | type | default | meaning |\n|---|---|---|---|\n"));
    for (unsigned id = 0; id < group->table.count; id++) {
        const Option *option = &group->table.items[id];
        put_option(buf, group, option);
        put_kinds(buf, group, option);
        put_help(buf, option);
    }
}

static void put_introduction(Buf *buf)
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
        "`50ms`, `30s`, `5m`, `2h`, `1d`.\n\n"
        "Some options come in groups of which there can be many, each with a name of its own: `sinks.<name>.url`. A "
        "name "
        "has lower-case letters, digits, `-` and `_`. In the environment it is written in capitals with `_` for `-`: "
        "`WEIR_SINKS_MY_HOOK_URL` is the `url` of the sink `my-hook` when the file or a flag names that sink, else of "
        "a "
        "new one, `my_hook`. An option that takes a list is a YAML list in the file, or separated by commas anywhere; "
        "where an item contains a comma, by line feeds.\n");
}

void config_put_markdown(Buf *buf)
{
    put_introduction(buf);
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        if (option_begins_section(id)) {
            buf_printf(buf, "\n## %.*s\n\n| option, variable | type | default | meaning |\n|---|---|---|---|\n",
                       STR_ARGS(option_section(id)));
        }
        put_option(buf, NULL, &option_table[id]);
        put_help(buf, &option_table[id]);
    }
    for (OptionGroupId id = 0; id < OPTION_GROUP_COUNT; id++) {
        put_group(buf, option_groups[id]);
    }
}
