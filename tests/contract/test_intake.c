/* Intake on a store on disk, in steps. */
#include "intake_world.h"

#include <setjmp.h>

#include <cmocka.h>

#include "base/log.h"

enum { STEPS = 60 };

static void run(World *world)
{
    for (int i = 0; i < STEPS; i++) {
        bool idle = false;
        int64_t wait_us = intake_step(world->intake);
        assert_true(wait_us >= 0);
        processor_step(world->processor, &idle);
        manual_clock_move(&world->manual, wait_us < SECOND_US ? wait_us : SECOND_US);
    }
}

static void test_several_sources(void **state)
{
    World *world = *state;
    world_start(world);
    for (size_t i = 0; i < 300; i++) {
        world_put_record(world, 0, i % 2);
        world_put_record(world, 1, 0);
    }
    world_put_bad(world, 0, 0);
    world_put_bad(world, 1, 0);
    run(world);
    world_assert_all_taken(world);
    SourceStatus statuses[3];
    assert_int_equal(intake_source_count(world->intake), 2);
    assert_int_equal(intake_status(world->intake, statuses, 3), 2);
    assert_int_equal(intake_status(world->intake, statuses, 1), 1);
    assert_string_equal(statuses[0].options->name, "orders");
    assert_string_equal(statuses[1].options->name, "devices");
    assert_true(statuses[0].created == 300 && statuses[1].created == 300 && statuses[1].dead_letters == 1);
    assert_string_equal(source_condition_name(statuses[0].condition), "running");
}

static void test_no_sources(void **state)
{
    World *world = *state;
    world->source_count = 0;
    world_start(world);
    run(world);
    SourceStatus status;
    assert_int_equal(intake_status(world->intake, &status, 1), 0);
    intake_look(NULL);
    intake_stop(NULL);
    intake_free(NULL);
    assert_int_equal(intake_status(NULL, &status, 1), 0);
    assert_int_equal(intake_source_count(NULL), 0);
}

static void test_letters_are_tried_again(void **state)
{
    World *world = *state;
    char text[RECORD_BYTES_MAX];
    world_start(world);
    world_put_bad(world, 0, 0);
    world_put_bad(world, 0, 1);
    world_put_record(world, 0, 0);
    run(world);
    assert_int_equal(world_letters(world, "orders").states[DEAD_LETTER_OPEN], 2);
    /* As it is: it is no record now either. */
    assert_int_equal(world_retry(world, 1, ""), 1);
    assert_int_equal(world_letters(world, "orders").states[DEAD_LETTER_RETRYING], 1);
    run(world);
    Letters letters = world_letters(world, "orders");
    assert_true(letters.states[DEAD_LETTER_OPEN] == 2 && letters.attempts_most == 2);
    /* Mended. */
    world_write_record(text, "orders", world->put[0]++, "1.00");
    assert_int_equal(world_retry(world, 1, text), 1);
    run(world);
    letters = world_letters(world, "orders");
    assert_true(letters.states[DEAD_LETTER_OPEN] == 1 && letters.states[DEAD_LETTER_RESOLVED] == 1);
    world_assert_all_taken(world);
    /* The source itself had nothing to do with it. */
    SourceStatus status;
    assert_int_equal(intake_status(world->intake, &status, 1), 1);
    assert_true(status.messages == 3 && status.dead_letters == 2);
}

/* More than there is in a group: each is tried once, and its outcome stays. */
static void test_many_letters_are_tried_again(void **state)
{
    World *world = *state;
    world_start(world);
    for (int i = 0; i < 600; i++) {
        world_put_bad(world, 1, 0);
    }
    run(world);
    assert_int_equal(world_letters(world, "devices").count, 600);
    assert_int_equal(world_retry(world, 0, ""), 600);
    run(world);
    Letters letters = world_letters(world, "devices");
    assert_int_equal(letters.states[DEAD_LETTER_OPEN], 600);
    assert_int_equal(letters.attempts_most, 2);
    world_assert_all_taken(world);
}

/* Letters that were to be tried again when the process ended are tried after the next start. */
static void test_letters_wait_for_a_start(void **state)
{
    World *world = *state;
    world_start(world);
    world_put_bad(world, 0, 0);
    run(world);
    intake_stop(world->intake);
    assert_int_equal(world_retry(world, 1, ""), 1);
    world_stop(world);
    world_start(world);
    run(world);
    Letters letters = world_letters(world, "orders");
    assert_true(letters.states[DEAD_LETTER_OPEN] == 1 && letters.attempts_most == 2);
}

static void test_an_option_that_cannot_work(void **state)
{
    World *world = *state;
    Error error = {0};
    fake_origin_script_open(world->origin[1], STATUS_REFUSED, 1);
    assert_int_equal(world_try_start(world, &error), STATUS_REFUSED);
    assert_non_null(strstr(error.message, "the source devices"));
    assert_null(world->intake);
    assert_int_equal(fake_origin_counts(world->origin[0]).closed, 1);
    world_start(world);
    world_put_record(world, 1, 0);
    run(world);
    world_assert_all_taken(world);
}

/* The processor answers after intake was told to stop: what it stored is acknowledged, and nothing more is handed in. */
static void test_stop_in_steps(void **state)
{
    World *world = *state;
    world_start(world);
    for (size_t i = 0; i < 4 * GROUP_MESSAGES; i++) {
        world_put_record(world, 0, 0);
    }
    for (int i = 0; i < 5; i++) {
        intake_step(world->intake);
    }
    intake_stop(world->intake);
    run(world);
    SourceStatus status;
    assert_int_equal(intake_status(world->intake, &status, 1), 1);
    assert_int_equal(status.condition, SOURCE_STOPPED);
    assert_int_equal(world_stored(world), GROUP_MESSAGES);
    assert_int_equal(fake_origin_left(world->origin[0]), 3 * GROUP_MESSAGES);
    world_stop(world);
    world_start(world);
    run(world);
    world_assert_all_taken(world);
}

#define STEP_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup_steps, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STEP_TEST(test_several_sources),
        STEP_TEST(test_no_sources),
        STEP_TEST(test_letters_are_tried_again),
        STEP_TEST(test_many_letters_are_tried_again),
        STEP_TEST(test_letters_wait_for_a_start),
        STEP_TEST(test_an_option_that_cannot_work),
        STEP_TEST(test_stop_in_steps),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT); /* states change all the time */
    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
