/* GET /api/aggregations */
#include "query/corrections.h"
#include "query/event_output.h"
#include "query/gather.h"

typedef struct EventAggregateQuery {
    Query base;
    Request request;
    QueryFormat format;
    enum { EVENTS_CORRECTIONS, EVENTS_GATHER, EVENTS_SORT, EVENTS_GROUPS, EVENTS_DONE } phase;
    Window *window;
    Groups *groups;
    SeqSet left_out;
    Corrected corrected; /* what goes into left_out */
    Gather gather;
    EventGroupOutput output;
    bool comma; /* before the next group */
} EventAggregateQuery;

static void put_head(const EventAggregateQuery *aggregate, Buf *out)
{
    if (aggregate->format == QUERY_JSON) {
        BUF_PUT(out, "{\"message\":\"Events aggregated successfully\",\"data\":{\"count\":");
        buf_put_i64(out, groups_record_count(aggregate->groups));
        BUF_PUT(out, ",\"groups\":[");
    } else if (aggregate->format == QUERY_CSV) {
        event_group_put_csv_header(&aggregate->output, out);
    }
}

static void put_group(EventAggregateQuery *aggregate, Buf *out)
{
    if (aggregate->format == QUERY_CSV) {
        event_group_put_csv(&aggregate->output, out);
        return;
    }
    if (aggregate->format == QUERY_JSON && aggregate->comma) {
        buf_put_char(out, ',');
    }
    event_group_put_json(&aggregate->output, out);
    if (aggregate->format == QUERY_NDJSON) {
        buf_put_char(out, '\n');
    }
    aggregate->comma = true;
}

/* At least one a step, so that a slow step still gets on. */
static void put_groups(EventAggregateQuery *aggregate, QueryStep *step)
{
    while (event_group_more(&aggregate->output)) {
        put_group(aggregate, step->out);
        if (step_has_enough(step) || step_is_over(step)) {
            break;
        }
    }
    if (event_group_more(&aggregate->output)) {
        return;
    }
    if (aggregate->format == QUERY_JSON) {
        BUF_PUT(step->out, "]}}");
    }
    aggregate->phase = EVENTS_DONE;
}

/* An event counts once: neither what was taken back nor what takes back does. */
static Status leave_out(EventAggregateQuery *aggregate, QueryStep *step, bool *ret_pause, Error *reterr)
{
    const QueryOptions *options = &aggregate->base.options;
    bool done = false;
    Status status = step_look(step, reterr);
    if (status == STATUS_OK && !aggregate->corrected.set) {
        seq_set_init(&aggregate->left_out, view_bound(step->view), options->group_bytes_max, options->groups);
        aggregate->corrected.set = &aggregate->left_out;
    }
    if (status == STATUS_OK) {
        status = corrected_step(&aggregate->corrected, step, &done, reterr);
    }
    if (status == STATUS_OK && done) {
        aggregate->phase = EVENTS_GATHER;
    }
    *ret_pause = !done;
    return status;
}

static Status gather(EventAggregateQuery *aggregate, QueryStep *step, bool *ret_pause, Error *reterr)
{
    bool done = false;
    Status status = gather_step(&aggregate->gather, step, &done, reterr);
    if (status == STATUS_OK && done) {
        aggregate->phase = EVENTS_SORT;
    }
    *ret_pause = !done;
    return status;
}

/* It may take a while, and needs no look at the store. */
static Status sort(EventAggregateQuery *aggregate, QueryStep *step, Error *reterr)
{
    Status status = step_look_away(step, reterr);
    if (status == STATUS_OK) {
        groups_sort(aggregate->groups);
        put_head(aggregate, step->out);
        aggregate->phase = EVENTS_GROUPS;
    }
    return status;
}

