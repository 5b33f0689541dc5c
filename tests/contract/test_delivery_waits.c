/* How long a line waits before it tries again. */
#include "contract/delivery_world.h"

/* Of 20 messages the first fails once, and is to be tried again after that time; 0: nothing is said. */
static FakeReceiver *start_with_a_failure(World *world, int64_t retry_after_us)
{
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 8);
    fake_receiver_script(receiver,
                         (FakeAnswer){.seq = 1, .times = 1, .verdict = SINK_FAILED, .retry_after_us = retry_after_us});
    world_start(world);
    world_add(world, 20);
    return receiver;
}

static void test_retry_after(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = start_with_a_failure(world, 60 * SECOND_US);
    world_run(world, 55 * SECOND_US);
    assert_int_equal(fake_receiver_count(receiver, 1), 0);
    world_run(world, 20 * SECOND_US);
    world_check_once(receiver, 1, 20);
}

static void test_retry_after_of_a_day(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = start_with_a_failure(world, 24 * HOUR_US);
    world_run(world, SECOND_US);
    manual_clock_move(&world->manual, 23 * HOUR_US);
    world_run(world, MINUTE_US);
    assert_int_equal(fake_receiver_count(receiver, 1), 0);
    manual_clock_move(&world->manual, HOUR_US);
    world_run(world, MINUTE_US);
    world_check_once(receiver, 1, 20);
}

/* It was wrong by a month: nothing waits for that long. */
static void test_a_clock_that_was_set_back(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = start_with_a_failure(world, 0);
    world_run(world, SECOND_US);
    world->manual.wall_us -= 30 * 24 * HOUR_US;
    world_run(world, MINUTE_US);
    manual_clock_move(&world->manual, 25 * HOUR_US);
    world_run(world, MINUTE_US);
    world_check_once(receiver, 1, 20);
}

/* While the breaker is open no attempt is spent, but what the other side asks for counts. */
static void test_retry_after_of_a_probe(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 1);
    world_start(world);
    fake_receiver_script(receiver, (FakeAnswer){.times = 10, .verdict = SINK_FAILED});
    fake_receiver_script(receiver, (FakeAnswer){.times = 1, .verdict = SINK_FAILED, .retry_after_us = 10 * MINUTE_US});
    world_add(world, 20);
    world_run(world, MINUTE_US); /* it opens, and one probe fails */
    assert_int_equal(fake_receiver_counts(receiver).messages, 11);
    world_run(world, 9 * MINUTE_US);
    assert_int_equal(fake_receiver_counts(receiver).messages, 11);
    world_run(world, 30 * MINUTE_US);
    world_check_once(receiver, 1, 20);
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, NULL), 0);
}

/* What was taken since says that the last outage is over: the next one is waited for as if it were the first. */
static void test_outages_one_after_another(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "broker", FAKE_TRANSACTIONS, 4);
    world_start(world);
    for (int64_t i = 1; i <= 12; i++) {
        fake_receiver_cut(receiver);
        world_add(world, 1);
        world_run(world, SECOND_US);
        assert_int_equal(fake_receiver_count(receiver, i), 1);
    }
}

int main(void)
{
    world_begin_tests();
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_retry_after),
        WORLD_TEST(test_retry_after_of_a_day),
        WORLD_TEST(test_a_clock_that_was_set_back),
        WORLD_TEST(test_retry_after_of_a_probe),
        WORLD_TEST(test_outages_one_after_another),
    };
    return cmocka_run_group_tests_name("delivery-waits", tests, NULL, NULL);
}
