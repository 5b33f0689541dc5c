/* The sources of a configuration. */
#include "config_file.h"

#include "config/sources_table.h"
#include "intake/intake.h"
#include "intake/source_config.h"

#define SECOND_US INT64_C(1000000)

static Config *read_sources(const char *text, SourceConfig *ret_sources)
{
    Config *config = load(text);
    Error error = {0};
    Status status = source_config_read(config, ret_sources, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, STATUS_OK);
    return config;
}

/* `expected` is what the message says behind the file's name. */
static void check_refused(const char *text, const char *expected)
{
    Config *config = load(text);
    SourceConfig sources = {0};
    Error error = {0};
    assert_int_equal(source_config_read(config, &sources, &error), STATUS_REFUSED);
    assert_null(sources.items);
    assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
    assert_string_equal(error.message + strlen(path), expected);
    config_free(config);
}

static void test_none(void **state)
{
    (void)state;
    SourceConfig sources = {.count = 7};
    Config *config = read_sources("", &sources);
    assert_int_equal(sources.count, 0);
    source_config_release(&sources);
    source_config_release(&sources); /* twice is harmless */
    config_free(config);
}

static void test_defaults(void **state)
{
    (void)state;
    SourceConfig sources;
    Config *config = read_sources("sources:\n"
                                  "  orders: {type: kafka, brokers: [k1, k2]}\n"
                                  "  devices: {type: redis, url: \"redis://h\", streams: readings}\n"
                                  "  partner: {type: files, dir: /srv/drop}\n",
                                  &sources);
    assert_int_equal(sources.count, 3);
    const SourceOptions *devices = &sources.items[0], *orders = &sources.items[1], *partner = &sources.items[2];
    assert_string_equal(devices->name, "devices"); /* by name */
    assert_string_equal(orders->name, "orders");
    assert_string_equal(partner->name, "partner");
    assert_true(orders->type == SOURCE_KAFKA && devices->type == SOURCE_REDIS && partner->type == SOURCE_FILES);
    assert_string_equal(orders->topics, "records.in");
    assert_string_equal(orders->group, "weir");
    assert_string_equal(orders->properties, "");
    assert_true(orders->from_beginning && devices->from_beginning);
    assert_int_equal(orders->group_messages_max, 4096);
    assert_int_equal(orders->message_bytes_max, 1 << 20);
    assert_int_equal(orders->timeout_us, 10 * SECOND_US);
    assert_string_equal(devices->url, "redis://h");
    assert_string_equal(devices->streams, "readings");
    assert_string_equal(devices->lists, "");
    assert_string_equal(devices->group, "weir");
    assert_string_equal(devices->consumer, "");
    assert_string_equal(devices->ca_file, "");
    assert_string_equal(devices->cert_file, "");
    assert_string_equal(devices->key_file, "");
    assert_int_equal(devices->claim_us, 60 * SECOND_US);
    assert_string_equal(partner->dir, "/srv/drop");
    assert_non_null(strstr(partner->pattern, "*.ndjson"));
    assert_true(partner->keep_done);
    assert_true(!devices->mapping && !orders->mapping && !partner->mapping); /* records */
    source_config_release(&sources);
    config_free(config);
}

static void test_everything(void **state)
{
    (void)state;
    SourceConfig sources;
    Config *config =
        read_sources("sources:\n"
                     "  a: {type: kafka, brokers: k, topics: [x, y], group: g, start: now,\n"
                     "      properties: [client.id=me], group_messages_max: 16384, message_bytes_max: 64MiB,\n"
                     "      timeout: 500ms}\n"
                     "  b: {type: redis, url: \"rediss://h\", lists: [l, m], consumer: me, claim_after: 0,\n"
                     "      ca_file: /ca.pem, cert_file: /cert.pem, key_file: /key.pem}\n"
                     "  c: {type: files, dir: d, pattern: \"*.csv\", when_done: remove, mapping: shop}\n"
                     "  d: {type: files, dir: d, mapping: auto}\n",
                     &sources);
    const SourceOptions *a = &sources.items[0], *b = &sources.items[1], *c = &sources.items[2];
    assert_string_equal(a->topics, "x,y");
    assert_string_equal(a->group, "g");
    assert_string_equal(a->properties, "client.id=me");
    assert_false(a->from_beginning);
    assert_int_equal(a->group_messages_max, 16384);
    assert_int_equal(a->message_bytes_max, SOURCE_MESSAGE_BYTES_MAX);
    assert_int_equal(a->timeout_us, SECOND_US / 2);
    assert_string_equal(b->lists, "l,m");
    assert_string_equal(b->consumer, "me");
    assert_string_equal(b->ca_file, "/ca.pem");
    assert_string_equal(b->cert_file, "/cert.pem");
    assert_string_equal(b->key_file, "/key.pem");
    assert_int_equal(b->claim_us, 0);
    assert_string_equal(c->pattern, "*.csv");
    assert_false(c->keep_done);
    assert_string_equal(c->mapping, "shop");
    assert_string_equal(sources.items[3].mapping, SOURCE_MAPPING_AUTO);
    assert_null(a->mapping);
    source_config_release(&sources);
    config_free(config);
}

