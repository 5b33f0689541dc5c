#include "query/gather.h"

#include <stdlib.h>

enum {
    ROW_COST = 8, /* a row fetched by its time costs as much as so many scanned */
    CORRECTION_SHARE =
        4, /* a page of an older bound takes away at most a fourth of the log before it scans all instead */
};

/* One gather_step, for its visitors. */
typedef struct Gathering {
    Gather *gather;
    QueryStep *step;
    Filter
        any_time; /* the filter without its range: a piece may lie outside of it, to be taken away from a whole hour */
    int sign;
    PieceKind kind; /* of the rollups being read */
    int64_t bucket; /* the one read last */
    bool any_bucket;
    bool over;      /* the time is up, and the bucket is read to its end */
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
    uint32_t time = gather->window || gather->cover_count ? FIELD_TIME : 0u;
    return filter_fields(gather->filter) | groups_fields(gather->groups) | time;
}

static Status add_cover(Gather *gather, int64_t from_us, int64_t to_us, int sign, int64_t through, Error *reterr)
{
    if (!gather->covers) {
        gather->covers = calloc(COVERS_MAX, sizeof gather->covers[0]);
    }
    if (!gather->covers || gather->cover_count == COVERS_MAX) {
        return error_set(reterr, STATUS_BUSY, "the rollups take too many steps to read; narrow the range of time");
    }
    Cover *last = gather->cover_count ? &gather->covers[gather->cover_count - 1] : NULL;
    if (last && last->to_us == from_us && last->sign == sign && last->through == through) {
        last->to_us = to_us;
    } else {
        gather->covers[gather->cover_count++] = (Cover){from_us, to_us, sign, through};
    }
    return STATUS_OK;
}

