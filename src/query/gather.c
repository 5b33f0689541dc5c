#include "query/gather.h"

enum {
    ROW_COST = 8,         /* a row fetched by its time costs as much as so many scanned */
    CORRECTION_SHARE = 4, /* what a page of an older bound takes away from rollups: at most a fourth of its log */
};
#define NO_BUCKET INT64_MIN

/* One gather_step, for its visitors. */
typedef struct Gathering {
    Gather *gather;
    QueryStep *step;
    /* the filter without its range: a piece may lie outside of it, to be taken away from a whole hour */
    Filter any_time;
    int sign;               /* of what is being read */
    PieceKind kind;         /* of rollups */
    int64_t bucket, window; /* of the rollup read last */
    bool over;              /* the time is up, but a bucket is read to its end */
    bool stopped;           /* by the time, to go on later */
    bool full;              /* the groups' ceiling is reached */
    bool straddles;         /* a bucket belongs to two windows */
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
    bool can = !gather->percentiles && !gather->left_out && !filter->events && filter->source_id.len == 0 &&
               filter->reference.len == 0 && gather->kind != WINDOW_MINUTE;
    for (size_t i = 0; i < groups_column_count(gather->groups); i++) {
        GroupKey key = groups_column(gather->groups, i);
        can &= key == KEY_DESTINATION_ID || key == KEY_TYPE || key == KEY_UNIT;
    }
    return can;
}

/* What rollups count behind an older bound has to be taken away by a scan. */
static bool rollups_are_near(const Gather *gather, const StoreView *view)
{
    int64_t ahead = view_rollup_seq(view) - gather->bound;
    return ahead <= 0 || (!gather->extremes && ahead <= gather->bound / CORRECTION_SHARE);
}

/* The estimate counts the whole log behind the index, whatever the range; that part is the same everywhere, and says
 * nothing. */
static uint64_t estimate_rows(void *view, int64_t from_us, int64_t to_us)
{
    TimePosition from = {from_us, 0}, to = {to_us, 0};
    return view_estimate_times(view, from, to) - view_estimate_times(view, from, from);
}

/* The longest rollups that never belong to two windows. Of other zones than UTC only hours are tried. */
static PieceKind coarsest_of(const Gather *gather)
{
    if (!gather->window || (gather->kind == WINDOW_WEEK && window_holds_utc_days(gather->window))) {
        return PIECE_WEEKS;
    }
    return window_holds_utc_days(gather->window) ? PIECE_DAYS : PIECE_HOURS;
}

static void plan_rollups(Gather *gather, StoreView *view)
{
    PlanNeeds needs = {.from_us = gather->filter->start_us,
                       .to_us = gather->filter->end_us + 1,
                       .coarsest = coarsest_of(gather),
                       .may_subtract = !gather->extremes,
                       .estimate_rows = estimate_rows,
                       .self = view};
    plan_make(&gather->plan, &needs);
}

/* The rows of the range by time, or no pieces, so that the scan does it all. */
static void plan_rows(Gather *gather, StoreView *view)
{
    const Filter *filter = gather->filter;
    TimePosition from = {filter->start_us, 0}, to = {filter->end_us, INT64_MAX};
    gather->plan.count = 0;
    if (view_estimate_times(view, from, to) < (uint64_t)gather->bound / ROW_COST) {
        gather->plan.pieces[gather->plan.count++] = (PlanPiece){PIECE_ROWS, 1, filter->start_us, filter->end_us + 1};
    }
}

/* The rows of edges are counted as far as the rollups, which come first in a plan, and then the rest is scanned. Rows
 * without rollups are counted up to the bound, since to sort the tail by time is cheaper than to scan it. */
static int64_t plan_covers(const Gather *gather, const StoreView *view)
{
    if (gather->plan.count == 0) {
        return 0;
    }
    return gather->plan.pieces[0].kind == PIECE_ROWS ? gather->bound : view_rollup_seq(view);
}

static void begin_piece(Gather *gather, size_t piece)
{
    gather->piece = piece;
    if (piece < gather->plan.count) {
        gather->at = (TimePosition){gather->plan.pieces[piece].from_us, 0};
    }
}

static void choose(Gather *gather, StoreView *view, bool may_use_rollups)
{
    if (gather->bound == 0 || gather->bound > view_bound(view)) {
        gather->bound = view_bound(view);
    }
    if (may_use_rollups && rollups_can_answer(gather) && rollups_are_near(gather, view)) {
        plan_rollups(gather, view);
    } else {
        plan_rows(gather, view);
    }
    gather->covered = plan_covers(gather, view);
    gather->scanned = gather->covered < gather->bound ? gather->covered : gather->bound;
    gather->planned = true;
    begin_piece(gather, 0);
}

/* ---- Pieces ------------------------------------------------------------------------------------------------------ */

/* At the first rollup of a bucket. Once the time is up that is where to stop: a bucket is read whole. */
static bool enter_bucket(Gathering *gathering, int64_t bucket)
{
    Gather *gather = gathering->gather;
    int64_t from_us = plan_bucket_start(gathering->kind, bucket);
    gathering->stopped = gathering->over && gathering->bucket != NO_BUCKET;
    gathering->bucket = bucket;
    gathering->window = window_of(gather, from_us);
    gathering->straddles = gathering->window != window_of(gather, from_us + plan_unit_us(gathering->kind) - 1);
    gather->at.time_us = from_us;
    return !gathering->stopped && !gathering->straddles;
}

