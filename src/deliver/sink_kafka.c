/* The sink for Kafka: a group of messages is a transaction, and the line's place is committed with it as a consumer
 * group's offset. A consumer that reads committed messages therefore has each one exactly once, wherever Weir is
 * killed:
 *
 *   connect()  init_transactions ends what a predecessor left open (and shuts it out, should it still live), then the
 *              place that was committed last is read back
 *   send()     begin, produce …, send_offsets_to_transaction, commit
 *
 * A producer whose transaction has failed is not used again, and nothing is aborted: requests that are still on their
 * way could end up in the next transaction, and librdkafka loses count of its sequence numbers at times. A new producer
 * with a higher epoch has the transaction aborted and cannot be mistaken. */
#include <unistd.h>

#include "broker/kafka_client.h"
#include "broker/kafka_error.h"
#include "broker/kafka_properties.h"
#include "deliver/kafka_parts.h"

enum {
    GROUP_MAX = 50000, /* half of what librdkafka's queue takes by default */
    GROUP_DEFAULT = 4000,
    UNWANTED_TOPIC_MS = 5000, /* where brokers make topics when they are asked for, one takes a moment to be there */
    LONGER_PART = 16,         /* a group that was taken makes the next one longer by so small a part */
};

/* ---- Sending ----------------------------------------------------------------------------------------------------- */

static size_t kafka_room(const Sink *base)
{
    const KafkaSink *sink = (const KafkaSink *)base;
    size_t free_entries = sink->group_max - sink->entered;
    if (!sink->producer) {
        return 0;
    }
    return sink->room < free_entries ? sink->room : free_entries;
}

static void enter_group(KafkaSink *sink, const Message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sink->entries[sink->entered++] =
            (KafkaEntry){.seq = messages[i].seq, .report = KAFKA_NOT_REPORTED, .verdict = SINK_HELD};
    }
}

static void refuse_entry(KafkaEntry *entry, rd_kafka_resp_err_t code)
{
    entry->report = code;
    entry->verdict = SINK_REFUSED;
}

/* Streams of these messages whose topics are to be asked for. That one cannot be had takes as long to learn as it may
 * take to be made, and is believed as long: letters that are tried again come in many groups, and each would keep the
 * others waiting. */
static bool list_unknown_topics(const KafkaSink *sink, const Message *messages, size_t count, bool *ret_unknown)
{
    bool any = false;
    int64_t now_us = kafka_now_us(sink);
    for (size_t i = 0; i < count; i++) {
        MessageStream stream = message_kind_stream(messages[i].kind);
        ret_unknown[stream] = !sink->topics[stream] && now_us >= sink->gone_until_us[stream];
        any = any || ret_unknown[stream];
    }
    return any;
}

/* What is librdkafka's own (codes below 0) is no fault of the topic, and not believed for long. */
static rd_kafka_resp_err_t find_unknown_topics(KafkaSink *sink, const bool *unknown)
{
    rd_kafka_resp_err_t trouble = RD_KAFKA_RESP_ERR_NO_ERROR;
    kafka_find_topics(sink, unknown, kafka_now_us(sink) + INT64_C(1000) * UNWANTED_TOPIC_MS, sink->gone);
    for (size_t i = 0; i < MESSAGE_STREAM_COUNT; i++) {
        if (unknown[i] && sink->gone[i] < 0) {
            trouble = sink->gone[i];
        } else if (unknown[i]) {
            sink->gone_until_us[i] = kafka_now_us(sink) + INT64_C(1000) * UNWANTED_TOPIC_MS;
        }
    }
    return trouble;
}

/* A message of a stream that the sink does not want comes when somebody asks for it: a dead letter of before. The topic
 * may be gone by now, or forbidden, which must not stop the others: the brokers' word for it is the message's. */
