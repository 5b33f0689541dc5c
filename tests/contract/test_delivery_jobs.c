/* What people ask of a line, replays, the order of flows, and everything that can go wrong at once. */
#include "contract/delivery_world.h"

/* ---- People ------------------------------------------------------------------------------------------------------ */

static void test_pause(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 4);
    world_start(world);
    world_add(world, 5);
    world_run(world, SECOND_US);
    Work pause = {.kind = WORK_SINK_STATE,
                  .sink = {.name = STR("hook"), .state = SINK_STATE_PAUSED, .reason = STR("maintenance")}};
    assert_int_equal(world_apply(world, &pause), STATUS_OK);
    world_run(world, SECOND_US);
    world_add(world, 5);
    world_run(world, MINUTE_US);
    assert_int_equal(world_line(world, "hook", 0).state, LINE_PAUSED);
    assert_int_equal(fake_receiver_count(receiver, 6), 0);
    Work resume = {.kind = WORK_SINK_STATE, .sink = {.name = STR("hook"), .state = SINK_STATE_ACTIVE}};
    assert_int_equal(world_apply(world, &resume), STATUS_OK);
    world_run(world, SECOND_US);
    world_check_once(receiver, 1, 10);
}

static size_t count_of_job(const FakeReceiver *receiver, int64_t job)
{
    size_t count, found = 0;
    const FakeDelivery *deliveries = fake_receiver_deliveries(receiver, &count);
    for (size_t i = 0; i < count; i++) {
        found += deliveries[i].job == job;
    }
    return found;
}

/* An earlier message keeps the cursor behind a dead letter; after a crash it lies in front of the line. */
static void test_discarded_in_front_of_the_cursor(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    const DeadLetterFilter all = DEAD_LETTER_FILTER_ALL;
    DeadLetter letter;
    fake_receiver_script(receiver, (FakeAnswer){.seq = 3, .times = 1, .verdict = SINK_TAKEN, .after_us = HOUR_US});
    fake_receiver_script(receiver, (FakeAnswer){.seq = 5, .times = 1, .verdict = SINK_REFUSED, .code = 400});
    world_start(world);
    world_add(world, 10);
    world_run(world, SECOND_US);
    assert_int_equal(world_stored(world, "hook").place.cursor, 2);
    Work discard = {.kind = WORK_DEAD_LETTERS,
                    .dead_letters = {.filter = all, .action = DEAD_LETTER_DISCARD, .limit = 10}};
    assert_int_equal(world_apply(world, &discard), STATUS_OK);
    assert_int_equal(discard.dead_letters.count, 1);
    world_crash(world);
    world_start(world);
    world_run(world, MINUTE_US);
    assert_int_equal(world_stored(world, "hook").place.cursor, 11); /* 11: the notice */
    assert_int_equal(fake_receiver_count(receiver, 5), 0);
    assert_int_equal(world_dead_letters(world, all, &letter), 1);
    assert_int_equal(letter.state, DEAD_LETTER_DISCARDED);
    world_check_at_least_once(receiver, 6, 11);
}

static void test_replay(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 4);
    world_start(world);
    world_add(world, 100);
    world_run(world, SECOND_US);
    for (int time = 1; time <= 2; time++) {
        Work work = {.kind = WORK_REPLAY_PUT,
                     .replay = {.sink = STR("hook"),
                                .after = 10,
                                .through = 60,
                                .filter = STR("{\"destinationId\":\"dest-1\"}"),
                                .place = {10, 0}}};
        assert_int_equal(world_apply(world, &work), STATUS_OK);
        world_add(world, 1);
        world_run(world, MINUTE_US);
        assert_int_equal(count_of_job(receiver, work.replay.id), 10);
        StoredReplay replay = world_replay(world, work.replay.id);
        assert_int_equal(replay.state, REPLAY_DONE);
        assert_int_equal(replay.sent, 10);
        assert_int_equal(replay.failed, 0);
    }
    /* The live line has gone on by itself. */
    world_check_once(receiver, 1, 102);
    assert_int_equal(world_stored(world, "hook").place.cursor, 102);
}

