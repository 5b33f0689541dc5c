/* A line that cannot read what the store has for it: for a moment nothing is known, and nothing follows from that. */
#include "contract/delivery_world.h"

#include <limits.h>

/* So many of the next reads fail, as they do of a disk that has a bad moment. */
static int failing_replays, failing_retries, failing_scans;
/* The store fails while so many of the next looks are taken: what they have read is not to be used. */
static int failing_checks;

static Status fail_one(int *left, Error *reterr)
{
    (*left)--;
    return error_set(reterr, STATUS_BROKEN, "disk I/O error");
}

Status __real_reader_replays(StoreReader *reader, Str sink, ReplayVisitor *visit, void *context, Error *reterr);
Status __wrap_reader_replays(StoreReader *reader, Str sink, ReplayVisitor *visit, void *context, Error *reterr);
Status __wrap_reader_replays(StoreReader *reader, Str sink, ReplayVisitor *visit, void *context, Error *reterr)
{
    return failing_replays > 0 ? fail_one(&failing_replays, reterr)
                               : __real_reader_replays(reader, sink, visit, context, reterr);
}

Status __real_reader_retries(StoreReader *reader, Str sink, int64_t job, RetryVisitor *visit, void *context,
                             Error *reterr);
Status __wrap_reader_retries(StoreReader *reader, Str sink, int64_t job, RetryVisitor *visit, void *context,
                             Error *reterr);
Status __wrap_reader_retries(StoreReader *reader, Str sink, int64_t job, RetryVisitor *visit, void *context,
                             Error *reterr)
{
    return failing_retries > 0 ? fail_one(&failing_retries, reterr)
                               : __real_reader_retries(reader, sink, job, visit, context, reterr);
}

/* A scan that fails comes upon a few rows first. */
typedef struct ShortScan {
    RecordVisitor *visit;
    void *context;
    int left;
} ShortScan;

static bool visit_few(void *context, const StoredRecord *stored)
{
    ShortScan *scan = context;
    return scan->left-- > 0 && scan->visit(scan->context, stored);
}

Status __real_reader_scan(StoreReader *reader, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                          void *context, Error *reterr);
Status __wrap_reader_scan(StoreReader *reader, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                          void *context, Error *reterr);
Status __wrap_reader_scan(StoreReader *reader, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                          void *context, Error *reterr)
{
    enum { FEW = 3 };
    ShortScan scan = {visit, context, FEW};
    if (failing_scans == 0) {
        return __real_reader_scan(reader, after, through, fields, visit, context, reterr);
    }
    Status status = __real_reader_scan(reader, after, through, fields, visit_few, &scan, reterr);
    return status == STATUS_OK ? fail_one(&failing_scans, reterr) : status;
}

Status __real_reader_check(StoreReader *reader, Error *reterr);
Status __wrap_reader_check(StoreReader *reader, Error *reterr);
Status __wrap_reader_check(StoreReader *reader, Error *reterr)
{
    return failing_checks > 0 ? fail_one(&failing_checks, reterr) : __real_reader_check(reader, reterr);
}

static int set_up(void **state)
{
    failing_replays = failing_retries = failing_scans = failing_checks = 0;
    return world_set_up(state);
}

/* Its line was ended and begun anew, with a breaker that had forgotten that the other side is to be left alone. */
static void test_a_replay_outlives_a_look_that_fails(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 4);
    world_start(world);
    world_add(world, 40);
    world_run(world, SECOND_US);
    fake_receiver_script(receiver, (FakeAnswer){.times = 100000, .verdict = SINK_FAILED, .code = 503});
    Work work = {.kind = WORK_REPLAY_PUT,
                 .replay = {.sink = STR("hook"), .after = 0, .through = 40, .filter = STR("{}")}};
    assert_int_equal(world_apply(world, &work), STATUS_OK);
    world_run(world, 5 * SECOND_US);
    LineStatus before = world_line(world, "hook", work.replay.id);
    FakeCounts counts = fake_receiver_counts(receiver);
    assert_int_equal(before.state, LINE_HOLDING);
    failing_replays = 1;
    world_run(world, 5 * SECOND_US);
    assert_int_equal(failing_replays, 0);
    LineStatus after = world_line(world, "hook", work.replay.id);
    assert_int_equal(after.state, LINE_HOLDING);
    assert_int_equal(after.next_try_us, before.next_try_us);
    assert_int_equal(fake_receiver_counts(receiver).opened, counts.opened);
    assert_int_equal(fake_receiver_counts(receiver).messages, counts.messages);
}

