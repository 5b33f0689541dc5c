/* Verify beside a writer: a write-ahead log can be moved into the database again and again while it goes on. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/store.h"
#include "support/scratch_dir.h"

enum { RECORDS = 120000, BATCH = 4000, LEAST_LOOKS = 2 };

static const char *const stages[] = {"records", "flows", "ids", "times", "messages"};
enum { STAGES = sizeof stages / sizeof stages[0] };

typedef struct Fixture {
    char dir[256];
    Store *store;
    StoreReader *reader;
    sqlite3 *beside;
    unsigned looks[STAGES];
} Fixture;

/* Each record is of a flow of its own. */
static void fill(Store *store)
{
    static Record records[BATCH];
    static Outcome outcomes[BATCH];
    static char names[BATCH][32];
    const StoreInfo *info = store_info(store);
    Error error = {0};
    for (int number = 0; number < RECORDS; number++) {
        int at = number % BATCH;
        snprintf(names[at], sizeof names[at], "n-%d", number);
        records[at] = (Record){.record_id = str_from(names[at]),
                               .source_id = STR("source"),
                               .destination_id = str_from(names[at]),
                               .unit = STR("EUR"),
                               .reference = STR("ref"),
                               .time_us = number,
                               .value = number};
        records[at].identity_hash = record_identity_hash(&records[at], info->identity, info->hash_seed);
        if (at == BATCH - 1) {
            Work work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .count = BATCH}};
            assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
        }
    }
    for (int i = 0; i < 100; i++) {
        bool more = false;
        assert_int_equal(store_maintain(store, true, &more, &error), STATUS_OK);
    }
}

static int setup(void **state)
{
    Fixture *fixture = test_calloc(1, sizeof *fixture);
    Error error = {0};
    char path[300];
    scratch_dir_make(fixture->dir, sizeof fixture->dir);
    StoreOptions options = store_options_default(fixture->dir);
    options.free_reserve_bytes = 0;
    options.background = false;
    assert_int_equal(store_open(&options, &fixture->store, &error), STATUS_OK);
    fill(fixture->store);
    assert_int_equal(store_reader_open(fixture->store, &fixture->reader, &error), STATUS_OK);
    snprintf(path, sizeof path, "%s/weir.db", fixture->dir);
    assert_int_equal(sqlite3_open_v2(path, &fixture->beside, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    sqlite3_close(fixture->beside);
    store_reader_close(fixture->reader);
    store_close(fixture->store);
    scratch_dir_remove(fixture->dir);
    test_free(fixture);
    return 0;
}

static void count_problem(void *context, const char *text)
{
    (void)context;
    fail_msg("%s", text);
}

/* Whoever still read would keep the log from being cut to nothing. */
static void look(void *self, const char *what, uint64_t done, uint64_t total)
{
    Fixture *fixture = self;
    assert_true(done > 0 && done <= total);
    assert_int_equal(sqlite3_wal_checkpoint_v2(fixture->beside, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
                     SQLITE_OK);
    for (size_t i = 0; i < STAGES; i++) {
        fixture->looks[i] += strcmp(what, stages[i]) == 0;
    }
}

static void test_nobody_is_kept_waiting(void **state)
{
    Fixture *fixture = *state;
    VerifyReport report = {0};
    Error error = {0};
    assert_int_equal(store_verify(fixture->reader, count_problem, fixture, look, &report, &error), STATUS_OK);
    assert_int_equal(report.records, RECORDS);
    assert_int_equal(report.flows, RECORDS);
    for (size_t i = 0; i < STAGES; i++) {
        if (fixture->looks[i] < LEAST_LOOKS) {
            fail_msg("%s: %u", stages[i], fixture->looks[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_nobody_is_kept_waiting, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
