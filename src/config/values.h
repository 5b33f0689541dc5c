/* What a loaded configuration is made of: for the files of this folder alone. */
#ifndef WEIR_CONFIG_VALUES_H
#define WEIR_CONFIG_VALUES_H

#include "base/arena.h"
#include "config/config.h"

typedef struct ConfigValue {
    Str text; /* with a NUL behind it */
    const char *where;
    int64_t number;
    ConfigOrigin origin;
} ConfigValue;

struct ConfigMember {
    const OptionGroup *group;
    const char *name;
    bool by_variable;    /* a variable of the environment has made it */
    ConfigValue *values; /* one for each option of the group's table */
};

typedef struct ConfigMembers {
    ConfigMember **items; /* by name; room for the group's members_max */
    unsigned count;
} ConfigMembers;

struct Config {
    Arena arena; /* everything below */
    ConfigValue values[OPTION_COUNT];
    ConfigMembers groups[OPTION_GROUP_COUNT];
};

/* Where a setting goes. */
typedef struct ConfigTarget {
    const Option *option;
    ConfigValue *value;
    const char *name; /* in full: "sinks.ops.url" */
} ConfigTarget;

/* What a dotted name means; the member that it names is made when there is none. REFUSED with `where` and the nearest
 * name. */
Status config_find_name(Config *config, Str name, const char *where, ConfigTarget *ret_target,
                        Error *reterr) MUST_CHECK;

/* The same for a variable of the environment that is ours. Members that the file or the flags name go before others,
 * whatever the order of the variables. */
Status config_find_variable(Config *config, Str name, ConfigTarget *ret_target, Error *reterr) MUST_CHECK;

Status config_no_memory(Error *reterr);

#endif