static void test_replay_goes_on_after_a_crash(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 1);
    fake_receiver_set_faults(receiver, &(FakeFaults){.latency_us_min = 100000, .latency_us_max = 200000});
    world_start(world);
    world_add(world, 50);
    world_run(world, 30 * SECOND_US);
    Work work = {.kind = WORK_REPLAY_PUT,
                 .replay = {.sink = STR("hook"), .after = 0, .through = 50, .filter = STR("{}")}};
    assert_int_equal(world_apply(world, &work), STATUS_OK);
    world_run(world, 3 * SECOND_US);
    size_t before = count_of_job(receiver, work.replay.id);
    assert_in_range(before, 5, 40);
    world_crash(world);
    world_start(world);
    world_run(world, 30 * SECOND_US);
    assert_int_equal(world_replay(world, work.replay.id).state, REPLAY_DONE);
    assert_in_range(count_of_job(receiver, work.replay.id), 50, 55);
}

static int64_t put_replay(World *world, const char *sink, int64_t through)
{
    Work work = {.kind = WORK_REPLAY_PUT,
                 .replay = {.sink = str_from(sink), .after = 0, .through = through, .filter = STR("{}")}};
    assert_int_equal(world_apply(world, &work), STATUS_OK);
    return work.replay.id;
}

/* The live line would try for more than half an hour. */
static void test_replay_of_poison_ends_in_minutes(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 4);
    world->options[0].schedule_us[1] = HOUR_US;
    world->options[0].schedule_us[4] = HOUR_US;
    world->options[0].schedule_count = 5;
    world_start(world);
    world_add(world, 20);
    world_run(world, SECOND_US);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 7, .times = 1000, .verdict = SINK_FAILED, .code = 500});
    int64_t id = put_replay(world, "hook", 20);
    world_run(world, 2 * MINUTE_US);
    assert_int_equal(world_replay(world, id).state, REPLAY_RUNNING);
    world_run(world, 2 * MINUTE_US);
    StoredReplay replay = world_replay(world, id);
    assert_int_equal(replay.state, REPLAY_DONE);
    assert_int_equal(replay.sent, 19);
    assert_int_equal(replay.failed, 1);
    assert_int_equal(world_attempts(world, 7), 4);
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, NULL), 0);
    /* The live line keeps its patience. */
    fake_receiver_script(receiver, (FakeAnswer){.seq = 21, .times = 1, .verdict = SINK_FAILED, .code = 500});
    world_add(world, 1);
    world_run(world, 50 * MINUTE_US);
    assert_int_equal(world_retries(world, "hook"), 1);
    world_run(world, 20 * MINUTE_US);
    world_check_once(receiver, 1, 6);
    world_check_once(receiver, 8, 21);
}

/* Whoever answers that each message is wrong is there; whoever answers nothing of the kind may be back in a while. */
static void test_replay_of_nothing_but_poison(void **state)
{
    for (int code = 422; code <= 503; code += 81) {
        World *world = world_new();
        FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
        world_start(world);
        world_add(world, 300);
        world_run(world, 10 * SECOND_US);
        fake_receiver_script(receiver,
                             (FakeAnswer){.times = 100000, .verdict = SINK_FAILED, .code = code, .after_us = 1000});
        int64_t id = put_replay(world, "hook", 300);
        world_run(world, 4 * MINUTE_US);
        StoredReplay replay = world_replay(world, id);
        assert_int_equal(replay.state, code == 422 ? REPLAY_DONE : REPLAY_RUNNING);
        assert_int_equal(replay.failed, code == 422 ? 300 : 0);
        assert_int_equal(replay.sent, 0);
        if (code != 422) {
            assert_int_equal(world_line(world, "hook", id).state, LINE_HOLDING);
        }
        world_free(world);
    }
    (void)state;
}

static void test_replay_waits_only_so_long_as_it_is_asked_to(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 4);
    world_start(world);
    world_add(world, 5);
    world_run(world, SECOND_US);
    fake_receiver_script(
        receiver,
        (FakeAnswer){.seq = 2, .times = 1, .verdict = SINK_FAILED, .code = 429, .retry_after_us = 5 * MINUTE_US});
    fake_receiver_script(
        receiver,
        (FakeAnswer){.seq = 2, .times = 1, .verdict = SINK_FAILED, .code = 429, .retry_after_us = 24 * HOUR_US});
    int64_t id = put_replay(world, "hook", 5);
    world_run(world, 4 * MINUTE_US);
    assert_int_equal(world_attempts(world, 2), 1);
    world_run(world, 2 * MINUTE_US);
    assert_int_equal(world_attempts(world, 2), 2);
    world_run(world, 10 * MINUTE_US);
    assert_int_equal(world_replay(world, id).state, REPLAY_DONE);
    assert_int_equal(world_replay(world, id).sent, 5);
}

