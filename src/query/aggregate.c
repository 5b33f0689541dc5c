/* GET /api/records/aggregate */
#include "query/gather.h"
#include "query/group_output.h"
#include "query/record_output.h"

#include "record/record_json.h"

typedef enum Phase { PHASE_GATHER, PHASE_SORT, PHASE_HEAD, PHASE_RECORDS, PHASE_GROUPS, PHASE_DONE } Phase;

typedef struct AggregateQuery {
    Query base;
    Request request;
    QueryFormat format;
    Cursor cursor;
    Phase phase;
    Window *window;
    Groups *groups;
    Gather gather;
    GroupOutput group_output;
    bool comma; /* before the next group */
    bool paged; /* the records come in pages */
    Lister lister;
    RecordOutput record_output;
    bool lister_begun;
} AggregateQuery;

/* NDJSON and CSV hold either records or groups, and for records no group has to be made. */
static bool needs_groups(const AggregateQuery *aggregate)
{
    return aggregate->format == QUERY_JSON || !aggregate->request.records;
}

/* Sorting hundreds of thousands of groups takes a while, and needs no look at the store. */
static Status sort_groups(AggregateQuery *aggregate, QueryStep *step, Error *reterr)
{
    enum { QUICK = 10000 };
    bool is_long = groups_cell_count(aggregate->groups) > QUICK;
    Status status = is_long ? step_look_away(step, reterr) : STATUS_OK;
    if (status == STATUS_OK) {
        groups_sort(aggregate->groups);
        aggregate->phase = PHASE_HEAD;
    }
    return status;
}

static void put_json_head(AggregateQuery *aggregate, Buf *out)
{
    BUF_PUT(out, "{\"message\":\"Records aggregated successfully\",\"data\":{\"count\":");
    buf_put_i64(out, groups_record_count(aggregate->groups));
    if (aggregate->request.records) {
        BUF_PUT(out, ",\"records\":[");
    } else {
        BUF_PUT(out, ",\"groups\":[");
    }
}

static void put_head(AggregateQuery *aggregate, Buf *out)
{
    bool records = aggregate->request.records;
    if (aggregate->format == QUERY_JSON) {
        put_json_head(aggregate, out);
    } else if (aggregate->format == QUERY_CSV && records) {
        record_put_csv_header(out);
    } else if (aggregate->format == QUERY_CSV) {
        group_output_csv_header(&aggregate->group_output, out);
    }
    aggregate->phase = records ? PHASE_RECORDS : PHASE_GROUPS;
}

static void end_records(AggregateQuery *aggregate, Buf *out)
{
    if (aggregate->format != QUERY_JSON) {
        aggregate->phase = PHASE_DONE;
        return;
    }
    BUF_PUT(out, "],");
    if (aggregate->paged) {
        record_page_put_next(out, &aggregate->lister, aggregate->base.options.info);
        BUF_PUT(out, ",");
    }
    BUF_PUT(out, "\"groups\":[");
    aggregate->phase = PHASE_GROUPS;
}

