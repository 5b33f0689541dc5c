/* The Kafka source where some of the partitions cannot be read, or brokers are far away. On a mock cluster, whose
 * brokers lead what they are told to. */
#include "kafka_source_side.h"
#include "reading_fixture.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>

enum { SKIPPED = 77 };

static const KafkaTopic *topic_of(const SourceFixture *fixture) { return fixture->side; }

enum { MANY = 40, MANY_SILENT = 15 };

static void *start_on_two(void) { return kafka_topic_start_on_two(TOPIC_PARTITIONS, 1, 1); }
static void *start_many(void) { return kafka_topic_start_on_two(MANY, 0, MANY_SILENT - 1); }

/* Partition 1 cannot be read: the others are, and it is when it can be, without another rebalance. */
static void read_without_one(SourceFixture *fixture, void (*lose)(const KafkaTopic *), void (*find)(const KafkaTopic *))
{
    for (size_t part = 0; part < TOPIC_PARTITIONS; part++) {
        fixture_put(fixture, part, 1 + 100 * part, 5);
    }
    lose(topic_of(fixture));
    fixture_connect(fixture);
    fixture_take(fixture, 5 * (TOPIC_PARTITIONS - 1));
    fixture_assert_seen(fixture, 1, 5, 1);
    fixture_assert_seen(fixture, 201, 5, 1);
    fixture_assert_notice(fixture, "not read, and tried again: ");
    fixture_assert_notice(fixture, "/1: ");
    fixture_reopen(fixture);
    fixture_put(fixture, 0, 6, 5);
    fixture_take(fixture, 5);
    find(topic_of(fixture));
    fixture_take(fixture, 5);
    fixture_assert_seen(fixture, 101, 5, 1);
    fixture_assert_notice(fixture, NULL);
}

static void lose_leader(const KafkaTopic *topic)
{
    rd_kafka_mock_partition_set_leader(topic->mock, topic->name, 1, -1);
}

static void find_leader(const KafkaTopic *topic)
{
    rd_kafka_mock_partition_set_leader(topic->mock, topic->name, 1, TOPIC_BROKER);
}

static void test_a_partition_without_a_leader(void **state) { read_without_one(*state, lose_leader, find_leader); }

static void silence_leader(const KafkaTopic *topic)
{
    rd_kafka_mock_broker_set_rtt(topic->mock, TOPIC_BROKER + 1, 20 * 1000);
}

static void test_a_leader_that_does_not_answer(void **state) { read_without_one(*state, silence_leader, find_leader); }

/* The longest wait that there can be. What is asked waits so long behind what others of the broker's partitions are
 * asked for. */
static void wait_long(SourceFixture *fixture)
{
    KafkaTopic *topic = fixture->side;
    topic->options.properties = "session.timeout.ms=6000,fetch.wait.max.ms=500";
    source_close(fixture->source);
    fixture_open(fixture, 100, 1 << 20);
}

static void test_messages_are_waited_for_long(void **state)
{
    SourceFixture *fixture = *state;
    wait_long(fixture);
    read_without_one(fixture, lose_leader, find_leader);
    fixture_assert_quiet(fixture);
}

/* With the shortest steps, and the silent one is asked first. */
static void test_a_long_wait_and_a_silent_leader(void **state)
{
    SourceFixture *fixture = *state;
    KafkaTopic *topic = fixture->side;
    for (int32_t part = 0; part < TOPIC_PARTITIONS; part++) {
        fixture_put(fixture, (size_t)part, 1 + 100 * (size_t)part, 5);
        rd_kafka_mock_partition_set_leader(topic->mock, topic->name, part, TOPIC_BROKER + (part != 1));
    }
    rd_kafka_mock_coordinator_set(topic->mock, "group", topic->group, TOPIC_BROKER + 1);
    rd_kafka_mock_broker_set_rtt(topic->mock, TOPIC_BROKER, 20 * 1000);
    topic->options.timeout_us = SECOND_US;
    wait_long(fixture);
    fixture_connect(fixture);
    fixture_take(fixture, 5 * (TOPIC_PARTITIONS - 1));
    fixture_assert_seen(fixture, 1, 5, 1);
    fixture_assert_seen(fixture, 201, 5, 1);
    fixture_assert_notice(fixture, "/1: ");
}

