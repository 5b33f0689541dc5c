#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include "cli/command.h"

enum { FLAGS_MAX = 64, SETTINGS_MAX = 64 };

struct Args {
    const Command *command;
    const char **operands; /* in the program's argv, moved to its front */
    size_t operand_count;
    const Flag *flags[FLAGS_MAX];  /* of the command, one after another */
    const char *values[FLAGS_MAX]; /* NULL where a flag was not given; "" for a switch */
    size_t flag_count;
    ConfigFlag settings[SETTINGS_MAX]; /* what flags say about options, in the order given */
    size_t setting_count;
    bool help;
};

const Flag flag_help = {"help", NULL, "print this and exit", NULL, NULL};

static void gather_flags(Args *args)
{
    for (const Flag *const *list = args->command->flags; list && *list; list++) {
        for (const Flag *flag = *list; flag->name && args->flag_count < FLAGS_MAX; flag++) {
            args->flags[args->flag_count++] = flag;
        }
    }
}

static size_t find_flag(const Args *args, Str name)
{
    size_t i = 0;
    while (i < args->flag_count && !str_is(name, args->flags[i]->name)) {
        i++;
    }
    return i;
}

static Status refuse_flag(const Args *args, Str name, Error *reterr)
{
    const char *nearest = NULL;
    unsigned least = 3;
    for (size_t i = 0; i < args->flag_count && name.len < 64; i++) {
        unsigned distance = str_distance(name, str_from(args->flags[i]->name), least);
        if (distance < least) {
            nearest = args->flags[i]->name;
            least = distance;
        }
    }
    return error_set(reterr, STATUS_REFUSED, "there is no flag --%.*s%s%s%s", STR_ARGS(name),
                     nearest ? "; did you mean --" : "", nearest ? nearest : "", nearest ? "?" : "");
}

static Status add_setting(Args *args, Str name, Str value, const char *shown, Error *reterr)
{
    if (args->setting_count == SETTINGS_MAX) {
        return error_set(reterr, STATUS_REFUSED, "more than %d options are set", SETTINGS_MAX);
    }
    args->settings[args->setting_count++] = (ConfigFlag){name, value, shown};
    return STATUS_OK;
}

/* --set name=value */
static Status take_set(Args *args, const char *text, Error *reterr)
{
    Str value = str_from(text);
    Str name = str_split(&value, '=');
    if (!value.ptr) {
        return error_set(reterr, STATUS_REFUSED, "--set takes NAME=VALUE, not \"%s\"", text);
    }
    return add_setting(args, name, value, "--set", reterr);
}

static Status take_value(Args *args, size_t index, const char *value, const char *shown, Error *reterr)
{
    const Flag *flag = args->flags[index];
    args->values[index] = value;
    if (flag->option) {
        return add_setting(args, str_from(flag->option), str_from(flag->argument ? value : "true"), shown, reterr);
    }
    return strcmp(flag->name, "set") == 0 ? take_set(args, value, reterr) : STATUS_OK;
}

/* `at` is at the flag and moves to the last argument that belongs to it. */
static Status take_flag(Args *args, char ***at, Error *reterr)
{
    Str value = str_from(**at + 2);
    Str name = str_split(&value, '=');
    if (str_is(name, flag_help.name) && !value.ptr) {
        args->help = true;
        return STATUS_OK;
    }
    size_t index = find_flag(args, name);
    if (index == args->flag_count) {
        return refuse_flag(args, name, reterr);
    }
    const Flag *flag = args->flags[index];
    if (!flag->argument) {
        return value.ptr ? error_set(reterr, STATUS_REFUSED, "--%s takes no value", flag->name)
                         : take_value(args, index, "", **at, reterr);
    }
    const char *shown = **at;
    if (!value.ptr && !*++*at) {
        return error_set(reterr, STATUS_REFUSED, "--%s needs a value: %s", flag->name, flag->argument);
    }
    return take_value(args, index, value.ptr ? value.ptr : **at, shown, reterr);
}

static Status take_arguments(Args *args, char **at, Error *reterr)
{
    Status status = STATUS_OK;
    args->operands = (const char **)at;
    for (bool flags = true; *at && status == STATUS_OK; at++) {
        if (flags && strcmp(*at, "--") == 0) {
            flags = false;
        } else if (flags && (strcmp(*at, "-h") == 0)) {
            args->help = true;
        } else if (flags && str_starts_with(str_from(*at), STR("--"))) {
            status = take_flag(args, &at, reterr);
            if (!*at) {
                break;
            }
        } else if (flags && (*at)[0] == '-' && (*at)[1]) {
            status = error_set(reterr, STATUS_REFUSED, "there is no flag %s; flags begin with two dashes", *at);
        } else {
            args->operands[args->operand_count++] = *at;
        }
    }
    return status;
}

static Status check_operands(const Args *args, Error *reterr)
{
    const Command *command = args->command;
    if (args->operand_count > command->operands_max) {
        return error_set(reterr, STATUS_REFUSED, "\"%s\" is one argument too many",
                         args->operands[command->operands_max]);
    }
    if (args->operand_count < command->operands_min) {
        return error_set(reterr, STATUS_REFUSED, "an argument is missing: %s", command->operands);
    }
    return STATUS_OK;
}

