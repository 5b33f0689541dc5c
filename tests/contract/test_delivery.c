/* The lines of sinks on a real store, against sinks that fail in every way: what is sent when, what is remembered, what
 * comes of it. */
#include "contract/delivery_world.h"

/* ---- When nothing fails ------------------------------------------------------------------------------------------ */

static void test_all_in_order(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "broker", FAKE_TRANSACTIONS, 64);
    SinkPlace place = {0};
    world_start(world);
    world_add(world, 500);
    world_run(world, 2 * SECOND_US);
    world_check_once(receiver, 1, 500);
    world_check_order(receiver);
    assert_true(fake_receiver_place(receiver, &place));
    assert_int_equal(place.cursor, 500);
    assert_int_equal(world_stored(world, "broker").place.cursor, 500);
    LineStatus line = world_line(world, "broker", 0);
    assert_int_equal(line.state, LINE_RUNNING);
    assert_int_equal(line.cursor, 500);
    assert_int_equal(line.taken, 500);
    /* What was sent is not sent again after a restart, and what comes then is. */
    world_restart(world);
    world_add(world, 5);
    world_run(world, 2 * SECOND_US);
    world_check_once(receiver, 1, 505);
}

static void test_answers_overtake(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    fake_receiver_set_faults(receiver, &(FakeFaults){.latency_us_min = 1000, .latency_us_max = 900000});
    world_start(world);
    world_add(world, 300);
    world_run(world, MINUTE_US);
    world_check_once(receiver, 1, 300);
    assert_int_equal(world_stored(world, "hook").place.cursor, 300);
}

/* The cursor stays behind what is not answered yet, so that a crash forgets nothing. */
static void test_crash_while_under_way(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    fake_receiver_script(receiver,
                         (FakeAnswer){.seq = 3, .times = 1, .verdict = SINK_FAILED, .after_us = 10 * SECOND_US});
    world_start(world);
    world_add(world, 30);
    world_run(world, SECOND_US);
    assert_int_equal(world_stored(world, "hook").place.cursor, 2);
    world_crash(world);
    world_start(world);
    world_run(world, SECOND_US);
    world_check_at_least_once(receiver, 1, 30);
    assert_int_equal(world_stored(world, "hook").place.cursor, 30);
}

static void test_where_a_new_sink_starts(void **state)
{
    World *world = *state;
    world_start(world);
    world_add(world, 10);
    world_crash(world);
    FakeReceiver *now = world_add_sink(world, "now", FAKE_WEBHOOK, 4);
    FakeReceiver *behind = world_add_sink(world, "behind", FAKE_WEBHOOK, 4);
    world->options[0].start_seq = -1;
    world->options[1].start_seq = 7;
    world_start(world);
    world_run(world, SECOND_US);
    world_add(world, 1);
    world_run(world, SECOND_US);
    assert_int_equal(fake_receiver_count(now, 10), 0);
    world_check_once(now, 11, 11);
    assert_int_equal(fake_receiver_count(behind, 7), 0);
    world_check_once(behind, 8, 11);
    /* It is no new sink any more. */
    world_restart(world);
    world_run(world, SECOND_US);
    world_check_once(now, 11, 11);
}

/* An answer that comes while the lines end must not keep them from waiting for the processor. */
static void test_lines_that_end_remember(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 8);
    world_start(world);
    world_run(world, SECOND_US);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 2, .times = 1, .after_us = 1000});
    fake_receiver_script(receiver, (FakeAnswer){.seq = 3, .times = 1, .after_us = HOUR_US});
    world_add(world, 3);
    dispatcher_step(world->dispatcher);
    assert_int_equal(world_stored(world, "hook").place.cursor, 0);
    world_stop_lines(world);
    assert_int_equal(world_stored(world, "hook").place.cursor, 2);
    world_crash(world);
    world_start(world);
    world_run(world, SECOND_US);
    world_check_once(receiver, 1, 2);
    world_check_at_least_once(receiver, 3, 3);
}

static void test_subscription(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "some", FAKE_STREAM, 8);
    Subscription *subscription = &world->options[0].subscription;
    subscription->destination_id = STR("dest-2");
    subscription->value_min = 500;
    world_start(world);
    world_add(world, 20);
    world_add_value(world, 499); /* 21: dest-1 */
    world_add_value(world, 499); /* 22: dest-2, too small */
    world_run(world, SECOND_US);
    size_t count;
    const FakeDelivery *deliveries = fake_receiver_deliveries(receiver, &count);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(deliveries[i].seq, 2 + 5 * (int)i);
        assert_string_equal(deliveries[i].key, "dest-2");
    }
    assert_int_equal(world_stored(world, "some").place.cursor, 22);
    assert_int_equal(world_stored(world, "some").place.sent_seq, 17);
}

