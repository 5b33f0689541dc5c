#include "deliver/sink_config.h"

#include "config/sinks_table.h"
#include "config/units.h"
#include "deliver/secret_file.h"

enum {
    CHUNK_BYTES = 4096,
    BYTES_MAX = 1 << 20,
    WEBHOOK_IN_FLIGHT = 64,
    KAFKA_IN_FLIGHT = 4000,
    REDIS_IN_FLIGHT = 1000
};

_Static_assert((int)OPTION_ITEMS_MAX <= (int)SINK_SCHEDULE_MAX,
               "a schedule may have as many attempts as a list has items");
_Static_assert((int)OPTION_MEMBER_BYTES_MAX <= (int)SINK_NAME_BYTES_MAX, "a member's name is a sink's");

static const char *text_of(const ConfigMember *member, SinksOption option)
{
    return config_member_text(member, option);
}

static int64_t number_of(const ConfigMember *member, SinksOption option) { return config_member_int(member, option); }

static bool is_set(const ConfigMember *member, SinksOption option) { return text_of(member, option)[0] != '\0'; }

/* ---- Secrets ----------------------------------------------------------------------------------------------------- */

static Status read_secret_file(const ConfigMember *member, Arena *arena, const char **ret_secret, Error *reterr)
{
    char secret[SECRET_FILE_BYTES_MAX + 1];
    Status status = secret_file_read(text_of(member, SINKS_SECRET_FILE), secret, reterr);
    if (status != STATUS_OK) {
        return error_prefix(reterr, "%s: sinks.%s.secret_file", config_member_where(member, SINKS_SECRET_FILE),
                            config_member_name(member));
    }
    *ret_secret = arena_copy(arena, str_from(secret)).ptr;
    return *ret_secret ? STATUS_OK : error_set(reterr, STATUS_BUSY, "no memory for the sinks");
}

static Status set_secret(const ConfigMember *member, Arena *arena, SinkOptions *options, Error *reterr)
{
    bool from_file = is_set(member, SINKS_SECRET_FILE);
    if (from_file && is_set(member, SINKS_SECRET)) {
        return error_set(reterr, STATUS_REFUSED, "%s: sinks.%s.secret_file is set, and so is sinks.%s.secret; keep one",
                         config_member_where(member, SINKS_SECRET_FILE), config_member_name(member),
                         config_member_name(member));
    }
    options->secret = text_of(member, SINKS_SECRET);
    return from_file ? read_secret_file(member, arena, &options->secret, reterr) : STATUS_OK;
}

/* ---- The options ------------------------------------------------------------------------------------------------- */

static void set_subscription(const ConfigMember *member, Subscription *subscription)
{
    *subscription = (Subscription){
        .kinds = (unsigned)number_of(member, SINKS_MESSAGES),
        .source_id = str_from(text_of(member, SINKS_FILTER_SOURCE_ID)),
        .destination_id = str_from(text_of(member, SINKS_FILTER_DESTINATION_ID)),
        .unit = str_from(text_of(member, SINKS_FILTER_UNIT)),
        .type = is_set(member, SINKS_FILTER_TYPE) ? (int)number_of(member, SINKS_FILTER_TYPE) : -1,
        .value_min = number_of(member, SINKS_FILTER_VALUE_MIN),
    };
}

static Status set_schedule(const ConfigMember *member, SinkOptions *options, Error *reterr)
{
    Status status = STATUS_OK;
    Str item;
    OptionItems items = option_items(str_from(text_of(member, SINKS_SCHEDULE)));
    while (status == STATUS_OK && option_items_next(&items, &item)) {
        status = units_parse_duration(item, &options->schedule_us[options->schedule_count++], reterr);
    }
    return status;
}

