#include "intake/front_door_kafka.h"

#include <stdlib.h>

#include "base/log.h"
#include "broker/kafka_client.h"
#include "config/options.h"
#include "record/record_json.h"

enum {
    HEADERS_MAX = 2,
    WHY_BYTES = 256,
    RECORD_OVERHEAD_BYTES = 640, /* what librdkafka and JSON put around a record's texts while it waits */
    WAIT_US_MAX = 1000000,
    STOP_US_MAX = 2000000, /* for the producer to give back what it has */
};

/* ---- What was handed in ------------------------------------------------------------------------------------------ */

static size_t bytes_of(const FrontDoorCall *call)
{
    size_t bytes = 0;
    for (size_t i = 0; i < call->count; i++) {
        const Record *record = &call->records[i];
        bytes += record->record_id.len + record->source_id.len + 2 * record->destination_id.len + record->unit.len +
                 record->reference.len + record->traceparent.len + RECORD_OVERHEAD_BYTES;
    }
    return bytes;
}

static void refuse(KafkaFrontDoor *door, FrontDoorAnswer answer, Error *reterr)
{
    FrontDoorStatus *status = &door->status;
    status->calls_refused++;
    if (answer == FRONT_DOOR_FULL) {
        error_set(reterr, STATUS_BUSY, "too much waits for Kafka already; nothing of this was taken in");
    } else if (door->is_stopping) {
        error_set(reterr, STATUS_BUSY, "the service is stopping; nothing of this was taken in");
    } else {
        error_set(reterr, STATUS_BUSY, "Kafka takes nothing just now; nothing of this was taken in");
    }
}

static FrontDoorAnswer look_for_room(const KafkaFrontDoor *door, const FrontDoorCall *call)
{
    const FrontDoorStatus *status = &door->status;
    if (door->is_stopping || status->state == FRONT_DOOR_DOWN) {
        return FRONT_DOOR_SHUT;
    }
    size_t waiting = (size_t)status->waiting_bytes;
    bool has_room =
        waiting == 0 || (waiting < door->options.bytes_max && call->bytes <= door->options.bytes_max - waiting);
    return has_room ? FRONT_DOOR_TAKEN : FRONT_DOOR_FULL;
}

static void append(KafkaFrontDoor *door, FrontDoorCall *call)
{
    call->next = NULL;
    *door->last = call;
    door->last = &call->next;
    door->status.waiting_bytes += (int64_t)call->bytes;
    door->status.waiting_records += (int64_t)call->count;
}

static FrontDoorAnswer hand_in(FrontDoor *base, FrontDoorCall *call, Error *reterr)
{
    KafkaFrontDoor *door = (KafkaFrontDoor *)base;
    call->bytes = bytes_of(call);
    call->waiting = call->count;
    call->taken = 0;
    call->failure = 0;
    call->is_unknown = false;
    call->begun_us = front_door_now_us(door);
    pthread_mutex_lock(&door->lock);
    FrontDoorAnswer answer = look_for_room(door, call);
    bool is_first = !door->first;
    if (answer == FRONT_DOOR_TAKEN) {
        append(door, call);
    } else {
        refuse(door, answer, reterr);
    }
    pthread_mutex_unlock(&door->lock);
    /* From here on the call may be done already. */
    if (answer == FRONT_DOOR_TAKEN && is_first) {
        wakeup_call(&door->wakeup);
    }
    return answer;
}

/* All that were handed in since the last look. */
static FrontDoorCall *take_calls(KafkaFrontDoor *door, bool *ret_stopping)
{
    pthread_mutex_lock(&door->lock);
    FrontDoorCall *calls = door->first;
    door->first = NULL;
    door->last = &door->first;
    *ret_stopping = door->is_stopping;
    pthread_mutex_unlock(&door->lock);
    return calls;
}

/* ---- What became of it ------------------------------------------------------------------------------------------- */

static size_t bucket_of(int64_t us)
{
    size_t bucket = 0;
    while (bucket < FRONT_DOOR_BUCKETS - 1 && us > front_door_bucket_us[bucket]) {
        bucket++;
    }
    return bucket;
}

