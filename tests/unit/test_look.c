/* A look at the store for a request: what was read counts only when the store says so at the end. */
#include "unit.h"

#include "http/look.h"
#include "support/fake_store.h"

typedef struct Fixture {
    Request request; /* the first member: `read` gets it */
    Store *store;
    Status at_the_end; /* what the store says there */
    bool read;
} Fixture;

static int setup(void **state)
{
    const StoreInfo info = {.hash_seed = 1};
    Fixture *fixture = calloc(1, sizeof *fixture);
    fixture->store = fake_store_new(&info);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    fake_store_free(fixture->store);
    free(fixture);
    return 0;
}

static Status read_something(Request *request, StoreReader *reader)
{
    Fixture *fixture = (Fixture *)request;
    (void)reader;
    fixture->read = true;
    fake_store_fail(fixture->store, fixture->at_the_end);
    return STATUS_OK;
}

static void check_look(Fixture *fixture, Status at_the_end)
{
    fixture->at_the_end = at_the_end;
    fixture->read = false;
    look_read(&fixture->request, fake_store_reader(fixture->store), read_something);
    assert_true(fixture->read);
    assert_int_equal(fixture->request.failed, at_the_end);
}

static void test_a_look_counts_when_the_store_says_so(void **state)
{
    Fixture *fixture = *state;
    check_look(fixture, STATUS_OK);
    check_look(fixture, STATUS_BROKEN);
    assert_string_equal(fixture->request.error.message, "the fake store was told to fail");
    check_look(fixture, STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_look_counts_when_the_store_says_so, setup, teardown),
    };
    return cmocka_run_group_tests_name("look", tests, NULL, NULL);
}
