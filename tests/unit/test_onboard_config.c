/* What the configuration says about onboarding. */
#include "config_file.h"

#include "onboard/onboard_config.h"

static Status read_both(const Config *config, OnboardConfig *ret_onboard, Error *reterr)
{
    SinkConfig sinks = {0};
    assert_int_equal(sink_config_read(config, &sinks, reterr), STATUS_OK);
    Status status = onboard_config_read(config, &sinks, ret_onboard, reterr);
    sink_config_release(&sinks);
    return status;
}

/* `expected` is what the message says behind the file's name. */
static void check_refused(const char *text, const char *expected)
{
    Config *config = load(text);
    OnboardConfig onboard;
    Error error = {0};
    assert_int_equal(read_both(config, &onboard, &error), STATUS_REFUSED);
    assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
    assert_string_equal(error.message + strlen(path), expected);
    config_free(config);
}

static void test_none(void **state)
{
    (void)state;
    Config *config = load("");
    OnboardConfig onboard;
    Error error = {0};
    assert_int_equal(read_both(config, &onboard, &error), STATUS_OK);
    assert_int_equal(onboard.handler, HANDLER_NONE);
    assert_false(onboard.has_jobs);
    assert_null(onboard.runner.sink);
    assert_int_equal(onboard.runner.dns, DNS_OFF);
    config_free(config);
}

static void test_webhook(void **state)
{
    (void)state;
    Config *config = load("onboarding: {handler: webhook, url: https://h/o, secret: whsec_a, concurrency: 7, rate: 0, "
                          "attempts: 5, backoff: 2s, timeout: 3s, lease: 9s, dns: warn}\n");
    OnboardConfig onboard;
    Error error = {0};
    assert_int_equal(read_both(config, &onboard, &error), STATUS_OK);
    assert_true(onboard.has_jobs);
    assert_ptr_equal(onboard.runner.sink, &onboard.sink);
    assert_string_equal(onboard.sink.url, "https://h/o");
    assert_string_equal(onboard.sink.secret, "whsec_a");
    assert_int_equal(onboard.sink.type, SINK_WEBHOOK);
    assert_int_equal(onboard.sink.in_flight_max, 7);
    assert_int_equal(onboard.sink.timeout_us, 3000000);
    assert_int_equal(onboard.runner.concurrency, 7);
    assert_int_equal(onboard.runner.rate, 0);
    assert_int_equal(onboard.runner.attempts, 5);
    assert_int_equal(onboard.runner.backoff_us, 2000000);
    assert_int_equal(onboard.runner.lease_us, 9000000);
    assert_int_equal(onboard.runner.timeout_us, 3000000);
    assert_int_equal(onboard.runner.dns, DNS_WARN);
    config_free(config);
}

static void test_defaults(void **state)
{
    (void)state;
    Config *config = load("onboarding: {handler: webhook, url: https://h, secret: whsec_a}\n");
    OnboardConfig onboard;
    Error error = {0};
    assert_int_equal(read_both(config, &onboard, &error), STATUS_OK);
    assert_int_equal(onboard.runner.concurrency, 10);
    assert_int_equal(onboard.runner.rate, 10);
    assert_int_equal(onboard.runner.attempts, 3);
    assert_int_equal(onboard.runner.backoff_us, 10000000);
    assert_int_equal(onboard.runner.lease_us, 300000000);
    assert_int_equal(onboard.sink.timeout_us, 15000000);
    config_free(config);
}

static void test_dns_makes_jobs(void **state)
{
    (void)state;
    Config *config = load("onboarding.dns: require\n");
    OnboardConfig onboard;
    Error error = {0};
    assert_int_equal(read_both(config, &onboard, &error), STATUS_OK);
    assert_true(onboard.has_jobs);
    assert_null(onboard.runner.sink);
    assert_int_equal(onboard.runner.dns, DNS_REQUIRE);
    config_free(config);
}

