/* The front door that the configuration asks for: http.front_door… as FrontDoorOptions. */
#ifndef WEIR_INTAKE_FRONT_DOOR_CONFIG_H
#define WEIR_INTAKE_FRONT_DOOR_CONFIG_H

#include "intake/front_door.h"
#include "intake/source_config.h"

/* Its `source` is NULL when there is none: POST /records then goes straight to the store. The source borrows from
 * `sources`; clock and scale are left to the caller. REFUSED with where it is set: the source is not there or not said,
 * or it would lose or turn away what was acknowledged. */
Status front_door_config_read(const Config *config, const SourceConfig *sources, FrontDoorOptions *ret_options,
                              Error *reterr) MUST_CHECK;

#endif
