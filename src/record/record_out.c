#include <assert.h>

#include "base/decimal.h"
#include "base/timestamp.h"
#include "record/record_json.h"

void buf_put_decimal_json(Buf *buf, Total value, unsigned scale)
{
    char *at = buf_reserve(buf, DECIMAL_TEXT_BYTES_MAX + 2);
    if (at) {
        size_t len = decimal_format(value, scale, at + 1);
        at[0] = '"';
        at[len + 1] = '"';
        buf->len += len + 2;
    }
}

void buf_put_time_json(Buf *buf, int64_t time_us)
{
    char *at = buf_reserve(buf, TIMESTAMP_TEXT_BYTES_MAX + 2);
    if (at) {
        size_t len = timestamp_format(time_us, at + 1);
        at[0] = '"';
        at[len + 1] = '"';
        buf->len += len + 2;
    }
}

void buf_put_key_time(Buf *buf, const char *name, int64_t time_us)
{
    buf_put_key(buf, name);
    buf_put_time_json(buf, time_us);
}

static Str type_name(RecordType type) { return type == RECORD_POSITIVE ? STR("positive") : STR("negative"); }

static void put_content(Buf *buf, const Record *record, unsigned scale)
{
    buf_put_key(buf, "recordId");
    buf_put_json(buf, record->record_id);
    buf_put_key_time(buf, "time", record->time_us);
    BUF_PUT(buf, ",\"sourceId\":");
    buf_put_json(buf, record->source_id);
    BUF_PUT(buf, ",\"destinationId\":");
    buf_put_json(buf, record->destination_id);
    BUF_PUT(buf, ",\"type\":");
    buf_put_json(buf, type_name(record->type));
    BUF_PUT(buf, ",\"value\":");
    buf_put_decimal_json(buf, record->value, scale);
    BUF_PUT(buf, ",\"unit\":");
    buf_put_json(buf, record->unit);
    BUF_PUT(buf, ",\"reference\":");
    buf_put_json(buf, record->reference);
}

void record_put_json_content(Buf *buf, const Record *record, unsigned scale)
{
    buf_put_char(buf, '{');
    put_content(buf, record, scale);
    buf_put_char(buf, '}');
}

void record_put_json_fields(Buf *buf, const Record *record, int64_t seq, unsigned scale)
{
    buf_put_key_i64(buf, "id", seq);
    put_content(buf, record, scale);
    if (record->traceparent.len > 0) {
        BUF_PUT(buf, ",\"traceparent\":");
        buf_put_json(buf, record->traceparent);
    }
}

void record_put_json(Buf *buf, const StoredRecord *stored, unsigned scale)
{
    buf_put_char(buf, '{');
    record_put_json_fields(buf, &stored->record, stored->seq, scale);
    buf_put_char(buf, '}');
}

void record_put_csv_header(Buf *buf)
{
    BUF_PUT(buf, "id");
    for (size_t i = 0; i < RECORD_FIELD_COUNT; i++) {
        buf_put_char(buf, ',');
        buf_put(buf, str_from(record_field_names[i]));
    }
    BUF_PUT(buf, "\r\n");
}

static void put_cell(Buf *buf, Str text)
{
    buf_put_char(buf, ',');
    buf_put_csv(buf, text);
}

void record_put_csv(Buf *buf, const StoredRecord *stored, unsigned scale)
{
    const Record *record = &stored->record;
    char time[TIMESTAMP_TEXT_BYTES_MAX], value[DECIMAL_TEXT_BYTES_MAX];
    buf_put_i64(buf, stored->seq);
    put_cell(buf, record->record_id);
    put_cell(buf, (Str){time, timestamp_format(record->time_us, time)});
    put_cell(buf, record->source_id);
    put_cell(buf, record->destination_id);
    put_cell(buf, type_name(record->type));
    put_cell(buf, (Str){value, decimal_format(record->value, scale, value)});
    put_cell(buf, record->unit);
    put_cell(buf, record->reference);
    BUF_PUT(buf, "\r\n");
}

static bool is_first_of_field(const FieldProblem *items, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (str_equal(items[i].field, items[at].field)) {
            return false;
        }
    }
    return true;
}

/* Names of fields are short: they were cut when they became problems. */
static void put_field_name(Buf *buf, const char *prefix, const char *whole, Str field)
{
    char name[FIELD_PREFIX_BYTES_MAX + FIELD_NAME_BYTES_MAX];
    size_t len = strlen(prefix);
    assert(len <= FIELD_PREFIX_BYTES_MAX);
    if (field.len == 0) {
        buf_put_json(buf, str_from(whole));
        return;
    }
    field = str_cut(field, FIELD_NAME_BYTES_MAX);
    memcpy(name, prefix, len);
    memcpy(name + len, field.ptr, field.len);
    buf_put_json(buf, (Str){name, len + field.len});
}

