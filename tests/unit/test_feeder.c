/* A feeder that is at work: messages, the processor, the connection. */
#include "support/feeder_world.h"
#include "unit.h"

/* ---- What goes well ---------------------------------------------------------------------------------------------- */

static void test_records_are_taken(void **state)
{
    World *world = *state;
    world_put_records(world, 10);
    world_settle(world);
    world_assert_all_taken(world);
    assert_int_equal(world_place(world), 10);
    SourceStatus status = world_status(world);
    assert_int_equal(status.condition, SOURCE_RUNNING);
    assert_true(status.messages == 10 && status.created == 10 && status.duplicates == 0 && status.dead_letters == 0);
    assert_true(status.bytes > 1000 && status.errors == 0 && status.error[0] == '\0');
    assert_int_equal(status.message_us, world->manual.wall_us);
    assert_int_equal(status.lag.messages, 0);
    assert_ptr_equal(status.options, &world->source);
    assert_false(status.is_storing);
    assert_int_equal(fake_origin_outcome(world->origin, 0, 9), OUTCOME_CREATED);
    /* What comes later, too. */
    world_put_records(world, 3);
    world_settle(world);
    world_assert_all_taken(world);
}

static void test_nothing_to_do_is_waited_for(void **state)
{
    World *world = *state;
    int64_t wait_us = world_settle(world);
    assert_in_range(wait_us, SECOND_US / 10, 10 * SECOND_US);
    assert_int_equal(world_stored(world), 0);
    assert_int_equal(world_status(world).message_us, 0);
}

/* What is none is a dead letter, and the rest goes on; the source is told of each. */
static void test_bad_messages_among_good_ones(void **state)
{
    World *world = *state;
    world->repeats = 1;
    world_put_record(world, 0, "1.00");
    fake_origin_put(world->origin, 0, STR("{\"recordId\":"));
    fake_origin_put(world->origin, 0, STR(""));
    world_put_record(world, 0, "1.00"); /* a duplicate */
    world_put_record(world, 0, "2.00"); /* a conflict */
    world_put_record(world, 1, "1.00");
    fake_origin_put_message(world->origin, 0, &(SourceMessage){.refused = STR("is a null"), .format = STR("json")});
    world_settle(world);
    assert_int_equal(world_stored(world), 2);
    assert_int_equal(fake_origin_left(world->origin), 0);
    SourceStatus status = world_status(world);
    assert_true(status.messages == 7 && status.created == 2 && status.duplicates == 1 && status.conflicts == 1);
    assert_true(status.rejected == 3 && status.dead_letters == 4);
    static const OutcomeKind expected[] = {OUTCOME_CREATED,  OUTCOME_NONE,    OUTCOME_NONE, OUTCOME_DUPLICATE,
                                           OUTCOME_CONFLICT, OUTCOME_CREATED, OUTCOME_NONE};
    for (int64_t i = 0; i < 7; i++) {
        assert_int_equal(fake_origin_outcome(world->origin, 0, i), expected[i]);
    }
    assert_int_equal(status.condition, SOURCE_RUNNING);
}

static void test_the_first_wins(void **state)
{
    World *world = *state;
    world->options.first_wins = true;
    world->repeats = 1;
    world_put_record(world, 0, "1.00");
    world_put_record(world, 0, "2.00");
    world_settle(world);
    SourceStatus status = world_status(world);
    assert_true(status.created == 1 && status.duplicates == 1 && status.conflicts == 0 && status.dead_letters == 0);
    assert_int_equal(fake_origin_outcome(world->origin, 0, 1), OUTCOME_DUPLICATE);
}

