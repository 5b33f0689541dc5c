/* A message as Kafka keeps it: CloudEvents 1.0 in the binary mode of its Kafka protocol binding, the attributes in
 * headers and the JSON object as the value. */
#ifndef WEIR_DELIVER_KAFKA_MESSAGE_H
#define WEIR_DELIVER_KAFKA_MESSAGE_H

#include <librdkafka/rdkafka.h>

#include "deliver/outbox.h"

/* What it takes besides key and body, at most. */
enum { KAFKA_MESSAGE_OVERHEAD_BYTES = 1024 };
size_t kafka_message_bytes_max(const Message *message);

/* What all messages of a sink have in common; made once. */
enum { KAFKA_STAMP_TEXT_BYTES = 64 };
typedef struct KafkaStamp {
    char source[KAFKA_STAMP_TEXT_BYTES];                    /* ce_source: "weir/<the store's id>" */
    char types[MESSAGE_KIND_COUNT][KAFKA_STAMP_TEXT_BYTES]; /* ce_type: "weir.<kind>" */
    char replay[KAFKA_STAMP_TEXT_BYTES];                    /* replay-id; empty for none */
} KafkaStamp;
void kafka_stamp_make(const char *store, int64_t replay_job, KafkaStamp *ret_stamp);

/* Puts it into the producer's queue, on the topic of its kind; copies. The report of its delivery carries `index`. */
rd_kafka_resp_err_t kafka_message_produce(rd_kafka_t *producer, rd_kafka_topic_t *topic, const Message *message,
                                          const KafkaStamp *stamp, size_t index);

#endif
