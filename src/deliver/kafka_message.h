/* A message as Kafka keeps it: CloudEvents 1.0 in the binary mode of its Kafka protocol binding, the attributes in headers and the
 * JSON object as the value. */
#ifndef WEIR_DELIVER_KAFKA_MESSAGE_H
#define WEIR_DELIVER_KAFKA_MESSAGE_H

#include <librdkafka/rdkafka.h>

#include "deliver/outbox.h"

/* What it takes besides key and body, at most. */
enum { KAFKA_MESSAGE_OVERHEAD_BYTES = 1024 };
size_t kafka_message_bytes_max(const Message *message);

/* Puts it into the producer's queue, on the topic of its kind; copies. `source` is "weir/<the store's id>"; `replay` is a replay's
 * number, 0 for none. The report of its delivery carries `index`. */
rd_kafka_resp_err_t kafka_message_produce(rd_kafka_t *producer, rd_kafka_topic_t *topic, const Message *message,
                                          Str source, int64_t replay, size_t index);

#endif
