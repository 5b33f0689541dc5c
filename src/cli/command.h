/* A subcommand of the program: a description that its parsing, --help, completion and docs/cli.md are made from, and a
 * function.
 *
 * A new one is a file that defines `const Command command_x`, and one line in commands.c. Flags are written --name
 * VALUE or --name=VALUE, anywhere among the operands; behind "--" everything is an operand. */
#ifndef WEIR_CLI_COMMAND_H
#define WEIR_CLI_COMMAND_H

#include "config/config.h"
#include "query/query.h"

/* What every command answers with. Commands may say more about what each means for them in `exits`. */
typedef enum ExitCode {
    EXIT_OK = 0,
    EXIT_PROBLEMS = 1,      /* it ran, and found what somebody should look at */
    EXIT_USAGE = 2,         /* it did not run: flags, operands or the configuration are wrong */
    EXIT_FAILED = 3,        /* it could not do what was asked */
    EXIT_READER_GONE = 141, /* nobody reads what it writes any more (`| head`); the shell's number for SIGPIPE */
} ExitCode;

typedef struct Flag {
    const char *name; /* "data" for --data; NULL ends a list */
    /* what --help calls the value: FILE and DIR complete to files, a|b|c to those words; NULL: a switch */
    const char *argument;
    const char *help;   /* one sentence without a final period */
    const char *option; /* the configuration option that it sets, or NULL */
    const char *param;  /* the query parameter that it sets, or NULL */
} Flag;

typedef struct Args Args;

typedef struct Command {
    const char *name;
    const char *summary;  /* a few words behind the name: "takes records in from files" */
    const char *operands; /* "FILE…", "print|check", or NULL */
    size_t operands_min, operands_max;
    const char *description;      /* sentences; paragraphs are separated by empty lines */
    const char *example;          /* command lines, each ended by a line feed */
    const char *exits;            /* "0 everything was taken in\n1 …\n", each ended by a line feed */
    const Flag *const *flags;     /* lists of flags, NULL behind the last */
    bool hidden;                  /* for scripts of ours; not listed */
    int (*run)(const Args *args); /* returns the exit code */
} Command;

extern const Command *const commands[]; /* NULL behind the last */
const Command *command_find(Str name);  /* NULL when there is none */

/* Lists of flags that commands share. --help is everywhere, by itself. */
extern const Flag flags_config[]; /* --config, --set */
extern const Flag flags_data[];   /* --data */
extern const Flag flags_server[]; /* --to */
extern const Flag flags_remote[]; /* --to, of commands that need a running server */
extern const Flag flags_filter[]; /* --start-time … --unit: the filters of the API */
extern const Flag flags_output[]; /* --format, --json */
extern const Flag flags_json[];   /* --json */

/* Runs the command that the arguments name; argv as main has it. Messages about usage go to standard error. */
int command_main(int argc, char **argv);

/* ---- For commands ------------------------------------------------------------------------------------------------ */

size_t args_operand_count(const Args *args);
const char *args_operand(const Args *args, size_t index);
/* Whether the flag was given, and its (last) value; NULL when it was not. `name` without dashes, of a flag of the
 * command. */
bool args_has(const Args *args, const char *name);
const char *args_text(const Args *args, const char *name);
/* A whole number from `min` to `max`, or `initial` without the flag. REFUSED with a message that names the flag. */
Status args_integer(const Args *args, const char *name, int64_t min, int64_t max, int64_t initial, int64_t *ret_number,
                    Error *reterr) MUST_CHECK;
/* The given flags that are query parameters, in the order of the command's flags. Borrows. */
enum { ARGS_PARAMS_MAX = 32 };
size_t args_params(const Args *args, QueryParam ret_params[ARGS_PARAMS_MAX]);

/* The configuration as file, environment and this command's flags make it. */
Status args_config(const Args *args, Config **ret_config, Error *reterr) MUST_CHECK;

/* Prints "weir NAME: message" to standard error and returns `code`. */
int command_fail(const Args *args, ExitCode code, const Error *error);
int command_usage(const Args *args, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes everything to standard output. EXIT_FAILED with a message when that cannot be (a full disk), EXIT_READER_GONE
 * without one; either way a command has nothing more to do. */
int command_print(const Args *args, Str text);

/* ---- What help.c makes of the table ------------------------------------------------------------------------------ */

void help_put_overview(Buf *buf);
void help_put_command(Buf *buf, const Command *command);
/* docs/cli.md */
void help_put_markdown(Buf *buf);
/* --help itself, which no list has. */
extern const Flag flag_help;

#endif
