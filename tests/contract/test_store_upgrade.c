/* A SQLite store of an older program: it gets the tables that it lacks, all of them or none, and its readers miss nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "store/sqlite/schema.h"
#include "support/scratch_dir.h"

typedef struct Fixture {
    char dir[256], path[300];
    StoreOptions options;
} Fixture;

static int setup(void **state)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    scratch_dir_make(fixture->dir, sizeof fixture->dir);
    snprintf(fixture->path, sizeof fixture->path, "%s/weir.db", fixture->dir);
    fixture->options = store_options_default(fixture->dir);
    fixture->options.free_reserve_bytes = 0;
    fixture->options.background = false;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    scratch_dir_remove(fixture->dir);
    free(fixture);
    return 0;
}

/* ---- The file itself ------------------------------------------------------------------------------------------------- */

static void run_sql(const Fixture *fixture, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(fixture->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* What the query answers with, as one text; free with test_free. */
static char *ask(const Fixture *fixture, const char *sql)
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

static void assert_answer(const Fixture *fixture, const char *sql, const char *expected)
{
    char *text = ask(fixture, sql);
    assert_string_equal(text, expected);
    test_free(text);
}

static const char all_sql[] = "SELECT group_concat(name || ': ' || coalesce(sql, ''), char(10))"
                              " FROM (SELECT name, sql FROM sqlite_schema ORDER BY name)";

/* ---- The store ------------------------------------------------------------------------------------------------------- */

static Status open_store(const Fixture *fixture, Store **ret_store)
{
    Error error = {0};
    return store_open(&fixture->options, ret_store, &error);
}

static Outcome apply_record(Store *store)
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

/* As the first version left it, with a record in it. */
static void make_first_version(const Fixture *fixture)
{
    Store *store = NULL;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(apply_record(store).kind, OUTCOME_CREATED);
    store_close(store);
    run_sql(fixture, "DROP TABLE sinks; DROP TABLE retries; DROP TABLE delivery_attempts; DROP TABLE dead_letters;"
                     "DROP TABLE replays; DROP TABLE sources; DROP TABLE source_places; PRAGMA user_version = 1");
}

static bool count_sink(void *context, const StoredSink *sink)
{
    assert_true(sink->name.len > 0);
    ++*(size_t *)context;
    return true;
}

static bool count_retry(void *context, const StoredRetry *retry)
{
    assert_true(retry->seq > 0);
    ++*(size_t *)context;
    return true;
}

static bool count_attempt(void *context, const StoredAttempt *attempt)
{
    assert_true(attempt->seq > 0);
    ++*(size_t *)context;
    return true;
}

static bool count_letter(void *context, const DeadLetter *letter)
{
    assert_true(letter->id > 0);
    ++*(size_t *)context;
    return true;
}

static bool count_replay(void *context, const StoredReplay *replay)
{
    assert_true(replay->id > 0);
    ++*(size_t *)context;
    return true;
}

static void count_problem(void *context, const char *text)
{
    print_message("# verify: %s\n", text);
    ++*(size_t *)context;
}

static size_t verify(StoreReader *reader)
{
    VerifyReport report = {0};
    Error error = {0};
    size_t problems = 0;
    assert_int_equal(store_verify(reader, count_problem, &problems, NULL, &report, &error), STATUS_OK);
    assert_int_equal(report.problems, problems);
    return problems;
}

/* How many rows there are about deliveries. */
static size_t count_all(StoreReader *reader)
{
    const DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    size_t count = 0;
    Error error = {0};
    StoreView *view = NULL;
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    assert_int_equal(reader_sinks(reader, count_sink, &count, &error), STATUS_OK);
    assert_int_equal(reader_retries(reader, STR("hooks"), 0, count_retry, &count, &error), STATUS_OK);
    assert_int_equal(reader_attempts(reader, 1, count_attempt, &count, &error), STATUS_OK);
    assert_int_equal(reader_dead_letters(reader, &filter, count_letter, &count, &error), STATUS_OK);
    assert_int_equal(reader_replays(reader, STR(""), count_replay, &count, &error), STATUS_OK);
    reader_end(reader);
    view_free(view);
    return count;
}

/* A row in each of the tables; the dead letter waits for its retry. */
static void fill(Store *store)
{
    Error error = {0};
    const DeadLetter dead = {.seq = 1, .error = STR("no"), .attempts = 1};
    const StoredAttempt attempt = {.seq = 1, .number = 1};
    Work works[] = {{.kind = WORK_SINK_PUT, .sink = {.name = STR("hooks")}},
                    {.kind = WORK_DELIVERY,
                     .delivery = {.sink = STR("hooks"),
                                  .place = {1, 1},
                                  .dead = &dead,
                                  .dead_count = 1,
                                  .attempts = &attempt,
                                  .attempt_count = 1}},
                    {.kind = WORK_DEAD_LETTERS, .dead_letters = {.filter = DEAD_LETTER_FILTER_ALL, .limit = 9}},
                    {.kind = WORK_REPLAY_PUT, .replay = {.sink = STR("hooks"), .through = 1}}};
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        assert_int_equal(store_apply(store, &works[i], &error), STATUS_OK);
        assert_int_equal(works[i].status, STATUS_OK);
    }
    assert_int_equal(works[2].dead_letters.count, 1);
}

/* ---- Tests ----------------------------------------------------------------------------------------------------------- */

static void test_a_new_store_has_the_newest_tables(void **state)
{
    Fixture *fixture = *state;
    Store *store = NULL;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    store_close(store);
    char version[16];
    snprintf(version, sizeof version, "%d", SCHEMA_VERSION);
    assert_answer(fixture, "PRAGMA user_version", version);
    assert_answer(fixture, "PRAGMA application_id", "1466263922"); /* "Weir" */
}

static void test_an_older_store_gets_the_same_tables(void **state)
{
    Fixture *fixture = *state;
    Store *store = NULL;
    StoreReader *reader = NULL;
    Error error = {0};
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    store_close(store);
    char *expected = ask(fixture, all_sql);
    make_first_version(fixture);
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(apply_record(store).kind, OUTCOME_DUPLICATE);
    assert_int_equal(store_reader_open(store, &reader, &error), STATUS_OK);
    assert_int_equal(count_all(reader), 0);
    fill(store);
    assert_int_equal(count_all(reader), 5);
    assert_int_equal(verify(reader), 0);
    store_reader_close(reader);
    store_close(store);
    assert_answer(fixture, all_sql, expected);
    char version[16];
    snprintf(version, sizeof version, "%d", SCHEMA_VERSION);
    assert_answer(fixture, "PRAGMA user_version", version);
    test_free(expected);
    /* And once more: nothing is left to be done. */
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    store_close(store);
}

static void test_an_older_store_that_is_only_read(void **state)
{
    Fixture *fixture = *state;
    Store *store = NULL, *writer = NULL;
    StoreReader *reader = NULL;
    Error error = {0};
    make_first_version(fixture);
    fixture->options.read_only = true;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(store_reader_open(store, &reader, &error), STATUS_OK);
    assert_int_equal(count_all(reader), 0);
    assert_int_equal(verify(reader), 0);
    assert_answer(fixture, "PRAGMA user_version", "1");
    /* Somebody else opens it for writing meanwhile. */
    fixture->options.read_only = false;
    assert_int_equal(open_store(fixture, &writer), STATUS_OK);
    assert_int_equal(count_all(reader), 0);
    fill(writer);
    assert_int_equal(count_all(reader), 5);
    store_reader_close(reader);
    store_close(store);
    store_close(writer);
}

static void test_an_upgrade_is_done_whole_or_not_at_all(void **state)
{
    Fixture *fixture = *state;
    Store *store = NULL;
    make_first_version(fixture);
    run_sql(fixture, "CREATE TABLE replays(somebody_elses)"); /* the last of the tables */
    char *before = ask(fixture, all_sql);
    assert_int_equal(open_store(fixture, &store), STATUS_BROKEN);
    assert_answer(fixture, all_sql, before);
    assert_answer(fixture, "PRAGMA user_version", "1");
    test_free(before);
    run_sql(fixture, "DROP TABLE replays");
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    store_close(store);
}

static void test_a_newer_store_is_refused(void **state)
{
    Fixture *fixture = *state;
    Store *store = NULL;
    make_first_version(fixture);
    char newer[64];
    snprintf(newer, sizeof newer, "PRAGMA user_version = %d", SCHEMA_VERSION + 1);
    run_sql(fixture, newer);
    for (int read_only = 0; read_only < 2; read_only++) {
        fixture->options.read_only = read_only;
        assert_int_equal(open_store(fixture, &store), STATUS_REFUSED);
    }
    assert_answer(fixture, "SELECT count(*) FROM sqlite_schema WHERE name = 'sinks'", "0");
}

static void test_verify_looks_at_deliveries(void **state)
{
    Fixture *fixture = *state;
    Store *store = NULL;
    StoreReader *reader = NULL;
    Error error = {0};
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    apply_record(store);
    fill(store);
    store_close(store);
    /* Each of them is a row that nobody would ever look at again. */
    static const struct {
        const char *damage, *mend;
    } cases[] = {{"DELETE FROM retries", "INSERT INTO retries VALUES('hooks', 0, 1, 1, 1, 0)"},
                 {"INSERT INTO retries VALUES('hook', 0, 1, 1, 1, 0)", "DELETE FROM retries WHERE sink = 'hook'"},
                 {"INSERT INTO retries VALUES('hooks', 7, 1, 1, 1, 0)", "DELETE FROM retries WHERE job = 7"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 0; step < 2; step++) {
            size_t problems = 1 - step;
            run_sql(fixture, problems ? cases[i].damage : cases[i].mend);
            assert_int_equal(open_store(fixture, &store), STATUS_OK);
            assert_int_equal(store_reader_open(store, &reader, &error), STATUS_OK);
            assert_int_equal(verify(reader), problems);
            store_reader_close(reader);
            store_close(store);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_new_store_has_the_newest_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_older_store_gets_the_same_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_older_store_that_is_only_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_upgrade_is_done_whole_or_not_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_newer_store_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify_looks_at_deliveries, setup, teardown),
    };
    return cmocka_run_group_tests_name("store-upgrade", tests, NULL, NULL);
}
