/* Derived files that go bad while the store is in use, or that come from another time: the log decides. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"
#include "support/scratch_dir.h"

enum { RECORDS = 5000 };

typedef struct Fixture {
    char dir[256];
    StoreOptions options;
    Store *store;
} Fixture;

static int setup(void **state)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    Error error = {0};
    scratch_dir_make(fixture->dir, sizeof fixture->dir);
    fixture->options = store_options_default(fixture->dir);
    fixture->options.free_reserve_bytes = 0;
    fixture->options.background = false;
    assert_int_equal(store_open(&fixture->options, &fixture->store, &error), STATUS_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    store_close(fixture->store);
    scratch_dir_remove(fixture->dir);
    free(fixture);
    return 0;
}

static Record make(const Fixture *fixture, int number, char id[32])
{
    snprintf(id, 32, "rec-%d", number);
    Record record = {.record_id = str_from(id),
                     .source_id = STR("source"),
                     .destination_id = STR("dest"),
                     .unit = STR("EUR"),
                     .reference = STR("ref"),
                     .time_us = number,
                     .value = number};
    const StoreInfo *info = store_info(fixture->store);
    record.identity_hash = record_identity_hash(&record, info->identity, info->hash_seed);
    return record;
}

static Status apply_one(Fixture *fixture, int number, Outcome *ret_outcome)
{
    char id[32];
    Error error = {0};
    Record record = make(fixture, number, id);
    Work work = {.kind = WORK_RECORDS, .records = {.items = &record, .outcomes = ret_outcome, .count = 1}};
    return store_apply(fixture->store, &work, &error);
}

static void apply_all(Fixture *fixture, int from, int to, OutcomeKind expected)
{
    enum { BATCH = 500 };
    static Record records[BATCH];
    static Outcome outcomes[BATCH];
    static char ids[BATCH][32];
    for (int at = from; at < to; at += BATCH) {
        int count = to - at < BATCH ? to - at : BATCH;
        for (int i = 0; i < count; i++) {
            records[i] = make(fixture, at + i, ids[i]);
        }
        Error error = {0};
        Work work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .count = (size_t)count}};
        assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
        for (int i = 0; i < count; i++) {
            assert_int_equal(outcomes[i].kind, expected);
        }
    }
}

static void reopen(Fixture *fixture)
{
    Error error = {0};
    store_close(fixture->store);
    fixture->store = NULL;
    Status status = store_open(&fixture->options, &fixture->store, &error);
    if (status != STATUS_OK) {
        print_error("%s\n", error.message);
    }
    assert_int_equal(status, STATUS_OK);
}

static void print_problem(void *context, const char *text)
{
    (void)context;
    print_error("%s\n", text);
}

static void assert_verifies(Fixture *fixture)
{
    StoreReader *reader = NULL;
    VerifyReport report = {0};
    Error error = {0};
    assert_int_equal(store_reader_open(fixture->store, &reader, &error), STATUS_OK);
    assert_int_equal(store_verify(reader, print_problem, NULL, NULL, &report, &error), STATUS_OK);
    assert_int_equal(report.problems, 0);
    assert_int_equal(report.records, store_last_seq(fixture->store));
    store_reader_close(reader);
}

/* Calls `change` with the path of each run whose name begins with `prefix`. */
static void change_runs(Fixture *fixture, const char *prefix, void (*change)(const char *path))
{
    char dir[300], path[600];
    snprintf(dir, sizeof dir, "%s/index", fixture->dir);
    DIR *listing = opendir(dir);
    size_t changed = 0;
    assert_non_null(listing);
    for (struct dirent *entry; (entry = readdir(listing));) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
            change(path);
            changed++;
        }
    }
    closedir(listing);
    assert_true(changed > 0);
}

/* One bit of each data block: header and footer still fit, so that it is found only when a block is read. */
static void flip_blocks(const char *path)
{
    enum { BLOCK = 4096 };
    struct stat info;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    for (off_t at = BLOCK + 100; at < BLOCK + RECORDS * 16 && at < info.st_size; at += BLOCK) {
        unsigned char byte = 0;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
}

static void truncate_half(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size / 2), 0);
}

static void remove_file(const char *path) { assert_int_equal(remove(path), 0); }

