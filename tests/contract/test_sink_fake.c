/* The contract of sink.h on the fake sinks, and what they do besides: the tests of others lean on it. */
#include "sink_suite.h"

#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/fake_sink.h"
#include "support/handles.h"

#define SECOND_US INT64_C(1000000)

enum { ROOM = 16 };

static ManualClock manual;
static uint64_t seed;
static Clock fake_clock;
static Random fake_random;
static FakeStyle style;

static void sleep_by_moving(void *self, int64_t us)
{
    (void)self;
    manual_clock_move(&manual, us);
    usleep(20); /* a test may wait for another thread */
}

typedef struct FakeSide {
    FakeSinks *sinks;
    FakeReceiver *receiver;
    SinkOptions options;
    SinkContext context;
    char body[512];
} FakeSide;

static void *side_start(void)
{
    FakeSide *side = test_calloc(1, sizeof *side);
    manual = (ManualClock){.wall_us = 1735725600 * SECOND_US, .monotonic_us = SECOND_US};
    seed = 1;
    fake_clock = manual_clock(&manual);
    fake_random = seeded_random(&seed);
    side->sinks =
        fake_sinks_new(&(FakeSinksOptions){.clock = &fake_clock, .random = &fake_random, .sleep = sleep_by_moving});
    side->receiver = fake_sinks_add(side->sinks, "here", style, ROOM);
    fake_receiver_set_faults(side->receiver, &(FakeFaults){.latency_us_max = 5000});
    side->options = (SinkOptions){.name = "here", .timeout_us = 10 * SECOND_US};
    side->context = (SinkContext){.options = &side->options, .clock = &fake_clock, .random = &fake_random};
    return side;
}

static void side_stop(void *self)
{
    fake_sinks_free(((FakeSide *)self)->sinks);
    test_free(self);
}

static Sink *side_open(void *self, int64_t replay_job)
{
    FakeSide *side = self;
    Sink *sink;
    Error error;
    side->context.replay_job = replay_job;
    assert_int_equal(fake_sink_open(side->sinks, &side->context, &sink, &error), STATUS_OK);
    return sink;
}

static size_t side_count(void *self)
{
    size_t count;
    fake_receiver_deliveries(((FakeSide *)self)->receiver, &count);
    return count;
}

static SideMessage side_message(void *self, size_t index)
{
    size_t count;
    const FakeDelivery *delivery = &fake_receiver_deliveries(((FakeSide *)self)->receiver, &count)[index];
    return (SideMessage){.id = str_from(delivery->id),
                         .body = str_from(delivery->body),
                         .traceparent = str_from(delivery->traceparent),
                         .replayed = delivery->job != 0};
}

static bool side_answer(void *self, int64_t seq, SinkVerdict verdict)
{
    fake_receiver_script(((FakeSide *)self)->receiver,
                         (FakeAnswer){.seq = seq, .times = 1, .verdict = verdict, .after_us = 100});
    return true;
}

static bool side_unreachable(void *self, bool unreachable)
{
    fake_receiver_set_down(((FakeSide *)self)->receiver, unreachable);
    return true;
}

/* Answers that are on their way when it is taken back come as late as they would have. */
static bool side_stall(void *self, bool stall)
{
    FakeFaults slow = {.latency_us_min = 3 * SECOND_US, .latency_us_max = 4 * SECOND_US},
               fast = {.latency_us_max = 5000};
    fake_receiver_set_faults(((FakeSide *)self)->receiver, stall ? &slow : &fast);
    return true;
}

/* ---- What the fake does besides ---------------------------------------------------------------------------------- */

static int setup(void **state)
{
    *state = side_start();
    return 0;
}

static int teardown(void **state)
{
    side_stop(*state);
    return 0;
}

static Sink *open_connected(FakeSide *side)
{
    Sink *sink = side_open(side, 0);
    SinkPlace theirs;
    Error error;
    assert_int_equal(sink->ops->connect(sink, (SinkPlace){0}, &theirs, &error), STATUS_OK);
    return sink;
}

static Status send_seqs(Sink *sink, int64_t first, size_t count)
{
    Message messages[ROOM];
    SinkPlace place = {.cursor = first + (int64_t)count - 1, .sent_seq = first + (int64_t)count - 1};
    Error error;
    for (size_t i = 0; i < count; i++) {
        messages[i] = (Message){.seq = first + (int64_t)i, .id = STR("id"), .body = STR("{}")};
    }
    return sink->ops->send(sink, messages, count, &place, &error);
}

static size_t results_within(Sink *sink, int64_t us, SinkResult *results, size_t cap)
{
    manual_clock_move(&manual, us);
    return sink->ops->results(sink, results, cap);
}

