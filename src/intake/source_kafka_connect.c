/* Joining the group, and leaving it. */
#include <stdlib.h>

#include "broker/kafka_client.h"
#include "broker/kafka_end.h"
#include "broker/kafka_error.h"
#include "broker/kafka_properties.h"
#include "intake/kafka_source.h"

enum {
    SLICE_MS = 200,    /* between looks at what librdkafka has to say */
    ANSWER_MS = 400,   /* for a broker to answer when nothing else is asked of it */
    WAIT_MS_MAX = 500, /* Kafka's own default: a longer one for messages keeps from everything else */
    DOWN_MS = 2000,  /* no broker can be reached for so long: waiting for the whole time-out would tell nothing more */
    CHECK_MS = 1000, /* for a broker to show that it is there after all */
    COMMIT_LATER_US = 1000000,
    COMMIT_MS = 1000,         /* for brokers to hear of what was acknowledged … */
    LEAVE_MS = 2000,          /* … and that we leave … */
    END_MS = 2000,            /* … and for the consumer to end */
    CONNECT_US_MAX = 7500000, /* before END_MS: source.h gives it ten seconds */
};

/* ---- What librdkafka says ---------------------------------------------------------------------------------------- */

/* Its log lines repeat what errors say. */
static void drop_log(const rd_kafka_t *consumer, int level, const char *facility, const char *text)
{
    (void)consumer, (void)level, (void)facility, (void)text;
}

/* Called from polling alone, thus on the thread that uses the source; so are the others. */
static void note_error(rd_kafka_t *consumer, int code, const char *text, void *self)
{
    (void)consumer;
    KafkaSource *source = self;
    bool down = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    source->down = source->down || down;
    /* The reasons why all brokers are down say more. */
    if (!down || source->reason[0] == '\0') {
        snprintf(source->reason, sizeof source->reason, "%s", text);
    }
}

void kafka_source_commit_later(KafkaSource *source)
{
    source->commit_us = kafka_source_now_us(source) + COMMIT_LATER_US;
}

/* Our own places are what counts: a commit that fails is made again later, unless somebody has to allow it. */
static void note_commit(rd_kafka_t *consumer, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *offsets,
                        void *self)
{
    (void)consumer, (void)offsets;
    KafkaSource *source = self;
    Status status = code == RD_KAFKA_RESP_ERR__NO_OFFSET ? STATUS_OK : kafka_error_status(code);
    if (status == STATUS_REFUSED) {
        kafka_source_note(source, false, "the group's offsets cannot be committed: %s", rd_kafka_err2str(code));
    } else if (status != STATUS_OK) {
        kafka_source_commit_later(source);
    }
}

static Status add_reason(KafkaSource *source, Status status, Error *reterr)
{
    if (source->reason[0] != '\0' && reterr) {
        size_t len = strlen(reterr->message);
        snprintf(reterr->message + len, sizeof reterr->message - len, " (%s)", source->reason);
    }
    return status;
}

/* ---- Settings ---------------------------------------------------------------------------------------------------- */

static const KafkaReserved ours[] = {
    {"allow.auto.create.topics", "reading a topic does not make it"},
    {"auto.commit.enable", "offsets are committed when the records are stored"},
    {"auto.commit.interval.ms", "offsets are committed when the records are stored"},
    {"auto.offset.reset", "the option start decides where a new group begins; nothing is ever skipped silently"},
    {"enable.auto.commit", "offsets are committed when the records are stored"},
    {"enable.auto.offset.store", "offsets are committed when the records are stored"},
    {"enable.partition.eof", "Weir wants to be told"},
    {"group.id", "the option group names it"},
    {"isolation.level", "what was taken back is not read"},
    {"partition.assignment.strategy", "partitions that stay are read on while others move"},
};

/* What a user may change. A member that was killed is missed after its session's time-out, and only then its partitions
 * are read again. What is fetched ahead is bounded in bytes. An answer of brokers may be as long as the longest
 * message. A question to a broker waits behind what was asked for before it, thus no longer than messages are waited
 * for. Partitions that are added to a topic are read within a minute. */