static void count_call(KafkaFrontDoor *door, const FrontDoorCall *call, Status outcome, const char *why)
{
    FrontDoorStatus *status = &door->status;
    int64_t us = front_door_now_us(door) - call->begun_us;
    pthread_mutex_lock(&door->lock);
    status->waiting_bytes -= (int64_t)call->bytes;
    status->waiting_records -= (int64_t)call->count;
    status->records_produced += (int64_t)call->taken;
    status->records_failed += (int64_t)(call->count - call->taken);
    if (call->taken == call->count) {
        status->buckets[bucket_of(us)]++;
        status->us_total += us;
    }
    if (status->state == FRONT_DOOR_OPEN && (outcome != STATUS_OK || door->is_failing)) {
        snprintf(status->error, sizeof status->error, "%s", why);
    }
    pthread_mutex_unlock(&door->lock);
}

/* The first of a row is logged, since each client is told of its own. What librdkafka complained about names brokers,
 * which is for whoever runs them and not for clients. */
static void note_outcome(KafkaFrontDoor *door, const FrontDoorCall *call, Status outcome)
{
    char why[FRONT_DOOR_REASON_BYTES + WHY_BYTES] = "";
    if (outcome != STATUS_OK) {
        snprintf(why, sizeof why, "the last call was not confirmed: %s%s%s%s",
                 rd_kafka_err2str((rd_kafka_resp_err_t)call->failure), door->reason[0] ? " (" : "", door->reason,
                 door->reason[0] ? ")" : "");
    }
    count_call(door, call, outcome, why);
    if (outcome != STATUS_OK && !door->is_failing) {
        log_warn("the front door could not hand on what came in", log_text("source", door->options.source->name),
                 log_text("error", why));
    }
    door->is_failing = outcome != STATUS_OK;
}

static Status judge(const FrontDoorCall *call, Error *reterr)
{
    const char *why = rd_kafka_err2str((rd_kafka_resp_err_t)call->failure);
    if (call->taken == call->count) {
        return STATUS_OK;
    }
    if (call->taken == 0 && !call->is_unknown) {
        return error_set(reterr, STATUS_BUSY, "Kafka has not taken it: %s; nothing happened, send it again later", why);
    }
    return error_set(
        reterr, STATUS_UNKNOWN,
        "Kafka has confirmed %zu of %zu records: %s; the rest may be taken in all the same, and sending the "
        "whole again is harmless, since a record counts once",
        call->taken, call->count, why);
}

static void finish(KafkaFrontDoor *door, FrontDoorCall *call)
{
    Error error = {0};
    if (call->previous) {
        call->previous->next = call->next;
    } else {
        door->in_flight = call->next;
    }
    if (call->next) {
        call->next->previous = call->previous;
    }
    Status outcome = judge(call, &error);
    note_outcome(door, call, outcome);
    call->done(call, outcome, &error);
}

static void note_record(KafkaFrontDoor *door, FrontDoorCall *call, rd_kafka_resp_err_t code, bool may_be_there)
{
    call->waiting--;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        call->taken++;
        front_door_is_up(door);
    } else {
        front_door_is_in_doubt(door);
        call->failure = code;
        call->is_unknown = call->is_unknown || may_be_there;
    }
}

/* Called from polling alone, thus on the thread; so is note_error. */
static void note_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *self)
{
    (void)producer;
    KafkaFrontDoor *door = self;
    FrontDoorCall *call = message->_private;
    note_record(door, call, message->err, rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED);
    if (call->waiting == 0) {
        finish(door, call);
    }
}

static void note_error(rd_kafka_t *producer, int code, const char *text, void *self)
{
    (void)producer;
    KafkaFrontDoor *door = self;
    bool down = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    door->is_suspect = door->is_suspect || down;
    /* The reasons why all brokers are down say more. */
    if (!down || door->reason[0] == '\0') {
        snprintf(door->reason, sizeof door->reason, "%s", text);
    }
}

/* Its log lines repeat what errors and reports say. */
static void drop_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    (void)producer, (void)level, (void)facility, (void)text;
}

