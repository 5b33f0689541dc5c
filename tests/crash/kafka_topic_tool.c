/* What happens around a Kafka source, for tests/e2e/kafka_source.test.mjs.
 *
 *   kafka_topic_tool make BROKERS TOPIC PARTITIONS            makes the topic, and waits until it is there
 *   kafka_topic_tool delete BROKERS TOPIC                     deletes it, and waits until it is gone
 *   kafka_topic_tool put BROKERS TOPIC FIRST COUNT            records rec-FIRST … in turn into each partition; acks of
 *                                                             all
 *   kafka_topic_tool lines BROKERS TOPIC                      each line of the input a message: "partition headers
 *                                                             value", where headers are name=value,… or -, and the
 *                                                             value NULL is a tombstone, LONG:n is n bytes
 *   kafka_topic_tool member BROKERS TOPIC GROUP MS            joins the group, holds what it is given for so long,
 *                                                             reads, commits nothing and leaves; prints how many
 *                                                             partitions and messages it had */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "base/clock.h"
#include "base/str.h"

enum { WAIT_MS = 60000, SLICE_MS = 100, RECORD_BYTES = 512, LINE_BYTES = 65536, DESTINATIONS = 20, TEXT_BYTES = 512 };

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void must(rd_kafka_resp_err_t code, const char *what)
{
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail(what, rd_kafka_err2str(code));
    }
}

static int64_t number(const char *text)
{
    uint64_t value;
    if (!str_to_u64(str_from(text), INT64_MAX, &value)) {
        fail(text, "is not a number");
    }
    return (int64_t)value;
}

/* ---- Clients ----------------------------------------------------------------------------------------------------- */

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[TEXT_BYTES];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
        fail(name, text);
    }
}

static rd_kafka_t *new_client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char text[TEXT_BYTES];
    rd_kafka_t *client = rd_kafka_new(type, conf, text, sizeof text);
    if (!client) {
        fail("a client", text);
    }
    return client;
}

static void note_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *self)
{
    (void)producer, (void)self;
    must(message->err, "a message was not taken");
}

static rd_kafka_t *new_producer(const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "acks", "all");
    set(conf, "linger.ms", "5");
    set(conf, "message.max.bytes", "20000000");
    rd_kafka_conf_set_dr_msg_cb(conf, note_report);
    return new_client(RD_KAFKA_PRODUCER, conf);
}

/* ---- Topics ------------------------------------------------------------------------------------------------------ */

static void await(rd_kafka_queue_t *queue, const char *what)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    if (!event) {
        fail(what, "no answer");
    }
    must(rd_kafka_event_error(event), what);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
}

/* -1 while it is not there. */
static int partitions_of(rd_kafka_t *client, const char *name)
{
    const struct rd_kafka_metadata *metadata;
    int count = -1;
    must(rd_kafka_metadata(client, 1, NULL, &metadata, WAIT_MS), "asking for topics");
    for (int i = 0; i < metadata->topic_cnt; i++) {
        bool is_it = strcmp(metadata->topics[i].topic, name) == 0;
        count =
            is_it && metadata->topics[i].err == RD_KAFKA_RESP_ERR_NO_ERROR ? metadata->topics[i].partition_cnt : count;
    }
    rd_kafka_metadata_destroy(metadata);
    return count;
}

static void await_partitions(rd_kafka_t *client, const char *name, int count)
{
    for (int waited = 0; partitions_of(client, name) != count; waited += SLICE_MS) {
        if (waited > WAIT_MS) {
            fail(name, "the topic is not as it was to be");
        }
        usleep(1000 * SLICE_MS);
    }
}

static int make(char **args)
{
    char text[TEXT_BYTES];
    int count = (int)number(args[2]);
    rd_kafka_t *client = new_producer(args[0]);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(args[1], count, -1, text, sizeof text);
    rd_kafka_NewTopic_set_config(topic, "max.message.bytes", "20000000");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    await(queue, "making the topic");
    rd_kafka_NewTopic_destroy(topic);
    await_partitions(client, args[1], count);
    rd_kafka_destroy(client);
    return 0;
}

static int delete (char **args)
{
    rd_kafka_t *client = new_producer(args[0]);
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(args[1]);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteTopics(client, &topic, 1, NULL, queue);
    await(queue, "deleting the topic");
    rd_kafka_DeleteTopic_destroy(topic);
    await_partitions(client, args[1], -1);
    rd_kafka_destroy(client);
    return 0;
}

/* ---- Messages ---------------------------------------------------------------------------------------------------- */

/* Moves the headers. */
static void put_message(rd_kafka_t *producer, const char *topic, int32_t partition, Str value,
                        rd_kafka_headers_t *headers)
{
    for (;;) {
        rd_kafka_headers_t *copy = rd_kafka_headers_copy(headers);
        rd_kafka_resp_err_t code = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                                                     RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                                     RD_KAFKA_V_VALUE((void *)(uintptr_t)value.ptr, value.len),
                                                     RD_KAFKA_V_HEADERS(copy), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            break;
        }
        rd_kafka_headers_destroy(copy);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            must(code, "sending");
        }
        rd_kafka_poll(producer, SLICE_MS);
    }
    rd_kafka_headers_destroy(headers);
    rd_kafka_poll(producer, 0);
}

