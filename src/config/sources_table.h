/* The options of a source, sources.<name>.<option>; intake/source_config.h makes of them what a source works with. */
#ifndef WEIR_CONFIG_SOURCES_TABLE_H
#define WEIR_CONFIG_SOURCES_TABLE_H

#include "config/options.h"

/* In the order of the table. */
typedef enum SourcesOption {
    SOURCES_TYPE, /* its choices are in the order of SourceType */
    SOURCES_ENABLED,
    SOURCES_BROKERS,
    SOURCES_PROPERTIES,
    SOURCES_TOPICS,
    SOURCES_URL,
    SOURCES_CA_FILE,
    SOURCES_CERT_FILE,
    SOURCES_KEY_FILE,
    SOURCES_STREAMS,
    SOURCES_LISTS,
    SOURCES_GROUP,
    SOURCES_CONSUMER,
    SOURCES_START,
    SOURCES_CLAIM_AFTER,
    SOURCES_DIR,
    SOURCES_PATTERN,
    SOURCES_WHEN_DONE,
    SOURCES_GROUP_MESSAGES_MAX,
    SOURCES_MESSAGE_BYTES_MAX,
    SOURCES_TIMEOUT,
    SOURCES_MAPPING,
    SOURCES_OPTION_COUNT,
} SourcesOption;

extern const OptionGroup sources_group;

#endif
