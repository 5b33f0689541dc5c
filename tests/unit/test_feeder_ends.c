/* A feeder that is paused, and one that ends; and everything at once. */
#include "support/feeder_world.h"
#include "unit.h"

/* ---- Pauses ------------------------------------------------------------------------------------------------------ */

static void test_pause_and_resume(void **state)
{
    World *world = *state;
    world_put_records(world, 3);
    world_settle(world);
    world_set_state(world, SOURCE_STATE_PAUSED);
    world_settle(world);
    assert_int_equal(world_status(world).condition, SOURCE_PAUSED);
    assert_int_equal(fake_origin_counts(world->origin).closed, 1); /* so that others may have it */
    world_put_records(world, 3);
    world_run_for(world, 100 * SECOND_US);
    assert_int_equal(world_stored(world), 3);
    assert_int_equal(fake_origin_counts(world->origin).opened, 1);
    world_set_state(world, SOURCE_STATE_ACTIVE);
    world_settle(world);
    world_assert_all_taken(world);
    assert_int_equal(world_status(world).condition, SOURCE_RUNNING);
}

/* What is with the processor is still acknowledged; what is ready comes again. */
static void test_pause_with_one_flying_and_one_ready(void **state)
{
    World *world = *state;
    world_put_records(world, 3 * GROUP_MAX);
    world->processor_stands = true;
    world_settle(world);
    world_set_state(world, SOURCE_STATE_PAUSED);
    world_run_for(world, SECOND_US);
    assert_int_equal(fake_origin_counts(world->origin).closed, 0);
    assert_true(world_status(world).is_storing);
    world->processor_stands = false;
    world_run_for(world, 2 * SECOND_US);
    assert_int_equal(world_status(world).condition, SOURCE_PAUSED);
    assert_false(world_status(world).is_storing);
    assert_int_equal(world_stored(world), GROUP_MAX);
    assert_int_equal(fake_origin_left(world->origin), 2 * GROUP_MAX);
    world_set_state(world, SOURCE_STATE_ACTIVE);
    world_run_for(world, SECOND_US);
    world_assert_all_taken(world);
}

/* It was paused in an earlier life: nothing is read, not even once. */
static void test_paused_from_the_start(void **state)
{
    World *world = *state;
    world_put_records(world, 3);
    world_set_state(world, SOURCE_STATE_PAUSED);
    world_run_for(world, 10 * SECOND_US);
    assert_int_equal(fake_origin_counts(world->origin).connected, 0);
    assert_int_equal(world_status(world).condition, SOURCE_PAUSED);
    /* Nor when the store cannot say so for a moment. */
    fake_store_fail(world->store, STATUS_BUSY);
    feeder_look(world->feeder);
    world_run_for(world, 10 * SECOND_US);
    assert_int_equal(fake_origin_counts(world->origin).connected, 0);
}

/* Opening it anew fails: that is trouble like any other. */
static void test_resume_cannot_open(void **state)
{
    World *world = *state;
    world_set_state(world, SOURCE_STATE_PAUSED);
    world_settle(world);
    fake_origin_script_open(world->origin, STATUS_REFUSED, 1);
    world_put_records(world, 2);
    world_set_state(world, SOURCE_STATE_ACTIVE);
    world_check_refused(world);
    world_run_for(world, 2 * SECOND_US);
    world_assert_all_taken(world);
}

/* ---- The end ----------------------------------------------------------------------------------------------------- */

static void reopen(World *world)
{
    feeder_close(world->feeder);
    world_open_feeder(world);
    world->processor_stands = false;
    world_run_for(world, SECOND_US);
    world_assert_all_taken(world);
    assert_true(fake_origin_counts(world->origin).closed >= 1);
}

static void test_finish_idle(void **state)
{
    World *world = *state;
    world_put_records(world, 3);
    world_settle(world);
    assert_true(feeder_finish(world->feeder));
    assert_int_equal(world_status(world).condition, SOURCE_STOPPED);
    world_put_records(world, 3);
    world_run_for(world, SECOND_US);
    assert_int_equal(world_stored(world), 3);
    reopen(world);
}

static void test_finish_before_connecting(void **state)
{
    World *world = *state;
    world_put_records(world, 3);
    assert_true(feeder_finish(world->feeder));
    world_run_for(world, SECOND_US);
    assert_int_equal(fake_origin_counts(world->origin).connected, 0);
    reopen(world);
}

/* What is with the processor is waited for, and acknowledged; what is ready is not handed in any more. */
static void test_finish_with_one_flying_and_one_ready(void **state)
{
    World *world = *state;
    world_put_records(world, 3 * GROUP_MAX);
    world->processor_stands = true;
    world_settle(world);
    assert_false(feeder_finish(world->feeder));
    world_settle(world);
    assert_false(feeder_finish(world->feeder));
    world->processor_stands = false;
    world_settle(world);
    assert_true(feeder_finish(world->feeder));
    assert_int_equal(world_status(world).condition, SOURCE_STOPPED);
    assert_int_equal(world_stored(world), GROUP_MAX);
    assert_int_equal(fake_origin_left(world->origin), 2 * GROUP_MAX);
    reopen(world);
}