static void test_alerts(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "alerts", FAKE_TRANSACTIONS, 8);
    FakeReceiver *everything = world_add_sink(world, "everything", FAKE_TRANSACTIONS, 8);
    world->options[0].subscription.kinds = 1u << MESSAGE_ALERT;
    world_start(world);
    Work rule = {.kind = WORK_RULE_PUT,
                 .rule = {.name = STR("default"), .type = -1, .threshold = 5000, .enabled = true}};
    assert_int_equal(world_apply(world, &rule), STATUS_OK);
    world_add(world, 3);
    world_add_value(world, 7500); /* 4, and its alert 5 */
    world_add(world, 1);
    world_run(world, SECOND_US);
    size_t count;
    const FakeDelivery *deliveries = fake_receiver_deliveries(receiver, &count);
    assert_int_equal(count, 1);
    assert_int_equal(deliveries[0].seq, 5);
    assert_int_equal(deliveries[0].kind, MESSAGE_ALERT);
    assert_non_null(strstr(deliveries[0].body, "\"record_id\":\"rec-4\""));
    assert_non_null(strstr(deliveries[0].body, "\"exceeded_by\":25.00"));
    world_check_once(everything, 1, 6);
    world_check_order(everything);
}

/* ---- Messages that fail ------------------------------------------------------------------------------------------ */

static void test_poison_becomes_a_dead_letter(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 8);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 5, .times = 4, .verdict = SINK_FAILED, .code = 500});
    world_start(world);
    world_add(world, 40);
    world_run(world, MINUTE_US);
    /* It holds nobody up. */
    world_check_once(receiver, 1, 4);
    world_check_once(receiver, 6, 40);
    assert_int_equal(world_stored(world, "hook").place.cursor, 40);
    assert_int_equal(world_retries(world, "hook"), 1);
    world_run(world, HOUR_US);
    DeadLetter letter;
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, &letter), 1);
    assert_int_equal(letter.seq, 5);
    assert_int_equal(letter.attempts, 4);
    assert_int_equal(letter.state, DEAD_LETTER_OPEN);
    assert_int_equal(world_retries(world, "hook"), 0);
    assert_int_equal(world_attempts(world, 5), 4);
    /* It is told to those who want to hear of it. */
    world_check_once(receiver, 41, 41);
    size_t count;
    const FakeDelivery *deliveries = fake_receiver_deliveries(receiver, &count);
    assert_int_equal(deliveries[count - 1].kind, MESSAGE_DEAD_LETTER_CREATED);
    assert_non_null(strstr(deliveries[count - 1].body, "\"sink\":\"hook\""));
    assert_int_equal(world_line(world, "hook", 0).dead, 1);
    /* Whoever believes that the other side was mended tries it again, and it is the same letter. */
    fake_receiver_script(receiver, (FakeAnswer){.seq = 5, .times = 1, .verdict = SINK_FAILED, .code = 500});
    Work early = {.kind = WORK_DEAD_LETTERS,
                  .dead_letters = {.filter = DEAD_LETTER_FILTER_ALL, .action = DEAD_LETTER_RETRY, .limit = 10}};
    assert_int_equal(world_apply(world, &early), STATUS_OK);
    world_run(world, MINUTE_US);
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, &letter), 1);
    assert_int_equal(letter.state, DEAD_LETTER_OPEN);
    assert_int_equal(letter.attempts, 5);
    assert_int_equal(world_line(world, "hook", 0).dead, 1);
    /* Whoever mends the other side tries it again. */
    Work retry = {.kind = WORK_DEAD_LETTERS,
                  .dead_letters = {.filter = DEAD_LETTER_FILTER_ALL, .action = DEAD_LETTER_RETRY, .limit = 10}};
    assert_int_equal(world_apply(world, &retry), STATUS_OK);
    assert_int_equal(retry.dead_letters.count, 1);
    world_run(world, MINUTE_US);
    world_check_once(receiver, 5, 5);
    world_dead_letters(world, DEAD_LETTER_FILTER_ALL, &letter);
    assert_int_equal(letter.state, DEAD_LETTER_RESOLVED);
}

/* A dead letter about the news of a dead letter makes no further news. */
static void test_news_that_fail(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 8);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 1, .times = 1, .verdict = SINK_REFUSED});
    fake_receiver_script(receiver, (FakeAnswer){.seq = 2, .times = 1, .verdict = SINK_REFUSED});
    world_start(world);
    world_add(world, 1);
    world_run(world, MINUTE_US);
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, NULL), 2);
    assert_int_equal(store_last_seq(world->store), 2);
    assert_int_equal(world_stored(world, "hook").place.cursor, 2);
}

