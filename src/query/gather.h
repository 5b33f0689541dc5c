/* Fills groups with what a filter matches, the cheapest way there is, in steps.
 *
 * Rollups, when the groups and the filter speak of nothing but time, destination, type and unit: a plan of whole days and hours, rows
 * for the edges, and a scan of the log behind the rollups. Rows by time, when the range of time is a small part of the log.
 * Otherwise a scan of the log. All three give the same totals.
 *
 * Rollups cover the log up to a sequence that moves on while a query runs, and each step that reads them looks at the store
 * anew. So every piece read is kept as a *cover*: this stretch of time, added or taken away, up to this sequence. In the end a
 * scan of the log, from the lowest of the sequences on, compares for each row what is wanted with what the covers have. */
#ifndef WEIR_QUERY_GATHER_H
#define WEIR_QUERY_GATHER_H

#include "query/filter.h"
#include "query/groups.h"
#include "query/plan.h"
#include "query/task.h"
#include "query/window.h"

/* A stretch of time whose rows up to `through` have been counted, `sign` times. */
typedef struct Cover {
    int64_t from_us, to_us; /* half open */
    int sign;
    int64_t through;
} Cover;
enum { COVERS_MAX = 1024 };

typedef struct Gather {
    const Filter *filter; /* borrows until the last step, as do groups and window */
    Groups *groups;
    Window *window;   /* NULL for none */
    WindowKind kind;  /* of the window */
    bool extremes;    /* smallest or largest values are wanted, so that nothing may be taken away */
    bool percentiles; /* wanted: rollups do not have them */
    int64_t bound;    /* the log up to here; 0: what the last look at the rollups saw, and then filled in */

    enum { GATHER_CHOOSE, GATHER_ROLLUPS, GATHER_ROWS, GATHER_SCAN } state;
    Plan plan;
    size_t piece;    /* of the plan: the next to read */
    int64_t from_us; /* of that piece: rollups before it have been read; INT64_MIN at its beginning */
    TimePosition at; /* of a piece of rows: done up to here */
    Cover *covers;   /* owns */
    size_t cover_count;
    int64_t scanned, scan_through;
} Gather;

/* REFUSED when the groups' ceiling is reached. */
Status gather_step(Gather *gather, QueryStep *step, bool *ret_done, Error *reterr) MUST_CHECK;
void gather_release(Gather *gather);

#endif