static void test_block_that_goes_bad(void **state)
{
    Fixture *fixture = *state;
    Outcome outcome = {0};
    apply_all(fixture, 0, RECORDS, OUTCOME_CREATED);
    reopen(fixture); /* published */
    change_runs(fixture, "ids-", flip_blocks);
    /* Nothing is told as created twice: the store stops instead, for good. */
    assert_int_equal(apply_one(fixture, 7, &outcome), STATUS_BROKEN);
    assert_int_equal(apply_one(fixture, RECORDS, &outcome), STATUS_BROKEN);
    reopen(fixture);
    apply_all(fixture, 0, RECORDS, OUTCOME_DUPLICATE);
    apply_all(fixture, RECORDS, RECORDS + 10, OUTCOME_CREATED);
    assert_verifies(fixture);
}

static void test_torn_run(void **state)
{
    Fixture *fixture = *state;
    apply_all(fixture, 0, RECORDS, OUTCOME_CREATED);
    reopen(fixture);
    change_runs(fixture, "flows-", truncate_half);
    reopen(fixture);
    apply_all(fixture, 0, RECORDS, OUTCOME_DUPLICATE);
    assert_verifies(fixture);
}

static void test_lost_run(void **state)
{
    Fixture *fixture = *state;
    apply_all(fixture, 0, RECORDS, OUTCOME_CREATED);
    reopen(fixture);
    change_runs(fixture, "times-", remove_file);
    reopen(fixture);
    apply_all(fixture, RECORDS, RECORDS + 10, OUTCOME_CREATED);
    assert_verifies(fixture);
}

static int64_t find_flow(Fixture *fixture)
{
    StoreReader *reader = NULL;
    StoreView *view = NULL;
    Error error = {0};
    int64_t seq = -2;
    assert_int_equal(store_reader_open(fixture->store, &reader, &error), STATUS_OK);
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    assert_int_equal(reader_find_flow(reader, STR("dest"), STR("ref"), STR("EUR"), &seq, &error), STATUS_OK);
    reader_end(reader);
    view_free(view);
    store_reader_close(reader);
    return seq;
}

/* What cannot be read is not taken for a flow that is new. */
static void test_flows_that_go_bad(void **state)
{
    Fixture *fixture = *state;
    apply_all(fixture, 0, RECORDS, OUTCOME_CREATED);
    reopen(fixture);
    assert_int_equal(find_flow(fixture), RECORDS);
    change_runs(fixture, "flows-", flip_blocks);
    assert_int_equal(find_flow(fixture), FLOW_UNTOLD);
    reopen(fixture);
    assert_int_equal(find_flow(fixture), RECORDS);
    assert_verifies(fixture);
}

static void copy_database(Fixture *fixture, const char *from, const char *to)
{
    char command[700];
    snprintf(command, sizeof command, "cp '%s/%s' '%s/%s'", fixture->dir, from, fixture->dir, to);
    assert_int_equal(system(command), 0);
}

/* The database goes back in time under newer run files, then another history is written under the same numbers. */
static void test_older_database_under_newer_runs(void **state)
{
    Fixture *fixture = *state;
    apply_all(fixture, 0, RECORDS, OUTCOME_CREATED);
    reopen(fixture);
    store_close(fixture->store);
    copy_database(fixture, "weir.db", "old.db");
    Error error = {0};
    assert_int_equal(store_open(&fixture->options, &fixture->store, &error), STATUS_OK);
    apply_all(fixture, RECORDS, 2 * RECORDS, OUTCOME_CREATED);
    store_close(fixture->store);
    copy_database(fixture, "old.db", "weir.db");
    assert_int_equal(store_open(&fixture->options, &fixture->store, &error), STATUS_OK);
    assert_int_equal(store_last_seq(fixture->store), RECORDS);
    apply_all(fixture, 2 * RECORDS, 3 * RECORDS, OUTCOME_CREATED);
    apply_all(fixture, 0, RECORDS, OUTCOME_DUPLICATE);
    apply_all(fixture, RECORDS, RECORDS + 100, OUTCOME_CREATED); /* what the copy did not have is new again */
    reopen(fixture);
    assert_verifies(fixture);
}

int main(void)
{
#define DAMAGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        DAMAGE_TEST(test_block_that_goes_bad),
        DAMAGE_TEST(test_flows_that_go_bad),
        DAMAGE_TEST(test_torn_run),
        DAMAGE_TEST(test_lost_run),
        DAMAGE_TEST(test_older_database_under_newer_runs),
    };
    return cmocka_run_group_tests_name("store-damage", tests, NULL, NULL);
}
