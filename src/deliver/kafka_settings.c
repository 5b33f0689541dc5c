#include "deliver/kafka_settings.h"

#include <ctype.h>

#include "config/options.h"

enum { PROPERTY_NAME_BYTES = 64, PROPERTY_VALUE_BYTES = 4096 };

/* ---- Names ------------------------------------------------------------------------------------------------------- */

void kafka_names_make(const SinkContext *context, KafkaNames *ret_names)
{
    const StoreInfo *info = context->info;
    for (size_t i = 0; i < sizeof info->id; i++) {
        snprintf(ret_names->store + 2 * i, 3, "%02x", info->id[i]);
    }
    snprintf(ret_names->group, KAFKA_NAME_BYTES, "weir-%s-%s", ret_names->store, context->options->name);
    if (context->replay_job) {
        snprintf(ret_names->transactional, KAFKA_NAME_BYTES, "weir-%s-%s-replay-%lld", ret_names->store,
                 context->options->name, (long long)context->replay_job);
    } else {
        snprintf(ret_names->transactional, KAFKA_NAME_BYTES, "weir-%s-%s", ret_names->store, context->options->name);
    }
}

int kafka_step_ms(const SinkOptions *options)
{
    int64_t ms = options->timeout_us / 1000;
    return ms <= 0 || ms > KAFKA_STEP_MS_MAX ? KAFKA_STEP_MS_MAX : ms < KAFKA_STEP_MS_MIN ? KAFKA_STEP_MS_MIN : (int)ms;
}

/* ---- The user's properties --------------------------------------------------------------------------------------- */

/* Names that are not the user's, each with the reason. */
static const struct {
    const char *name, *why;
} ours[] = {
    {"acks", "every replica in sync has to have a message before it counts as taken"},
    {"bootstrap.servers", "the brokers are named by the option brokers"},
    {"delivery.timeout.ms", "the option timeout decides it"},
    {"enable.idempotence", "without it a repeated request would repeat its messages"},
    {"enabled_events", "Weir waits for reports in its own way"},
    {"log.queue", "Weir does not read that queue"},
    {"message.timeout.ms", "the option timeout decides it"},
    {"metadata.broker.list", "the brokers are named by the option brokers"},
    {"plugin.library.paths", "Weir runs no code from elsewhere"},
    {"queuing.strategy", "messages keep their order"},
    {"request.required.acks", "every replica in sync has to have a message before it counts as taken"},
    {"transaction.timeout.ms", "the option timeout decides it"},
    {"transactional.id", "it tells brokers who succeeds whom"},
};

static const char *why_ours(const char *name)
{
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (strcmp(ours[i].name, name) == 0) {
            return ours[i].why;
        }
    }
    return NULL;
}

static Status set_one(rd_kafka_conf_t *conf, const char *name, const char *value, Error *reterr)
{
    char unsaid[512];
    switch (rd_kafka_conf_set(conf, name, value, unsaid, sizeof unsaid)) {
    case RD_KAFKA_CONF_OK: return STATUS_OK;
    case RD_KAFKA_CONF_UNKNOWN:
        return error_set(reterr, STATUS_REFUSED, "properties: librdkafka %s has no setting %s, or was built without it",
                         rd_kafka_version_str(), name);
    default: return error_set(reterr, STATUS_REFUSED, "properties: %s does not take this value", name);
    }
}

static bool is_name(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!islower((unsigned char)text.ptr[i]) && !isdigit((unsigned char)text.ptr[i]) && text.ptr[i] != '.' &&
            text.ptr[i] != '_') {
            return false;
        }
    }
    return text.len > 0 && text.len < PROPERTY_NAME_BYTES;
}

static Status set_property(rd_kafka_conf_t *conf, Str property, Error *reterr)
{
    Str value = property;
    Str name = str_trim(str_split(&value, '='));
    if (!value.ptr || !is_name(name)) {
        return error_set(reterr, STATUS_REFUSED, "properties: each is name=value, with a comma in between");
    }
    value = str_trim(value);
    if (value.len >= PROPERTY_VALUE_BYTES) {
        return error_set(reterr, STATUS_REFUSED, "properties: %.*s is longer than %d bytes", STR_ARGS(name),
                         PROPERTY_VALUE_BYTES - 1);
    }
    char name_text[PROPERTY_NAME_BYTES], value_text[PROPERTY_VALUE_BYTES];
    snprintf(name_text, sizeof name_text, "%.*s", STR_ARGS(name));
    snprintf(value_text, sizeof value_text, "%.*s", STR_ARGS(value));
    const char *why = why_ours(name_text);
    if (why) {
        return error_set(reterr, STATUS_REFUSED, "properties: %s cannot be set: %s", name_text, why);
    }
    return set_one(conf, name_text, value_text, reterr);
}

/* A value may have commas, as in lists and passwords; the properties are on lines then. */
static Status set_properties(rd_kafka_conf_t *conf, Str properties, Error *reterr)
{
    Status status = STATUS_OK;
    Str property;
    OptionItems items = option_items(properties);
    while (status == STATUS_OK && option_items_next(&items, &property)) {
        status = set_property(conf, property, reterr);
    }
    return status;
}

/* ---- All of them ------------------------------------------------------------------------------------------------- */

/* What a user may change. Keys go to the same partitions as with Java's clients, so that streams that they write can be joined with
 * ours. Without Nagle's algorithm a transaction's small requests do not wait for acknowledgements of the ones before. The coordinator
 * turns requests away while it still writes the markers of the transaction before, which takes some milliseconds; the default of 100
 * before the next try would be most of the time that a transaction takes. */
static Status set_defaults(rd_kafka_conf_t *conf, Error *reterr)
{
    static const char *const defaults[][2] = {{"client.id", "weir"},
                                              {"partitioner", "murmur2_random"},
                                              {"socket.nagle.disable", "true"},
                                              {"retry.backoff.ms", "10"}};
    Status status = STATUS_OK;
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults && status == STATUS_OK; i++) {
        status = set_one(conf, defaults[i][0], defaults[i][1], reterr);
    }
    return status;
}

static Status set_ours(rd_kafka_conf_t *conf, const SinkOptions *options, const KafkaNames *names, Error *reterr)
{
    char step[16];
    snprintf(step, sizeof step, "%d", kafka_step_ms(options));
    const char *const settings[][2] = {
        {"bootstrap.servers", options->brokers}, {"transactional.id", names->transactional},
        {"transaction.timeout.ms", step},        {"message.timeout.ms", step},
        {"enable.idempotence", "true"},          {"acks", "all"},
    };
    Status status = STATUS_OK;
    for (size_t i = 0; i < sizeof settings / sizeof *settings && status == STATUS_OK; i++) {
        status = set_one(conf, settings[i][0], settings[i][1], reterr);
    }
    return status;
}

Status kafka_settings_make(const SinkContext *context, const KafkaNames *names, rd_kafka_conf_t **ret_conf,
                           Error *reterr)
{
    const SinkOptions *options = context->options;
    if (str_trim(str_from(options->brokers)).len == 0) {
        return error_set(reterr, STATUS_REFUSED, "brokers: none is named; give host:port, or several with commas");
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!conf) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    Status status = set_defaults(conf, reterr);
    if (status == STATUS_OK) {
        status = set_properties(conf, str_from(options->properties), reterr);
    }
    if (status == STATUS_OK) {
        status = set_ours(conf, options, names, reterr);
    }
    if (status != STATUS_OK) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    *ret_conf = conf;
    return STATUS_OK;
}
