/* The contract of source.h on Kafka, and what the Kafka source does besides. The environment says on which: see
 * kafka_topic.h. */
#include "kafka_source_side.h"
#include "reading_fixture.h"

#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>

enum { TEXT_BYTES = 64 };

/* ---- Where it begins --------------------------------------------------------------------------------------------- */

static KafkaTopic *topic_of(SourceFixture *fixture) { return fixture->side; }

/* What the source says that a person should look at. */
static void assert_refused(SourceFixture *fixture, const char *word)
{
    Error error = {0};
    int64_t until_us = side_now_us() + PATIENCE_US;
    Status status = fixture_try_connect(fixture, &error);
    while ((status == STATUS_OK || status == STATUS_BUSY) && side_now_us() < until_us) {
        fixture->source->ops->wait(fixture->source, SECOND_US / 10);
        status = status == STATUS_OK ? fixture_fetch_once(fixture, &fixture->groups[0], &error)
                                     : fixture_try_connect(fixture, &error);
    }
    if (status != STATUS_REFUSED || !strstr(error.message, word)) {
        fail_msg("%s: %s", status_name(status), error.message);
    }
    assert_int_equal(fixture->groups[0].count, 0);
}

static void test_a_new_group_begins_now(void **state)
{
    SourceFixture *fixture = *state;
    topic_of(fixture)->options.from_beginning = false;
    fixture_put(fixture, 0, 1, 5);
    fixture_connect(fixture);
    /* The place is stored before anything has come: what comes while nobody reads is read afterwards. */
    fixture_take_places(fixture, TOPIC_PARTITIONS);
    source_close(fixture->source);
    fixture->source = kafka_topic_open(topic_of(fixture));
    fixture_put(fixture, 0, 6, 5);
    fixture_connect(fixture);
    fixture_take(fixture, 5);
    fixture_assert_seen(fixture, 1, 5, 0);
    fixture_assert_seen(fixture, 6, 5, 1);
}

static void test_the_group_is_further(void **state)
{
    SourceFixture *fixture = *state;
    fixture_put(fixture, 0, 1, 10);
    kafka_topic_commit(topic_of(fixture), 0, 7);
    fixture_connect(fixture);
    fixture_take(fixture, 3);
    fixture_assert_notice(fixture, "/0: the group is at offset 7, and what is there from 0 on up to it is not read");
    fixture_assert_quiet(fixture);
    fixture_assert_seen(fixture, 8, 3, 1);
}

static void test_the_group_is_behind(void **state)
{
    SourceFixture *fixture = *state;
    if (!kafka_topic_is_real()) {
        skip(); /* the mock lets nobody but members commit */
    }
    fixture_put(fixture, 0, 1, 10);
    fixture_connect(fixture);
    fixture_take(fixture, 10);
    fixture_assert_left(fixture, 0);
    source_close(fixture->source);
    kafka_topic_commit(topic_of(fixture), 0, 2);
    fixture->source = kafka_topic_open(topic_of(fixture));
    fixture_connect(fixture);
    fixture_put(fixture, 0, 11, 5);
    fixture_take(fixture, 5);
    fixture_assert_seen(fixture, 1, 15, 1);
    fixture_assert_left(fixture, 0);
}

static KeptPlace *place_of(SourceFixture *fixture, const char *suffix)
{
    for (size_t i = 0; i < fixture->kept_count; i++) {
        KeptPlace *kept = &fixture->kept[i];
        size_t len = strlen(suffix);
        if (kept->part_len > len && memcmp(kept->part + kept->part_len - len, suffix, len) == 0) {
            return kept;
        }
    }
    fail_msg("no place ends in %s", suffix);
    return NULL;
}

/* ---- A store that is older than what it has committed ------------------------------------------------------------ */

/* The store is as it was when it had read four of each partition; the group, whose members have left, is at ten. */
static void put_an_older_copy_back(SourceFixture *fixture)
{
    fixture_connect(fixture);
    for (size_t part = 0; part < TOPIC_PARTITIONS; part++) {
        fixture_put(fixture, part, 1 + 100 * part, 4);
    }
    fixture_take(fixture, 4 * TOPIC_PARTITIONS);
    fixture_copy_places(fixture);
    for (size_t part = 0; part < TOPIC_PARTITIONS; part++) {
        fixture_put(fixture, part, 5 + 100 * part, 6);
    }
    fixture_take(fixture, 6 * TOPIC_PARTITIONS);
    fixture_assert_left(fixture, 0);
    fixture_assert_notice(fixture, NULL);
    source_close(fixture->source);
    fixture_put_places_back(fixture);
}