static void test_finish_while_holding(void **state)
{
    World *world = *state;
    world_put_records(world, 3 * GROUP_MAX);
    fake_store_fail_apply(world->store, STATUS_BUSY);
    world_settle(world);
    assert_int_equal(world_status(world).condition, SOURCE_HOLDING);
    assert_true(feeder_finish(world->feeder));
    world_run_for(world, 10 * SECOND_US);
    assert_int_equal(world_stored(world), 0); /* it is not handed in again */
    reopen(world);
}

static void test_finish_unconnected(void **state)
{
    World *world = *state;
    fake_origin_set_down(world->origin, true);
    world_put_records(world, 3);
    world_settle(world);
    assert_true(feeder_finish(world->feeder));
    fake_origin_set_down(world->origin, false);
    world_run_for(world, 60 * SECOND_US);
    assert_int_equal(fake_origin_counts(world->origin).connected, 0);
    reopen(world);
}

/* The answer came, and nobody looked at it: the messages come again, and are known. */
static void test_close_with_an_answer(void **state)
{
    World *world = *state;
    world_put_records(world, 3);
    world->processor_stands = true;
    world_settle(world);
    assert_false(feeder_finish(world->feeder));
    world_let_processor_work(world);
    assert_int_equal(world_stored(world), 3);
    assert_int_equal(fake_origin_left(world->origin), 3);
    feeder_close(world->feeder);
    world_open_feeder(world);
    world_put_records(world, 1);
    world->processor_stands = false;
    world_run_for(world, SECOND_US);
    assert_int_equal(world_stored(world), 4);
    assert_int_equal(fake_origin_left(world->origin), 0);
}

/* ---- Everything at once ------------------------------------------------------------------------------------------ */

static void do_something(World *world)
{
    static const Status failures[] = {STATUS_BUSY, STATUS_UNKNOWN};
    uint64_t what = random_below(&world->seed, 100);
    if (what < 30) {
        world_put_records(world, random_below(&world->seed, 10));
    } else if (what < 35) {
        fake_store_fail_apply(world->store, failures[what % 2]);
    } else if (what < 40) {
        fake_origin_cut(world->origin);
    } else if (what < 43) {
        world_set_state(world, SOURCE_STATE_PAUSED);
    } else if (what < 50) {
        world_set_state(world, SOURCE_STATE_ACTIVE);
    } else if (what < 53) {
        feeder_look(world->feeder);
    } else if (what < 56) {
        fake_store_fail(world->store, STATUS_BUSY);
    } else if (what < 60 && feeder_finish(world->feeder)) {
        feeder_close(world->feeder);
        world_open_feeder(world);
    }
    world->processor_stands = random_below(&world->seed, 4) == 0;
}

static void check_run(World *world, uint64_t seed)
{
    world->seed = seed;
    fake_origin_set_faults(
        world->origin,
        &(FakeOriginFaults){.connect_busy = 200, .fetch_busy = 30, .acknowledge_busy = 100, .fetch_little = 300});
    for (int i = 0; i < 200; i++) {
        do_something(world);
        world_step(world);
        manual_clock_move(&world->manual, (int64_t)random_below(&world->seed, 200000));
    }
    /* It all comes to rest. */
    fake_origin_set_faults(world->origin, &(FakeOriginFaults){0});
    fake_store_fail(world->store, STATUS_OK);
    fake_store_fail_apply(world->store, STATUS_OK);
    world->processor_stands = false;
    while (!feeder_finish(world->feeder)) { /* it may have been told to before, and then needs to be a new one */
        world_step(world);
    }
    feeder_close(world->feeder);
    world_open_feeder(world);
    world_set_state(world, SOURCE_STATE_ACTIVE);
    world_put_records(world, 1); /* what was stored and not acknowledged is, by the next one */
    world_run_for(world, 60 * SECOND_US);
    world_assert_all_taken(world);
}

static void test_random_runs(void **state)
{
    World *world = *state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        check_run(world, seed);
    }
}

#define LOG_TEST(name)   cmocka_unit_test_setup_teardown(name, world_setup_log, world_teardown)
#define QUEUE_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup_queue, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_pause_and_resume),
        LOG_TEST(test_pause_with_one_flying_and_one_ready),
        QUEUE_TEST(test_pause_with_one_flying_and_one_ready),
        LOG_TEST(test_paused_from_the_start),
        LOG_TEST(test_resume_cannot_open),
        LOG_TEST(test_finish_idle),
        LOG_TEST(test_finish_before_connecting),
        LOG_TEST(test_finish_with_one_flying_and_one_ready),
        QUEUE_TEST(test_finish_with_one_flying_and_one_ready),
        LOG_TEST(test_finish_while_holding),
        LOG_TEST(test_finish_unconnected),
        QUEUE_TEST(test_close_with_an_answer),
        LOG_TEST(test_close_with_an_answer),
        LOG_TEST(test_random_runs),
        QUEUE_TEST(test_random_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
