#include "http/json_body.h"

#include "record/record_json.h"

bool request_json_body(Request *request, const char *what, BodyNeed need, yyjson_val **ret_root)
{
    Error error;
    Str charset;
    *ret_root = NULL;
    if (need == BODY_OPTIONAL && request->body.len == 0) {
        return true;
    }
    if (media_type_parse(request_header(request, "Content-Type"), &charset) != MEDIA_JSON ||
        !media_charset_is_utf8(charset)) {
        request_problem(request, PROBLEM_MEDIA_TYPE, "send %s as application/json in UTF-8", what);
        return false;
    }
    if (!buf_reserve(&request->body, YYJSON_PADDING_SIZE)) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the body");
        return false;
    }
    Status status = json_read(request->body.ptr, request->body.len, &request->arena, ret_root, &error);
    if (status == STATUS_REFUSED) {
        request_invalid(request, "body", "%s", error.message);
    } else if (status != STATUS_OK) {
        request_failed(request, status, &error);
    }
    return status == STATUS_OK;
}

/* ---- Fields ------------------------------------------------------------------------------------------------------ */

typedef struct FieldReading {
    const Field *fields;
    size_t count;
    void *self;
    bool given[FIELDS_MAX];
    QueryProblems problems;
} FieldReading;

static Str text_of(yyjson_val *value) { return (Str){yyjson_get_str(value), yyjson_get_len(value)}; }

static void add_problem(FieldReading *reading, Str field, const char *problem, const char *hint)
{
    QueryProblems *problems = &reading->problems;
    if (problems->count < QUERY_PROBLEMS_MAX) {
        QueryProblem *added = &problems->items[problems->count++];
        snprintf(added->field, sizeof added->field, "%.*s", STR_ARGS(field));
        snprintf(added->problem, sizeof added->problem, hint ? "%s; did you mean %s?" : "%s", problem, hint);
    }
}

static void refuse_unknown(FieldReading *reading, Str name)
{
    enum { DISTANCE_MAX = 3 };
    const char *nearest = NULL;
    unsigned best = DISTANCE_MAX + 1;
    for (size_t i = 0; i < reading->count; i++) {
        unsigned distance = str_distance(name, str_from(reading->fields[i].name), DISTANCE_MAX);
        if (distance < best && distance < strlen(reading->fields[i].name) / 2 + 1) {
            best = distance;
            nearest = reading->fields[i].name;
        }
    }
    add_problem(reading, name, "is not known here", nearest);
}

static void read_field(FieldReading *reading, Str name, yyjson_val *value)
{
    size_t at = 0;
    while (at < reading->count && !str_is(name, reading->fields[at].name)) {
        at++;
    }
    if (at == reading->count) {
        refuse_unknown(reading, name);
        return;
    }
    const Field *field = &reading->fields[at];
    const char *problem =
        reading->given[at] ? "is given more than once" : field->read(reading->self, field->name, value);
    reading->given[at] = true;
    if (problem) {
        add_problem(reading, name, problem, NULL);
    }
}

static void read_members(FieldReading *reading, yyjson_val *body)
{
    size_t index, count;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(body)) {
        add_problem(reading, STR("body"), "must be a JSON object", NULL);
        return;
    }
    yyjson_obj_foreach(body, index, count, key, value)
    {
        if (reading->problems.count < QUERY_PROBLEMS_MAX) {
            read_field(reading, text_of(key), value);
        }
    }
}

bool request_read_fields(Request *request, yyjson_val *body, const Field *fields, size_t count, void *self)
{
    FieldReading reading = {.fields = fields, .count = count, .self = self};
    reading.problems.count = 0;
    for (size_t i = 0; i < request->uri.param_count; i++) {
        const QueryParam *param = &request->uri.params[i];
        yyjson_val value = {0};
        yyjson_set_strn(&value, param->value.len ? param->value.ptr : "", param->value.len);
        read_field(&reading, param->name, &value);
    }
    if (body) {
        read_members(&reading, body);
    }
    if (reading.problems.count) {
        request_invalid_params(request, &reading.problems);
    }
    return reading.problems.count == 0;
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

bool field_integer(yyjson_val *value, uint64_t max, uint64_t *ret_number)
{
    Str digits = yyjson_is_raw(value) ? (Str){yyjson_get_raw(value), yyjson_get_len(value)} : text_of(value);
    return str_to_u64(digits, max, ret_number);
}

bool field_bool(yyjson_val *value, bool *ret_bool)
{
    bool yes = yyjson_is_true(value) || yyjson_equals_str(value, "true") || yyjson_equals_str(value, "1");
    bool no = yyjson_is_false(value) || yyjson_equals_str(value, "false") || yyjson_equals_str(value, "0");
    *ret_bool = yes;
    return yes || no;
}

bool field_text(yyjson_val *value, Str *ret_text)
{
    int64_t points = yyjson_is_str(value) ? str_count_code_points(text_of(value)) : -1;
    *ret_text = text_of(value);
    return points >= 1 && points <= RECORD_TEXT_CODE_POINTS_MAX && !memchr(ret_text->ptr, '\0', ret_text->len);
}