static Status make_settings(KafkaFrontDoor *door, Error *reterr)
{
    Status status = front_door_settings(door, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    rd_kafka_conf_set_opaque(door->conf, door);
    rd_kafka_conf_set_log_cb(door->conf, drop_log);
    rd_kafka_conf_set_error_cb(door->conf, note_error);
    rd_kafka_conf_set_dr_msg_cb(door->conf, note_report);
    return kafka_client_try(RD_KAFKA_PRODUCER, door->conf, reterr);
}

/* ---- Producing --------------------------------------------------------------------------------------------------- */

static rd_kafka_headers_t *make_headers(const Record *record)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(HEADERS_MAX);
    bool failed = !headers || rd_kafka_header_add(headers, "content-type", -1, "application/json", -1);
    if (!failed && record->traceparent.len) {
        Str trace = record->traceparent;
        failed = rd_kafka_header_add(headers, "traceparent", -1, trace.ptr, (ssize_t)trace.len);
    }
    if (failed && headers) {
        rd_kafka_headers_destroy(headers);
    }
    return failed ? NULL : headers;
}

/* The key is the destination, as with the messages that Weir sends, so that what belongs to one keeps its order. */
static rd_kafka_resp_err_t produce_record(KafkaFrontDoor *door, FrontDoorCall *call, const Record *record)
{
    Str key = record->destination_id;
    buf_reset(&door->text);
    record_put_json_content(&door->text, record, door->options.scale);
    rd_kafka_headers_t *headers = make_headers(record);
    if (door->text.failed || !headers || !door->producer) {
        if (headers) {
            rd_kafka_headers_destroy(headers);
        }
        return RD_KAFKA_RESP_ERR__FAIL;
    }
    rd_kafka_resp_err_t code =
        rd_kafka_producev(door->producer, RD_KAFKA_V_RKT(door->topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_KEY(key.ptr, key.len), RD_KAFKA_V_VALUE(door->text.ptr, door->text.len),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(call), RD_KAFKA_V_END);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_headers_destroy(headers);
    }
    return code;
}

static void link_call(KafkaFrontDoor *door, FrontDoorCall *call)
{
    call->previous = NULL;
    call->next = door->in_flight;
    if (call->next) {
        call->next->previous = call;
    }
    door->in_flight = call;
}

/* Reports only come from polling, so that no call is finished while it is still being produced. */
static void produce_calls(KafkaFrontDoor *door, FrontDoorCall *calls)
{
    while (calls) {
        FrontDoorCall *call = calls;
        calls = calls->next;
        link_call(door, call);
        for (size_t i = 0; i < call->count; i++) {
            rd_kafka_resp_err_t code = produce_record(door, call, &call->records[i]);
            if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
                note_record(door, call, code, false);
            }
        }
        if (call->waiting == 0) {
            finish(door, call);
        }
    }
}

/* ---- The thread -------------------------------------------------------------------------------------------------- */

/* Takes everything back from the producer: what was not sent is not there, what was may be. Whatever is not reported of
 * is given back without, once the producer can report no more. */
