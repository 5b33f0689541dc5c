/* How to cover a range of time with rollups of whole weeks, days and hours, and rows for the rest. Arithmetic only.
 *
 * What is wanted is [from, to). An end that is not on an hour is met by rows on one of its sides: those between it and
 * the next hour inwards are added, or the hour around it is taken whole and those outwards are taken away, whichever
 * are fewer. An hour that is not on a day likewise, and a day that is not on a week. Smallest and largest values cannot
 * be taken away; then everything is added. */
#ifndef WEIR_QUERY_PLAN_H
#define WEIR_QUERY_PLAN_H

#include "base/str.h"

typedef enum PieceKind { PIECE_ROWS, PIECE_HOURS, PIECE_DAYS, PIECE_WEEKS } PieceKind;

#define PLAN_HOUR_US INT64_C(3600000000)
#define PLAN_DAY_US  (24 * PLAN_HOUR_US)
#define PLAN_WEEK_US (7 * PLAN_DAY_US)

/* Rollups' buckets: their length, the one that holds an instant, and where one begins (as store.h numbers them). */
int64_t plan_unit_us(PieceKind kind);
int64_t plan_bucket(PieceKind kind, int64_t us);
int64_t plan_bucket_start(PieceKind kind, int64_t bucket);

typedef struct PlanPiece {
    PieceKind kind;
    int sign;               /* 1 add, -1 take away */
    int64_t from_us, to_us; /* half open, not empty; on the kind's units */
} PlanPiece;

enum { PLAN_PIECES_MAX = 7 };
typedef struct Plan {
    PlanPiece pieces[PLAN_PIECES_MAX];
    size_t count;
} Plan;

typedef struct PlanNeeds {
    int64_t from_us, to_us; /* half open, not empty */
    PieceKind coarsest;     /* the longest rollups that may be used, hours at least */
    bool may_subtract;
    /* About how many rows lie in [from, to). */
    uint64_t (*estimate_rows)(void *self, int64_t from_us, int64_t to_us);
    void *self;
} PlanNeeds;

void plan_make(Plan *plan, const PlanNeeds *needs);

#endif