/* Of a source with a mapping messages are events; what is none comes back as one when it is tried again. */
static void test_events_are_taken(void **state)
{
    World *world = *state;
    MappingSet *mappings = NULL;
    Error error = {0};
    assert_int_equal(mapping_set_new(NULL, 0, &mappings, &error), STATUS_OK);
    feeder_close(world->feeder);
    world->options.mappings = mappings;
    world->source.mapping = SOURCE_MAPPING_AUTO;
    world->repeats = 2;
    world_open_feeder(world);
    fake_origin_put(world->origin, 0, STR("{\"client\":\"c\",\"metric\":\"m\",\"amount\":1,\"time\":1700000000}"));
    fake_origin_put(world->origin, 0, STR("{\"source\":\"c\",\"name\":\"m\",\"qty\":\"1.0\",\"ts\":\"1700000000\"}"));
    fake_origin_put(world->origin, 0, STR("{\"client\":\"c\"}"));
    fake_origin_put_message(world->origin, 0, &(SourceMessage){.raw = STR("a,b\n1,2"), .format = SOURCE_FORMAT_CSV});
    fake_origin_put(world->origin, 0, STR("{\"client\":\"c\",\"metric\":\"m\",\"amount\":2,\"time\":1700000000}"));
    world_settle(world);
    SourceStatus status = world_status(world);
    assert_true(status.messages == 5 && status.created == 2 && status.duplicates == 1 && status.rejected == 2);
    assert_true(status.conflicts == 0 && status.dead_letters == 2);
    static const OutcomeKind expected[] = {OUTCOME_CREATED, OUTCOME_DUPLICATE, OUTCOME_NONE, OUTCOME_NONE,
                                           OUTCOME_CREATED};
    for (int64_t i = 0; i < 5; i++) {
        assert_int_equal(fake_origin_outcome(world->origin, 0, i), expected[i]);
    }
    mapping_set_free(mappings);
}

/* While one group is being stored the next is fetched and read, and no more. */
static void test_one_group_flies_and_one_is_ready(void **state)
{
    World *world = *state;
    world_put_records(world, 5 * GROUP_MAX);
    world->processor_stands = true;
    int64_t wait_us = world_settle(world);
    assert_int_equal(fake_origin_counts(world->origin).messages, 2 * GROUP_MAX);
    assert_true(wait_us > 0 && fake_origin_counts(world->origin).empty_calls > 0); /* the connection is kept alive */
    assert_true(world_status(world).is_storing);
    assert_int_equal(fake_origin_left(world->origin), 5 * GROUP_MAX);
    world->processor_stands = false;
    world_settle(world);
    world_assert_all_taken(world);
}

/* ---- The processor ----------------------------------------------------------------------------------------------- */

static void check_failed_batch(World *world, Status failure)
{
    world_put_records(world, 3 * GROUP_MAX);
    fake_store_fail_apply(world->store, failure);
    world_settle(world);
    SourceStatus status = world_status(world);
    assert_int_equal(status.condition, SOURCE_HOLDING);
    assert_true(status.errors == 1 && status.error[0] != '\0' && status.next_try_us > world->manual.wall_us);
    assert_int_equal(status.error_us, world->manual.wall_us);
    assert_int_equal(fake_origin_left(world->origin), 3 * GROUP_MAX);
    assert_int_equal(world_place(world), world->origin ? -1 : 0);
    assert_int_equal(fake_origin_counts(world->origin).acknowledged, 0);
}

static void test_busy_is_handed_in_again(void **state)
{
    World *world = *state;
    check_failed_batch(world, STATUS_BUSY);
    assert_int_equal(world_stored(world), 0);
    world_run_for(world, SECOND_US);
    world_assert_all_taken(world);
    assert_int_equal(world_status(world).condition, SOURCE_RUNNING);
    assert_string_equal(world_status(world).error, "");
    assert_int_equal(fake_origin_counts(world->origin).messages, world->put); /* without asking the source again */
}

static void test_unknown_is_handed_in_again(void **state)
{
    World *world = *state;
    check_failed_batch(world, STATUS_UNKNOWN);
    world_run_for(world, SECOND_US);
    world_assert_all_taken(world);
    assert_int_equal(world_status(world).created, world->put);
}

