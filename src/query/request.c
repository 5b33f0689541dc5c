#include "query/request.h"

#include <stdarg.h>

enum { PROBLEM_BYTES = sizeof(((QueryProblem *)0)->problem) };

const char *const measure_names[MEASURE_KINDS] = {
    [MEASURE_SUM] = "sum", [MEASURE_COUNT] = "count", [MEASURE_MIN] = "min", [MEASURE_MAX] = "max",
    [MEASURE_AVG] = "avg", [MEASURE_P50] = "p50",     [MEASURE_P95] = "p95", [MEASURE_P99] = "p99",
};

/* A client's text is cut where a character ends, so that a problem is always valid UTF-8. */
static Str cut(Str text, size_t bytes_max)
{
    while (text.len > bytes_max || (text.len && str_count_code_points(text) < 0)) {
        text.len = text.len > bytes_max ? bytes_max : text.len - 1;
    }
    return text;
}

Status problems_add(QueryProblems *problems, Str field, const char *format, ...)
{
    if (problems->count < QUERY_PROBLEMS_MAX) {
        QueryProblem *problem = &problems->items[problems->count++];
        Str name = cut(field, sizeof problem->field - 1);
        va_list args;
        va_start(args, format);
        snprintf(problem->field, sizeof problem->field, "%.*s", STR_ARGS(name));
        vsnprintf(problem->problem, sizeof problem->problem, format, args);
        va_end(args);
    }
    return STATUS_REFUSED;
}

/* A reader of one parameter's value: NULL when it was understood, else what is wrong, which may be written into
 * `scratch`. */
typedef const char *ReadValue(Request *request, Str value, char scratch[PROBLEM_BYTES]);

static const char *read_text(Request *request, Str value, Str *ret_text)
{
    int64_t count = str_count_code_points(value);
    if (count < 1 || count > RECORD_TEXT_CODE_POINTS_MAX || memchr(value.ptr, '\0', value.len)) {
        return "must be 1 to 255 characters of valid UTF-8 without NUL";
    }
    *ret_text = arena_copy(request->arena, value);
    return ret_text->ptr ? NULL : "is too long together with the other parameters";
}

/* The + of an offset that was not percent-encoded arrives as a space: "2025-01-01T10:00:00 02:00". */
static const char *read_time(Str value, int64_t *ret_us)
{
    char text[TIMESTAMP_TEXT_BYTES_MAX + 16];
    const char *problem = timestamp_parse(value, ret_us);
    enum { OFFSET_BYTES = 6 };
    if (problem && value.len > OFFSET_BYTES && value.len <= sizeof text && value.ptr[value.len - OFFSET_BYTES] == ' ') {
        memcpy(text, value.ptr, value.len);
        text[value.len - OFFSET_BYTES] = '+';
        return timestamp_parse((Str){text, value.len}, ret_us) ? problem : NULL;
    }
    return problem;
}

static const char *read_start(Request *request, Str value, char *scratch)
{
    (void)scratch;
    return read_time(value, &request->filter.start_us);
}

static const char *read_end(Request *request, Str value, char *scratch)
{
    (void)scratch;
    return read_time(value, &request->filter.end_us);
}

/* A day is all of it. */
static bool read_day(Str value, int64_t *ret_us)
{
    enum { DAY_BYTES = sizeof "2025-01-01" - 1 };
    char text[] = "2025-01-01 00:00:00";
    if (value.len != DAY_BYTES) {
        return false;
    }
    memcpy(text, value.ptr, DAY_BYTES);
    if (text[4] == '/' && text[7] == '/') {
        text[4] = text[7] = '-';
    }
    return timestamp_parse(str_from(text), ret_us) == NULL;
}

static const char *read_start_date(Request *request, Str value, char *scratch)
{
    return read_day(value, &request->filter.start_us) ? NULL : read_start(request, value, scratch);
}

static const char *read_end_date(Request *request, Str value, char *scratch)
{
    static const int64_t day_us = INT64_C(86400000000);
    if (!read_day(value, &request->filter.end_us)) {
        return read_end(request, value, scratch);
    }
    request->filter.end_us += day_us - 1;
    return NULL;
}

static const char *read_type(Request *request, Str value, char *scratch)
{
    (void)scratch;
    if (!str_is(value, "positive") && !str_is(value, "negative")) {
        return "must be positive or negative";
    }
    request->filter.type = str_is(value, "positive") ? RECORD_POSITIVE : RECORD_NEGATIVE;
    return NULL;
}

static const char *read_source(Request *request, Str value, char *scratch)
{
    (void)scratch;
    return read_text(request, value, &request->filter.source_id);
}

