/* weir query: counts and totals. */
#include <yyjson.h>

#include "cli/ask.h"
#include "cli/table.h"

static void put_cell(Table *table, yyjson_val *key, yyjson_val *value)
{
    char number[32];
    Str name = {yyjson_get_str(key), yyjson_get_len(key)}, text = {yyjson_get_str(value), yyjson_get_len(value)};
    bool is_number = !(str_is(name, "destinationId") || str_is(name, "sourceId") || str_is(name, "reference") ||
                       str_is(name, "type") || str_is(name, "unit") || str_is(name, "windowStart"));
    if (yyjson_is_int(value)) {
        snprintf(number, sizeof number, "%lld", (long long)yyjson_get_sint(value));
        text = str_from(number);
    }
    table_put(table, table_column(table, name, is_number), text);
}

/* A group's own count and totals run over different units; where it lists the units, only theirs are shown. */
static void put_row(Table *table, yyjson_val *group, yyjson_val *unit)
{
    size_t index, count;
    yyjson_val *key, *value;
    table_begin_row(table);
    yyjson_obj_foreach(group, index, count, key, value)
    {
        bool is_total = yyjson_obj_get(unit, yyjson_get_str(key)) != NULL;
        if (!is_total && !yyjson_is_arr(value)) {
            put_cell(table, key, value);
        }
    }
    yyjson_obj_foreach(unit, index, count, key, value) { put_cell(table, key, value); }
}

static void put_group(Table *table, yyjson_val *group)
{
    yyjson_val *units = yyjson_obj_get(group, "units"), *unit;
    size_t index, count;
    if (!units) {
        put_row(table, group, NULL);
    }
    yyjson_arr_foreach(units, index, count, unit) { put_row(table, group, unit); }
}

static void put_groups(Buf *out, Str answer)
{
    yyjson_doc *document = yyjson_read(answer.ptr, answer.len, 0);
    yyjson_val *data = yyjson_obj_get(yyjson_doc_get_root(document), "data"), *group;
    size_t index, count;
    Table table;
    table_init(&table);
    yyjson_arr_foreach(yyjson_obj_get(data, "groups"), index, count, group) { put_group(&table, group); }
    table_print(&table, out);
    buf_printf(out, "%s%llu records\n", table.first ? "\n" : "",
               (unsigned long long)yyjson_get_uint(yyjson_obj_get(data, "count")));
    table_release(&table);
    yyjson_doc_free(document);
}

static int run(const Args *args)
{
    Question question = {.kind = ASK_AGGREGATE};
    question.param_count = args_params(args, question.params);
    if (!args_has(args, "records") && question.param_count < ARGS_PARAMS_MAX) {
        question.params[question.param_count++] = (QueryParam){STR("records"), STR("false")};
    }
    return ask_and_print(args, &question, put_groups);
}

static const Flag flags_query[] = {
    {"group-by", "FIELDS", "destinationId, sourceId, reference, type and unit, separated by commas (destinationId)",
     NULL, "groupBy"},
    {"window", "minute|hour|day|week|month", "a group for each of these, too", NULL, "window"},
    {"time-zone", "NAME", "in whose local time windows begin, such as Europe/Berlin (UTC)", NULL, "timeZone"},
    {"measures", "NAMES", "of sum, count, min, max, avg, p50, p95, p99, separated by commas", NULL, "measures"},
    {"records", "true|false", "list the records too (false)", NULL, "records"},
    {"limit", "COUNT", "of the records, so many at most", NULL, "limit"},
    {"cursor", "CURSOR", "of the records, go on where an earlier answer ended", NULL, "cursor"},
    {0},
};

const Command command_query = {
    .name = "query",
    .summary = "counts and totals, grouped and over time",
    .description =
        "Takes the parameters of GET /api/records/aggregate. The table has a line for each group and unit, since "
        "values of "
        "different units have no common total. A store's directory is only read, also while a server runs on it.",
    .example = "weir query --to http://127.0.0.1:8080 --start-time 2025-01-01T00:00:00Z --type positive\n"
               "weir query --data ./weir-data --group-by sourceId,unit --window day --measures avg,p95\n",
    .exits = "0 answered\n2 a flag or a parameter is wrong, or there is no store\n3 the server or the store could not "
             "answer\n",
    .flags =
        (const Flag *const[]){flags_server, flags_data, flags_filter, flags_query, flags_output, flags_config, NULL},
    .run = run,
};
