/* Fills groups with what a filter matches, the cheapest way there is, in steps, all of them in the view that the first
 * one began.
 *
 * First the *pieces*, stretches of time that count the log up to a sequence. Rollups and the rows of the edges, when
 * the groups and the filter speak of nothing but time, destination, type and unit (plan.h); the rows of the whole
 * range, when that is a small part of the log; else none. Then a scan of the log from there to the bound. All three
 * give the same totals. */
#ifndef WEIR_QUERY_GATHER_H
#define WEIR_QUERY_GATHER_H

#include "query/filter.h"
#include "query/groups.h"
#include "query/plan.h"
#include "query/seq_set.h"
#include "query/task.h"
#include "query/window.h"

typedef struct Gather {
    const Filter *filter; /* borrows until the last step, as do groups and window */
    Groups *groups;
    Window *window;   /* NULL for none */
    WindowKind kind;  /* of the window */
    bool extremes;    /* smallest or largest values are wanted, so that nothing may be taken away */
    bool percentiles; /* wanted: rollups do not have them */
    /* records that do not count, which rollups know nothing of; NULL: all do. Borrows likewise */
    const SeqSet *left_out;
    int64_t bound; /* the log up to here; 0: as far as the view sees, and then filled in */

    bool planned;
    Plan plan;
    size_t piece;    /* of the plan: the next to read */
    TimePosition at; /* that piece has been read up to here; rollups: up to the bucket that begins here */
    int64_t covered; /* what the pieces count, the log up to here; may lie behind the bound */
    int64_t scanned; /* the log between covered and bound, up to here */
} Gather;

/* REFUSED when the groups' ceiling is reached. */
Status gather_step(Gather *gather, QueryStep *step, bool *ret_done, Error *reterr) MUST_CHECK;

#endif