/* How long fetching lasts altogether in so much time. */
static int64_t fetching_us(SourceFixture *fixture, int64_t us)
{
    Error error = {0};
    int64_t sum_us = 0;
    for (int64_t until_us = side_now_us() + us; side_now_us() < until_us;) {
        int64_t begun_us = side_now_us();
        assert_int_equal(fixture_fetch_once(fixture, &fixture->groups[0], &error), STATUS_OK);
        sum_us += side_now_us() - begun_us;
        fixture->source->ops->wait(fixture->source, SECOND_US / 20);
    }
    return sum_us;
}

/* Its partition is tried again, and nothing is taken of the others while it is asked. */
static void test_a_silent_leader_costs_the_others_little(void **state)
{
    SourceFixture *fixture = *state;
    wait_long(fixture);
    fixture_put(fixture, 0, 1, 5);
    silence_leader(topic_of(fixture));
    fixture_connect(fixture);
    fixture_take(fixture, 5);
    int64_t us = fetching_us(fixture, 15 * SECOND_US);
    if (us > 5 * SECOND_US) {
        fail_msg("fetching lasted %lld ms of 15 s", (long long)(us / 1000));
    }
    fixture_assert_notice(fixture, "not read, and tried again: ");
}

/* What was told of the others stays. */
static void test_a_partition_that_is_begun_later_has_something_to_tell(void **state)
{
    SourceFixture *fixture = *state;
    for (size_t part = 0; part < 2; part++) {
        fixture_put(fixture, part, 1 + 100 * part, 5);
        kafka_topic_commit(fixture->side, (int32_t)part, 3);
    }
    lose_leader(topic_of(fixture));
    fixture_connect(fixture);
    fixture_take(fixture, 2);
    fixture_assert_notice(fixture, "/0: the group is at offset 3");
    find_leader(topic_of(fixture));
    fixture_take(fixture, 2);
    fixture_assert_notice(fixture, "/1: the group is at offset 3");
    fixture_assert_notice(fixture, "/0: the group is at offset 3");
}

/* More than there would be time for, were each of them waited for. */
static void test_many_partitions_of_a_silent_leader(void **state)
{
    SourceFixture *fixture = *state;
    for (size_t part = 0; part < MANY; part++) {
        fixture_put(fixture, part, 1 + part, 1);
    }
    silence_leader(topic_of(fixture));
    fixture_connect(fixture);
    fixture_take(fixture, MANY - MANY_SILENT);
    fixture_assert_seen(fixture, 1 + MANY_SILENT, MANY - MANY_SILENT, 1);
    fixture_assert_notice(fixture, " and 12 more");
}

enum { TOPICS = 16 };

