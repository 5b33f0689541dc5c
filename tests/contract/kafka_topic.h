/* The other side of Kafka sources in tests: a topic of three partitions or more, on a real cluster, whose address the
 * environment names in KAFKA_FOR_TESTS, or on librdkafka's mock cluster. The mock knows no retention, and lets each
 * group wait for three seconds before it begins. */
#ifndef WEIR_TESTS_CONTRACT_KAFKA_TOPIC_H
#define WEIR_TESTS_CONTRACT_KAFKA_TOPIC_H

#include <librdkafka/rdkafka.h>

#include "intake/source.h"

enum { TOPIC_PARTITIONS = 3, TOPIC_BROKER = 1 /* the mock's */ };

typedef struct KafkaHeader {
    const char *name, *value;
} KafkaHeader;

typedef struct KafkaTopic {
    const char *brokers;
    char name[64], group[64];
    int32_t partitions;
    StoreInfo info;
    SourceOptions options;
    SourceContext context;
    rd_kafka_t *producer;
    rd_kafka_t *asker; /* a consumer with the group's name that reads nothing */
    struct rd_kafka_mock_cluster_s *mock;
} KafkaTopic;

bool kafka_topic_is_real(void);

KafkaTopic *kafka_topic_start(void);
/* So many partitions on a mock cluster of two brokers, of which the second, TOPIC_BROKER + 1, leads those from `first`
 * up to `last`. */
KafkaTopic *kafka_topic_start_on_two(int32_t partitions, int32_t first, int32_t last);
void kafka_topic_stop(KafkaTopic *topic);

/* A source of it with the topic's options, not connected. */
Source *kafka_topic_open(KafkaTopic *topic);

/* Returns when the brokers have it. A value without a pointer is a tombstone. */
void kafka_topic_put(KafkaTopic *topic, int32_t partition, Str key, Str value, const KafkaHeader *headers,
                     size_t header_count);

/* Messages behind what the group has committed. */
int64_t kafka_topic_left(KafkaTopic *topic);

/* The group's offset, -1 for none; and as another one of the group would set it. */
int64_t kafka_topic_committed(KafkaTopic *topic, int32_t partition);
void kafka_topic_commit(KafkaTopic *topic, int32_t partition, int64_t offset);

/* A real cluster's alone. Removes what is in front of the offset; deletes the topic, and makes it again. */
void kafka_topic_trim(KafkaTopic *topic, int32_t partition, int64_t offset);
void kafka_topic_make_anew(KafkaTopic *topic);

/* Another member of the group, which commits nothing. It holds partitions when `kafka_member_holds` says so. */
rd_kafka_t *kafka_member_join(KafkaTopic *topic);
int kafka_member_holds(rd_kafka_t *member);
void kafka_member_leave(rd_kafka_t *member);

#endif