/* It waits longer each time, and never for ever. */
static void test_holding_backs_off(void **state)
{
    World *world = *state;
    world_put_records(world, 1);
    int64_t before_us = 0;
    size_t slower = 0;
    for (int i = 0; i < 12; i++) {
        fake_store_fail_apply(world->store, STATUS_BUSY);
        int64_t wait_us = world_settle(world);
        assert_in_range(wait_us, 1, 2 * SECOND_US);
        slower += wait_us > before_us;
        before_us = wait_us;
        manual_clock_move(&world->manual, wait_us);
    }
    assert_true(slower >= 4);
    assert_true(before_us >= SECOND_US / 2);
    fake_store_fail_apply(world->store, STATUS_OK);
    world_run_for(world, 5 * SECOND_US);
    world_assert_all_taken(world);
}

static void test_broken_is_never_acknowledged(void **state)
{
    World *world = *state;
    world_put_records(world, 3);
    fake_store_fail_apply(world->store, STATUS_BROKEN);
    world_settle(world);
    world_run_for(world, 10 * SECOND_US);
    assert_int_equal(world->broken, 1);
    assert_int_equal(world_status(world).condition, SOURCE_HOLDING);
    assert_int_equal(fake_origin_left(world->origin), 3);
    assert_int_equal(world_stored(world), 0);
}

static void ignore(Submission *submission, Status status, const Error *error)
{
    (void)submission, (void)status, (void)error;
}

/* A full queue is no trouble at first, and is when it lasts. */
static void test_a_full_queue(void **state)
{
    World *world = *state;
    Submission filler = {
        .work = {.kind = WORK_SOURCE_STATE, .source = {.name = STR("other")}}, .bytes = QUEUE_BYTES, .done = ignore};
    Error error = {0};
    world_put_records(world, 3 * GROUP_MAX);
    world->processor_stands = true;
    assert_int_equal(processor_submit(world->processor, &filler, &error), STATUS_OK);
    world_settle(world);
    assert_int_equal(world_status(world).condition, SOURCE_RUNNING);
    assert_int_equal(world_status(world).errors, 0);
    world_run_for(world, 3 * SECOND_US);
    assert_int_equal(world_status(world).condition, SOURCE_HOLDING);
    assert_true(world_status(world).errors > 0);
    assert_int_equal(fake_origin_counts(world->origin).messages, 2 * GROUP_MAX);
    world->processor_stands = false;
    world_run_for(world, 3 * SECOND_US);
    world_assert_all_taken(world);
    assert_int_equal(world_status(world).condition, SOURCE_RUNNING);
}

/* The work alone is BUSY while the batch was fine: dead letters have no room. */
static void test_no_room_for_dead_letters(void **state)
{
    World *world = *state;
    fake_store_set_letter_bytes_max(world->store, 10);
    fake_origin_put(world->origin, 0, STR("12345678"));
    world_settle(world);
    assert_int_equal(fake_origin_left(world->origin), 0);
    fake_origin_put(world->origin, 0, STR("12345679"));
    world_put_records(world, 1);
    world_run_for(world, 5 * SECOND_US);
    assert_int_equal(world_stored(world), 0);
    assert_int_equal(world_status(world).condition, SOURCE_HOLDING);
    assert_int_equal(fake_origin_left(world->origin), 2);
    fake_store_set_letter_bytes_max(world->store, 10000);
    world_run_for(world, 3 * SECOND_US);
    assert_int_equal(world_stored(world), 1);
    assert_int_equal(fake_origin_left(world->origin), 0);
}

/* ---- The connection ---------------------------------------------------------------------------------------------- */

static void test_unreachable_at_the_start(void **state)
{
    World *world = *state;
    fake_origin_set_down(world->origin, true);
    world_put_records(world, 3);
    world_run_for(world, 200 * SECOND_US);
    SourceStatus status = world_status(world);
    assert_int_equal(status.condition, SOURCE_CONNECTING);
    assert_non_null(strstr(status.error, "is down"));
    assert_in_range(status.errors, 8, 25); /* first soon, then every half a minute or less */
    assert_true(status.next_try_us > world->manual.wall_us &&
                status.next_try_us <= world->manual.wall_us + 30 * SECOND_US);
    assert_int_equal(status.lag.messages, -1);
    fake_origin_set_down(world->origin, false);
    world_run_for(world, 31 * SECOND_US);
    world_assert_all_taken(world);
    assert_string_equal(world_status(world).error, "");
    assert_int_equal(world_status(world).next_try_us, 0);
}