static void test_retries_survive_a_crash(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 8);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 2, .times = 2, .verdict = SINK_FAILED});
    world_start(world);
    world_add(world, 40);
    world_run(world, SECOND_US);
    world_crash(world);
    world_start(world);
    assert_int_equal(world_retries(world, "hook"), 1);
    world_run(world, 10 * SECOND_US); /* the second attempt has failed */
    world_crash(world);
    manual_clock_move(&world->manual, HOUR_US);
    world_start(world);
    world_run(world, SECOND_US);
    world_check_once(receiver, 1, 40);
    assert_int_equal(world_retries(world, "hook"), 0);
    assert_int_equal(world_attempts(world, 2), 3);
}

static void test_refused_by_a_broker(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "broker", FAKE_TRANSACTIONS, 16);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 7, .times = 1000, .verdict = SINK_REFUSED, .code = 10});
    fake_receiver_script(receiver, (FakeAnswer){.seq = 9, .times = 1000, .verdict = SINK_REFUSED, .code = 10});
    world_start(world);
    world_add(world, 50);
    world_run(world, MINUTE_US);
    assert_int_equal(fake_receiver_count(receiver, 7), 0);
    world_check_once(receiver, 1, 6);
    world_check_once(receiver, 8, 8);
    world_check_once(receiver, 10, 52); /* 51, 52: the news */
    world_check_order(receiver);
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, NULL), 2);
    assert_int_equal(world_stored(world, "broker").place.cursor, 52);
}

/* The letter counts the attempt that was refused. */
static void test_a_retry_is_refused(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 8);
    DeadLetter letter;
    fake_receiver_script(receiver, (FakeAnswer){.seq = 7, .times = 1, .verdict = SINK_FAILED});
    fake_receiver_script(receiver, (FakeAnswer){.seq = 7, .times = 1, .verdict = SINK_REFUSED, .code = 10});
    world_start(world);
    world_add(world, 10);
    world_run(world, MINUTE_US);
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, &letter), 1);
    assert_int_equal(letter.attempts, 2);
    assert_int_equal(world_attempts(world, 7), 2);
    assert_int_equal(world_retries(world, "hook"), 0);
}

/* ---- Places that fail -------------------------------------------------------------------------------------------- */

static void test_a_day_of_failures(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    fake_receiver_set_down(receiver, true);
    world_start(world);
    for (int hour = 0; hour < 24; hour++) {
        world_add(world, 20);
        world_run(world, HOUR_US);
    }
    LineStatus line = world_line(world, "hook", 0);
    assert_int_equal(line.state, LINE_HOLDING);
    assert_int_not_equal(line.breaker, BREAKER_CLOSED);
    assert_true(line.breaker_opened > 1000); /* a probe each 30 s */
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, NULL), 0);
    assert_true(world_stored(world, "hook").place.cursor < 40);
    fake_receiver_set_down(receiver, false);
    world_run(world, 10 * MINUTE_US);
    world_check_once(receiver, 1, 480);
    assert_int_equal(world_line(world, "hook", 0).breaker, BREAKER_CLOSED);
    assert_int_equal(world_stored(world, "hook").place.cursor, 480);
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, NULL), 0);
}

/* A message that nobody takes cannot keep a breaker open once the others go through. */
static void test_poison_and_an_outage(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 1, .times = 1000, .verdict = SINK_FAILED});
    world_start(world);
    world_add(world, 20);
    world_run(world, 6 * SECOND_US);
    fake_receiver_set_down(receiver, true);
    world_add(world, 50);
    world_run(world, HOUR_US);
    fake_receiver_set_down(receiver, false);
    world_run(world, 3 * HOUR_US);
    world_check_once(receiver, 2, 70);
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, NULL), 1);
}

/* All fail together, and then all but one recover: the one does not keep the others from being tried. */
static void test_poison_among_retries(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 1, .times = 100000, .verdict = SINK_FAILED});
    for (int64_t seq = 2; seq <= 12; seq++) {
        fake_receiver_script(receiver, (FakeAnswer){.seq = seq, .times = 1, .verdict = SINK_FAILED});
    }
    world_start(world);
    world_add(world, 12);
    world_run(world, SECOND_US);
    assert_int_equal(world_line(world, "hook", 0).breaker, BREAKER_OPEN);
    world_run(world, HOUR_US);
    world_check_once(receiver, 2, 12);
    assert_int_equal(world_dead_letters(world, DEAD_LETTER_FILTER_ALL, NULL), 1);
    assert_int_equal(world_line(world, "hook", 0).state, LINE_RUNNING);
}