/* A client is both, so that its flows are found by their chains. */
static const char *read_client(Request *request, Str value, char *scratch)
{
    const char *problem = read_source(request, value, scratch);
    request->filter.destination_id = request->filter.source_id;
    return problem;
}

static const char *read_destination(Request *request, Str value, char *scratch)
{
    (void)scratch;
    return read_text(request, value, &request->filter.destination_id);
}

static const char *read_reference(Request *request, Str value, char *scratch)
{
    (void)scratch;
    return read_text(request, value, &request->filter.reference);
}

static const char *read_unit(Request *request, Str value, char *scratch)
{
    (void)scratch;
    return read_text(request, value, &request->filter.unit);
}

static const char *read_order(Request *request, Str value, char *scratch)
{
    (void)scratch;
    request->descending = str_is(value, "desc");
    return request->descending || str_is(value, "asc") ? NULL : "must be asc or desc";
}

static const char *read_limit(Request *request, Str value, char *scratch)
{
    if (!str_to_u64(value, request->limit_max, &request->limit) || request->limit == 0) {
        snprintf(scratch, PROBLEM_BYTES, "must be a number from 1 to %llu", (unsigned long long)request->limit_max);
        return scratch;
    }
    return NULL;
}

static const char *read_cursor(Request *request, Str value, char *scratch)
{
    (void)scratch;
    return read_text(request, value, &request->cursor);
}

static const char *read_records(Request *request, Str value, char *scratch)
{
    (void)scratch;
    request->records = str_is(value, "true");
    return request->records || str_is(value, "false") ? NULL : "must be true or false";
}

typedef bool ParseKey(Str name, GroupKey *ret_key);

static const char *read_keys(Request *request, Str value, ParseKey *parse, const char *otherwise, char *scratch)
{
    request->groups_named = true;
    request->key_count = 0;
    for (Str rest = {value.len ? value.ptr : NULL, value.len}; rest.ptr;) {
        Str name = str_trim(str_split(&rest, ','));
        GroupKey key;
        if (!parse(name, &key)) {
            return otherwise;
        }
        for (size_t i = 0; i < request->key_count; i++) {
            if (request->keys[i] == key) {
                snprintf(scratch, PROBLEM_BYTES, "names %.*s twice", STR_ARGS(name));
                return scratch;
            }
        }
        request->keys[request->key_count++] = key;
    }
    return NULL;
}

static const char *read_group_by(Request *request, Str value, char *scratch)
{
    return read_keys(request, value, group_key_parse,
                     "must be a list of destinationId, sourceId, reference, type, unit, separated by commas", scratch);
}

static bool parse_event_key(Str name, GroupKey *ret_key)
{
    *ret_key = str_is(name, "client") ? KEY_SOURCE_ID : KEY_REFERENCE;
    return str_is(name, "client") || str_is(name, "metric");
}

static const char *read_event_group_by(Request *request, Str value, char *scratch)
{
    return read_keys(request, value, parse_event_key, "must be client, metric or client,metric", scratch);
}

static const char *read_window(Request *request, Str value, char *scratch)
{
    (void)scratch;
    request->groups_named = true;
    return window_kind_parse(value, &request->window) ? NULL : "must be minute, hour, day, week or month";
}

/* No zone's name has a space: one is the + of Etc/GMT+2, not percent-encoded. */
static const char *read_time_zone(Request *request, Str value, char *scratch)
{
    (void)scratch;
    const char *problem = read_text(request, value, &request->time_zone);
    char *space = problem ? NULL : memchr((char *)(uintptr_t)request->time_zone.ptr, ' ', request->time_zone.len);
    if (space) {
        *space = '+';
    }
    return problem;
}

static const char *read_measures(Request *request, Str value, char *scratch)
{
    (void)scratch;
    request->groups_named = true;
    for (Str rest = {value.ptr ? value.ptr : "", value.len}; rest.ptr;) {
        Str name = str_trim(str_split(&rest, ','));
        size_t measure = 0;
        while (measure < MEASURE_KINDS && !str_is(name, measure_names[measure])) {
            measure++;
        }
        if (measure == MEASURE_KINDS) {
            return "must be a list of sum, count, min, max, avg, p50, p95, p99, separated by commas";
        }
        request->measures |= 1u << measure;
    }
    return NULL;
}

typedef struct ParamRow {
    const char *name;
    unsigned kinds; /* RequestKind bits */
    ReadValue *read;
} ParamRow;

enum {
    RECORDS = REQUEST_LIST | REQUEST_AGGREGATE,
    EVENTS = REQUEST_EVENTS | REQUEST_EVENT_AGGREGATE,
    LISTS = REQUEST_LIST | REQUEST_EVENTS,
    AGGREGATES = REQUEST_AGGREGATE | REQUEST_EVENT_AGGREGATE,
};