/* One that is not enabled is not even looked at. */
static void test_not_enabled(void **state)
{
    (void)state;
    SourceConfig sources;
    Config *config = read_sources("sources:\n"
                                  "  a: {type: kafka, enabled: false}\n"
                                  "  b: {type: files, dir: d}\n",
                                  &sources);
    assert_int_equal(sources.count, 1);
    assert_string_equal(sources.items[0].name, "b");
    source_config_release(&sources);
    config_free(config);
}

static void test_what_is_missing(void **state)
{
    (void)state;
    check_refused("sources.a.type: kafka\n", ":1: sources.a.brokers is missing: like kafka-1:9092");
    check_refused("sources.a.type: redis\n", ":1: sources.a.url is missing: like redis://127.0.0.1:6379");
    check_refused("sources.a: {type: redis, url: \"redis://h\"}\n",
                  ":1: sources.a.streams is missing: the keys that are read; or set lists");
    check_refused("sources.a.type: files\n", ":1: sources.a.dir is missing: where files are dropped");
    check_refused("sources:\n  a: {type: files, dir: d}\n  b: {type: files}\n",
                  ":3: sources.b.dir is missing: where files are dropped");
}

static void test_what_contradicts_itself(void **state)
{
    (void)state;
    check_refused("sources.a:\n  type: redis\n  url: redis://h\n  streams: s\n  lists: l\n",
                  ":5: sources.a.lists is set, and so is sources.a.streams; make two sources of it");
    check_refused("sources.events: {type: files, dir: d}\n",
                  ":1: a source cannot be called events: dead letters of what clients hand in are under that name");
    check_refused("sources.ingest: {type: files, dir: d}\n",
                  ":1: a source cannot be called ingest: places and dead letters of the command are under that name");
}

/* The same place twice, as it is copied and pasted. Other keys, groups, servers and consumers are others. */
static void test_two_that_are_one(void **state)
{
    (void)state;
    static const char *const same[] = {"streams: [x, s]", "streams: s, group: weir", "lists: [m, l]"};
    static const char *const others[] = {"streams: x", "streams: s, group: g", "streams: s, consumer: me", "lists: s",
                                         "lists: l, consumer: me"};
    char text[256];
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        snprintf(text, sizeof text,
                 "sources:\n  a: {type: redis, url: \"redis://h\", %s}\n  b: {type: redis, url: \"redis://h\", %s}\n",
                 strstr(same[i], "lists") ? "lists: l" : "streams: s", same[i]);
        check_refused(text, ":3: sources.b reads what sources.a reads, as the same consumer: one of them is enough, or "
                            "set sources.b.consumer");
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        SourceConfig sources;
        snprintf(text, sizeof text,
                 "sources:\n  a: {type: redis, url: \"redis://h\", %s}\n  b: {type: redis, url: \"redis://h\", %s}\n",
                 strcmp(others[i], "lists: l, consumer: me") == 0 ? "lists: l" : "streams: s", others[i]);
        Config *config = read_sources(text, &sources);
        assert_int_equal(sources.count, 2);
        source_config_release(&sources);
        config_free(config);
    }
    SourceConfig sources;
    Config *config = read_sources("sources:\n  a: {type: redis, url: \"redis://h/1\", lists: l}\n  b: {type: redis, "
                                  "url: \"redis://h/2\", lists: l}\n"
                                  "  c: {type: redis, url: \"redis://h/1\", lists: l, enabled: false}\n",
                                  &sources);
    assert_int_equal(sources.count, 2);
    source_config_release(&sources);
    config_free(config);
}

/* What the table says in words is what others count by number. */
static void test_table_agrees(void **state)
{
    (void)state;
    const Option *types = &sources_group.table.items[SOURCES_TYPE];
    for (unsigned i = 0; i < SOURCE_TYPE_COUNT; i++) {
        assert_string_equal(types->choices[i], source_type_names[i]);
    }
    assert_null(types->choices[SOURCE_TYPE_COUNT]);
    assert_int_equal(sources_group.members_max, INTAKE_SOURCES_MAX);
    assert_int_equal(sources_group.table.items[SOURCES_MESSAGE_BYTES_MAX].max, SOURCE_MESSAGE_BYTES_MAX);
    assert_true(sources_group.table.items[SOURCES_GROUP_MESSAGES_MAX].max <= STORE_BATCH_RECORDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_not_enabled),
        cmocka_unit_test(test_what_is_missing),
        cmocka_unit_test(test_what_contradicts_itself),
        cmocka_unit_test(test_two_that_are_one),
        cmocka_unit_test(test_table_agrees),
    };
    return cmocka_run_group_tests_name("source_config", tests, make_file, remove_file);
}
