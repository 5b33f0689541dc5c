#include "deliver/message.h"

#include "base/decimal.h"
#include "record/record_json.h"

static void put_text(Buf *buf, const char *name, Str text)
{
    buf_put_key(buf, name);
    buf_put_json(buf, text);
}

static void put_decimal(Buf *buf, const char *name, Total value, unsigned scale)
{
    buf_put_key(buf, name);
    buf_put_decimal_json(buf, value, scale);
}

/* Left out when it has not come. */
static void put_time_if_any(Buf *buf, const char *name, int64_t time_us)
{
    if (time_us) {
        buf_put_key_time(buf, name, time_us);
    }
}

/* A JSON number, with all its decimals: 1000.00. */
static void put_number(Buf *buf, const char *name, Total value, unsigned scale)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    buf_put_key(buf, name);
    buf_put(buf, (Str){text, decimal_format(value, scale, text)});
}

static void put_record(Buf *buf, const StoredRecord *stored, unsigned scale)
{
    const Record *record = &stored->record;
    buf_put_key(buf, "record");
    buf_put_char(buf, '{');
    buf_put_key_i64(buf, "id", stored->seq);
    put_text(buf, "record_id", record->record_id);
    buf_put_key_time(buf, "time", record->time_us);
    put_text(buf, "source_id", record->source_id);
    put_text(buf, "destination_id", record->destination_id);
    put_text(buf, "type", record->type == RECORD_POSITIVE ? STR("positive") : STR("negative"));
    put_decimal(buf, "value", record->value, scale);
    put_text(buf, "unit", record->unit);
    put_text(buf, "reference", record->reference);
    buf_put_char(buf, '}');
}

static void put_summary(Buf *buf, const StoredRecord *stored, unsigned scale)
{
    FlowTotals before = stored_record_summary(stored);
    buf_put_key(buf, "summary");
    buf_put_char(buf, '{');
    put_text(buf, "destination_id", stored->record.destination_id);
    put_text(buf, "reference", stored->record.reference);
    put_text(buf, "unit", stored->record.unit);
    buf_put_key_i64(buf, "count", flow_totals_count(&before));
    put_decimal(buf, "total_value", flow_totals_gross(&before), scale);
    put_decimal(buf, "net_value", flow_totals_net(&before), scale);
    buf_put_key_i64(buf, "positive_count", before.positive_count);
    buf_put_key_i64(buf, "negative_count", before.negative_count);
    put_decimal(buf, "positive_total", before.positive_total, scale);
    put_decimal(buf, "negative_total", -before.negative_total, scale);
    buf_put_char(buf, '}');
}

void message_put_notification(Buf *buf, const StoredRecord *stored, unsigned scale)
{
    buf_put_char(buf, '{');
    put_record(buf, stored, scale);
    put_summary(buf, stored, scale);
    buf_put_char(buf, '}');
}

void message_put_alert_body(Buf *buf, const Alert *alert, unsigned scale)
{
    buf_put_char(buf, '{');
    put_text(buf, "rule", alert->rule->name);
    /* Only the rules that watch a running total say so: the others keep the shape that the reference gives. */
    if (alert->rule->measure != RULE_VALUE) {
        put_text(buf, "measure", str_from(rule_measure_name(alert->rule->measure)));
    }
    put_number(buf, "threshold", alert->rule->threshold, scale);
    put_number(buf, "exceeded_by", alert->exceeded_by, scale);
    put_text(buf, "severity", str_from(severity_name(alert->severity)));
    buf_put_char(buf, '}');
}

void message_put_alert(Buf *buf, const StoredRecord *stored, Str body, unsigned scale)
{
    buf_put_char(buf, '{');
    put_record(buf, stored, scale);
    /* The stored body is an object of ours; what is inside its braces follows the record. */
    if (body.len > 2) {
        buf_put_char(buf, ',');
        buf_put(buf, (Str){body.ptr + 1, body.len - 2});
    }
    buf_put_char(buf, '}');
}

/* ---- Dead letters ------------------------------------------------------------------------------------------------ */

