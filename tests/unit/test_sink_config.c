/* The sinks of a configuration. */
#include "config_file.h"

#include "config/sinks_table.h"
#include "deliver/dispatcher.h"
#include "deliver/kafka_settings.h"
#include "deliver/secret_file.h"
#include "deliver/sink_config.h"

static char secret_path[] = "/tmp/weir-test-secret-XXXXXX";

static Config *read_sinks(const char *text, SinkConfig *ret_sinks)
{
    Config *config = load(text);
    Error error = {0};
    Status status = sink_config_read(config, ret_sinks, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, STATUS_OK);
    return config;
}

/* `expected` is what the message says behind the file's name. */
static void check_refused(const char *text, const char *expected)
{
    Config *config = load(text);
    SinkConfig sinks = {0};
    Error error = {0};
    assert_int_equal(sink_config_read(config, &sinks, &error), STATUS_REFUSED);
    assert_null(sinks.items);
    assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
    assert_string_equal(error.message + strlen(path), expected);
    config_free(config);
}

static void test_none(void **state)
{
    (void)state;
    SinkConfig sinks = {.count = 7};
    Config *config = read_sinks("", &sinks);
    assert_int_equal(sinks.count, 0);
    sink_config_release(&sinks);
    sink_config_release(&sinks); /* twice is harmless */
    config_free(config);
}

static void test_defaults(void **state)
{
    (void)state;
    static const int64_t schedule_s[] = {0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};
    SinkConfig sinks;
    Config *config = read_sinks("sinks.ops: {type: webhook, url: https://h, secret: whsec_a}\n", &sinks);
    const SinkOptions *ops = sinks.items;
    assert_int_equal(sinks.count, 1);
    assert_string_equal(ops->name, "ops");
    assert_int_equal(ops->type, SINK_WEBHOOK);
    assert_int_equal(ops->start_seq, 0);
    assert_int_equal(ops->subscription.kinds, 1u << MESSAGE_NOTIFICATION | 1u << MESSAGE_ALERT);
    assert_int_equal(ops->subscription.type, -1);
    assert_int_equal(
        ops->subscription.source_id.len + ops->subscription.destination_id.len + ops->subscription.unit.len, 0);
    assert_int_equal(ops->subscription.value_min, 0);
    assert_int_equal(ops->schedule_count, sizeof schedule_s / sizeof *schedule_s);
    for (size_t i = 0; i < ops->schedule_count; i++) {
        assert_int_equal(ops->schedule_us[i], schedule_s[i] * 1000000);
    }
    assert_int_equal(ops->in_flight_max, 64);
    assert_int_equal(ops->timeout_us, 15000000);
    assert_false(ops->ordered);
    assert_int_equal(ops->breaker_percent, 70);
    assert_int_equal(ops->breaker_requests, 10);
    assert_int_equal(ops->breaker_window_us, 30000000);
    assert_int_equal(ops->breaker_pause_us, 30000000);
    assert_string_equal(ops->allow_private, "");
    assert_string_equal(ops->ca_file, "");
    sink_config_release(&sinks);
    config_free(config);
}

static void test_everything_of_a_webhook(void **state)
{
    (void)state;
    SinkConfig sinks;
    Config *config =
        read_sinks("sinks:\n  ops:\n    type: webhook\n    url: https://h/x\n    secret: [whsec_a, whsec_b]\n"
                   "    start: now\n    messages: [dead_letter.created]\n"
                   "    filter: {source_id: s, destination_id: d, unit: EUR, type: negative, value_min: 100}\n"
                   "    in_flight_max: 7\n    timeout: 3s\n    ordered: yes\n    schedule: [0, 1s]\n"
                   "    breaker: {failures_percent: 50, requests_min: 3, window: 5s, pause: 6s}\n"
                   "    allow_private: [10.0.0.0/8, \"::1\"]\n    ca_file: /ca.pem\n",
                   &sinks);
    const SinkOptions *ops = sinks.items;
    assert_string_equal(ops->url, "https://h/x");
    assert_string_equal(ops->secret, "whsec_a,whsec_b");
    assert_int_equal(ops->start_seq, -1);
    assert_int_equal(ops->subscription.kinds, 1u << MESSAGE_DEAD_LETTER_CREATED);
    assert_text(ops->subscription.source_id, "s");
    assert_text(ops->subscription.destination_id, "d");
    assert_text(ops->subscription.unit, "EUR");
    assert_int_equal(ops->subscription.type, RECORD_NEGATIVE);
    assert_int_equal(ops->subscription.value_min, 10000);
    assert_int_equal(ops->in_flight_max, 7);
    assert_int_equal(ops->timeout_us, 3000000);
    assert_true(ops->ordered);
    assert_int_equal(ops->schedule_count, 2);
    assert_int_equal(ops->schedule_us[1], 1000000);
    assert_int_equal(ops->breaker_percent, 50);
    assert_int_equal(ops->breaker_requests, 3);
    assert_int_equal(ops->breaker_window_us, 5000000);
    assert_int_equal(ops->breaker_pause_us, 6000000);
    assert_string_equal(ops->allow_private, "10.0.0.0/8,::1");
    assert_string_equal(ops->ca_file, "/ca.pem");
    sink_config_release(&sinks);
    config_free(config);
}

