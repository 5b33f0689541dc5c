#include "support/kafka_reader.h"

enum { PARTITIONS_MAX = 64 };

struct KafkaReader {
    rd_kafka_t *consumer; /* reads what is committed */
    rd_kafka_t *prober;   /* sees what is there, committed or not */
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

static rd_kafka_t *open_client(const char *brokers, const char *isolation)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", "weir-tests-reader");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.partition.eof", "true");
    set(conf, "isolation.level", isolation);
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "fetch.wait.max.ms", "20");
    rd_kafka_conf_set_log_cb(conf, drop_log);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!client) {
        fprintf(stderr, "%s\n", text);
        abort();
    }
    return client;
}

KafkaReader *kafka_reader_open(const char *brokers, const char *topic)
{
    KafkaReader *reader = calloc(1, sizeof *reader);
    reader->topic = strdup(topic);
    reader->consumer = open_client(brokers, "read_committed");
    reader->prober = open_client(brokers, "read_uncommitted");
    rd_kafka_poll_set_consumer(reader->consumer);
    return reader;
}

void kafka_reader_close(KafkaReader *reader)
{
    if (reader) {
        rd_kafka_consumer_close(reader->consumer);
        rd_kafka_destroy(reader->consumer);
        rd_kafka_destroy(reader->prober);
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

/* Where the partition ends now. */
static int64_t end_of(KafkaReader *reader, int32_t partition, int seconds)
{
    int64_t low = 0, high = 0;
    rd_kafka_resp_err_t code =
        rd_kafka_query_watermark_offsets(reader->prober, reader->topic, partition, &low, &high, 1000 * seconds);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? high : 0;
}

/* A reading of all partitions. A transaction is visible a moment after its commit was answered, when the brokers have
 * written its markers:
 * an end in front of what is there is the end only when nothing comes for a while, since a transaction may stay
 * open. */
typedef struct Reading {
    int64_t end[PARTITIONS_MAX], seen[PARTITIONS_MAX];
    bool told[PARTITIONS_MAX];
} Reading;

static bool is_at_end(const Reading *reading, int32_t partitions, bool is_quiet)
{
    for (int32_t i = 0; i < partitions; i++) {
        if (!reading->told[i] || (reading->seen[i] < reading->end[i] && !is_quiet)) {
            return false;
        }
    }
    return true;
}

static void take(KafkaReader *reader, Reading *reading, const rd_kafka_message_t *message, KafkaVisitor *visit,
                 void *context)
{
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        reader->next[message->partition] = message->offset + 1;
        visit(context, message);
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        reading->told[message->partition] = true;
        reading->seen[message->partition] = message->offset;
    }
}

bool kafka_reader_read(KafkaReader *reader, int seconds, KafkaVisitor *visit, void *context)
{
    enum { QUIET_WAITS = 20 };
    Reading reading = {0};
    if (!count_partitions(reader, seconds)) {
        return false;
    }
    for (int32_t i = 0; i < reader->partitions; i++) {
        reading.end[i] = end_of(reader, i, seconds);
    }
    assign(reader);
    /* Each wait is at most a tenth of a second, and only those without a message count. */
    int waits = 0, quiet = 0;
    while (!is_at_end(&reading, reader->partitions, quiet >= QUIET_WAITS) && waits < 10 * seconds) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reader->consumer, 100);
        waits += !message;
        quiet = message ? 0 : quiet + 1;
        if (message) {
            take(reader, &reading, message, visit, context);
            rd_kafka_message_destroy(message);
        }
    }
    rd_kafka_assign(reader->consumer, NULL);
    return is_at_end(&reading, reader->partitions, true);
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