static const KafkaSetting defaults[] = {
    {"client.id", "weir"},
    {"fetch.max.bytes", "16777216"},
    {"fetch.wait.max.ms", "100"},
    {"queued.max.messages.kbytes", "32768"},
    {"queued.min.messages", "50000"},
    {"receive.message.max.bytes", "268435456"},
    {"session.timeout.ms", "10000"},
    {"socket.nagle.disable", "true"},
    {"topic.metadata.refresh.interval.ms", "60000"},
};

static Status set_ours(rd_kafka_conf_t *conf, const SourceOptions *options, Error *reterr)
{
    const KafkaSetting settings[] = {
        {"allow.auto.create.topics", "false"},
        {"auto.offset.reset", "error"},
        {"bootstrap.servers", options->brokers},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"enable.partition.eof", "true"},
        {"group.id", options->group},
        {"isolation.level", "read_committed"},
        {"partition.assignment.strategy", "cooperative-sticky"},
    };
    return kafka_settings_put(conf, settings, sizeof settings / sizeof *settings, reterr);
}

/* What a broker is asked waits behind a wait for messages, and everything else here for what a broker is asked. */
static Status check_wait(KafkaSource *source, Error *reterr)
{
    uint64_t wait_ms = kafka_setting_number(source->conf, "fetch.wait.max.ms", 0);
    if (wait_ms > WAIT_MS_MAX) {
        return error_set(reterr, STATUS_REFUSED,
                         "properties: fetch.wait.max.ms can be %d at most: questions to a broker wait behind it",
                         WAIT_MS_MAX);
    }
    source->answer_ms = ANSWER_MS + (int)wait_ms;
    return STATUS_OK;
}

