/* GET /api/records/{recordId} */
#include "query/query.h"

#include "record/record_json.h"

enum { OTHERS_MAX = 100 };

typedef struct Finding {
    Buf *out;
    unsigned scale;
    size_t count;
    QueryFound first;
} Finding;

static void put_count(Buf *out, const char *name, int64_t count)
{
    buf_put_key(out, name);
    buf_put_i64(out, count);
}

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
    put_count(out, "count", flow_totals_count(&before));
    put_total(out, "totalValue", flow_totals_gross(&before), scale);
    put_total(out, "netValue", flow_totals_net(&before), scale);
    put_count(out, "positiveCount", before.positive_count);
    put_count(out, "negativeCount", before.negative_count);
    put_total(out, "positiveTotal", before.positive_total, scale);
    put_total(out, "negativeTotal", -before.negative_total, scale);
    BUF_PUT(out, "}}");
}

static bool visit_found(void *context, const StoredRecord *stored)
{
    Finding *finding = context;
    static const Str before[] = {{"{\"data\":", 8}, {",\"others\":[", 11}, {",", 1}};
    buf_put(finding->out, before[finding->count < 2 ? finding->count : 2]);
    put_found(finding->out, stored, finding->scale);
    if (finding->count == 0) {
        finding->first = (QueryFound){stored->seq, finding->out->len - 1};
    }
    return ++finding->count <= OTHERS_MAX;
}

Status query_find(StoreReader *reader, Str record_id, Str source_id, const StoreInfo *info, Buf *out,
                  QueryFound *ret_found, Error *reterr)
{
    size_t before = out->len;
    Finding finding = {.out = out, .scale = info->scale};
    StoreView *view = NULL;
    Status status = reader_begin(reader, &view, reterr);
    if (status == STATUS_OK) {
        status = reader_find(reader, record_id, source_id, visit_found, &finding, reterr);
        reader_end(reader);
    }
    view_free(view);
    if (status == STATUS_OK && finding.count == 0) {
        status = error_set(reterr, STATUS_REFUSED, "there is no record with this id");
    }
    buf_put(out, finding.count > 1 ? STR("]}") : STR("}"));
    if (status == STATUS_OK && out->failed) {
        status = error_set(reterr, STATUS_BUSY, "no memory for the answer");
    }
    out->len = status == STATUS_OK ? out->len : before;
    if (status == STATUS_OK && ret_found) {
        *ret_found = finding.first;
    }
    return status;
}
