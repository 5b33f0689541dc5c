/* The front door of a configuration: which source it leads to, and what is refused since what was acknowledged would be
 * lost. */
#include "config_file.h"

#include "intake/front_door_config.h"

#define KAFKA(name, more) "  " name ": {type: kafka, brokers: k1" more "}\n"
#define BY_KAFKA          "http.front_door: kafka\n"

static Config *load_sources(const char *text, SourceConfig *ret_sources)
{
    Config *config = load(text);
    Error error = {0};
    assert_int_equal(source_config_read(config, ret_sources, &error), STATUS_OK);
    return config;
}

/* The source's name; "" for none. */
static void check(const char *text, const char *expected)
{
    SourceConfig sources;
    FrontDoorOptions options = {0};
    Error error = {0};
    Config *config = load_sources(text, &sources);
    Status status = front_door_config_read(config, &sources, &options, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, STATUS_OK);
    assert_string_equal(options.source ? options.source->name : "", expected);
    assert_int_equal(options.timeout_us, INT64_C(24000000)); /* of 30 s */
    assert_int_equal(options.bytes_max, 64 << 20);
    source_config_release(&sources);
    config_free(config);
}

/* `expected` is what the message says behind the file's name. */
static void check_refused(const char *text, const char *expected)
{
    SourceConfig sources;
    FrontDoorOptions options;
    Error error = {0};
    Config *config = load_sources(text, &sources);
    assert_int_equal(front_door_config_read(config, &sources, &options, &error), STATUS_REFUSED);
    assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
    assert_string_equal(error.message + strlen(path), expected);
    source_config_release(&sources);
    config_free(config);
}

static void test_which(void **state)
{
    (void)state;
    check("", "");
    check("sources:\n" KAFKA("orders", ""), "");
    check("http.front_door_source: nobody\n", ""); /* it counts with the front door alone */
    check(BY_KAFKA "sources:\n" KAFKA("orders", "") "  drop: {type: files, dir: /srv}\n", "orders");
    check(BY_KAFKA "http.front_door_source: b\nsources:\n" KAFKA("a", ", topics: [x, y]") KAFKA("b", ""), "b");
    check(BY_KAFKA "sources:\n" KAFKA("a", ", enabled: false") KAFKA("b", ""), "b");
}

static void test_none(void **state)
{
    (void)state;
    check_refused(
        BY_KAFKA,
        ":1: http.front_door is kafka, and there is no source of type kafka that would read what is handed in: "
        "configure one under sources");
    check_refused(BY_KAFKA "http.front_door_source: b\nsources:\n" KAFKA("a", ""),
                  ":2: http.front_door_source: b is no source");
    check_refused(BY_KAFKA "http.front_door_source: b\nsources:\n  b: {type: files, dir: /srv}\n",
                  ":2: http.front_door_source: b is no source of type kafka");
    check_refused(BY_KAFKA "http.front_door_source: a\nsources:\n" KAFKA("a", ", enabled: false"),
                  ":2: http.front_door_source: a is not enabled, so that nothing would read what is handed in");
}

static void test_not_clear(void **state)
{
    (void)state;
    check_refused(BY_KAFKA "sources:\n" KAFKA("a", "") KAFKA("b", ""),
                  ":1: http.front_door is kafka, and there are 2 sources of type kafka: http.front_door_source has to "
                  "say which one");
    check_refused(BY_KAFKA "sources:\n" KAFKA("a", ", topics: [x, y]"),
                  ":1: http.front_door is kafka, and sources.a.topics names 2; it has to be the one that POST /records "
                  "produces to");
}

static void test_would_be_lost(void **state)
{
    (void)state;
    check_refused(BY_KAFKA "sources:\n" KAFKA("a", ", start: now"),
                  ":1: http.front_door is kafka, and sources.a.start is now: what is acknowledged before the source "
                  "first reads would be passed over; set it to beginning");
    check_refused(BY_KAFKA "sources:\n" KAFKA("a", ", mapping: auto"),
                  ":1: http.front_door is kafka, and sources.a.mapping reads events: what POST "
                  "/records produces are records");
    check_refused(BY_KAFKA "sources:\n" KAFKA("a", ", message_bytes_max: 4KiB"),
                  ":1: http.front_door is kafka, and sources.a.message_bytes_max is less than the 8192 bytes that a "
                  "record may have");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_not_clear),
        cmocka_unit_test(test_would_be_lost),
    };
    return cmocka_run_group_tests_name("front_door_config", tests, make_file, remove_file);
}