/* Answers overtake each other, and crashes come in between: what lies in front of the cursor is sent again, and counted
 * once. */
static void test_a_replay_counts_each_message_once(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    world->options[0].breaker_percent = 0;
    world_start(world);
    world_add(world, 60);
    world_run(world, SECOND_US);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 3, .times = 2, .verdict = SINK_TAKEN, .after_us = HOUR_US});
    fake_receiver_script(receiver, (FakeAnswer){.seq = 5, .times = 2, .verdict = SINK_FAILED, .code = 500});
    fake_receiver_script(receiver, (FakeAnswer){.seq = 9, .times = 1000, .verdict = SINK_FAILED, .code = 500});
    fake_receiver_script(receiver, (FakeAnswer){.seq = 11, .times = 1000, .verdict = SINK_REFUSED, .code = 400});
    int64_t id = put_replay(world, "hook", 60);
    for (int i = 0; i < 2; i++) {
        world_run(world, (4 * i + 1) * SECOND_US);
        StoredReplay replay = world_replay(world, id);
        assert_int_equal(replay.place.cursor, 2);
        assert_int_equal(replay.sent, 2);
        assert_int_equal(replay.failed, 0);
        world_crash(world);
        world_start(world);
    }
    world_run(world, 10 * MINUTE_US);
    StoredReplay replay = world_replay(world, id);
    assert_int_equal(replay.state, REPLAY_DONE);
    assert_int_equal(replay.sent, 58);
    assert_int_equal(replay.failed, 2);
}

/* A stream knows what it has: that is sent only once, and counted. */
static void test_a_replay_into_a_stream_counts_what_that_has(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "stream", FAKE_STREAM, 4);
    fake_receiver_set_faults(receiver,
                             &(FakeFaults){.send_unknown = 300, .connect_busy = 200, .latency_us_max = 50000});
    world_start(world);
    world_add(world, 200);
    world_run(world, 10 * MINUTE_US);
    int64_t id = put_replay(world, "stream", 200);
    for (int i = 0; i < 10; i++) {
        world_run(world, 300000);
        world_crash(world);
        world_start(world);
    }
    world_run(world, 30 * MINUTE_US);
    StoredReplay replay = world_replay(world, id);
    assert_int_equal(replay.state, REPLAY_DONE);
    assert_int_equal(count_of_job(receiver, id), 200);
    assert_int_equal(replay.sent, 200);
    assert_int_equal(replay.failed, 0);
}

/* However many are asked for, the replays of a sink that is down leave room for those of others. */
static void test_replays_of_a_sink_that_is_down(void **state)
{
    World *world = *state;
    FakeReceiver *down = world_add_sink(world, "down", FAKE_LIST, 4);
    world_add_sink(world, "hook", FAKE_WEBHOOK, 4);
    int64_t ids[2 * DISPATCHER_REPLAYS_MAX];
    world_start(world);
    world_add(world, 10);
    world_run(world, SECOND_US);
    fake_receiver_set_down(down, true);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        ids[i] = put_replay(world, "down", 10);
    }
    int64_t id = put_replay(world, "hook", 10);
    world_run(world, MINUTE_US);
    assert_int_equal(world_replay(world, id).state, REPLAY_DONE);
    fake_receiver_set_down(down, false);
    world_run(world, 10 * MINUTE_US);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_int_equal(world_replay(world, ids[i]).state, REPLAY_DONE);
        assert_int_equal(count_of_job(down, ids[i]), 10);
    }
}

/* ---- Order ------------------------------------------------------------------------------------------------------- */

/* In each flow no message comes for the first time after a later one has come. */
static void check_flow_order(const FakeReceiver *receiver)
{
    size_t count;
    const FakeDelivery *deliveries = fake_receiver_deliveries(receiver, &count);
    int64_t last[WORLD_FLOWS] = {0};
    for (size_t i = 0; i < count; i++) {
        if (deliveries[i].kind == MESSAGE_NOTIFICATION) {
            int64_t *flow = &last[deliveries[i].key[strlen("dest-")] - '0'];
            if (deliveries[i].seq < *flow) {
                fail_msg("message %lld came after %lld", (long long)deliveries[i].seq, (long long)*flow);
            }
            *flow = deliveries[i].seq;
        }
    }
}

