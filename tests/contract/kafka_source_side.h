/* Kafka as the suite of source_suite.h wants it. */
#ifndef WEIR_TESTS_CONTRACT_KAFKA_SOURCE_SIDE_H
#define WEIR_TESTS_CONTRACT_KAFKA_SOURCE_SIDE_H

#include "kafka_topic.h"
#include "source_suite.h"

/* A `side` of it is a KafkaTopic. */
const SourceSide *kafka_source_side(void);

#endif