static void test_an_older_copy_of_the_store(void **state)
{
    SourceFixture *fixture = *state;
    put_an_older_copy_back(fixture);
    fixture->source = kafka_topic_open(topic_of(fixture));
    fixture_connect(fixture);
    fixture_take(fixture, 6 * TOPIC_PARTITIONS);
    for (size_t part = 0; part < TOPIC_PARTITIONS; part++) {
        fixture_assert_seen(fixture, 1 + 100 * part, 4, 1);
        fixture_assert_seen(fixture, 5 + 100 * part, 6, 2);
    }
    fixture_assert_notice(fixture,
                          "the store is an older copy of itself: it has read up to offset 4, and had up to 10 before");
    fixture_assert_left(fixture, 0);
    fixture_reopen(fixture);
    fixture_put(fixture, 0, 11, 1);
    fixture_take(fixture, 1);
    fixture_assert_notice(fixture, NULL);
}

/* What it has committed says nothing of ours. Where that was begun is stored at once, and is ours then. */
static void test_another_store_was_further(void **state)
{
    SourceFixture *fixture = *state;
    put_an_older_copy_back(fixture);
    topic_of(fixture)->info.id[0] ^= 1;
    fixture->source = kafka_topic_open(topic_of(fixture));
    fixture_connect(fixture);
    fixture_take_places(fixture, TOPIC_PARTITIONS);
    fixture_assert_notice(fixture,
                          "somebody else has moved the group from offset 4 to 10, and the source goes on there");
    for (size_t i = 0; i < TOPIC_PARTITIONS; i++) {
        assert_int_equal(fixture->kept[i].next, 10);
    }
    fixture_reopen(fixture);
    fixture_put(fixture, 0, 11, 1);
    fixture_take(fixture, 1);
    fixture_assert_quiet(fixture);
    fixture_assert_seen(fixture, 5, 6, 1);
    fixture_assert_notice(fixture, NULL);
}

/* Its places may have been forgotten since the topic is another one: nothing of it is passed over. */
static void test_no_place_where_we_have_read(void **state)
{
    SourceFixture *fixture = *state;
    put_an_older_copy_back(fixture);
    fixture_forget_places(fixture);
    topic_of(fixture)->options.from_beginning = false;
    fixture->source = kafka_topic_open(topic_of(fixture));
    fixture_connect(fixture);
    fixture_take(fixture, 10 * TOPIC_PARTITIONS);
    fixture_assert_notice(fixture, "this source has read up to offset 10, and the store does not know");
    fixture_assert_notice(fixture, "all that is there is read, from offset 0 on");
    fixture_assert_left(fixture, 0);
    for (size_t part = 0; part < TOPIC_PARTITIONS; part++) {
        fixture_assert_seen(fixture, 1 + 100 * part, 10, 2);
    }
    fixture_reopen(fixture);
    fixture_put(fixture, 0, 11, 1);
    fixture_take(fixture, 1);
    fixture_assert_notice(fixture, NULL);
}

static void test_another_message_is_there(void **state)
{
    SourceFixture *fixture = *state;
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 10);
    fixture_take(fixture, 10);
    KeptPlace *kept = place_of(fixture, "/0");
    assert_int_equal(kept->next, 10);
    assert_memory_equal(kept->mark, "offset=9 time=", 14);
    char *last = &kept->mark[kept->mark_len - 1];
    *last = *last == '0' ? '1' : '0';
    fixture_put(fixture, 0, 11, 1);
    assert_refused(fixture, "sources forget here");
}

static void test_the_end_went_back(void **state)
{
    SourceFixture *fixture = *state;
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 10);
    fixture_take(fixture, 10);
    place_of(fixture, "/0")->next = 11;
    assert_refused(fixture, "made anew");
}