Status kafka_source_settings(KafkaSource *source, Error *reterr)
{
    const SourceOptions *options = source->context->options;
    Status status = kafka_brokers_check(options->brokers, reterr);
    if (status == STATUS_OK && !(source->conf = rd_kafka_conf_new())) {
        status = error_set(reterr, STATUS_BUSY, "out of memory");
    }
    if (status == STATUS_OK) {
        status = kafka_settings_put(source->conf, defaults, sizeof defaults / sizeof *defaults, reterr);
    }
    if (status == STATUS_OK) {
        status =
            kafka_properties_put(source->conf, str_from(options->properties), ours, sizeof ours / sizeof *ours, reterr);
    }
    if (status == STATUS_OK) {
        status = set_ours(source->conf, options, reterr);
    }
    if (status == STATUS_OK) {
        status = check_wait(source, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    rd_kafka_conf_set_opaque(source->conf, source);
    rd_kafka_conf_set_log_cb(source->conf, drop_log);
    rd_kafka_conf_set_error_cb(source->conf, note_error);
    rd_kafka_conf_set_offset_commit_cb(source->conf, note_commit);
    rd_kafka_conf_set_rebalance_cb(source->conf, kafka_source_rebalance);
    return kafka_client_try(RD_KAFKA_CONSUMER, source->conf, reterr);
}

/* ---- Joining ----------------------------------------------------------------------------------------------------- */

/* What brokers say of all topics that there are handles of, in one answer. */
static rd_kafka_resp_err_t ask_topics(KafkaSource *source, int ms, const struct rd_kafka_metadata **ret_metadata)
{
    rd_kafka_resp_err_t code = rd_kafka_metadata(source->consumer, 0, NULL, ret_metadata, ms);
    rd_kafka_poll(source->consumer, kafka_client_says_nothing(code) ? SLICE_MS : 0);
    return code;
}

/* In slices, so that nobody there is told soon; each is a question of its own, and longer than the one before for
 * brokers that are far away. */
static Status ask_topics_until(KafkaSource *source, int64_t deadline_us, const struct rd_kafka_metadata **ret_metadata,
                               Error *reterr)
{
    int64_t now_us = kafka_source_now_us(source), down_us = now_us + INT64_C(1000) * DOWN_MS;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (int ms = SLICE_MS; kafka_client_says_nothing(code) && now_us < deadline_us;
         ms = ms < DOWN_MS / 2 ? 2 * ms : ms) {
        int64_t left_ms = (deadline_us - now_us) / 1000;
        int enough_ms = left_ms > SLICE_MS ? (int)left_ms : SLICE_MS;
        code = ask_topics(source, ms < enough_ms ? ms : enough_ms, ret_metadata);
        now_us = kafka_source_now_us(source);
        if (source->down && now_us >= down_us) {
            break;
        }
    }
    if (kafka_client_says_nothing(code)) {
        return add_reason(source, error_set(reterr, STATUS_BUSY, "connecting: no broker answers as it should"), reterr);
    }
    Status status = kafka_error_status(code);
    return status == STATUS_OK ? status : error_set(reterr, status, "connecting: %s", rd_kafka_err2str(code));
}

static Status check_topics(KafkaSource *source, const struct rd_kafka_metadata *metadata, Error *reterr)
{
    for (size_t i = 0; i < source->topic_count; i++) {
        const struct rd_kafka_metadata_topic *topic = kafka_client_find_topic(metadata, source->topics[i]);
        rd_kafka_resp_err_t code = topic ? topic->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        Status status = kafka_error_status(code);
        if (status != STATUS_OK) {
            return error_set(reterr, status, "topic %s: %s", source->topics[i], rd_kafka_err2str(code));
        }
    }
    return STATUS_OK;
}

/* Fills up to topic_count handles, NULL behind the last. */
static Status open_topics(KafkaSource *source, rd_kafka_topic_t *topics[KAFKA_TOPICS_MAX], Error *reterr)
{
    for (size_t i = 0; i < source->topic_count; i++) {
        topics[i] = rd_kafka_topic_new(source->consumer, source->topics[i], NULL);
        if (!topics[i]) {
            return error_set(reterr, STATUS_REFUSED, "topics: %s: %s", source->topics[i],
                             rd_kafka_err2str(rd_kafka_last_error()));
        }
    }
    return STATUS_OK;
}

static Status find_topics(KafkaSource *source, int64_t deadline_us, Error *reterr)
{
    rd_kafka_topic_t *topics[KAFKA_TOPICS_MAX] = {NULL};
    const struct rd_kafka_metadata *metadata = NULL;
    Status status = open_topics(source, topics, reterr);
    if (status == STATUS_OK) {
        status = ask_topics_until(source, deadline_us, &metadata, reterr);
    }
    if (status == STATUS_OK) {
        status = check_topics(source, metadata, reterr);
    }
    if (metadata) {
        rd_kafka_metadata_destroy(metadata);
    }
    for (size_t i = 0; i < KAFKA_TOPICS_MAX && topics[i]; i++) {
        rd_kafka_topic_destroy(topics[i]);
    }
    source->down = status != STATUS_OK && source->down;
    return status;
}

/* Leaving the connection before is a part of it. */
static int64_t connect_deadline_us(const KafkaSource *source, int64_t begun_us)
{
    int64_t timed_us = kafka_source_now_us(source) + source->context->options->timeout_us;
    return timed_us < begun_us + CONNECT_US_MAX ? timed_us : begun_us + CONNECT_US_MAX;
}

/* Whoever waits is woken when there is something in a queue that was empty. */
static void open_queues(KafkaSource *source)
{
    static const uint64_t one = 1;
    rd_kafka_poll_set_consumer(source->consumer);
    source->events = rd_kafka_queue_get_consumer(source->consumer);
    source->messages = rd_kafka_queue_new(source->consumer);
    rd_kafka_queue_io_event_enable(source->events, source->wakeup.fd, &one, sizeof one);
    rd_kafka_queue_io_event_enable(source->messages, source->wakeup.fd, &one, sizeof one);
}

static Status subscribe(KafkaSource *source, Error *reterr)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)source->topic_count);
    for (size_t i = 0; i < source->topic_count; i++) {
        rd_kafka_topic_partition_list_add(list, source->topics[i], RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_resp_err_t code = rd_kafka_subscribe(source->consumer, list);
    source->joining = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_partition_list_destroy(list);
    Status status = kafka_error_status(code);
    return status == STATUS_OK
               ? status
               : error_set(reterr, status, "group %s: %s", source->context->options->group, rd_kafka_err2str(code));
}

static void begin_anew(KafkaSource *source)
{
    source->leaving = source->joined = source->down = source->drained = source->notice_passes = false;
    source->groups = 0;
    source->first_us = source->latest_us = source->lag_us = 0;
    source->checked_us = source->check_lasted_us = source->silent_us = 0;
    source->again_us = source->again_failures = 0;
    source->failure = STATUS_OK;
    source->reason[0] = source->notice[0] = '\0';
    source->base.notice = (Str){0};
    source->lag = (SourceLag){.messages = -1};
}

Status kafka_source_connect(Source *base, const SourcePlace *places, size_t count, Error *reterr)
{
    KafkaSource *source = (KafkaSource *)base;
    int64_t begun_us = kafka_source_now_us(source);
    kafka_source_leave(source, false);
    begin_anew(source);
    Status status = kafka_parts_load(&source->parts, places, count, reterr);
    if (status == STATUS_OK) {
        status = kafka_client_new(RD_KAFKA_CONSUMER, source->conf, &source->consumer, reterr);
    }
    if (status == STATUS_OK) {
        status = find_topics(source, connect_deadline_us(source, begun_us), reterr);
    }
    if (status == STATUS_OK) {
        open_queues(source);
        status = subscribe(source, reterr);
    }
    if (status != STATUS_OK) {
        kafka_source_leave(source, false);
    }
    return status;
}

/* The topic that is gone; NULL for none. librdkafka says nothing of it, and would go on in the middle of one that is
 * made anew. */
static const char *missing_topic(const struct rd_kafka_metadata *metadata)
{
    for (int i = 0; i < metadata->topic_cnt; i++) {
        if (metadata->topics[i].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
            return metadata->topics[i].topic;
        }
    }
    return NULL;
}

/* librdkafka says once when none can be reached, and in some states of a connection never. */
static Status note_silence(KafkaSource *source, Error *reterr)
{
    int64_t timeout_us = source->context->options->timeout_us;
    if (source->down) {
        return add_reason(source, error_set(reterr, STATUS_BUSY, "no broker can be reached"), reterr);
    }
    if (source->silent_us == 0) {
        source->silent_us = source->checked_us;
    }
    if (source->checked_us - source->silent_us < timeout_us) {
        return STATUS_OK;
    }
    source->down = true; /* there is nobody to take leave of */
    return add_reason(
        source, error_set(reterr, STATUS_BUSY, "no broker has answered for %lld s", (long long)(timeout_us / 1000000)),
        reterr);
}

Status kafka_source_check(KafkaSource *source, Error *reterr)
{
    const struct rd_kafka_metadata *metadata;
    int64_t begun_us = kafka_source_now_us(source);
    rd_kafka_resp_err_t code = rd_kafka_metadata(source->consumer, 0, NULL, &metadata, CHECK_MS);
    source->checked_us = kafka_source_now_us(source);
    source->check_lasted_us = source->checked_us - begun_us;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return note_silence(source, reterr);
    }
    const char *missing = missing_topic(metadata);
    Status status = missing ? error_set(reterr, STATUS_BUSY, "topic %s: it is not there any more", missing) : STATUS_OK;
    rd_kafka_metadata_destroy(metadata);
    source->down = false;
    source->silent_us = 0;
    return status;
}

