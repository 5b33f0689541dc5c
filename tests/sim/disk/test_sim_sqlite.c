/* SQLite itself on the simulated disk: what it promises holds at every operation that the power may fail at, and the
 * test of that is a test of the disk and of the VFS. */
#include "vfs.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/random.h"

enum { TRANSACTIONS = 6, ROWS = 6 };

/* A database with a writer and a reader. */
typedef struct Fixture {
    SimDisk *disk;
    SimVfs *vfs;
    sqlite3 *writer, *reader;
    int acknowledged; /* transactions; -1 before the tables are there */
    int attempted;
} Fixture;

static Fixture fixture_new(uint64_t seed)
{
    Fixture fixture = {.disk = sim_disk_new(seed), .acknowledged = -1, .attempted = -1};
    fixture.vfs = sim_vfs_new(fixture.disk, "sim", seed);
    return fixture;
}

static void close_connections(Fixture *fixture)
{
    sqlite3_close(fixture->reader);
    sqlite3_close(fixture->writer);
    fixture->reader = fixture->writer = NULL;
}

static void fixture_free(Fixture *fixture)
{
    close_connections(fixture);
    sim_vfs_free(fixture->vfs);
    sim_disk_free(fixture->disk);
}

static bool run(sqlite3 *db, const char *sql) { return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK; }

/* The single number that a query gives; -1 when it fails. */
static int get(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        value = sqlite3_column_int(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return value;
}

static bool open_connections(Fixture *fixture)
{
    return sqlite3_open_v2("test.db", &fixture->writer, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "sim") ==
               SQLITE_OK &&
           run(fixture->writer, "PRAGMA page_size = 1024; PRAGMA cache_size = 4; PRAGMA journal_mode = WAL;"
                                "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0") &&
           sqlite3_open_v2("test.db", &fixture->reader, SQLITE_OPEN_READWRITE, "sim") == SQLITE_OK;
}

static bool make_tables(Fixture *fixture)
{
    bool made = run(fixture->writer, "BEGIN; CREATE TABLE state(last INTEGER); INSERT INTO state VALUES(0);"
                                     "CREATE TABLE rows(id INTEGER PRIMARY KEY, number INTEGER, filling BLOB);"
                                     "CREATE INDEX by_number ON rows(number, filling); COMMIT");
    fixture->acknowledged = made ? 0 : -1;
    fixture->attempted = 0;
    return made;
}

/* Transaction `number` adds its rows, changes older ones, takes some away, and says so in `state`. */
static bool run_transaction(Fixture *fixture, int number)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO rows SELECT %d * 100 + i, %d, hex(zeroblob(i * 10)) FROM n;"
             " UPDATE rows SET filling = zeroblob(%d) WHERE id %% 7 = 3; DELETE FROM rows WHERE number = %d;"
             " UPDATE state SET last = %d; COMMIT",
             ROWS, number, number, number * 30, number - 4, number);
    fixture->attempted = number;
    bool done = run(fixture->writer, sql);
    fixture->acknowledged = done ? number : fixture->acknowledged;
    return done;
}

/* Whether the database is, as a whole, as it was after some transaction, which is the result; -1 when there is none
 * yet. */
static int state_of(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
    sqlite3_finalize(stmt);
    if (get(db, "SELECT count(*) FROM sqlite_schema") == 0) {
        return -1;
    }
    int last = get(db, "SELECT last FROM state"), kept = last < 4 ? last : 4;
    assert_int_equal(get(db, "SELECT count(*) FROM rows"), kept * ROWS);
    assert_int_equal(get(db, "SELECT count(DISTINCT number) FROM rows"), kept);
    assert_int_equal(get(db, "SELECT coalesce(max(number), 0) FROM rows"), last);
    return last;
}

/* Everything that WAL mode has: a reader that holds an old state while the writer goes on, checkpoints that it limits,
 * one that begins the WAL anew. Stops at the first failure. */
static bool run_workload(Fixture *fixture)
{
    bool goes = open_connections(fixture) && make_tables(fixture);
    for (int number = 1; goes && number <= TRANSACTIONS; number++) {
        if (number % 3 == 1) {
            goes = run(fixture->reader, "BEGIN") && get(fixture->reader, "SELECT last FROM state") == number - 1;
        }
        goes = goes && run_transaction(fixture, number);
        if (goes && number % 2 == 0) {
            goes = run(fixture->writer, "PRAGMA wal_checkpoint(PASSIVE)");
        }
        if (goes && number % 3 == 0) {
            goes = get(fixture->reader, "SELECT last FROM state") == number - 3 && run(fixture->reader, "COMMIT") &&
                   run(fixture->writer, "PRAGMA wal_checkpoint(RESTART)");
        }
    }
    return goes;
}

