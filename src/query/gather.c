#include "query/gather.h"

enum {
    ROW_COST = 8, /* a row fetched by its time costs as much as so many scanned */
    CORRECTION_SHARE =
        4 /* a page of an older bound takes away at most a fourth of the log before it scans all instead */
};

/* One gather_step, for its visitors. */
typedef struct Gathering {
    Gather *gather;
    QueryStep *step;
    Filter
        any_time; /* the filter without its range: a piece may lie outside of it, to be taken away from a whole hour */
    int sign;
    RollupLevel level;
    bool stopped;   /* by the time, to go on later */
    bool full;      /* the groups' ceiling is reached */
    bool straddles; /* a rollup belongs to two windows */
} Gathering;

static int64_t window_of(const Gather *gather, int64_t time_us)
{
    return gather->window ? window_start(gather->window, time_us) : 0;
}

static uint32_t fields_of(const Gather *gather)
{
    return filter_fields(gather->filter) | groups_fields(gather->groups) | (gather->window ? FIELD_TIME : 0u);
}

/* ---- The choice -------------------------------------------------------------------------------------------------- */

static bool rollups_can_answer(const Gather *gather)
{
    const Filter *filter = gather->filter;
    bool can = !gather->percentiles && filter->source_id.len == 0 && filter->reference.len == 0 &&
               gather->kind != WINDOW_MINUTE;
    for (size_t i = 0; i < groups_column_count(gather->groups); i++) {
        GroupKey key = groups_column(gather->groups, i);
        can &= key == KEY_DESTINATION_ID || key == KEY_TYPE || key == KEY_UNIT;
    }
    return can;
}

/* The rollups cover the log up to a sequence of their own; what came later is added by a scan, and what came after an older bound
 * is taken away by one. */
static bool rollups_are_near(const Gather *gather, int64_t rollup_seq)
{
    int64_t behind = rollup_seq - gather->bound;
    return behind <= 0 || (!gather->extremes && behind <= gather->bound / CORRECTION_SHARE);
}

/* The estimate counts the whole log behind the index, whatever the range; that part is the same everywhere, and says nothing. */
static uint64_t estimate_rows(void *view, int64_t from_us, int64_t to_us)
{
    TimePosition from = {from_us, 0}, to = {to_us, 0};
    return view_estimate_times(view, from, to) - view_estimate_times(view, from, from);
}

static void plan_scan(Gather *gather)
{
    gather->plan.count = 0;
    gather->scanned = 0;
    gather->scan_through = gather->bound;
    gather->scan_sign = 1;
}

static void plan_rollups(Gather *gather, StoreView *view)
{
    PlanNeeds needs = {.from_us = gather->filter->start_us,
                       .to_us = gather->filter->end_us + 1,
                       .use_days = !gather->window || window_holds_utc_days(gather->window),
                       .may_subtract = !gather->extremes,
                       .estimate_rows = estimate_rows,
                       .self = view};
    int64_t seq = view_rollup_seq(view);
    bool behind = seq > gather->bound;
    plan_make(&gather->plan, &needs);
    gather->rows_through = seq;
    gather->scanned = behind ? gather->bound : seq;
    gather->scan_through = behind ? seq : gather->bound;
    gather->scan_sign = behind ? -1 : 1;
}

static void plan_rows(Gather *gather)
{
    plan_scan(gather);
    gather->plan.pieces[gather->plan.count++] =
        (PlanPiece){PIECE_ROWS, 1, gather->filter->start_us, gather->filter->end_us + 1};
    gather->rows_through = gather->bound;
    gather->scanned = gather->bound;
}

static void choose_without_rollups(Gather *gather, StoreView *view)
{
    TimePosition from = {gather->filter->start_us, 0}, to = {gather->filter->end_us, INT64_MAX};
    if (view_estimate_times(view, from, to) < (uint64_t)gather->bound / ROW_COST) {
        plan_rows(gather);
    } else {
        plan_scan(gather);
    }
}

static void choose(Gather *gather, QueryStep *step)
{
    if (gather->bound == 0 || gather->bound > view_bound(step->view)) {
        gather->bound = view_bound(step->view);
    }
    if (step->first_look && rollups_can_answer(gather) && rollups_are_near(gather, view_rollup_seq(step->view))) {
        plan_rollups(gather, step->view);
    } else {
        choose_without_rollups(gather, step->view);
    }
}

/* ---- The pieces -------------------------------------------------------------------------------------------------- */

static bool visit_rollup(void *context, const Rollup *rollup)
{
    Gathering *gathering = context;
    Gather *gather = gathering->gather;
    int64_t unit_us = gathering->level == ROLLUP_DAY ? PLAN_DAY_US : PLAN_HOUR_US;
    int64_t start_us = rollup->bucket * unit_us;
    Record keys = {
        .destination_id = rollup->destination_id, .unit = rollup->unit, .type = rollup->type, .time_us = start_us};
    if (!filter_matches(&gathering->any_time, &keys)) {
        return true;
    }
    int64_t window = window_of(gather, start_us);
    if (window != window_of(gather, start_us + unit_us - 1)) {
        gathering->straddles = true;
        return false;
    }
    GroupAmount amount = {rollup->count, rollup->sum, rollup->min, rollup->max};
    gathering->full = !groups_add_amount(gather->groups, window, &keys, &amount, gathering->sign);
    return !gathering->full;
}

