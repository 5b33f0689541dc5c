#include "kafka_topic.h"

#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/random.h"

enum { REPLICAS = 1, ADMIN_MS_MAX = 30000, ANSWER_MS_MAX = 15000, AGAIN_MS = 100, HEADERS_MAX = 8 };

static const char *real_brokers(void) { return getenv("KAFKA_FOR_TESTS"); }

bool kafka_topic_is_real(void) { return real_brokers() != NULL; }

/* ---- Clients ----------------------------------------------------------------------------------------------------- */

static void drop_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
        fail_msg("%s", text);
    }
}

static rd_kafka_t *make_client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char text[256];
    rd_kafka_conf_set_log_cb(conf, drop_log);
    rd_kafka_t *client = rd_kafka_new(type, conf, text, sizeof text);
    if (!client) {
        fail_msg("%s", text);
    }
    return client;
}

static rd_kafka_t *make_producer(const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (brokers) {
        set(conf, "bootstrap.servers", brokers);
    }
    set(conf, "message.max.bytes", "20000000");
    set(conf, "acks", "all");
    set(conf, "linger.ms", "0");
    return make_client(RD_KAFKA_PRODUCER, conf);
}

static rd_kafka_conf_t *group_conf(const KafkaTopic *topic)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", topic->brokers);
    set(conf, "group.id", topic->group);
    set(conf, "enable.auto.commit", "false");
    set(conf, "partition.assignment.strategy", "cooperative-sticky");
    set(conf, "auto.offset.reset", "earliest");
    return conf;
}

/* ---- Start and stop ---------------------------------------------------------------------------------------------- */

static void must_be_done(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_MS_MAX);
    assert_non_null(event);
    assert_int_equal(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
}

static void make_real_topic(KafkaTopic *topic)
{
    char text[256];
    rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(topic->name, topic->partitions, REPLICAS, text, sizeof text);
    rd_kafka_NewTopic_set_config(made, "max.message.bytes", "20000000");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(topic->producer);
    rd_kafka_CreateTopics(topic->producer, &made, 1, NULL, queue);
    must_be_done(queue);
    rd_kafka_NewTopic_destroy(made);
}

