#include "query/plan.h"

/* Where the rollups begin and end. Each bound may lie outside of the range (its piece is then taken away) or inside. */
typedef struct Bounds {
    int64_t from_us, to_us;
} Bounds;

static int64_t round_down(int64_t us, int64_t unit_us)
{
    int64_t rest = us % unit_us;
    return us - (rest < 0 ? rest + unit_us : rest);
}

static int64_t round_up(int64_t us, int64_t unit_us)
{
    int64_t down = round_down(us, unit_us);
    return down == us ? us : down + unit_us;
}

static uint64_t estimate(const PlanNeeds *needs, int64_t a_us, int64_t b_us)
{
    int64_t from_us = a_us < b_us ? a_us : b_us, to_us = a_us < b_us ? b_us : a_us;
    return from_us == to_us ? 0 : needs->estimate_rows(needs->self, from_us, to_us);
}

/* The hour that is cheaper to reach from `us`. */
static int64_t choose_hour(const PlanNeeds *needs, int64_t us, bool inwards_is_up, uint64_t *ret_rows)
{
    int64_t up = round_up(us, PLAN_HOUR_US), down = round_down(us, PLAN_HOUR_US);
    int64_t inwards = inwards_is_up ? up : down, outwards = inwards_is_up ? down : up;
    uint64_t inner = estimate(needs, us, inwards);
    uint64_t outer = needs->may_subtract ? estimate(needs, us, outwards) : UINT64_MAX;
    *ret_rows = inner <= outer ? inner : outer;
    return inner <= outer ? inwards : outwards;
}

static int64_t choose_day(const PlanNeeds *needs, int64_t us, bool inwards_is_up)
{
    int64_t up = round_up(us, PLAN_DAY_US), down = round_down(us, PLAN_DAY_US);
    int64_t inwards = inwards_is_up ? up : down, outwards = inwards_is_up ? down : up;
    int64_t inner = inwards_is_up ? up - us : us - down, outer = PLAN_DAY_US - inner;
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

/* Whole hours, by days where that is fewer buckets to read. */
static void add_hours(Plan *plan, const PlanNeeds *needs, Bounds hours)
{
    Bounds days = {choose_day(needs, hours.from_us, true), choose_day(needs, hours.to_us, false)};
    int64_t edges_us = (days.from_us > hours.from_us ? days.from_us - hours.from_us : hours.from_us - days.from_us) +
                       (days.to_us > hours.to_us ? days.to_us - hours.to_us : hours.to_us - days.to_us);
    if (!needs->use_days || days.from_us >= days.to_us || edges_us >= hours.to_us - hours.from_us) {
        add(plan, PIECE_HOURS, hours.from_us, hours.to_us);
        return;
    }
    add(plan, PIECE_HOURS, hours.from_us, days.from_us);
    add(plan, PIECE_DAYS, days.from_us, days.to_us);
    add(plan, PIECE_HOURS, days.to_us, hours.to_us);
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
    add_hours(plan, needs, hours);
    add(plan, PIECE_ROWS, needs->from_us, hours.from_us);
    add(plan, PIECE_ROWS, hours.to_us, needs->to_us);
}
