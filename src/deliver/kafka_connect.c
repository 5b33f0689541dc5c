#include "broker/kafka_client.h"
#include "broker/kafka_error.h"
#include "deliver/kafka_parts.h"

enum {
    DOWN_MS = 2000
}; /* no broker can be reached for so long: waiting for the whole time-out would tell nothing more */

/* ---- What librdkafka says ---------------------------------------------------------------------------------------- */

/* Its log lines repeat what errors and reports say. */
static void drop_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    (void)producer, (void)level, (void)facility, (void)text;
}

/* Called from rd_kafka_poll() and its like alone, thus on the thread that uses the sink; so is note_report. */
static void note_error(rd_kafka_t *producer, int code, const char *text, void *self)
{
    (void)producer;
    KafkaSink *sink = self;
    bool down = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    sink->down = sink->down || down;
    /* The reasons why all brokers are down say more. */
    if (!down || sink->reason[0] == '\0') {
        snprintf(sink->reason, sizeof sink->reason, "%s", text);
    }
}

/* The first report counts: those of an abort come later, and for all. */
static void note_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *self)
{
    (void)producer;
    KafkaSink *sink = self;
    size_t index = (size_t)(uintptr_t)message->_private;
    if (index < sink->entered && sink->entries[index].report == KAFKA_NOT_REPORTED) {
        sink->entries[index].report = message->err;
    }
}

void kafka_listen(KafkaSink *sink, rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_opaque(conf, sink);
    rd_kafka_conf_set_log_cb(conf, drop_log);
    rd_kafka_conf_set_error_cb(conf, note_error);
    rd_kafka_conf_set_dr_msg_cb(conf, note_report);
}

Status kafka_add_reason(KafkaSink *sink, Status status, Error *reterr)
{
    if (sink->producer) {
        rd_kafka_poll(sink->producer, 0);
    }
    if (status == STATUS_OK || !reterr || sink->reason[0] == '\0') {
        return status;
    }
    size_t len = strlen(reterr->message);
    snprintf(reterr->message + len, sizeof reterr->message - len, " (%s)", sink->reason);
    return status;
}

/* ---- Connecting -------------------------------------------------------------------------------------------------- */

/* Whatever the producer still has queued is dropped; what a broker has of an open transaction is aborted by the next
 * connect(). */
void kafka_disconnect(KafkaSink *sink)
{
    for (size_t i = 0; i < MESSAGE_STREAM_COUNT; i++) {
        if (sink->topics[i]) {
            rd_kafka_topic_destroy(sink->topics[i]);
        }
        sink->topics[i] = NULL;
        sink->gone_until_us[i] = 0;
    }
    if (sink->producer) {
        rd_kafka_purge(sink->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy(sink->producer);
    }
    sink->producer = NULL;
}

/* librdkafka's words for it are advice to programmers; what it complained about is put behind these. */
static Status give_up_waiting(rd_kafka_error_t *error, Error *reterr)
{
    if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__TIMED_OUT) {
        return kafka_error_take(error, "connecting", reterr);
    }
    rd_kafka_error_destroy(error);
    return error_set(reterr, STATUS_BUSY, "connecting: no broker answers as it should");
}

/* In slices, since the call itself does not hand out complaints: that nobody answers is told within DOWN_MS. */
static Status end_predecessor(KafkaSink *sink, int64_t deadline_us, Error *reterr)
{
    int64_t down_us = kafka_now_us(sink) + INT64_C(1000) * DOWN_MS;
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_init_transactions(sink->producer, KAFKA_SLICE_MS);
        if (!error) {
            return STATUS_OK;
        }
        rd_kafka_poll(sink->producer, 0);
        int64_t now = kafka_now_us(sink);
        if (!rd_kafka_error_is_retriable(error) || now >= deadline_us || (sink->down && now >= down_us)) {
            return give_up_waiting(error, reterr);
        }
        bool waited = rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT;
        rd_kafka_error_destroy(error);
        if (!waited) {
            rd_kafka_poll(sink->producer, KAFKA_SLICE_MS);
        }
    }
}

/* Asking for a topic makes it where brokers are set to; its partitions take a moment to get their leaders. */
static rd_kafka_resp_err_t ask_topic(KafkaSink *sink, MessageStream stream, int64_t deadline_us)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(sink->producer, sink->topic_names[stream], NULL);
    if (!topic) {
        return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION; /* the name cannot be one */
    }
    int64_t left_ms = (deadline_us - kafka_now_us(sink)) / 1000;
    rd_kafka_resp_err_t code = kafka_client_ask_topic(sink->producer, topic, left_ms > 1 ? (int)left_ms : 1);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        sink->topics[stream] = topic;
    } else {
        rd_kafka_topic_destroy(topic);
    }
    return code;
}

/* False when nothing more is to be learned. What brokers said of a topic counts when they say nothing the next time,
 * as they do when the time that is left is too short for an answer. */
static bool ask_missing(KafkaSink *sink, const bool *wanted, int64_t deadline_us, rd_kafka_resp_err_t *codes)
{
    bool more = false;
    for (MessageStream stream = 0; stream < MESSAGE_STREAM_COUNT; stream++) {
        if (!wanted[stream] || sink->topics[stream] || kafka_error_status(codes[stream]) == STATUS_REFUSED) {
            continue;
        }
        rd_kafka_resp_err_t code = ask_topic(sink, stream, deadline_us);
        codes[stream] = code >= 0 || codes[stream] < 0 ? code : codes[stream];
        more = more || (code != RD_KAFKA_RESP_ERR_NO_ERROR && kafka_error_status(code) != STATUS_REFUSED);
    }
    return more;
}

