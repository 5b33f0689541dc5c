#include "deliver/kafka_settings.h"

#include "broker/kafka_properties.h"

/* ---- Names ------------------------------------------------------------------------------------------------------- */

void kafka_names_make(const SinkContext *context, KafkaNames *ret_names)
{
    const StoreInfo *info = context->info;
    *str_put_hex(ret_names->store, info->id, sizeof info->id) = '\0';
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

/* ---- Settings ---------------------------------------------------------------------------------------------------- */

/* Names that are not the user's, each with the reason. */
static const KafkaReserved ours[] = {
    {"acks", "every replica in sync has to have a message before it counts as taken"},
    {"delivery.timeout.ms", "the option timeout decides it"},
    {"enable.idempotence", "without it a repeated request would repeat its messages"},
    {"message.timeout.ms", "the option timeout decides it"},
    {"queuing.strategy", "messages keep their order"},
    {"request.required.acks", "every replica in sync has to have a message before it counts as taken"},
    {"transaction.timeout.ms", "the option timeout decides it"},
    {"transactional.id", "it tells brokers who succeeds whom"},
};

/* What a user may change. Keys go to the same partitions as with Java's clients, so that streams that they write can be
 * joined with ours. Without Nagle's algorithm a transaction's small requests do not wait for acknowledgements of the
 * ones before. The coordinator turns requests away while it still writes the markers of the transaction before, which
 * takes some milliseconds; the default of 100 before the next try would be most of the time that a transaction
 * takes. */
static const KafkaSetting defaults[] = {
    {"client.id", "weir"},
    {"partitioner", "murmur2_random"},
    {"socket.nagle.disable", "true"},
    {"retry.backoff.ms", "10"},
};

static Status set_ours(rd_kafka_conf_t *conf, const SinkOptions *options, const KafkaNames *names, Error *reterr)
{
    char step[16];
    snprintf(step, sizeof step, "%d", kafka_step_ms(options));
    const KafkaSetting settings[] = {
        {"bootstrap.servers", options->brokers}, {"transactional.id", names->transactional},
        {"transaction.timeout.ms", step},        {"message.timeout.ms", step},
        {"enable.idempotence", "true"},          {"acks", "all"},
    };
    return kafka_settings_put(conf, settings, sizeof settings / sizeof *settings, reterr);
}

Status kafka_settings_make(const SinkContext *context, const KafkaNames *names, rd_kafka_conf_t **ret_conf,
                           Error *reterr)
{
    const SinkOptions *options = context->options;
    Status status = kafka_brokers_check(options->brokers, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!conf) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    status = kafka_settings_put(conf, defaults, sizeof defaults / sizeof *defaults, reterr);
    if (status == STATUS_OK) {
        status = kafka_properties_put(conf, str_from(options->properties), ours, sizeof ours / sizeof *ours, reterr);
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
