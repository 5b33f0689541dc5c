/* weir completion: scripts for shells, made from the table of commands. */
#include "cli/command.h"

typedef void FlagVisitor(Buf *buf, const Command *command, const Flag *flag);

static void each_flag(Buf *buf, const Command *command, FlagVisitor *visit)
{
    for (const Flag *const *list = command->flags; list && *list; list++) {
        for (const Flag *flag = *list; flag->name; flag++) {
            visit(buf, command, flag);
        }
    }
    visit(buf, command, &flag_help);
}

static void each_command(Buf *buf, void (*visit)(Buf *buf, const Command *command))
{
    for (const Command *const *command = commands; *command; command++) {
        if (!(*command)->hidden) {
            visit(buf, *command);
        }
    }
}

/* "a|b|c" completes to its words; FILE, DIR and the like do not have any. */
static bool has_choices(const char *text) { return text && strchr(text, '|'); }

static void put_choices(Buf *buf, const char *choices)
{
    for (const char *c = choices; *c; c++) {
        buf_put_char(buf, *c == '|' ? ' ' : *c);
    }
}

/* Inside single quotes of a shell. */
static void put_quoted(Buf *buf, const char *text)
{
    buf_put_char(buf, '\'');
    for (; *text; text++) {
        buf_put(buf, *text == '\'' ? STR("'\\''") : (Str){text, 1});
    }
    buf_put_char(buf, '\'');
}

/* ---- bash -------------------------------------------------------------------------------------------------------- */

static void put_name(Buf *buf, const Command *command) { buf_printf(buf, " %s", command->name); }

static void put_bash_flag(Buf *buf, const Command *command, const Flag *flag)
{
    (void)command;
    buf_printf(buf, " --%s", flag->name);
}

static void put_bash_words(Buf *buf, const Command *command)
{
    buf_printf(buf, "  %s) words='", command->name);
    if (has_choices(command->operands)) {
        put_choices(buf, command->operands);
    }
    each_flag(buf, command, put_bash_flag);
    BUF_PUT(buf, "' ;;\n");
}

static void put_bash_argument(Buf *buf, const Command *command, const Flag *flag)
{
    if (has_choices(flag->argument)) {
        buf_printf(buf, "  '%s --%s') words='", command->name, flag->name);
        put_choices(buf, flag->argument);
        BUF_PUT(buf, "' ;;\n");
    }
}

static void put_bash_arguments(Buf *buf, const Command *command) { each_flag(buf, command, put_bash_argument); }

static void put_bash(Buf *buf)
{
    BUF_PUT(
        buf,
        "# weir completion for bash; to use it: source <(weir completion bash)\n"
        "_weir() {\n"
        "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words=\n"
        "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    mapfile -t COMPREPLY < <(compgen -W '");
    each_command(buf, put_name);
    BUF_PUT(buf, "' -- \"$word\")\n    return\n  fi\n  case \"$command $before\" in\n");
    each_command(buf, put_bash_arguments);
    BUF_PUT(buf, "  *) case \"$command\" in\n");
    each_command(buf, put_bash_words);
    BUF_PUT(buf, "  esac ;;\n  esac\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
                 "complete -o default -F _weir weir\n");
}

/* ---- zsh --------------------------------------------------------------------------------------------------------- */

static void put_zsh_description(Buf *buf, const char *name, const char *help)
{
    Buf text;
    buf_init(&text, 1024);
    buf_printf(&text, "%s[%s]", name, help);
    /* _arguments reads brackets and colons itself; no help has brackets, and a colon ends nothing inside them. */
    buf_put_char(&text, '\0');
    put_quoted(buf, text.ptr ? text.ptr : "");
    buf_release(&text);
}

static void put_zsh_flag(Buf *buf, const Command *command, const Flag *flag)
{
    (void)command;
    char name[64];
    snprintf(name, sizeof name, "--%s%s", flag->name, flag->argument ? "=" : "");
    BUF_PUT(buf, " \\\n      ");
    put_zsh_description(buf, name, flag->help);
    if (has_choices(flag->argument)) {
        BUF_PUT(buf, "':value:(");
        put_choices(buf, flag->argument);
        BUF_PUT(buf, ")'");
    } else if (flag->argument) {
        buf_put(buf, strcmp(flag->argument, "DIR") == 0 ? STR("':directory:_files -/'") : STR("':value:_files'"));
    }
}

