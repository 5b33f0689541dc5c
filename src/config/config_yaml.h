/* A configuration file as a list of dotted names and values. */
#ifndef WEIR_CONFIG_CONFIG_YAML_H
#define WEIR_CONFIG_CONFIG_YAML_H

#include "base/err.h"
#include "base/str.h"

/* Called for each setting in the order of the file; texts borrow until it returns. Anything but OK ends the reading. */
typedef Status ConfigSetting(void *context, Str name, Str value, size_t line, Error *reterr);

/* Reads nested mappings of scalars. REFUSED with file and line for what YAML or we do not allow: lists, aliases, several
 * documents, a file that cannot be read or is larger than CONFIG_FILE_BYTES_MAX. */
Status config_yaml_read(const char *path, ConfigSetting *take, void *context, Error *reterr) MUST_CHECK;

#endif
