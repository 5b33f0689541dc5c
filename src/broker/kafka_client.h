/* Making a client of librdkafka's. */
#ifndef WEIR_BROKER_KAFKA_CLIENT_H
#define WEIR_BROKER_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "base/err.h"

/* A client with a copy of these settings. REFUSED when they do not go together. End it with kafka_end or
 * rd_kafka_destroy. */
Status kafka_client_new(rd_kafka_type_t type, const rd_kafka_conf_t *settings, rd_kafka_t **ret_client,
                        Error *reterr) MUST_CHECK;

/* Settings that contradict each other, or name files that are not there, are only found when a client is made: this
 * makes one that knows of no broker, and so connects to nothing. */
Status kafka_client_try(rd_kafka_type_t type, const rd_kafka_conf_t *settings, Error *reterr) MUST_CHECK;

/* What the brokers say of the topic within that time, or that they say nothing. */
rd_kafka_resp_err_t kafka_client_ask_topic(rd_kafka_t *client, rd_kafka_topic_t *topic, int ms);
/* What an answer says of the topic; NULL for nothing. */
const struct rd_kafka_metadata_topic *kafka_client_find_topic(const struct rd_kafka_metadata *metadata,
                                                              const char *name);
static inline bool kafka_client_says_nothing(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT;
}

#endif