/* There would not be time to ask for each topic by itself. */
static void test_brokers_far_away(void **state)
{
    SourceFixture *fixture = *state;
    KafkaTopic *topic = fixture->side;
    char topics[TOPICS * sizeof topic->name];
    size_t len = (size_t)snprintf(topics, sizeof topics, "%s", topic->name);
    for (int i = 1; i < TOPICS; i++) {
        char *name = topics + len + 1;
        len += (size_t)snprintf(topics + len, sizeof topics - len, ",%s-%d", topic->name, i);
        assert_int_equal(rd_kafka_mock_topic_create(topic->mock, name, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    topic->options.topics = topics;
    source_close(fixture->source);
    fixture_open(fixture, 100, 1 << 20);
    fixture_put(fixture, 0, 1, 5);
    for (int32_t i = 0; i < 2; i++) {
        rd_kafka_mock_broker_set_rtt(topic->mock, TOPIC_BROKER + i, 450);
    }
    fixture_connect(fixture);
    fixture_take(fixture, 5);
    fixture_assert_seen(fixture, 1, 5, 1);
}

/* OK when nothing fails for as long as is waited for what has to come. */
static Status fetch_until_it_fails(SourceFixture *fixture, Error *reterr)
{
    Status status = STATUS_OK;
    for (int64_t until_us = side_now_us() + PATIENCE_US; status == STATUS_OK && side_now_us() < until_us;) {
        fixture->source->ops->wait(fixture->source, SECOND_US / 10);
        status = fixture_fetch_once(fixture, &fixture->groups[0], reterr);
    }
    return status;
}

/* There is nothing that it could read: it is not connected, and says so. */
static void test_no_partition_has_a_leader(void **state)
{
    SourceFixture *fixture = *state;
    const KafkaTopic *topic = topic_of(fixture);
    Error error = {0};
    for (int32_t i = 0; i < TOPIC_PARTITIONS; i++) {
        rd_kafka_mock_partition_set_leader(topic->mock, topic->name, i, -1);
    }
    fixture_connect(fixture);
    Status status = fetch_until_it_fails(fixture, &error);
    if (status != STATUS_BUSY || !strstr(error.message, "/0: Broker: Leader not available")) {
        fail_msg("%s: %s", status_name(status), error.message);
    }
}

enum { SYNC_GROUP = 14, HELD_UP_MS = 20 * 1000 };

/* The next answer that gives a member its partitions comes late. */
static void hold_up_partitions(const KafkaTopic *topic)
{
    for (int32_t i = 0; i < 2; i++) {
        assert_int_equal(rd_kafka_mock_broker_push_request_error_rtts(topic->mock, TOPIC_BROKER + i, SYNC_GROUP, 1,
                                                                      RD_KAFKA_RESP_ERR_NO_ERROR, HELD_UP_MS),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    }
}

/* It was asked for. */
static bool is_held_up(const KafkaTopic *topic)
{
    size_t left[2];
    for (int32_t i = 0; i < 2; i++) {
        assert_int_equal(rd_kafka_mock_broker_error_stack_cnt(topic->mock, TOPIC_BROKER + i, SYNC_GROUP, &left[i]),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    return left[0] == 0 || left[1] == 0;
}

/* librdkafka 2.0.2 aborts the process where such a consumer is ended; and where it goes on as a member, nobody reads
 * the partitions that it is given. */
static void test_a_group_is_left_that_has_given_nothing_yet(void **state)
{
    SourceFixture *fixture = *state;
    Error error = {0};
    fixture_put(fixture, 0, 1, 5);
    hold_up_partitions(topic_of(fixture));
    fixture_connect(fixture);
    for (int64_t until_us = side_now_us() + PATIENCE_US; !is_held_up(topic_of(fixture));) {
        assert_true(side_now_us() < until_us);
        assert_int_equal(fixture_fetch_once(fixture, &fixture->groups[0], &error), STATUS_OK);
        fixture->source->ops->wait(fixture->source, SECOND_US / 20);
    }
    fixture_reopen(fixture);
    fixture_take(fixture, 5);
    fixture_assert_seen(fixture, 1, 5, 1);
}

static size_t count_threads(void)
{
    size_t count = 0;
    DIR *threads = opendir("/proc/self/task");
    assert_non_null(threads);
    for (const struct dirent *entry; (entry = readdir(threads));) {
        count += entry->d_name[0] != '.';
    }
    closedir(threads);
    return count;
}

/* Each time that it is tried again takes another consumer, and nothing of those before is left. */
static void test_a_group_that_is_forbidden(void **state)
{
    enum { FIND_COORDINATOR = 10, TIMES = 64 };
    SourceFixture *fixture = *state;
    rd_kafka_resp_err_t errors[TIMES];
    Error error = {0};
    for (size_t i = 0; i < TIMES; i++) {
        errors[i] = RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    }
    rd_kafka_mock_push_request_errors_array(topic_of(fixture)->mock, FIND_COORDINATOR, TIMES, errors);
    size_t threads = count_threads();
    fixture_connect(fixture);
    assert_int_equal(fetch_until_it_fails(fixture, &error), STATUS_REFUSED);
    for (int64_t until_us = side_now_us() + PATIENCE_US; count_threads() > threads && side_now_us() < until_us;) {
        (void)poll(NULL, 0, 10); /* the one that ended it may be just about to */
    }
    assert_in_range(count_threads(), 1, threads);
}

#define LEADER_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEADER_TEST(test_a_partition_without_a_leader),
        LEADER_TEST(test_a_leader_that_does_not_answer),
        LEADER_TEST(test_messages_are_waited_for_long),
        LEADER_TEST(test_a_long_wait_and_a_silent_leader),
        LEADER_TEST(test_a_silent_leader_costs_the_others_little),
        LEADER_TEST(test_a_partition_that_is_begun_later_has_something_to_tell),
        LEADER_TEST(test_brokers_far_away),
        LEADER_TEST(test_no_partition_has_a_leader),
        LEADER_TEST(test_a_group_is_left_that_has_given_nothing_yet),
        LEADER_TEST(test_a_group_that_is_forbidden),
    };
    static const struct CMUnitTest many[] = {LEADER_TEST(test_many_partitions_of_a_silent_leader)};
    if (kafka_topic_is_real()) {
        return SKIPPED;
    }
    SourceSide side = *kafka_source_side();
    side.start = start_on_two;
    source_side = &side;
    int failed = cmocka_run_group_tests_name("source-kafka-leaders", tests, NULL, NULL);
    side.start = start_many;
    return failed + cmocka_run_group_tests_name("source-kafka-many-leaders", many, NULL, NULL);
}
