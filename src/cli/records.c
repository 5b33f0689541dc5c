/* weir records: the records themselves. */
#include <yyjson.h>

#include "cli/ask.h"
#include "cli/table.h"

static void put_value(Table *table, size_t column, yyjson_val *value)
{
    char number[32];
    if (yyjson_is_str(value)) {
        table_put(table, column, (Str){yyjson_get_str(value), yyjson_get_len(value)});
    } else if (yyjson_is_int(value)) {
        snprintf(number, sizeof number, "%lld", (long long)yyjson_get_sint(value));
        table_put(table, column, str_from(number));
    }
}

static void put_record(Table *table, yyjson_val *record)
{
    size_t index, count;
    yyjson_val *key, *value;
    table_begin_row(table);
    yyjson_obj_foreach(record, index, count, key, value)
    {
        Str name = {yyjson_get_str(key), yyjson_get_len(key)};
        put_value(table, table_column(table, name, str_is(name, "id") || str_is(name, "value")), value);
    }
}

static void put_records(Buf *out, Str answer)
{
    yyjson_doc *document = yyjson_read(answer.ptr, answer.len, 0);
    yyjson_val *root = yyjson_doc_get_root(document), *record;
    size_t index, count;
    Table table;
    table_init(&table);
    yyjson_arr_foreach(yyjson_obj_get(root, "data"), index, count, record) { put_record(&table, record); }
    table_print(&table, out);
    const char *cursor = yyjson_get_str(yyjson_obj_get(root, "nextCursor"));
    if (cursor) {
        buf_printf(out, "\nmore: --cursor %s\n", cursor);
    }
    table_release(&table);
    yyjson_doc_free(document);
}

static int run(const Args *args)
{
    Question question = {.kind = ASK_RECORDS};
    question.param_count = args_params(args, question.params);
    return ask_and_print(args, &question, put_records);
}

static const Flag flags_records[] = {
    {"order", "asc|desc", "by time: oldest first, or newest first", NULL, "order"},
    {"limit", "COUNT", "so many at most (as table and JSON 100; as NDJSON and CSV all of them)", NULL, "limit"},
    {"cursor", "CURSOR", "go on where an earlier answer ended", NULL, "cursor"},
    {0},
};

const Command command_records = {
    .name = "records",
    .summary = "lists records by time",
    .description = "Takes the parameters of GET /api/records. As a table and as JSON the answer is a page, which says "
                   "how to go on; as "
                   "NDJSON and CSV it is everything that matches. A store's directory is only read, also while a "
                   "server runs on it.",
    .example = "weir records --to http://127.0.0.1:8080 --destination-id dest-1 --limit 20\n"
               "weir records --data ./weir-data --start-time 2025-01-01T00:00:00Z --format csv > records.csv\n",
    .exits = "0 answered\n2 a flag or a parameter is wrong, or there is no store\n3 the server or the store could not "
             "answer\n",
    .flags =
        (const Flag *const[]){flags_server, flags_data, flags_filter, flags_records, flags_output, flags_config, NULL},
    .run = run,
};