static void test_script_before_faults(void **state)
{
    FakeSide *side = *state;
    Sink *sink = open_connected(side);
    fake_receiver_set_faults(side->receiver, &(FakeFaults){.failed = 1000});
    fake_receiver_script(side->receiver, (FakeAnswer){.seq = 2,
                                                      .times = 1,
                                                      .verdict = SINK_FAILED,
                                                      .code = 503,
                                                      .after_us = 700,
                                                      .retry_after_us = 9,
                                                      .keeps = true,
                                                      .twice = true});
    SinkResult results[4];
    assert_int_equal(send_seqs(sink, 2, 1), STATUS_OK);
    assert_int_equal(fake_receiver_due_us(side->receiver), manual.monotonic_us + 700);
    assert_int_equal(results_within(sink, 699, results, 4), 0);
    assert_int_equal(results_within(sink, 1, results, 4), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(results[i].seq, 2);
        assert_int_equal(results[i].verdict, SINK_FAILED);
        assert_int_equal(results[i].code, 503);
        assert_int_equal(results[i].latency_us, 700);
        assert_int_equal(results[i].retry_after_us, 9);
    }
    assert_int_equal(fake_receiver_count(side->receiver, 2), 1);
    assert_int_equal(send_seqs(sink, 2, 1), STATUS_OK); /* the script is used up */
    assert_int_equal(results_within(sink, 0, results, 4), 1);
    assert_int_equal(results[0].code, 0);
    assert_int_equal(fake_receiver_count(side->receiver, 2), 1);
    sink_close(sink);
}

static void test_lost_answers(void **state)
{
    FakeSide *side = *state;
    Sink *sink = open_connected(side);
    fake_receiver_set_faults(side->receiver, &(FakeFaults){.lost = 1000});
    SinkResult results[ROOM];
    assert_int_equal(send_seqs(sink, 1, ROOM), STATUS_OK);
    assert_int_equal(results_within(sink, side->options.timeout_us - 1, results, ROOM), 0);
    assert_int_equal(results_within(sink, 1, results, ROOM), ROOM);
    assert_in_range(side_count(side), 1, ROOM - 1); /* some were kept, some not */
    sink_close(sink);
}

/* Closing twenty sinks with messages under way, some of which have arrived and some not. */
static void test_closing_keeps_some(void **state)
{
    FakeSide *side = *state;
    fake_receiver_set_faults(side->receiver, &(FakeFaults){.latency_us_min = SECOND_US, .latency_us_max = SECOND_US});
    for (int i = 0; i < 20; i++) {
        Sink *sink = open_connected(side);
        assert_int_equal(send_seqs(sink, 1 + 2 * i, 2), STATUS_OK);
        sink_close(sink);
    }
    assert_in_range(side_count(side), 1, 39);
}

static void check_unknown(FakeSide *side, bool whole)
{
    size_t partial = 0, nothing = 0;
    fake_receiver_set_faults(side->receiver, &(FakeFaults){.send_unknown = 1000});
    for (int64_t first = 1; first <= 100 * 4; first += 4) {
        size_t before = side_count(side);
        Sink *sink = open_connected(side);
        assert_int_equal(send_seqs(sink, first, 4), STATUS_UNKNOWN);
        size_t came = side_count(side) - before;
        SinkPlace place;
        assert_int_equal(came == 4 && whole, fake_receiver_place(side->receiver, &place) && place.cursor == first + 3);
        partial += came > 0 && came < 4;
        nothing += came == 0;
        SinkResult result;
        assert_int_equal(results_within(sink, 0, &result, 1), 0);
        sink_close(sink);
    }
    assert_int_equal(partial > 0, !whole);
    assert_in_range(nothing, 1, 99);
}

static void test_unknown_sends(void **state)
{
    FakeSide *side = *state;
    check_unknown(side, false);
    FakeSide other = *side;
    other.options.name = "whole";
    other.context.options = &other.options;
    other.receiver = fake_sinks_add(side->sinks, "whole", FAKE_TRANSACTIONS, ROOM);
    check_unknown(&other, true);
}

static void test_stream_takes_once_and_loses(void **state)
{
    FakeSide *side = *state;
    side->options.name = "stream";
    FakeReceiver *stream = fake_sinks_add(side->sinks, "stream", FAKE_STREAM, ROOM);
    Sink *sink = open_connected(side);
    SinkResult results[ROOM];
    SinkPlace theirs;
    Error error;
    assert_int_equal(send_seqs(sink, 1, 5), STATUS_OK);
    assert_int_equal(results_within(sink, 0, results, ROOM), 5);
    assert_int_equal(send_seqs(sink, 3, 4), STATUS_OK); /* 3, 4 and 5 once more */
    assert_int_equal(results_within(sink, 0, results, ROOM), 4);
    size_t count;
    fake_receiver_deliveries(stream, &count);
    assert_int_equal(count, 6);
    fake_receiver_lose(stream, 2);
    assert_int_equal(sink->ops->connect(sink, (SinkPlace){6, 6}, &theirs, &error), STATUS_OK);
    assert_int_equal(theirs.cursor, 4);
    fake_receiver_forget(stream);
    assert_int_equal(sink->ops->connect(sink, (SinkPlace){6, 6}, &theirs, &error), STATUS_OK);
    assert_int_equal(theirs.cursor, 6);
    sink_close(sink);
}