static void set_pace(const ConfigMember *member, SinkOptions *options)
{
    static const size_t usual[SINK_TYPE_COUNT] = {
        [SINK_WEBHOOK] = WEBHOOK_IN_FLIGHT, [SINK_KAFKA] = KAFKA_IN_FLIGHT, [SINK_REDIS] = REDIS_IN_FLIGHT};
    size_t in_flight = (size_t)number_of(member, SINKS_IN_FLIGHT_MAX);
    options->in_flight_max = in_flight ? in_flight : usual[options->type];
    options->timeout_us = number_of(member, SINKS_TIMEOUT);
    options->ordered = number_of(member, SINKS_ORDERED);
    options->breaker_percent = (unsigned)number_of(member, SINKS_BREAKER_FAILURES_PERCENT);
    options->breaker_requests = (unsigned)number_of(member, SINKS_BREAKER_REQUESTS_MIN);
    options->breaker_window_us = number_of(member, SINKS_BREAKER_WINDOW);
    options->breaker_pause_us = number_of(member, SINKS_BREAKER_PAUSE);
}

static void set_place(const ConfigMember *member, SinkOptions *options)
{
    options->url = text_of(member, SINKS_URL);
    options->allow_private = text_of(member, SINKS_ALLOW_PRIVATE);
    options->ca_file = text_of(member, SINKS_CA_FILE);
    options->cert_file = text_of(member, SINKS_CERT_FILE);
    options->key_file = text_of(member, SINKS_KEY_FILE);
    options->brokers = text_of(member, SINKS_BROKERS);
    options->properties = text_of(member, SINKS_PROPERTIES);
    options->prefix = text_of(member, SINKS_PREFIX);
    options->list = number_of(member, SINKS_AS) == 1; /* stream, list */
    options->trim = number_of(member, SINKS_TRIM);
}

static Status check_webhook(const ConfigMember *member, const SinkOptions *options, Error *reterr)
{
    Status status =
        config_member_require(member, SINKS_URL, "a webhook's endpoint, like https://example.com/hook", reterr);
    if (status == STATUS_OK && !options->secret[0]) { /* of a file, neither */
        status = config_member_require(member, SINKS_SECRET, "whsec_… to sign with; or set secret_file", reterr);
    }
    return status;
}

static Status check_needs(const ConfigMember *member, const SinkOptions *options, Error *reterr)
{
    switch (options->type) {
    case SINK_WEBHOOK: return check_webhook(member, options, reterr);
    case SINK_KAFKA: return config_member_require(member, SINKS_BROKERS, "like kafka-1:9092", reterr);
    case SINK_REDIS: return config_member_require(member, SINKS_URL, "like redis://127.0.0.1:6379", reterr);
    }
    return STATUS_OK;
}

static Status set_options(const ConfigMember *member, Arena *arena, SinkOptions *options, Error *reterr)
{
    *options = (SinkOptions){.name = config_member_name(member), .type = (SinkType)number_of(member, SINKS_TYPE)};
    options->start_seq = number_of(member, SINKS_START);
    set_subscription(member, &options->subscription);
    set_pace(member, options);
    set_place(member, options);
    Status status = set_schedule(member, options, reterr);
    if (status == STATUS_OK) {
        status = set_secret(member, arena, options, reterr);
    }
    return status == STATUS_OK ? check_needs(member, options, reterr) : status;
}

static Status set_items(const Config *config, SinkConfig *sinks, Error *reterr)
{
    unsigned count = config_member_count(config, OPTION_SINKS);
    Status status = STATUS_OK;
    sinks->items = ARENA_ARRAY(&sinks->arena, SinkOptions, count);
    if (!sinks->items) {
        return error_set(reterr, STATUS_BUSY, "no memory for the sinks");
    }
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        const ConfigMember *member = config_member(config, OPTION_SINKS, i);
        if (number_of(member, SINKS_ENABLED)) {
            status = set_options(member, &sinks->arena, &sinks->items[sinks->count++], reterr);
        }
    }
    return status;
}

Status sink_config_read(const Config *config, SinkConfig *ret_sinks, Error *reterr)
{
    SinkConfig sinks = {0};
    arena_init(&sinks.arena, CHUNK_BYTES, BYTES_MAX);
    Status status = set_items(config, &sinks, reterr);
    if (status != STATUS_OK) {
        sink_config_release(&sinks);
        return status;
    }
    *ret_sinks = sinks;
    return STATUS_OK;
}

void sink_config_release(SinkConfig *sinks)
{
    arena_release(&sinks->arena);
    *sinks = (SinkConfig){0};
}
