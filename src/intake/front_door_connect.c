#include "base/log.h"
#include "broker/kafka_client.h"
#include "broker/kafka_end.h"
#include "broker/kafka_error.h"
#include "broker/kafka_properties.h"
#include "config/options.h"
#include "intake/front_door_kafka.h"

enum {
    PROBE_MS = 1000,       /* for a broker to answer */
    PROBE_US = 500000,     /* between two questions */
    PROBES_FAILED_MAX = 2, /* while nothing else speaks for it that no broker is there */
    END_MS = 2000,
};

/* ---- Settings ---------------------------------------------------------------------------------------------------- */

/* The source's properties are a consumer's and a producer's at once; librdkafka passes over what is not for the one
 * that it makes. */
static const KafkaReserved ours[] = {
    {"acks", "every replica in sync has to have a record before it is acknowledged"},
    {"delivery.timeout.ms", "the option http.request_timeout decides it"},
    {"enable.idempotence", "without it a repeated request would repeat its records, and change their order"},
    {"message.timeout.ms", "the option http.request_timeout decides it"},
    {"queue.buffering.max.kbytes", "the option http.front_door_bytes_max decides it"},
    {"queue.buffering.max.messages", "the option http.front_door_bytes_max decides it"},
    {"queuing.strategy", "records keep their order"},
    {"request.required.acks", "every replica in sync has to have a record before it is acknowledged"},
    {"transactional.id", "the front door has no transactions"},
};

/* What a user may change. Keys go to the same partitions as with Java's clients and with Weir's sinks. Whoever waits
 * for an answer does not wait long for others to go along. Brokers that are back are found soon. */
static const KafkaSetting defaults[] = {
    {"client.id", "weir"},
    {"linger.ms", "1"},
    {"partitioner", "murmur2_random"},
    {"reconnect.backoff.max.ms", "1000"},
    {"socket.nagle.disable", "true"},
};

/* Its own queue is never full, since what we hand to it is bounded. */
static Status set_ours(KafkaFrontDoor *door, Error *reterr)
{
    char timeout[24];
    snprintf(timeout, sizeof timeout, "%lld", (long long)(door->options.timeout_us / 1000));
    const KafkaSetting settings[] = {
        {"bootstrap.servers", door->options.source->brokers},
        {"acks", "all"},
        {"enable.idempotence", "true"},
        {"message.timeout.ms", timeout},
        {"queue.buffering.max.kbytes", "2147483647"},
        {"queue.buffering.max.messages", "10000000"},
    };
    return kafka_settings_put(door->conf, settings, sizeof settings / sizeof *settings, reterr);
}

Status front_door_settings(KafkaFrontDoor *door, Error *reterr)
{
    const SourceOptions *source = door->options.source;
    Status status = kafka_brokers_check(source->brokers, reterr);
    if (status == STATUS_OK && !(door->conf = rd_kafka_conf_new())) {
        status = error_set(reterr, STATUS_BUSY, "out of memory");
    }
    if (status == STATUS_OK) {
        status = kafka_settings_put(door->conf, defaults, sizeof defaults / sizeof *defaults, reterr);
    }
    if (status == STATUS_OK) {
        status =
            kafka_properties_put(door->conf, str_from(source->properties), ours, sizeof ours / sizeof *ours, reterr);
    }
    if (status == STATUS_OK) {
        status = set_ours(door, reterr);
    }
    return status;
}

/* ---- The producer ------------------------------------------------------------------------------------------------ */

