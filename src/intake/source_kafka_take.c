/* From a message of Kafka to a message of a group. */
#include "broker/kafka_error.h"
#include "intake/kafka_source.h"
#include "record/cloudevents.h"
#include "record/traceparent.h"

enum { WHY_BYTES = 192, PLACE_BYTES = KAFKA_TOPIC_BYTES_MAX + 40 };

/* ---- Errors ------------------------------------------------------------------------------------------------------ */

static bool is_gone(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

/* What may pass by itself, such as a coordinator that moves, is only told: librdkafka goes on trying. */
static void note_group_error(KafkaSource *source, const rd_kafka_message_t *message)
{
    const char *text = rd_kafka_message_errstr(message);
    if (kafka_error_status(message->err) == STATUS_REFUSED) {
        kafka_source_fail(source, STATUS_REFUSED, "group %s: %s", source->context->options->group, text);
    } else if (message->err == RD_KAFKA_RESP_ERR__FATAL || is_gone(message->err)) {
        kafka_source_fail(source, STATUS_BUSY, "group %s: %s", source->context->options->group, text);
    } else {
        kafka_source_note(source, true, "group %s: %s", source->context->options->group, text);
    }
}

static void note_part_error(KafkaSource *source, const rd_kafka_message_t *message)
{
    const char *topic = rd_kafka_topic_name(message->rkt);
    KafkaPart *part = kafka_parts_find(&source->parts, topic, message->partition);
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (part) {
            part->seen_end = message->offset;
        }
    } else if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        /* Connecting anew looks at what is there, and says what is missing. */
        kafka_source_fail(source, STATUS_BUSY, "%s/%d: what was to be read is not there any more", topic,
                          (int)message->partition);
    } else {
        kafka_source_fail(source, kafka_error_status(message->err), "%s/%d: %s", topic, (int)message->partition,
                          rd_kafka_message_errstr(message));
    }
}

void kafka_source_take_error(KafkaSource *source, rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_source_fail(source, STATUS_BUSY, "a message came by the wrong queue");
    } else if (message->rkt) {
        note_part_error(source, message);
    } else {
        note_group_error(source, message);
    }
    rd_kafka_message_destroy(message);
}

/* ---- What it says ------------------------------------------------------------------------------------------------ */

static Str header(const rd_kafka_headers_t *headers, const char *name)
{
    const void *value;
    size_t len;
    return rd_kafka_header_get_last(headers, name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR ? (Str){value, len}
                                                                                               : (Str){0};
}

/* A CloudEvent in binary mode has its attributes in headers, and its data is the record. One in structured mode is
 * found when it is read. */
static void read_headers(const rd_kafka_message_t *from, SourceMessage *message)
{
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(from, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    message->traceparent = header(headers, "traceparent");
    Str version = header(headers, "ce_specversion");
    if (version.len) {
        Str traceparent = header(headers, "ce_traceparent");
        message->traceparent = traceparent.len ? traceparent : message->traceparent;
        message->refused = str_from(cloudevent_check_headers(version, header(headers, "ce_id"),
                                                             header(headers, "ce_source"), header(headers, "ce_type")));
    }
}

/* Why it cannot be a record whatever it says; a message that is longer than anything that can be kept is cut. */
static void check_value(const KafkaSource *source, const rd_kafka_message_t *from, SourceMessage *message,
                        char why[WHY_BYTES])
{
    size_t bytes_max = source->context->options->message_bytes_max;
    if (!from->payload) {
        message->refused = STR("has no value: it is a tombstone");
    } else if (from->len > SOURCE_MESSAGE_BYTES_MAX) {
        snprintf(why, WHY_BYTES, "is %zu bytes long, of which the first %d are kept; message_bytes_max is %zu",
                 from->len, (int)SOURCE_MESSAGE_BYTES_MAX, bytes_max);
        message->raw.len = SOURCE_MESSAGE_BYTES_MAX;
        message->refused = str_from(why);
    } else if (from->len > bytes_max) {
        snprintf(why, WHY_BYTES, "is %zu bytes long; message_bytes_max is %zu", from->len, bytes_max);
        message->refused = str_from(why);
    }
}

static Status add(KafkaSource *source, SourceGroup *group, const KafkaPart *part, const rd_kafka_message_t *from,
                  Error *reterr)
{
    char place[PLACE_BYTES], why[WHY_BYTES];
    int place_len = snprintf(place, sizeof place, "%s/%lld", part->name, (long long)from->offset);
    SourceMessage message = {.raw = {from->payload, from->payload ? from->len : 0},
                             .place = {place, (size_t)place_len},
                             .format = SOURCE_FORMAT_JSON};
    read_headers(from, &message);
    check_value(source, from, &message, why);
    return source_group_add(group, &message, reterr);
}

/* ---- Taking ------------------------------------------------------------------------------------------------------ */

static void note_time(KafkaSource *source, const SourceGroup *group, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    int64_t ms = rd_kafka_message_timestamp(message, &type);
    if (group->count == 1) {
        source->latest_us = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? 0 : 1000 * ms;
    }
}

/* The message in front of our place, read once more. */
static void compare(KafkaSource *source, KafkaPart *part, const rd_kafka_message_t *message)
{
    char mark[KAFKA_MARK_BYTES];
    kafka_mark_make(message, mark);
    if (strcmp(mark, part->mark) != 0) {
        kafka_source_fail(
            source, STATUS_REFUSED,
            "%s: the message at offset %lld is another one than was read there (it is %s, it was %s): the "
            "topic was made anew; 'weir sources forget %s' starts over",
            part->name, (long long)message->offset, mark, part->mark, source->context->options->name);
    }
}

/* True: it is not for the group. */
static bool pass_over(KafkaSource *source, KafkaPart *part, const rd_kafka_message_t *message)
{
    if (part->compare) {
        part->compare = false; /* also when it is not there any more: retention or compaction took it */
        if (message->offset == part->next - 1) {
            compare(source, part, message);
        }
    }
    return message->offset < part->next;
}

static Status take(KafkaSource *source, SourceGroup *group, KafkaPart *part, rd_kafka_message_t *message, Error *reterr)
{
    Status status = add(source, group, part, message, reterr);
    if (status != STATUS_OK) {
        rd_kafka_message_destroy(message);
        return status;
    }
    note_time(source, group, message);
    if (part->last) {
        rd_kafka_message_destroy(part->last);
    }
    part->last = message;
    part->put = true;
    part->next = message->offset + 1;
    return STATUS_OK;
}

Status kafka_source_take(KafkaSource *source, SourceGroup *group, rd_kafka_message_t *message, Error *reterr)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_source_take_error(source, message);
        return STATUS_OK;
    }
    KafkaPart *part = kafka_parts_find(&source->parts, rd_kafka_topic_name(message->rkt), message->partition);
    /* What was left of a partition that is not ours any more comes to whoever has it now. */
    if (!part || !part->assigned || pass_over(source, part, message)) {
        rd_kafka_message_destroy(message);
        return STATUS_OK;
    }
    if (!source_group_has_room(group, message->len)) {
        source->carry = message;
        return STATUS_OK;
    }
    return take(source, group, part, message, reterr);
}
