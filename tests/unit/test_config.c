/* Options, the configuration and its sources. */
#include "config_file.h"

#include "config/units.h"

typedef struct Case {
    const char *text;
    int64_t number;
} Case;

static void check_cases(const Option *option, const Case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t number = -1;
        Error error = {0};
        Status status = option_parse(option, str_from(cases[i].text), 2, &number, &error);
        if (cases[i].number < 0) {
            assert_int_equal(status, STATUS_REFUSED);
            assert_true(strlen(error.message) > 0);
            assert_int_equal(number, -1);
        } else {
            assert_string_equal(error.message, "");
            assert_int_equal(number, cases[i].number);
        }
    }
}
#define CHECK_CASES(id, ...)                                                                                           \
    check_cases(&option_table[id], (Case[]){__VA_ARGS__}, sizeof((Case[]){__VA_ARGS__}) / sizeof(Case))

static void test_sizes(void **state)
{
    (void)state;
    CHECK_CASES(OPTION_STORE_FREE_RESERVE_BYTES, {"0", 0}, {"65536", 65536}, {"64KiB", 65536}, {"16 MiB", 16 << 20},
                {"1GiB", 1 << 30}, {"3MB", 3000000}, {"1B", 1}, {"64kib", -1}, {"MiB", -1}, {"-1", -1}, {"1.5MiB", -1},
                {"", -1}, {"99999999999TiB", -1}, {"2000GiB", -1});
}

static void test_durations(void **state)
{
    (void)state;
    CHECK_CASES(OPTION_HTTP_DRAIN_TIMEOUT, {"0", 0}, {"10s", 10000000}, {"1500ms", 1500000}, {"7us", 7},
                {"2m", 120000000}, {"1h", 3600000000}, {"10", -1}, {"1d", -1}, {"s", -1}, {"1 week", -1});
}

static void test_integers_and_words(void **state)
{
    (void)state;
    CHECK_CASES(OPTION_STORE_SCALE, {"0", 0}, {"6", 6}, {"7", -1}, {"-1", -1}, {"two", -1}, {" 2", -1});
    CHECK_CASES(OPTION_HTTP_INSECURE, {"true", 1}, {"Yes", 1}, {"on", 1}, {"false", 0}, {"no", 0}, {"OFF", 0},
                {"1", -1}, {"", -1});
    CHECK_CASES(OPTION_STORE_IDENTITY, {"recordId", 0}, {"sourceId+recordId", 1}, {"content", 2}, {"recordid", -1});
}

static void test_decimals(void **state)
{
    (void)state;
    CHECK_CASES(OPTION_ALERTS_THRESHOLD, {"1000", 100000}, {"0.01", 1}, {"9999999999999.99", 999999999999999},
                {"0", -1}, {"0.001", -1}, {"-5", -1}, {"1e3", -1}, {"10000000000000", -1});
}

static void test_addresses(void **state)
{
    (void)state;
    CHECK_CASES(OPTION_HTTP_LISTEN, {"127.0.0.1:8080", 8080}, {"[::1]:0", 0}, {"*:80", 80}, {"localhost:65535", 65535},
                {"127.0.0.1", -1}, {"127.0.0.1:65536", -1}, {"::1:80", -1}, {"example.com:80", -1}, {":80", -1},
                {"", -1});
    Address address;
    assert_int_equal(address_parse(STR("[::1]:9"), &address, NULL), STATUS_OK);
    assert_true(address.is_loopback && address.is_ipv6);
    assert_string_equal(address.host, "::1");
    assert_int_equal(address_parse(STR("127.9.9.9:9"), &address, NULL), STATUS_OK);
    assert_true(address.is_loopback);
    assert_int_equal(address_parse(STR("0.0.0.0:9"), &address, NULL), STATUS_OK);
    assert_false(address.is_loopback);
    assert_int_equal(address_parse(STR("[::]:9"), &address, NULL), STATUS_OK);
    assert_false(address.is_loopback);
}

static void test_limits_are_named(void **state)
{
    (void)state;
    int64_t number;
    Error error;
    assert_int_equal(option_parse(&option_table[OPTION_HTTP_HEADER_BYTES_MAX], STR("1"), 2, &number, &error),
                     STATUS_REFUSED);
    assert_string_equal(error.message, "must be within 4KiB to 1MiB");
    assert_int_equal(option_parse(&option_table[OPTION_RECORDS_ON_CONFLICT], STR("last"), 2, &number, &error),
                     STATUS_REFUSED);
    assert_string_equal(error.message, "\"last\" is not one of refuse, first");
}

