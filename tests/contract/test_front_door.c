/* Kafka as the front door: what is handed in is in the topic when it is said to be, and what is not is said not to be.
 * The environment says on which Kafka: see kafka_topic.h. */
#include "kafka_topic.h"

#include <pthread.h>
#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>

#include "intake/front_door.h"
#include "record/record_json.h"
#include "support/kafka_reader.h"

enum {
    BROKER = 1,
    PRODUCE_API = 0, /* of Kafka's protocol */
    CALLS_MAX = 2048,
    TEXT_BYTES = 512,
    WAIT_SECONDS = 20,
    READ_SECONDS = 20,
    TIMEOUT_US = 10000000,
    BYTES_MAX = 1 << 20,
};
#define TRACE STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

/* ---- A front door on a topic ------------------------------------------------------------------------------------- */

typedef struct Told {
    FrontDoorCall call;
    Record record;
    char id[32];
    int times;
    Status status;
    char message[ERROR_MESSAGE_BYTES_MAX];
} Told;

typedef struct Fixture {
    KafkaTopic *topic;
    FrontDoorOptions options;
    FrontDoor *door;
    KafkaReader *reader;
    pthread_mutex_t lock;
    pthread_cond_t told;
    Told *calls;
    size_t call_count;
} Fixture;

static void open_door(Fixture *fixture)
{
    Error error = {0};
    if (front_door_kafka_open(&fixture->options, &fixture->door, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

static void start_door(Fixture *fixture)
{
    Error error = {0};
    open_door(fixture);
    assert_int_equal(front_door_start(fixture->door, &error), STATUS_OK);
}

static int setup(void **state)
{
    Fixture *fixture = test_calloc(1, sizeof *fixture);
    fixture->topic = kafka_topic_start();
    fixture->topic->options.properties = "linger.ms=0";
    fixture->options = (FrontDoorOptions){.source = &fixture->topic->options,
                                          .clock = &clock_system,
                                          .timeout_us = TIMEOUT_US,
                                          .bytes_max = BYTES_MAX,
                                          .scale = 2};
    fixture->reader = kafka_reader_open(fixture->topic->brokers, fixture->topic->name);
    fixture->calls = test_calloc(CALLS_MAX, sizeof *fixture->calls);
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_cond_init(&fixture->told, NULL);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    front_door_stop(fixture->door);
    front_door_close(fixture->door);
    kafka_reader_close(fixture->reader);
    kafka_topic_stop(fixture->topic);
    pthread_mutex_destroy(&fixture->lock);
    pthread_cond_destroy(&fixture->told);
    test_free(fixture->calls);
    test_free(fixture);
    return 0;
}

/* ---- Calls ------------------------------------------------------------------------------------------------------- */

static Record make_record(const char *id, const char *destination)
{
    return (Record){.record_id = str_from(id),
                    .source_id = STR("s"),
                    .destination_id = str_from(destination),
                    .unit = STR("EUR"),
                    .reference = STR("r"),
                    .time_us = INT64_C(1735725600500000),
                    .value = 150};
}

static void done(FrontDoorCall *call, Status status, const Error *error)
{
    Fixture *fixture = call->owner;
    Told *told = (Told *)call;
    pthread_mutex_lock(&fixture->lock);
    told->times++;
    told->status = status;
    snprintf(told->message, sizeof told->message, "%s", status == STATUS_OK ? "" : error->message);
    pthread_cond_broadcast(&fixture->told);
    pthread_mutex_unlock(&fixture->lock);
}

static FrontDoorAnswer hand_in_records(Fixture *fixture, const Record *records, size_t count, Told **ret_told)
{
    Error error = {0};
    pthread_mutex_lock(&fixture->lock);
    assert_true(fixture->call_count < CALLS_MAX);
    Told *told = &fixture->calls[fixture->call_count++];
    pthread_mutex_unlock(&fixture->lock);
    told->call = (FrontDoorCall){.records = records, .count = count, .done = done, .owner = fixture};
    *ret_told = told;
    FrontDoorAnswer answer = front_door_hand_in(fixture->door, &told->call, &error);
    assert_int_equal(answer == FRONT_DOOR_TAKEN, error.message[0] == '\0');
    return answer;
}

static FrontDoorAnswer try_one(Fixture *fixture, const char *destination, Told **ret_told)
{
    pthread_mutex_lock(&fixture->lock);
    Told *told = &fixture->calls[fixture->call_count];
    snprintf(told->id, sizeof told->id, "r-%zu", fixture->call_count);
    pthread_mutex_unlock(&fixture->lock);
    told->record = make_record(told->id, destination);
    return hand_in_records(fixture, &told->record, 1, ret_told);
}

static Told *hand_in_one(Fixture *fixture, const char *destination)
{
    Told *told;
    assert_int_equal(try_one(fixture, destination, &told), FRONT_DOOR_TAKEN);
    return told;
}

static Status wait_for(Fixture *fixture, Told *told)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += WAIT_SECONDS;
    pthread_mutex_lock(&fixture->lock);
    int code = 0;
    while (told->times == 0 && code == 0) {
        code = pthread_cond_timedwait(&fixture->told, &fixture->lock, &limit);
    }
    Status status = told->status;
    int times = told->times;
    pthread_mutex_unlock(&fixture->lock);
    assert_int_equal(times, 1);
    return status;
}

static FrontDoorStatus look(Fixture *fixture)
{
    FrontDoorStatus status;
    front_door_look(fixture->door, &status);
    return status;
}

static void wait_for_state(Fixture *fixture, FrontDoorState state)
{
    for (int i = 0; look(fixture).state != state; i++) {
        assert_true(i < 20 * WAIT_SECONDS);
        usleep(50000);
    }
}

/* ---- What the topic has ------------------------------------------------------------------------------------------ */

typedef struct Copy {
    char key[32], value[TEXT_BYTES], trace[64], type[64];
    int32_t partition;
} Copy;

typedef struct Copies {
    Copy *items;
    size_t count;
} Copies;

static void put_text(char *at, size_t size, Str text) { snprintf(at, size, "%.*s", STR_ARGS(text)); }

static void keep(void *self, const rd_kafka_message_t *message)
{
    Copies *copies = self;
    assert_true(copies->count < CALLS_MAX);
    Copy *copy = &copies->items[copies->count++];
    put_text(copy->key, sizeof copy->key, (Str){message->key, message->key_len});
    put_text(copy->value, sizeof copy->value, (Str){message->payload, message->len});
    put_text(copy->trace, sizeof copy->trace, kafka_header(message, "traceparent"));
    put_text(copy->type, sizeof copy->type, kafka_header(message, "content-type"));
    copy->partition = message->partition;
}

static Copies read_all(Fixture *fixture)
{
    Copies copies = {test_calloc(CALLS_MAX, sizeof *copies.items), 0};
    assert_true(kafka_reader_read(fixture->reader, READ_SECONDS, keep, &copies));
    return copies;
}

/* ---- Going well -------------------------------------------------------------------------------------------------- */

static void test_produces(void **state)
{
    Fixture *fixture = *state;
    Record records[] = {make_record("a", "d1"), make_record("b", "d2"), make_record("c", "d1")};
    Told *told;
    records[1].traceparent = TRACE;
    start_door(fixture);
    assert_int_equal(hand_in_records(fixture, records, 3, &told), FRONT_DOOR_TAKEN);
    assert_int_equal(wait_for(fixture, told), STATUS_OK);
    Copies copies = read_all(fixture);
    assert_int_equal(copies.count, 3);
    const Copy *of_d1[3];
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        const Copy *copy = &copies.items[i];
        bool is_d1 = strcmp(copy->key, "d1") == 0;
        assert_string_equal(copy->type, "application/json");
        assert_string_equal(copy->trace, is_d1 ? "" : TRACE.ptr);
        if (is_d1) {
            of_d1[count++] = copy;
        }
    }
    assert_int_equal(count, 2);
    assert_int_equal(of_d1[0]->partition, of_d1[1]->partition);
    assert_string_equal(of_d1[0]->value,
                        "{\"recordId\":\"a\",\"time\":\"2025-01-01T10:00:00.5Z\",\"sourceId\":\"s\",\"destinationId\":"
                        "\"d1\",\"type\":\"positive\",\"value\":\"1.50\",\"unit\":\"EUR\",\"reference\":\"r\"}");
    FrontDoorStatus status = look(fixture);
    assert_int_equal(status.state, FRONT_DOOR_OPEN);
    assert_int_equal(status.records_produced, 3);
    assert_int_equal(status.records_failed + status.waiting_records + status.waiting_bytes, 0);
    test_free(copies.items);
}

/* Those of one destination come in the order in which they were handed in. */
static void test_order(void **state)
{
    enum { COUNT = 500 };
    Fixture *fixture = *state;
    start_door(fixture);
    for (size_t i = 0; i < COUNT; i++) {
        hand_in_one(fixture, "d");
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(wait_for(fixture, &fixture->calls[i]), STATUS_OK);
    }
    Copies copies = read_all(fixture);
    assert_int_equal(copies.count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "{\"recordId\":\"r-%zu\",", i);
        assert_memory_equal(copies.items[i].value, expected, strlen(expected));
    }
    test_free(copies.items);
}