static void put_problems_of_field(Buf *buf, const FieldProblem *items, size_t first, size_t count)
{
    char before = '[';
    for (size_t i = first; i < count; i++) {
        if (str_equal(items[i].field, items[first].field)) {
            buf_put_char(buf, before);
            buf_put_json(buf, str_from(items[i].problem));
            before = ',';
        }
    }
    buf_put_char(buf, ']');
}

void field_problems_put(Buf *buf, const char *prefix, const char *whole, const FieldProblem *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_first_of_field(items, i)) {
            bool is_begun = buf->len > 0 && buf->ptr[buf->len - 1] != '{';
            buf_put(buf, is_begun ? STR(",") : STR(""));
            put_field_name(buf, prefix, whole, items[i].field);
            buf_put_char(buf, ':');
            put_problems_of_field(buf, items, i, count);
        }
    }
}

void record_problems_put_json(Buf *buf, const RecordProblems *problems)
{
    buf_put_char(buf, '{');
    field_problems_put(buf, "", "record", problems->items, problems->count);
    buf_put_char(buf, '}');
}

static bool is_plain_name(Str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == ';') {
            return false;
        }
    }
    return name.len > 0;
}

void record_problems_put_text(Buf *buf, const RecordProblems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const FieldProblem *item = &problems->items[i];
        buf_put(buf, i > 0 ? STR("; ") : STR(""));
        if (item->field.len == 0) {
            BUF_PUT(buf, "the record");
        } else if (is_plain_name(item->field)) {
            buf_put(buf, item->field);
        } else {
            buf_put_json(buf, item->field);
        }
        buf_put_char(buf, ' ');
        buf_put(buf, str_from(item->problem));
    }
}

Status record_problems_say(const RecordProblems *problems, size_t bytes_max, Arena *arena, Str *ret_text)
{
    enum { TEXT_BYTES_MAX = 16 << 10 };
    Buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    record_problems_put_text(&text, problems);
    Str said = text.len ? str_cut(buf_str(&text), bytes_max) : STR("is no record");
    Str copy = text.no_memory ? (Str){NULL, 0} : arena_copy(arena, said);
    buf_release(&text);
    if (!copy.ptr) {
        return STATUS_BUSY;
    }
    *ret_text = copy;
    return STATUS_OK;
}

void event_put_json_fields(Buf *buf, const Record *record, int64_t seq, unsigned scale)
{
    Str key = {0};
    uint64_t number = 0;
    record_has_event_id(record, &key, &number);
    BUF_PUT(buf, "\"hash\":");
    buf_put_json(buf, record_event_hash(record));
    buf_put_key(buf, "recordId");
    buf_put_json(buf, record->record_id);
    if (seq) {
        buf_put_key_i64(buf, "id", seq);
    }
    buf_put_key(buf, "client");
    buf_put_json(buf, record->source_id);
    buf_put_key(buf, "metric");
    buf_put_json(buf, record->reference);
    buf_put_key(buf, "amount");
    buf_put_decimal_json(buf, record_amount(record), scale);
    buf_put_key(buf, "unit");
    buf_put_json(buf, record->unit);
    buf_put_key(buf, "timestamp");
    buf_put_time_json(buf, record->time_us);
    if (number) {
        buf_put_key(buf, "correction");
        buf_put_u64(buf, number);
    }
}

static void put_name(Buf *buf, char *before, const char *name)
{
    buf_put_char(buf, *before);
    buf_put_json(buf, str_from(name));
    *before = ',';
}

static void end_names(Buf *buf, char before) { buf_put(buf, before == '[' ? STR("[]") : STR("]")); }

void record_differs_put_json(Buf *buf, uint32_t differs)
{
    char before = '[';
    for (int bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
        if (differs & (1u << bit)) {
            put_name(buf, &before, record_field_names[bit]);
        }
    }
    end_names(buf, before);
}

void event_differs_put_json(Buf *buf, uint32_t differs)
{
    static const struct {
        const char *name;
        uint32_t fields;
    } parts[] = {
        {"recordId", FIELD_RECORD_ID}, {"client", FIELD_SOURCE_ID | FIELD_DESTINATION_ID},
        {"metric", FIELD_REFERENCE},   {"amount", FIELD_TYPE | FIELD_VALUE},
        {"unit", FIELD_UNIT},          {"time", FIELD_TIME},
    };
    char before = '[';
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (differs & parts[i].fields) {
            put_name(buf, &before, parts[i].name);
        }
    }
    end_names(buf, before);
}
