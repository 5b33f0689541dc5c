/* What librdkafka is told, and what a user may not tell it. */
#include "unit.h"

#include "broker/kafka_properties.h"
#include "deliver/kafka_settings.h"

static const StoreInfo info = {.id = {0xab, 1}, .epoch = 3};
static SinkOptions options;
static const SinkContext context = {.options = &options, .info = &info};

static int setup(void **state)
{
    (void)state;
    options = (SinkOptions){.name = "orders", .brokers = "one:9092, two:9092", .properties = "", .prefix = ""};
    return 0;
}

static Status make(const char *properties, rd_kafka_conf_t **ret_conf, Error *reterr)
{
    KafkaNames names;
    options.properties = properties;
    kafka_names_make(&context, &names);
    return kafka_settings_make(&context, &names, ret_conf, reterr);
}

static void check_setting(const rd_kafka_conf_t *conf, const char *name, const char *expected)
{
    char value[4096];
    size_t size = sizeof value;
    assert_int_equal(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, expected);
}

static void check_made(const char *properties, const char *name, const char *expected)
{
    rd_kafka_conf_t *conf;
    Error error = {0};
    if (make(properties, &conf, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    check_setting(conf, name, expected);
    rd_kafka_conf_destroy(conf);
}

static void check_refused(const char *properties, const char *says)
{
    rd_kafka_conf_t *conf;
    Error error = {0};
    assert_int_equal(make(properties, &conf, &error), STATUS_REFUSED);
    if (!strstr(error.message, says)) {
        fail_msg("\"%s\" does not say \"%s\"", error.message, says);
    }
    assert_null(strstr(error.message, "hunter2"));
}

static void test_names(void **state)
{
    (void)state;
    KafkaNames names;
    SinkContext replay = context;
    replay.replay_job = 17;
    kafka_names_make(&context, &names);
    assert_string_equal(names.transactional, "weir-ab010000000000000000000000000000-orders");
    assert_string_equal(names.group, names.transactional);
    kafka_names_make(&replay, &names);
    assert_string_equal(names.transactional, "weir-ab010000000000000000000000000000-orders-replay-17");
    assert_string_equal(names.group, "weir-ab010000000000000000000000000000-orders");
}

static void test_what_exactly_once_rests_on(void **state)
{
    (void)state;
    rd_kafka_conf_t *conf;
    Error error = {0};
    options.timeout_us = 3000000;
    assert_int_equal(make("", &conf, &error), STATUS_OK);
    check_setting(conf, "bootstrap.servers", "one:9092, two:9092");
    check_setting(conf, "transactional.id", "weir-ab010000000000000000000000000000-orders");
    check_setting(conf, "enable.idempotence", "true");
    check_setting(conf, "transaction.timeout.ms", "3000");
    check_setting(conf, "message.timeout.ms", "3000");
    check_setting(conf, "acks", "-1");
    rd_kafka_conf_destroy(conf);
}

static void test_step(void **state)
{
    (void)state;
    static const struct {
        int64_t timeout_us;
        int step_ms;
    } cases[] = {{0, KAFKA_STEP_MS_MAX}, {10000, KAFKA_STEP_MS_MIN}, {2500000, 2500}, {60000000, KAFKA_STEP_MS_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options.timeout_us = cases[i].timeout_us;
        assert_int_equal(kafka_step_ms(&options), cases[i].step_ms);
    }
    assert_true(5 * INT64_C(1000) * KAFKA_STEP_MS_MAX < SINK_CALL_US_MAX);
}

static void test_properties(void **state)
{
    (void)state;
    check_made("compression.type=lz4,linger.ms=20", "linger.ms", "20");
    check_made(" compression.type = lz4 , linger.ms=20 ", "compression.type", "lz4");
    check_made("", "client.id", "weir");
    check_made("client.id=mine", "client.id", "mine");
    check_made("", "partitioner", "murmur2_random");
    check_made("partitioner=consistent_random", "partitioner", "consistent_random");
    /* Values may have equals signs, and commas when the properties are lines. */
    check_made("client.id=a=b", "client.id", "a=b");
    check_made("client.id=a,b=c\nlinger.ms=7", "client.id", "a,b=c");
    check_made("client.id=a,b=c\nlinger.ms=7", "linger.ms", "7");
}

static void test_properties_that_are_refused(void **state)
{
    (void)state;
    check_refused("no.such.setting=hunter2", "no.such.setting");
    check_refused("linger.ms=hunter2", "linger.ms does not take this value");
    check_refused("hunter2", "name=value");
    check_refused("linger.ms=5,=hunter2", "name=value");
    check_refused("acks=1", "acks cannot be set");
    check_refused("request.required.acks=1", "request.required.acks cannot be set");
    check_refused("linger.ms=5,transactional.id=mine", "transactional.id cannot be set");
    check_refused("enable.idempotence=false", "enable.idempotence cannot be set");
    check_refused("bootstrap.servers=elsewhere:9092", "brokers");
    check_refused("plugin.library.paths=/tmp/x.so", "plugin.library.paths cannot be set");
}

static void test_no_brokers(void **state)
{
    (void)state;
    options.brokers = " ";
    check_refused("", "brokers");
}

static void test_brokers(void **state)
{
    (void)state;
    static const char *const good[] = {"a",
                                       "a:9092",
                                       "a:1,b:65535",
                                       " a:1 ,, b ",
                                       "10.0.0.1:9092",
                                       "[::1]:9092",
                                       "[::1]",
                                       "fe80::1:2",
                                       "[fe80::1%eth0]:9092",
                                       "ssl://a:9093",
                                       "SASL_SSL://a",
                                       "plaintext://[::1]:9",
                                       "sasl_plaintext://a-b.c_d:1"};
    static const char *const bad[] = {"a:",     "a:0",         "a:65536",       "a:b",   ":9092", "http://a:9092",
                                      "://a:1", "ssl://",      "a:1;b:2",       "a b:1", "a/b:1", "[::1]:x",
                                      "[::1]:", "ssl://a://b", "me:secret@a:1", "a:-1"};
    Error error;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (kafka_brokers_check(good[i], &error) != STATUS_OK) {
            fail_msg("%s: %s", good[i], error.message);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char two[64];
        snprintf(two, sizeof two, "one:1,%s", bad[i]);
        assert_int_equal(kafka_brokers_check(two, &error), STATUS_REFUSED);
        assert_string_equal(error.message, "brokers: number 2 is not host:port");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_names, setup),
        cmocka_unit_test_setup(test_what_exactly_once_rests_on, setup),
        cmocka_unit_test_setup(test_step, setup),
        cmocka_unit_test_setup(test_properties, setup),
        cmocka_unit_test_setup(test_properties_that_are_refused, setup),
        cmocka_unit_test_setup(test_no_brokers, setup),
        cmocka_unit_test_setup(test_brokers, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