/* With as many messages as before, then with more: never are they skipped. */
static void test_made_anew(void **state)
{
    SourceFixture *fixture = *state;
    if (!kafka_topic_is_real()) {
        skip();
    }
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 10);
    fixture_take(fixture, 10);
    source_close(fixture->source);
    kafka_topic_make_anew(topic_of(fixture));
    fixture->source = kafka_topic_open(topic_of(fixture));
    assert_refused(fixture, "made anew");
    fixture_put(fixture, 0, 11, 10);
    assert_refused(fixture, "made anew");
    fixture_put(fixture, 0, 21, 10);
    assert_refused(fixture, "made anew");
    fixture_forget_places(fixture);
    fixture_connect(fixture);
    fixture_take(fixture, 20);
    fixture_assert_seen(fixture, 11, 20, 1);
}

static void test_removed_before_it_was_read(void **state)
{
    SourceFixture *fixture = *state;
    if (!kafka_topic_is_real()) {
        skip();
    }
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 10);
    fixture_take(fixture, 10);
    source_close(fixture->source);
    fixture_put(fixture, 0, 11, 10);
    kafka_topic_trim(topic_of(fixture), 0, 14);
    fixture->source = kafka_topic_open(topic_of(fixture));
    fixture_connect(fixture);
    fixture_take(fixture, 6);
    fixture_assert_seen(fixture, 11, 4, 0);
    fixture_assert_seen(fixture, 15, 6, 1);
    fixture_assert_notice(fixture, "4 messages were removed");
    /* What was removed up to our place is not missed. */
    kafka_topic_trim(topic_of(fixture), 0, 20);
    fixture_connect(fixture);
    fixture_assert_quiet(fixture);
    fixture_assert_notice(fixture, NULL);
    fixture_put(fixture, 0, 21, 2);
    fixture_take(fixture, 2);
}

/* ---- What messages say ------------------------------------------------------------------------------------------- */

static const SourceMessage *take_one(SourceFixture *fixture, Str key, Str value, const KafkaHeader *headers,
                                     size_t count)
{
    SourceGroup *group = &fixture->groups[0];
    kafka_topic_put(topic_of(fixture), 1, key, value, headers, count);
    assert_int_equal(fixture_fetch(fixture, group), 1);
    fixture_store(fixture, group);
    fixture_acknowledge(fixture, group);
    return &group->messages[0];
}

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define OTHER "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static void test_headers(void **state)
{
    SourceFixture *fixture = *state;
    char place[2 * TEXT_BYTES];
    const KafkaHeader plain[] = {{"traceparent", TRACE}};
    const KafkaHeader event[] = {{"ce_specversion", "1.0"}, {"ce_id", "1"},
                                 {"ce_source", "/here"},    {"ce_type", "record"},
                                 {"ce_traceparent", OTHER}, {"traceparent", TRACE}};
    const KafkaHeader broken[] = {{"ce_specversion", "1.0"}, {"ce_id", "1"}, {"ce_type", "record"}};
    fixture_connect(fixture);
    const SourceMessage *message = take_one(fixture, STR("k"), STR("1.1"), plain, 1);
    snprintf(place, sizeof place, "%s/1/0", topic_of(fixture)->name);
    assert_true(str_is(message->place, place));
    assert_true(str_is(message->format, "json"));
    assert_true(str_is(message->traceparent, TRACE));
    message = take_one(fixture, STR("k"), STR("2.1"), event, 6);
    assert_int_equal(message->refused.len, 0);
    assert_true(str_is(message->traceparent, OTHER));
    message = take_one(fixture, STR("k"), STR("3.1"), broken, 3);
    assert_non_null(memmem(message->refused.ptr, message->refused.len, "source", 6));
    assert_true(str_is(message->raw, "3.1"));
}

static void test_values(void **state)
{
    SourceFixture *fixture = *state;
    enum { LONG = 10 << 20 };
    fixture_connect(fixture);
    const SourceMessage *message = take_one(fixture, STR("k"), (Str){0}, NULL, 0);
    assert_non_null(memmem(message->refused.ptr, message->refused.len, "tombstone", 9));
    assert_int_equal(message->raw.len, 0);
    if (!kafka_topic_is_real()) {
        return; /* the mock keeps 5 MB at most */
    }
    char *value = test_malloc(LONG);
    memset(value, '7', LONG);
    message = take_one(fixture, (Str){0}, (Str){value, LONG}, NULL, 0);
    assert_non_null(memmem(message->refused.ptr, message->refused.len, "10485760 bytes", 14));
    assert_int_equal(message->raw.len, LONG);
    test_free(value);
}