void front_door_disconnect(KafkaFrontDoor *door)
{
    if (!door->producer) {
        return;
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(door->producer);
    rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
    rd_kafka_queue_destroy(queue);
    if (door->topic) {
        rd_kafka_topic_destroy(door->topic);
    }
    kafka_end(door->producer, END_MS);
    door->topic = NULL;
    door->producer = NULL;
}

/* The thread is woken when there is something in its queue that was empty. */
static void let_it_wake(KafkaFrontDoor *door)
{
    static const uint64_t one = 1;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(door->producer);
    rd_kafka_queue_io_event_enable(queue, door->wakeup.fd, &one, sizeof one);
    rd_kafka_queue_destroy(queue);
}

Status front_door_renew(KafkaFrontDoor *door, Error *reterr)
{
    front_door_disconnect(door);
    Status status = kafka_client_new(RD_KAFKA_PRODUCER, door->conf, &door->producer, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    door->topic = rd_kafka_topic_new(door->producer, door->topic_name, NULL);
    if (!door->topic) {
        front_door_disconnect(door);
        return error_set(reterr, STATUS_REFUSED, "topics: %s: %s", door->topic_name,
                         rd_kafka_err2str(rd_kafka_last_error()));
    }
    let_it_wake(door);
    return STATUS_OK;
}

/* ---- Whether somebody is there ----------------------------------------------------------------------------------- */

static void log_state(const KafkaFrontDoor *door, FrontDoorState state, const char *error)
{
    LogPair source = log_text("source", door->options.source->name), topic = log_text("topic", door->topic_name);
    if (state == FRONT_DOOR_OPEN) {
        log_info("the front door is open", source, topic);
    } else {
        log_warn("the front door is down", source, topic, log_text("error", error));
    }
}

static void set_state(KafkaFrontDoor *door, FrontDoorState state, const char *error)
{
    pthread_mutex_lock(&door->lock);
    bool is_new = door->status.state != state;
    door->status.state = state;
    if (is_new || state != FRONT_DOOR_OPEN) { /* what the last call failed with stays */
        snprintf(door->status.error, sizeof door->status.error, "%s", error);
    }
    pthread_mutex_unlock(&door->lock);
    if (is_new && state != FRONT_DOOR_CONNECTING) {
        log_state(door, state, error);
    }
}

void front_door_is_up(KafkaFrontDoor *door)
{
    door->reason[0] = '\0';
    bool is_known = !door->is_suspect && door->probes_failed == 0 && door->probe_us == INT64_MAX;
    if (!is_known) {
        door->is_suspect = false;
        door->probes_failed = 0;
        door->probe_us = INT64_MAX;
        set_state(door, FRONT_DOOR_OPEN, "");
    }
}

void front_door_is_in_doubt(KafkaFrontDoor *door)
{
    if (door->probe_us == INT64_MAX) {
        door->probe_us = front_door_now_us(door);
    }
}

/* What librdkafka complained about says more than that nobody answered. */
static void note_failure(KafkaFrontDoor *door, rd_kafka_resp_err_t code)
{
    char error[ERROR_MESSAGE_BYTES_MAX];
    bool is_silent = kafka_client_says_nothing(code);
    rd_kafka_poll(door->producer, 0);
    if (is_silent) {
        snprintf(error, sizeof error, "no broker answers as it should%s%s%s", door->reason[0] ? " (" : "", door->reason,
                 door->reason[0] ? ")" : "");
    } else {
        snprintf(error, sizeof error, "topic %s: %s", door->topic_name, rd_kafka_err2str(code));
    }
    door->probes_failed++;
    bool is_down = !is_silent || door->is_suspect || door->probes_failed >= PROBES_FAILED_MAX;
    set_state(door, is_down ? FRONT_DOOR_DOWN : FRONT_DOOR_CONNECTING, error);
}

static bool is_doubtful(const KafkaFrontDoor *door)
{
    return door->is_suspect || door->probes_failed > 0 || door->probe_us != INT64_MAX;
}

void front_door_probe(KafkaFrontDoor *door)
{
    int64_t now_us = front_door_now_us(door);
    if (!door->producer || !is_doubtful(door) || (now_us < door->probe_us && door->probe_us != INT64_MAX)) {
        return;
    }
    rd_kafka_resp_err_t code = kafka_client_ask_topic(door->producer, door->topic, PROBE_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        front_door_is_up(door);
    } else {
        note_failure(door, code);
        door->probe_us = front_door_now_us(door) + PROBE_US;
    }
}