static Status put_records(AggregateQuery *aggregate, QueryStep *step, bool *ret_pause, Error *reterr)
{
    bool done = false;
    Status status = step_look(step, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (!aggregate->lister_begun) {
        uint64_t limit = aggregate->request.limit;
        uint64_t limit_default =
            aggregate->paged && aggregate->format == QUERY_JSON ? REQUEST_LIMIT_DEFAULT : LISTER_NO_LIMIT;
        record_page_begin(&aggregate->lister, &aggregate->request, &aggregate->cursor, limit ? limit : limit_default,
                          step->view);
        aggregate->lister_begun = true;
    }
    aggregate->record_output.step = step;
    status = lister_step(&aggregate->lister, step, record_output_put, &aggregate->record_output, &done, reterr);
    if (status == STATUS_OK && done) {
        end_records(aggregate, step->out);
    }
    *ret_pause = !done;
    return status;
}

static void put_group(AggregateQuery *aggregate, Buf *out)
{
    if (aggregate->format == QUERY_CSV) {
        group_output_csv(&aggregate->group_output, out);
        return;
    }
    if (aggregate->format == QUERY_JSON && aggregate->comma) {
        buf_put_char(out, ',');
    }
    bool complete = group_output_json(&aggregate->group_output, out);
    if (aggregate->format == QUERY_NDJSON && complete) {
        buf_put_char(out, '\n');
    }
    aggregate->comma = complete;
}

static void put_groups(AggregateQuery *aggregate, QueryStep *step)
{
    while (group_output_more(&aggregate->group_output)) {
        /* At least one a step, so that a slow step still gets on. */
        put_group(aggregate, step->out);
        if (step_has_enough(step) || step_is_over(step)) {
            break;
        }
    }
    if (group_output_more(&aggregate->group_output)) {
        return;
    }
    if (aggregate->format == QUERY_JSON) {
        BUF_PUT(step->out, "]}}");
    }
    aggregate->phase = PHASE_DONE;
}

static Status gather(AggregateQuery *aggregate, QueryStep *step, bool *ret_pause, Error *reterr)
{
    bool done = false;
    Status status = gather_step(&aggregate->gather, step, &done, reterr);
    if (status == STATUS_OK && done) {
        aggregate->phase = PHASE_SORT;
    }
    *ret_pause = !done;
    return status;
}

static Status aggregate_step(Query *query, QueryStep *step, bool *ret_done, Error *reterr)
{
    AggregateQuery *aggregate = (AggregateQuery *)query;
    Status status = STATUS_OK;
    bool pause = false;
    while (status == STATUS_OK && aggregate->phase != PHASE_DONE && !pause) {
        switch (aggregate->phase) {
        case PHASE_GATHER: status = gather(aggregate, step, &pause, reterr); break;
        case PHASE_SORT: status = sort_groups(aggregate, step, reterr); break;
        case PHASE_HEAD: put_head(aggregate, step->out); break;
        case PHASE_RECORDS: status = put_records(aggregate, step, &pause, reterr); break;
        default: put_groups(aggregate, step); pause = true;
        }
    }
    *ret_done = aggregate->phase == PHASE_DONE;
    return status;
}

static void aggregate_release(Query *query)
{
    AggregateQuery *aggregate = (AggregateQuery *)query;
    lister_release(&aggregate->lister);
    groups_free(aggregate->groups);
    window_free(aggregate->window);
}

/* ---- The parameters ---------------------------------------------------------------------------------------------- */

static Status check_together(const AggregateQuery *aggregate, QueryProblems *problems)
{
    const Request *request = &aggregate->request;
    if (!request->records && (request->limit || request->cursor.len)) {
        problems_add(problems, request->limit ? STR("limit") : STR("cursor"), "has no meaning with records=false");
    }
    if (request->time_zone.len && request->window == WINDOW_NONE) {
        problems_add(problems, STR("timeZone"), "has no meaning without window");
    }
    if (!needs_groups(aggregate) && request->groups_named) {
        problems_add(problems, STR("records"), "must be false to get groups as NDJSON or CSV");
    }
    return problems->count ? STATUS_REFUSED : STATUS_OK;
}

static Status make_window(AggregateQuery *aggregate, QueryProblems *problems)
{
    Error error;
    if (aggregate->request.window == WINDOW_NONE) {
        return STATUS_OK;
    }
    Status status = window_new(aggregate->request.window, aggregate->request.time_zone, &aggregate->window, &error);
    if (status == STATUS_REFUSED) {
        problems_add(problems, STR("timeZone"), "%s", error.message);
    }
    return status;
}

static Status make_groups(AggregateQuery *aggregate)
{
    const Request *request = &aggregate->request;
    const QueryOptions *options = &aggregate->base.options;
    unsigned percentiles = 1u << MEASURE_P50 | 1u << MEASURE_P95 | 1u << MEASURE_P99;
    unsigned extremes = 1u << MEASURE_MIN | 1u << MEASURE_MAX;
    GroupSpec spec = {.key_count = request->key_count,
                      .percentiles = (request->measures & percentiles) != 0,
                      .hash_seed = options->info->hash_seed,
                      .bytes_max = options->group_bytes_max,
                      .budget = options->groups};
    memcpy(spec.keys, request->keys, sizeof spec.keys);
    aggregate->groups = groups_new(&spec);
    aggregate->gather = (Gather){.filter = &request->filter,
                                 .groups = aggregate->groups,
                                 .window = aggregate->window,
                                 .kind = request->window,
                                 .extremes = spec.percentiles || (request->measures & extremes) != 0,
                                 .percentiles = spec.percentiles,
                                 .bound = aggregate->cursor.bound};
    aggregate->group_output = (GroupOutput){.groups = aggregate->groups,
                                            .key_count = request->key_count,
                                            .windowed = aggregate->window != NULL,
                                            .measures = request->measures,
                                            .scale = options->info->scale};
    return aggregate->groups ? STATUS_OK : STATUS_BUSY;
}

static Status read_params(AggregateQuery *aggregate, const QueryParam *params, size_t count, QueryProblems *problems)
{
    Request *request = &aggregate->request;
    uint64_t limit_max = aggregate->format == QUERY_JSON ? REQUEST_LIMIT_MAX : INT64_MAX;
    Status status =
        request_read(request, REQUEST_AGGREGATE, &aggregate->base.arena, limit_max, params, count, problems);
    if (status == STATUS_OK) {
        status = check_together(aggregate, problems);
    }
    if (status == STATUS_OK) {
        status = record_page_read(request, aggregate->base.options.info, &aggregate->cursor, problems);
    }
    if (status == STATUS_OK) {
        status = make_window(aggregate, problems);
    }
    if (status == STATUS_OK) {
        status = make_groups(aggregate);
    }
    return status;
}

Status query_aggregate_new(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                           Query **ret_query, QueryProblems *problems)
{
    problems->count = 0;
    AggregateQuery *aggregate = query_alloc(sizeof *aggregate, options);
    if (!aggregate) {
        return STATUS_BUSY;
    }
    aggregate->base.step = aggregate_step;
    aggregate->base.release = aggregate_release;
    aggregate->format = format;
    aggregate->record_output = (RecordOutput){.shape = &record_shape, .format = format, .scale = options->info->scale};
    Status status = read_params(aggregate, params, count, problems);
    if (status != STATUS_OK) {
        query_free(&aggregate->base);
        return status;
    }
    aggregate->paged = aggregate->request.limit || aggregate->request.cursor.len;
    aggregate->phase = needs_groups(aggregate) ? PHASE_GATHER : PHASE_HEAD;
    *ret_query = &aggregate->base;
    return STATUS_OK;
}