static Status step_on(Query *query, QueryStep *step, bool *ret_done, Error *reterr)
{
    EventAggregateQuery *aggregate = (EventAggregateQuery *)query;
    Status status = STATUS_OK;
    bool pause = false;
    while (status == STATUS_OK && aggregate->phase != EVENTS_DONE && !pause) {
        if (aggregate->phase == EVENTS_CORRECTIONS) {
            status = leave_out(aggregate, step, &pause, reterr);
        } else if (aggregate->phase == EVENTS_GATHER) {
            status = gather(aggregate, step, &pause, reterr);
        } else if (aggregate->phase == EVENTS_SORT) {
            status = sort(aggregate, step, reterr);
        } else {
            put_groups(aggregate, step);
            pause = true;
        }
    }
    *ret_done = aggregate->phase == EVENTS_DONE;
    return status;
}

static void release(Query *query)
{
    EventAggregateQuery *aggregate = (EventAggregateQuery *)query;
    groups_free(aggregate->groups);
    window_free(aggregate->window);
    seq_set_release(&aggregate->left_out);
}

/* ---- The parameters ---------------------------------------------------------------------------------------------- */

static Status make_window(EventAggregateQuery *aggregate, QueryProblems *problems)
{
    Error error;
    const Request *request = &aggregate->request;
    if (request->window == WINDOW_NONE) {
        return request->time_zone.len ? problems_add(problems, STR("timeZone"), "has no meaning without window")
                                      : STATUS_OK;
    }
    Status status = window_new(request->window, request->time_zone, &aggregate->window, &error);
    return status == STATUS_REFUSED ? problems_add(problems, STR("timeZone"), "%s", error.message) : status;
}

static Status make_groups(EventAggregateQuery *aggregate)
{
    Request *request = &aggregate->request;
    const QueryOptions *options = &aggregate->base.options;
    if (request->measures == 0) {
        request->measures = 1u << MEASURE_MIN | 1u << MEASURE_MAX | 1u << MEASURE_AVG;
    }
    GroupSpec spec = {.key_count = request->key_count,
                      .percentiles = (request->measures & (1u << MEASURE_P50 | 1u << MEASURE_P95 | 1u << MEASURE_P99)),
                      .hash_seed = options->info->hash_seed,
                      .bytes_max = options->group_bytes_max,
                      .budget = options->groups};
    memcpy(spec.keys, request->keys, sizeof spec.keys);
    spec.keys[spec.key_count++] = KEY_UNIT;
    spec.keys[spec.key_count++] = KEY_TYPE;
    aggregate->groups = groups_new(&spec);
    aggregate->gather = (Gather){.filter = &request->filter,
                                 .groups = aggregate->groups,
                                 .window = aggregate->window,
                                 .kind = request->window,
                                 .extremes = true,
                                 .percentiles = spec.percentiles,
                                 .left_out = &aggregate->left_out};
    aggregate->output = (EventGroupOutput){.groups = aggregate->groups,
                                           .windowed = aggregate->window != NULL,
                                           .measures = request->measures,
                                           .scale = options->info->scale};
    return aggregate->groups ? STATUS_OK : STATUS_BUSY;
}

Status query_event_aggregate_new(const QueryParam *params, size_t count, QueryFormat format,
                                 const QueryOptions *options, Query **ret_query, QueryProblems *problems)
{
    problems->count = 0;
    EventAggregateQuery *aggregate = query_alloc(sizeof *aggregate, options);
    if (!aggregate) {
        return STATUS_BUSY;
    }
    aggregate->base.step = step_on;
    aggregate->base.release = release;
    aggregate->format = format;
    Status status =
        request_read(&aggregate->request, REQUEST_EVENT_AGGREGATE, &aggregate->base.arena, 0, params, count, problems);
    if (status == STATUS_OK) {
        status = make_window(aggregate, problems);
    }
    if (status == STATUS_OK) {
        status = make_groups(aggregate);
    }
    if (status != STATUS_OK) {
        query_free(&aggregate->base);
        return status;
    }
    *ret_query = &aggregate->base;
    return STATUS_OK;
}
