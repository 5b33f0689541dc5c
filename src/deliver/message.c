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

void message_put_dead_letter_body(Buf *buf, const DeadLetter *letter)
{
    bool is_delivery = letter->stage == DEAD_LETTER_DELIVERY;
    buf_put_char(buf, '{');
    buf_put_key(buf, "dead_letter");
    buf_put_char(buf, '{');
    buf_put_key_i64(buf, "id", letter->id);
    put_text(buf, "stage", str_from(dead_letter_stage_names[letter->stage]));
    put_text(buf, is_delivery ? "sink" : "source", letter->origin);
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