void gather_release(Gather *gather)
{
    free(gather->covers);
    gather->covers = NULL;
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

/* What came after an older bound has to be taken away from the rollups by a scan. */
static bool rollups_are_near(const Gather *gather, const StoreView *view)
{
    int64_t behind = gather->bound ? view_rollup_seq(view) - gather->bound : 0;
    return behind <= 0 || (!gather->extremes && behind <= gather->bound / CORRECTION_SHARE);
}

/* The estimate counts the whole log behind the index, whatever the range; that part is the same everywhere, and says nothing. */
static uint64_t estimate_rows(void *view, int64_t from_us, int64_t to_us)
{
    TimePosition from = {from_us, 0}, to = {to_us, 0};
    return view_estimate_times(view, from, to) - view_estimate_times(view, from, from);
}

static void choose_without_rollups(Gather *gather, StoreView *view)
{
    TimePosition from = {gather->filter->start_us, 0}, to = {gather->filter->end_us, INT64_MAX};
    int64_t bound = view_bound(view);
    gather->bound = gather->bound && gather->bound < bound ? gather->bound : bound;
    gather->plan.count = 0;
    if (view_estimate_times(view, from, to) < (uint64_t)gather->bound / ROW_COST) {
        gather->plan.pieces[gather->plan.count++] =
            (PlanPiece){PIECE_ROWS, 1, gather->filter->start_us, gather->filter->end_us + 1};
    }
    gather->state = GATHER_ROWS;
}

/* The longest rollups that never belong to two windows. Of other zones than UTC only hours are tried. */
static PieceKind coarsest_of(const Gather *gather)
{
    if (!gather->window || (gather->kind == WINDOW_WEEK && window_holds_utc_days(gather->window))) {
        return PIECE_WEEKS;
    }
    return window_holds_utc_days(gather->window) ? PIECE_DAYS : PIECE_HOURS;
}

static void choose(Gather *gather, StoreView *view)
{
    if (!rollups_can_answer(gather) || !rollups_are_near(gather, view)) {
        choose_without_rollups(gather, view);
        return;
    }
    PlanNeeds needs = {.from_us = gather->filter->start_us,
                       .to_us = gather->filter->end_us + 1,
                       .coarsest = coarsest_of(gather),
                       .may_subtract = !gather->extremes,
                       .estimate_rows = estimate_rows,
                       .self = view};
    plan_make(&gather->plan, &needs);
    gather->from_us = INT64_MIN;
    gather->state = GATHER_ROLLUPS;
}

/* ---- Rollups ----------------------------------------------------------------------------------------------------- */

/* True at the first rollup of another bucket once the time is up: a bucket is read whole, so that a cover can end between two. */
static bool stops_before(Gathering *gathering, int64_t bucket)
{
    bool other = gathering->any_bucket && bucket != gathering->bucket;
    gathering->over |= step_is_over(gathering->step);
    gathering->stopped = gathering->over && other;
    if (!gathering->stopped) {
        gathering->bucket = bucket;
        gathering->any_bucket = true;
    }
    return gathering->stopped;
}

static bool visit_rollup(void *context, const Rollup *rollup)
{
    Gathering *gathering = context;
    Gather *gather = gathering->gather;
    int64_t start_us = plan_bucket_start(gathering->kind, rollup->bucket);
    Record keys = {
        .destination_id = rollup->destination_id, .unit = rollup->unit, .type = rollup->type, .time_us = start_us};
    if (stops_before(gathering, rollup->bucket)) {
        return false;
    }
    if (!filter_matches(&gathering->any_time, &keys)) {
        return true;
    }
    int64_t window = window_of(gather, start_us);
    if (window != window_of(gather, start_us + plan_unit_us(gathering->kind) - 1)) {
        gathering->straddles = true;
        return false;
    }
    GroupAmount amount = {rollup->count, rollup->sum, rollup->min, rollup->max};
    gathering->full = !groups_add_amount(gather->groups, window, &keys, &amount, gathering->sign);
    return !gathering->full;
}

/* Reads a piece, or as much as there is time for. */
static Status read_rollups(Gathering *gathering, const PlanPiece *piece, Error *reterr)
{
    Gather *gather = gathering->gather;
    static const RollupLevel levels[] = {
        [PIECE_HOURS] = ROLLUP_HOUR, [PIECE_DAYS] = ROLLUP_DAY, [PIECE_WEEKS] = ROLLUP_WEEK};
    int64_t from_us = gather->from_us > piece->from_us ? gather->from_us : piece->from_us;
    gathering->kind = piece->kind;
    gathering->sign = piece->sign;
    gathering->any_bucket = false;
    Status status = reader_rollups(gathering->step->reader, levels[piece->kind], plan_bucket(piece->kind, from_us),
                                   plan_bucket(piece->kind, piece->to_us), visit_rollup, gathering, reterr);
    if (status != STATUS_OK || gathering->full || gathering->straddles) {
        return status;
    }
    int64_t to_us = gathering->stopped ? plan_bucket_start(piece->kind, gathering->bucket + 1) : piece->to_us;
    gather->from_us = gathering->stopped ? to_us : INT64_MIN;
    gather->piece += !gathering->stopped;
    return add_cover(gather, from_us, to_us, piece->sign, view_rollup_seq(gathering->step->view), reterr);
}

/* A zone that is not a whole number of hours away from UTC, or rollups that have run too far ahead: what has been read is of no
 * use. */
static void give_rollups_up(Gather *gather, StoreView *view)
{
    groups_reset(gather->groups);
    gather->cover_count = 0;
    choose_without_rollups(gather, view);
}

/* Rollups can only be read in a look that begins a view, so that each step that reads some begins one; the last of these is what the
 * rest of the query sees. */
static Status gather_rollups(Gathering *gathering, Error *reterr)
{
    Gather *gather = gathering->gather;
    Status status = gathering->step->first_look ? STATUS_OK : step_look_anew(gathering->step, reterr);
    while (status == STATUS_OK && !gathering->stopped && !gathering->full && gather->state == GATHER_ROLLUPS) {
        if (gathering->straddles || !rollups_are_near(gather, gathering->step->view)) {
            give_rollups_up(gather, gathering->step->view);
        } else if (gather->piece == gather->plan.count) {
            int64_t bound = view_bound(gathering->step->view);
            gather->bound = gather->bound && gather->bound < bound ? gather->bound : bound;
            gather->state = GATHER_ROWS;
        } else if (gather->plan.pieces[gather->piece].kind == PIECE_ROWS) {
            gather->piece++;
        } else {
            status = read_rollups(gathering, &gather->plan.pieces[gather->piece], reterr);
        }
    }
    if (gather->state == GATHER_ROWS) {
        gather->piece = 0;
    }
    return status;
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

static bool add_row(Gathering *gathering, const StoredRecord *stored, int sign)
{
    Gather *gather = gathering->gather;
    int64_t window = window_of(gather, stored->record.time_us);
    gathering->full = !groups_add_record(gather->groups, window, &stored->record, sign);
    return !gathering->full;
}

static bool visit_row(void *context, const StoredRecord *stored)
{
    Gathering *gathering = context;
    gathering->gather->at = (TimePosition){stored->record.time_us, stored->seq};
    if (stored->seq <= gathering->gather->bound && filter_matches(&gathering->any_time, &stored->record) &&
        !add_row(gathering, stored, gathering->sign)) {
        return false;
    }
    gathering->stopped = step_is_over(gathering->step);
    return !gathering->stopped;
}

static Status read_rows(Gathering *gathering, const PlanPiece *piece, Error *reterr)
{
    Gather *gather = gathering->gather;
    TimePosition from = {piece->from_us, 0}, to = {piece->to_us, 0};
    gathering->sign = piece->sign;
    Status status = reader_walk_times(gathering->step->reader, gather->at.seq > 0 ? gather->at : from, to,
                                      fields_of(gather) | FIELD_TIME, visit_row, gathering, reterr);
    if (status != STATUS_OK || gathering->stopped || gathering->full) {
        return status;
    }
    gather->at = (TimePosition){0, 0};
    gather->piece++;
    return add_cover(gather, piece->from_us, piece->to_us, piece->sign, gather->bound, reterr);
}

/* From where on, and how far, rows and covers may differ. */
static void begin_scan(Gather *gather)
{
    gather->scanned = gather->cover_count ? gather->bound : 0;
    gather->scan_through = gather->bound;
    for (size_t i = 0; i < gather->cover_count; i++) {
        int64_t through = gather->covers[i].through;
        gather->scanned = through < gather->scanned ? through : gather->scanned;
        gather->scan_through = through > gather->scan_through ? through : gather->scan_through;
    }
    gather->state = GATHER_SCAN;
}

static Status gather_rows(Gathering *gathering, Error *reterr)
{
    Gather *gather = gathering->gather;
    Status status = STATUS_OK;
    while (status == STATUS_OK && !gathering->stopped && !gathering->full && gather->piece < gather->plan.count) {
        if (gather->plan.pieces[gather->piece].kind == PIECE_ROWS) {
            status = read_rows(gathering, &gather->plan.pieces[gather->piece], reterr);
        } else {
            gather->piece++;
        }
    }
    if (status == STATUS_OK && !gathering->stopped && !gathering->full) {
        begin_scan(gather);
    }
    return status;
}

/* ---- The scan ---------------------------------------------------------------------------------------------------- */

/* How many times a row has been counted that matches but for its time. */
static int times_covered(const Gather *gather, int64_t time_us, int64_t seq)
{
    int times = 0;
    for (size_t i = 0; i < gather->cover_count; i++) {
        const Cover *cover = &gather->covers[i];
        times += time_us >= cover->from_us && time_us < cover->to_us && seq <= cover->through ? cover->sign : 0;
    }
    return times;
}

static bool visit_scanned(void *context, const StoredRecord *stored)
{
    Gathering *gathering = context;
    Gather *gather = gathering->gather;
    gather->scanned = stored->seq;
    int missing = stored->seq <= gather->bound && filter_matches(gather->filter, &stored->record);
    if (gather->cover_count && filter_matches(&gathering->any_time, &stored->record)) {
        missing -= times_covered(gather, stored->record.time_us, stored->seq);
    }
    for (; missing != 0 && !gathering->full; missing += missing < 0 ? 1 : -1) {
        add_row(gathering, stored, missing < 0 ? -1 : 1);
    }
    gathering->stopped = step_is_over(gathering->step);
    return !gathering->stopped && !gathering->full;
}

static Status gather_scan(Gathering *gathering, Error *reterr)
{
    Gather *gather = gathering->gather;
    if (gather->scanned >= gather->scan_through) {
        return STATUS_OK;
    }
    return reader_scan(gathering->step->reader, gather->scanned, gather->scan_through, fields_of(gather), visit_scanned,
                       gathering, reterr);
}

Status gather_step(Gather *gather, QueryStep *step, bool *ret_done, Error *reterr)
{
    Gathering gathering = {.gather = gather, .step = step, .any_time = *gather->filter};
    gathering.any_time.start_us = TIMESTAMP_MIN;
    gathering.any_time.end_us = TIMESTAMP_MAX;
    Status status = step_look(step, reterr);
    if (status == STATUS_OK && gather->state == GATHER_CHOOSE) {
        choose(gather, step->view);
    }
    if (status == STATUS_OK && gather->state == GATHER_ROLLUPS) {
        status = gather_rollups(&gathering, reterr);
    }
    if (status == STATUS_OK && gather->state == GATHER_ROWS && !gathering.stopped && !gathering.full) {
        status = gather_rows(&gathering, reterr);
    }
    if (status == STATUS_OK && gather->state == GATHER_SCAN && !gathering.stopped && !gathering.full) {
        status = gather_scan(&gathering, reterr);
    }
    if (status == STATUS_OK && gathering.full && groups_is_starved(gather->groups)) {
        return error_set(reterr, STATUS_BUSY, "too many large aggregates at once; try again later");
    }
    if (status == STATUS_OK && gathering.full) {
        return error_set(reterr, STATUS_REFUSED,
                         "more than %zu groups need too much memory; narrow the filter or group by less",
                         groups_cell_count(gather->groups));
    }
    *ret_done = status == STATUS_OK && !gathering.stopped;
    return status;
}