void message_put_dead_letter_body(Buf *buf, const DeadLetter *letter)
{
    static const char *const origins[] = {
        [DEAD_LETTER_INTAKE] = "source", [DEAD_LETTER_DELIVERY] = "sink", [DEAD_LETTER_JOB] = "batch_id"};
    bool is_delivery = letter->stage == DEAD_LETTER_DELIVERY;
    buf_put_char(buf, '{');
    buf_put_key(buf, "dead_letter");
    buf_put_char(buf, '{');
    buf_put_key_i64(buf, "id", letter->id);
    put_text(buf, "stage", str_from(dead_letter_stage_names[letter->stage]));
    put_text(buf, origins[letter->stage], letter->origin);
    if (is_delivery) {
        buf_put_key_i64(buf, "seq", letter->seq);
    } else {
        put_text(buf, "place", letter->place);
    }
    put_text(buf, "error", letter->error);
    buf_put_key_i64(buf, "attempts", letter->attempts);
    buf_put_key_time(buf, "created", letter->created_us);
    BUF_PUT(buf, "}}");
}

/* ---- Onboarding -------------------------------------------------------------------------------------------------- */

static void put_organization(Buf *buf, const StoredOrganization *organization)
{
    const OrganizationContent *content = &organization->content;
    buf_put_key_i64(buf, "id", organization->id);
    put_text(buf, "domain", content->domain);
    put_text(buf, "name", content->name);
    put_text(buf, "contact_email", content->contact_email);
    buf_put_key(buf, "metadata");
    buf_put(buf, content->metadata.len ? content->metadata : STR("null"));
    put_text(buf, "status", str_from(job_state_names[organization->status]));
    buf_put_key_i64(buf, "version", organization->version);
    buf_put_key_time(buf, "created", organization->created_us);
    buf_put_key_time(buf, "updated", organization->updated_us);
    put_time_if_any(buf, "deleted", organization->deleted_us);
}

static void put_job(Buf *buf, const StoredJob *job)
{
    buf_put_char(buf, '{');
    buf_put_key_i64(buf, "id", job->id);
    buf_put_key_i64(buf, "item", job->item);
    put_text(buf, "status", str_from(job_state_names[job->state]));
    buf_put_key_i64(buf, "attempts", job->attempts);
    if (job->error.len) {
        put_text(buf, "error", job->error);
    }
    buf_put_char(buf, '}');
}

void message_put_organization_body(Buf *buf, const StoredOrganization *organization, const StoredJob *job)
{
    BUF_PUT(buf, "{\"organization\":{");
    put_organization(buf, organization);
    buf_put_char(buf, '}');
    if (job) {
        put_text(buf, "batch_id", job->batch_id);
        buf_put_key(buf, "job");
        put_job(buf, job);
    } else {
        BUF_PUT(buf, ",\"batch_id\":null,\"job\":null");
    }
    buf_put_char(buf, '}');
}

void message_put_batch_body(Buf *buf, const StoredBatch *batch)
{
    BUF_PUT(buf, "{\"batch\":{");
    put_text(buf, "batch_id", batch->id);
    buf_put_key_i64(buf, "total", batch->total);
    for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
        buf_put_key_i64(buf, job_state_names[i], batch->jobs[i]);
    }
    buf_put_key_time(buf, "created", batch->created_us);
    put_time_if_any(buf, "started", batch->started_us);
    put_time_if_any(buf, "finished", batch->finished_us);
    BUF_PUT(buf, "}}");
}

static bool skip(Str *text, Str prefix)
{
    bool skipped = str_starts_with(*text, prefix);
    if (skipped) {
        *text = (Str){text->ptr + prefix.len, text->len - prefix.len};
    }
    return skipped;
}

/* Neither a domain nor a batch's id has a character that JSON escapes. */
Str message_subject(Str body)
{
    if (skip(&body, STR("{\"organization\":{\"id\":"))) {
        (void)str_take_digits(&body);
        return skip(&body, STR(",\"domain\":\"")) ? str_split(&body, '"') : (Str){0};
    }
    return skip(&body, STR("{\"batch\":{\"batch_id\":\"")) ? str_split(&body, '"') : (Str){0};
}

uint64_t message_subject_hash(Str body, uint64_t hash_seed)
{
    Str subject = message_subject(body);
    return subject.len ? record_flow_hash(subject, STR(""), STR(""), hash_seed) : 0;
}
