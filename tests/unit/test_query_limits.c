/* What an aggregate may take: memory for its groups, alone and together with others. */
#include "unit.h"

#include "base/timestamp.h"
#include "support/query_run.h"

#include <stdlib.h>

static void test_group_ceiling(void **state)
{
    (void)state;
    Store *store = fake_store_new(&run_info);
    static char names[5000][16];
    for (int i = 0; i < 5000; i++) {
        Record record = run_record(i, "2025-01-01 10:00:00", "d", "positive", 1, "EUR");
        snprintf(names[i], sizeof names[i], "dest-%d", i);
        record.destination_id = str_from(names[i]);
        fake_store_add(store, &record);
    }
    for (int published = 0; published < 2; published++) {
        QueryOptions options = run_options();
        QueryProblems problems;
        Query *query;
        Error error;
        Buf out;
        bool done = false;
        options.group_bytes_max = 1 << 18;
        buf_init(&out, 1 << 22);
        assert_int_equal(query_aggregate_new(NULL, 0, QUERY_JSON, &options, &query, &problems), STATUS_OK);
        assert_int_equal(query_step(query, fake_store_reader(store), 1 << 20, &out, &done, &error), STATUS_REFUSED);
        assert_int_equal(out.len, 0);
        assert_non_null(strstr(error.message, "more than "));
        assert_non_null(strstr(error.message, " groups need too much memory; narrow the filter"));
        query_free(query);
        buf_release(&out);
        fake_store_publish(store);
    }
    char *answer = run_aggregate(store, "records=false", QUERY_NDJSON);
    assert_int_equal(strncmp(answer, "{\"destinationId\":\"dest-0\"", 25), 0);
    free(answer);
    fake_store_free(store);
}

/* What all aggregates take together has a limit of its own: beyond it one has to wait, and what it took is there for
 * others again. */
static void test_budget_of_all(void **state)
{
    (void)state;
    enum { RECORDS = 5000 };
    static char names[RECORDS][16];
    Budget budget = {.bytes_max = (size_t)5 << 18};
    Store *store = fake_store_new(&run_info);
    for (int i = 0; i < RECORDS; i++) {
        Record record = run_record(i, "2025-01-01 10:00:00", "d", "positive", 1, "EUR");
        snprintf(names[i], sizeof names[i], "dest-%d", i);
        record.destination_id = str_from(names[i]);
        fake_store_add(store, &record);
    }
    QueryOptions options = run_options();
    QueryProblems problems;
    Query *queries[2];
    Error error;
    bool done;
    options.groups = &budget;
    for (size_t i = 0; i < 2; i++) {
        Buf out;
        buf_init(&out, 1 << 22);
        assert_int_equal(query_aggregate_new(NULL, 0, QUERY_JSON, &options, &queries[i], &problems), STATUS_OK);
        Status status = query_step(queries[i], fake_store_reader(store), 1 << 10, &out, &done, &error);
        assert_int_equal(status, i ? STATUS_BUSY : STATUS_OK);
        buf_release(&out);
    }
    assert_string_equal(error.message, "too many large aggregates at once; try again later");
    assert_true(budget.taken > 0 && budget.taken <= budget.bytes_max);
    query_free(queries[0]);
    query_free(queries[1]);
    assert_int_equal(budget.taken, 0);
    fake_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_ceiling),
        cmocka_unit_test(test_budget_of_all),
    };
    return cmocka_run_group_tests_name("query_limits", tests, NULL, NULL);
}
