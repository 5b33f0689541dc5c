/* The options of a mapping, mappings.<name>.<option>; record/mapping_config.h makes of them what events are read
 * with. */
#ifndef WEIR_CONFIG_MAPPINGS_TABLE_H
#define WEIR_CONFIG_MAPPINGS_TABLE_H

#include "config/options.h"

/* In the order of the table. The lists of paths and the defaults are in the order of EventPart. */
typedef enum MappingsOption {
    MAPPINGS_CLIENT,
    MAPPINGS_METRIC,
    MAPPINGS_AMOUNT,
    MAPPINGS_TIME,
    MAPPINGS_UNIT,
    MAPPINGS_TYPE,
    MAPPINGS_ID,
    MAPPINGS_EXTRA,
    MAPPINGS_DEFAULT_CLIENT,
    MAPPINGS_DEFAULT_METRIC,
    MAPPINGS_DEFAULT_AMOUNT,
    MAPPINGS_DEFAULT_TIME,
    MAPPINGS_DEFAULT_UNIT,
    MAPPINGS_DEFAULT_TYPE,
    MAPPINGS_AMOUNTS, /* its choices are in the order of AmountStyle */
    MAPPINGS_DATES,   /* its choices are in the order of DateOrder */
    MAPPINGS_EPOCH,   /* its choices are in the order of EpochUnit */
    MAPPINGS_CLIENTS,
    MAPPINGS_OPTION_COUNT,
} MappingsOption;

extern const OptionGroup mappings_group;

#endif