/* ---- The group --------------------------------------------------------------------------------------------------- */

/* Reads on for a while; messages may come. */
static void read_for(SourceFixture *fixture, rd_kafka_t *member, int64_t us, int until_holds)
{
    SourceGroup *group = &fixture->groups[0];
    int64_t until_us = side_now_us() + us;
    while (side_now_us() < until_us && (!member || kafka_member_holds(member) != until_holds)) {
        fixture->source->ops->wait(fixture->source, SECOND_US / 20);
        if (fixture_fetch_within(fixture, group, 0) + group->place_count > 0) {
            fixture_store(fixture, group);
            fixture_acknowledge(fixture, group);
        }
    }
    assert_true(!member || kafka_member_holds(member) == until_holds);
}

/* Reads on until the group has nothing left. */
static void read_all(SourceFixture *fixture)
{
    int64_t until_us = side_now_us() + PATIENCE_US;
    while (side_now_us() < until_us && kafka_topic_left(topic_of(fixture)) > 0) {
        read_for(fixture, NULL, SECOND_US / 5, 0);
    }
    fixture_assert_left(fixture, 0);
}

/* It joins, is given partitions, reads of them, commits nothing, and leaves. */
static void test_another_member_comes_and_goes(void **state)
{
    SourceFixture *fixture = *state;
    if (!kafka_topic_is_real()) {
        skip();
    }
    fixture_connect(fixture);
    for (size_t part = 0; part < TOPIC_PARTITIONS; part++) {
        fixture_put(fixture, part, 1 + 100 * part, 50);
    }
    fixture_take(fixture, 50 * TOPIC_PARTITIONS);
    rd_kafka_t *member = kafka_member_join(topic_of(fixture));
    read_for(fixture, member, PATIENCE_US, 1);
    for (size_t part = 0; part < TOPIC_PARTITIONS; part++) {
        fixture_put(fixture, part, 51 + 100 * part, 50);
    }
    read_for(fixture, member, SECOND_US, 1);
    kafka_member_leave(member);
    read_all(fixture);
    for (size_t part = 0; part < TOPIC_PARTITIONS; part++) {
        fixture_assert_seen(fixture, 1 + 100 * part, 100, 1);
    }
}

/* No message comes afterwards that would be committed: as it is with a commit that meets a rebalance, and with one of
 * partitions that have gone and come back since. */
static void test_a_commit_that_fails_is_made_again(void **state)
{
    static const rd_kafka_resp_err_t codes[] = {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
                                                RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION};
    enum { OFFSET_COMMIT = 8, MESSAGES = 5 };
    SourceFixture *fixture = *state;
    if (kafka_topic_is_real()) {
        skip();
    }
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, MESSAGES);
    fixture_take(fixture, MESSAGES);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        read_for(fixture, NULL, SECOND_US / 2, 0); /* the places of what is empty */
        fixture_assert_left(fixture, 0);
        for (size_t times = 0; times < MESSAGES; times++) { /* once for each commit that there may be */
            rd_kafka_mock_push_request_errors(topic_of(fixture)->mock, OFFSET_COMMIT, 1, codes[i]);
        }
        fixture_put(fixture, 0, 1 + (i + 1) * MESSAGES, MESSAGES);
        fixture_take(fixture, MESSAGES);
        read_for(fixture, NULL, SECOND_US / 5, 0); /* the answer comes */
        rd_kafka_mock_clear_request_errors(topic_of(fixture)->mock, OFFSET_COMMIT);
        read_all(fixture);
    }
    fixture_assert_notice(fixture, NULL);
}

