#include "query/plan.h"

/* Where the rollups begin and end. Each bound may lie outside of the range (its piece is then taken away) or inside. */
typedef struct Bounds {
    int64_t from_us, to_us;
} Bounds;

int64_t plan_unit_us(PieceKind kind)
{
    return kind == PIECE_WEEKS ? PLAN_WEEK_US : kind == PIECE_DAYS ? PLAN_DAY_US : PLAN_HOUR_US;
}

/* Weeks begin on Monday, and 1970 began on a Thursday. */
static int64_t offset_of(PieceKind kind) { return kind == PIECE_WEEKS ? 3 * PLAN_DAY_US : 0; }

int64_t plan_bucket(PieceKind kind, int64_t us)
{
    int64_t unit_us = plan_unit_us(kind), from_us = us + offset_of(kind);
    return from_us / unit_us - (from_us % unit_us < 0);
}

int64_t plan_bucket_start(PieceKind kind, int64_t bucket) { return bucket * plan_unit_us(kind) - offset_of(kind); }

static int64_t round_down(int64_t us, PieceKind kind) { return plan_bucket_start(kind, plan_bucket(kind, us)); }

static int64_t round_up(int64_t us, PieceKind kind)
{
    int64_t down = round_down(us, kind);
    return down == us ? us : down + plan_unit_us(kind);
}

static uint64_t estimate(const PlanNeeds *needs, int64_t a_us, int64_t b_us)
{
    int64_t from_us = a_us < b_us ? a_us : b_us, to_us = a_us < b_us ? b_us : a_us;
    return from_us == to_us ? 0 : needs->estimate_rows(needs->self, from_us, to_us);
}

/* The hour that is cheaper to reach from `us`. */
static int64_t choose_hour(const PlanNeeds *needs, int64_t us, bool inwards_is_up, uint64_t *ret_rows)
{
    int64_t up = round_up(us, PIECE_HOURS), down = round_down(us, PIECE_HOURS);
    int64_t inwards = inwards_is_up ? up : down, outwards = inwards_is_up ? down : up;
    uint64_t inner = estimate(needs, us, inwards);
    uint64_t outer = needs->may_subtract ? estimate(needs, us, outwards) : UINT64_MAX;
    *ret_rows = inner <= outer ? inner : outer;
    return inner <= outer ? inwards : outwards;
}

/* The bound of longer rollups that is nearer to `us`. */
static int64_t choose_bound(const PlanNeeds *needs, PieceKind kind, int64_t us, bool inwards_is_up)
{
    int64_t up = round_up(us, kind), down = round_down(us, kind);
    int64_t inwards = inwards_is_up ? up : down, outwards = inwards_is_up ? down : up;
    int64_t inner = inwards_is_up ? up - us : us - down, outer = plan_unit_us(kind) - inner;
    return needs->may_subtract && outer < inner ? outwards : inwards;
}

static void add(Plan *plan, PieceKind kind, int64_t from_us, int64_t to_us)
{
    if (from_us < to_us) {
        plan->pieces[plan->count++] = (PlanPiece){kind, 1, from_us, to_us};
    } else if (from_us > to_us) {
        plan->pieces[plan->count++] = (PlanPiece){kind, -1, to_us, from_us};
    }
}

static int64_t distance(int64_t a, int64_t b) { return a < b ? b - a : a - b; }

/* Whole rollups of one kind, with longer ones in their middle where that is fewer to read. */
static void add_rollups(Plan *plan, const PlanNeeds *needs, PieceKind kind, Bounds bounds)
{
    PieceKind longer = kind + 1;
    if (kind < needs->coarsest) {
        int64_t unit_us = plan_unit_us(kind);
        Bounds middle = {choose_bound(needs, longer, bounds.from_us, true),
                         choose_bound(needs, longer, bounds.to_us, false)};
        int64_t edges = (distance(bounds.from_us, middle.from_us) + distance(bounds.to_us, middle.to_us)) / unit_us;
        int64_t inside = (middle.to_us - middle.from_us) / plan_unit_us(longer);
        if (inside > 0 && edges + inside < (bounds.to_us - bounds.from_us) / unit_us) {
            add(plan, kind, bounds.from_us, middle.from_us);
            add_rollups(plan, needs, longer, middle);
            add(plan, kind, middle.to_us, bounds.to_us);
            return;
        }
    }
    add(plan, kind, bounds.from_us, bounds.to_us);
}

void plan_make(Plan *plan, const PlanNeeds *needs)
{
    uint64_t rows_before, rows_behind;
    Bounds hours;
    plan->count = 0;
    hours.from_us = choose_hour(needs, needs->from_us, true, &rows_before);
    hours.to_us = choose_hour(needs, needs->to_us, false, &rows_behind);
    if (hours.from_us >= hours.to_us || estimate(needs, needs->from_us, needs->to_us) <= rows_before + rows_behind) {
        add(plan, PIECE_ROWS, needs->from_us, needs->to_us);
        return;
    }
    add_rollups(plan, needs, PIECE_HOURS, hours);
    add(plan, PIECE_ROWS, needs->from_us, hours.from_us);
    add(plan, PIECE_ROWS, hours.to_us, needs->to_us);
}
