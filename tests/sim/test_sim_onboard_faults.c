/* Onboarding on the simulated disk: a power loss, an error, a full disk at each operation in turn. Whatever was
 * acknowledged is there afterwards, all of a step is there or nothing, its counts add up, and the same step, made
 * again, does what it was to do. With WEIR_TORTURE=all at each of the operations, else at some. */
#include <stdio.h>

#include "contract/onboard_steps.h"
#include "disk/disk_tools.h"
#include "sim/store_on_disk.h"
#include "support/torture.h"

typedef struct Life {
    StoreOnDisk at;
    OnboardStep steps[2]; /* the second one took jobs */
    int acknowledged, attempted;
} Life;

static char right[ONBOARD_STEPS + 1][ONBOARD_DIGEST_BYTES]; /* after so many steps, when nothing fails */

static void open_store(Life *life)
{
    Error error = {0};
    if (store_on_disk_open(&life->at, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

static Life *life_new(uint64_t seed)
{
    Life *life = calloc(1, sizeof *life);
    assert_non_null(life);
    store_on_disk_init(&life->at, seed);
    life->at.options.publish_records = 8;
    life->at.options.wal_bytes_max = 64 << 10;
    open_store(life);
    return life;
}

static void life_free(Life *life)
{
    onboard_step_release(&life->steps[0]);
    onboard_step_release(&life->steps[1]);
    store_on_disk_release(&life->at);
    free(life);
}

static void read_digest(Life *life, char ret_digest[ONBOARD_DIGEST_BYTES])
{
    StoreReader *reader = NULL;
    Error error = {0};
    assert_int_equal(store_reader_open(life->at.store, &reader, &error), STATUS_OK);
    assert_int_equal(onboard_digest(reader, ret_digest, &error), STATUS_OK);
    store_reader_close(reader);
}

/* ---- A life ------------------------------------------------------------------------------------------------------ */

static Status apply(Life *life, int number, const OnboardStep **ret_step)
{
    OnboardStep *taken = &life->steps[1], *step = onboard_step_takes(number) ? taken : &life->steps[0];
    Error error = {0};
    onboard_step_release(step);
    onboard_step_make(step, number, taken);
    *ret_step = step;
    return store_apply(life->at.store, step->works, &error);
}

/* Goes on until something is not OK; a full disk is cleared, and the step made again. */
static void live(Life *life)
{
    Error error = {0};
    const OnboardStep *step = NULL;
    bool goes = true;
    for (int number = 0; goes && number < ONBOARD_STEPS; number++) {
        life->attempted = number + 1;
        Status status = apply(life, number, &step);
        if (status == STATUS_BUSY || status == STATUS_UNKNOWN) {
            sim_disk_limit(life->at.disk, UINT64_MAX);
            status = apply(life, number, &step);
        }
        goes = status == STATUS_OK;
        if (goes) {
            assert_true(onboard_step_is_right(step, false));
            life->acknowledged = number + 1;
        }
        for (bool more = true; goes && more;) {
            goes = store_maintain(life->at.store, number % 4 == 3, &more, &error) == STATUS_OK;
        }
    }
}

static void check_sound(Life *life, int steps)
{
    char digest[ONBOARD_DIGEST_BYTES];
    store_on_disk_verify(&life->at);
    read_digest(life, digest);
    assert_string_equal(digest, right[steps]);
}

/* How many of the steps are there: those that were acknowledged, or one more. */
static int steps_left(Life *life)
{
    char digest[ONBOARD_DIGEST_BYTES];
    read_digest(life, digest);
    return strcmp(digest, right[life->attempted]) == 0 ? life->attempted : life->acknowledged;
}

/* After whatever happened: opened again, with a whole disk, and the last step made again, and the others behind it. */
static void check_afterwards(Life *life)
{
    const OnboardStep *step = NULL;
    open_store(life);
    int there = steps_left(life);
    check_sound(life, there);
    for (int number = life->attempted - 1; number < ONBOARD_STEPS; number++) {
        if (onboard_step_ends(number) && number == life->attempted - 1) { /* who had taken the jobs is gone */
            assert_int_equal(apply(life, number - 1, &step), STATUS_OK);
        }
        assert_int_equal(apply(life, number, &step), STATUS_OK);
        assert_true(onboard_step_is_right(step, number < there));
        check_sound(life, number + 1);
    }
    store_on_disk_close(&life->at);
}

/* Returns whether the fault struck. */
static bool run_with_fault(const SimFault *fault, SimLoss loss)
{
    uint64_t random = fault->nth;
    Life *life = life_new(fault->nth);
    sim_disk_arm(life->at.disk, fault);
    live(life);
    bool struck = sim_disk_struck(life->at.disk) > 0 || sim_disk_is_frozen(life->at.disk);
    store_on_disk_close(&life->at);
    sim_disk_crash(life->at.disk, loss, &random);
    if (struck) {
        check_afterwards(life);
    }
    life_free(life);
    return struck;
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

static int learn_what_is_right(void **state)
{
    Life *life = life_new(1);
    const OnboardStep *step = NULL;
    (void)state;
    read_digest(life, right[0]);
    for (int number = 0; number < ONBOARD_STEPS; number++) {
        assert_int_equal(apply(life, number, &step), STATUS_OK);
        read_digest(life, right[number + 1]);
    }
    store_on_disk_close(&life->at);
    life_free(life);
    return 0;
}

/* Returns how many operations there were to be struck, or nearly. */
static uint64_t strike_each(SimFault fault, SimLoss loss)
{
    uint64_t stride = torture_is_whole() ? 1 : 5, lives = 0;
    for (fault.nth = 1; run_with_fault(&fault, loss); fault.nth += stride) {
        lives++;
    }
    print_message("# %llu lives\n", (unsigned long long)lives);
    return lives * stride;
}

static void test_a_power_loss(void **state)
{
    (void)state;
    assert_true(strike_each((SimFault){.ops = SIM_CHANGES, .failure = SIM_FAIL_FREEZE}, SIM_LOSS_DRAWN) > 20);
}

static void test_a_kill(void **state)
{
    (void)state;
    assert_true(strike_each((SimFault){.ops = SIM_CHANGES, .failure = SIM_FAIL_FREEZE}, SIM_LOSS_PROCESS) > 20);
}

static void test_an_error(void **state)
{
    (void)state;
    assert_true(strike_each((SimFault){.ops = SIM_ANY, .failure = SIM_FAIL_ERROR}, SIM_LOSS_DRAWN) > 20);
}

static void test_a_full_disk(void **state)
{
    (void)state;
    assert_true(strike_each((SimFault){.ops = SIM_WRITE | SIM_CREATE, .failure = SIM_FAIL_FULL}, SIM_LOSS_PROCESS) >
                20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_power_loss),
        cmocka_unit_test(test_a_kill),
        cmocka_unit_test(test_an_error),
        cmocka_unit_test(test_a_full_disk),
    };
    return cmocka_run_group_tests_name("sim-onboard-faults", tests, learn_what_is_right, NULL);
}
