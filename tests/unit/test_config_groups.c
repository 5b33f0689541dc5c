/* Groups of options: names, lists, kinds, and what is hidden. */
#include "config_file.h"

#include "config/sinks_table.h"

#define REDIS_A "sinks: {a: {type: redis, url: redis://h}}\n"

/* `expected` is the message, without the file's name where it begins with that. */
static void check_message(const Error *error, const char *expected)
{
    size_t skipped = strncmp(error->message, path, strlen(path)) == 0 ? strlen(path) : 0;
    assert_string_equal(error->message + skipped, expected);
}

static void check_refused(const char *text, const char *expected)
{
    Config *config = NULL;
    Error error = {0};
    assert_int_equal(try_load(text, NULL, NULL, 0, &config, &error), STATUS_REFUSED);
    assert_null(config);
    check_message(&error, expected);
}

static void check_variable_refused(const char *text, const char *variable, const char *expected)
{
    Config *config = NULL;
    Error error = {0};
    const char *environment[] = {variable, NULL};
    assert_int_equal(try_load(text, environment, NULL, 0, &config, &error), STATUS_REFUSED);
    check_message(&error, expected);
}

static const ConfigMember *member_of(const Config *config, const char *name)
{
    for (unsigned i = 0; i < config_member_count(config, OPTION_SINKS); i++) {
        const ConfigMember *member = config_member(config, OPTION_SINKS, i);
        if (strcmp(config_member_name(member), name) == 0) {
            return member;
        }
    }
    fail_msg("there is no %s", name);
    return NULL;
}

static void check_option(const Config *config, const char *name, SinksOption option, const char *text,
                         const char *where)
{
    const ConfigMember *member = member_of(config, name);
    assert_string_equal(config_member_text(member, option), text);
    assert_string_equal(config_member_where(member, option), where);
}

/* ---- Names ------------------------------------------------------------------------------------------------------- */

static void test_file(void **state)
{
    (void)state;
    char where[64];
    Config *config = load_with("sinks:\n  zeta:\n    type: redis\n    url: redis://h\n  ops.type: webhook\n"
                               "sinks.ops:\n  filter: {unit: EUR, value_min: 1.5}\nsinks.ops.breaker.pause: 3s\n",
                               NULL, NULL, 0);
    assert_int_equal(config_member_count(config, OPTION_SINKS), 2);
    assert_string_equal(config_member_name(config_member(config, OPTION_SINKS, 0)), "ops");
    snprintf(where, sizeof where, "%s:7", path);
    check_option(config, "ops", SINKS_FILTER_UNIT, "EUR", where);
    check_option(config, "ops", SINKS_FILTER_VALUE_MIN, "1.50", where);
    assert_int_equal(config_member_int(member_of(config, "ops"), SINKS_FILTER_VALUE_MIN), 150);
    assert_int_equal(config_member_int(member_of(config, "ops"), SINKS_BREAKER_PAUSE), 3000000);
    check_option(config, "ops", SINKS_TIMEOUT, "15s", "default");
    assert_int_equal(config_member_origin(member_of(config, "ops"), SINKS_TIMEOUT), CONFIG_DEFAULT);
    assert_int_equal(config_member_origin(member_of(config, "ops"), SINKS_TYPE), CONFIG_FILE);
    config_free(config);
}

static void test_precedence(void **state)
{
    (void)state;
    const char *environment[] = {"WEIR_SINKS_A_URL=redis://environment", "WEIR_SINKS_A_PREFIX=e:", NULL};
    ConfigFlag flag = {STR("sinks.a.url"), STR("redis://flag"), "--set"};
    Config *config = load_with(REDIS_A, environment, &flag, 1);
    check_option(config, "a", SINKS_URL, "redis://flag", "--set");
    check_option(config, "a", SINKS_PREFIX, "e:", "WEIR_SINKS_A_PREFIX");
    config_free(config);
}

/* The order of variables is nobody's choice, so that every order has to mean the same. */
static void test_variables_in_any_order(void **state)
{
    (void)state;
    const char *const environments[][4] = {{"WEIR_SINKS_MY_HOOK_TYPE=redis", "WEIR_SINKS_NEW_ONE_TYPE=kafka",
                                            "WEIR_SINKS_NEW_ONE_FILTER_TYPE=negative", NULL},
                                           {"WEIR_SINKS_NEW_ONE_FILTER_TYPE=negative", "WEIR_SINKS_NEW_ONE_TYPE=kafka",
                                            "WEIR_SINKS_MY_HOOK_TYPE=redis", NULL}};
    ConfigFlag flag = {STR("sinks.my-hook.url"), STR("redis://h"), "--set"};
    for (size_t i = 0; i < 2; i++) {
        Config *config = load_with("", environments[i], &flag, 1);
        assert_int_equal(config_member_count(config, OPTION_SINKS), 2);
        check_option(config, "my-hook", SINKS_TYPE, "redis", "WEIR_SINKS_MY_HOOK_TYPE");
        check_option(config, "new_one", SINKS_FILTER_TYPE, "negative", "WEIR_SINKS_NEW_ONE_FILTER_TYPE");
        config_free(config);
    }
}