/* From several threads at once, some of them gone as soon as they have handed in. */
typedef struct Lane {
    Fixture *fixture;
    Told *calls;
    size_t count;
} Lane;

static void *run_lane(void *self)
{
    Lane *lane = self;
    Error error;
    for (size_t i = 0; i < lane->count; i++) {
        Told *told = &lane->calls[i];
        told->record = make_record("x", "d");
        told->call = (FrontDoorCall){.records = &told->record, .count = 1, .done = done, .owner = lane->fixture};
        if (front_door_hand_in(lane->fixture->door, &told->call, &error) != FRONT_DOOR_TAKEN) {
            done(&told->call, STATUS_BUSY, &error);
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    enum { LANES = 4, COUNT = 200 };
    Fixture *fixture = *state;
    pthread_t threads[LANES];
    Lane lanes[LANES];
    start_door(fixture);
    for (size_t i = 0; i < LANES; i++) {
        lanes[i] = (Lane){fixture, &fixture->calls[i * COUNT], COUNT};
        assert_int_equal(pthread_create(&threads[i], NULL, run_lane, &lanes[i]), 0);
    }
    for (size_t i = 0; i < LANES; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < LANES * COUNT; i++) {
        assert_int_equal(wait_for(fixture, &fixture->calls[i]), STATUS_OK);
    }
    assert_int_equal(look(fixture).records_produced, LANES * COUNT);
    assert_int_equal(look(fixture).waiting_bytes, 0);
}

/* ---- Bounds ------------------------------------------------------------------------------------------------------ */

static void need_mock(Fixture *fixture)
{
    if (!fixture->topic->mock) {
        skip(); /* tests/e2e/front_door.test.mjs does it to a real broker */
    }
}

static void slow_down(Fixture *fixture, int ms)
{
    assert_int_equal(rd_kafka_mock_broker_set_rtt(fixture->topic->mock, BROKER, ms), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void test_full(void **state)
{
    enum { RTT_MS = 700 };
    Fixture *fixture = *state;
    Told *first, *second, *third;
    need_mock(fixture);
    fixture->options.bytes_max = 1000; /* less than two records count for */
    start_door(fixture);
    wait_for_state(fixture, FRONT_DOOR_OPEN);
    slow_down(fixture, RTT_MS);
    first = hand_in_one(fixture, "d");
    assert_int_equal(try_one(fixture, "d", &second), FRONT_DOOR_FULL);
    FrontDoorStatus status = look(fixture);
    assert_int_equal(status.waiting_records, 1);
    assert_in_range(status.waiting_bytes, 1, status.bytes_max);
    assert_int_equal(status.calls_refused, 1);
    assert_int_equal(wait_for(fixture, first), STATUS_OK);
    assert_int_equal(try_one(fixture, "d", &third), FRONT_DOOR_TAKEN);
    assert_int_equal(wait_for(fixture, third), STATUS_OK);
    assert_int_equal(second->times, 0);
}

/* One that is larger than the whole bound is taken while nothing else waits. */
static void test_larger_than_the_bound(void **state)
{
    enum { COUNT = 10 };
    Fixture *fixture = *state;
    Record records[COUNT];
    Told *told;
    for (size_t i = 0; i < COUNT; i++) {
        records[i] = make_record("x", "d");
    }
    fixture->options.bytes_max = 1000;
    start_door(fixture);
    assert_int_equal(hand_in_records(fixture, records, COUNT, &told), FRONT_DOOR_TAKEN);
    assert_int_equal(wait_for(fixture, told), STATUS_OK);
}

/* ---- Going wrong ------------------------------------------------------------------------------------------------- */

static void set_down(Fixture *fixture, bool down)
{
    if (down) {
        rd_kafka_mock_broker_set_down(fixture->topic->mock, BROKER);
    } else {
        rd_kafka_mock_broker_set_up(fixture->topic->mock, BROKER);
    }
}

/* What came before anybody knew is given back in its time, what comes then is refused at once, and it opens by
 * itself. */
static void test_nobody_there(void **state)
{
    Fixture *fixture = *state;
    Told *early, *late;
    need_mock(fixture);
    fixture->options.timeout_us = 1500000;
    set_down(fixture, true);
    start_door(fixture);
    early = hand_in_one(fixture, "d");
    wait_for_state(fixture, FRONT_DOOR_DOWN);
    assert_non_null(strstr(look(fixture).error, "no broker answers as it should ("));
    assert_int_equal(try_one(fixture, "d", &late), FRONT_DOOR_SHUT);
    assert_int_equal(wait_for(fixture, early), STATUS_BUSY); /* never sent, so that nothing happened */
    assert_non_null(strstr(early->message, "has not taken it: Local: Message timed out;"));
    assert_int_equal(look(fixture).records_failed, 1);
    assert_null(strstr(early->message, "127.0.0.1")); /* clients need not know where brokers are */
    set_down(fixture, false);
    wait_for_state(fixture, FRONT_DOOR_OPEN);
    assert_string_equal(look(fixture).error, "");
    assert_int_equal(wait_for(fixture, hand_in_one(fixture, "d")), STATUS_OK);
    Copies copies = read_all(fixture);
    assert_int_equal(copies.count, 1);
    test_free(copies.items);
}

static void test_goes_down(void **state)
{
    Fixture *fixture = *state;
    need_mock(fixture);
    start_door(fixture);
    assert_int_equal(wait_for(fixture, hand_in_one(fixture, "d")), STATUS_OK);
    set_down(fixture, true);
    wait_for_state(fixture, FRONT_DOOR_DOWN);
    set_down(fixture, false);
    wait_for_state(fixture, FRONT_DOOR_OPEN);
    assert_int_equal(wait_for(fixture, hand_in_one(fixture, "d")), STATUS_OK);
}

/* A broker that is only slow: the record was sent, and may be there. */
static void test_no_answer_in_time(void **state)
{
    Fixture *fixture = *state;
    need_mock(fixture);
    fixture->options.timeout_us = 1000000;
    start_door(fixture);
    wait_for_state(fixture, FRONT_DOOR_OPEN);
    assert_int_equal(wait_for(fixture, hand_in_one(fixture, "d")), STATUS_OK);
    slow_down(fixture, 5000);
    Told *told = hand_in_one(fixture, "d");
    assert_int_equal(wait_for(fixture, told), STATUS_UNKNOWN);
    assert_non_null(strstr(told->message, "has confirmed 0 of 1 records"));
}

/* Refused by the broker; the next one is not. */
static void test_not_allowed(void **state)
{
    Fixture *fixture = *state;
    need_mock(fixture);
    start_door(fixture);
    wait_for_state(fixture, FRONT_DOOR_OPEN);
    rd_kafka_mock_push_request_errors(fixture->topic->mock, PRODUCE_API, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    Told *told = hand_in_one(fixture, "d");
    assert_int_equal(wait_for(fixture, told), STATUS_BUSY);
    assert_non_null(strstr(told->message, "Topic authorization failed"));
    assert_non_null(strstr(look(fixture).error, "Topic authorization failed"));
    /* librdkafka remembers it, until it looks at the topic again. */
    Status status = STATUS_BUSY;
    for (int i = 0; status != STATUS_OK && i < 50; i++) {
        usleep(20000);
        status = wait_for(fixture, hand_in_one(fixture, "d"));
    }
    assert_int_equal(status, STATUS_OK);
    assert_string_equal(look(fixture).error, "");
}

/* What passes is tried again, once it is in the topic. */
static void test_passing_errors(void **state)
{
    Fixture *fixture = *state;
    need_mock(fixture);
    start_door(fixture);
    wait_for_state(fixture, FRONT_DOOR_OPEN);
    rd_kafka_mock_push_request_errors(fixture->topic->mock, PRODUCE_API, 3, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    assert_int_equal(wait_for(fixture, hand_in_one(fixture, "d")), STATUS_OK);
    Copies copies = read_all(fixture);
    assert_int_equal(copies.count, 1);
    test_free(copies.items);
}

/* A producer that has failed for good is replaced. */
static void test_fatal(void **state)
{
    Fixture *fixture = *state;
    need_mock(fixture);
    start_door(fixture);
    assert_int_equal(wait_for(fixture, hand_in_one(fixture, "d")), STATUS_OK);
    rd_kafka_mock_push_request_errors(fixture->topic->mock, PRODUCE_API, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    Told *told = hand_in_one(fixture, "d");
    assert_int_equal(wait_for(fixture, told), STATUS_UNKNOWN);
    assert_int_equal(wait_for(fixture, hand_in_one(fixture, "d")), STATUS_OK);
}

/* ---- Stopping ---------------------------------------------------------------------------------------------------- */

static void test_stop(void **state)
{
    Fixture *fixture = *state;
    Told *sent, *refused;
    need_mock(fixture);
    start_door(fixture);
    assert_int_equal(wait_for(fixture, hand_in_one(fixture, "d")), STATUS_OK);
    slow_down(fixture, 8000);
    sent = hand_in_one(fixture, "d");
    usleep(500000);
    Told *just_now = hand_in_one(fixture, "d");
    int64_t begun_us = clock_monotonic_us(&clock_system);
    front_door_stop(fixture->door);
    assert_true(clock_monotonic_us(&clock_system) - begun_us < 6000000);
    assert_int_equal(sent->times, 1);
    assert_int_equal(sent->status, STATUS_UNKNOWN);
    assert_int_equal(just_now->times, 1);
    assert_int_not_equal(just_now->status, STATUS_OK);
    assert_int_equal(try_one(fixture, "d", &refused), FRONT_DOOR_SHUT);
    assert_int_equal(look(fixture).waiting_records, 0);
}

static void test_never_started(void **state)
{
    Fixture *fixture = *state;
    open_door(fixture);
    assert_int_equal(look(fixture).state, FRONT_DOOR_CONNECTING);
    assert_string_equal(look(fixture).topic, fixture->topic->name);
}

static void test_options(void **state)
{
    static const struct {
        const char *properties, *problem;
    } bad[] = {
        {"acks=1", "properties: acks cannot be set"},
        {"enable.idempotence=false", "properties: enable.idempotence cannot be set"},
        {"message.timeout.ms=1", "properties: message.timeout.ms cannot be set"},
        {"transactional.id=x", "properties: transactional.id cannot be set"},
        {"max.in.flight.requests.per.connection=10", "properties: "},
        {"linger.ms=60000", "properties: "},
    };
    Fixture *fixture = *state;
    Error error;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fixture->topic->options.properties = bad[i].properties;
        assert_int_equal(front_door_kafka_open(&fixture->options, &fixture->door, &error), STATUS_REFUSED);
        assert_memory_equal(error.message, bad[i].problem, strlen(bad[i].problem));
    }
    assert_null(fixture->door);
    /* A consumer's settings do no harm. */
    fixture->topic->options.properties = "session.timeout.ms=6000,group.instance.id=a,compression.type=gzip";
    start_door(fixture);
    assert_int_equal(wait_for(fixture, hand_in_one(fixture, "d")), STATUS_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_produces),
        TEST(test_order),
        TEST(test_threads),
        TEST(test_full),
        TEST(test_larger_than_the_bound),
        TEST(test_nobody_there),
        TEST(test_goes_down),
        TEST(test_no_answer_in_time),
        TEST(test_not_allowed),
        TEST(test_passing_errors),
        TEST(test_fatal),
        TEST(test_stop),
        TEST(test_never_started),
        TEST(test_options),
    };
    bool real = kafka_topic_is_real();
    printf("# on %s\n", real ? "a real Kafka" : "librdkafka's mock cluster");
    return cmocka_run_group_tests_name(real ? "front-door-real" : "front-door-mock", tests, NULL, NULL);
}