/* While nothing can be taken: longer than a session and than the time that a member may not poll for. */
static void test_stays_a_member(void **state)
{
    SourceFixture *fixture = *state;
    Error error = {0};
    source_close(fixture->source);
    topic_of(fixture)->options.properties = "session.timeout.ms=6000,max.poll.interval.ms=6000";
    fixture->source = kafka_topic_open(topic_of(fixture));
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 5);
    fixture_take(fixture, 5);
    fixture_put(fixture, 0, 6, 5);
    for (int64_t until_us = side_now_us() + 8 * SECOND_US; side_now_us() < until_us;) {
        assert_int_equal(fixture->source->ops->fetch(fixture->source, NULL, &error), STATUS_OK);
        usleep(500000);
    }
    int64_t begun_us = side_now_us();
    fixture_take(fixture, 5);
    assert_true(side_now_us() - begun_us < SECOND_US); /* it was read long ago */
    fixture_assert_seen(fixture, 1, 10, 1);
    fixture_assert_notice(fixture, NULL);
}

static void test_lag(void **state)
{
    SourceFixture *fixture = *state;
    SourceLag lag = {0};
    int64_t now_us = clock_wall_us(&clock_system);
    source_close(fixture->source);
    fixture_open(fixture, 10, 1 << 20);
    fixture_put(fixture, 0, 1, 30);
    fixture_put(fixture, 2, 31, 5);
    fixture_connect(fixture);
    fixture->source->ops->lag(fixture->source, &lag);
    assert_int_equal(lag.messages, -1);
    Error error = {0};
    assert_int_equal(fixture->source->ops->fetch(fixture->source, NULL, &error), STATUS_OK);
    fixture->source->ops->lag(fixture->source, &lag);
    assert_int_equal(lag.messages, -1); /* the group has not said which partitions are ours */
    SourceGroup *group = &fixture->groups[0];
    size_t count = fixture_fetch(fixture, group);
    usleep(300000);
    assert_int_equal(fixture->source->ops->fetch(fixture->source, NULL, &error), STATUS_OK);
    fixture->source->ops->lag(fixture->source, &lag);
    assert_int_equal(lag.messages, 35);
    assert_in_range(lag.oldest_us, now_us - 60 * SECOND_US, now_us + 60 * SECOND_US);
    fixture_store(fixture, group);
    fixture_acknowledge(fixture, group);
    fixture_take(fixture, 35 - count);
    usleep(300000);
    assert_int_equal(fixture->source->ops->fetch(fixture->source, NULL, &error), STATUS_OK);
    fixture->source->ops->lag(fixture->source, &lag);
    assert_int_equal(lag.messages, 0);
    assert_int_equal(lag.oldest_us, 0);
}

/* ---- Failures ---------------------------------------------------------------------------------------------------- */

static void assert_option_refused(SourceFixture *fixture, const SourceOptions *options, const char *word)
{
    Source *source = NULL;
    Error error = {0};
    SourceContext context = topic_of(fixture)->context;
    context.options = options;
    assert_int_equal(source_open(&context, &source, &error), STATUS_REFUSED);
    if (!strstr(error.message, word) || strstr(error.message, "secret")) {
        fail_msg("%s", error.message);
    }
}

