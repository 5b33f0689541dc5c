/* Where the parts of an event are: one walk over its keys. Internal to the folder. */
#ifndef WEIR_RECORD_EVENT_FIND_H
#define WEIR_RECORD_EVENT_FIND_H

#include "record/mapping_plan.h"
#include "record/record_json.h"

/* What is at a path; `value` is NULL where nothing is. */
typedef struct EventField {
    yyjson_val *value;
    uint16_t node; /* of the plan */
} EventField;

typedef struct EventFields {
    const Mapping *mapping;
    const MappingPlan *plan;
    EventField parts[EVENT_PART_COUNT];
    EventField extra[MAPPING_PATHS_MAX]; /* as far as the mapping has them */
    bool is_odd; /* there is more in the event than was taken, or a key twice: event_fields_report() says what */
} EventFields;

/* Takes the best of the paths at which there is something. The event is an object. */
void event_fields_find(yyjson_val *event, const Mapping *mapping, EventFields *ret_fields);

/* What no path names, and what is at a path but was not taken, as unknown fields; keys given twice as problems. BUSY
 * without memory. */
Status event_fields_report(yyjson_val *event, const EventFields *fields, const RecordPolicy *policy, Arena *arena,
                           RecordProblems *problems) MUST_CHECK;

#endif