static void test_scripted_calls(void **state)
{
    FakeSide *side = *state;
    Sink *sink = side_open(side, 0);
    SinkPlace theirs;
    Error error;
    fake_receiver_script_connect(side->receiver, STATUS_REFUSED, 1);
    assert_int_equal(sink->ops->connect(sink, (SinkPlace){0}, &theirs, &error), STATUS_REFUSED);
    assert_int_equal(sink->ops->connect(sink, (SinkPlace){0}, &theirs, &error), STATUS_OK);
    fake_receiver_script_send(side->receiver, STATUS_BUSY, 1);
    assert_int_equal(send_seqs(sink, 1, 3), STATUS_BUSY);
    assert_int_equal(side_count(side), 0);
    assert_int_equal(sink->ops->connect(sink, (SinkPlace){0}, &theirs, &error), STATUS_OK);
    assert_int_equal(send_seqs(sink, 1, 3), STATUS_OK);
    FakeCounts counts = fake_receiver_counts(side->receiver);
    assert_int_equal(counts.opened, 1);
    assert_int_equal(counts.connected, 2);
    assert_int_equal(counts.sends, 2);
    assert_int_equal(counts.messages, 6);
    sink_close(sink);
    side->options.name = "elsewhere";
    assert_int_equal(fake_sink_open(side->sinks, &side->context, &sink, &error), STATUS_REFUSED);
}

/* The verdicts of a run with every kind of fault, as text. */
static size_t run_text(FakeSide *side, uint64_t from_seed, char *ret_text, size_t size)
{
    seed = from_seed;
    fake_receiver_set_faults(
        side->receiver,
        &(FakeFaults){.failed = 200, .refused = 100, .held = 100, .lost = 100, .twice = 100, .latency_us_max = 9000});
    Sink *sink = open_connected(side);
    size_t len = 0;
    assert_int_equal(send_seqs(sink, 1, ROOM), STATUS_OK);
    for (int i = 0; i < 200; i++) {
        SinkResult results[ROOM];
        size_t count = results_within(sink, 100000, results, ROOM);
        for (size_t k = 0; k < count; k++) {
            len += (size_t)snprintf(ret_text + len, size - len, "%d:%d ", (int)results[k].seq, results[k].verdict);
            assert_true(len < size);
        }
    }
    sink_close(sink);
    return len;
}

static void test_seeds_replay(void **state)
{
    char first[1024], again[1024], other[1024];
    run_text(*state, 7, first, sizeof first);
    run_text(*state, 7, again, sizeof again);
    run_text(*state, 8, other, sizeof other);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
}

#define FAKE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int run_own_tests(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_script_before_faults),
        FAKE_TEST(test_lost_answers),
        FAKE_TEST(test_closing_keeps_some),
        FAKE_TEST(test_unknown_sends),
        FAKE_TEST(test_stream_takes_once_and_loses),
        FAKE_TEST(test_scripted_calls),
        FAKE_TEST(test_seeds_replay),
    };
    style = FAKE_WEBHOOK;
    return cmocka_run_group_tests_name("sink-fake", tests, NULL, NULL);
}

int main(void)
{
    static const struct {
        const char *name;
        FakeStyle style;
    } styles[] = {{"sink-fake-webhook", FAKE_WEBHOOK},
                  {"sink-fake-transactions", FAKE_TRANSACTIONS},
                  {"sink-fake-stream", FAKE_STREAM},
                  {"sink-fake-list", FAKE_LIST}};
    int failed = 0;
    for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++) {
        style = styles[i].style;
        failed += sink_suite_run(&(SinkSide){.name = styles[i].name,
                                             .groups = style != FAKE_WEBHOOK,
                                             .remembers = style == FAKE_TRANSACTIONS || style == FAKE_STREAM,
                                             .clock = &fake_clock,
                                             .start = side_start,
                                             .stop = side_stop,
                                             .open = side_open,
                                             .count = side_count,
                                             .message = side_message,
                                             .answer = side_answer,
                                             .unreachable = side_unreachable,
                                             .stall = side_stall});
    }
    return failed + run_own_tests();
}
