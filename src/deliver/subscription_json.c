#include "deliver/subscription_json.h"

#include "base/decimal.h"
#include "base/timestamp.h"
#include "record/record_json.h"

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

static void put_text(Buf *buf, const char *name, Str text)
{
    if (text.len > 0) {
        buf_put_key(buf, name);
        buf_put_json(buf, text);
    }
}

void subscription_put_json(Buf *buf, const Subscription *subscription, unsigned scale)
{
    const char *separator = "[";
    buf_put_char(buf, '{');
    buf_put_key(buf, "messages");
    for (MessageKind kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
        if (subscription->kinds & 1u << kind) {
            buf_printf(buf, "%s\"%s\"", separator, message_kind_name(kind));
            separator = ",";
        }
    }
    buf_put(buf, subscription->kinds ? STR("]") : STR("[]"));
    put_text(buf, "sourceId", subscription->source_id);
    put_text(buf, "destinationId", subscription->destination_id);
    put_text(buf, "unit", subscription->unit);
    if (subscription->type >= 0) {
        put_text(buf, "type", subscription->type == RECORD_POSITIVE ? STR("positive") : STR("negative"));
    }
    if (subscription->value_min > 0) {
        buf_put_key(buf, "valueMin");
        buf_put_decimal_json(buf, subscription->value_min, scale);
    }
    if (subscription->has_times) {
        buf_put_key(buf, "startTime");
        buf_put_time_json(buf, subscription->start_us);
        buf_put_key(buf, "endTime");
        buf_put_time_json(buf, subscription->end_us);
    }
    buf_put_char(buf, '}');
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

typedef struct Reading {
    Subscription *subscription;
    Arena *arena;
    unsigned scale;
    Error *reterr;
} Reading;

typedef Status MemberReader(Reading *reading, yyjson_val *value);

static Str text_of(yyjson_val *value) { return (Str){yyjson_get_str(value), yyjson_get_len(value)}; }

static Status refuse(const Reading *reading, const char *what)
{
    return error_set(reading->reterr, STATUS_REFUSED, "%s", what);
}

static Status read_messages(Reading *reading, yyjson_val *value)
{
    size_t i, count;
    yyjson_val *item;
    unsigned bits = 0;
    yyjson_arr_foreach(value, i, count, item)
    {
        MessageKind kind;
        if (!yyjson_is_str(item) || !message_kind_parse(text_of(item), &kind)) {
            return refuse(
                reading,
                "the kinds are notification, alert, dead_letter.created, organization.created, organization.updated, "
                "organization.processed, organization.failed, batch.completed and batch.failed");
        }
        bits |= 1u << kind;
    }
    reading->subscription->kinds = bits;
    return bits ? STATUS_OK : refuse(reading, "must be a list of at least one kind");
}

static Status read_text(const Reading *reading, yyjson_val *value, Str *ret_text)
{
    int64_t points = yyjson_is_str(value) ? str_count_code_points(text_of(value)) : -1;
    if (points < 1 || points > RECORD_TEXT_CODE_POINTS_MAX) {
        return refuse(reading, "must be a string of 1 to 255 characters");
    }
    *ret_text = arena_copy(reading->arena, text_of(value));
    return ret_text->ptr ? STATUS_OK : error_set(reading->reterr, STATUS_BUSY, "out of memory");
}

static Status read_source(Reading *reading, yyjson_val *value)
{
    return read_text(reading, value, &reading->subscription->source_id);
}
static Status read_destination(Reading *reading, yyjson_val *value)
{
    return read_text(reading, value, &reading->subscription->destination_id);
}
static Status read_unit(Reading *reading, yyjson_val *value)
{
    return read_text(reading, value, &reading->subscription->unit);
}

static Status read_type(Reading *reading, yyjson_val *value)
{
    if (yyjson_equals_str(value, "positive")) {
        reading->subscription->type = RECORD_POSITIVE;
    } else if (yyjson_equals_str(value, "negative")) {
        reading->subscription->type = RECORD_NEGATIVE;
    } else {
        return refuse(reading, "must be positive or negative");
    }
    return STATUS_OK;
}

static Status read_value_min(Reading *reading, yyjson_val *value)
{
    int64_t *value_min = &reading->subscription->value_min;
    DecimalProblem problem = DECIMAL_NOT_A_NUMBER;
    if (yyjson_is_str(value)) {
        problem = decimal_parse(text_of(value), reading->scale, RECORD_VALUE_MAX, value_min);
    } else if (yyjson_is_raw(value)) {
        Str number = {yyjson_get_raw(value), yyjson_get_len(value)};
        problem = decimal_parse_json_number(number, reading->scale, RECORD_VALUE_MAX, value_min);
    }
    return problem == DECIMAL_OK ? STATUS_OK
                                 : refuse(reading, "must be a number with no more decimals than records have");
}

static Status read_time(Reading *reading, yyjson_val *value, int64_t *ret_us)
{
    Subscription *subscription = reading->subscription;
    if (!subscription->has_times) {
        subscription->has_times = true;
        subscription->start_us = TIMESTAMP_MIN;
        subscription->end_us = TIMESTAMP_MAX;
    }
    const char *problem = yyjson_is_str(value) ? timestamp_parse(text_of(value), ret_us) : "is not a string";
    return problem ? refuse(reading, problem) : STATUS_OK;
}

static Status read_start(Reading *reading, yyjson_val *value)
{
    return read_time(reading, value, &reading->subscription->start_us);
}
static Status read_end(Reading *reading, yyjson_val *value)
{
    return read_time(reading, value, &reading->subscription->end_us);
}

static const struct {
    const char *name;
    MemberReader *read;
} members[] = {
    {"messages", read_messages}, {"sourceId", read_source}, {"destinationId", read_destination},
    {"unit", read_unit},         {"type", read_type},       {"valueMin", read_value_min},
    {"startTime", read_start},   {"endTime", read_end},
};

Status subscription_read_member(Str name, yyjson_val *value, unsigned scale, Arena *arena, Subscription *subscription,
                                Error *reterr)
{
    Reading reading = {subscription, arena, scale, reterr};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (str_is(name, members[i].name)) {
            return members[i].read(&reading, value);
        }
    }
    return error_set(reterr, STATUS_REFUSED, "there is no such filter");
}

Status subscription_read_json(Str json, unsigned scale, Arena *arena, Subscription *subscription, Error *reterr)
{
    yyjson_doc *doc =
        json.len <= SUBSCRIPTION_JSON_BYTES_MAX ? yyjson_read(json.ptr, json.len, YYJSON_READ_NUMBER_AS_RAW) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc), *key;
    Status status = STATUS_OK;
    if (!yyjson_is_obj(root)) {
        status = error_set(reterr, STATUS_REFUSED, "the filter is not a JSON object");
    }
    yyjson_obj_iter iter = yyjson_obj_iter_with(root);
    while (status == STATUS_OK && (key = yyjson_obj_iter_next(&iter))) {
        Str name = text_of(key);
        status = subscription_read_member(name, yyjson_obj_iter_get_val(key), scale, arena, subscription, reterr);
        if (status != STATUS_OK) {
            error_prefix(reterr, "%.*s", STR_ARGS(name));
        }
    }
    yyjson_doc_free(doc);
    return status;
}
