/* The command line's table: what help, completion and the documentation are made from. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/command.h"

static bool ends_line(const char *text) { return text && *text && text[strlen(text) - 1] == '\n'; }

static void check_flag(const Flag *flag)
{
    assert_non_null(flag->help);
    assert_true(flag->help[strlen(flag->help) - 1] != '.');
    assert_null(strpbrk(flag->help, "[]")); /* zsh's _arguments would read them */
    if (flag->option) {
        assert_true(option_find(OPTION_TABLE, str_from(flag->option)) < OPTION_COUNT);
    }
}

static void test_every_command_is_described(void **state)
{
    (void)state;
    for (const Command *const *at = commands; *at; at++) {
        const Command *command = *at;
        assert_ptr_equal(command_find(str_from(command->name)), command);
        assert_non_null(command->run);
        assert_true(ends_line(command->example));
        assert_non_null(strstr(command->example, "weir "));
        assert_true(ends_line(command->exits));
        assert_int_equal(command->exits[0], '0');
        assert_true((command->operands != NULL) == (command->operands_max > 0));
        for (const Flag *const *list = command->flags; list && *list; list++) {
            for (const Flag *flag = *list; flag->name; flag++) {
                check_flag(flag);
            }
        }
    }
}

static void test_help_names_every_flag_and_fits(void **state)
{
    (void)state;
    for (const Command *const *at = commands; *at; at++) {
        Buf text;
        buf_init(&text, 1 << 16);
        help_put_command(&text, *at);
        assert_false(text.failed);
        Str rest = buf_str(&text);
        while (rest.ptr) {
            Str line = str_split(&rest, '\n');
            assert_true(str_count_code_points(line) <= 120);
        }
        buf_put_char(&text, '\0');
        assert_non_null(strstr(text.ptr, "--help"));
        assert_non_null(strstr(text.ptr, (*at)->summary));
        buf_release(&text);
    }
}

/* Parsing moves operands about in argv, as getopt does. */
static int run(const char *first, const char *second, const char *third)
{
    enum { ARGUMENTS = 4 };
    char texts[ARGUMENTS][64] = {"weir"};
    char *argv[ARGUMENTS + 1] = {texts[0]};
    const char *given[] = {first, second, third};
    int argc = 1;
    for (; argc < ARGUMENTS && given[argc - 1]; argc++) {
        snprintf(texts[argc], sizeof texts[argc], "%s", given[argc - 1]);
        argv[argc] = texts[argc];
    }
    fflush(stdout);
    int kept = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDOUT_FILENO); /* what commands print is not this test's report */
    int code = command_main(argc, argv);
    dup2(kept, STDOUT_FILENO);
    close(nowhere);
    close(kept);
    return code;
}

static void test_usage_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(NULL, NULL, NULL), EXIT_USAGE);
    assert_int_equal(run("versoin", NULL, NULL), EXIT_USAGE);
    assert_int_equal(run("version", "--jsom", NULL), EXIT_USAGE);
    assert_int_equal(run("version", "-j", NULL), EXIT_USAGE);
    assert_int_equal(run("version", "--json=yes", NULL), EXIT_USAGE);
    assert_int_equal(run("version", "now", NULL), EXIT_USAGE);
    assert_int_equal(run("config", NULL, NULL), EXIT_USAGE);
    assert_int_equal(run("config", "check", "--set"), EXIT_USAGE);
    assert_int_equal(run("config", "check", "--set=store.scale"), EXIT_USAGE);
    assert_int_equal(run("config", "check", "--set=store.scale=x"), EXIT_USAGE);
    assert_int_equal(run("config", "--", "--json"), EXIT_USAGE);
}

static void test_usage_is_understood(void **state)
{
    (void)state;
    assert_int_equal(run("config", "check", "--set=store.scale=3"), EXIT_OK);
    assert_int_equal(run("config", "--data=/tmp", "check"), EXIT_OK);
    assert_int_equal(run("config", "--", "check"), EXIT_OK);
    assert_int_equal(run("--version", NULL, NULL), EXIT_OK);
    assert_int_equal(run("help", "version", NULL), EXIT_OK);
    assert_int_equal(run("version", "-h", NULL), EXIT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_command_is_described),
        cmocka_unit_test(test_help_names_every_flag_and_fits),
        cmocka_unit_test(test_usage_is_refused),
        cmocka_unit_test(test_usage_is_understood),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