static Status read_rollups(Gathering *gathering, const PlanPiece *piece, Error *reterr)
{
    int64_t unit_us = piece->kind == PIECE_DAYS ? PLAN_DAY_US : PLAN_HOUR_US;
    gathering->level = piece->kind == PIECE_DAYS ? ROLLUP_DAY : ROLLUP_HOUR;
    gathering->sign = piece->sign;
    return reader_rollups(gathering->step->reader, gathering->level, piece->from_us / unit_us, piece->to_us / unit_us,
                          visit_rollup, gathering, reterr);
}

/* Reads all pieces that are rollups at once: they can only be read in the transaction that began the view. */
static Status read_all_rollups(Gathering *gathering, Error *reterr)
{
    Gather *gather = gathering->gather;
    Status status = STATUS_OK;
    size_t rows = 0;
    for (size_t i = 0; i < gather->plan.count && status == STATUS_OK; i++) {
        const PlanPiece piece = gather->plan.pieces[i];
        if (piece.kind == PIECE_ROWS) {
            gather->plan.pieces[rows++] = piece;
        } else if (!gathering->full && !gathering->straddles) {
            status = read_rollups(gathering, &piece, reterr);
        }
    }
    gather->plan.count = rows;
    return status;
}

static bool add_row(Gathering *gathering, const StoredRecord *stored)
{
    Gather *gather = gathering->gather;
    int64_t window = window_of(gather, stored->record.time_us);
    gathering->full = !groups_add_record(gather->groups, window, &stored->record, gathering->sign);
    return !gathering->full;
}

static bool visit_row(void *context, const StoredRecord *stored)
{
    Gathering *gathering = context;
    Gather *gather = gathering->gather;
    gather->at = (TimePosition){stored->record.time_us, stored->seq};
    if (stored->seq <= gather->rows_through && filter_matches(&gathering->any_time, &stored->record) &&
        !add_row(gathering, stored)) {
        return false;
    }
    gathering->stopped = step_is_over(gathering->step);
    return !gathering->stopped;
}

static Status read_rows(Gathering *gathering, Error *reterr)
{
    Gather *gather = gathering->gather;
    Status status = STATUS_OK;
    while (status == STATUS_OK && gather->piece < gather->plan.count && !gathering->stopped && !gathering->full) {
        const PlanPiece *piece = &gather->plan.pieces[gather->piece];
        TimePosition from = {piece->from_us, 0}, to = {piece->to_us, 0};
        bool resumed = gather->at.seq > 0;
        gathering->sign = piece->sign;
        status = reader_walk_times(gathering->step->reader, resumed ? gather->at : from, to,
                                   fields_of(gather) | FIELD_TIME, visit_row, gathering, reterr);
        if (!gathering->stopped) {
            gather->piece++;
            gather->at = (TimePosition){0, 0};
        }
    }
    return status;
}

static bool visit_scanned(void *context, const StoredRecord *stored)
{
    Gathering *gathering = context;
    gathering->gather->scanned = stored->seq;
    if (filter_matches(gathering->gather->filter, &stored->record) && !add_row(gathering, stored)) {
        return false;
    }
    gathering->stopped = step_is_over(gathering->step);
    return !gathering->stopped;
}

static Status scan(Gathering *gathering, Error *reterr)
{
    Gather *gather = gathering->gather;
    gathering->sign = gather->scan_sign;
    if (gather->scanned >= gather->scan_through) {
        return STATUS_OK;
    }
    return reader_scan(gathering->step->reader, gather->scanned, gather->scan_through, fields_of(gather), visit_scanned,
                       gathering, reterr);
}

static Status begin(Gathering *gathering, Error *reterr)
{
    Gather *gather = gathering->gather;
    choose(gather, gathering->step);
    gather->planned = true;
    Status status = read_all_rollups(gathering, reterr);
    if (status == STATUS_OK && gathering->straddles) {
        /* The zone is not a whole number of hours away from UTC, at least in part of the range. */
        groups_reset(gather->groups);
        choose_without_rollups(gather, gathering->step->view);
    }
    return status;
}

Status gather_step(Gather *gather, QueryStep *step, bool *ret_done, Error *reterr)
{
    Gathering gathering = {.gather = gather, .step = step, .any_time = *gather->filter};
    gathering.any_time.start_us = TIMESTAMP_MIN;
    gathering.any_time.end_us = TIMESTAMP_MAX;
    Status status = step_look(step, reterr);
    if (status == STATUS_OK && !gather->planned) {
        status = begin(&gathering, reterr);
    }
    if (status == STATUS_OK && !gathering.full) {
        status = read_rows(&gathering, reterr);
    }
    if (status == STATUS_OK && !gathering.full && !gathering.stopped) {
        status = scan(&gathering, reterr);
    }
    if (status == STATUS_OK && gathering.full) {
        return error_set(reterr, STATUS_REFUSED,
                         "more than %zu groups need too much memory; narrow the filter or group by less",
                         groups_cell_count(gather->groups));
    }
    *ret_done = status == STATUS_OK && !gathering.stopped;
    return status;
}
