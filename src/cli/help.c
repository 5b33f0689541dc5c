#include "cli/command.h"

enum { WIDTH = 100, FLAG_COLUMN = 30 };

/* Appends text in lines of at most WIDTH columns; every line but the first begins at `indent`, where the caller already
 * is. An empty line in the text stays one. */
static void put_wrapped(Buf *buf, Str text, int indent)
{
    int column = indent;
    while (text.ptr) {
        Str line = str_split(&text, '\n');
        while (line.ptr) {
            Str word = str_split(&line, ' ');
            int width = (int)str_count_code_points(word);
            if (column > indent && column + 1 + width > WIDTH) {
                buf_printf(buf, "\n%*s", indent, "");
                column = indent;
            }
            buf_printf(buf, "%s%.*s", column > indent ? " " : "", STR_ARGS(word));
            column += width + (column > indent);
        }
        if (text.ptr) {
            buf_printf(buf, "\n%*s", text.len ? indent : 0, "");
            column = indent;
        }
    }
    buf_put_char(buf, '\n');
}

static void put_flag(Buf *buf, const Flag *flag)
{
    char shown[64];
    snprintf(shown, sizeof shown, "--%s%s%s", flag->name, flag->argument ? " " : "",
             flag->argument ? flag->argument : "");
    buf_printf(buf, "  %s", shown);
    int used = 2 + (int)str_count_code_points(str_from(shown));
    if (used + 2 > FLAG_COLUMN) {
        buf_put_char(buf, '\n');
        used = 0;
    }
    buf_printf(buf, "%*s", FLAG_COLUMN - used, "");
    put_wrapped(buf, str_from(flag->help), FLAG_COLUMN);
}

static void put_flags(Buf *buf, const Command *command)
{
    for (const Flag *const *list = command->flags; list && *list; list++) {
        for (const Flag *flag = *list; flag->name; flag++) {
            put_flag(buf, flag);
        }
    }
    put_flag(buf, &flag_help);
}

/* Each line of `text` behind two spaces. */
static void put_indented(Buf *buf, Str text)
{
    while (text.ptr && text.len > 0) {
        Str line = str_split(&text, '\n');
        buf_printf(buf, "  %.*s\n", STR_ARGS(line));
    }
}

static void put_usage(Buf *buf, const Command *command)
{
    buf_printf(buf, "weir %s%s%s%s\n", command->name, command->flags ? " [flags]" : "", command->operands ? " " : "",
               command->operands ? command->operands : "");
}

void help_put_command(Buf *buf, const Command *command)
{
    buf_printf(buf, "weir %s: %s\n\nusage: ", command->name, command->summary);
    put_usage(buf, command);
    buf_put_char(buf, '\n');
    put_wrapped(buf, str_from(command->description), 0);
    BUF_PUT(buf, "\nflags:\n");
    put_flags(buf, command);
    BUF_PUT(buf, "\nexamples:\n");
    put_indented(buf, str_from(command->example));
    BUF_PUT(buf, "\nexit codes:\n");
    put_indented(buf, str_from(command->exits));
}

void help_put_overview(Buf *buf)
{
    BUF_PUT(buf, "Weir takes in records from many sources, counts each of them once, answers questions about them,\n"
                 "and feeds downstream services.\n\nusage: weir COMMAND [flags]\n\ncommands:\n");
    for (const Command *const *command = commands; *command; command++) {
        if (!(*command)->hidden) {
            buf_printf(buf, "  %-12s %s\n", (*command)->name, (*command)->summary);
        }
    }
    BUF_PUT(buf, "\n`weir COMMAND --help` says more, with an example. To begin: weir serve\n");
}

static void put_markdown_command(Buf *buf, const Command *command)
{
    buf_printf(buf, "\n## weir %s\n\n%c%s.\n\n```text\n", command->name, command->summary[0] & ~32,
               command->summary + 1);
    put_usage(buf, command);
    buf_printf(buf, "```\n\n%s\n\n```text\n", command->description);
    put_flags(buf, command);
    buf_printf(buf, "```\n\nExamples:\n\n```sh\n%s```\n\nExit codes:\n\n```text\n%s```\n", command->example,
               command->exits);
}

void help_put_markdown(Buf *buf)
{
    BUF_PUT(
        buf,
        "# Command line\n\nThis page is written by `make docs` from the program's own help.\n\n"
        "Every command exits with 0 when all is well, 1 when it ran and found something that somebody should look at, "
        "2 when "
        "it did not run because flags, arguments or the configuration are wrong, and 3 when it could not do what was "
        "asked. 141 means that nobody reads its output any more. With `--json` answers are for scripts. Messages and "
        "progress go to standard error.\n\n"
        "| command | what it does |\n|---|---|\n");
    for (const Command *const *command = commands; *command; command++) {
        if (!(*command)->hidden) {
            buf_printf(buf, "| [`weir %s`](#weir-%s) | %s |\n", (*command)->name, (*command)->name,
                       (*command)->summary);
        }
    }
    for (const Command *const *command = commands; *command; command++) {
        if (!(*command)->hidden) {
            put_markdown_command(buf, *command);
        }
    }
}
