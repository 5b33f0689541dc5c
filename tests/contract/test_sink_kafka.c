/* The contract of sink.h on Kafka, and what the Kafka sink does besides. The environment says on which: see
 * kafka_side.h. */
#include "kafka_side.h"
#include "sink_suite.h"

#include <setjmp.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>

enum { BROKER = 1, TEXT_BYTES = 4096, MESSAGES_MAX = 64 };

static void *side_start(void) { return kafka_side_start(""); }
static void side_stop(void *side) { kafka_side_stop(side); }
static Sink *side_open(void *side, int64_t replay_job) { return kafka_side_open(side, replay_job); }
static size_t side_count(void *side) { return kafka_side_count(side); }

static SideMessage side_message(void *self, size_t index)
{
    const KafkaCopy *copy = &((KafkaSide *)self)->copies[index];
    return (SideMessage){.id = str_from(copy->id),
                         .body = str_from(copy->body),
                         .traceparent = str_from(copy->traceparent),
                         .replayed = copy->replay[0] != '\0'};
}

/* No broker judges a message by what is in it; those that are too long are below. */
static bool side_answer(void *side, int64_t seq, SinkVerdict verdict)
{
    (void)side, (void)seq, (void)verdict;
    return false;
}

static bool side_unreachable(void *self, bool unreachable)
{
    KafkaSide *side = self;
    if (!side->mock) {
        return false; /* tests/e2e/kafka_sink_faults.test.mjs stops real ones */
    }
    if (unreachable) {
        rd_kafka_mock_broker_set_down(side->mock, BROKER);
    } else {
        rd_kafka_mock_broker_set_up(side->mock, BROKER);
    }
    return true;
}

static bool side_stall(void *side, bool stall)
{
    (void)side, (void)stall;
    return false;
}

/* ---- Messages of the own tests ----------------------------------------------------------------------------------- */

typedef struct Story {
    KafkaSide *side;
    Sink *sink;
    char bodies[MESSAGES_MAX][TEXT_BYTES];
    char ids[MESSAGES_MAX][MESSAGE_ID_BYTES_MAX];
    SinkVerdict verdicts[MESSAGES_MAX];
    bool settled[MESSAGES_MAX];
    int64_t place;
} Story;

static Message make_message(Story *story, int64_t seq, size_t body_len)
{
    assert_in_range(seq, 1, MESSAGES_MAX - 1);
    assert_in_range(body_len, 1, TEXT_BYTES - 1);
    memset(story->bodies[seq], 'x', body_len);
    size_t id_len = message_id_format(&story->side->info, seq, story->ids[seq]);
    return (Message){.seq = seq,
                     .kind = MESSAGE_NOTIFICATION,
                     .id = {story->ids[seq], id_len},
                     .key = STR("dest-1"),
                     .body = {story->bodies[seq], body_len},
                     .created_us = INT64_C(1735725600250000)};
}

static SinkPlace connect_from(Story *story, int64_t cursor)
{
    SinkPlace theirs = {-1, -1};
    Error error = {0};
    Status status = story->sink->ops->connect(story->sink, (SinkPlace){cursor, cursor}, &theirs, &error);
    if (status != STATUS_OK) {
        fail_msg("connect: %s", error.message);
    }
    return theirs;
}

static Status send_one(Story *story, Sink *sink, int64_t seq, Error *reterr)
{
    Message message = make_message(story, seq, 10);
    return sink->ops->send(sink, &message, 1, &(SinkPlace){seq, seq}, reterr);
}

static int start(void **state, const char *bytes_max, const char *properties)
{
    Story *story = test_calloc(1, sizeof *story);
    story->side = kafka_side_start(bytes_max);
    story->side->options.properties = properties;
    story->sink = kafka_side_open(story->side, 0);
    *state = story;
    return 0;
}

static int setup(void **state) { return start(state, "", ""); }
static int setup_small_topic(void **state) { return start(state, "2000", ""); }
static int setup_small_sink(void **state) { return start(state, "", "message.max.bytes=2000"); }