static void test_order_of_flows(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    world->options[0].ordered = true;
    world->options[0].breaker_percent = 0;
    world->options[0].schedule_count = 20;
    for (size_t i = 1; i < 20; i++) {
        world->options[0].schedule_us[i] = SECOND_US;
    }
    fake_receiver_set_faults(receiver, &(FakeFaults){.failed = 200, .latency_us_min = 1000, .latency_us_max = 500000});
    world_start(world);
    world_add(world, 400);
    world_run(world, 6 * HOUR_US);
    world_check_once(receiver, 1, 400);
    check_flow_order(receiver);
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, NULL), 0);
}

/* ---- All at once ------------------------------------------------------------------------------------------------- */

static const FakeFaults bad_luck = {.failed = 50,
                                    .refused = 0,
                                    .held = 20,
                                    .lost = 20,
                                    .twice = 20,
                                    .connect_busy = 200,
                                    .send_busy = 50,
                                    .send_unknown = 50,
                                    .latency_us_min = 1000,
                                    .latency_us_max = 3000000};

static void live_with(World *world, FakeReceiver *const *receivers, size_t count)
{
    uint64_t seed = world->seed * 7919;
    for (size_t i = 0; i < count; i++) {
        FakeFaults faults = bad_luck;
        if (world->options[i].type != SINK_WEBHOOK) {
            faults.failed = faults.lost = 0; /* a broker fails as a whole */
        }
        fake_receiver_set_faults(receivers[i], &faults);
        world->options[i].schedule_count = 12;
        for (size_t attempt = 4; attempt < 12; attempt++) {
            world->options[i].schedule_us[attempt] = MINUTE_US;
        }
    }
    world_start(world);
    for (int i = 0; i < 40; i++) {
        world_add(world, (int)random_below(&seed, 30));
        world_run(world, (int64_t)random_below(&seed, (uint64_t)(20 * SECOND_US)));
        if (random_below(&seed, 3) == 0) {
            world_crash(world);
            world_start(world);
        }
    }
    for (size_t i = 0; i < count; i++) {
        fake_receiver_set_faults(receivers[i], &(FakeFaults){0});
    }
    world_run(world, 2 * HOUR_US);
}

static void test_bad_luck_and_crashes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        World *world = world_new();
        world->seed = seed;
        FakeReceiver *receivers[] = {
            world_add_sink(world, "kafka", FAKE_TRANSACTIONS, 16), world_add_sink(world, "redis", FAKE_STREAM, 16),
            world_add_sink(world, "hook", FAKE_WEBHOOK, 16), world_add_sink(world, "list", FAKE_LIST, 16)};
        live_with(world, receivers, 4);
        int64_t last = store_last_seq(world->store);
        world_check_once(receivers[0], 1, last);
        world_check_order(receivers[0]);
        world_check_once(receivers[1], 1, last);
        world_check_order(receivers[1]);
        world_check_at_least_once(receivers[2], 1, last);
        world_check_at_least_once(receivers[3], 1, last);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(world_stored(world, world->options[i].name).place.cursor, last);
            assert_int_equal(world_retries(world, world->options[i].name), 0);
        }
        assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, NULL), 0);
        world_free(world);
    }
}

int main(void)
{
    world_begin_tests();
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_pause),
        WORLD_TEST(test_discarded_in_front_of_the_cursor),
        WORLD_TEST(test_replay),
        WORLD_TEST(test_replay_goes_on_after_a_crash),
        WORLD_TEST(test_replay_of_poison_ends_in_minutes),
        cmocka_unit_test(test_replay_of_nothing_but_poison),
        WORLD_TEST(test_replay_waits_only_so_long_as_it_is_asked_to),
        WORLD_TEST(test_replays_of_a_sink_that_is_down),
        WORLD_TEST(test_a_replay_counts_each_message_once),
        WORLD_TEST(test_a_replay_into_a_stream_counts_what_that_has),
        WORLD_TEST(test_order_of_flows),
        cmocka_unit_test(test_bad_luck_and_crashes),
    };
    return cmocka_run_group_tests_name("delivery-jobs", tests, NULL, NULL);
}