static void end_producer(rd_kafka_t *producer)
{
    must(rd_kafka_flush(producer, WAIT_MS), "sending");
    rd_kafka_destroy(producer);
}

static int put(char **args)
{
    char text[RECORD_BYTES];
    rd_kafka_t *producer = new_producer(args[0]);
    int64_t first = number(args[2]), count = number(args[3]);
    int partitions = partitions_of(producer, args[1]);
    if (partitions < 1) {
        fail(args[1], "there is no such topic");
    }
    for (int64_t i = first; i < first + count; i++) {
        int len = snprintf(text, sizeof text,
                           "{\"recordId\":\"rec-%lld\",\"time\":\"2025-01-01T10:00:00Z\",\"sourceId\":\"source-1\","
                           "\"destinationId\":\"dest-%lld\",\"type\":\"%s\",\"value\":\"1.50\",\"unit\":\"EUR\","
                           "\"reference\":\"ref\"}",
                           (long long)i, (long long)(i % DESTINATIONS), i % 3 ? "positive" : "negative");
        put_message(producer, args[1], (int32_t)(i % partitions), (Str){text, (size_t)len}, rd_kafka_headers_new(0));
    }
    end_producer(producer);
    return 0;
}

/* name=value,… */
static rd_kafka_headers_t *read_headers(Str text)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    while (text.ptr && !str_is(text, "-")) {
        Str value = str_split(&text, ',');
        Str name = str_split(&value, '=');
        rd_kafka_header_add(headers, name.ptr, (ssize_t)name.len, value.ptr, (ssize_t)value.len);
    }
    return headers;
}

static void put_line(rd_kafka_t *producer, const char *topic, Str line)
{
    uint64_t partition = 0, bytes = 0;
    Str first = str_split(&line, ' '), headers = str_split(&line, ' '), word = line;
    if (!str_to_u64(first, INT32_MAX, &partition)) {
        fail("a line", "begins with a partition");
    }
    if (str_is(str_split(&word, ':'), "LONG") && str_to_u64(word, 1 << 26, &bytes)) {
        char *value = malloc(bytes + 1);
        memset(value, 'x', bytes);
        put_message(producer, topic, (int32_t)partition, (Str){value, bytes}, read_headers(headers));
        free(value);
        return;
    }
    Str value = str_is(line, "NULL") ? (Str){0} : (Str){line.len ? line.ptr : "", line.len};
    put_message(producer, topic, (int32_t)partition, value, read_headers(headers));
}

static int lines(char **args)
{
    static char line[LINE_BYTES];
    rd_kafka_t *producer = new_producer(args[0]);
    while (fgets(line, sizeof line, stdin)) {
        put_line(producer, args[1], (Str){line, strcspn(line, "\n")});
        must(rd_kafka_flush(producer, WAIT_MS), "sending"); /* each has the next offset */
    }
    end_producer(producer);
    return 0;
}

/* ---- Another member of the group --------------------------------------------------------------------------------- */

/* As librdkafka would do it by itself; but then a member that closes does not leave (2.0.2). */
static void follow(rd_kafka_t *member, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *self)
{
    int *held = self;
    bool given = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    rd_kafka_error_t *error =
        given ? rd_kafka_incremental_assign(member, list) : rd_kafka_incremental_unassign(member, list);
    *held += given ? list->cnt : -list->cnt;
    if (error) {
        rd_kafka_error_destroy(error);
    }
}

static rd_kafka_t *join(char **args, int *held)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", args[0]);
    set(conf, "group.id", args[2]);
    set(conf, "enable.auto.commit", "false");
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "partition.assignment.strategy", "cooperative-sticky");
    set(conf, "session.timeout.ms", "6000");
    rd_kafka_conf_set_rebalance_cb(conf, follow);
    rd_kafka_conf_set_opaque(conf, held);
    rd_kafka_t *member = new_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, args[1], RD_KAFKA_PARTITION_UA);
    rd_kafka_poll_set_consumer(member);
    must(rd_kafka_subscribe(member, list), "joining");
    rd_kafka_topic_partition_list_destroy(list);
    return member;
}

static int be_member(char **args)
{
    int held = 0, most = 0;
    int64_t messages = 0, until_us = 0;
    rd_kafka_t *member = join(args, &held);
    int64_t give_up_us = clock_monotonic_us(&clock_system) + INT64_C(1000) * WAIT_MS;
    for (int64_t now_us = 0; (now_us = clock_monotonic_us(&clock_system)) < (until_us ? until_us : give_up_us);) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(member, SLICE_MS);
        if (message) {
            messages += message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
            rd_kafka_message_destroy(message);
        }
        most = held > most ? held : most;
        until_us = most > 0 && until_us == 0 ? now_us + 1000 * number(args[3]) : until_us;
    }
    must(rd_kafka_consumer_close(member), "leaving");
    rd_kafka_destroy(member);
    printf("%d %lld\n", most, (long long)messages);
    return most == 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int args;
        int (*run)(char **args);
    } verbs[] = {
        {"make", 3, make}, {"delete", 2, delete}, {"put", 4, put}, {"lines", 2, lines}, {"member", 4, be_member}};
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0 && argc == verbs[i].args + 2) {
            return verbs[i].run(argv + 2);
        }
    }
    fprintf(stderr, "usage: see the head of kafka_topic_tool.c\n");
    return 2;
}
