#include "old_store.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "support/scratch_dir.h"

int old_store_setup(void **state)
{
    OldStore *fixture = calloc(1, sizeof *fixture);
    scratch_dir_make(fixture->dir, sizeof fixture->dir);
    snprintf(fixture->path, sizeof fixture->path, "%s/weir.db", fixture->dir);
    fixture->options = store_options_default(fixture->dir);
    fixture->options.free_reserve_bytes = 0;
    fixture->options.background = false;
    *state = fixture;
    return 0;
}

int old_store_teardown(void **state)
{
    OldStore *fixture = *state;
    scratch_dir_remove(fixture->dir);
    free(fixture);
    return 0;
}

/* ---- The file itself ------------------------------------------------------------------------------------------------- */

void run_sql(const OldStore *fixture, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(fixture->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

char *ask(const OldStore *fixture, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(fixture->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    assert_non_null(text);
    char *copy = test_malloc(strlen(text) + 1);
    memcpy(copy, text, strlen(text) + 1);
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return copy;
}

void assert_answer(const OldStore *fixture, const char *sql, const char *expected)
{
    char *text = ask(fixture, sql);
    assert_string_equal(text, expected);
    test_free(text);
}

const char all_sql[] = "SELECT group_concat(name || ': ' || coalesce(sql, ''), char(10))"
                       " FROM (SELECT name, sql FROM sqlite_schema ORDER BY name)";

/* ---- The store ------------------------------------------------------------------------------------------------------- */

Status open_store(const OldStore *fixture, Store **ret_store)
{
    Error error = {0};
    return store_open(&fixture->options, ret_store, &error);
}

Outcome apply_record(Store *store)
{
    const StoreInfo *info = store_info(store);
    Outcome outcome = {0};
    Error error = {0};
    Record record = {.record_id = STR("rec-1"),
                     .source_id = STR("source"),
                     .destination_id = STR("dest"),
                     .unit = STR("EUR"),
                     .reference = STR("ref"),
                     .value = 5};
    record.identity_hash = record_identity_hash(&record, info->identity, info->hash_seed);
    Work work = {.kind = WORK_RECORDS, .records = {.items = &record, .outcomes = &outcome, .count = 1}};
    assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
    return outcome;
}

static void count_problem(void *context, const char *text)
{
    print_message("# verify: %s\n", text);
    ++*(size_t *)context;
}

size_t verify(StoreReader *reader)
{
    VerifyReport report = {0};
    Error error = {0};
    size_t problems = 0;
    assert_int_equal(store_verify(reader, count_problem, &problems, NULL, &report, &error), STATUS_OK);
    assert_int_equal(report.problems, problems);
    return problems;
}
