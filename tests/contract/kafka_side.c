#include "kafka_side.h"

#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>

enum { ROOM = 16, PARTITIONS = 1, REPLICAS = 1, TOPIC_MS_MAX = 30000, READ_SECONDS = 30 };

static const char *real_brokers(void) { return getenv("KAFKA_FOR_TESTS"); }

bool kafka_side_is_real(void) { return real_brokers() != NULL; }

/* ---- Topics ------------------------------------------------------------------------------------------------------ */

static void drop_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

static rd_kafka_t *make_client(const char *brokers)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, drop_log);
    if (brokers && rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text) != RD_KAFKA_CONF_OK) {
        fail_msg("%s", text);
    }
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!client) {
        fail_msg("%s", text);
    }
    return client;
}

static void make_topic(rd_kafka_t *client, const char *name, const char *bytes_max)
{
    char text[256];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, PARTITIONS, REPLICAS, text, sizeof text);
    if (bytes_max[0] != '\0') {
        rd_kafka_NewTopic_set_config(topic, "max.message.bytes", bytes_max);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TOPIC_MS_MAX);
    assert_non_null(event);
    assert_int_equal(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
}

/* ---- Start and stop ---------------------------------------------------------------------------------------------- */

static void start_cluster(KafkaSide *side, const char *topic, const char *bytes_max)
{
    side->client = make_client(real_brokers());
    if (kafka_side_is_real()) {
        side->brokers = real_brokers();
        make_topic(side->client, topic, bytes_max);
        return;
    }
    side->mock = rd_kafka_mock_cluster_new(side->client, 1);
    assert_non_null(side->mock);
    side->brokers = rd_kafka_mock_cluster_bootstraps(side->mock);
    assert_int_equal(rd_kafka_mock_topic_create(side->mock, topic, PARTITIONS, REPLICAS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

KafkaSide *kafka_side_start(const char *bytes_max)
{
    static unsigned number;
    char topic[128];
    KafkaSide *side = test_calloc(1, sizeof *side);
    snprintf(side->prefix, sizeof side->prefix, "t%d-%u.", (int)getpid(), ++number);
    snprintf(topic, sizeof topic, "%snotifications", side->prefix);
    start_cluster(side, topic, bytes_max);
    side->info = (StoreInfo){.epoch = 1};
    memcpy(side->info.id, side->prefix, sizeof side->info.id);
    side->options = (SinkOptions){.name = "here",
                                  .type = SINK_KAFKA,
                                  .subscription = {.kinds = 1U << MESSAGE_NOTIFICATION, .type = -1},
                                  .in_flight_max = ROOM,
                                  .timeout_us = 10000000,
                                  .brokers = side->brokers,
                                  .properties = "",
                                  .prefix = side->prefix};
    side->context =
        (SinkContext){.options = &side->options, .info = &side->info, .clock = &clock_system, .random = &random_system};
    side->reader = kafka_reader_open(side->brokers, topic);
    return side;
}

static void release_copy(KafkaCopy *copy)
{
    char **texts[] = {&copy->id,           &copy->source,      &copy->type,   &copy->time, &copy->version,
                      &copy->content_type, &copy->traceparent, &copy->replay, &copy->key,  &copy->body};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(*texts[i]);
    }
}

void kafka_side_stop(KafkaSide *side)
{
    kafka_reader_close(side->reader);
    if (side->mock) {
        rd_kafka_mock_cluster_destroy(side->mock);
    }
    rd_kafka_destroy(side->client);
    for (size_t i = 0; i < side->count; i++) {
        release_copy(&side->copies[i]);
    }
    free(side->copies);
    test_free(side);
}

/* ---- Sinks that are watched -------------------------------------------------------------------------------------- */

static KafkaSide *watched_side;
static const SinkOps *real_ops;
static SinkOps watched_ops;

static Status note_and_send(Sink *sink, const Message *messages, size_t count, const SinkPlace *place, Error *reterr)
{
    watched_side->stale = true;
    return real_ops->send(sink, messages, count, place, reterr);
}

Sink *kafka_side_open(KafkaSide *side, int64_t replay_job)
{
    Sink *sink;
    Error error = {0};
    side->context.replay_job = replay_job;
    if (sink_open(&side->context, &sink, &error) != STATUS_OK) {
        fail_msg("open: %s", error.message);
    }
    real_ops = sink->ops;
    watched_ops = *sink->ops;
    watched_ops.send = note_and_send;
    sink->ops = &watched_ops;
    watched_side = side;
    return sink;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static char *copy_text(Str text)
{
    char *copy = calloc(1, text.len + 1);
    assert_non_null(copy);
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return copy;
}

static void note(void *context, const rd_kafka_message_t *message)
{
    KafkaSide *side = context;
    if (side->count == side->cap) {
        side->cap = side->cap > 0 ? 2 * side->cap : 256;
        side->copies = realloc(side->copies, side->cap * sizeof *side->copies);
        assert_non_null(side->copies);
    }
    side->copies[side->count++] = (KafkaCopy){.id = copy_text(kafka_header(message, "ce_id")),
                                              .source = copy_text(kafka_header(message, "ce_source")),
                                              .type = copy_text(kafka_header(message, "ce_type")),
                                              .time = copy_text(kafka_header(message, "ce_time")),
                                              .version = copy_text(kafka_header(message, "ce_specversion")),
                                              .content_type = copy_text(kafka_header(message, "content-type")),
                                              .traceparent = copy_text(kafka_header(message, "traceparent")),
                                              .replay = copy_text(kafka_header(message, "replay-id")),
                                              .key = copy_text((Str){message->key, message->key_len}),
                                              .body = copy_text((Str){message->payload, message->len})};
}

size_t kafka_side_count(KafkaSide *side)
{
    if (side->stale) {
        assert_true(kafka_reader_read(side->reader, READ_SECONDS, note, side));
        side->stale = false;
    }
    return side->count;
}
