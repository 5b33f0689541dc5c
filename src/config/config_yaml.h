/* A configuration file as a list of dotted names and values. */
#ifndef WEIR_CONFIG_CONFIG_YAML_H
#define WEIR_CONFIG_CONFIG_YAML_H

#include "base/err.h"
#include "base/str.h"

/* Texts borrow until the call that gets it returns. */
typedef struct ConfigSetting {
    Str name;     /* dotted */
    Str value;    /* of a list: what option_items() takes apart again */
    bool is_list; /* it was written as one */
    size_t line;
} ConfigSetting;

/* Called for each setting in the order of the file. Anything but OK ends the reading. */
typedef Status ConfigTaker(void *context, const ConfigSetting *setting, Error *reterr);

/* Reads nested mappings of scalars and of lists of scalars. REFUSED with file and line for what YAML or we do not
 * allow: lists of anything else, aliases, several documents, a file that cannot be read or is larger than
 * CONFIG_FILE_BYTES_MAX. */
Status config_yaml_read(const char *path, ConfigTaker *take, void *context, Error *reterr) MUST_CHECK;

#endif