static const ParamRow rows[] = {
    {"startTime", RECORDS | REQUEST_RULE_TEST, read_start},
    {"endTime", RECORDS | REQUEST_RULE_TEST, read_end},
    {"startDate", EVENTS | REQUEST_REPROCESS, read_start_date},
    {"endDate", EVENTS | REQUEST_REPROCESS, read_end_date},
    {"type", RECORDS, read_type},
    {"sourceId", RECORDS, read_source},
    {"client", EVENTS | REQUEST_REPROCESS, read_client},
    {"destinationId", RECORDS, read_destination},
    {"reference", RECORDS, read_reference},
    {"metric", EVENTS, read_reference},
    {"unit", RECORDS | EVENTS, read_unit},
    {"order", LISTS, read_order},
    {"limit", RECORDS | REQUEST_RULE_TEST | REQUEST_EVENTS | REQUEST_REPROCESS, read_limit},
    {"cursor", RECORDS | REQUEST_EVENTS, read_cursor},
    {"records", REQUEST_AGGREGATE, read_records},
    {"groupBy", REQUEST_AGGREGATE, read_group_by},
    {"groupBy", REQUEST_EVENT_AGGREGATE, read_event_group_by},
    {"window", AGGREGATES, read_window},
    {"timeZone", AGGREGATES, read_time_zone},
    {"measures", AGGREGATES, read_measures},
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static size_t row_named(Str name, RequestKind kind)
{
    size_t row = 0;
    while (row < ROW_COUNT && !((rows[row].kinds & kind) && str_is(name, rows[row].name))) {
        row++;
    }
    return row;
}

static Status add_unknown(QueryProblems *problems, RequestKind kind, Str name)
{
    enum { DISTANCE_MAX = 3 };
    const char *nearest = NULL;
    unsigned best = DISTANCE_MAX + 1;
    for (size_t row = 0; row < ROW_COUNT; row++) {
        if (rows[row].kinds & kind) {
            unsigned distance = str_distance(name, str_from(rows[row].name), DISTANCE_MAX);
            if (distance < best && distance < strlen(rows[row].name) / 2 + 1) {
                best = distance;
                nearest = rows[row].name;
            }
        }
    }
    if (nearest) {
        return problems_add(problems, name, "is not a known parameter; did you mean %s?", nearest);
    }
    return problems_add(problems, name, "is not a known parameter");
}

static void read_one(Request *request, RequestKind kind, const QueryParam *param, uint32_t *given,
                     QueryProblems *problems)
{
    char scratch[PROBLEM_BYTES];
    size_t row = row_named(param->name, kind);
    if (row == ROW_COUNT) {
        add_unknown(problems, kind, param->name);
        return;
    }
    const char *problem =
        *given & 1u << row ? "is given more than once" : rows[row].read(request, param->value, scratch);
    *given |= 1u << row;
    if (problem) {
        problems_add(problems, param->name, "%s", problem);
    }
}

/* Events come the newest first, and their amounts are never added up over units. */
static void set_defaults(Request *request, RequestKind kind)
{
    request->records = kind == REQUEST_AGGREGATE;
    request->descending = kind == REQUEST_EVENTS;
    request->filter.events = kind & (unsigned)(EVENTS | REQUEST_REPROCESS);
    if (kind != REQUEST_EVENT_AGGREGATE) {
        request->keys[request->key_count++] = KEY_DESTINATION_ID;
        return;
    }
    request->keys[request->key_count++] = KEY_SOURCE_ID;
    request->keys[request->key_count++] = KEY_REFERENCE;
}

Status request_read(Request *request, RequestKind kind, Arena *arena, uint64_t limit_max, const QueryParam *params,
                    size_t count, QueryProblems *problems)
{
    uint32_t given = 0;
    problems->count = 0;
    *request = (Request){.arena = arena, .filter = FILTER_ALL, .limit_max = limit_max};
    set_defaults(request, kind);
    for (size_t i = 0; i < count; i++) {
        read_one(request, kind, &params[i], &given, problems);
    }
    if (arena->starved) { /* which is no fault of the parameter that was not copied */
        problems->count = 0;
        return STATUS_BUSY;
    }
    if (problems->count == 0 && request->filter.start_us > request->filter.end_us) {
        bool events = request->filter.events;
        problems_add(problems, events ? STR("startDate") : STR("startTime"), "must not be later than %s",
                     events ? "endDate" : "endTime");
    }
    return problems->count ? STATUS_REFUSED : STATUS_OK;
}
