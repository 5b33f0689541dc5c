/* The source for Kafka: a member of a consumer group. What was stored is known from our own place, which is stored with
 * the records; the offset that is committed to the brokers only follows, for tools that show it and for others of the
 * group. After a crash we begin at the larger of the two, unless both are ours and the store is an older copy of
 * itself: then at what the store has.
 *
 * Within a connection what was handed over is not read again, also when a partition goes to another member and comes
 * back. */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

#include "config/options.h"
#include "intake/kafka_source.h"

enum { EVENTS_MAX = 64, STEP_MS_MIN = 1000, STEP_MS_MAX = 2500, WAITING_NAMED_MAX = 3 };
#define LAG_EVERY_US   INT64_C(200000)
#define CHECK_EVERY_US INT64_C(1000000)

/* ---- What callbacks found ---------------------------------------------------------------------------------------- */

void kafka_source_fail(KafkaSource *source, Status status, const char *format, ...)
{
    char text[ERROR_MESSAGE_BYTES_MAX];
    if (source->failure == STATUS_REFUSED || (source->failure != STATUS_OK && status != STATUS_REFUSED)) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    source->failure = error_set(&source->failure_error, status, "%s", text);
}

/* What passes does not hide what does not. */
void kafka_source_note(KafkaSource *source, bool passes, const char *format, ...)
{
    if (passes && source->notice[0] != '\0' && !source->notice_passes) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(source->notice, sizeof source->notice, format, args);
    va_end(args);
    source->notice_passes = passes;
    source->told_bytes = source->told_after = 0; /* nothing is told behind what this took the place of */
    kafka_source_show(source);
}

void kafka_source_unnote(KafkaSource *source)
{
    if (source->notice_passes) {
        source->notice[0] = '\0';
        kafka_source_show(source);
    }
}

static void put_shown(KafkaSource *source, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put_shown(KafkaSource *source, const char *format, ...)
{
    size_t len = strlen(source->shown);
    va_list args;
    va_start(args, format);
    vsnprintf(source->shown + len, sizeof source->shown - len, format, args);
    va_end(args);
}

void kafka_source_show(KafkaSource *source)
{
    char text[KAFKA_TROUBLE_BYTES];
    size_t waiting = 0;
    source->shown[0] = '\0';
    for (size_t i = 0; i < source->parts.count; i++) {
        const KafkaPart *part = &source->parts.items[i];
        if (part->trouble != RD_KAFKA_RESP_ERR_NO_ERROR && ++waiting <= WAITING_NAMED_MAX) {
            kafka_part_trouble(part, text);
            put_shown(source, "%s%s", waiting > 1 ? ", " : "not read, and tried again: ", text);
        }
    }
    if (waiting > WAITING_NAMED_MAX) {
        put_shown(source, " and %zu more", waiting - WAITING_NAMED_MAX);
    }
    put_shown(source, "%s%s", waiting && source->notice[0] ? "; " : "", source->notice);
    source->base.notice = str_from(source->shown);
}

/* Where no broker answers, nothing is missed by asking on. */
static bool is_check_due(const KafkaSource *source)
{
    int64_t since_us = kafka_source_now_us(source) - source->checked_us;
    bool rested = source->silent_us || since_us >= KAFKA_REST_TIMES * source->check_lasted_us;
    return source->down || (since_us >= CHECK_EVERY_US && rested);
}

/* What was found ends the connection, so that others of the group need not wait for us. */
static Status check_failure(KafkaSource *source, Error *reterr)
{
    Status status = source->failure;
    if (status == STATUS_OK && is_check_due(source)) {
        status = kafka_source_check(source, &source->failure_error);
    }
    if (status != STATUS_OK) {
        kafka_source_leave(source, false);
        return error_set(reterr, status, "%s", source->failure_error.message);
    }
    return STATUS_OK;
}

/* ---- Fetching ---------------------------------------------------------------------------------------------------- */

/* The group, and the connection. This also tells librdkafka that we are alive. */
static void serve_events(KafkaSource *source)
{
    for (int i = 0; i < EVENTS_MAX; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(source->consumer, 0);
        if (!message) {
            return;
        }
        kafka_source_take_error(source, message);
    }
}

static rd_kafka_message_t *next_message(KafkaSource *source)
{
    rd_kafka_message_t *message = source->carry;
    source->carry = NULL;
    if (!message) {
        message = rd_kafka_consume_queue(source->messages, 0);
        source->drained = !message;
    }
    return message;
}

static Status take_messages(KafkaSource *source, SourceGroup *group, Error *reterr)
{
    Status status = STATUS_OK;
    source->drained = false;
    while (status == STATUS_OK && source->failure == STATUS_OK && source_group_has_room(group, 0)) {
        rd_kafka_message_t *message = next_message(source);
        if (!message) {
            break;
        }
        status = kafka_source_take(source, group, message, reterr);
        if (source->carry) {
            break;
        }
    }
    return status;
}

static Status put_place(SourceGroup *group, KafkaPart *part, Error *reterr)
{
    part->put = false;
    if (part->last) {
        kafka_mark_make(part->last, part->mark);
        rd_kafka_message_destroy(part->last);
        part->last = NULL;
    }
    return source_group_put_place(group, str_from(part->name), part->next, str_from(part->mark), reterr);
}

static Status put_places(KafkaSource *source, SourceGroup *group, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < source->parts.count && status == STATUS_OK; i++) {
        if (source->parts.items[i].put) {
            status = put_place(group, &source->parts.items[i], reterr);
        }
    }
    return status;
}

