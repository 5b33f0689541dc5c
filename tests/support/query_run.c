#include "support/query_run.h"

#include "unit/unit.h"

#include "base/timestamp.h"

#include <stdlib.h>

const StoreInfo run_info = {.id = {1}, .epoch = 1, .hash_seed = 77, .identity = IDENTITY_RECORD_ID, .scale = 2};

static int64_t still(void *self)
{
    (void)self;
    return 1000;
}
static const Clock standing = {still, still, NULL};

QueryOptions run_options(void)
{
    QueryOptions options = query_options_default(&run_info);
    options.clock = &standing;
    return options;
}

QueryOptions run_options_hasty(void)
{
    QueryOptions options = run_options();
    options.step_us_max = 0;
    return options;
}

size_t run_params(const char *text, QueryParam ret_params[RUN_PARAMS_MAX])
{
    size_t count = 0;
    for (Str rest = {text[0] ? text : NULL, strlen(text)}; rest.ptr;) {
        Str value = str_split(&rest, '&');
        assert_true(count < RUN_PARAMS_MAX);
        ret_params[count].name = str_split(&value, '=');
        ret_params[count++].value = value;
    }
    return count;
}

char *run_to_end(Query *query, Store *store, size_t bytes_wanted)
{
    Buf out;
    Error error = {.message = ""};
    bool done = false;
    size_t idle = 0;
    buf_init(&out, (size_t)64 << 20);
    while (!done) {
        size_t before = out.len;
        Status status = query_step(query, fake_store_reader(store), bytes_wanted, &out, &done, &error);
        if (status != STATUS_OK) {
            fail_msg("%s: %s", status_name(status), error.message);
        }
        idle = out.len == before ? idle + 1 : 0;
        assert_true(idle < 1000000);
    }
    query_free(query);
    buf_put_char(&out, '\0');
    return out.ptr;
}

typedef Status MakeQuery(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                         Query **ret_query, QueryProblems *problems);

static char *run(MakeQuery *make, Store *store, const char *params, QueryFormat format)
{
    QueryParam list[RUN_PARAMS_MAX];
    QueryOptions options = run_options();
    QueryProblems problems;
    Query *query;
    Status status = make(list, run_params(params, list), format, &options, &query, &problems);
    if (status != STATUS_OK) {
        fail_msg("%s %s", problems.items[0].field, problems.items[0].problem);
    }
    return run_to_end(query, store, 1 << 20);
}

char *run_list(Store *store, const char *params, QueryFormat format)
{
    return run(query_list_new, store, params, format);
}

char *run_aggregate(Store *store, const char *params, QueryFormat format)
{
    return run(query_aggregate_new, store, params, format);
}

char *run_events(Store *store, const char *params, QueryFormat format)
{
    return run(query_events_new, store, params, format);
}

char *run_event_aggregate(Store *store, const char *params, QueryFormat format)
{
    return run(query_event_aggregate_new, store, params, format);
}

static char *problems_text(Status status, const QueryProblems *problems)
{
    Buf out;
    assert_int_equal(status, STATUS_REFUSED);
    buf_init(&out, 65536);
    for (size_t i = 0; i < problems->count; i++) {
        buf_printf(&out, "%s%s %s", i ? "; " : "", problems->items[i].field, problems->items[i].problem);
    }
    buf_put_char(&out, '\0');
    return out.ptr;
}

static char *run_problems(MakeQuery *make, const char *params, QueryFormat format)
{
    QueryParam list[RUN_PARAMS_MAX];
    QueryOptions options = run_options();
    QueryProblems problems;
    Query *query = NULL;
    return problems_text(make(list, run_params(params, list), format, &options, &query, &problems), &problems);
}

char *run_list_problems(const char *params, QueryFormat format) { return run_problems(query_list_new, params, format); }

char *run_aggregate_problems(const char *params, QueryFormat format)
{
    return run_problems(query_aggregate_new, params, format);
}

char *run_events_problems(const char *params) { return run_problems(query_events_new, params, QUERY_JSON); }

char *run_event_aggregate_problems(const char *params)
{
    return run_problems(query_event_aggregate_new, params, QUERY_JSON);
}

Record run_record(int number, const char *time, const char *destination, const char *type, int64_t value,
                  const char *unit)
{
    static char ids[256][16];
    char *id = ids[number % 256];
    Record record = {.source_id = STR("source-1"), .reference = STR("ref-1"), .value = value};
    snprintf(id, sizeof ids[0], "rec-%d", number);
    assert_null(timestamp_parse(str_from(time), &record.time_us));
    record.record_id = str_from(id);
    record.destination_id = str_from(destination);
    record.type = strcmp(type, "positive") == 0 ? RECORD_POSITIVE : RECORD_NEGATIVE;
    record.unit = str_from(unit);
    return record;
}
