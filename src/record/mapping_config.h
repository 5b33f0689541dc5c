/* The mappings that the configuration has: mappings.<name>.<option> as a set. */
#ifndef WEIR_RECORD_MAPPING_CONFIG_H
#define WEIR_RECORD_MAPPING_CONFIG_H

#include "config/config.h"
#include "record/mapping.h"

/* Copies what it needs of the configuration. REFUSED with the option's full name and where it is set, also when the
 * store's identity leaves no room for ids of events (`id`, `extra`). BUSY: no memory. */
Status mapping_config_read(const Config *config, MappingSet **ret_set, Error *reterr) MUST_CHECK;

#endif
