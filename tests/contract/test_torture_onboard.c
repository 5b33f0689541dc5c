/* What a store does with organizations and their jobs while memory gives out: see torture_life.h. After each failure
 * all of a batch is there or nothing, its counts add up, and the same call, made again, does what it was to do; in the
 * end there is what a life leaves in which nothing failed. */
#include "torture_life.h"

#include "onboard_steps.h"
#include "support/scratch_dir.h"

enum { LOOK_EVERY = 5 }; /* steps; and after each one in which something failed */

/* What is kept before the first and after each step of a life in which nothing fails. */
static char empty[ONBOARD_DIGEST_BYTES], right[ONBOARD_STEPS][ONBOARD_DIGEST_BYTES];
static bool is_first = true;

static void open_store(Life *life)
{
    StoreOptions options = store_options_default(life->dir);
    options.background = false;
    options.free_reserve_bytes = 0;
    life_open(life, &options);
}

static void read_digest(Life *life, char ret_digest[ONBOARD_DIGEST_BYTES])
{
    Error error = {0};
    if (!is_ok(life, "open a reader", store_reader_open(life->store, &life->reader, &error), BUSY, &error)) {
        assert_int_equal(store_reader_open(life->store, &life->reader, &error), STATUS_OK);
    }
    if (!is_ok(life, "read", onboard_digest(life->reader, ret_digest, &error), BUSY, &error)) {
        assert_int_equal(onboard_digest(life->reader, ret_digest, &error), STATUS_OK);
    }
    store_reader_close(life->reader);
}

static void assert_digest(Life *life, const char *expected)
{
    char digest[ONBOARD_DIGEST_BYTES];
    read_digest(life, digest);
    if (strcmp(digest, expected) != 0) {
        print_error("is:    %s\nright: %s\n", digest, expected);
        fail_life(life, "what is kept", STATUS_OK, "is something else");
    }
}

static Status apply(Life *life, OnboardStep *step, Error *reterr)
{
    return store_apply(life->store, step->works, reterr);
}

/* With memory enough: `taken` was taken by a process that is gone. */
static void take_again(Life *life, OnboardStep *taken)
{
    Error error = {0};
    int number = taken->number;
    onboard_step_release(taken);
    onboard_step_make(taken, number, NULL);
    assert_int_equal(apply(life, taken, &error), STATUS_OK);
}

/* The store takes nothing more, and when it was opened again all of the step is there, or nothing of it. Returns
 * whether it is there. */
static bool open_after_failure(Life *life, OnboardStep *step, OnboardStep *taken, const char *before)
{
    char digest[ONBOARD_DIGEST_BYTES];
    Error error = {0};
    assert_int_equal(apply(life, step, &error), STATUS_BROKEN);
    store_close(life->store);
    open_store(life);
    read_digest(life, digest);
    bool is_there = strcmp(digest, right[step->number]) == 0 && strcmp(digest, before) != 0;
    if (!is_there) {
        assert_string_equal(digest, before);
    }
    if (onboard_step_ends(step->number)) {
        take_again(life, taken);
    }
    return is_there;
}

/* Returns whether anything failed in it. */
static bool apply_step(Life *life, OnboardStep *step, int number, OnboardStep *taken)
{
    const char *before = number > 0 ? right[number - 1] : empty;
    Error error = {0};
    bool again = false, failed = false;
    onboard_step_make(step, number, taken);
    Status status = apply(life, step, &error);
    /* A piece of work is turned away by itself when there is no room for what it is to give back. */
    if (status == STATUS_OK && step->works[0].status == STATUS_BUSY) {
        status = error_set(&error, STATUS_BUSY, "%s", step->works[0].error.message);
    }
    if (!is_ok(life, "apply", status, BUSY | UNKNOWN | BROKEN, &error)) {
        failed = true;
        if (status == STATUS_BUSY) {
            assert_digest(life, before);
        } else {
            again = open_after_failure(life, step, taken, before);
            assert_true(!again || status == STATUS_UNKNOWN);
        }
        onboard_step_release(step);
        onboard_step_make(step, number, taken);
        assert_int_equal(apply(life, step, &error), STATUS_OK);
    }
    if (!onboard_step_is_right(step, again)) {
        fail_life(life, "a step", step->works[0].status, step->works[0].error.message);
    }
    return failed;
}

static void live(Life *life)
{
    OnboardStep steps[2] = {0}, *taken = &steps[1];
    for (int number = 0; number < ONBOARD_STEPS; number++) {
        OnboardStep *step = onboard_step_takes(number) ? taken : &steps[0];
        bool failed = apply_step(life, step, number, taken);
        if (is_first) {
            read_digest(life, right[number]);
        } else if (failed || number % LOOK_EVERY == 0) {
            assert_digest(life, right[number]);
        }
        if (step != taken) {
            onboard_step_release(step);
        }
    }
    onboard_step_release(taken);
    store_close(life->store);
}

static uint64_t live_and_check(uint64_t nth, uint64_t count)
{
    Life life = {.nth = nth};
    VerifyReport report;
    scratch_dir_make(life.dir, sizeof life.dir);
    int64_t before = torture_live();
    open_store(&life); /* as new; what fails then is test_torture_store.c's */
    if (is_first) {
        read_digest(&life, empty);
    }
    torture_begin(nth, count);
    live(&life);
    uint64_t asked = torture_end();
    life_check_memory(&life, before);
    open_store(&life);
    life_verify(&life, &report);
    assert_int_equal(report.jobs, 8);
    assert_digest(&life, right[ONBOARD_STEPS - 1]);
    store_close(life.store);
    scratch_dir_remove(life.dir);
    is_first = false;
    return asked;
}

static void test_each_allocation(void **state)
{
    (void)state;
    (void)live_and_check(0, 0); /* which says what is right */
    assert_true(torture_each(live_and_check) > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation)};
    torture_prepare();
    return cmocka_run_group_tests_name("torture-onboard", tests, NULL, NULL);
}
