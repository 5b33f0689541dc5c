/* What librdkafka is told: settings of the program's own, and those that a user gives as properties
 * (sinks.<name>.properties, sources.<name>.properties). Names and meanings are those of librdkafka's
 * CONFIGURATION.md. */
#ifndef WEIR_BROKER_KAFKA_PROPERTIES_H
#define WEIR_BROKER_KAFKA_PROPERTIES_H

#include <librdkafka/rdkafka.h>

#include "base/err.h"
#include "base/str.h"

/* REFUSED: librdkafka does not know the setting or take the value; the message names it, and never its value, which may
 * be a password. */
Status kafka_setting_put(rd_kafka_conf_t *conf, const char *name, const char *value, Error *reterr) MUST_CHECK;

typedef struct KafkaSetting {
    const char *name, *value;
} KafkaSetting;
Status kafka_settings_put(rd_kafka_conf_t *conf, const KafkaSetting *settings, size_t count, Error *reterr) MUST_CHECK;

/* A setting that is a number; `other` when librdkafka does not say. */
uint64_t kafka_setting_number(const rd_kafka_conf_t *conf, const char *name, uint64_t other);

/* A setting that is not the user's, and the reason. Those that are nobody's to set are known: the brokers' names, code
 * from elsewhere, where events go. */
typedef struct KafkaReserved {
    const char *name, *why;
} KafkaReserved;

/* The user's, name=value, …; each is refused when it is reserved. */
Status kafka_properties_put(rd_kafka_conf_t *conf, Str properties, const KafkaReserved *reserved, size_t count,
                            Error *reterr) MUST_CHECK;

/* REFUSED: none is named, or one is not host:port. librdkafka takes what it cannot read for port 0, or for no broker at
 * all, and goes on trying. */
Status kafka_brokers_check(const char *brokers, Error *reterr) MUST_CHECK;

#endif
