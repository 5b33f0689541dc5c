#include "http/rule_json.h"

#include "base/decimal.h"
#include "query/request.h"
#include "record/record_json.h"

enum { RULE_FIELDS_MAX = 64 }; /* looked up one by one, so a body full of them must not be */

static void add(QueryProblems *problems, const char *field, const char *problem)
{
    problems_add(problems, str_from(field), "%s", problem);
}

static Str text_of(yyjson_val *value) { return (Str){yyjson_get_str(value), yyjson_get_len(value)}; }

static bool is_text(Str text)
{
    int64_t points = str_count_code_points(text);
    return points >= 1 && points <= RECORD_TEXT_CODE_POINTS_MAX && !memchr(text.ptr, '\0', text.len);
}

static void read_name(Str *name, yyjson_val *value, QueryProblems *problems)
{
    if (yyjson_is_str(value) && is_text(text_of(value))) {
        *name = text_of(value);
    } else {
        add(problems, "name", "must be a string of 1 to 255 characters");
    }
}

static void read_filter(Str *filter, const char *field, yyjson_val *value, QueryProblems *problems)
{
    bool is_empty = yyjson_is_null(value) || (yyjson_is_str(value) && yyjson_get_len(value) == 0);
    if (is_empty) {
        *filter = (Str){NULL, 0};
    } else if (yyjson_is_str(value) && is_text(text_of(value))) {
        *filter = text_of(value);
    } else {
        add(problems, field, "must be a string of up to 255 characters, or null for any");
    }
}

static void read_type(AlertRule *rule, yyjson_val *value, QueryProblems *problems)
{
    if (yyjson_is_null(value)) {
        rule->type = -1;
    } else if (yyjson_equals_str(value, "positive")) {
        rule->type = RECORD_POSITIVE;
    } else if (yyjson_equals_str(value, "negative")) {
        rule->type = RECORD_NEGATIVE;
    } else {
        add(problems, "type", "must be positive, negative, or null for both");
    }
}

static void read_threshold(AlertRule *rule, yyjson_val *value, unsigned scale, QueryProblems *problems)
{
    DecimalProblem problem = DECIMAL_NOT_A_NUMBER;
    if (yyjson_is_str(value)) {
        problem = decimal_parse(text_of(value), scale, RECORD_VALUE_MAX, &rule->threshold);
    } else if (yyjson_is_raw(value)) {
        Str number = {yyjson_get_raw(value), yyjson_get_len(value)};
        problem = decimal_parse_json_number(number, scale, RECORD_VALUE_MAX, &rule->threshold);
    }
    if (problem != DECIMAL_OK || rule->threshold <= 0) {
        add(problems, "threshold", "must be a number greater than 0 with no more decimals than records have");
        rule->threshold = 1;
    }
}

static void read_field(AlertRule *rule, Str field, yyjson_val *value, unsigned scale, QueryProblems *problems)
{
    const struct {
        const char *name;
        Str *filter;
    } filters[] = {{"sourceId", &rule->source_id},
                   {"destinationId", &rule->destination_id},
                   {"unit", &rule->unit},
                   {"reference", &rule->reference}};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (str_is(field, filters[i].name)) {
            read_filter(filters[i].filter, filters[i].name, value, problems);
            return;
        }
    }
    if (str_is(field, "name")) {
        read_name(&rule->name, value, problems);
    } else if (str_is(field, "type")) {
        read_type(rule, value, problems);
    } else if (str_is(field, "threshold")) {
        read_threshold(rule, value, scale, problems);
    } else if (str_is(field, "measure")) {
        if (!yyjson_is_str(value) || !rule_measure_parse(text_of(value), &rule->measure)) {
            add(problems, "measure", "must be value, total_value or net_value");
        }
    } else if (str_is(field, "enabled")) {
        rule->enabled = yyjson_is_true(value);
        if (!yyjson_is_bool(value)) {
            add(problems, "enabled", "must be true or false");
        }
    } else {
        problems_add(problems, field, "is not a field of an alert rule");
    }
}

/* What is no number at all is not another version. */
static void read_version(int64_t version, yyjson_val *value, bool *ret_other, QueryProblems *problems)
{
    uint64_t number = 0;
    if (yyjson_is_raw(value) && str_to_u64((Str){yyjson_get_raw(value), yyjson_get_len(value)}, INT64_MAX, &number)) {
        *ret_other = (int64_t)number != version;
    } else {
        add(problems, "version", "must be a whole number");
    }
}

Status rule_apply_json(AlertRule *rule, yyjson_val *value, unsigned scale, QueryProblems *problems)
{
    size_t index, count;
    yyjson_val *key, *field;
    bool other_version = false;
    problems->count = 0;
    if (!yyjson_is_obj(value)) {
        add(problems, "body", "must be a JSON object");
        return STATUS_REFUSED;
    }
    if (yyjson_obj_size(value) > RULE_FIELDS_MAX) {
        add(problems, "body", "has too many fields");
        return STATUS_REFUSED;
    }
    yyjson_obj_foreach(value, index, count, key, field)
    {
        Str name = text_of(key);
        if (yyjson_obj_getn(value, name.ptr, name.len) != field) {
            add(problems, "body", "has a field twice");
        } else if (str_is(name, "version") && rule->id) {
            read_version(rule->version, field, &other_version, problems);
        } else {
            read_field(rule, name, field, scale, problems);
        }
    }
    return problems->count ? STATUS_REFUSED : other_version ? STATUS_CONFLICT : STATUS_OK;
}

void rule_require(const AlertRule *rule, bool needs_name, QueryProblems *problems)
{
    if (needs_name && rule->name.len == 0) {
        add(problems, "name", "is required");
    }
    if (rule->threshold == 0) {
        add(problems, "threshold", "is required");
    }
}

AlertRule rule_default(void) { return (AlertRule){.type = -1, .measure = RULE_VALUE, .enabled = true}; }

static void put_filter(Buf *buf, const char *name, Str text)
{
    buf_put_key(buf, name);
    if (text.len) {
        buf_put_json(buf, text);
    } else {
        BUF_PUT(buf, "null");
    }
}

void rule_put_json(Buf *buf, const AlertRule *rule, unsigned scale)
{
    BUF_PUT(buf, "{\"id\":");
    buf_put_i64(buf, rule->id);
    put_filter(buf, "name", rule->name);
    put_filter(buf, "sourceId", rule->source_id);
    put_filter(buf, "destinationId", rule->destination_id);
    put_filter(buf, "unit", rule->unit);
    put_filter(buf, "reference", rule->reference);
    buf_put_key(buf, "type");
    buf_put(buf, rule->type < 0                  ? STR("null")
                 : rule->type == RECORD_POSITIVE ? STR("\"positive\"")
                                                 : STR("\"negative\""));
    put_filter(buf, "measure", str_from(rule_measure_name(rule->measure)));
    buf_put_key(buf, "threshold");
    buf_put_decimal_json(buf, rule->threshold, scale);
    buf_put_key(buf, "enabled");
    buf_put(buf, rule->enabled ? STR("true") : STR("false"));
    buf_put_key_i64(buf, "version", rule->version);
    buf_put_key(buf, "createdAt");
    buf_put_time_json(buf, rule->created_us);
    buf_put_key(buf, "updatedAt");
    buf_put_time_json(buf, rule->updated_us);
    buf_put_char(buf, '}');
}