/* OPS_FILTER_TYPE is the type of a sink that is there, ops_filter, before it is an option of ops. */
static void test_longest_option_and_known_members(void **state)
{
    (void)state;
    const char *environment[] = {"WEIR_SINKS_OPS_FILTER_TYPE=positive", NULL};
    Config *config = load_with("sinks.ops.type: kafka\nsinks.other.type: kafka\n", environment, NULL, 0);
    check_option(config, "ops", SINKS_FILTER_TYPE, "positive", "WEIR_SINKS_OPS_FILTER_TYPE");
    config_free(config);
    environment[0] = "WEIR_SINKS_OPS_FILTER_TYPE=redis";
    config = load_with("sinks.ops-filter.url: redis://h\n", environment, NULL, 0);
    assert_int_equal(config_member_count(config, OPTION_SINKS), 1);
    check_option(config, "ops-filter", SINKS_TYPE, "redis", "WEIR_SINKS_OPS_FILTER_TYPE");
    config_free(config);
    check_variable_refused("sinks.a-b.type: redis\nsinks.a_b.type: redis\n", "WEIR_SINKS_A_B_URL=redis://h",
                           "environment: WEIR_SINKS_A_B_URL: could mean sinks.a-b and sinks.a_b");
}

static void test_misspelt(void **state)
{
    (void)state;
    check_refused("sinks: {a: {ulr: x}}\n", ":1: there is no option sinks.a.ulr; did you mean sinks.a.url?");
    check_refused("sink.a.url: x\n", ":1: there is no option sink.a.url; did you mean sinks.a.url?");
    check_refused("sinks.a.unit: x\n", ":1: there is no option sinks.a.unit; did you mean sinks.a.filter.unit?");
    check_refused("sinks.a.colour: x\n", ":1: there is no option sinks.a.colour; `weir config print` lists them");
    check_refused("sinks.a: x\n", ":1: sinks.a is no option, but has options below it, like sinks.NAME.type");
    check_refused("sinks: x\n", ":1: sinks is no option, but has options below it, like sinks.NAME.type");
    check_refused("sinks.A.url: x\n",
                  ":1: \"A\" is no name for one of the sinks: lower-case letters, digits, - and _, at most "
                  "64, beginning with a letter or a digit");
    check_variable_refused("", "WEIR_SINKS_OPS_ULR=x",
                           "environment: no option belongs to WEIR_SINKS_OPS_ULR; did you mean WEIR_SINKS_OPS_URL?");
    check_variable_refused("", "WEIR_SINK_OPS_URL=x",
                           "environment: no option belongs to WEIR_SINK_OPS_URL; did you mean WEIR_SINKS_OPS_URL?");
    check_variable_refused("", "WEIR_SINKS_URL=x",
                           "environment: no option belongs to WEIR_SINKS_URL; `weir config print` lists them");
    check_variable_refused("", "WEIR_SINKS_OPS_COLOUR=x",
                           "environment: no option belongs to WEIR_SINKS_OPS_COLOUR; `weir config print` lists them");
}

