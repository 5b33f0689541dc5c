/* GET /api/records, and GET /api/events */
#include "query/corrections.h"
#include "query/event_output.h"
#include "query/record_output.h"

typedef struct ListQuery {
    Query base;
    Request request;
    Cursor cursor;
    uint64_t limit;
    Lister lister;
    RecordOutput output;
    bool begun;
    bool corrected; /* as of the step that runs: events were */
    Status status;  /* of looking for what took an event back, during a step */
    Error *reterr;
} ListQuery;

static void put_head(const ListQuery *list, Buf *out)
{
    if (list->output.format == QUERY_JSON) {
        BUF_PUT(out, "{\"data\":[");
    } else if (list->output.format == QUERY_CSV) {
        list->output.shape->put_csv_header(out);
    }
}

static void put_tail(const ListQuery *list, Buf *out)
{
    if (list->output.format == QUERY_JSON) {
        buf_put_char(out, ']');
        record_page_put_next(out, &list->lister, list->base.options.info);
        BUF_PUT(out, "}");
    }
}

/* ---- What took an event back ------------------------------------------------------------------------------------- */

static bool see_any(void *context, const EventCorrection *correction)
{
    (void)correction;
    *(bool *)context = true;
    return false;
}

/* Most stores have none: then nothing is looked up for each event. */
static Status look_for_corrections(ListQuery *list, QueryStep *step, Error *reterr)
{
    list->corrected = false;
    list->status = STATUS_OK;
    list->reterr = reterr;
    return list->request.filter.events
               ? reader_event_corrections(step->reader, 1, view_bound(step->view), see_any, &list->corrected, reterr)
               : STATUS_OK;
}

/* A record that was taken back is there for ever, and does not count: its reader has to see that. */
static bool put_listed(void *context, const StoredRecord *stored)
{
    ListQuery *list = context;
    CorrectionRound round = {0};
    if (list->corrected) {
        list->status = corrections_of(list->output.step->reader, stored->seq, &round, list->reterr);
    }
    list->output.taken_back_by = round.reversal;
    return list->status == STATUS_OK && record_output_put(&list->output, stored);
}

/* ---- The list ---------------------------------------------------------------------------------------------------- */

static Status list_step(Query *query, QueryStep *step, bool *ret_done, Error *reterr)
{
    ListQuery *list = (ListQuery *)query;
    Status status = step_look(step, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (!list->begun) {
        record_page_begin(&list->lister, &list->request, &list->cursor, list->limit, step->view);
        put_head(list, step->out);
        list->begun = true;
    }
    list->output.step = step;
    status = look_for_corrections(list, step, reterr);
    if (status == STATUS_OK) {
        status = lister_step(&list->lister, step, put_listed, list, ret_done, reterr);
    }
    status = status == STATUS_OK ? list->status : status;
    if (status == STATUS_OK && *ret_done) {
        put_tail(list, step->out);
    }
    return status;
}

static void list_release(Query *query) { lister_release(&((ListQuery *)query)->lister); }

static Status list_new(RequestKind kind, const RecordShape *shape, const QueryParam *params, size_t count,
                       QueryFormat format, const QueryOptions *options, Query **ret_query, QueryProblems *problems)
{
    uint64_t limit_max = format == QUERY_JSON ? REQUEST_LIMIT_MAX : INT64_MAX;
    problems->count = 0;
    ListQuery *list = query_alloc(sizeof *list, options);
    if (!list) {
        return STATUS_BUSY;
    }
    list->base.step = list_step;
    list->base.release = list_release;
    list->output = (RecordOutput){.shape = shape, .format = format, .scale = options->info->scale};
    Status status = request_read(&list->request, kind, &list->base.arena, limit_max, params, count, problems);
    if (status == STATUS_OK) {
        status = record_page_read(&list->request, options->info, &list->cursor, problems);
    }
    if (status != STATUS_OK) {
        query_free(&list->base);
        return status;
    }
    uint64_t limit_default = format == QUERY_JSON ? REQUEST_LIMIT_DEFAULT : LISTER_NO_LIMIT;
    list->limit = list->request.limit ? list->request.limit : limit_default;
    *ret_query = &list->base;
    return STATUS_OK;
}

Status query_list_new(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                      Query **ret_query, QueryProblems *problems)
{
    return list_new(REQUEST_LIST, &record_shape, params, count, format, options, ret_query, problems);
}

Status query_events_new(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                        Query **ret_query, QueryProblems *problems)
{
    return list_new(REQUEST_EVENTS, &event_shape, params, count, format, options, ret_query, problems);
}
