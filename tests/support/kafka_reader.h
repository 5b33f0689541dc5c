/* Reads a topic as a consumer that wants committed messages alone. */
#ifndef WEIR_TESTS_SUPPORT_KAFKA_READER_H
#define WEIR_TESTS_SUPPORT_KAFKA_READER_H

#include <librdkafka/rdkafka.h>

#include "base/str.h"

typedef struct KafkaReader KafkaReader;

/* Aborts when it cannot be. */
KafkaReader *kafka_reader_open(const char *brokers, const char *topic);
void kafka_reader_close(KafkaReader *reader); /* accepts NULL */

typedef void KafkaVisitor(void *context, const rd_kafka_message_t *message);

/* Hands out what has come to the topic's end since the last call, in order within a partition. False when the brokers
 * did not answer within `seconds`; what was read until then was handed out. */
bool kafka_reader_read(KafkaReader *reader, int seconds, KafkaVisitor *visit, void *context);

/* A header's value; empty when there is none. Borrows from the message. */
Str kafka_header(const rd_kafka_message_t *message, const char *name);

#endif
