#include "old_store.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "store/sqlite/schema.h"
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

/* ---- The file itself --------------------------------------------------------------------------------------------- */

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

/* ---- The store --------------------------------------------------------------------------------------------------- */

Status open_store(const OldStore *fixture, Store **ret_store)
{
    Error error = {0};
    return store_open(&fixture->options, ret_store, &error);
}

Record plain_record(Store *store, Str record_id)
{
    const StoreInfo *info = store_info(store);
    Record record = {.record_id = record_id,
                     .source_id = STR("source"),
                     .destination_id = STR("dest"),
                     .unit = STR("EUR"),
                     .reference = STR("ref"),
                     .value = 5};
    record.identity_hash = record_identity_hash(&record, info->identity, info->hash_seed);
    return record;
}

Outcome apply_record(Store *store)
{
    Outcome outcome = {0};
    Error error = {0};
    Record record = plain_record(store, STR("rec-1"));
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

size_t verify_once(const OldStore *fixture)
{
    Store *store = NULL;
    StoreReader *reader = NULL;
    Error error = {0};
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(store_reader_open(store, &reader, &error), STATUS_OK);
    size_t problems = verify(reader);
    store_reader_close(reader);
    store_close(store);
    return problems;
}

/* ---- What a version of the tables brought ------------------------------------------------------------------------ */

/* As the version before left it. Returns what makes the tables of a new one; free with test_free. */
static char *make_older(const OldStore *fixture, const VersionStep *step)
{
    Store *store = NULL;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(apply_record(store).kind, OUTCOME_CREATED);
    if (step->prepare) {
        step->prepare(store);
    }
    store_close(store);
    char *tables = ask(fixture, all_sql);
    run_sql(fixture, step->undo_sql);
    assert_answer(fixture, "PRAGMA user_version", step->version);
    return tables;
}

/* Opening it once more finds nothing left to be done. */
static void check_newest(const OldStore *fixture, const char *tables)
{
    char version[16];
    snprintf(version, sizeof version, "%d", SCHEMA_VERSION);
    for (int times = 0; times < 2; times++) {
        assert_answer(fixture, all_sql, tables);
        assert_answer(fixture, "PRAGMA user_version", version);
        assert_int_equal(verify_once(fixture), 0);
    }
}

void check_older_is_upgraded(OldStore *fixture, const VersionStep *step)
{
    Store *store = NULL;
    StoreReader *reader = NULL;
    Error error = {0};
    char *tables = make_older(fixture, step);
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(apply_record(store).kind, OUTCOME_DUPLICATE);
    assert_int_equal(store_reader_open(store, &reader, &error), STATUS_OK);
    assert_int_equal(step->count(reader), 0);
    step->fill(store);
    assert_int_equal(step->count(reader), step->rows);
    assert_int_equal(verify(reader), 0);
    store_reader_close(reader);
    store_close(store);
    check_newest(fixture, tables);
    test_free(tables);
}

void check_older_is_read(OldStore *fixture, const VersionStep *step)
{
    Store *store = NULL, *writer = NULL;
    StoreReader *reader = NULL;
    Error error = {0};
    test_free(make_older(fixture, step));
    fixture->options.read_only = true;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(store_reader_open(store, &reader, &error), STATUS_OK);
    assert_int_equal(step->count(reader), 0);
    assert_int_equal(verify(reader), 0);
    assert_answer(fixture, "PRAGMA user_version", step->version);
    fixture->options.read_only = false;
    assert_int_equal(open_store(fixture, &writer), STATUS_OK);
    assert_int_equal(step->count(reader), 0);
    step->fill(writer);
    assert_int_equal(step->count(reader), step->rows);
    assert_int_equal(verify(reader), 0);
    store_reader_close(reader);
    store_close(store);
    store_close(writer);
}

void check_damages(const OldStore *fixture, const Damage *damages, size_t count)
{
    assert_int_equal(verify_once(fixture), 0);
    for (size_t i = 0; i < count; i++) {
        run_sql(fixture, damages[i].damage_sql);
        assert_int_equal(verify_once(fixture), damages[i].problems);
        run_sql(fixture, damages[i].mend_sql);
        assert_int_equal(verify_once(fixture), 0);
    }
}