static void test_nearest(void **state)
{
    (void)state;
    assert_string_equal(option_nearest(OPTION_TABLE, STR("http.lisen")), "http.listen");
    assert_string_equal(option_nearest(OPTION_TABLE, STR("listen")), "http.listen");
    assert_string_equal(option_nearest(OPTION_TABLE, STR("alert.treshold")), "alerts.threshold");
    assert_null(option_nearest(OPTION_TABLE, STR("colour")));
    assert_null(option_nearest(OPTION_TABLE, STR("")));
}

/* Every line of a table has to hold its own default within its own limits. */
static void check_table(OptionTable table)
{
    for (unsigned id = 0; id < table.count; id++) {
        const Option *option = &table.items[id];
        char variable[OPTION_ENVIRONMENT_BYTES_MAX];
        int64_t number;
        assert_non_null(option->name);
        assert_true(option->help[strlen(option->help) - 1] == '.');
        assert_int_equal(option_find(table, str_from(option->name)), id);
        for (unsigned scale = 0; scale <= 6; scale++) {
            assert_int_equal(option_parse(option, str_from(option->initial), scale, &number, NULL), STATUS_OK);
        }
        option_environment_name(option->name, variable);
        assert_int_equal(strlen(variable), strlen(option->name));
    }
}

static void test_tables_are_consistent(void **state)
{
    (void)state;
    check_table(OPTION_TABLE);
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        assert_non_null(strchr(option_table[id].name, '.'));
    }
    for (OptionGroupId id = 0; id < OPTION_GROUP_COUNT; id++) {
        const Option *kind = &option_groups[id]->table.items[0];
        check_table(option_groups[id]->table);
        assert_int_equal(kind->kinds, 0);
        if (option_groups[id]->has_kinds) {
            assert_int_equal(kind->type, OPTION_CHOICE);
            assert_string_equal(kind->initial, "");
        }
    }
}

/* ---- The whole configuration ------------------------------------------------------------------------------------- */

/* `expected` is what the message says behind the file's path. */
static void check_refused(const char *text, const char *expected)
{
    Config *config = NULL;
    Error error = {0};
    assert_int_equal(try_load(text, NULL, NULL, 0, &config, &error), STATUS_REFUSED);
    assert_null(config);
    assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
    assert_string_equal(error.message + strlen(path), expected);
}

static void test_precedence(void **state)
{
    (void)state;
    const char *environment[] = {"HOME=/",
                                 "WEIR_STORE_SCALE=3",
                                 "WEIR_HTTP_LISTEN=127.0.0.1:3",
                                 "WEIR_SERVICE_HOST=10.0.0.1",
                                 "WEIR_PORT_80_TCP=tcp://10.0.0.1:80",
                                 "WEIR_CONFIG=x",
                                 NULL};
    ConfigFlag flags[] = {{STR("http.listen"), STR("127.0.0.1:4"), "--listen"}};
    Config *config =
        load_with("http:\n  listen: 127.0.0.1:2\nstore:\n  scale: 1\n  dir: 'a b'\nalerts.threshold: 7\nquery:\n",
                  environment, flags, 1);
    assert_string_equal(config_text(config, OPTION_HTTP_LISTEN), "127.0.0.1:4");
    assert_string_equal(config_where(config, OPTION_HTTP_LISTEN), "--listen");
    assert_int_equal(config_address(config, OPTION_HTTP_LISTEN).port, 4);
    assert_int_equal(config_int(config, OPTION_STORE_SCALE), 3);
    assert_int_equal(config_origin(config, OPTION_STORE_SCALE), CONFIG_ENVIRONMENT);
    assert_string_equal(config_text(config, OPTION_STORE_DIR), "a b");
    assert_int_equal(config_int(config, OPTION_ALERTS_THRESHOLD), 7000);
    assert_string_equal(config_text(config, OPTION_ALERTS_THRESHOLD), "7.000");
    assert_int_equal(config_origin(config, OPTION_ALERTS_THRESHOLD), CONFIG_FILE);
    assert_int_equal(config_origin(config, OPTION_QUERY_THREADS), CONFIG_DEFAULT);
    config_free(config);
}

static void test_file_errors(void **state)
{
    (void)state;
    check_refused("http:\n  lisen: x\n", ":2: there is no option http.lisen; did you mean http.listen?");
    check_refused("colour: red\n", ":1: there is no option colour; `weir config print` lists them");
    char before[128];
    snprintf(before, sizeof before, ":3: store.scale was set before, at %s:1", path);
    check_refused("store.scale: 2\nstore:\n  scale: 3\n", before);
}