/* With as many retries as can be the line holds, and leaves the place alone. */
static void test_too_many_retries(void **state)
{
    enum { RECORDS = STORE_RETRIES_MAX + 100, IN_FLIGHT = 64 };
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, IN_FLIGHT);
    world->options[0].breaker_percent = 0;
    world->options[0].schedule_us[1] = 10 * MINUTE_US;
    fake_receiver_set_down(receiver, true);
    world_start(world);
    world_add(world, RECORDS);
    world_run(world, 5 * MINUTE_US);
    assert_int_equal(world_line(world, "hook", 0).state, LINE_HOLDING);
    assert_int_equal(world_retries(world, "hook"), STORE_RETRIES_MAX);
    assert_in_range(fake_receiver_counts(receiver).messages, STORE_RETRIES_MAX, STORE_RETRIES_MAX + 3 * IN_FLIGHT);
    fake_receiver_set_down(receiver, false);
    world_run(world, 30 * MINUTE_US);
    world_check_once(receiver, 1, RECORDS);
    assert_int_equal(world_line(world, "hook", 0).state, LINE_RUNNING);
}

/* Behind a few messages that fail, so many wait for their flows that there is no room for more. */
static void test_too_many_wait_for_their_flows(void **state)
{
    enum { RECORDS = STORE_RETRIES_MAX + 2000, IN_FLIGHT = 64 };
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, IN_FLIGHT);
    world->options[0].breaker_percent = 0;
    world->options[0].ordered = true;
    world->options[0].schedule_us[1] = 10 * MINUTE_US;
    fake_receiver_set_down(receiver, true);
    world_start(world);
    world_add(world, RECORDS);
    world_run(world, 5 * MINUTE_US);
    assert_int_equal(world_line(world, "hook", 0).state, LINE_HOLDING);
    assert_int_equal(world_retries(world, "hook"), STORE_RETRIES_MAX);
    fake_receiver_set_down(receiver, false);
    world_run(world, 2 * HOUR_US);
    world_check_once(receiver, 1, RECORDS);
    assert_int_equal(world_line(world, "hook", 0).state, LINE_RUNNING);
}

static void test_broker_down(void **state)
{
    World *world = *state;
    FakeReceiver *broker = world_add_sink(world, "broker", FAKE_TRANSACTIONS, 16);
    FakeReceiver *hook = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    world_start(world);
    world_add(world, 20);
    world_run(world, SECOND_US);
    fake_receiver_set_down(broker, true);
    world_add(world, 20);
    world_run(world, HOUR_US);
    assert_int_equal(world_line(world, "broker", 0).state, LINE_HOLDING);
    assert_int_equal(world_stored(world, "broker").place.cursor, 20);
    world_check_once(hook, 1, 40); /* nobody else waits for it */
    fake_receiver_set_down(broker, false);
    world_run(world, MINUTE_US);
    world_check_once(broker, 1, 40);
    world_check_order(broker);
    assert_int_equal(world_line(world, "broker", 0).state, LINE_RUNNING);
}

static void test_unknown_send(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "broker", FAKE_TRANSACTIONS, 4);
    world_start(world);
    for (int i = 0; i < 20; i++) {
        fake_receiver_script_send(receiver, STATUS_UNKNOWN, 1);
        world_add(world, 10);
        world_run(world, MINUTE_US);
    }
    world_check_once(receiver, 1, 200);
    world_check_order(receiver);
}

static void test_stream_that_lost_its_tail(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "stream", FAKE_STREAM, 16);
    world_start(world);
    world_add(world, 100);
    world_run(world, SECOND_US);
    fake_receiver_lose(receiver, 30);
    fake_receiver_script_send(receiver, STATUS_BUSY, 1); /* the connection did not survive that */
    world_add(world, 1);
    world_run(world, MINUTE_US);
    world_check_once(receiver, 1, 101);
    world_check_order(receiver);
}

/* What was refused there is in nobody's tail, and only a person has it tried again. */
static void test_a_dead_letter_in_a_lost_tail(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "stream", FAKE_STREAM, 16);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 90, .times = 1, .verdict = SINK_REFUSED, .code = 10});
    world_start(world);
    world_add(world, 100);
    world_run(world, SECOND_US);
    assert_int_equal(world_stored(world, "stream").place.cursor, 101); /* 101: the notice */
    fake_receiver_lose(receiver, 30);
    fake_receiver_script_send(receiver, STATUS_BUSY, 1);
    world_add(world, 1);
    world_run(world, MINUTE_US);
    assert_int_equal(fake_receiver_count(receiver, 90), 0);
    world_check_once(receiver, 1, 89);
    world_check_once(receiver, 91, 102);
    assert_int_equal(world_stored(world, "stream").place.cursor, 102);
}