void kafka_find_topics(KafkaSink *sink, const bool *wanted, int64_t deadline_us, rd_kafka_resp_err_t *codes)
{
    for (MessageStream stream = 0; stream < MESSAGE_STREAM_COUNT; stream++) {
        if (wanted[stream]) {
            codes[stream] = sink->topics[stream] ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR__TIMED_OUT;
        }
    }
    while (ask_missing(sink, wanted, deadline_us, codes) && kafka_now_us(sink) < deadline_us) {
        rd_kafka_poll(sink->producer, KAFKA_SLICE_MS);
    }
}

static Status find_wanted_topics(KafkaSink *sink, int64_t deadline_us, Error *reterr)
{
    bool wanted[MESSAGE_STREAM_COUNT];
    rd_kafka_resp_err_t codes[MESSAGE_STREAM_COUNT];
    for (MessageStream stream = 0; stream < MESSAGE_STREAM_COUNT; stream++) {
        wanted[stream] = subscription_wants_stream(&sink->context.options->subscription, stream);
    }
    kafka_find_topics(sink, wanted, deadline_us, codes);
    for (MessageStream stream = 0; stream < MESSAGE_STREAM_COUNT; stream++) {
        if (wanted[stream] && codes[stream] != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return error_set(reterr, kafka_error_status(codes[stream]), "topic %s: %s", sink->topic_names[stream],
                             rd_kafka_err2str(codes[stream]));
        }
    }
    return STATUS_OK;
}

static Status read_place(const KafkaSink *sink, bool settled, int64_t deadline_us, KafkaPlace *ret_place, Error *reterr)
{
    KafkaPlaceQuestion question = {.group = sink->names.group,
                                   .topics = (const char *const *)sink->topic_names,
                                   .topic_count = MESSAGE_STREAM_COUNT,
                                   .clock = sink->context.clock,
                                   .deadline_us = deadline_us,
                                   .settled = settled};
    return kafka_place_get(sink->conf, &question, ret_place, reterr);
}

/* The first time it is a predecessor's, whom we take over from. Whoever has written since then does so at the same time
 * as we, and has taken over from us: taking it back would only have both do that in turn, for ever. */
static bool is_anothers(const KafkaSink *sink, const KafkaPlace *place)
{
    if (!sink->was_connected || place->epoch == 0 || strcmp(place->writer, sink->writer) == 0) {
        return false;
    }
    return strcmp(place->writer, sink->found.writer) != 0 || place->place.cursor != sink->found.place.cursor;
}

static Status refuse_another(KafkaSink *sink, const KafkaPlace *place, Error *reterr)
{
    sink->fenced = true; /* from now on we only look, which takes nothing away from the other one */
    return error_set(reterr, STATUS_REFUSED,
                     "another Weir with this store has taken over the sink %s (transactional id %s): writer %s is at "
                     "%lld, this one was %s; a copy of the data directory is in use elsewhere. Stop one of the two; "
                     "when this one is to go on, restart it",
                     sink->context.options->name, sink->names.transactional, place->writer,
                     (long long)place->place.cursor, sink->writer);
}

/* Before a producer is made, which would shut the other one out. A transaction that we left open may still be
 * pending. */
static Status look_for_another(KafkaSink *sink, int64_t deadline_us, Error *reterr)
{
    KafkaPlace place;
    Status status = read_place(sink, false, deadline_us, &place, reterr);
    return status == STATUS_OK && is_anothers(sink, &place) ? refuse_another(sink, &place, reterr) : status;
}

/* Their place counts when it is further on: their transaction may be the last thing that happened before we were
 * killed. Ours does when they know of none (brokers forget offsets after a while) or of one from before a restore. */
static Status settle_place(KafkaSink *sink, SinkPlace ours, int64_t deadline_us, SinkPlace *ret_theirs, Error *reterr)
{
    KafkaPlace theirs;
    Status status = read_place(sink, true, deadline_us, &theirs, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (is_anothers(sink, &theirs)) {
        return refuse_another(sink, &theirs, reterr);
    }
    sink->found = theirs;
    bool further = theirs.epoch == sink->context.info->epoch && theirs.place.cursor > ours.cursor;
    *ret_theirs = further ? theirs.place : ours;
    return STATUS_OK;
}

static int64_t step_deadline_us(const KafkaSink *sink) { return kafka_now_us(sink) + INT64_C(1000) * sink->step_ms; }

Status kafka_renew(KafkaSink *sink, Error *reterr)
{
    kafka_disconnect(sink);
    Status status = kafka_client_new(RD_KAFKA_PRODUCER, sink->conf, &sink->producer, reterr);
    if (status == STATUS_OK) {
        status = end_predecessor(sink, step_deadline_us(sink), reterr);
    }
    return status == STATUS_OK ? find_wanted_topics(sink, step_deadline_us(sink), reterr) : status;
}

Status kafka_connect(Sink *base, SinkPlace ours, SinkPlace *ret_theirs, Error *reterr)
{
    KafkaSink *sink = (KafkaSink *)base;
    sink->given = sink->settled = sink->entered = 0;
    sink->reason[0] = '\0';
    sink->down = false;
    SinkPlace theirs = ours;
    bool is_live = sink->context.replay_job == 0;
    Status status = is_live && sink->fenced ? look_for_another(sink, step_deadline_us(sink), reterr) : STATUS_OK;
    if (status == STATUS_OK) {
        status = kafka_renew(sink, reterr);
    }
    if (status == STATUS_OK && is_live) {
        status = settle_place(sink, ours, step_deadline_us(sink), &theirs, reterr);
    }
    if (status != STATUS_OK) {
        kafka_add_reason(sink, status, reterr);
        kafka_disconnect(sink);
        return status;
    }
    sink->was_connected = true;
    sink->fenced = false;
    *ret_theirs = theirs;
    return STATUS_OK;
}
