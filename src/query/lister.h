/* Records in order of time, filtered: a list, or the records of an aggregate, in steps.
 *
 * It walks the index by time and fetches rows. Where the filter picks few of them, that is slow (a row here and a row
 * there), and it scans the log instead, from front to back, keeping the earliest places that match; then it fetches
 * just those. It changes over when the walk has cost about as much as a scan would: so it never takes much more than
 * twice as long as the better way.
 *
 * The records of one flow it finds along their chain, when that is shorter than the walk: it keeps their places as a
 * scan does. */
#ifndef WEIR_QUERY_LISTER_H
#define WEIR_QUERY_LISTER_H

#include "query/filter.h"
#include "query/task.h"

#define LISTER_NO_LIMIT UINT64_MAX

/* The smallest places so far, the largest of them on top. */
typedef struct PlaceHeap {
    TimePosition *places; /* owns */
    size_t count, cap;
} PlaceHeap;

typedef struct Lister {
    const Filter *filter; /* borrows until lister_release */
    bool descending;
    int64_t bound;    /* entries behind it are left out */
    TimePosition at;  /* everything up to here has been dealt with */
    TimePosition end; /* exclusive */
    uint64_t left;    /* records still to hand out */
    bool more;        /* when done: whether a further record matches */

    enum { LISTER_BEGIN, LISTER_CHAIN, LISTER_WALK, LISTER_SCAN, LISTER_FETCH, LISTER_DONE } state;
    uint64_t examined, matched; /* by the walk, since it began or was last weighed against a scan */
    PlaceHeap heap;
    int64_t chained; /* the next record of the flow's chain, 0 at its end */
    int64_t scanned; /* the log up to here */
    uint64_t found;  /* by the scan or the chain, the places that the heap had no room for too */
    size_t fetched;  /* of the heap's places */
} Lister;

/* Begins behind `at`, or at the filter's beginning when it is NULL. */
void lister_init(Lister *lister, const Filter *filter, bool descending, int64_t bound, uint64_t limit,
                 const TimePosition *at);
void lister_release(Lister *lister);

/* Hands matching records to `put` until it answers false (it has taken the record then), the time is up or all is
 * done. */
Status lister_step(Lister *lister, QueryStep *step, RecordVisitor *put, void *context, bool *ret_done,
                   Error *reterr) MUST_CHECK;

#endif