static rd_kafka_resp_err_t find_unwanted_topics(KafkaSink *sink, const Message *messages, size_t count)
{
    bool unknown[MESSAGE_STREAM_COUNT] = {false};
    if (list_unknown_topics(sink, messages, count, unknown)) {
        rd_kafka_resp_err_t code = find_unknown_topics(sink, unknown);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return code;
        }
    }
    for (size_t i = 0; i < count; i++) {
        MessageStream stream = message_kind_stream(messages[i].kind);
        if (!sink->topics[stream]) {
            refuse_entry(&sink->entries[sink->settled + i], sink->gone[stream]);
        }
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Those that librdkafka itself would not take. */
static void find_oversized(KafkaSink *sink, const Message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (kafka_message_bytes_max(&messages[i]) > sink->message_bytes_max) {
            refuse_entry(&sink->entries[sink->settled + i], RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
        }
    }
}

/* What is sure to be refused is told before a transaction is begun for it; then the others wait for the next group. */
static Status look_through(KafkaSink *sink, const Message *messages, size_t count, bool *ret_all_well, Error *reterr)
{
    rd_kafka_resp_err_t code = find_unwanted_topics(sink, messages, count);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return error_set(reterr, STATUS_BUSY, "asking for a topic: %s", rd_kafka_err2str(code));
    }
    find_oversized(sink, messages, count);
    *ret_all_well = true;
    for (size_t i = sink->settled; i < sink->entered; i++) {
        *ret_all_well = *ret_all_well && sink->entries[i].verdict != SINK_REFUSED;
    }
    return STATUS_OK;
}

/* A queue that is full drains by itself. */
static Status produce_one(KafkaSink *sink, const Message *message, size_t index, int64_t deadline_us, Error *reterr)
{
    for (;;) {
        rd_kafka_resp_err_t code = kafka_message_produce(
            sink->producer, sink->topics[message_kind_stream(message->kind)], message, &sink->stamp, index);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            return STATUS_OK;
        }
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || kafka_now_us(sink) >= deadline_us) {
            return error_set(reterr, STATUS_BUSY, "sending: %s", rd_kafka_err2str(code));
        }
        rd_kafka_poll(sink->producer, KAFKA_SLICE_MS);
    }
}

static Status produce_all(KafkaSink *sink, const Message *messages, size_t count, Error *reterr)
{
    int64_t deadline = kafka_now_us(sink) + INT64_C(1000) * sink->step_ms;
    Status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = produce_one(sink, &messages[i], sink->settled + i, deadline, reterr);
    }
    return status;
}

static rd_kafka_error_t *put_place(KafkaSink *sink, const SinkPlace *place)
{
    KafkaPlace put = {.place = *place, .epoch = sink->context.info->epoch};
    memcpy(put.writer, sink->writer, sizeof put.writer);
    return kafka_place_put(sink->producer, sink->names.group, sink->topic_names[sink->place_stream], &put,
                           sink->step_ms);
}

/* Which messages of the group the brokers blame: how many, and the first of them. */
static size_t count_blamed(const KafkaSink *sink, size_t *ret_first)
{
    size_t blamed = 0;
    for (size_t i = sink->settled; i < sink->entered; i++) {
        if (kafka_error_blames_message(sink->entries[i].report) && blamed++ == 0) {
            *ret_first = i;
        }
    }
    return blamed;
}

/* Brokers blame all messages of a request, so that only one that is blamed alone is known to be at fault. Otherwise the
 * next group ends before the first of them, or is half as long when it begins with it, until one is left. */
static void refuse_or_narrow(KafkaSink *sink, size_t blamed, size_t first)
{
    if (blamed == 1) {
        sink->entries[first].verdict = SINK_REFUSED;
    } else {
        sink->room = first > sink->settled ? first - sink->settled : blamed / 2;
    }
}

/* Longer groups again, by and by: a topic may have a limit that the next long one would run into, too. */
static void note_taken(KafkaSink *sink)
{
    for (size_t i = sink->settled; i < sink->entered; i++) {
        sink->entries[i].verdict = SINK_TAKEN;
    }
    size_t longer = sink->room + sink->room / LONGER_PART + 1;
    sink->room = longer < sink->group_max ? longer : sink->group_max;
}

/* BUSY but where it is said otherwise. */
static Status take_error(KafkaSink *sink, rd_kafka_error_t *error, const char *what, Status status, Error *reterr)
{
    bool fenced = kafka_error_is_fenced(rd_kafka_error_code(error));
    error_set(reterr, status, "%s: %s%s", what, rd_kafka_error_string(error),
              fenced ? "; another Weir with this store took over this sink, or the transaction lay for too long" : "");
    sink->fenced = sink->fenced || fenced;
    rd_kafka_error_destroy(error);
    return status;
}

static Status commit(KafkaSink *sink, Error *reterr)
{
    rd_kafka_error_t *error = rd_kafka_commit_transaction(sink->producer, -1);
    if (!error) {
        note_taken(sink);
        return STATUS_OK;
    }
    /* An abort is asked for only when the commit was not sent, or not taken; else it may have been. */
    bool nothing = rd_kafka_error_txn_requires_abort(error);
    return take_error(sink, error, "committing", nothing ? STATUS_BUSY : STATUS_UNKNOWN, reterr);
}

