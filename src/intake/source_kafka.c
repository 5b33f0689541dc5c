#include "intake/source.h"

Status source_kafka_open(const SourceContext *context, Source **ret_source, Error *reterr)
{
    (void)context;
    (void)ret_source;
    return error_set(reterr, STATUS_REFUSED, "this kind of source is not in this build");
}