/* ---- Leaving ----------------------------------------------------------------------------------------------------- */

/* Without its sign an offset would be taken for another one's. What the group has beyond the store's place is not taken
 * back: that place follows with the next group. */
void kafka_source_add_offset(const KafkaSource *source, const KafkaPart *part, rd_kafka_topic_partition_list_t *list)
{
    char sign[KAFKA_SIGN_BYTES], *copy;
    if (!part->assigned || part->kept < 0 || part->kept < part->stored) {
        return;
    }
    kafka_sign_make(source->context->info->id, source->context->options->name, part->kept, sign);
    if ((copy = strdup(sign))) {
        rd_kafka_topic_partition_t *added = rd_kafka_topic_partition_list_add(list, part->topic, part->partition);
        added->offset = part->kept;
        added->metadata = copy; /* the list frees it */
        added->metadata_size = strlen(copy);
    }
}

static rd_kafka_topic_partition_list_t *list_offsets(const KafkaSource *source)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)source->parts.count);
    for (size_t i = 0; i < source->parts.count; i++) {
        if (!source->parts.items[i].compare) { /* it may turn out to be a place in another topic of that name */
            kafka_source_add_offset(source, &source->parts.items[i], list);
        }
    }
    return list;
}

void kafka_source_commit(KafkaSource *source, rd_kafka_topic_partition_list_t *list)
{
    if (source->consumer && list->cnt > 0) {
        (void)rd_kafka_commit(source->consumer, list, true);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

void kafka_source_commit_due(KafkaSource *source)
{
    if (source->commit_us == 0 || kafka_source_now_us(source) < source->commit_us) {
        return;
    }
    source->commit_us = 0;
    kafka_source_commit(source, list_offsets(source));
}

static void commit_all(KafkaSource *source)
{
    rd_kafka_topic_partition_list_t *list = list_offsets(source);
    rd_kafka_queue_t *answers = rd_kafka_queue_new(source->consumer);
    if (list->cnt > 0 &&
        rd_kafka_commit_queue(source->consumer, list, answers, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_event_t *answer = rd_kafka_queue_poll(answers, COMMIT_MS);
        if (answer) {
            rd_kafka_event_destroy(answer);
        }
    }
    rd_kafka_queue_destroy(answers);
    rd_kafka_topic_partition_list_destroy(list);
}

/* The call that does it all may wait for brokers for ever. */
static void close_consumer(KafkaSource *source, int ms_max)
{
    int64_t deadline_us = kafka_source_now_us(source) + INT64_C(1000) * ms_max;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(source->consumer);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(source->consumer, queue);
    if (error) {
        rd_kafka_error_destroy(error);
    }
    while (!error && !rd_kafka_consumer_closed(source->consumer) && kafka_source_now_us(source) < deadline_us) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(queue, SLICE_MS / 4);
        if (message) {
            rd_kafka_message_destroy(message);
        }
    }
    rd_kafka_queue_destroy(queue);
}

/* A consumer does not end while somebody has a message of it. */
static void drop_messages(KafkaSource *source)
{
    if (source->carry) {
        rd_kafka_message_destroy(source->carry);
        source->carry = NULL;
    }
    for (size_t i = 0; i < source->parts.count; i++) {
        KafkaPart *part = &source->parts.items[i];
        if (part->last) {
            rd_kafka_message_destroy(part->last);
            part->last = NULL;
        }
    }
}

/* librdkafka before 2.3.0 aborts the process where a consumer is ended that the group has taken in, and has given
 * nothing yet (its issue 4312). Without a subscription, no answer that is still to come has it taken in; but while it
 * waits for one, and has a name by which the group knows it, it keeps its subscription. */
static bool is_taken_in(const KafkaSource *source)
{
    enum { MENDED = 0x020300ff };
    if (!source->joining || rd_kafka_version() >= MENDED) {
        return false;
    }
    (void)rd_kafka_unsubscribe(source->consumer);
    char *name = rd_kafka_memberid(source->consumer);
    const char *protocol = rd_kafka_rebalance_protocol(source->consumer);
    bool outside = name && name[0] == '\0' && protocol && strcmp(protocol, "NONE") == 0;
    rd_kafka_mem_free(source->consumer, name);
    return !outside;
}

/* Without queues nobody hears of it any more. */
static void release_queues(KafkaSource *source)
{
    if (source->messages) {
        rd_kafka_queue_io_event_enable(source->events, -1, NULL, 0);
        rd_kafka_queue_io_event_enable(source->messages, -1, NULL, 0);
        rd_kafka_queue_destroy(source->messages);
        rd_kafka_queue_destroy(source->events);
    }
    source->messages = source->events = NULL;
}

/* One that cannot be ended is closed: it reads nothing, the group misses it after its session's time-out, and its
 * memory and its threads stay until the process ends. */
void kafka_source_leave(KafkaSource *source, bool commit)
{
    if (!source->consumer) {
        return;
    }
    source->leaving = true;
    source->commit_us = 0;
    drop_messages(source);
    source->joining = is_taken_in(source);
    if (source->messages && !source->down) {
        if (commit) {
            commit_all(source);
        }
        close_consumer(source, LEAVE_MS);
    } else if (source->joining) {
        close_consumer(source, SLICE_MS);
    }
    release_queues(source);
    if (!source->joining) { /* closing may have shown what it was given */
        kafka_end(source->consumer, END_MS);
    }
    source->consumer = NULL;
    source->joining = false;
}