static int teardown(void **state)
{
    Story *story = *state;
    sink_close(story->sink);
    kafka_side_stop(story->side);
    test_free(story);
    return 0;
}

/* ---- What a message looks like ----------------------------------------------------------------------------------- */

static void test_cloud_event(void **state)
{
    Story *story = *state;
    char source[64];
    connect_from(story, 0);
    Message message = make_message(story, 7, 10);
    message.traceparent = STR("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000001-01");
    Error error = {0};
    assert_int_equal(story->sink->ops->send(story->sink, &message, 1, &(SinkPlace){7, 7}, &error), STATUS_OK);
    assert_int_equal(kafka_side_count(story->side), 1);
    const KafkaCopy *copy = &story->side->copies[0];
    int len = snprintf(source, sizeof source, "weir/");
    for (size_t i = 0; i < sizeof story->side->info.id; i++) {
        len += snprintf(source + len, sizeof source - (size_t)len, "%02x", story->side->info.id[i]);
    }
    assert_string_equal(copy->version, "1.0");
    assert_string_equal(copy->id, story->ids[7]);
    assert_string_equal(copy->source, source);
    assert_string_equal(copy->type, "weir.notification");
    assert_string_equal(copy->time, "2025-01-01T10:00:00.25Z");
    assert_string_equal(copy->content_type, "application/json");
    assert_string_equal(copy->traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000001-01");
    assert_string_equal(copy->replay, "");
    assert_string_equal(copy->key, "dest-1");
    assert_string_equal(copy->body, "xxxxxxxxxx");
}

/* ---- Messages that are too long ---------------------------------------------------------------------------------- */

static void take_results(Story *story)
{
    SinkResult results[5];
    size_t count;
    while ((count = story->sink->ops->results(story->sink, results, 5)) > 0) {
        for (size_t i = 0; i < count; i++) {
            int64_t seq = results[i].seq;
            assert_false(story->settled[seq]);
            story->verdicts[seq] = results[i].verdict;
            story->settled[seq] = results[i].verdict != SINK_HELD;
            if (results[i].verdict == SINK_REFUSED) {
                assert_int_equal(results[i].code, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
                assert_non_null(strstr(results[i].error.ptr, "size"));
            }
        }
    }
}

/* As a line does it: what is held comes again, in groups as long as the sink's room. */
static size_t send_all(Story *story, int64_t last, int64_t bad)
{
    size_t sends = 0;
    for (int64_t next = 1; next <= last; sends++) {
        Message messages[MESSAGES_MAX];
        Error error = {0};
        size_t count = 0, room = story->sink->ops->room(story->sink);
        for (int64_t seq = next; seq <= last && count < room; seq++) {
            if (!story->settled[seq]) {
                messages[count++] = make_message(story, seq, seq == bad ? 3000 : 100);
            }
        }
        if (count > 0) {
            SinkPlace place = {messages[count - 1].seq, messages[count - 1].seq};
            if (story->sink->ops->send(story->sink, messages, count, &place, &error) != STATUS_OK) {
                fail_msg("send: %s", error.message);
            }
            take_results(story);
        }
        while (next <= last && story->settled[next]) {
            next++;
        }
        assert_true(sends < 100);
    }
    return sends;
}

static void check_all_but(Story *story, int64_t last, int64_t bad)
{
    assert_int_equal(kafka_side_count(story->side), last - 1);
    size_t index = 0;
    for (int64_t seq = 1; seq <= last; seq++) {
        assert_int_equal(story->verdicts[seq], seq == bad ? SINK_REFUSED : SINK_TAKEN);
        if (seq != bad) {
            assert_string_equal(story->side->copies[index++].id, story->ids[seq]);
        }
    }
}

static void test_too_long_for_the_topic(void **state)
{
    Story *story = *state;
    if (!kafka_side_is_real()) {
        skip();
    }
    connect_from(story, 0);
    send_all(story, 40, 21);
    check_all_but(story, 40, 21);
    assert_int_equal(connect_from(story, 0).cursor, 40);
}

static void test_too_long_for_the_sink(void **state)
{
    Story *story = *state;
    connect_from(story, 0);
    assert_in_range(send_all(story, 40, 21), 1, 5);
    check_all_but(story, 40, 21);
}

/* ---- Messages that the sink does not want any more --------------------------------------------------------------- */

enum {
    FAR_MS = 400, /* what an answer of the brokers takes */
    LETTERS = 16, /* that are tried again together; one by one they would take longer than a topic may */
};

/* As it comes when somebody has a dead letter of before tried again. */
static Message make_unwanted(Story *story, int64_t seq, MessageKind kind)
{
    Message message = make_message(story, seq, 10);
    message.kind = kind;
    return message;
}

/* Sends them in one group, without a place, as retries go. */
static void send_group(Story *story, const Message *messages, size_t count, SinkResult *ret_results)
{
    Error error = {0};
    if (story->sink->ops->send(story->sink, messages, count, NULL, &error) != STATUS_OK) {
        fail_msg("send: %s", error.message);
    }
    assert_int_equal(story->sink->ops->results(story->sink, ret_results, count), count);
}

/* Several alerts, and one message that is wanted. */
static void send_letters(Story *story, SinkResult ret_results[LETTERS])
{
    Message messages[LETTERS];
    for (size_t i = 0; i < LETTERS; i++) {
        messages[i] = make_unwanted(story, 1 + (int64_t)i, MESSAGE_ALERT);
    }
    messages[LETTERS - 1].kind = MESSAGE_NOTIFICATION;
    send_group(story, messages, LETTERS, ret_results);
}

static void assert_refused(const SinkResult *result, rd_kafka_resp_err_t code)
{
    assert_int_equal(result->verdict, SINK_REFUSED);
    assert_int_equal(result->code, code);
    assert_string_equal(result->error.ptr, rd_kafka_err2str(code));
}

/* What the brokers say of the topic of a stream. */
static void set_topic_error(const Story *story, const char *stream, rd_kafka_resp_err_t code)
{
    char topic[128];
    snprintf(topic, sizeof topic, "%s%s", story->side->prefix, stream);
    rd_kafka_mock_topic_set_error(story->side->mock, topic, code);
}

/* The brokers are as far away as brokers are: nobody answers at once. */
static void test_an_unwanted_topic_that_cannot_be_had(void **state)
{
    static const rd_kafka_resp_err_t codes[] = {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                                                RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART};
    Story *story = *state;
    if (!story->side->mock) {
        skip();
    }
    SinkResult results[LETTERS];
    Error error = {0};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        set_topic_error(story, "alerts", codes[i]);
        connect_from(story, (int64_t)i);
        rd_kafka_mock_broker_set_rtt(story->side->mock, BROKER, FAR_MS);
        send_letters(story, results);
        assert_refused(&results[0], codes[i]);
        assert_refused(&results[LETTERS - 2], codes[i]);
        assert_int_equal(results[LETTERS - 1].verdict, SINK_HELD);
        assert_int_equal(send_one(story, story->sink, 1 + (int64_t)i, &error), STATUS_OK); /* the line goes on */
        assert_int_equal(story->sink->ops->results(story->sink, results, 2), 1);
        assert_int_equal(results[0].verdict, SINK_TAKEN);
    }
    int64_t begun_us = clock_monotonic_us(&clock_system);
    send_letters(story, results); /* that it is not there is known, and not waited for again */
    assert_refused(&results[0], codes[1]);
    assert_in_range(clock_monotonic_us(&clock_system) - begun_us, 0, 2500000);
    rd_kafka_mock_broker_set_rtt(story->side->mock, BROKER, 0);
    set_topic_error(story, "alerts", RD_KAFKA_RESP_ERR_NO_ERROR);
    connect_from(story, 2);
    send_letters(story, results);
    assert_int_equal(results[0].verdict, SINK_TAKEN);
    assert_int_equal(results[LETTERS - 1].verdict, SINK_TAKEN);
}

static void test_two_unwanted_topics_that_are_gone(void **state)
{
    static const rd_kafka_resp_err_t gone = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    Story *story = *state;
    if (!story->side->mock) {
        skip();
    }
    set_topic_error(story, "alerts", gone);
    set_topic_error(story, "dead_letters", gone);
    connect_from(story, 0);
    rd_kafka_mock_broker_set_rtt(story->side->mock, BROKER, FAR_MS);
    const Message messages[] = {make_unwanted(story, 1, MESSAGE_ALERT),
                                make_unwanted(story, 2, MESSAGE_DEAD_LETTER_CREATED)};
    SinkResult results[2];
    send_group(story, messages, 2, results);
    assert_refused(&results[0], gone);
    assert_refused(&results[1], gone);
}

/* Then it is not the message's fault. */
static void test_an_unwanted_topic_and_nobody_there(void **state)
{
    Story *story = *state;
    Error error = {0};
    SinkResult result;
    connect_from(story, 0);
    if (!side_unreachable(story->side, true)) {
        skip();
    }
    Message message = make_unwanted(story, 1, MESSAGE_ALERT);
    assert_int_equal(story->sink->ops->send(story->sink, &message, 1, NULL, &error), STATUS_BUSY);
    assert_int_equal(story->sink->ops->results(story->sink, &result, 1), 0);
    (void)side_unreachable(story->side, false);
}

/* ---- Others on the same sink ------------------------------------------------------------------------------------- */

static void test_two_on_one_sink(void **state)
{
    Story *story = *state;
    Error error = {0};
    SinkPlace theirs;
    if (!kafka_side_is_real()) {
        skip();
    }
    connect_from(story, 0);
    assert_int_equal(send_one(story, story->sink, 1, &error), STATUS_OK);
    Sink *other = kafka_side_open(story->side, 0);
    assert_int_equal(other->ops->connect(other, (SinkPlace){0}, &theirs, &error), STATUS_OK);
    assert_int_equal(theirs.cursor, 1);
    assert_int_equal(theirs.sent_seq, 1);
    Status status = send_one(story, story->sink, 2, &error);
    assert_true(status == STATUS_BUSY || status == STATUS_UNKNOWN);
    /* The first one comes back, and nobody has sent meanwhile: this happens also when a transaction lies for too
     * long. */
    assert_int_equal(connect_from(story, 1).cursor, 1);
    assert_int_equal(other->ops->connect(other, (SinkPlace){0}, &theirs, &error), STATUS_OK);
    assert_int_equal(send_one(story, other, 2, &error), STATUS_OK);
    assert_int_equal(story->sink->ops->connect(story->sink, (SinkPlace){1, 1}, &theirs, &error), STATUS_REFUSED);
    assert_non_null(strstr(error.message, "another Weir"));
    /* The refused one had been connected when it found that out; from here on it looks alone, and takes nothing
     * away. */
    if (send_one(story, other, 3, &error) != STATUS_OK) {
        assert_int_equal(other->ops->connect(other, (SinkPlace){2, 2}, &theirs, &error), STATUS_OK);
        assert_int_equal(send_one(story, other, 3, &error), STATUS_OK);
    }
    for (int64_t seq = 4; seq <= 6; seq++) {
        assert_int_equal(story->sink->ops->connect(story->sink, (SinkPlace){1, 1}, &theirs, &error), STATUS_REFUSED);
        assert_int_equal(story->sink->ops->room(story->sink), 0);
        assert_int_equal(send_one(story, other, seq, &error), STATUS_OK);
    }
    assert_non_null(strstr(error.message, "restart"));
    sink_close(other);
    assert_int_equal(kafka_side_count(story->side), 6);
}

/* Whoever was shut out while it sent looks before it connects. */
static void test_fenced_by_another(void **state)
{
    Story *story = *state;
    Error error = {0};
    SinkPlace theirs;
    if (!kafka_side_is_real()) {
        skip();
    }
    connect_from(story, 0);
    assert_int_equal(send_one(story, story->sink, 1, &error), STATUS_OK);
    Sink *other = kafka_side_open(story->side, 0);
    assert_int_equal(other->ops->connect(other, (SinkPlace){0}, &theirs, &error), STATUS_OK);
    assert_int_equal(send_one(story, other, 2, &error), STATUS_OK);
    Status status = send_one(story, story->sink, 2, &error);
    assert_true(status == STATUS_BUSY || status == STATUS_UNKNOWN);
    assert_non_null(strstr(error.message, "another Weir"));
    for (int64_t seq = 3; seq <= 5; seq++) {
        assert_int_equal(story->sink->ops->connect(story->sink, (SinkPlace){1, 1}, &theirs, &error), STATUS_REFUSED);
        assert_non_null(strstr(error.message, "another Weir"));
        assert_int_equal(send_one(story, other, seq, &error), STATUS_OK); /* never shut out */
    }
    /* A restart of the first is a person's word. */
    sink_close(story->sink);
    story->sink = kafka_side_open(story->side, 0);
    assert_int_equal(connect_from(story, 1).cursor, 5);
    sink_close(other);
    assert_int_equal(kafka_side_count(story->side), 5);
}

static void test_places_of_another_epoch(void **state)
{
    Story *story = *state;
    Error error = {0};
    if (!kafka_side_is_real()) {
        skip();
    }
    connect_from(story, 0);
    assert_int_equal(send_one(story, story->sink, 50, &error), STATUS_OK);
    sink_close(story->sink);
    story->side->info.epoch = 2;
    story->sink = kafka_side_open(story->side, 0);
    assert_int_equal(connect_from(story, 20).cursor, 20);
    assert_int_equal(send_one(story, story->sink, 21, &error), STATUS_OK);
    assert_int_equal(connect_from(story, 20).cursor, 21);
}

/* A sink that wants other kinds keeps its place on another topic, and finds the one that it had. */
static void test_place_on_another_topic(void **state)
{
    Story *story = *state;
    Error error = {0};
    if (!kafka_side_is_real()) {
        skip();
    }
    connect_from(story, 0);
    assert_int_equal(send_one(story, story->sink, 5, &error), STATUS_OK);
    sink_close(story->sink);
    story->side->options.subscription.kinds = 1U << MESSAGE_ALERT;
    story->sink = kafka_side_open(story->side, 0);
    assert_int_equal(connect_from(story, 0).cursor, 5);
    Message message = make_message(story, 9, 10);
    message.kind = MESSAGE_ALERT;
    assert_int_equal(story->sink->ops->send(story->sink, &message, 1, &(SinkPlace){9, 9}, &error), STATUS_OK);
    assert_int_equal(connect_from(story, 0).cursor, 9);
}

/* ---- Failures ---------------------------------------------------------------------------------------------------- */

static void test_nobody_there(void **state)
{
    Story *story = *state;
    Error error = {0};
    SinkPlace theirs;
    SinkOptions options = story->side->options;
    SinkContext context = story->side->context;
    Sink *sink;
    options.brokers = "127.0.0.1:1";
    context.options = &options;
    assert_int_equal(sink_open(&context, &sink, &error), STATUS_OK);
    int64_t begun_us = clock_monotonic_us(&clock_system);
    assert_int_equal(sink->ops->connect(sink, (SinkPlace){0}, &theirs, &error), STATUS_BUSY);
    assert_true(clock_monotonic_us(&clock_system) - begun_us < INT64_C(8000000));
    assert_non_null(strstr(error.message, "refused"));
    assert_int_equal(sink->ops->room(sink), 0);
    sink_close(sink);
}

/* What the mock is told to answer the next requests of a kind with. */
static void fail_requests(Story *story, int16_t key, rd_kafka_resp_err_t code)
{
    rd_kafka_mock_push_request_errors(story->side->mock, key, 1, code);
}

enum { REQUEST_PRODUCE = 0, REQUEST_END_TXN = 26, REQUEST_TXN_OFFSET_COMMIT = 28 };

static void test_errors_of_requests(void **state)
{
    static const struct {
        int16_t key;
        rd_kafka_resp_err_t code;
        Status status;
    } cases[] = {
        {REQUEST_PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, STATUS_BUSY},
        {REQUEST_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, STATUS_BUSY},
        {REQUEST_END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, STATUS_UNKNOWN},
        {REQUEST_END_TXN, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, STATUS_UNKNOWN},
        {REQUEST_END_TXN, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, STATUS_OK},
    };
    Story *story = *state;
    if (kafka_side_is_real()) {
        skip();
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error error = {0};
        SinkResult result;
        connect_from(story, 0);
        fail_requests(story, cases[i].key, cases[i].code);
        Status status = send_one(story, story->sink, (int64_t)i + 1, &error);
        if (status != cases[i].status) {
            fail_msg("case %zu: %s: %s", i, status_name(status), error.message);
        }
        assert_int_equal(story->sink->ops->results(story->sink, &result, 1), status == STATUS_OK);
        assert_int_equal(story->sink->ops->room(story->sink) == 0, status != STATUS_OK);
        assert_int_equal(error.message[0] == '\0', status == STATUS_OK);
    }
}

static void test_a_send_before_the_verdicts(void **state)
{
    Story *story = *state;
    SinkResult results[2];
    Error error = {0};
    connect_from(story, 0);
    size_t room = story->sink->ops->room(story->sink);
    assert_int_equal(send_one(story, story->sink, 1, &error), STATUS_OK);
    assert_int_equal(story->sink->ops->room(story->sink), room - 1);
    assert_int_equal(send_one(story, story->sink, 2, &error), STATUS_OK);
    assert_int_equal(story->sink->ops->results(story->sink, results, 2), 2);
    assert_int_equal(results[0].seq, 1);
    assert_int_equal(results[1].seq, 2);
    assert_int_equal(results[1].verdict, SINK_TAKEN);
    assert_int_equal(story->sink->ops->room(story->sink), room);
}

#define OWN_TEST(name, start) cmocka_unit_test_setup_teardown(name, start, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        OWN_TEST(test_cloud_event, setup),
        OWN_TEST(test_too_long_for_the_topic, setup_small_topic),
        OWN_TEST(test_too_long_for_the_sink, setup_small_sink),
        OWN_TEST(test_an_unwanted_topic_that_cannot_be_had, setup),
        OWN_TEST(test_two_unwanted_topics_that_are_gone, setup),
        OWN_TEST(test_an_unwanted_topic_and_nobody_there, setup),
        OWN_TEST(test_two_on_one_sink, setup),
        OWN_TEST(test_fenced_by_another, setup),
        OWN_TEST(test_places_of_another_epoch, setup),
        OWN_TEST(test_place_on_another_topic, setup),
        OWN_TEST(test_nobody_there, setup),
        OWN_TEST(test_errors_of_requests, setup),
        OWN_TEST(test_a_send_before_the_verdicts, setup),
    };
    bool real = kafka_side_is_real();
    printf("# on %s\n", real ? "a real Kafka" : "librdkafka's mock cluster, which proves nothing about exactly once");
    int failed = sink_suite_run(&(SinkSide){.name = real ? "sink-kafka-real" : "sink-kafka-mock",
                                            .groups = true,
                                            .remembers = real,
                                            .clock = &clock_system,
                                            .start = side_start,
                                            .stop = side_stop,
                                            .open = side_open,
                                            .count = side_count,
                                            .message = side_message,
                                            .answer = side_answer,
                                            .unreachable = side_unreachable,
                                            .stall = side_stall});
    return failed + cmocka_run_group_tests_name(real ? "kafka-real" : "kafka-mock", tests, NULL, NULL);
}