static void test_member_names(void **state)
{
    (void)state;
    char longest[OPTION_MEMBER_BYTES_MAX + 2];
    memset(longest, 'a', sizeof longest);
    assert_true(option_is_member_name((Str){longest, OPTION_MEMBER_BYTES_MAX}));
    assert_false(option_is_member_name((Str){longest, OPTION_MEMBER_BYTES_MAX + 1}));
    static const char *const good[] = {"a", "0", "a-b_c", "9-", "a_"}, *const bad[] = {"",    "-a",  "_a",      "A",
                                                                                       "a.b", "a b", "\xC3\xA5"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(option_is_member_name(str_from(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(option_is_member_name(str_from(bad[i])));
    }
}

static void test_too_many(void **state)
{
    (void)state;
    char text[8192];
    size_t len = 0;
    for (unsigned i = 0; i < sinks_group.members_max; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "sinks.s%u.type: kafka\n", i);
    }
    Config *config = load_with(text, NULL, NULL, 0);
    assert_int_equal(config_member_count(config, OPTION_SINKS), sinks_group.members_max);
    config_free(config);
    snprintf(text + len, sizeof text - len, "sinks.one-more.type: kafka\n");
    check_refused(text, ":65: there can be 64 sinks at most");
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

static void test_kinds(void **state)
{
    (void)state;
    check_refused("sinks.a.url: redis://h\n", ":1: sinks.a.type is missing: one of webhook, kafka, redis");
    check_refused("sinks.a.type: kafka\nsinks.a.trim: 3\n", ":2: sinks.a.trim does not go with sinks.a.type kafka");
    check_refused("sinks.a.type: kafak\n", ":1: sinks.a.type: \"kafak\" is not one of webhook, kafka, redis");
    Config *config = load_with(REDIS_A, NULL, NULL, 0);
    assert_true(config_member_takes(member_of(config, "a"), SINKS_TRIM));
    assert_true(config_member_takes(member_of(config, "a"), SINKS_TIMEOUT));
    assert_false(config_member_takes(member_of(config, "a"), SINKS_BROKERS));
    config_free(config);
}

static void check_items(const char *text, size_t count, const char *const *expected)
{
    size_t found = 0;
    Str item;
    for (OptionItems items = option_items(str_from(text)); option_items_next(&items, &item); found++) {
        assert_true(found < count && str_is(item, expected[found]));
    }
    assert_int_equal(found, count);
}
#define CHECK_ITEMS(text, ...)                                                                                         \
    check_items(text, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

static void test_items(void **state)
{
    (void)state;
    CHECK_ITEMS("a", "a");
    CHECK_ITEMS(" a , b,c ", "a", "b", "c");
    CHECK_ITEMS("a,,b", "a", "", "b");
    CHECK_ITEMS("a,", "a");
    CHECK_ITEMS("a,b\n", "a,b");
    CHECK_ITEMS("\na,b\n c \r\n", "a,b", "c");
    check_items("", 0, NULL);
}

static void test_lists(void **state)
{
    (void)state;
    Config *config =
        load_with("sinks:\n  a: {type: kafka, brokers: [a, \"b \"], properties: [\"x=1,2\", y=3], messages: alert}\n"
                  "  b: {type: kafka, brokers: \"a, b\", messages: [dead_letter.created, notification]}\n",
                  NULL, NULL, 0);
    CHECK_ITEMS(config_member_text(member_of(config, "a"), SINKS_BROKERS), "a", "b");
    CHECK_ITEMS(config_member_text(member_of(config, "a"), SINKS_PROPERTIES), "x=1,2", "y=3");
    CHECK_ITEMS(config_member_text(member_of(config, "b"), SINKS_BROKERS), "a", "b");
    assert_int_equal(config_member_int(member_of(config, "a"), SINKS_BROKERS), 2);
    assert_int_equal(config_member_int(member_of(config, "a"), SINKS_MESSAGES), 2);
    assert_int_equal(config_member_int(member_of(config, "b"), SINKS_MESSAGES), 5);
    config_free(config);
}

/* Whoever reads a list that has no commas in its items need not know of line feeds. */
static void test_lines_become_commas(void **state)
{
    (void)state;
    const char *environment[] = {"WEIR_SINKS_A_BROKERS=\na\r\n\n \n b\n", "WEIR_SINKS_A_PROPERTIES=a=b,c\nd=e\n", NULL};
    Config *config = load_with("sinks.a.type: kafka\n", environment, NULL, 0);
    assert_null(strchr(config_member_text(member_of(config, "a"), SINKS_BROKERS), '\n'));
    CHECK_ITEMS(config_member_text(member_of(config, "a"), SINKS_BROKERS), "a", "b");
    assert_string_equal(config_member_text(member_of(config, "a"), SINKS_PROPERTIES), "a=b,c\nd=e\n");
    config_free(config);
}

static void test_lists_refused(void **state)
{
    (void)state;
    check_refused("sinks: {a: {type: [redis]}}\n", ":1: sinks.a.type takes one value, not a list");
    check_refused("sinks:\n  a: {type: kafka,\n    brokers: [[a]]}\n", ":3: a list holds single values");
    check_refused("sinks: {a: {brokers: [{a: b}]}}\n", ":1: a list holds single values");
    check_refused("sinks: {a: {brokers: [\"a\\nb\"]}}\n", ":1: an item of a list must not contain a line feed");
    check_refused("? [a]\n: b\n", ":1: a list cannot be a name");
    check_refused("- a\n", ":1: expected \"name: value\"");
    check_refused("sinks: {a: {type: redis, messages: []}}\n", ":1: sinks.a.messages: must not be empty");
    check_refused("sinks: {a: {type: kafka, brokers: \"a,,b\"}}\n", ":1: sinks.a.brokers: must not be empty");
    check_refused("sinks: {a: {type: webhook, schedule: \"0, 5\"}}\n",
                  ":1: sinks.a.schedule: \"5\" is not a duration like 50ms, 30s, 5m or 2h");
    char text[512] = "sinks.a.type: kafka\nsinks.a.brokers: b";
    for (int i = 0; i < OPTION_ITEMS_MAX; i++) {
        memcpy(text + strlen(text), ",b", 3);
    }
    check_refused(text, ":2: sinks.a.brokers: holds 33 values; 32 are the most");
}

/* `number` -1: it is refused, and the message does not repeat what may be a secret. */
static void check_value(SinksOption option, const char *text, int64_t number)
{
    int64_t found = -2;
    Error error = {0};
    Status status = option_parse(&sinks_group.table.items[option], str_from(text), 2, &found, &error);
    assert_int_equal(status, number == -1 ? STATUS_REFUSED : STATUS_OK);
    assert_int_equal(found, number == -1 ? -2 : number);
    if (status != STATUS_OK && (option == SINKS_URL || option == SINKS_PROPERTIES)) {
        assert_null(strstr(error.message, "hunter2"));
    }
}

static void test_types(void **state)
{
    (void)state;
    static const char *const good[] = {"https://h", "http://u:p@h:80/x?y#z", "redis://:p@[::1]:6379/1",
                                       "redis://a@b@h"};
    static const char *const bad[] = {"h",          "://h",         "https:/h",        "https://",
                                      "https://u@", "https://h:x",  "https://h:65536", "https://[::1",
                                      "https:// h", "https://h\n",  "user:hunter2@h",  "redis://user:hunt/er2@h",
                                      "1a://h",     "redis://***@h"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        check_value(SINKS_URL, good[i], 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_value(SINKS_URL, bad[i], -1);
    }
    check_value(SINKS_START, "beginning", 0);
    check_value(SINKS_START, "0", 0);
    check_value(SINKS_START, "17", 17);
    assert_int_equal(option_parse(&sinks_group.table.items[SINKS_START], STR("now"), 2, &(int64_t){0}, NULL),
                     STATUS_OK);
    check_value(SINKS_START, "-1", -1);
    check_value(SINKS_START, "later", -1);
    check_value(SINKS_ALLOW_PRIVATE, "10.0.0.0/8, fd00::/8, 127.0.0.1", 3);
    check_value(SINKS_ALLOW_PRIVATE, "", 0);
    check_value(SINKS_ALLOW_PRIVATE, "10.0.0.0/33", -1);
    check_value(SINKS_ALLOW_PRIVATE, "fd00::/129", -1);
    check_value(SINKS_ALLOW_PRIVATE, "10.0.0/8", -1);
    check_value(SINKS_ALLOW_PRIVATE, "10.0.0.0/", -1);
    check_value(SINKS_PROPERTIES, "a=b, c=", 2);
    check_value(SINKS_PROPERTIES, "sasl.password hunter2", -1);
    check_value(SINKS_PROPERTIES, "=hunter2", -1);
    check_value(SINKS_PROPERTIES, "sasl.password=***", -1);
    check_value(SINKS_SECRET, "whsec_a,***", -1);
}

static void test_words_for_numbers(void **state)
{
    (void)state;
    ConfigFlag flag = {STR("sinks.a.start"), STR("now"), "--set"};
    Config *config = load_with(REDIS_A, NULL, &flag, 1);
    assert_int_equal(config_member_int(member_of(config, "a"), SINKS_START), -1);
    config_free(config);
}

/* ---- Printing ---------------------------------------------------------------------------------------------------- */

static void print(const Config *config, Buf *yaml, Buf *json)
{
    buf_init(yaml, CONFIG_FILE_BYTES_MAX);
    buf_init(json, CONFIG_FILE_BYTES_MAX);
    config_put_yaml(yaml, config);
    config_put_json(json, config);
    buf_put_char(yaml, '\0');
    buf_put_char(json, '\0');
    assert_false(yaml->failed || json->failed);
}

static void test_print_can_be_read_again(void **state)
{
    (void)state;
    Config *config =
        load_with("sinks:\n"
                  "  a: {type: kafka, brokers: [a, b], properties: [\"debug=x,y\", \"e=[f]\"], prefix: 'p, {q}'}\n"
                  "  b-c: {type: redis, url: redis://h, as: list, filter: {unit: \"a\\\"b\"}}\n",
                  NULL, NULL, 0);
    Buf yaml, json;
    print(config, &yaml, &json);
    Config *again = load_with(yaml.ptr, NULL, NULL, 0);
    for (unsigned option = 0; option < SINKS_OPTION_COUNT; option++) {
        for (unsigned i = 0; i < 2; i++) {
            const ConfigMember *member = config_member(config, OPTION_SINKS, i),
                               *back = config_member(again, OPTION_SINKS, i);
            assert_int_equal(config_member_int(back, option), config_member_int(member, option));
            if (!(sinks_group.table.items[option].marks & OPTION_LIST)) {
                assert_string_equal(config_member_text(back, option), config_member_text(member, option));
            }
        }
    }
    CHECK_ITEMS(config_member_text(member_of(again, "a"), SINKS_PROPERTIES), "debug=x,y", "e=[f]");
    assert_null(strstr(json.ptr, "sinks.a.url"));
    assert_non_null(strstr(json.ptr, "\"sinks.b-c.as\":{\"value\":\"list\""));
    buf_release(&yaml);
    buf_release(&json);
    config_free(again);
    config_free(config);
}

static void test_secrets_are_hidden(void **state)
{
    (void)state;
    Config *config = load_with(
        "sinks:\n"
        "  a: {type: webhook, url: \"https://u:hunter2@h/x@y\", secret: [whsec_hunter2, whsec_hunter2b]}\n"
        "  b: {type: kafka, brokers: b, properties: [sasl.password=hunter2, ssl.key.pem=hunter2, \"client.id=c\"]}\n"
        "  c: {type: redis, url: \"redis://:hunter2@h\"}\n"
        "  d: {type: redis, url: \"unix://:hunter2@/run/x\"}\n"
        "  e: {type: redis, url: \"unix:///run/x?db=2\"}\n",
        NULL, NULL, 0);
    Buf yaml, json;
    print(config, &yaml, &json);
    assert_null(strstr(yaml.ptr, "hunter2"));
    assert_null(strstr(json.ptr, "hunter2"));
    assert_non_null(strstr(yaml.ptr, "    url: https://***@h/x@y "));
    assert_non_null(strstr(yaml.ptr, "    secret: [\"***\", \"***\"] "));
    assert_non_null(strstr(yaml.ptr, "    properties: [sasl.password=***, ssl.key.pem=***, client.id=c] "));
    assert_non_null(
        strstr(json.ptr, "\"sinks.b.properties\":{\"value\":\"sasl.password=***,ssl.key.pem=***,client.id=c\""));
    assert_non_null(strstr(json.ptr, "\"sinks.c.url\":{\"value\":\"redis://***@h\""));
    assert_non_null(strstr(json.ptr, "\"sinks.d.url\":{\"value\":\"unix://***@/run/x\""));
    assert_non_null(strstr(json.ptr, "\"sinks.e.url\":{\"value\":\"unix:///run/x?db=2\""));
    Config *again = NULL;
    Error error = {0};
    assert_int_equal(try_load(yaml.ptr, NULL, NULL, 0, &again, &error), STATUS_REFUSED);
    assert_non_null(strstr(error.message, "sinks.a.url: \"***\" stands for what was not printed; put that in"));
    buf_release(&yaml);
    buf_release(&json);
    config_free(config);
}

/* The page has every option of the group. */
static void test_documentation(void **state)
{
    (void)state;
    Buf text;
    char name[OPTION_ENVIRONMENT_BYTES_MAX + 8];
    buf_init(&text, CONFIG_FILE_BYTES_MAX);
    config_put_markdown(&text);
    buf_put_char(&text, '\0');
    assert_non_null(strstr(text.ptr, "\n## sinks\n"));
    for (unsigned option = 0; option < SINKS_OPTION_COUNT; option++) {
        snprintf(name, sizeof name, "\n| `%s`<br>", sinks_group.table.items[option].name);
        assert_non_null(strstr(text.ptr, name));
    }
    buf_release(&text);
    Config *config = load_with(sinks_group.example, NULL, NULL, 0);
    assert_int_equal(config_member_count(config, OPTION_SINKS), 3);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_variables_in_any_order),
        cmocka_unit_test(test_longest_option_and_known_members),
        cmocka_unit_test(test_misspelt),
        cmocka_unit_test(test_member_names),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_lines_become_commas),
        cmocka_unit_test(test_lists_refused),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_words_for_numbers),
        cmocka_unit_test(test_print_can_be_read_again),
        cmocka_unit_test(test_secrets_are_hidden),
        cmocka_unit_test(test_documentation),
    };
    return cmocka_run_group_tests_name("config_groups", tests, make_file, remove_file);
}
