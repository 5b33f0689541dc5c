/* What Kafka's errors mean (librdkafka's RD_KAFKA_RESP_ERR_…, of which those that begin with another underscore are its
 * own). */
#ifndef WEIR_BROKER_KAFKA_ERROR_H
#define WEIR_BROKER_KAFKA_ERROR_H

#include <stdbool.h>

#include <librdkafka/rdkafka.h>

#include "base/err.h"

/* REFUSED when somebody has to change something, rights most often; BUSY for all that may pass. */
Status kafka_error_status(rd_kafka_resp_err_t code);

/* The brokers no longer listen to this producer: another one has its name, or it let a transaction lie for too long. */
bool kafka_error_is_fenced(rd_kafka_resp_err_t code);

/* The brokers will never take these bytes. They say so of all messages that were sent in one request, though it may be
 * the fault of one. */
bool kafka_error_blames_message(rd_kafka_resp_err_t code);

/* Fills reterr with "<what>: <error>", destroys the error and returns its status. */
Status kafka_error_take(rd_kafka_error_t *error, const char *what, Error *reterr);

#endif