static bool visit_rollup(void *context, const Rollup *rollup)
{
    Gathering *gathering = context;
    Record keys = {.destination_id = rollup->destination_id, .unit = rollup->unit, .type = rollup->type};
    GroupAmount amount = {rollup->count, rollup->sum, rollup->min, rollup->max};
    if (rollup->bucket != gathering->bucket && !enter_bucket(gathering, rollup->bucket)) {
        return false;
    }
    gathering->over |= step_is_over(gathering->step);
    if (filter_matches(&gathering->any_time, &keys)) {
        gathering->full =
            !groups_add_amount(gathering->gather->groups, gathering->window, &keys, &amount, gathering->sign);
    }
    return !gathering->full;
}

static Status read_rollups(Gathering *gathering, const PlanPiece *piece, Error *reterr)
{
    static const RollupLevel levels[] = {
        [PIECE_HOURS] = ROLLUP_HOUR, [PIECE_DAYS] = ROLLUP_DAY, [PIECE_WEEKS] = ROLLUP_WEEK};
    int64_t from_us = gathering->gather->at.time_us;
    gathering->kind = piece->kind;
    gathering->bucket = NO_BUCKET;
    return reader_rollups(gathering->step->reader, levels[piece->kind], plan_bucket(piece->kind, from_us),
                          plan_bucket(piece->kind, piece->to_us), visit_rollup, gathering, reterr);
}

/* Adds a row, or takes it away; false when the walk is to end. */
static bool add_row(Gathering *gathering, const StoredRecord *stored, const Filter *filter)
{
    Gather *gather = gathering->gather;
    bool counts = !gather->left_out || !seq_set_has(gather->left_out, stored->seq);
    if (counts && filter_takes(filter, stored)) {
        int64_t window = window_of(gather, stored->record.time_us);
        gathering->full = !groups_add_record(gather->groups, window, &stored->record, gathering->sign);
    }
    gathering->stopped = step_is_over(gathering->step);
    return !gathering->stopped && !gathering->full;
}

static bool visit_row(void *context, const StoredRecord *stored)
{
    Gathering *gathering = context;
    gathering->gather->at = (TimePosition){stored->record.time_us, stored->seq};
    return add_row(gathering, stored, &gathering->any_time);
}

static Status read_rows(Gathering *gathering, const PlanPiece *piece, Error *reterr)
{
    const Gather *gather = gathering->gather;
    TimePosition to = {piece->to_us, 0};
    return reader_walk_times(gathering->step->reader, gather->at, to, gather->covered, fields_of(gather) | FIELD_TIME,
                             visit_row, gathering, reterr);
}

static Status read_pieces(Gathering *gathering, Error *reterr)
{
    Gather *gather = gathering->gather;
    Status status = STATUS_OK;
    while (status == STATUS_OK && !gathering->stopped && !gathering->full && gather->piece < gather->plan.count) {
        const PlanPiece *piece = &gather->plan.pieces[gather->piece];
        gathering->sign = piece->sign;
        status =
            piece->kind == PIECE_ROWS ? read_rows(gathering, piece, reterr) : read_rollups(gathering, piece, reterr);
        if (gathering->straddles) {
            /* A zone that is not a whole number of hours away from UTC: what has been read is of no use. */
            gathering->straddles = false;
            groups_reset(gather->groups);
            choose(gather, gathering->step->view, false);
        } else if (!gathering->stopped) {
            begin_piece(gather, gather->piece + 1);
        }
    }
    return status;
}

/* ---- The scan ---------------------------------------------------------------------------------------------------- */

static bool visit_scanned(void *context, const StoredRecord *stored)
{
    Gathering *gathering = context;
    gathering->gather->scanned = stored->seq;
    return add_row(gathering, stored, gathering->gather->filter);
}

/* Adds what the pieces do not count, or takes away what they count too much. */
static Status scan_rest(Gathering *gathering, Error *reterr)
{
    Gather *gather = gathering->gather;
    bool add = gather->covered <= gather->bound;
    gathering->sign = add ? 1 : -1;
    return reader_scan(gathering->step->reader, gather->scanned, add ? gather->bound : gather->covered,
                       fields_of(gather), visit_scanned, gathering, reterr);
}

static Status fail_full(const Gather *gather, Error *reterr)
{
    if (groups_is_starved(gather->groups)) {
        return error_set(reterr, STATUS_BUSY, "too many large aggregates at once; try again later");
    }
    return error_set(reterr, STATUS_REFUSED,
                     "more than %zu groups need too much memory; narrow the filter or group by less",
                     groups_cell_count(gather->groups));
}

Status gather_step(Gather *gather, QueryStep *step, bool *ret_done, Error *reterr)
{
    Gathering gathering = {.gather = gather, .step = step, .any_time = *gather->filter};
    gathering.any_time.start_us = TIMESTAMP_MIN;
    gathering.any_time.end_us = TIMESTAMP_MAX;
    Status status = step_look(step, reterr);
    if (status == STATUS_OK && !gather->planned) {
        choose(gather, step->view, true);
    }
    if (status == STATUS_OK) {
        status = read_pieces(&gathering, reterr);
    }
    if (status == STATUS_OK && !gathering.stopped && !gathering.full) {
        status = scan_rest(&gathering, reterr);
    }
    if (status == STATUS_OK && gathering.full) {
        status = fail_full(gather, reterr);
    }
    *ret_done = status == STATUS_OK && !gathering.stopped;
    return status;
}
