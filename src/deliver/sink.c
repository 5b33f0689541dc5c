#include "deliver/sink.h"

const char *const sink_type_names[SINK_TYPE_COUNT] = {
    [SINK_WEBHOOK] = "webhook", [SINK_KAFKA] = "kafka", [SINK_REDIS] = "redis"};

static Status (*const openers[SINK_TYPE_COUNT])(const SinkContext *context, Sink **ret_sink, Error *reterr) = {
    [SINK_KAFKA] = sink_kafka_open,
    [SINK_REDIS] = sink_redis_open,
};

Status sink_open(const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    const SinkOptions *options = context->options;
    if (!openers[options->type]) {
        return error_set(reterr, STATUS_REFUSED, "sinks.%s.type: this build cannot send to %s", options->name,
                         sink_type_names[options->type]);
    }
    return openers[options->type](context, ret_sink, reterr);
}

void sink_close(Sink *sink)
{
    if (sink) {
        sink->ops->close(sink);
    }
}
