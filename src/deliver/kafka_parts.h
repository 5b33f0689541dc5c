/* What the files of the Kafka sink share: sink_kafka.c (sending, opening) and kafka_connect.c. For nobody else. */
#ifndef WEIR_DELIVER_KAFKA_PARTS_H
#define WEIR_DELIVER_KAFKA_PARTS_H

#include "base/wakeup.h"
#include "deliver/kafka_message.h"
#include "deliver/kafka_place.h"
#include "deliver/kafka_settings.h"

enum {
    KAFKA_SLICE_MS = 200, /* between looks at what librdkafka has to say */
    KAFKA_REASON_BYTES = 384,
};

/* A message that was sent, and what became of it. */
typedef struct KafkaEntry {
    int64_t seq;
    rd_kafka_resp_err_t report; /* KAFKA_NOT_REPORTED until librdkafka has reported of it */
    SinkVerdict verdict;
    int64_t latency_us;
} KafkaEntry;
#define KAFKA_NOT_REPORTED RD_KAFKA_RESP_ERR__IN_PROGRESS

typedef struct KafkaSink {
    Sink sink;
    SinkContext context;
    KafkaNames names;
    KafkaStamp stamp;
    char *topic_names[MESSAGE_STREAM_COUNT]; /* owns */
    MessageStream place_stream;              /* on whose topic the place is kept */
    rd_kafka_conf_t *conf;                   /* owns; each producer gets a copy */
    int step_ms;
    size_t message_bytes_max;

    rd_kafka_t *producer; /* owns; NULL while not connected */
    rd_kafka_topic_t *topics[MESSAGE_STREAM_COUNT];
    rd_kafka_resp_err_t gone[MESSAGE_STREAM_COUNT]; /* why a topic that is not wanted any more cannot be had … */
    int64_t gone_until_us[MESSAGE_STREAM_COUNT];    /* … and how long that is believed; of this connection */
    char writer[KAFKA_WRITER_BYTES];                /* of this sink */
    KafkaPlace found;                               /* what was read last, and taken for a predecessor's or our own */
    bool was_connected;
    bool fenced;                     /* the brokers stopped listening to us: another may have taken over */
    char reason[KAFKA_REASON_BYTES]; /* librdkafka's last complaint; empty for none */
    bool down; /* since the connection was begun there was a moment when no broker could be reached */

    size_t group_max, room;
    KafkaEntry *entries;            /* owns; group_max */
    size_t given, settled, entered; /* 0 ≤ handed out ≤ with a verdict ≤ all, those of the group under way last */
    Wakeup wakeup;
} KafkaSink;

static inline int64_t kafka_now_us(const KafkaSink *sink) { return clock_monotonic_us(sink->context.clock); }

/* Has librdkafka tell the sink what it has to say, and nobody else. */
void kafka_listen(KafkaSink *sink, rd_kafka_conf_t *conf);

/* An error that tells little by itself ("timed out") gets librdkafka's last complaint behind it. Returns `status`. */
Status kafka_add_reason(KafkaSink *sink, Status status, Error *reterr);

/* SinkOps.connect. */
Status kafka_connect(Sink *base, SinkPlace ours, SinkPlace *ret_theirs, Error *reterr) MUST_CHECK;
void kafka_disconnect(KafkaSink *sink);

/* A new producer in the place of the one that there was: what that has not committed is aborted. */
Status kafka_renew(KafkaSink *sink, Error *reterr) MUST_CHECK;

/* Makes the topics of the wanted streams ready to be sent to, all at the same time. codes[stream] says of each why it
 * is not: the brokers' last word, or librdkafka's (below 0) where they never answered. Both have a place for each
 * stream; those that are not wanted stay as they are. */
void kafka_find_topics(KafkaSink *sink, const bool *wanted, int64_t deadline_us, rd_kafka_resp_err_t *codes);

#endif
