/* The options of a sink, sinks.<name>.<option>; deliver/sink_config.h makes of them what a sink works with. */
#ifndef WEIR_CONFIG_SINKS_TABLE_H
#define WEIR_CONFIG_SINKS_TABLE_H

#include "config/options.h"

/* In the order of the table. */
typedef enum SinksOption {
    SINKS_TYPE, /* its choices are in the order of SinkType */
    SINKS_ENABLED,
    SINKS_START,
    SINKS_MESSAGES, /* its choices are in the order of MessageKind */
    SINKS_FILTER_SOURCE_ID,
    SINKS_FILTER_DESTINATION_ID,
    SINKS_FILTER_UNIT,
    SINKS_FILTER_TYPE, /* its choices are in the order of RecordType */
    SINKS_FILTER_VALUE_MIN,
    SINKS_URL,
    SINKS_SECRET,
    SINKS_SECRET_FILE,
    SINKS_ORDERED,
    SINKS_SCHEDULE,
    SINKS_ALLOW_PRIVATE,
    SINKS_CA_FILE,
    SINKS_CERT_FILE,
    SINKS_KEY_FILE,
    SINKS_BROKERS,
    SINKS_PROPERTIES,
    SINKS_PREFIX,
    SINKS_AS,
    SINKS_TRIM,
    SINKS_IN_FLIGHT_MAX,
    SINKS_TIMEOUT,
    SINKS_BREAKER_FAILURES_PERCENT,
    SINKS_BREAKER_REQUESTS_MIN,
    SINKS_BREAKER_WINDOW,
    SINKS_BREAKER_PAUSE,
    SINKS_OPTION_COUNT,
} SinksOption;

extern const OptionGroup sinks_group;

#endif