static void test_what_a_webhook_needs(void **state)
{
    (void)state;
    check_refused("onboarding.handler: webhook\n",
                  ":1: onboarding.handler is webhook, and onboarding.url is missing: the service's endpoint, like "
                  "https://example.com/onboard");
    check_refused("onboarding: {url: https://h, handler: webhook}\n",
                  ":1: onboarding.handler is webhook, and onboarding.secret is missing: whsec_… to sign with; or set "
                  "secret_file");
    check_refused("onboarding: {timeout: 20s, lease: 59s}\n",
                  ":1: onboarding.lease is less than three times onboarding.timeout: jobs would be called again while "
                  "their first call goes on");
}

static void test_secret_file(void **state)
{
    (void)state;
    static char secrets[] = "/tmp/weir-test-onboarding-XXXXXX";
    char text[256];
    OnboardConfig onboard;
    Error error = {0};
    int fd = mkstemp(secrets);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "whsec_new\n\n whsec_old \n", 23), 23);
    close(fd);
    snprintf(text, sizeof text, "onboarding: {handler: webhook, url: https://h, secret_file: %s}\n", secrets);
    Config *config = load(text);
    assert_int_equal(read_both(config, &onboard, &error), STATUS_OK);
    assert_string_equal(onboard.runner.sink->secret, "whsec_new,whsec_old");
    config_free(config);
    snprintf(text, sizeof text, "onboarding: {handler: webhook, url: https://h, secret_file: %s, secret: whsec_a}\n",
             secrets);
    check_refused(text, ":1: onboarding.secret_file is set, and so is onboarding.secret; keep one");
    unlink(secrets);
    check_refused("onboarding: {handler: webhook, url: https://h, secret_file: /nonexistent}\n",
                  ":1: onboarding.secret_file: /nonexistent cannot be opened: No such file or directory");
    /* Whom nobody is called with needs none. */
    config = load("onboarding: {secret_file: /nonexistent}\n");
    assert_int_equal(read_both(config, &onboard, &error), STATUS_OK);
    config_free(config);
}

/* Somebody has to hear of what is onboarded. */
static void test_handing_over_needs_a_sink(void **state)
{
    (void)state;
    static const char nobody[] =
        ":1: onboarding.handler is kafka, and no sink of that type has both organization.created and "
        "organization.updated among its messages: nobody would hear of what is onboarded";
    check_refused("onboarding.handler: kafka\n", nobody);
    check_refused("onboarding.handler: kafka\nsinks.a: {type: kafka, brokers: 'k:1'}\n", nobody);
    check_refused("onboarding.handler: kafka\nsinks.a: {type: kafka, brokers: 'k:1', messages: organization.created}\n",
                  nobody);
    check_refused("onboarding.handler: kafka\nsinks.a: {type: redis, url: 'redis://h', messages: "
                  "[organization.created, organization.updated]}\n",
                  nobody);
    check_refused("onboarding.handler: kafka\nsinks.a: {type: kafka, brokers: 'k:1', enabled: false, messages: "
                  "[organization.created, organization.updated]}\n",
                  nobody);
}

/* It does, and there is nothing else to do. */
static void test_a_sink_hands_over(void **state)
{
    (void)state;
    Config *config = load("onboarding.handler: redis\nsinks: {a: {type: kafka, brokers: 'k:1'}, b: {type: redis, url: "
                          "'redis://h', messages: [organization.updated, alert, organization.created]}}\n");
    OnboardConfig onboard;
    Error error = {0};
    assert_int_equal(read_both(config, &onboard, &error), STATUS_OK);
    assert_int_equal(onboard.handler, HANDLER_REDIS);
    assert_false(onboard.has_jobs);
    assert_null(onboard.runner.sink);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_webhook),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_dns_makes_jobs),
        cmocka_unit_test(test_what_a_webhook_needs),
        cmocka_unit_test(test_secret_file),
        cmocka_unit_test(test_handing_over_needs_a_sink),
        cmocka_unit_test(test_a_sink_hands_over),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