static void test_file_shapes(void **state)
{
    (void)state;
    check_refused("store:\n  dir: [a]\n", ":2: store.dir takes one value, not a list");
    check_refused("store: &a\n  dir: x\nhttp: *a\n", ":3: aliases are not supported");
    check_refused("just text\n", ":1: expected \"name: value\"");
    check_refused("store.scale: 1\n---\nstore.scale: 2\n", ":2: only one document is allowed");
    check_refused("a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", ":1: sections are nested too deeply");
    check_refused("store:\n  scale: 9\n", ":2: store.scale: must be within 0 to 6");
    /* As long as a message of a source may be: what is stored of one must have room in a row, and in whoever tries it
     * again. */
    check_refused("http:\n  body_bytes_max: 65MiB\n", ":2: http.body_bytes_max: must be within 1KiB to 64MiB");
    check_refused("store:\n  dir: \"a\\0b\"\n", ":2: store.dir must not contain a NUL character");
    check_refused("store:\n dir: x\n  y: z\n", ":3: not YAML: mapping values are not allowed in this context");
    Config *config = load_with("", NULL, NULL, 0);
    assert_int_equal(config_int(config, OPTION_ALERTS_THRESHOLD), 100000);
    config_free(config);
}

static void test_missing_file(void **state)
{
    (void)state;
    Config *config = NULL;
    Error error;
    ConfigInput input = {.file = "/nonexistent/weir.yaml"};
    assert_int_equal(config_load(&input, &config, &error), STATUS_REFUSED);
    assert_string_equal(error.message, "/nonexistent/weir.yaml: cannot be opened: No such file or directory");
}

static void test_environment_and_flags_refused(void **state)
{
    (void)state;
    Config *config = NULL;
    Error error;
    const char *environment[] = {"WEIR_ALERT_THRESHOLD=5", NULL};
    ConfigInput input = {.environment = environment};
    assert_int_equal(config_load(&input, &config, &error), STATUS_REFUSED);
    assert_string_equal(error.message,
                        "environment: no option belongs to WEIR_ALERT_THRESHOLD; did you mean WEIR_ALERTS_THRESHOLD?");
    ConfigFlag flag = {STR("store.dri"), STR("x"), "--set"};
    input = (ConfigInput){.flags = &flag, .flag_count = 1};
    assert_int_equal(config_load(&input, &config, &error), STATUS_REFUSED);
    assert_string_equal(error.message, "--set: there is no option store.dri; did you mean store.dir?");
}

/* What print says is a file that means the same. */
static void test_print_can_be_read_again(void **state)
{
    (void)state;
    Config *config = load_with("store:\n  dir: \"a: b # c \\\" d\"\n  identity: content\n", NULL, NULL, 0);
    Buf text;
    buf_init(&text, CONFIG_FILE_BYTES_MAX);
    config_put_yaml(&text, config);
    buf_put_char(&text, '\0');
    assert_false(text.failed);
    Config *again = load_with(text.ptr, NULL, NULL, 0);
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        assert_string_equal(config_text(again, id), config_text(config, id));
    }
    buf_release(&text);
    config_free(again);
    config_free(config);
}

/* So is one that needs quotes or escapes in YAML, whatever it begins with. */
static void test_print_of_odd_values(void **state)
{
    static const char *const values[] = {"~",
                                         "[a]",
                                         "{a}",
                                         "|",
                                         "> a",
                                         "&a",
                                         "*a",
                                         "!a",
                                         "%a",
                                         "@a",
                                         "`a",
                                         "- a",
                                         "? a",
                                         "a: b",
                                         "a #b",
                                         " a ",
                                         "\"",
                                         "\\",
                                         "\n",
                                         "a\nb",
                                         "\t",
                                         "\x7F",
                                         "\xC2\x85",
                                         "\xE2\x80\xA8",
                                         "\xEF\xBB\xBF",
                                         "\xEF\xBF\xBF",
                                         "\xC3\xA5\xF0\x9F\x98\x80",
                                         "a:",
                                         "..."};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const ConfigFlag flags[] = {{STR("store.dir"), str_from(values[i]), "--data"},
                                    {STR("http.listen"), STR("[::1]:8080"), "--listen"}};
        Config *config = load_with("", NULL, flags, 2);
        Buf text;
        buf_init(&text, CONFIG_FILE_BYTES_MAX);
        config_put_yaml(&text, config);
        buf_put_char(&text, '\0');
        Config *again = load_with(text.ptr, NULL, NULL, 0);
        assert_string_equal(config_text(again, OPTION_STORE_DIR), values[i]);
        assert_string_equal(config_text(again, OPTION_HTTP_LISTEN), "[::1]:8080");
        buf_release(&text);
        config_free(again);
        config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_integers_and_words),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_limits_are_named),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_tables_are_consistent),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_file_errors),
        cmocka_unit_test(test_file_shapes),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_environment_and_flags_refused),
        cmocka_unit_test(test_print_can_be_read_again),
        cmocka_unit_test(test_print_of_odd_values),
    };
    return cmocka_run_group_tests_name("config", tests, make_file, remove_file);
}