size_t args_operand_count(const Args *args) { return args->operand_count; }

const char *args_operand(const Args *args, size_t index) { return args->operands[index]; }

const char *args_text(const Args *args, const char *name)
{
    size_t index = find_flag(args, str_from(name));
    return index < args->flag_count ? args->values[index] : NULL;
}

bool args_has(const Args *args, const char *name) { return args_text(args, name) != NULL; }

Status args_integer(const Args *args, const char *name, int64_t min, int64_t max, int64_t initial, int64_t *ret_number,
                    Error *reterr)
{
    const char *text = args_text(args, name);
    uint64_t number = (uint64_t)initial;
    if (text && (!str_to_u64(str_from(text), (uint64_t)max, &number) || (int64_t)number < min)) {
        return error_set(reterr, STATUS_REFUSED, "--%s takes a number from %lld to %lld, not \"%s\"", name,
                         (long long)min, (long long)max, text);
    }
    *ret_number = (int64_t)number;
    return STATUS_OK;
}

size_t args_params(const Args *args, QueryParam ret_params[ARGS_PARAMS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < args->flag_count && count < ARGS_PARAMS_MAX; i++) {
        if (args->flags[i]->param && args->values[i]) {
            ret_params[count++] = (QueryParam){str_from(args->flags[i]->param), str_from(args->values[i])};
        }
    }
    return count;
}

Status args_config(const Args *args, Config **ret_config, Error *reterr)
{
    const char *file = args_text(args, "config");
    ConfigInput input = {
        .file = file ? file : getenv("WEIR_CONFIG"),
        .environment = (const char *const *)environ,
        .flags = args->settings,
        .flag_count = args->setting_count,
    };
    return config_load(&input, ret_config, reterr);
}

int command_fail(const Args *args, ExitCode code, const Error *error)
{
    fprintf(stderr, "weir %s: %s\n", args->command->name, error->message);
    return (int)code;
}

int command_usage(const Args *args, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "weir %s: ", args->command->name);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n`weir %s --help` shows how it is used\n", args->command->name);
    va_end(list);
    return EXIT_USAGE;
}

static Status write_all(Str text)
{
    while (text.len > 0) {
        ssize_t written = write(STDOUT_FILENO, text.ptr, text.len);
        if (written < 0 && errno != EINTR) {
            return errno == EPIPE ? STATUS_REFUSED : STATUS_BROKEN;
        }
        text = written > 0 ? (Str){text.ptr + written, text.len - (size_t)written} : text;
    }
    return STATUS_OK;
}

int command_print(const Args *args, Str text)
{
    switch (write_all(text)) {
    case STATUS_OK: return EXIT_OK;
    case STATUS_REFUSED: return EXIT_READER_GONE;
    default:
        fprintf(stderr, "weir %s: standard output: %s\n", args->command->name, strerror(errno));
        return EXIT_FAILED;
    }
}

static int print_help(const Args *args)
{
    Buf text;
    buf_init(&text, 1 << 20);
    help_put_command(&text, args->command);
    int code = command_print(args, buf_str(&text));
    buf_release(&text);
    return code;
}

static int run_command(const Command *command, char **arguments)
{
    Args args = {.command = command};
    Error error;
    gather_flags(&args);
    Status status = take_arguments(&args, arguments, &error);
    if (args.help) {
        return print_help(&args);
    }
    if (status == STATUS_OK) {
        status = check_operands(&args, &error);
    }
    return status == STATUS_OK ? command->run(&args) : command_usage(&args, "%s", error.message);
}

static int print_overview(FILE *to, int code)
{
    Buf text;
    buf_init(&text, 1 << 20);
    help_put_overview(&text);
    fprintf(to, "%.*s", STR_ARGS(buf_str(&text)));
    buf_release(&text);
    return code;
}

static int refuse_command(const char *name)
{
    const char *nearest = NULL;
    unsigned least = 3;
    for (const Command *const *command = commands; *command && strlen(name) < 32; command++) {
        unsigned distance = str_distance(str_from(name), str_from((*command)->name), least);
        if (distance < least) {
            nearest = (*command)->name;
            least = distance;
        }
    }
    fprintf(stderr, "weir: there is no command %s%s%s%s\n`weir --help` lists them\n", name,
            nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return EXIT_USAGE;
}

/* `weir`, `weir --help`, `weir help`, `weir help COMMAND`, `weir --version`, `weir COMMAND …` */
int command_main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a peer that hangs up is an error of that write, not the end of us */
    if (argc < 2) {
        return print_overview(stderr, EXIT_USAGE);
    }
    const char *name = argv[1];
    char *help[] = {(char[]){"--help"}, NULL};
    char **arguments = argv + 2;
    if (strcmp(name, "help") == 0 && argc == 3) {
        name = argv[2];
        arguments = help;
    } else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        return print_overview(stdout, EXIT_OK);
    } else if (strcmp(name, "--version") == 0) {
        name = "version";
    }
    const Command *command = command_find(str_from(name));
    return command ? run_command(command, arguments) : refuse_command(name);
}
