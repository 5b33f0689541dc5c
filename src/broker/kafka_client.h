/* Making a client of librdkafka's. */
#ifndef WEIR_BROKER_KAFKA_CLIENT_H
#define WEIR_BROKER_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "base/err.h"

/* A client with a copy of these settings. REFUSED when they do not go together. End it with kafka_end or rd_kafka_destroy. */
Status kafka_client_new(rd_kafka_type_t type, const rd_kafka_conf_t *settings, rd_kafka_t **ret_client,
                        Error *reterr) MUST_CHECK;

/* Settings that contradict each other, or name files that are not there, are only found when a client is made: this makes one that knows of no
 * broker, and so connects to nothing. */
Status kafka_client_try(rd_kafka_type_t type, const rd_kafka_conf_t *settings, Error *reterr) MUST_CHECK;

#endif
