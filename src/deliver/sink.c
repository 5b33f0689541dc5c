#include "deliver/sink.h"

#include <stdio.h>

const char *const sink_type_names[SINK_TYPE_COUNT] = {
    [SINK_WEBHOOK] = "webhook", [SINK_KAFKA] = "kafka", [SINK_REDIS] = "redis"};

static Status (*const openers[SINK_TYPE_COUNT])(const SinkContext *context, Sink **ret_sink, Error *reterr) = {
    [SINK_WEBHOOK] = sink_webhook_open,
    [SINK_KAFKA] = sink_kafka_open,
    [SINK_REDIS] = sink_redis_open,
};

void sink_option_name(const SinkOptions *options, const char *option, char ret_name[SINK_OPTION_NAME_BYTES_MAX])
{
    if (options->section) {
        snprintf(ret_name, SINK_OPTION_NAME_BYTES_MAX, "%s.%s", options->section, option);
    } else {
        snprintf(ret_name, SINK_OPTION_NAME_BYTES_MAX, "sinks.%s.%s", options->name, option);
    }
}

Status sink_open(const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    return openers[context->options->type](context, ret_sink, reterr);
}

void sink_close(Sink *sink)
{
    if (sink) {
        sink->ops->close(sink);
    }
}