static void test_brokers(void **state)
{
    (void)state;
    SinkConfig sinks;
    Config *config =
        read_sinks("sinks:\n"
                   "  b: {type: kafka, brokers: [k1:9092, k2:9092], properties: [a=b], prefix: p., start: 17}\n"
                   "  a: {type: redis, url: redis://h, as: list, trim: 9, filter.type: positive, ca_file: /ca.pem,\n"
                   "      cert_file: /cert.pem, key_file: /key.pem}\n"
                   "  c: {type: redis, url: redis://h, enabled: false}\n"
                   "  d: {type: redis, enabled: false}\n",
                   &sinks);
    assert_int_equal(sinks.count, 2);
    assert_string_equal(sinks.items[0].name, "a");
    assert_int_equal(sinks.items[0].type, SINK_REDIS);
    assert_string_equal(sinks.items[0].url, "redis://h");
    assert_string_equal(sinks.items[0].prefix, "");
    assert_string_equal(sinks.items[0].ca_file, "/ca.pem");
    assert_string_equal(sinks.items[0].cert_file, "/cert.pem");
    assert_string_equal(sinks.items[0].key_file, "/key.pem");
    assert_true(sinks.items[0].list);
    assert_int_equal(sinks.items[0].trim, 9);
    assert_int_equal(sinks.items[0].subscription.type, RECORD_POSITIVE);
    assert_int_equal(sinks.items[0].in_flight_max, 1000);
    assert_string_equal(sinks.items[1].name, "b");
    assert_int_equal(sinks.items[1].type, SINK_KAFKA);
    assert_string_equal(sinks.items[1].brokers, "k1:9092,k2:9092");
    assert_string_equal(sinks.items[1].properties, "a=b");
    assert_string_equal(sinks.items[1].prefix, "p.");
    assert_int_equal(sinks.items[1].start_seq, 17);
    assert_false(sinks.items[1].list);
    sink_config_release(&sinks);
    config_free(config);
}

static void check_setting(const rd_kafka_conf_t *conf, const char *name, const char *expected)
{
    char value[64];
    size_t bytes = sizeof value;
    assert_int_equal(rd_kafka_conf_get(conf, name, value, &bytes), RD_KAFKA_CONF_OK);
    assert_string_equal(value, expected);
}

/* From the file to the library, commas and all. */
static void check_properties(const char *properties)
{
    char text[256];
    SinkConfig sinks;
    StoreInfo info = {0};
    KafkaNames names = {.transactional = "t"};
    rd_kafka_conf_t *conf = NULL;
    Error error = {0};
    snprintf(text, sizeof text, "sinks.a: {type: kafka, brokers: [k1, k2], properties: %s}\n", properties);
    Config *config = read_sinks(text, &sinks);
    SinkContext context = {.options = sinks.items, .info = &info};
    assert_int_equal(kafka_settings_make(&context, &names, &conf, &error), STATUS_OK);
    check_setting(conf, "bootstrap.servers", "k1,k2");
    check_setting(conf, "sasl.password", "a,b=c");
    check_setting(conf, "client.id", "me");
    rd_kafka_conf_destroy(conf);
    sink_config_release(&sinks);
    config_free(config);
}

static void test_properties_with_commas(void **state)
{
    (void)state;
    check_properties("[\"sasl.password=a,b=c\", client.id=me]");
    check_properties("[client.id=me, \"sasl.password = a,b=c\"]");
    check_properties("\"client.id=me\\nsasl.password=a,b=c\"");
}