/* A message under way keeps the cursor behind a retry, so that after a crash the retry lies in front of the line. */
static void test_a_start_that_cannot_read_retries_sends_nothing(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 2, .times = 1, .verdict = SINK_TAKEN, .after_us = HOUR_US});
    fake_receiver_script(receiver, (FakeAnswer){.seq = 3, .times = 2, .verdict = SINK_FAILED, .code = 500});
    world_start(world);
    world_add(world, 10);
    world_run(world, 7 * SECOND_US);
    assert_int_equal(world_attempts(world, 3), 2);
    assert_int_equal(world_stored(world, "hook").place.cursor, 1);
    world_crash(world);
    failing_retries = 1;
    world_start(world);
    world_run(world, 10 * SECOND_US);
    assert_int_equal(failing_retries, 0);
    assert_int_equal(fake_receiver_count(receiver, 3), 0); /* five minutes behind the second attempt */
    world_run(world, 6 * MINUTE_US);
    world_check_at_least_once(receiver, 1, 10);
    assert_int_equal(fake_receiver_count(receiver, 3), 1);
    assert_int_equal(world_stored(world, "hook").place.cursor, 10);
    assert_int_equal(world_retries(world, "hook"), 0);
}

/* What had been read by then is not under way: it is read once more, and sent. */
static void test_a_read_of_the_log_fails_midway(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    world_start(world);
    world_add(world, 5);
    world_run(world, SECOND_US);
    failing_scans = 2;
    world_add(world, 40);
    world_run(world, 10 * SECOND_US);
    assert_int_equal(failing_scans, 0);
    world_check_once(receiver, 1, 45);
    assert_int_equal(world_stored(world, "hook").place.cursor, 45);
}

/* A retry in front of the cursor ends before the log can be read up to it. */
static void test_a_retry_ends_before_the_log_is_read(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    fake_receiver_script(receiver, (FakeAnswer){.seq = 2, .times = 1, .verdict = SINK_TAKEN, .after_us = HOUR_US});
    fake_receiver_script(receiver, (FakeAnswer){.seq = 9, .times = 2, .verdict = SINK_FAILED, .code = 500});
    world_start(world);
    world_add(world, 10);
    world_run(world, 7 * SECOND_US);
    assert_int_equal(world_stored(world, "hook").place.cursor, 1);
    world_crash(world);
    failing_scans = 1000000;
    world_start(world);
    world_run(world, 6 * MINUTE_US);
    assert_int_equal(fake_receiver_count(receiver, 9), 1);
    assert_int_equal(world_retries(world, "hook"), 0);
    failing_scans = 0;
    world_run(world, 10 * SECOND_US);
    world_check_at_least_once(receiver, 1, 10);
    assert_int_equal(fake_receiver_count(receiver, 9), 1);
    assert_int_equal(world_stored(world, "hook").place.cursor, 10);
}

