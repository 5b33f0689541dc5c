/* The other side of Kafka sinks in tests: a real cluster, whose address the environment names in KAFKA_FOR_TESTS, or
 * librdkafka's mock cluster. The mock takes transactions but keeps neither offsets nor what was aborted apart: it
 * proves nothing about exactly once. */
#ifndef WEIR_TESTS_CONTRACT_KAFKA_SIDE_H
#define WEIR_TESTS_CONTRACT_KAFKA_SIDE_H

#include "deliver/sink.h"
#include "support/kafka_reader.h"

/* A message that was read. */
typedef struct KafkaCopy {
    char *id, *source, *type, *time, *version, *content_type, *traceparent, *replay, *key, *body; /* "" for none */
} KafkaCopy;

/* A prefix of its own, with a topic `notifications` of one partition, and a store of its own. */
typedef struct KafkaSide {
    const char *brokers;
    char prefix[64];
    StoreInfo info;
    SinkOptions options;
    SinkContext context;
    rd_kafka_t *client; /* of the mock, or that makes topics */
    struct rd_kafka_mock_cluster_s *mock;
    KafkaReader *reader;
    KafkaCopy *copies;
    size_t count, cap;
    bool stale; /* something may have been sent since it was read */
} KafkaSide;

bool kafka_side_is_real(void);

/* `bytes_max`: the topic's max.message.bytes, "" for the default. */
KafkaSide *kafka_side_start(const char *bytes_max);
void kafka_side_stop(KafkaSide *side);

/* A sink with the side's options. */
Sink *kafka_side_open(KafkaSide *side, int64_t replay_job);

/* Reads what has come to `notifications` since it was asked last. */
size_t kafka_side_count(KafkaSide *side);

#endif