static void test_options(void **state)
{
    SourceFixture *fixture = *state;
    static const struct {
        const char *brokers, *properties, *topics, *word;
    } cases[] = {
        {" ", "", "a", "brokers: none is named"},
        {"http://localhost:1", "", "a", "brokers: number 1 is not host:port"},
        {"localhost:1", "", "a, b, a", "topics: a is named twice"},
        {"localhost:1", "group.id=other", "a", "group.id cannot be set"},
        {"localhost:1", "isolation.level=read_uncommitted", "a", "isolation.level cannot be set"},
        {"localhost:1", "auto.offset.reset=latest", "a", "auto.offset.reset cannot be set"},
        {"localhost:1", "bootstrap.servers=elsewhere:1", "a", "named by the option brokers"},
        {"localhost:1", "no.such.thing=secret", "a", "has no setting no.such.thing"},
        {"localhost:1", "session.timeout.ms=secret", "a", "session.timeout.ms does not take this value"},
        {"localhost:1", "session.timeout.ms", "a", "each is name=value"},
        {"localhost:1", "fetch.wait.max.ms=501", "a", "fetch.wait.max.ms can be 500 at most"},
        {"localhost:1", "receive.message.max.bytes=1000", "a", "receive.message.max.bytes"},
        {"localhost:1", "", "^records", "no name of a topic"},
        {"localhost:1", "", "", "topics: none is named"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SourceOptions options = topic_of(fixture)->options;
        options.brokers = cases[i].brokers;
        options.properties = cases[i].properties;
        options.topics = cases[i].topics;
        assert_option_refused(fixture, &options, cases[i].word);
    }
}

static void test_nobody_there(void **state)
{
    SourceFixture *fixture = *state;
    Error error = {0};
    source_close(fixture->source);
    topic_of(fixture)->options.brokers = "127.0.0.1:1";
    fixture->source = kafka_topic_open(topic_of(fixture));
    int64_t begun_us = side_now_us();
    assert_int_equal(fixture->source->ops->connect(fixture->source, NULL, 0, &error), STATUS_BUSY);
    assert_true(side_now_us() - begun_us < 8 * SECOND_US);
    assert_non_null(strstr(error.message, "refused"));
    assert_int_equal(fixture_fetch_once(fixture, &fixture->groups[0], &error), STATUS_BUSY);
}

/* Connected, and never heard of again: librdkafka does not say that all brokers are down. */
static void test_brokers_that_fall_silent(void **state)
{
    SourceFixture *fixture = *state;
    Error error = {0};
    Status status = STATUS_OK;
    if (kafka_topic_is_real()) {
        skip();
    }
    source_close(fixture->source);
    topic_of(fixture)->options.timeout_us = SECOND_US;
    fixture->source = kafka_topic_open(topic_of(fixture));
    fixture_put(fixture, 0, 1, 5);
    fixture_connect(fixture);
    fixture_take(fixture, 5);
    rd_kafka_mock_broker_set_rtt(topic_of(fixture)->mock, TOPIC_BROKER, 100 * 1000);
    for (int64_t until_us = side_now_us() + PATIENCE_US; status == STATUS_OK && side_now_us() < until_us;) {
        fixture->source->ops->wait(fixture->source, SECOND_US / 10);
        status = fixture->source->ops->fetch(fixture->source, NULL, &error);
    }
    assert_int_equal(status, STATUS_BUSY);
    assert_non_null(strstr(error.message, "no broker has answered for 1 s"));
    rd_kafka_mock_broker_set_rtt(topic_of(fixture)->mock, TOPIC_BROKER, 0);
}

static void test_no_such_topic(void **state)
{
    SourceFixture *fixture = *state;
    Error error = {0};
    char topics[4 * TEXT_BYTES];
    snprintf(topics, sizeof topics, "%s,%s-missing", topic_of(fixture)->name, topic_of(fixture)->name);
    if (!kafka_topic_is_real()) {
        skip(); /* the mock makes it */
    }
    source_close(fixture->source);
    topic_of(fixture)->options.topics = topics;
    fixture->source = kafka_topic_open(topic_of(fixture));
    for (int i = 0; i < 2; i++) { /* asking for it does not make it */
        assert_int_equal(fixture_try_connect(fixture, &error), STATUS_BUSY);
        assert_non_null(strstr(error.message, "-missing: Broker: Unknown topic or partition"));
    }
}

#define OWN_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        OWN_TEST(test_a_new_group_begins_now),
        OWN_TEST(test_the_group_is_further),
        OWN_TEST(test_the_group_is_behind),
        OWN_TEST(test_an_older_copy_of_the_store),
        OWN_TEST(test_another_store_was_further),
        OWN_TEST(test_no_place_where_we_have_read),
        OWN_TEST(test_another_message_is_there),
        OWN_TEST(test_the_end_went_back),
        OWN_TEST(test_made_anew),
        OWN_TEST(test_removed_before_it_was_read),
        OWN_TEST(test_headers),
        OWN_TEST(test_values),
        OWN_TEST(test_another_member_comes_and_goes),
        OWN_TEST(test_a_commit_that_fails_is_made_again),
        OWN_TEST(test_stays_a_member),
        OWN_TEST(test_lag),
        OWN_TEST(test_options),
        OWN_TEST(test_nobody_there),
        OWN_TEST(test_brokers_that_fall_silent),
        OWN_TEST(test_no_such_topic),
    };
    bool real = kafka_topic_is_real();
    printf("# on %s\n", real ? "a real Kafka" : "librdkafka's mock cluster");
    int failed = source_suite_run(kafka_source_side());
    return failed + cmocka_run_group_tests_name(real ? "kafka-real" : "kafka-mock", tests, NULL, NULL);
}