static void count_group(KafkaSource *source, const SourceGroup *group)
{
    if (group->count == 0) {
        return;
    }
    source->silent_us = 0;
    if (source->groups++ == 0) {
        source->first_us = source->latest_us;
    }
}

/* The ends of partitions come with what is fetched of them. Looked at when something was acknowledged, too. */
static void look_at_lag(KafkaSource *source)
{
    int64_t now_us = kafka_source_now_us(source);
    if (source->lag_us && now_us - source->lag_us < LAG_EVERY_US) {
        return;
    }
    source->lag_us = now_us;
    for (size_t i = 0; i < source->parts.count; i++) {
        KafkaPart *part = &source->parts.items[i];
        int64_t low, high;
        if (part->assigned && rd_kafka_get_watermark_offsets(source->consumer, part->topic, part->partition, &low,
                                                             &high) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            part->end = high > part->end ? high : part->end;
        }
    }
    source->lag.messages = source->joined ? kafka_parts_waiting(&source->parts) : -1;
    source->lag.oldest_us = source->lag.messages > 0 ? source->first_us : 0;
}

static Status fetch_group(KafkaSource *source, SourceGroup *group, Error *reterr)
{
    Status status = take_messages(source, group, reterr);
    if (status == STATUS_OK) {
        status = put_places(source, group, reterr);
    }
    count_group(source, group);
    return status;
}

static Status kafka_fetch(Source *base, SourceGroup *group, Error *reterr)
{
    KafkaSource *source = (KafkaSource *)base;
    if (!source->consumer) {
        return error_set(reterr, STATUS_BUSY, "not connected");
    }
    serve_events(source);
    kafka_source_commit_due(source);
    kafka_source_begin_due(source);
    Status status = check_failure(source, reterr);
    if (status == STATUS_OK && group) {
        status = fetch_group(source, group, reterr);
    }
    if (status == STATUS_OK) {
        status = check_failure(source, reterr);
    }
    if (status == STATUS_OK) {
        look_at_lag(source);
    }
    return status;
}

/* ---- Acknowledging ----------------------------------------------------------------------------------------------- */

/* Partitions that are not ours any more are left alone: whoever has them now may be further. */
static Status kafka_acknowledge(Source *base, const SourceGroup *group, Error *reterr)
{
    (void)reterr;
    KafkaSource *source = (KafkaSource *)base;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)group->place_count);
    for (size_t i = 0; i < group->place_count; i++) {
        const SourcePlace *place = &group->places[i];
        KafkaPart *part = kafka_parts_find_name(&source->parts, place->part);
        if (!part) {
            continue;
        }
        part->in_store = true;
        part->kept = place->next;
        part->stored = place->next > part->stored ? place->next : part->stored;
        kafka_source_add_offset(source, part, list);
    }
    kafka_source_commit(source, list);
    source->groups -= group->count > 0 && source->groups > 0;
    source->first_us = source->groups > 0 ? source->latest_us : 0;
    source->lag_us = 0;
    return STATUS_OK;
}

