#include "support/kafka_reader.h"

enum { PARTITIONS_MAX = 64 };

struct KafkaReader {
    rd_kafka_t *consumer;
    char *topic;
    int32_t partitions;
    int64_t next[PARTITIONS_MAX]; /* offsets */
};

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "%s\n", text);
        abort();
    }
}

/* Brokers that are restarted complain; what matters is whether everything comes. */
static void drop_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

KafkaReader *kafka_reader_open(const char *brokers, const char *topic)
{
    char text[256];
    KafkaReader *reader = calloc(1, sizeof *reader);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", "weir-tests-reader");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.partition.eof", "true");
    set(conf, "isolation.level", "read_committed");
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "fetch.wait.max.ms", "20");
    rd_kafka_conf_set_log_cb(conf, drop_log);
    reader->topic = strdup(topic);
    reader->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!reader->consumer) {
        fprintf(stderr, "%s\n", text);
        abort();
    }
    rd_kafka_poll_set_consumer(reader->consumer);
    return reader;
}

void kafka_reader_close(KafkaReader *reader)
{
    if (reader) {
        rd_kafka_consumer_close(reader->consumer);
        rd_kafka_destroy(reader->consumer);
        free(reader->topic);
        free(reader);
    }
}

/* A topic that is not there has no partitions. */
static bool count_partitions(KafkaReader *reader, int seconds)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(reader->consumer, reader->topic, NULL);
    rd_kafka_resp_err_t code = rd_kafka_metadata(reader->consumer, 0, topic, &metadata, 1000 * seconds);
    rd_kafka_topic_destroy(topic);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    reader->partitions = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    return reader->partitions <= PARTITIONS_MAX;
}

/* Assigning anew has each partition tell its end again. */
static void assign(KafkaReader *reader)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(reader->partitions);
    for (int32_t i = 0; i < reader->partitions; i++) {
        rd_kafka_topic_partition_list_add(list, reader->topic, i)->offset = reader->next[i];
    }
    rd_kafka_assign(reader->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
}

bool kafka_reader_read(KafkaReader *reader, int seconds, KafkaVisitor *visit, void *context)
{
    bool at_end[PARTITIONS_MAX] = {false};
    if (!count_partitions(reader, seconds)) {
        return false;
    }
    assign(reader);
    int32_t left = reader->partitions;
    /* Each wait is at most a tenth of a second, and only those without a message count. */
    for (int waits = 10 * seconds; left > 0 && waits > 0;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reader->consumer, 100);
        if (!message) {
            waits--;
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            reader->next[message->partition] = message->offset + 1;
            visit(context, message);
        } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && !at_end[message->partition]) {
            at_end[message->partition] = true;
            left--;
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_assign(reader->consumer, NULL);
    return left == 0;
}

Str kafka_header(const rd_kafka_message_t *message, const char *name)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t len;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return (Str){0};
    }
    return (Str){value, len};
}
