/* GET /api/records/{recordId} */
#include "query/task.h"

#include "record/record_json.h"

enum { OTHERS_MAX = 100 };

typedef struct Find {
    Query query;
    Str record_id, source_id;
    int64_t at; /* of reader_find */
    size_t count;
    size_t said; /* bytes, by the steps before this one */
    QueryFound first;
} Find;

/* One step: what its visitor needs. */
typedef struct Finding {
    Find *find;
    Buf *out;
    size_t begin; /* of the step's bytes in `out` */
} Finding;

static void put_total(Buf *out, const char *name, Total total, unsigned scale)
{
    buf_put_key(out, name);
    buf_put_decimal_json(out, total, scale);
}

static void put_found(Buf *out, const StoredRecord *stored, unsigned scale)
{
    FlowTotals before = stored_record_summary(stored);
    buf_put_char(out, '{');
    record_put_json_fields(out, &stored->record, stored->seq, scale);
    BUF_PUT(out, ",\"summary\":{");
    buf_put_key_i64(out, "count", flow_totals_count(&before));
    put_total(out, "totalValue", flow_totals_gross(&before), scale);
    put_total(out, "netValue", flow_totals_net(&before), scale);
    buf_put_key_i64(out, "positiveCount", before.positive_count);
    buf_put_key_i64(out, "negativeCount", before.negative_count);
    put_total(out, "positiveTotal", before.positive_total, scale);
    put_total(out, "negativeTotal", -before.negative_total, scale);
    BUF_PUT(out, "}}");
}

static bool visit_found(void *context, const StoredRecord *stored)
{
    Finding *finding = context;
    Find *find = finding->find;
    static const Str before[] = {{"{\"data\":", 8}, {",\"others\":[", 11}, {",", 1}};
    buf_put(finding->out, before[find->count < 2 ? find->count : 2]);
    put_found(finding->out, stored, find->query.options.info->scale);
    if (find->count == 0) {
        find->first = (QueryFound){stored->seq, find->said + finding->out->len - finding->begin - 1};
    }
    return ++find->count <= OTHERS_MAX;
}

static Status find_step(Query *query, QueryStep *step, bool *ret_done, Error *reterr)
{
    Find *find = (Find *)query;
    Finding finding = {find, step->out, step->out->len};
    Status status = step_look(step, reterr);
    bool go_on = status == STATUS_OK;
    while (go_on) {
        status = reader_find(step->reader, find->record_id, find->source_id, &find->at, visit_found, &finding, reterr);
        go_on = status == STATUS_OK && find->at != FIND_DONE && !step_time_is_up(step);
    }
    if (status == STATUS_OK && find->at == FIND_DONE) {
        *ret_done = true;
        buf_put(step->out, find->count > 1 ? STR("]}") : STR("}"));
        status = find->count ? STATUS_OK : error_set(reterr, STATUS_REFUSED, "there is no record with this id");
    }
    find->said += step->out->len - finding.begin;
    return status;
}

Status query_find_new(Str record_id, Str source_id, const QueryOptions *options, Query **ret_query)
{
    Find *find = query_alloc(sizeof *find, options);
    if (!find) {
        return STATUS_BUSY;
    }
    find->query.step = find_step;
    find->record_id = arena_copy(&find->query.arena, record_id);
    find->source_id = arena_copy(&find->query.arena, source_id.len ? source_id : STR(""));
    if (!find->record_id.ptr || !find->source_id.ptr) {
        query_free(&find->query);
        return STATUS_BUSY;
    }
    *ret_query = &find->query;
    return STATUS_OK;
}

QueryFound query_found(const Query *query) { return ((const Find *)query)->first; }
