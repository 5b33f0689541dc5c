/* What all queries share: the look at the store that a step takes, and its time. */
#ifndef WEIR_QUERY_TASK_H
#define WEIR_QUERY_TASK_H

#include "query/query.h"

/* One call of query_step. */
typedef struct QueryStep {
    Query *query;
    StoreReader *reader; /* usable between step_look and step_look_away */
    StoreView *view;
    bool looking;
    Buf *out;
    size_t out_enough; /* out->len at which the step has appended what was wanted */
    int64_t deadline_us;
    unsigned until_clock; /* calls of step_is_over before it looks at the clock again */
} QueryStep;

/* The first member of every kind of query. */
struct Query {
    QueryOptions options;
    Arena arena;     /* the parameters' texts */
    StoreView *view; /* owns; NULL before the first look */
    /* Goes on until enough was appended or the time is up; both are the kind's to look at. */
    Status (*step)(Query *query, QueryStep *step, bool *ret_done, Error *reterr);
    /* Releases what the kind owns, not the Query itself. */
    void (*release)(Query *query);
};

/* A zeroed object of `bytes` that begins with a Query; NULL without memory. Free with query_free. */
void *query_alloc(size_t bytes, const QueryOptions *options);

/* Opens the look at the store, if it is not open: in the view that the query's first look began. Long work that needs
 * no store closes it first, so as not to keep the WAL from being reused; when that is not OK, what was read counts for
 * nothing (reader_check). */
Status step_look(QueryStep *step, Error *reterr) MUST_CHECK;
Status step_look_away(QueryStep *step, Error *reterr) MUST_CHECK;

/* Cheap enough to ask for every row. */
bool step_is_over(QueryStep *step);
/* For work in pieces of some milliseconds. */
bool step_time_is_up(const QueryStep *step);
static inline bool step_has_enough(const QueryStep *step)
{
    return step->out->len >= step->out_enough || step->out->failed;
}

#endif