static void test_what_is_missing(void **state)
{
    (void)state;
    check_refused("sinks.a.type: webhook\n",
                  ":1: sinks.a.url is missing: a webhook's endpoint, like https://example.com/hook");
    check_refused("sinks.a: {type: webhook, url: https://h}\n",
                  ":1: sinks.a.secret is missing: whsec_… to sign with; or set secret_file");
    check_refused("sinks.a: {type: webhook, url: https://h, secret: whsec_a}\nsinks.b.type: kafka\n",
                  ":2: sinks.b.brokers is missing: like kafka-1:9092");
    check_refused("sinks.a:\n  type: redis\n  brokers: \n", ":2: sinks.a.url is missing: like redis://127.0.0.1:6379");
}

/* ---- Secrets from files ------------------------------------------------------------------------------------------ */

static void check_secret(const char *bytes, const char *expected)
{
    char text[256];
    SinkConfig sinks;
    write_file(secret_path, bytes, strlen(bytes));
    snprintf(text, sizeof text, "sinks.a: {type: webhook, url: https://h, secret_file: %s}\n", secret_path);
    Config *config = read_sinks(text, &sinks);
    assert_string_equal(sinks.items[0].secret, expected);
    sink_config_release(&sinks);
    config_free(config);
}

static void check_secret_refused(const char *bytes, size_t count, const char *what)
{
    char text[256], expected[256];
    write_file(secret_path, bytes, count);
    snprintf(text, sizeof text, "sinks.a:\n  {type: webhook, url: https://h, secret_file: %s}\n", secret_path);
    snprintf(expected, sizeof expected, ":2: sinks.a.secret_file: %s %s", secret_path, what);
    check_refused(text, expected);
}

static void test_secret_files(void **state)
{
    (void)state;
    char large[SECRET_FILE_BYTES_MAX + 1];
    memset(large, 'a', sizeof large);
    check_secret("whsec_a", "whsec_a");
    check_secret("whsec_a\n", "whsec_a");
    check_secret(" whsec_a \r\n\nwhsec_b\n", "whsec_a,whsec_b");
    check_secret_refused("", 0, "is empty");
    check_secret_refused(" \n\n", 3, "is empty");
    check_secret_refused("a\0b", 3, "is no text");
    check_secret_refused(large, sizeof large, "is too large to hold secrets");
    large[SECRET_FILE_BYTES_MAX] = '\0';
    check_secret(large, large);
}

static void test_secret_files_refused(void **state)
{
    (void)state;
    check_refused("sinks.a: {type: webhook, url: https://h, secret_file: /nonexistent}\n",
                  ":1: sinks.a.secret_file: /nonexistent cannot be opened: No such file or directory");
    check_refused("sinks.a: {type: webhook, url: https://h, secret_file: /}\n",
                  ":1: sinks.a.secret_file: / cannot be read");
    check_refused("sinks.a: {type: webhook, url: https://h, secret: a, secret_file: /nonexistent}\n",
                  ":1: sinks.a.secret_file is set, and so is sinks.a.secret; keep one");
}

/* What the table says in words is what others count by number. */
static void test_table_agrees(void **state)
{
    (void)state;
    const Option *types = &sinks_group.table.items[SINKS_TYPE], *kinds = &sinks_group.table.items[SINKS_MESSAGES];
    for (unsigned i = 0; i < SINK_TYPE_COUNT; i++) {
        assert_string_equal(types->choices[i], sink_type_names[i]);
    }
    for (unsigned i = 0; i < MESSAGE_KIND_COUNT; i++) {
        assert_string_equal(kinds->choices[i], message_kind_name((MessageKind)i));
    }
    assert_null(types->choices[SINK_TYPE_COUNT]);
    assert_null(kinds->choices[MESSAGE_KIND_COUNT]);
    assert_int_equal(sinks_group.members_max, DISPATCHER_SINKS_MAX);
    assert_int_equal(sinks_group.table.items[SINKS_TIMEOUT].max, SINK_CALL_US_MAX);
}

static int make_files(void **state)
{
    int secret = mkstemp(secret_path);
    return secret < 0 || close(secret) != 0 || make_file(state) != 0;
}

static int remove_files(void **state) { return remove_file(state) || unlink(secret_path); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything_of_a_webhook),
        cmocka_unit_test(test_brokers),
        cmocka_unit_test(test_properties_with_commas),
        cmocka_unit_test(test_what_is_missing),
        cmocka_unit_test(test_secret_files),
        cmocka_unit_test(test_secret_files_refused),
        cmocka_unit_test(test_table_agrees),
    };
    return cmocka_run_group_tests_name("sink_config", tests, make_files, remove_files);
}