static void put_zsh_command(Buf *buf, const Command *command)
{
    buf_printf(buf, "    %s) _arguments", command->name);
    each_flag(buf, command, put_zsh_flag);
    if (has_choices(command->operands)) {
        BUF_PUT(buf, " \\\n      '1:what:(");
        put_choices(buf, command->operands);
        BUF_PUT(buf, ")'");
    } else if (command->operands) {
        BUF_PUT(buf, " \\\n      '*:file:_files'");
    }
    BUF_PUT(buf, " ;;\n");
}

static void put_zsh_name(Buf *buf, const Command *command)
{
    char text[256];
    snprintf(text, sizeof text, "%s:%s", command->name, command->summary);
    BUF_PUT(buf, "\n    ");
    put_quoted(buf, text);
}

static void put_zsh(Buf *buf)
{
    BUF_PUT(buf, "#compdef weir\n# weir completion for zsh; to use it: source <(weir completion zsh)\n"
                 "_weir() {\n  local -a names=(");
    each_command(buf, put_zsh_name);
    BUF_PUT(buf, ")\n  if (( CURRENT == 2 )); then _describe command names; return; fi\n"
                 "  local command=$words[2]\n  shift words; (( CURRENT-- ))\n  case $command in\n");
    each_command(buf, put_zsh_command);
    BUF_PUT(buf, "  esac\n}\ncompdef _weir weir\n");
}

/* ---- fish -------------------------------------------------------------------------------------------------------- */

static void put_fish_flag(Buf *buf, const Command *command, const Flag *flag)
{
    buf_printf(buf, "complete -c weir -n '__fish_seen_subcommand_from %s' -l %s", command->name, flag->name);
    if (has_choices(flag->argument)) {
        BUF_PUT(buf, " -x -a '");
        put_choices(buf, flag->argument);
        BUF_PUT(buf, "'");
    } else if (flag->argument) {
        BUF_PUT(buf, " -r");
    }
    BUF_PUT(buf, " -d ");
    put_quoted(buf, flag->help);
    buf_put_char(buf, '\n');
}

static void put_fish_command(Buf *buf, const Command *command)
{
    buf_printf(buf, "complete -c weir -n __fish_use_subcommand -f -a %s -d ", command->name);
    put_quoted(buf, command->summary);
    buf_put_char(buf, '\n');
    if (has_choices(command->operands)) {
        buf_printf(buf, "complete -c weir -n '__fish_seen_subcommand_from %s' -f -a '", command->name);
        put_choices(buf, command->operands);
        BUF_PUT(buf, "'\n");
    }
    each_flag(buf, command, put_fish_flag);
}

static void put_fish(Buf *buf)
{
    BUF_PUT(buf, "# weir completion for fish; to use it: weir completion fish | source\n");
    each_command(buf, put_fish_command);
}

static int run(const Args *args)
{
    static const struct {
        const char *name;
        void (*put)(Buf *buf);
    } shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(args_operand(args, 0), shells[i].name) == 0) {
            Buf text;
            buf_init(&text, 1 << 20);
            shells[i].put(&text);
            int code = command_print(args, buf_str(&text));
            buf_release(&text);
            return code;
        }
    }
    return command_usage(args, "\"%s\" is not bash, zsh or fish", args_operand(args, 0));
}

const Command command_completion = {
    .name = "completion",
    .summary = "prints a completion script for a shell",
    .operands = "bash|zsh|fish",
    .operands_min = 1,
    .operands_max = 1,
    .description = "Commands, flags and the words that they take are completed.",
    .example = "source <(weir completion bash)\n"
               "weir completion fish > ~/.config/fish/completions/weir.fish\n",
    .exits = "0 printed\n2 that shell is not known\n",
    .run = run,
};