/* One more than the line has room for, in front of which the cursor stands. The first is due, and the last. */
static void put_too_many_retries(World *world)
{
    enum { LAST = STORE_RETRIES_MAX + 1 };
    Work put = {.kind = WORK_SINK_PUT, .sink = {.name = STR("hook"), .place = {STORE_RETRIES_MAX, 0}}};
    assert_int_equal(world_apply(world, &put), STATUS_OK);
    for (int64_t seq = 1; seq <= LAST; seq++) {
        bool is_due = seq == 1 || seq == LAST;
        StoredRetry retry = {.seq = seq, .attempts = 1};
        retry.due_us = clock_wall_us(&world->clock) + (is_due ? 0 : HOUR_US);
        Work work = {.kind = WORK_DELIVERY,
                     .delivery = {.sink = STR("hook"), .place = put.sink.place, .retries = &retry, .retry_count = 1}};
        assert_int_equal(world_apply(world, &work), STATUS_OK);
    }
}

/* It was left in the store at the start, and its message went out in its turn: it is not sent beside that. */
static void test_a_retry_finds_room_while_its_message_is_under_way(void **state)
{
    enum { LAST = STORE_RETRIES_MAX + 1 };
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 16);
    fake_receiver_script(receiver, (FakeAnswer){.seq = LAST, .times = 1, .verdict = SINK_TAKEN, .after_us = MINUTE_US});
    world_start(world);
    world_add(world, LAST);
    put_too_many_retries(world);
    world_run(world, 30 * SECOND_US);
    assert_int_equal(fake_receiver_count(receiver, 1), 1);
    assert_int_equal(world_line(world, "hook", 0).in_flight, 1);
    assert_int_equal(fake_receiver_counts(receiver).messages, 2);
    world_run(world, MINUTE_US);
    assert_int_equal(world_stored(world, "hook").place.cursor, LAST);
    world_check_once(receiver, LAST, LAST);
}

/* Nothing is sent meanwhile, so that nothing else is read. */
static void test_a_line_asks_whether_its_look_counts(void **state)
{
    World *world = *state;
    world_add_sink(world, "hook", FAKE_WEBHOOK, 4);
    world_start(world);
    world_run(world, SECOND_US);
    assert_string_equal(world_line(world, "hook", 0).error, "");
    failing_checks = 1;
    world_run(world, SECOND_US);
    assert_int_equal(failing_checks, 0);
    assert_string_equal(world_line(world, "hook", 0).error, "disk I/O error");
}

/* A replay that the store may not have is not begun. */
static void test_a_replay_waits_for_a_look_that_counts(void **state)
{
    World *world = *state;
    FakeReceiver *receiver = world_add_sink(world, "hook", FAKE_WEBHOOK, 4);
    world_start(world);
    world_add(world, 10);
    world_run(world, 5 * SECOND_US);
    size_t messages = fake_receiver_counts(receiver).messages;
    Work work = {.kind = WORK_REPLAY_PUT,
                 .replay = {.sink = STR("hook"), .after = 0, .through = 10, .filter = STR("{}")}};
    assert_int_equal(world_apply(world, &work), STATUS_OK);
    failing_checks = INT_MAX;
    world_run(world, 5 * SECOND_US);
    assert_true(failing_checks < INT_MAX);
    assert_int_equal(world_line(world, "hook", work.replay.id).state, LINE_DONE);
    assert_null(world_line(world, "hook", work.replay.id).options);
    failing_checks = 0;
    world_run(world, MINUTE_US);
    assert_int_equal(fake_receiver_counts(receiver).messages, messages + 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)

int main(void)
{
    world_begin_tests();
    const struct CMUnitTest tests[] = {
        TEST(test_a_replay_outlives_a_look_that_fails),
        TEST(test_a_line_asks_whether_its_look_counts),
        TEST(test_a_replay_waits_for_a_look_that_counts),
        TEST(test_a_start_that_cannot_read_retries_sends_nothing),
        TEST(test_a_read_of_the_log_fails_midway),
        TEST(test_a_retry_ends_before_the_log_is_read),
        TEST(test_a_retry_finds_room_while_its_message_is_under_way),
    };
    return cmocka_run_group_tests_name("delivery-looks", tests, NULL, NULL);
}