/* Connecting goes well, and fetching never does: that is no reason to hurry. */
static void test_connections_that_do_not_last(void **state)
{
    World *world = *state;
    fake_origin_set_faults(world->origin, &(FakeOriginFaults){.fetch_busy = 1000});
    world_run_for(world, 200 * SECOND_US);
    assert_in_range(fake_origin_counts(world->origin).connected, 8, 25);
}

/* Nor when a few calls go well in between; what is taken meanwhile is a reason. */
static void test_connections_that_last_a_moment(void **state)
{
    World *world = *state;
    fake_origin_set_faults(world->origin, &(FakeOriginFaults){.fetch_busy = 400});
    world_run_for(world, 200 * SECOND_US);
    assert_in_range(fake_origin_counts(world->origin).connected, 8, 40);
    fake_origin_set_faults(world->origin, &(FakeOriginFaults){0});
    world_put_records(world, 1);
    world_run_for(world, 31 * SECOND_US);
    world_assert_all_taken(world);
    size_t before = fake_origin_counts(world->origin).connected;
    for (int i = 0; i < 5; i++) {
        world_put_records(world, 1);
        world_run_for(world, SECOND_US);
        fake_origin_cut(world->origin);
        world_run_for(world, SECOND_US);
    }
    assert_int_equal(fake_origin_counts(world->origin).connected, before + 5);
    world_assert_all_taken(world);
}

static void test_lost_with_one_flying_and_one_ready(void **state)
{
    World *world = *state;
    world_put_records(world, 4 * GROUP_MAX);
    world->processor_stands = true;
    world_settle(world);
    fake_origin_cut(world->origin);
    world_settle(world);
    assert_int_equal(world_status(world).condition, SOURCE_CONNECTING);
    assert_int_equal(fake_origin_counts(world->origin).connected, 1); /* not before what flies has landed */
    world_run_for(world, SECOND_US);
    assert_int_equal(fake_origin_counts(world->origin).connected, 1);
    world->processor_stands = false;
    world_run_for(world, 2 * SECOND_US);
    world_assert_all_taken(world);
    assert_int_equal(fake_origin_counts(world->origin).connected, 2);
    /* The group that was stored and not acknowledged comes again only where there are no places; the ready one in any
     * case. */
    SourceStatus status = world_status(world);
    assert_int_equal(status.created, world->put);
    assert_true(status.duplicates == 0 || status.duplicates == GROUP_MAX);
    assert_int_equal(fake_origin_counts(world->origin).messages, world->put + GROUP_MAX + (size_t)status.duplicates);
}

/* The connection is lost, and what was under way has failed as well. */
static void test_lost_while_holding(void **state)
{
    World *world = *state;
    world_put_records(world, 3 * GROUP_MAX);
    fake_store_fail_apply(world->store, STATUS_UNKNOWN);
    world_step(world), world_step(world);
    fake_origin_cut(world->origin);
    world_run_for(world, 5 * SECOND_US);
    world_assert_all_taken(world);
    assert_int_equal(world_status(world).created, world->put);
}

static void test_acknowledging_fails(void **state)
{
    World *world = *state;
    world_put_records(world, 3 * GROUP_MAX);
    fake_origin_script_acknowledge(world->origin, STATUS_BUSY, 1);
    world_settle(world);
    assert_int_equal(world_status(world).condition, SOURCE_CONNECTING);
    assert_int_equal(world_status(world).errors, 1);
    world_run_for(world, SECOND_US);
    world_assert_all_taken(world);
    assert_int_equal(world_status(world).created, world->put);
}

static void test_refused_is_tried_now_and_then(void **state)
{
    World *world = *state;
    world_put_records(world, 3);
    fake_origin_script_connect(world->origin, STATUS_REFUSED, 1);
    world_check_refused(world);
    world_run_for(world, 2 * SECOND_US);
    world_assert_all_taken(world);
    assert_int_equal(world_status(world).condition, SOURCE_RUNNING);
}

