/* Whoever opens a store waits a little for another connection that holds all of it, as the first one after a crash does
 * while it puts the write-ahead log's index in order: `weir verify` beside a server that starts, or the server. */
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"
#include "support/scratch_dir.h"

enum { HELD_US = 300000 };

typedef struct Fixture {
    char dir[256];
    sqlite3 *other; /* holds the store */
    pthread_t thread;
} Fixture;

static Fixture fixture;

static int setup(void **state)
{
    (void)state;
    Store *store;
    Error error = {0};
    scratch_dir_make(fixture.dir, sizeof fixture.dir);
    StoreOptions options = store_options_default(fixture.dir);
    if (store_open(&options, &store, &error) != STATUS_OK) {
        return 1;
    }
    store_close(store);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_dir_remove(fixture.dir);
    return 0;
}

static void *let_go(void *context)
{
    (void)context;
    usleep(HELD_US);
    sqlite3_close(fixture.other);
    return NULL;
}

static void hold(void)
{
    char path[300];
    snprintf(path, sizeof path, "%s/weir.db", fixture.dir);
    assert_int_equal(sqlite3_open_v2(path, &fixture.other, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(fixture.other,
                     "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; SELECT count(*) FROM sqlite_schema;"
                     "COMMIT",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(pthread_create(&fixture.thread, NULL, let_go, NULL), 0);
}

static void check_open(bool read_only)
{
    Store *store = NULL;
    Error error = {0};
    StoreOptions options = store_options_default(fixture.dir);
    options.read_only = read_only;
    hold();
    Status status = store_open(&options, &store, &error);
    pthread_join(fixture.thread, NULL);
    if (status != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(store_last_seq(store), 0);
    store_close(store);
}

static void test_to_write(void **state)
{
    (void)state;
    check_open(false);
}

static void test_to_read(void **state)
{
    (void)state;
    check_open(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_to_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_to_read, setup, teardown),
    };
    return cmocka_run_group_tests_name("store-open", tests, NULL, NULL);
}
