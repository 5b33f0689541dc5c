#include "intake/source.h"

const char *const source_type_names[SOURCE_TYPE_COUNT] = {
    [SOURCE_KAFKA] = "kafka", [SOURCE_REDIS] = "redis", [SOURCE_FILES] = "files"};

static Status (*const openers[SOURCE_TYPE_COUNT])(const SourceContext *context, Source **ret_source, Error *reterr) = {
    [SOURCE_KAFKA] = source_kafka_open,
    [SOURCE_REDIS] = source_redis_open,
    [SOURCE_FILES] = source_files_open,
};

Status source_open(const SourceContext *context, Source **ret_source, Error *reterr)
{
    return openers[context->options->type](context, ret_source, reterr);
}

void source_close(Source *source)
{
    if (source) {
        source->ops->close(source);
    }
}
