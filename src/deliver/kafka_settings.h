/* What librdkafka is told: a sink's own settings (sinks.<name>.properties), and those that exactly-once delivery rests
 * on, which nobody can change. Names and meanings are those of librdkafka's CONFIGURATION.md. */
#ifndef WEIR_DELIVER_KAFKA_SETTINGS_H
#define WEIR_DELIVER_KAFKA_SETTINGS_H

#include <librdkafka/rdkafka.h>

#include "deliver/sink.h"

/* The names by which brokers know a sink. They stay the same for the life of a store, so that whoever takes over is
 * known for the successor of whoever was killed. */
enum { KAFKA_STORE_BYTES = 33, KAFKA_NAME_BYTES = 192 };
typedef struct KafkaNames {
    char store[KAFKA_STORE_BYTES];        /* the store's id, in hexadecimal digits */
    char transactional[KAFKA_NAME_BYTES]; /* weir-<store>-<sink>, for a replay with -replay-<job> behind it */
    char group[KAFKA_NAME_BYTES];         /* weir-<store>-<sink>: the consumer group that the place is kept under */
} KafkaNames;
void kafka_names_make(const SinkContext *context, KafkaNames *ret_names);

/* How long one step of a connection or a transaction may last. A call of the sink has five at most, which stay below
 * SINK_CALL_US_MAX together. */
enum { KAFKA_STEP_MS_MIN = 1000, KAFKA_STEP_MS_MAX = 10000 };
int kafka_step_ms(const SinkOptions *options);

/* Everything but the callbacks. REFUSED: a property that librdkafka does not know or take, or that is not the user's to
 * set; the message names it, and never its value, which may be a password. The caller owns the result
 * (rd_kafka_conf_destroy). */
Status kafka_settings_make(const SinkContext *context, const KafkaNames *names, rd_kafka_conf_t **ret_conf,
                           Error *reterr) MUST_CHECK;

#endif