static void give_back(KafkaFrontDoor *door)
{
    int64_t limit_us = front_door_now_us(door) + STOP_US_MAX;
    if (door->producer) {
        rd_kafka_purge(door->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        while (door->in_flight && front_door_now_us(door) < limit_us) {
            rd_kafka_poll(door->producer, 50);
        }
    }
    front_door_disconnect(door);
    while (door->in_flight) {
        FrontDoorCall *call = door->in_flight;
        call->failure = call->failure ? call->failure : RD_KAFKA_RESP_ERR__DESTROY;
        call->is_unknown = call->is_unknown || call->waiting > 0;
        finish(door, call);
    }
}

/* Sequence numbers that brokers and producer do not agree on any more end a producer for good. */
static void replace_failed(KafkaFrontDoor *door)
{
    char text[256];
    Error error = {.message = "out of memory"};
    if (door->producer && rd_kafka_fatal_error(door->producer, text, sizeof text) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    if (door->producer) {
        log_warn("the front door begins anew with another producer", log_text("source", door->options.source->name),
                 log_text("error", text));
        give_back(door);
    }
    if (front_door_renew(door, &error) != STATUS_OK) {
        log_warn("the front door has no producer", log_text("error", error.message));
    }
}

static void *run(void *self)
{
    KafkaFrontDoor *door = self;
    bool is_stopping = false;
    while (!is_stopping) {
        produce_calls(door, take_calls(door, &is_stopping));
        if (door->producer) {
            rd_kafka_poll(door->producer, 0);
        }
        replace_failed(door);
        front_door_probe(door);
        if (!is_stopping) {
            int64_t left_us = door->probe_us - front_door_now_us(door);
            wakeup_wait(&door->wakeup, left_us < WAIT_US_MAX ? left_us > 0 ? left_us : 0 : WAIT_US_MAX);
        }
    }
    give_back(door);
    return NULL;
}

/* ---- Opening, stopping ------------------------------------------------------------------------------------------- */

static Status start(FrontDoor *base, Error *reterr)
{
    KafkaFrontDoor *door = (KafkaFrontDoor *)base;
    Status status = front_door_renew(door, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (pthread_create(&door->thread, NULL, run, door) != 0) {
        return error_set(reterr, STATUS_BUSY, "cannot start the front door's thread");
    }
    door->is_running = true;
    return STATUS_OK;
}

static void look(FrontDoor *base, FrontDoorStatus *ret_status)
{
    KafkaFrontDoor *door = (KafkaFrontDoor *)base;
    pthread_mutex_lock(&door->lock);
    *ret_status = door->status;
    pthread_mutex_unlock(&door->lock);
}

static void stop(FrontDoor *base)
{
    KafkaFrontDoor *door = (KafkaFrontDoor *)base;
    pthread_mutex_lock(&door->lock);
    door->is_stopping = true;
    pthread_mutex_unlock(&door->lock);
    if (door->is_running) {
        wakeup_call(&door->wakeup);
        pthread_join(door->thread, NULL);
        door->is_running = false;
    }
}

static void close_door(FrontDoor *base)
{
    KafkaFrontDoor *door = (KafkaFrontDoor *)base;
    stop(base);
    front_door_disconnect(door);
    if (door->conf) {
        rd_kafka_conf_destroy(door->conf);
    }
    buf_release(&door->text);
    wakeup_release(&door->wakeup);
    pthread_mutex_destroy(&door->lock);
    free(door);
}

static const FrontDoorOps kafka_ops = {
    .start = start,
    .hand_in = hand_in,
    .look = look,
    .stop = stop,
    .close = close_door,
};

static KafkaFrontDoor *make(const FrontDoorOptions *options)
{
    KafkaFrontDoor *door = calloc(1, sizeof *door);
    if (!door) {
        return NULL;
    }
    *door = (KafkaFrontDoor){.base.ops = &kafka_ops, .options = *options, .wakeup = WAKEUP_NONE};
    door->last = &door->first;
    Str topic = {NULL, 0};
    OptionItems items = option_items(str_from(options->source->topics));
    if (option_items_next(&items, &topic)) {
        snprintf(door->topic_name, sizeof door->topic_name, "%.*s", STR_ARGS(topic));
    }
    door->status = (FrontDoorStatus){
        .source = options->source->name, .topic = door->topic_name, .bytes_max = (int64_t)options->bytes_max};
    buf_init(&door->text, RECORD_JSON_CONTENT_BYTES_MAX);
    pthread_mutex_init(&door->lock, NULL);
    return door;
}

Status front_door_kafka_open(const FrontDoorOptions *options, FrontDoor **ret_door, Error *reterr)
{
    KafkaFrontDoor *door = make(options);
    if (!door) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    Status status = wakeup_init(&door->wakeup, reterr);
    if (status == STATUS_OK) {
        status = make_settings(door, reterr);
    }
    if (status != STATUS_OK) {
        close_door(&door->base);
        return status;
    }
    *ret_door = &door->base;
    return STATUS_OK;
}
