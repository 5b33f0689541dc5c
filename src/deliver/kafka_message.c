#include "deliver/kafka_message.h"

#include "base/timestamp.h"

enum { HEADERS_MAX = 8 };

void kafka_stamp_make(const char *store, int64_t replay_job, KafkaStamp *ret_stamp)
{
    *ret_stamp = (KafkaStamp){0};
    snprintf(ret_stamp->source, sizeof ret_stamp->source, "weir/%s", store);
    for (MessageKind kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
        snprintf(ret_stamp->types[kind], sizeof ret_stamp->types[kind], "weir.%s", message_kind_name(kind));
    }
    if (replay_job) {
        snprintf(ret_stamp->replay, sizeof ret_stamp->replay, "%lld", (long long)replay_job);
    }
}

size_t kafka_message_bytes_max(const Message *message)
{
    return message->body.len + message->key.len + message->traceparent.len + KAFKA_MESSAGE_OVERHEAD_BYTES;
}

static rd_kafka_resp_err_t add(rd_kafka_headers_t *headers, Str name, Str value)
{
    return rd_kafka_header_add(headers, name.ptr, (ssize_t)name.len, value.ptr, (ssize_t)value.len);
}

/* Which of the headers could not be added does not matter: it was for want of memory. */
static rd_kafka_resp_err_t add_all(rd_kafka_headers_t *headers, const Message *message, const KafkaStamp *stamp)
{
    char time[TIMESTAMP_TEXT_BYTES_MAX];
    size_t time_len = timestamp_format(message->created_us, time);
    int failed = add(headers, STR("ce_specversion"), STR("1.0")) | add(headers, STR("ce_id"), message->id) |
                 add(headers, STR("ce_source"), str_from(stamp->source)) |
                 add(headers, STR("ce_type"), str_from(stamp->types[message->kind])) |
                 add(headers, STR("ce_time"), (Str){time, time_len}) |
                 add(headers, STR("content-type"), STR("application/json"));
    if (message->traceparent.len > 0) {
        failed |= add(headers, STR("traceparent"), message->traceparent);
    }
    if (stamp->replay[0] != '\0') {
        failed |= add(headers, STR("replay-id"), str_from(stamp->replay));
    }
    return failed ? RD_KAFKA_RESP_ERR__FAIL : RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The message's timestamp is left to be the moment of sending. The moment of the record would let a topic's retention
 * drop what was recorded long ago as soon as a new sink has sent it. */
rd_kafka_resp_err_t kafka_message_produce(rd_kafka_t *producer, rd_kafka_topic_t *topic, const Message *message,
                                          const KafkaStamp *stamp, size_t index)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(HEADERS_MAX);
    if (!headers) {
        return RD_KAFKA_RESP_ERR__FAIL;
    }
    /* An empty key is none, so that such messages spread over the partitions. */
    const char *key = message->key.len > 0 ? message->key.ptr : NULL;
    rd_kafka_resp_err_t err = add_all(headers, message, stamp);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        /* The queue owns the headers from here on. */
        err =
            rd_kafka_producev(producer, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_KEY(key, message->key.len),
                              RD_KAFKA_V_VALUE((void *)(uintptr_t)message->body.ptr, message->body.len),
                              RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE((void *)(uintptr_t)index), RD_KAFKA_V_END);
    }
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_headers_destroy(headers);
    }
    return err;
}