static void start_cluster(KafkaTopic *topic, int mock_brokers)
{
    topic->producer = make_producer(real_brokers());
    if (kafka_topic_is_real()) {
        topic->brokers = real_brokers();
        make_real_topic(topic);
        return;
    }
    topic->mock = rd_kafka_mock_cluster_new(topic->producer, mock_brokers);
    assert_non_null(topic->mock);
    topic->brokers = rd_kafka_mock_cluster_bootstraps(topic->mock);
    assert_int_equal(rd_kafka_mock_topic_create(topic->mock, topic->name, topic->partitions, REPLICAS),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    /* A producer that a mock lives in is not its client. */
    topic->producer = make_producer(topic->brokers);
}

static KafkaTopic *start(int mock_brokers, int32_t partitions)
{
    static unsigned number;
    KafkaTopic *topic = test_calloc(1, sizeof *topic);
    snprintf(topic->name, sizeof topic->name, "t%d-%u", (int)getpid(), ++number);
    snprintf(topic->group, sizeof topic->group, "g%d-%u", (int)getpid(), number);
    topic->partitions = partitions;
    start_cluster(topic, mock_brokers);
    topic->asker = make_client(RD_KAFKA_CONSUMER, group_conf(topic));
    topic->info = (StoreInfo){.epoch = 1};
    topic->options = (SourceOptions){.name = "here",
                                     .type = SOURCE_KAFKA,
                                     .group_messages_max = 100,
                                     .message_bytes_max = 1 << 20,
                                     .timeout_us = 10000000,
                                     .brokers = topic->brokers,
                                     .properties = "session.timeout.ms=6000",
                                     .topics = topic->name,
                                     .group = topic->group,
                                     .from_beginning = true};
    topic->context = (SourceContext){
        .options = &topic->options, .info = &topic->info, .clock = &clock_system, .random = &random_system};
    return topic;
}

KafkaTopic *kafka_topic_start(void) { return start(1, TOPIC_PARTITIONS); }

KafkaTopic *kafka_topic_start_on_two(int32_t partitions, int32_t first, int32_t last)
{
    KafkaTopic *topic = start(2, partitions);
    for (int32_t i = 0; i < partitions; i++) {
        rd_kafka_mock_partition_set_leader(topic->mock, topic->name, i, TOPIC_BROKER + (i >= first && i <= last));
    }
    rd_kafka_mock_coordinator_set(topic->mock, "group", topic->group, TOPIC_BROKER);
    return topic;
}

void kafka_topic_stop(KafkaTopic *topic)
{
    rd_kafka_t *owner = topic->mock ? rd_kafka_mock_cluster_handle(topic->mock) : NULL;
    rd_kafka_destroy_flags(topic->asker, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    rd_kafka_destroy(topic->producer);
    if (topic->mock) {
        rd_kafka_mock_cluster_destroy(topic->mock);
        rd_kafka_destroy(owner);
    }
    test_free(topic);
}

Source *kafka_topic_open(KafkaTopic *topic)
{
    Source *source;
    Error error = {0};
    if (source_open(&topic->context, &source, &error) != STATUS_OK) {
        fail_msg("open: %s", error.message);
    }
    return source;
}

/* ---- Putting ----------------------------------------------------------------------------------------------------- */

static rd_kafka_headers_t *make_headers(const KafkaHeader *headers, size_t count)
{
    assert_in_range(count, 0, HEADERS_MAX);
    rd_kafka_headers_t *made = rd_kafka_headers_new(count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_header_add(made, headers[i].name, -1, headers[i].value, -1);
    }
    return made;
}

void kafka_topic_put(KafkaTopic *topic, int32_t partition, Str key, Str value, const KafkaHeader *headers,
                     size_t header_count)
{
    rd_kafka_resp_err_t code =
        rd_kafka_producev(topic->producer, RD_KAFKA_V_TOPIC(topic->name), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key.len ? key.ptr : NULL, key.len),
                          RD_KAFKA_V_VALUE((void *)(uintptr_t)value.ptr, value.len),
                          RD_KAFKA_V_HEADERS(make_headers(headers, header_count)), RD_KAFKA_V_END);
    assert_int_equal(code, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_flush(topic->producer, ANSWER_MS_MAX), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* ---- The group's offsets ----------------------------------------------------------------------------------------- */

int64_t kafka_topic_committed(KafkaTopic *topic, int32_t partition)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic->name, partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(topic->asker, list, ANSWER_MS_MAX);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    assert_int_equal(code, RD_KAFKA_RESP_ERR_NO_ERROR);
    return offset >= 0 ? offset : -1;
}

void kafka_topic_commit(KafkaTopic *topic, int32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic->name, partition)->offset = offset;
    assert_int_equal(rd_kafka_commit(topic->asker, list, false), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

int64_t kafka_topic_left(KafkaTopic *topic)
{
    int64_t left = 0;
    for (int32_t i = 0; i < topic->partitions; i++) {
        int64_t low, high, committed = kafka_topic_committed(topic, i);
        assert_int_equal(rd_kafka_query_watermark_offsets(topic->asker, topic->name, i, &low, &high, ANSWER_MS_MAX),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        left += high - (committed > low ? committed : low);
    }
    return left;
}

/* ---- What happens to topics -------------------------------------------------------------------------------------- */

void kafka_topic_trim(KafkaTopic *topic, int32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic->name, partition)->offset = offset;
    rd_kafka_DeleteRecords_t *trim = rd_kafka_DeleteRecords_new(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(topic->producer);
    rd_kafka_DeleteRecords(topic->producer, &trim, 1, NULL, queue);
    must_be_done(queue);
    rd_kafka_DeleteRecords_destroy(trim);
    rd_kafka_topic_partition_list_destroy(list);
}

static bool is_there(KafkaTopic *topic)
{
    const struct rd_kafka_metadata *metadata;
    assert_int_equal(rd_kafka_metadata(topic->asker, 1, NULL, &metadata, ANSWER_MS_MAX), RD_KAFKA_RESP_ERR_NO_ERROR);
    bool found = false;
    for (int i = 0; i < metadata->topic_cnt; i++) {
        found = found || strcmp(metadata->topics[i].topic, topic->name) == 0;
    }
    rd_kafka_metadata_destroy(metadata);
    return found;
}

void kafka_topic_make_anew(KafkaTopic *topic)
{
    rd_kafka_DeleteTopic_t *deleted = rd_kafka_DeleteTopic_new(topic->name);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(topic->producer);
    rd_kafka_DeleteTopics(topic->producer, &deleted, 1, NULL, queue);
    must_be_done(queue);
    rd_kafka_DeleteTopic_destroy(deleted);
    for (int i = 0; is_there(topic) && i < ADMIN_MS_MAX / AGAIN_MS; i++) {
        usleep(1000 * AGAIN_MS);
    }
    assert_false(is_there(topic));
    make_real_topic(topic);
    /* One that has known the topic before would go on where that was. */
    rd_kafka_destroy(topic->producer);
    topic->producer = make_producer(topic->brokers);
}

/* ---- Others of the group ----------------------------------------------------------------------------------------- */

/* As librdkafka would do it by itself; but then a member that closes does not leave (2.0.2). */
static void follow(rd_kafka_t *member, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *self)
{
    (void)self;
    rd_kafka_error_t *error = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
                                  ? rd_kafka_incremental_assign(member, list)
                                  : rd_kafka_incremental_unassign(member, list);
    if (error) {
        rd_kafka_error_destroy(error);
    }
}

rd_kafka_t *kafka_member_join(KafkaTopic *topic)
{
    rd_kafka_conf_t *conf = group_conf(topic);
    rd_kafka_conf_set_rebalance_cb(conf, follow);
    rd_kafka_t *member = make_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic->name, RD_KAFKA_PARTITION_UA);
    rd_kafka_poll_set_consumer(member);
    assert_int_equal(rd_kafka_subscribe(member, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    return member;
}

/* Reads on, as a member does. */
int kafka_member_holds(rd_kafka_t *member)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_message_t *message = rd_kafka_consumer_poll(member, AGAIN_MS);
    if (message) {
        rd_kafka_message_destroy(message);
    }
    assert_int_equal(rd_kafka_assignment(member, &list), RD_KAFKA_RESP_ERR_NO_ERROR);
    int count = list->cnt;
    rd_kafka_topic_partition_list_destroy(list);
    return count;
}

void kafka_member_leave(rd_kafka_t *member)
{
    assert_int_equal(rd_kafka_consumer_close(member), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(member);
}
