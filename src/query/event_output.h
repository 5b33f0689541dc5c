/* Records that came from events, and groups of them, as their clients know them: client, metric, and amounts with a
 * sign. */
#ifndef WEIR_QUERY_EVENT_OUTPUT_H
#define WEIR_QUERY_EVENT_OUTPUT_H

#include "query/groups.h"
#include "query/record_output.h"

extern const RecordShape event_shape;

/* Of groups whose columns are those of a client, of a metric, or both, then the unit, then the type: a group is the
 * cells that are equal in all but the type, two at most. */
typedef struct EventGroupOutput {
    Groups *groups; /* sorted; borrows */
    bool windowed;
    unsigned measures; /* bits by Measure */
    unsigned scale;
    size_t next; /* the first cell not yet written */
} EventGroupOutput;

static inline bool event_group_more(const EventGroupOutput *output)
{
    return output->next < groups_cell_count(output->groups);
}

/* The next group. */
void event_group_put_json(EventGroupOutput *output, Buf *buf);
void event_group_put_csv_header(const EventGroupOutput *output, Buf *buf);
void event_group_put_csv(EventGroupOutput *output, Buf *buf);

#endif
