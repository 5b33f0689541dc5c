/* CloudEvents 1.0 (https://github.com/cloudevents/spec, JSON format, HTTP and Kafka bindings): the event's data is the
 * record, its other attributes are checked and left. */
#ifndef WEIR_RECORD_CLOUDEVENTS_H
#define WEIR_RECORD_CLOUDEVENTS_H

#include <yyjson.h>

#include "base/str.h"
#include "record/record_json.h"

/* The data of a structured event and its traceparent, if it has one. REFUSED with `problems` filled (which is reset
 * first), BUSY without memory to check it. */
Status cloudevent_open(yyjson_val *event, const RecordPolicy *policy, yyjson_val **ret_data, Str *ret_traceparent,
                       RecordProblems *problems) MUST_CHECK;

/* The headers of an event in binary mode. NULL when they will do, else what is wrong. */
const char *cloudevent_check_headers(Str specversion, Str id, Str source, Str type);

#endif
