/* The sources that the configuration asks for: sources.<name>.<option> as SourceOptions. */
#ifndef WEIR_INTAKE_SOURCE_CONFIG_H
#define WEIR_INTAKE_SOURCE_CONFIG_H

#include "base/arena.h"
#include "config/config.h"
#include "intake/source.h"
#include "record/mapping.h"

/* `items` are the sources that are enabled, in the order of their names. */
typedef struct SourceConfig {
    SourceOptions *items;
    size_t count;
    Arena arena; /* the items; their texts borrow from the configuration */
} SourceConfig;

/* REFUSED with the option's full name and where it is set: something is missing that a source of its type needs, or is
 * there twice. A source that is not enabled is passed over. BUSY: no memory. On failure there is nothing to release. */
Status source_config_read(const Config *config, SourceConfig *ret_sources, Error *reterr) MUST_CHECK;

/* Whether there is each mapping that a source names. REFUSED with the option's full name. */
Status source_config_check_mappings(const SourceConfig *sources, const MappingSet *mappings, Error *reterr) MUST_CHECK;

/* `config` must still be there. Accepts what is all zero. */
void source_config_release(SourceConfig *sources);

#endif