static void test_refused_is_tried_when_somebody_asks(void **state)
{
    World *world = *state;
    world_put_records(world, 3);
    world_settle(world);
    fake_origin_script_fetch(world->origin, STATUS_REFUSED, 1);
    world_put_records(world, 3);
    world_check_refused(world);
    feeder_look(world->feeder);
    world_settle(world);
    world_assert_all_taken(world);
}

/* The offsets have gone back: nothing is skipped or read twice in silence. */
static void test_made_anew(void **state)
{
    World *world = *state;
    world_put_records(world, 3);
    world_settle(world);
    fake_origin_recreate(world->origin);
    world_put_records(world, 2);
    world_run_for(world, SECOND_US);
    assert_int_equal(world_status(world).condition, SOURCE_FAILED);
    assert_non_null(strstr(world_status(world).error, "made anew"));
    assert_int_equal(world_stored(world), 3);
    Work forget = {.kind = WORK_SOURCE_FORGET, .forget = {.source = STR("orders")}};
    Error error = {0};
    assert_int_equal(store_apply(world->store, &forget, &error), STATUS_OK);
    feeder_look(world->feeder);
    world_settle(world);
    assert_int_equal(world_stored(world), 5);
}

/* The store cannot be read: it is no reason to read from the wrong place, or what was paused. */
static void test_the_store_cannot_be_read(void **state)
{
    World *world = *state;
    world_put_records(world, 3);
    fake_store_fail(world->store, STATUS_BUSY);
    assert_int_equal(feeder_step(world->feeder), SECOND_US);
    assert_int_equal(fake_origin_counts(world->origin).connected, 0);
    assert_int_equal(world_status(world).condition, SOURCE_CONNECTING);
    assert_true(world_status(world).error[0] != '\0');
    world_run_for(world, 2 * SECOND_US);
    world_assert_all_taken(world);
}

static void test_notices_and_lag(void **state)
{
    World *world = *state;
    fake_origin_set_notice(world->origin, "4 messages were deleted before they were read");
    world_put_records(world, 1);
    world->processor_stands = true;
    world_settle(world);
    assert_string_equal(world_status(world).notice, "4 messages were deleted before they were read");
    assert_int_equal(world_status(world).lag.messages, 1);
    world->processor_stands = false;
    fake_origin_set_notice(world->origin, "");
    world_settle(world);
    assert_string_equal(world_status(world).notice, "");
    assert_int_equal(world_status(world).lag.messages, 0);
}

#define LOG_TEST(name)   cmocka_unit_test_setup_teardown(name, world_setup_log, world_teardown)
#define QUEUE_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup_queue, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_records_are_taken),
        LOG_TEST(test_nothing_to_do_is_waited_for),
        LOG_TEST(test_bad_messages_among_good_ones),
        LOG_TEST(test_the_first_wins),
        LOG_TEST(test_events_are_taken),
        QUEUE_TEST(test_events_are_taken),
        LOG_TEST(test_one_group_flies_and_one_is_ready),
        LOG_TEST(test_busy_is_handed_in_again),
        LOG_TEST(test_unknown_is_handed_in_again),
        LOG_TEST(test_holding_backs_off),
        LOG_TEST(test_broken_is_never_acknowledged),
        LOG_TEST(test_a_full_queue),
        LOG_TEST(test_no_room_for_dead_letters),
        LOG_TEST(test_unreachable_at_the_start),
        LOG_TEST(test_connections_that_do_not_last),
        LOG_TEST(test_connections_that_last_a_moment),
        LOG_TEST(test_lost_with_one_flying_and_one_ready),
        QUEUE_TEST(test_lost_with_one_flying_and_one_ready),
        LOG_TEST(test_lost_while_holding),
        QUEUE_TEST(test_lost_while_holding),
        LOG_TEST(test_acknowledging_fails),
        QUEUE_TEST(test_acknowledging_fails),
        LOG_TEST(test_refused_is_tried_now_and_then),
        LOG_TEST(test_refused_is_tried_when_somebody_asks),
        LOG_TEST(test_made_anew),
        LOG_TEST(test_the_store_cannot_be_read),
        LOG_TEST(test_notices_and_lag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
