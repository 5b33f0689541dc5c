#include "sink_suite.h"

#include <pthread.h>
#include <setjmp.h>

#include <cmocka.h>

#define SECOND_US   INT64_C(1000000)
#define PATIENCE_US (20 * SECOND_US) /* for what has to come */

enum { SEQ_MAX = 1000, TEXT_BYTES_MAX = 256 };

static const SinkSide *suite;

/* A test's other side, a sink of it, and the verdicts that have come. */
typedef struct SinkFixture {
    void *side;
    Sink *sink;
    size_t seen[SEQ_MAX]; /* verdicts by seq */
    SinkVerdict verdicts[SEQ_MAX];
    size_t verdict_count;
    char errors[SEQ_MAX][64];
} SinkFixture;

static int setup(void **state)
{
    SinkFixture *fixture = test_calloc(1, sizeof *fixture);
    fixture->side = suite->start();
    fixture->sink = suite->open(fixture->side, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    SinkFixture *fixture = *state;
    sink_close(fixture->sink);
    suite->stop(fixture->side);
    test_free(fixture);
    return 0;
}

/* ---- Sending ----------------------------------------------------------------------------------------------------- */

static SinkPlace place_at(int64_t seq) { return (SinkPlace){.cursor = seq, .sent_seq = seq}; }

static SinkPlace connect_from(SinkFixture *fixture, SinkPlace ours)
{
    SinkPlace theirs = {-1, -1};
    Error error = {0};
    int64_t until_us = clock_monotonic_us(suite->clock) + PATIENCE_US;
    Status status;
    while ((status = fixture->sink->ops->connect(fixture->sink, ours, &theirs, &error)) == STATUS_BUSY &&
           clock_monotonic_us(suite->clock) < until_us) {
        fixture->sink->ops->wait(fixture->sink, SECOND_US / 10);
    }
    if (status != STATUS_OK) {
        fail_msg("connect: %s", error.message);
    }
    return theirs;
}

/* Texts that are gone when the send returns: sinks copy what they need. */
typedef struct Texts {
    char id[MESSAGE_ID_BYTES_MAX], body[TEXT_BYTES_MAX], key[TEXT_BYTES_MAX], trace[64];
} Texts;

static size_t body_format(int64_t seq, char *ret_body)
{
    return (size_t)snprintf(ret_body, TEXT_BYTES_MAX, "{\"record\":{\"id\":%d,\"note\":\"å \\\"quoted\\\"\"}}",
                            (int)seq);
}

static Message message_make(int64_t seq, Texts *texts)
{
    size_t id_len = (size_t)snprintf(texts->id, sizeof texts->id, "0123456789abcdef-1-%d", (int)seq);
    size_t body_len = body_format(seq, texts->body);
    size_t key_len = (size_t)snprintf(texts->key, sizeof texts->key, "dest-%d", (int)seq % 5);
    size_t trace_len = (size_t)snprintf(texts->trace, sizeof texts->trace,
                                        "00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01", (unsigned)seq);
    return (Message){.seq = seq,
                     .kind = MESSAGE_NOTIFICATION,
                     .id = {texts->id, id_len},
                     .key = {texts->key, key_len},
                     .body = {texts->body, body_len},
                     .traceparent = {texts->trace, trace_len},
                     .created_us = INT64_C(1735725600000000) + seq,
                     .flow_hash = (uint64_t)seq % 5 + 1};
}

/* Sends first … first + count - 1. */
static Status try_send(SinkFixture *fixture, int64_t first, size_t count, bool placed, Error *reterr)
{
    Message *messages = test_calloc(count, sizeof *messages);
    Texts *texts = test_calloc(count, sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        messages[i] = message_make(first + (int64_t)i, &texts[i]);
    }
    SinkPlace place = place_at(first + (int64_t)count - 1);
    Status status = fixture->sink->ops->send(fixture->sink, messages, count, placed ? &place : NULL, reterr);
    memset(texts, '?', count * sizeof *texts);
    test_free(texts);
    test_free(messages);
    return status;
}

static void send_some(SinkFixture *fixture, int64_t first, size_t count, bool placed)
{
    Error error = {0};
    if (try_send(fixture, first, count, placed, &error) != STATUS_OK) {
        fail_msg("send: %s", error.message);
    }
}

static void take_results(SinkFixture *fixture)
{
    SinkResult results[7];
    size_t count = fixture->sink->ops->results(fixture->sink, results, sizeof results / sizeof results[0]);
    for (size_t i = 0; i < count; i++) {
        const SinkResult *result = &results[i];
        assert_in_range(result->seq, 1, SEQ_MAX - 1);
        assert_true(result->latency_us >= 0 && result->retry_after_us >= 0);
        assert_true(result->response.len <= SINK_RESPONSE_BYTES_MAX);
        assert_int_equal(result->error.len == 0, result->verdict == SINK_TAKEN);
        fixture->seen[result->seq]++;
        fixture->verdicts[result->seq] = result->verdict;
        snprintf(fixture->errors[result->seq], sizeof fixture->errors[0], "%.*s", STR_ARGS(result->error));
        fixture->verdict_count++;
    }
}

static void await_verdicts(SinkFixture *fixture, size_t count)
{
    int64_t until_us = clock_monotonic_us(suite->clock) + PATIENCE_US;
    take_results(fixture);
    while (fixture->verdict_count < count) {
        if (clock_monotonic_us(suite->clock) > until_us) {
            fail_msg("%zu of %zu verdicts came", fixture->verdict_count, count);
        }
        fixture->sink->ops->wait(fixture->sink, SECOND_US);
        take_results(fixture);
    }
}

/* In as many sends as the sink's room asks for. */
static void send_all(SinkFixture *fixture, int64_t first, int64_t last)
{
    size_t before = fixture->verdict_count;
    for (int64_t next = first; next <= last;) {
        size_t room = fixture->sink->ops->room(fixture->sink), left = (size_t)(last - next + 1);
        if (room == 0) {
            await_verdicts(fixture, fixture->verdict_count + 1);
            continue;
        }
        send_some(fixture, next, room < left ? room : left, true);
        next += (int64_t)(room < left ? room : left);
    }
    await_verdicts(fixture, before + (size_t)(last - first + 1));
}

static void assert_verdict(const SinkFixture *fixture, int64_t seq, SinkVerdict verdict, size_t seen)
{
    if (fixture->verdicts[seq] != verdict || fixture->seen[seq] != seen) {
        fail_msg("message %d: verdict %d (%s) %zu times instead of %d %zu times", (int)seq, fixture->verdicts[seq],
                 fixture->errors[seq], fixture->seen[seq], verdict, seen);
    }
}

static void assert_taken_once(const SinkFixture *fixture, int64_t first, int64_t last)
{
    for (int64_t seq = first; seq <= last; seq++) {
        assert_verdict(fixture, seq, SINK_TAKEN, 1);
    }
}

/* ---- The other side ---------------------------------------------------------------------------------------------- */

static int64_t seq_of(Str id)
{
    int64_t seq = 0;
    for (size_t i = id.len; i > 0 && id.ptr[i - 1] != '-'; i--) {
        int64_t power = 1;
        for (size_t k = i; k < id.len; k++) {
            power *= 10;
        }
        seq += (id.ptr[i - 1] - '0') * power;
    }
    return seq;
}

static size_t times_come(SinkFixture *fixture, int64_t seq)
{
    size_t times = 0;
    for (size_t i = 0; i < suite->count(fixture->side); i++) {
        times += seq_of(suite->message(fixture->side, i).id) == seq;
    }
    return times;
}

static void assert_come_once(SinkFixture *fixture, int64_t first, int64_t last)
{
    size_t times[SEQ_MAX] = {0};
    for (size_t i = 0; i < suite->count(fixture->side); i++) {
        int64_t seq = seq_of(suite->message(fixture->side, i).id);
        assert_in_range(seq, 1, SEQ_MAX - 1);
        times[seq]++;
    }
    for (int64_t seq = first; seq <= last; seq++) {
        if (times[seq] != 1) {
            fail_msg("message %d came %zu times", (int)seq, times[seq]);
        }
    }
}

/* ---- The tests --------------------------------------------------------------------------------------------------- */

static void test_connect_keeps_our_place(void **state)
{
    SinkFixture *fixture = *state;
    SinkPlace theirs = connect_from(fixture, (SinkPlace){.cursor = 17, .sent_seq = 12});
    assert_int_equal(theirs.cursor, 17);
    assert_int_equal(theirs.sent_seq, 12);
    assert_true(fixture->sink->ops->room(fixture->sink) > 0);
    SinkResult result;
    assert_int_equal(fixture->sink->ops->results(fixture->sink, &result, 1), 0);
}

static void test_one_message(void **state)
{
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    send_some(fixture, 1, 1, true);
    await_verdicts(fixture, 1);
    assert_taken_once(fixture, 1, 1);
    assert_int_equal(suite->count(fixture->side), 1);
    SideMessage message = suite->message(fixture->side, 0);
    char body[TEXT_BYTES_MAX];
    size_t len = body_format(1, body);
    assert_true(str_equal(message.body, (Str){body, len}));
    assert_true(str_is(message.id, "0123456789abcdef-1-1"));
    assert_true(str_is(message.traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000001-01"));
    assert_false(message.replayed);
    SinkResult result;
    assert_int_equal(fixture->sink->ops->results(fixture->sink, &result, 1), 0);
}

static void test_many_messages(void **state)
{
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    send_all(fixture, 1, SEQ_MAX - 1);
    assert_taken_once(fixture, 1, SEQ_MAX - 1);
    assert_come_once(fixture, 1, SEQ_MAX - 1);
    char body[TEXT_BYTES_MAX];
    for (size_t i = 0; i < SEQ_MAX - 1; i++) {
        SideMessage message = suite->message(fixture->side, i);
        int64_t seq = seq_of(message.id);
        size_t len = body_format(seq, body);
        assert_true(str_equal(message.body, (Str){body, len}));
        if (suite->groups) {
            assert_int_equal(seq, i + 1);
        }
    }
}

static void test_room_is_a_bound(void **state)
{
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    size_t room = fixture->sink->ops->room(fixture->sink);
    assert_in_range(room, 2, SEQ_MAX - 1);
    bool stalled = suite->stall(fixture->side, true);
    if (!suite->groups) {
        send_some(fixture, 1, 1, true);
        assert_int_equal(fixture->sink->ops->room(fixture->sink), room - 1);
        send_some(fixture, 2, room - 1, true);
    } else {
        send_some(fixture, 1, room, true);
    }
    if (stalled) {
        assert_int_equal(fixture->sink->ops->room(fixture->sink), 0);
        suite->stall(fixture->side, false);
    }
    await_verdicts(fixture, room);
    assert_int_equal(fixture->sink->ops->room(fixture->sink), room);
}

static void test_verdicts(void **state)
{
    static const SinkVerdict verdicts[] = {SINK_FAILED, SINK_REFUSED, SINK_GONE};
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    send_all(fixture, 1, 1);
    for (int64_t i = 0; i < 3; i++) {
        int64_t seq = 2 + i;
        if (!suite->answer(fixture->side, seq, verdicts[i])) {
            continue;
        }
        send_some(fixture, seq, 1, true);
        await_verdicts(fixture, fixture->verdict_count + 1);
        assert_verdict(fixture, seq, verdicts[i], 1);
        assert_int_equal(times_come(fixture, seq), 0);
        /* It is a verdict on that attempt alone. */
        connect_from(fixture, place_at(1));
        send_some(fixture, seq, 1, false);
        await_verdicts(fixture, fixture->verdict_count + 1);
        assert_verdict(fixture, seq, SINK_TAKEN, 2);
        assert_int_equal(times_come(fixture, seq), 1);
    }
}

/* One that cannot be taken does not take the others with it. */
static void test_one_bad_among_good(void **state)
{
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    SinkVerdict verdict = suite->answer(fixture->side, 2, SINK_REFUSED) ? SINK_REFUSED : SINK_FAILED;
    if (verdict == SINK_FAILED && !suite->answer(fixture->side, 2, SINK_FAILED)) {
        skip();
    }
    assert_true(fixture->sink->ops->room(fixture->sink) >= 3);
    send_some(fixture, 1, 3, true);
    await_verdicts(fixture, 3);
    assert_verdict(fixture, 2, verdict, 1);
    for (int64_t seq = 1; seq <= 3; seq += 2) {
        if (!suite->groups) {
            assert_verdict(fixture, seq, SINK_TAKEN, 1);
        }
        /* In a group the others may be held; what is not taken has not come. */
        assert_int_equal(times_come(fixture, seq), fixture->verdicts[seq] == SINK_TAKEN);
        assert_true(fixture->verdicts[seq] == SINK_TAKEN || fixture->verdicts[seq] == SINK_HELD);
    }
    assert_int_equal(times_come(fixture, 2), 0);
}

static void test_wake_before_waiting(void **state)
{
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    int64_t begun_us = clock_monotonic_us(suite->clock);
    fixture->sink->ops->wake(fixture->sink);
    fixture->sink->ops->wake(fixture->sink);
    fixture->sink->ops->wait(fixture->sink, PATIENCE_US);
    assert_true(clock_monotonic_us(suite->clock) - begun_us < PATIENCE_US / 2);
}

static void *wake_thread(void *sink)
{
    ((Sink *)sink)->ops->wake(sink);
    return NULL;
}

static void test_wake_from_another_thread(void **state)
{
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    int64_t begun_us = clock_monotonic_us(suite->clock);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_thread, fixture->sink), 0);
    fixture->sink->ops->wait(fixture->sink, 2 * PATIENCE_US);
    assert_true(clock_monotonic_us(suite->clock) - begun_us < PATIENCE_US);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_wait_ends(void **state)
{
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    fixture->sink->ops->wait(fixture->sink, 0);
    int64_t begun_us = clock_monotonic_us(suite->clock);
    fixture->sink->ops->wait(fixture->sink, SECOND_US / 50);
    assert_true(clock_monotonic_us(suite->clock) - begun_us < PATIENCE_US);
}

static void test_close_with_messages_under_way(void **state)
{
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    bool stalled = suite->stall(fixture->side, true);
    size_t room = fixture->sink->ops->room(fixture->sink);
    send_some(fixture, 1, room, true);
    sink_close(fixture->sink);
    fixture->sink = suite->open(fixture->side, 0);
    if (stalled) {
        suite->stall(fixture->side, false);
    }
    SinkPlace theirs = connect_from(fixture, place_at(0));
    assert_true(theirs.cursor == 0 || (suite->remembers && theirs.cursor == (int64_t)room));
    send_all(fixture, (int64_t)room + 1, (int64_t)room + 3);
    assert_taken_once(fixture, (int64_t)room + 1, (int64_t)room + 3);
    assert_come_once(fixture, (int64_t)room + 1, (int64_t)room + 3);
}

static void test_connecting_anew_drops_what_is_under_way(void **state)
{
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    if (!suite->stall(fixture->side, true)) {
        skip();
    }
    send_some(fixture, 1, 1, true);
    connect_from(fixture, place_at(0));
    suite->stall(fixture->side, false);
    send_all(fixture, 2, 2);
    assert_int_equal(fixture->seen[1], 0);
    assert_taken_once(fixture, 2, 2);
}

static void reopen(SinkFixture *fixture, int64_t replay_job)
{
    sink_close(fixture->sink);
    fixture->sink = suite->open(fixture->side, replay_job);
}

static void test_place_is_remembered(void **state)
{
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    send_all(fixture, 1, 10);
    reopen(fixture, 0);
    SinkPlace theirs = connect_from(fixture, place_at(4)); /* we were killed before we had noted that */
    assert_int_equal(theirs.cursor, suite->remembers ? 10 : 4);
    /* A message from elsewhere does not move it. */
    connect_from(fixture, place_at(10));
    send_some(fixture, 3, 1, false);
    await_verdicts(fixture, 11);
    reopen(fixture, 0);
    theirs = connect_from(fixture, place_at(10));
    assert_int_equal(theirs.cursor, 10);
    /* Ours is further on when what followed was not wanted. */
    theirs = connect_from(fixture, (SinkPlace){.cursor = 15, .sent_seq = 10});
    assert_int_equal(theirs.cursor, 15);
}

static void test_replay_leaves_the_place(void **state)
{
    SinkFixture *fixture = *state;
    connect_from(fixture, place_at(0));
    send_all(fixture, 1, 6);
    reopen(fixture, 42);
    SinkPlace theirs = connect_from(fixture, place_at(2));
    assert_int_equal(theirs.cursor, 2);
    size_t before = suite->count(fixture->side);
    send_all(fixture, 3, 5);
    for (int64_t seq = 3; seq <= 5; seq++) {
        assert_verdict(fixture, seq, SINK_TAKEN, 2);
    }
    assert_int_equal(suite->count(fixture->side), before + 3);
    size_t replayed = 0;
    for (size_t i = 0; i < before + 3; i++) {
        replayed += suite->message(fixture->side, i).replayed;
    }
    assert_int_equal(replayed, 3);
    reopen(fixture, 0);
    theirs = connect_from(fixture, place_at(6));
    assert_int_equal(theirs.cursor, 6);
}

/* Nothing is told to be taken, and nothing is lost once it can be reached again. */
static void test_unreachable(void **state)
{
    SinkFixture *fixture = *state;
    SinkPlace theirs;
    Error error = {0};
    connect_from(fixture, place_at(0));
    send_all(fixture, 1, 1);
    if (!suite->unreachable(fixture->side, true)) {
        skip();
    }
    reopen(fixture, 0);
    Status status = fixture->sink->ops->connect(fixture->sink, place_at(1), &theirs, &error);
    if (status == STATUS_OK) {
        status = try_send(fixture, 2, 1, true, &error);
    }
    if (status == STATUS_OK) {
        await_verdicts(fixture, 2);
        assert_verdict(fixture, 2, SINK_FAILED, 1);
    } else {
        assert_true(status == STATUS_BUSY || status == STATUS_UNKNOWN);
        assert_true(error.message[0] != '\0');
    }
    suite->unreachable(fixture->side, false);
    theirs = connect_from(fixture, place_at(1));
    assert_int_equal(theirs.cursor, 1);
    send_all(fixture, 2, 4);
    assert_come_once(fixture, 1, 4);
}

#define SINK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int sink_suite_run(const SinkSide *side)
{
    const struct CMUnitTest tests[] = {
        SINK_TEST(test_connect_keeps_our_place),
        SINK_TEST(test_one_message),
        SINK_TEST(test_many_messages),
        SINK_TEST(test_room_is_a_bound),
        SINK_TEST(test_verdicts),
        SINK_TEST(test_one_bad_among_good),
        SINK_TEST(test_wake_before_waiting),
        SINK_TEST(test_wake_from_another_thread),
        SINK_TEST(test_wait_ends),
        SINK_TEST(test_close_with_messages_under_way),
        SINK_TEST(test_connecting_anew_drops_what_is_under_way),
        SINK_TEST(test_place_is_remembered),
        SINK_TEST(test_replay_leaves_the_place),
        SINK_TEST(test_unreachable),
    };
    suite = side;
    return cmocka_run_group_tests_name(side->name, tests, NULL, NULL);
}
