#include "onboard/onboard_config.h"

enum { BREAKER_PERCENT = 70, BREAKER_REQUESTS = 10, LEASE_TIMEOUTS_MIN = 3 };
#define BREAKER_WINDOW_US INT64_C(30000000)
#define BREAKER_PAUSE_US  INT64_C(30000000)

const char *onboard_handler_name(OnboardHandler handler)
{
    return option_table[OPTION_ONBOARDING_HANDLER].choices[handler];
}

static Status refuse(const Config *config, OptionId id, const char *why, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "%s: %s %s", config_where(config, id), option_table[id].name, why);
}

/* ---- The webhook ------------------------------------------------------------------------------------------------- */

static void set_sink(const Config *config, SinkOptions *sink)
{
    *sink = (SinkOptions){.name = "onboarding",
                          .section = "onboarding",
                          .type = SINK_WEBHOOK,
                          .in_flight_max = config_size(config, OPTION_ONBOARDING_CONCURRENCY),
                          .timeout_us = config_int(config, OPTION_ONBOARDING_TIMEOUT),
                          .breaker_percent = BREAKER_PERCENT,
                          .breaker_requests = BREAKER_REQUESTS,
                          .breaker_window_us = BREAKER_WINDOW_US,
                          .breaker_pause_us = BREAKER_PAUSE_US,
                          .url = config_text(config, OPTION_ONBOARDING_URL),
                          .secret = config_text(config, OPTION_ONBOARDING_SECRET),
                          .allow_private = config_text(config, OPTION_ONBOARDING_ALLOW_PRIVATE),
                          .ca_file = config_text(config, OPTION_ONBOARDING_CA_FILE),
                          .cert_file = "",
                          .key_file = "",
                          .brokers = "",
                          .properties = "",
                          .prefix = ""};
}

static Status set_secret(const Config *config, OnboardConfig *onboard, Error *reterr)
{
    const char *path = config_text(config, OPTION_ONBOARDING_SECRET_FILE);
    if (!path[0]) {
        return STATUS_OK;
    }
    if (onboard->sink.secret[0]) {
        return refuse(config, OPTION_ONBOARDING_SECRET_FILE, "is set, and so is onboarding.secret; keep one", reterr);
    }
    onboard->sink.secret = onboard->secret;
    return secret_file_read(path, onboard->secret, reterr) == STATUS_OK
               ? STATUS_OK
               : error_prefix(reterr, "%s: onboarding.secret_file",
                              config_where(config, OPTION_ONBOARDING_SECRET_FILE));
}

static Status check_webhook(const Config *config, const SinkOptions *sink, Error *reterr)
{
    if (!sink->url[0]) {
        return refuse(
            config, OPTION_ONBOARDING_HANDLER,
            "is webhook, and onboarding.url is missing: the service's endpoint, like https://example.com/onboard",
            reterr);
    }
    return sink->secret[0]
               ? STATUS_OK
               : refuse(config, OPTION_ONBOARDING_HANDLER,
                        "is webhook, and onboarding.secret is missing: whsec_… to sign with; or set secret_file",
                        reterr);
}

/* ---- Handing over ------------------------------------------------------------------------------------------------ */

static bool subscribes(const SinkOptions *sink, const char *message)
{
    MessageKind kind;
    return message_kind_parse(str_from(message), &kind) && (sink->subscription.kinds & 1u << kind) != 0;
}

static Status check_sinks(const Config *config, const SinkConfig *sinks, OnboardHandler handler, Error *reterr)
{
    for (size_t i = 0; i < sinks->count; i++) {
        const SinkOptions *sink = &sinks->items[i];
        bool is_of_type = strcmp(sink_type_names[sink->type], onboard_handler_name(handler)) == 0;
        if (is_of_type && subscribes(sink, "organization.created") && subscribes(sink, "organization.updated")) {
            return STATUS_OK;
        }
    }
    return error_set(reterr, STATUS_REFUSED,
                     "%s: onboarding.handler is %s, and no sink of that type has both organization.created and "
                     "organization.updated among its messages: nobody would hear of what is onboarded",
                     config_where(config, OPTION_ONBOARDING_HANDLER), onboard_handler_name(handler));
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

static Status check_times(const Config *config, Error *reterr)
{
    int64_t timeout_us = config_int(config, OPTION_ONBOARDING_TIMEOUT);
    return config_int(config, OPTION_ONBOARDING_LEASE) >= LEASE_TIMEOUTS_MIN * timeout_us
               ? STATUS_OK
               : refuse(config, OPTION_ONBOARDING_LEASE,
                        "is less than three times onboarding.timeout: jobs would be called again while their first "
                        "call goes on",
                        reterr);
}

static void set_runner(const Config *config, OnboardConfig *onboard)
{
    onboard->runner =
        (RunnerOptions){.handler = onboard_handler_name(onboard->handler),
                        .sink = onboard->handler == HANDLER_WEBHOOK ? &onboard->sink : NULL,
                        .dns = (DnsMode)config_int(config, OPTION_ONBOARDING_DNS), /* off, warn, require */
                        .concurrency = config_size(config, OPTION_ONBOARDING_CONCURRENCY),
                        .rate = config_int(config, OPTION_ONBOARDING_RATE),
                        .attempts = config_int(config, OPTION_ONBOARDING_ATTEMPTS),
                        .backoff_us = config_int(config, OPTION_ONBOARDING_BACKOFF),
                        .lease_us = config_int(config, OPTION_ONBOARDING_LEASE),
                        .timeout_us = config_int(config, OPTION_ONBOARDING_TIMEOUT),
                        .drain_us = config_int(config, OPTION_HTTP_DRAIN_TIMEOUT)};
    onboard->has_jobs = onboard->runner.sink || onboard->runner.dns != DNS_OFF;
}

Status onboard_config_read(const Config *config, const SinkConfig *sinks, OnboardConfig *ret_onboard, Error *reterr)
{
    OnboardHandler handler = (OnboardHandler)config_int(config, OPTION_ONBOARDING_HANDLER);
    Status status = check_times(config, reterr);
    ret_onboard->handler = handler;
    set_sink(config, &ret_onboard->sink);
    set_runner(config, ret_onboard);
    if (status == STATUS_OK && handler == HANDLER_WEBHOOK) {
        status = set_secret(config, ret_onboard, reterr);
        status = status == STATUS_OK ? check_webhook(config, &ret_onboard->sink, reterr) : status;
    } else if (status == STATUS_OK && handler != HANDLER_NONE) {
        status = check_sinks(config, sinks, handler, reterr);
    }
    return status;
}