static Status send_group(KafkaSink *sink, const Message *messages, size_t count, const SinkPlace *place, Error *reterr)
{
    rd_kafka_error_t *error = rd_kafka_begin_transaction(sink->producer);
    if (error) {
        return take_error(sink, error, "beginning a transaction", STATUS_BUSY, reterr);
    }
    Status status = produce_all(sink, messages, count, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (place && sink->context.replay_job == 0 && (error = put_place(sink, place))) {
        return take_error(sink, error, "putting the place", STATUS_BUSY, reterr);
    }
    return commit(sink, reterr);
}

/* Nothing was committed. When that was because of messages, the sink goes on with a new producer, and each has a
 * verdict. The error that came first may be of a later step: a transaction that has failed takes nothing more. */
static Status look_for_blame(KafkaSink *sink, Error *reterr)
{
    size_t first = 0;
    rd_kafka_purge(sink->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(sink->producer, KAFKA_SLICE_MS);
    size_t blamed = count_blamed(sink, &first);
    if (blamed == 0) {
        return STATUS_BUSY;
    }
    refuse_or_narrow(sink, blamed, first);
    return kafka_renew(sink, reterr) == STATUS_OK ? STATUS_OK : STATUS_BUSY;
}

/* The producer is of no further use, and the group gets no verdicts. */
static Status give_up(KafkaSink *sink, Status status, Error *reterr)
{
    char text[KAFKA_REASON_BYTES];
    if (sink->producer && kafka_error_is_fenced(rd_kafka_fatal_error(sink->producer, text, sizeof text))) {
        sink->fenced = true; /* an earlier step than the one that failed may have been told so */
    }
    kafka_add_reason(sink, status, reterr);
    sink->entered = sink->settled;
    kafka_disconnect(sink);
    return status;
}

static Status kafka_send(Sink *base, const Message *messages, size_t count, const SinkPlace *place, Error *reterr)
{
    KafkaSink *sink = (KafkaSink *)base;
    if (!sink->producer || count > kafka_room(base)) {
        return error_set(reterr, STATUS_BUSY, "not connected, or no room");
    }
    int64_t begun = kafka_now_us(sink);
    sink->reason[0] = '\0';
    enter_group(sink, messages, count);
    Error error = {0};
    bool all_well = false;
    Status status = look_through(sink, messages, count, &all_well, &error);
    if (status == STATUS_OK && all_well) {
        status = send_group(sink, messages, count, place, &error);
    }
    if (status == STATUS_BUSY) {
        status = look_for_blame(sink, &error);
    }
    if (status != STATUS_OK) {
        give_up(sink, status, &error);
        return error_set(reterr, status, "%s", error.message);
    }
    for (; sink->settled < sink->entered; sink->settled++) {
        sink->entries[sink->settled].latency_us = kafka_now_us(sink) - begun;
    }
    return status;
}

/* ---- Verdicts ---------------------------------------------------------------------------------------------------- */

static SinkResult result_of(const KafkaEntry *entry)
{
    SinkResult result = {.seq = entry->seq, .verdict = entry->verdict, .latency_us = entry->latency_us};
    if (entry->verdict == SINK_REFUSED) {
        result.code = entry->report;
        result.error = str_from(rd_kafka_err2str(entry->report));
    } else if (entry->verdict == SINK_HELD) {
        result.error = STR("held: another message of its group was not taken");
    }
    return result;
}

static size_t kafka_results(Sink *base, SinkResult *results, size_t cap)
{
    KafkaSink *sink = (KafkaSink *)base;
    size_t count = 0;
    while (count < cap && sink->given < sink->settled) {
        results[count++] = result_of(&sink->entries[sink->given++]);
    }
    if (sink->given == sink->entered) {
        sink->given = sink->settled = sink->entered = 0;
    }
    return count;
}

static void kafka_wait(Sink *base, int64_t us_max)
{
    KafkaSink *sink = (KafkaSink *)base;
    /* While nothing is sent, complaints would pile up. */
    if (sink->producer) {
        rd_kafka_poll(sink->producer, 0);
    }
    wakeup_wait(&sink->wakeup, sink->given < sink->settled ? 0 : us_max);
}

static void kafka_wake(Sink *base) { wakeup_call(&((KafkaSink *)base)->wakeup); }

/* ---- Opening and closing ----------------------------------------------------------------------------------------- */

static void kafka_close(Sink *base)
{
    KafkaSink *sink = (KafkaSink *)base;
    kafka_disconnect(sink);
    if (sink->conf) {
        rd_kafka_conf_destroy(sink->conf);
    }
    for (size_t i = 0; i < MESSAGE_STREAM_COUNT; i++) {
        free(sink->topic_names[i]);
    }
    wakeup_release(&sink->wakeup);
    free(sink->entries);
    free(sink);
}

static const SinkOps kafka_ops = {
    .connect = kafka_connect,
    .room = kafka_room,
    .send = kafka_send,
    .results = kafka_results,
    .wait = kafka_wait,
    .wake = kafka_wake,
    .close = kafka_close,
};

static Status make_settings(KafkaSink *sink, Error *reterr)
{
    Status status = kafka_settings_make(&sink->context, &sink->names, &sink->conf, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    kafka_listen(sink, sink->conf);
    sink->message_bytes_max = (size_t)kafka_setting_number(sink->conf, "message.max.bytes", 1000000);
    return kafka_client_try(RD_KAFKA_PRODUCER, sink->conf, reterr);
}

/* The place is kept with the first topic that the sink wants, since that topic is sure to be there. */
static Status name_topics(KafkaSink *sink, Error *reterr)
{
    const SinkOptions *options = sink->context.options;
    sink->place_stream = MESSAGE_STREAM_COUNT;
    for (MessageStream stream = 0; stream < MESSAGE_STREAM_COUNT; stream++) {
        if (asprintf(&sink->topic_names[stream], "%s%s", options->prefix, message_stream_name(stream)) < 0) {
            sink->topic_names[stream] = NULL;
            return error_set(reterr, STATUS_BUSY, "out of memory");
        }
        if (sink->place_stream == MESSAGE_STREAM_COUNT && subscription_wants_stream(&options->subscription, stream)) {
            sink->place_stream = stream;
        }
    }
    return sink->place_stream < MESSAGE_STREAM_COUNT
               ? STATUS_OK
               : error_set(reterr, STATUS_REFUSED, "messages: the sink wants no kind of message");
}

static Status make_group(KafkaSink *sink, Error *reterr)
{
    size_t wanted = sink->context.options->in_flight_max;
    sink->group_max = wanted == 0 ? GROUP_DEFAULT : wanted > GROUP_MAX ? GROUP_MAX : wanted;
    sink->room = sink->group_max;
    sink->entries = calloc(sink->group_max, sizeof *sink->entries);
    return sink->entries ? wakeup_init(&sink->wakeup, reterr) : error_set(reterr, STATUS_BUSY, "out of memory");
}

static Status make_writer(KafkaSink *sink, Error *reterr)
{
    uint8_t bytes[(KAFKA_WRITER_BYTES - 1) / 2];
    Status status = random_fill(sink->context.random, bytes, sizeof bytes, reterr);
    if (status == STATUS_OK) {
        *str_put_hex(sink->writer, bytes, sizeof bytes) = '\0';
    }
    return status;
}

/* "brokers: …" → "sinks.orders.brokers: …" */
static Status name_option(const SinkOptions *options, Error *reterr)
{
    char message[ERROR_MESSAGE_BYTES_MAX];
    snprintf(message, sizeof message, "%s", reterr ? reterr->message : "");
    return error_set(reterr, STATUS_REFUSED, "sinks.%s.%s", options->name, message);
}

Status sink_kafka_open(const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    KafkaSink *sink = calloc(1, sizeof *sink);
    if (!sink) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    *sink = (KafkaSink){.sink.ops = &kafka_ops, .context = *context, .wakeup = WAKEUP_NONE};
    sink->step_ms = kafka_step_ms(context->options);
    kafka_names_make(context, &sink->names);
    kafka_stamp_make(sink->names.store, context->replay_job, &sink->stamp);
    Status status;
    if ((status = name_topics(sink, reterr)) != STATUS_OK || (status = make_group(sink, reterr)) != STATUS_OK ||
        (status = make_writer(sink, reterr)) != STATUS_OK || (status = make_settings(sink, reterr)) != STATUS_OK) {
        kafka_close(&sink->sink);
        return status == STATUS_REFUSED ? name_option(context->options, reterr) : status;
    }
    *ret_sink = &sink->sink;
    return STATUS_OK;
}