/* ---- The rest of the seam ---------------------------------------------------------------------------------------- */

static void kafka_wait(Source *base, int64_t us_max)
{
    KafkaSource *source = (KafkaSource *)base;
    bool has_more = source->consumer && (source->carry || !source->drained);
    if (wakeup_wait(&source->wakeup, has_more ? 0 : us_max)) {
        source->drained = false; /* a queue calls once, and again only after it was looked at */
    }
}

static void kafka_wake(Source *base) { wakeup_call(&((KafkaSource *)base)->wakeup); }

static void kafka_lag(const Source *base, SourceLag *ret_lag) { *ret_lag = ((const KafkaSource *)base)->lag; }

static void kafka_close(Source *base)
{
    KafkaSource *source = (KafkaSource *)base;
    kafka_source_leave(source, true);
    kafka_parts_release(&source->parts);
    if (source->conf) {
        rd_kafka_conf_destroy(source->conf);
    }
    for (size_t i = 0; i < source->topic_count; i++) {
        free(source->topics[i]);
    }
    wakeup_release(&source->wakeup);
    free(source);
}

static const SourceOps kafka_ops = {
    .connect = kafka_source_connect,
    .fetch = kafka_fetch,
    .acknowledge = kafka_acknowledge,
    .wait = kafka_wait,
    .wake = kafka_wake,
    .lag = kafka_lag,
    .close = kafka_close,
};

/* ---- Opening ----------------------------------------------------------------------------------------------------- */

static bool is_topic_name(Str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (!isalnum(c) && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return name.len > 0 && name.len <= KAFKA_TOPIC_BYTES_MAX;
}

static bool has_topic(const KafkaSource *source, Str name)
{
    for (size_t i = 0; i < source->topic_count; i++) {
        if (str_is(name, source->topics[i])) {
            return true;
        }
    }
    return false;
}

static Status read_topics(KafkaSource *source, Error *reterr)
{
    Str name;
    OptionItems items = option_items(str_from(source->context->options->topics));
    while (option_items_next(&items, &name)) {
        if (!is_topic_name(name) || source->topic_count == KAFKA_TOPICS_MAX) {
            return error_set(reterr, STATUS_REFUSED, "topics: '%.*s' %s", STR_ARGS(name),
                             is_topic_name(name) ? "is one too many" : "is no name of a topic");
        }
        if (has_topic(source, name)) { /* librdkafka refuses to join a group for it */
            return error_set(reterr, STATUS_REFUSED, "topics: %.*s is named twice", STR_ARGS(name));
        }
        if (!(source->topics[source->topic_count] = strndup(name.ptr, name.len))) {
            return error_set(reterr, STATUS_BUSY, "out of memory");
        }
        source->topic_count++;
    }
    return source->topic_count > 0 ? STATUS_OK : error_set(reterr, STATUS_REFUSED, "topics: none is named");
}

static int step_ms(const SourceOptions *options)
{
    int64_t ms = options->timeout_us / 4000;
    return ms > STEP_MS_MAX ? STEP_MS_MAX : ms < STEP_MS_MIN ? STEP_MS_MIN : (int)ms;
}

Status source_kafka_open(const SourceContext *context, Source **ret_source, Error *reterr)
{
    KafkaSource *source = calloc(1, sizeof *source);
    if (!source) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    *source = (KafkaSource){.base.ops = &kafka_ops,
                            .context = context,
                            .step_ms = step_ms(context->options),
                            .wakeup = WAKEUP_NONE,
                            .lag.messages = -1};
    Status status = wakeup_init(&source->wakeup, reterr);
    if (status == STATUS_OK) {
        status = read_topics(source, reterr);
    }
    if (status == STATUS_OK) {
        status = kafka_source_settings(source, reterr);
    }
    if (status != STATUS_OK) {
        kafka_close(&source->base);
        return status;
    }
    *ret_source = &source->base;
    return STATUS_OK;
}