static void check_recovery(Fixture *fixture)
{
    int acknowledged = fixture->acknowledged, attempted = fixture->attempted;
    assert_true(open_connections(fixture));
    int last = state_of(fixture->writer);
    assert_true(last == acknowledged || last == attempted);
    assert_int_equal(state_of(fixture->reader), last);
    if (last < 0) {
        assert_true(make_tables(fixture));
        last = 0;
    }
    assert_true(run_transaction(fixture, last + 1));
    close_connections(fixture);
}

/* Returns whether the fault struck: behind the last operation there is none. */
static bool run_with_fault(SimFault fault, SimLoss loss, uint64_t seed)
{
    uint64_t random = seed;
    Fixture fixture = fixture_new(seed);
    sim_disk_arm(fixture.disk, &fault);
    bool finished = run_workload(&fixture);
    close_connections(&fixture);
    bool struck = sim_disk_struck(fixture.disk) > 0;
    assert_true(finished || struck);
    sim_disk_crash(fixture.disk, loss, &random);
    check_recovery(&fixture);
    fixture_free(&fixture);
    return struck;
}

/* Each operation in turn, until the workload ends before it. */
static void run_all(SimFault fault, SimLoss loss)
{
    fault.nth = 0;
    do {
        fault.nth++;
    } while (run_with_fault(fault, loss, fault.nth));
    assert_true(fault.nth > 20); /* the workload has that many */
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

static void test_the_workload_ends_well_without_faults(void **state)
{
    (void)state;
    Fixture fixture = fixture_new(1);
    assert_true(run_workload(&fixture));
    assert_int_equal(state_of(fixture.writer), TRANSACTIONS);
    assert_int_equal(state_of(fixture.reader), TRANSACTIONS);
    fixture_free(&fixture);
}

static void test_power_fails_at_each_operation(void **state)
{
    (void)state;
    SimFault fault = {.ops = SIM_CHANGES, .failure = SIM_FAIL_FREEZE};
    run_all(fault, SIM_LOSS_ALL);
    run_all(fault, SIM_LOSS_NOTHING);
    for (int i = 0; i < 4; i++) {
        run_all(fault, SIM_LOSS_SOME);
    }
}

static void test_each_operation_fails_once(void **state)
{
    (void)state;
    SimFault fault = {.ops = SIM_ANY, .failure = SIM_FAIL_ERROR};
    run_all(fault, SIM_LOSS_SOME);
    fault.ops = SIM_ANY & ~(unsigned)SIM_SYNC;
    run_all(fault, SIM_LOSS_PROCESS);
}

static void test_each_operation_fails_for_good(void **state)
{
    (void)state;
    run_all((SimFault){.ops = SIM_ANY & ~(unsigned)SIM_READ, .failure = SIM_FAIL_ERROR, .for_good = true},
            SIM_LOSS_SOME);
    run_all((SimFault){.ops = SIM_WRITE, .failure = SIM_FAIL_FULL, .for_good = true}, SIM_LOSS_SOME);
}

/* With a rollback journal: its name is durable before the database is written to, and removing it is what commits. */
static bool run_with_journal(uint64_t nth, SimLoss loss)
{
    uint64_t random = nth;
    Fixture fixture = fixture_new(nth);
    sim_disk_arm(fixture.disk, &(SimFault){.ops = SIM_CHANGES, .nth = nth, .failure = SIM_FAIL_FREEZE});
    bool goes =
        sqlite3_open_v2("test.db", &fixture.writer, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "sim") == SQLITE_OK &&
        run(fixture.writer, "PRAGMA synchronous = EXTRA; PRAGMA cache_size = 4") && make_tables(&fixture);
    for (int number = 1; goes && number <= 5; number++) {
        goes = run_transaction(&fixture, number);
    }
    close_connections(&fixture);
    sim_disk_crash(fixture.disk, loss, &random);
    check_recovery(&fixture);
    fixture_free(&fixture);
    return !goes;
}

static void test_power_fails_under_a_rollback_journal(void **state)
{
    (void)state;
    uint64_t nth = 0;
    do {
        nth++;
        run_with_journal(nth, SIM_LOSS_ALL);
        run_with_journal(nth, SIM_LOSS_SOME);
    } while (run_with_journal(nth, SIM_LOSS_NOTHING));
    assert_true(nth > 20);
}

static void test_a_full_disk_clears(void **state)
{
    (void)state;
    Fixture fixture = fixture_new(1);
    assert_true(open_connections(&fixture) && make_tables(&fixture));
    for (int number = 1; number <= TRANSACTIONS; number++) {
        sim_disk_limit(fixture.disk, sim_disk_used(fixture.disk) + 700);
        assert_false(run_transaction(&fixture, number));
        assert_int_equal(sqlite3_errcode(fixture.writer), SQLITE_FULL);
        if (!sqlite3_get_autocommit(fixture.writer)) {
            assert_true(run(fixture.writer, "ROLLBACK"));
        }
        assert_int_equal(state_of(fixture.reader), number - 1);
        sim_disk_limit(fixture.disk, UINT64_MAX);
        assert_true(run_transaction(&fixture, number));
        assert_int_equal(state_of(fixture.reader), number);
    }
    fixture_free(&fixture);
}

static void test_connections_lock_each_other_out(void **state)
{
    (void)state;
    Fixture fixture = fixture_new(1);
    assert_true(open_connections(&fixture) && make_tables(&fixture));
    assert_true(run(fixture.writer, "BEGIN IMMEDIATE; UPDATE state SET last = 7"));
    assert_int_equal(sqlite3_exec(fixture.reader, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_BUSY);
    assert_int_equal(get(fixture.reader, "SELECT last FROM state"), 0);
    assert_true(run(fixture.writer, "COMMIT"));
    assert_true(run(fixture.reader, "BEGIN"));
    assert_int_equal(get(fixture.reader, "SELECT last FROM state"), 7);
    assert_true(run(fixture.writer, "UPDATE state SET last = 8"));
    assert_int_equal(get(fixture.reader, "SELECT last FROM state"), 7);
    /* The first column tells whether the checkpoint was kept from its end by a reader. */
    assert_int_equal(get(fixture.writer, "PRAGMA wal_checkpoint(TRUNCATE)"), 1);
    assert_true(run(fixture.reader, "COMMIT"));
    assert_int_equal(get(fixture.writer, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
    assert_int_equal(get(fixture.reader, "SELECT last FROM state"), 8);
    fixture_free(&fixture);
}

static void test_the_locks_of_a_rollback_journal(void **state)
{
    (void)state;
    Fixture fixture = fixture_new(1);
    assert_true(open_connections(&fixture) && make_tables(&fixture));
    assert_true(run(fixture.writer, "PRAGMA journal_mode = DELETE"));
    assert_true(run(fixture.writer, "BEGIN IMMEDIATE; UPDATE state SET last = 7"));
    assert_int_equal(sqlite3_exec(fixture.reader, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_BUSY);
    assert_true(run(fixture.reader, "BEGIN"));
    assert_int_equal(get(fixture.reader, "SELECT last FROM state"), 0);
    assert_int_equal(sqlite3_exec(fixture.writer, "COMMIT", NULL, NULL, NULL), SQLITE_BUSY);
    sqlite3 *third = NULL; /* the writer waits for the reader to end, and no new one may begin */
    assert_int_equal(sqlite3_open_v2("test.db", &third, SQLITE_OPEN_READWRITE, "sim"), SQLITE_OK);
    assert_int_equal(sqlite3_exec(third, "SELECT last FROM state", NULL, NULL, NULL), SQLITE_BUSY);
    assert_true(run(fixture.reader, "COMMIT"));
    assert_true(run(fixture.writer, "COMMIT"));
    assert_int_equal(get(third, "SELECT last FROM state"), 7);
    assert_int_equal(sqlite3_close(third), SQLITE_OK);
    fixture_free(&fixture);
}

/* ---- Determinism ------------------------------------------------------------------------------------------------- */

static void hash_text(void *context, const SimOperation *operation, const char *text)
{
    uint64_t *hash = context;
    *hash ^= operation ? operation->number : 0;
    for (; *text; text++) {
        *hash = (*hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    }
}

static uint64_t hash_of_run(uint64_t seed)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325), random = seed;
    const uint8_t *bytes = NULL;
    size_t count = 0;
    Fixture fixture = fixture_new(seed);
    sim_disk_trace(fixture.disk, hash_text, &hash);
    sim_disk_arm(fixture.disk, &(SimFault){.ops = SIM_CHANGES, .nth = 60, .failure = SIM_FAIL_FREEZE});
    assert_false(run_workload(&fixture));
    close_connections(&fixture);
    sim_disk_crash(fixture.disk, SIM_LOSS_SOME, &random);
    assert_true(sim_disk_peek(fixture.disk, "test.db-wal", &bytes, &count));
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    fixture_free(&fixture);
    return hash;
}

static void test_a_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    uint64_t first = hash_of_run(1), second = hash_of_run(2);
    assert_true(first == hash_of_run(1));
    assert_true(second == hash_of_run(2));
    assert_true(first != second); /* the WAL's salts */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_workload_ends_well_without_faults),
        cmocka_unit_test(test_power_fails_at_each_operation),
        cmocka_unit_test(test_each_operation_fails_once),
        cmocka_unit_test(test_each_operation_fails_for_good),
        cmocka_unit_test(test_power_fails_under_a_rollback_journal),
        cmocka_unit_test(test_a_full_disk_clears),
        cmocka_unit_test(test_connections_lock_each_other_out),
        cmocka_unit_test(test_the_locks_of_a_rollback_journal),
        cmocka_unit_test(test_a_seed_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
