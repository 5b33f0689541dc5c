/* The end of a librdkafka client, in bounded time.
 *
 * librdkafka ends a client when all of its threads have, and there are cases in which one never does: a consumer whose
 * topic was deleted while it read from it (2.0.2), or a name server that does not answer. The client is ended by a
 * thread that is waited for a while, and then left to itself with the client's memory. */
#ifndef WEIR_BROKER_KAFKA_END_H
#define WEIR_BROKER_KAFKA_END_H

#include <librdkafka/rdkafka.h>

/* A consumer's group is not left by this: see rd_kafka_consumer_close. Nothing of the client may be used any more, and
 * its callbacks are not called. Accepts NULL. */
void kafka_end(rd_kafka_t *client, int ms_max);

#endif
