/* Fills groups with what a filter matches, the cheapest way there is, in steps.
 *
 * Rollups, when the groups and the filter speak of nothing but time, destination, type and unit: a plan of whole days and hours, rows
 * for the edges, and a scan of the log behind the rollups. Rows by time, when the range of time is a small part of the log.
 * Otherwise a scan of the log. All three give the same totals. */
#ifndef WEIR_QUERY_GATHER_H
#define WEIR_QUERY_GATHER_H

#include "query/filter.h"
#include "query/groups.h"
#include "query/plan.h"
#include "query/task.h"
#include "query/window.h"

typedef struct Gather {
    const Filter *filter; /* borrows until the last step, as do groups and window */
    Groups *groups;
    Window *window;   /* NULL for none */
    WindowKind kind;  /* of the window */
    bool extremes;    /* smallest or largest values are wanted, so that nothing may be taken away */
    bool percentiles; /* wanted: rollups do not have them */
    int64_t bound;    /* the log up to here; 0: up to the view's bound, which the first step fills in */

    bool planned;
    Plan plan;
    size_t piece;         /* the plan's next piece; rollups are done in the first step */
    TimePosition at;      /* of a piece of rows: done up to here */
    int64_t rows_through; /* rows behind it are left to the scan */
    int64_t scanned, scan_through;
    int scan_sign;
} Gather;

/* REFUSED when the groups' ceiling is reached. */
Status gather_step(Gather *gather, QueryStep *step, bool *ret_done, Error *reterr) MUST_CHECK;

#endif
