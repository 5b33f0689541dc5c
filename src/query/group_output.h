/* Groups as JSON, NDJSON and CSV. */
#ifndef WEIR_QUERY_GROUP_OUTPUT_H
#define WEIR_QUERY_GROUP_OUTPUT_H

#include "query/groups.h"
#include "query/query.h"
#include "query/request.h"

typedef struct GroupOutput {
    Groups *groups;   /* sorted; borrows */
    size_t key_count; /* of the columns: a group is the cells that are equal in the window and in so many */
    bool windowed;
    unsigned measures;
    unsigned scale;
    size_t next;      /* the first cell not yet written */
    size_t group_end; /* of the group that next belongs to, when a part of it is written */
} GroupOutput;

/* Whether there are groups left to write. */
bool group_output_more(const GroupOutput *output);

/* The next group as a JSON object, or a piece of one that has many units: true when the object is complete. */
bool group_output_json(GroupOutput *output, Buf *buf);

/* The line of names, and the next cell (a group and a unit) as a line. */
void group_output_csv_header(const GroupOutput *output, Buf *buf);
void group_output_csv(GroupOutput *output, Buf *buf);

#endif