/* Somebody puts an older copy of the store in place, by hand. */
static void test_older_copy_of_the_store(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "broker", FAKE_TRANSACTIONS, 16);
    char command[1024];
    world_start(world);
    world_add(world, 10);
    world_run(world, SECOND_US);
    world_crash(world);
    snprintf(command, sizeof command, "cp -a '%s' '%s.copy'", world->dir, world->dir);
    assert_int_equal(system(command), 0);
    world_start(world);
    world_add(world, 10);
    world_run(world, SECOND_US);
    world_crash(world);
    snprintf(command, sizeof command, "rm -r '%s' && mv '%s.copy' '%s'", world->dir, world->dir, world->dir);
    assert_int_equal(system(command), 0);
    world_start(world);
    world_add(world, 5);
    world_run(world, SECOND_US);
    LineStatus line = world_line(world, "broker", 0);
    assert_int_equal(line.state, LINE_HOLDING);
    assert_non_null(strstr(line.error, "another copy of this store"));
    world_check_once(receiver, 1, 20);
}

static void test_gone(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 1);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 10, .times = 1, .verdict = SINK_GONE, .code = 410});
    world_start(world);
    world_add(world, 30);
    world_run(world, MINUTE_US);
    assert_int_equal(world_line(world, "hook", 0).state, LINE_DISABLED);
    assert_int_equal(world_stored(world, "hook").state, SINK_STATE_DISABLED);
    assert_int_equal(fake_receiver_count(receiver, 11), 0);
    world_restart(world);
    world_run(world, MINUTE_US);
    assert_int_equal(fake_receiver_count(receiver, 11), 0);
    Work resume = {.kind = WORK_SINK_STATE, .sink = {.name = STR("hook"), .state = SINK_STATE_ACTIVE}};
    assert_int_equal(world_apply(world, &resume), STATUS_OK);
    world_run(world, MINUTE_US);
    world_check_once(receiver, 1, 30);
}

/* What it says to a retry counts for what would be sent after it in the same step. */
static void test_gone_between_two_sends(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 4);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 1, .times = 1, .verdict = SINK_FAILED, .code = 500});
    fake_receiver_script(receiver, (FakeAnswer){.seq = 1, .times = 1, .verdict = SINK_GONE, .code = 410});
    world_start(world);
    world_add(world, 1);
    world_run(world, SECOND_US);
    assert_int_equal(world_retries(world, "hook"), 1);
    world_add(world, 5);
    manual_clock_move(&world->manual, MINUTE_US);
    world_run(world, MINUTE_US);
    assert_int_equal(world_line(world, "hook", 0).state, LINE_DISABLED);
    for (int64_t seq = 1; seq <= 6; seq++) {
        assert_int_equal(fake_receiver_count(receiver, seq), 0);
    }
}

int main(void)
{
    world_begin_tests();
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_all_in_order),
        WORLD_TEST(test_answers_overtake),
        WORLD_TEST(test_crash_while_under_way),
        WORLD_TEST(test_where_a_new_sink_starts),
        WORLD_TEST(test_lines_that_end_remember),
        WORLD_TEST(test_subscription),
        WORLD_TEST(test_alerts),
        WORLD_TEST(test_poison_becomes_a_dead_letter),
        WORLD_TEST(test_news_that_fail),
        WORLD_TEST(test_retries_survive_a_crash),
        WORLD_TEST(test_refused_by_a_broker),
        WORLD_TEST(test_a_retry_is_refused),
        WORLD_TEST(test_a_day_of_failures),
        WORLD_TEST(test_poison_and_an_outage),
        WORLD_TEST(test_poison_among_retries),
        WORLD_TEST(test_too_many_retries),
        WORLD_TEST(test_too_many_wait_for_their_flows),
        WORLD_TEST(test_broker_down),
        WORLD_TEST(test_unknown_send),
        WORLD_TEST(test_stream_that_lost_its_tail),
        WORLD_TEST(test_a_dead_letter_in_a_lost_tail),
        WORLD_TEST(test_older_copy_of_the_store),
        WORLD_TEST(test_gone),
        WORLD_TEST(test_gone_between_two_sends),
    };
    return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
