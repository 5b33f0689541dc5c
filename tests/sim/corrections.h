/* Those who read the events of the past again by the mapping of now, and hand in what puts them right: as query/reprocess.h plans it, in words of
 * their own. */
#ifndef WEIR_TESTS_SIM_CORRECTIONS_H
#define WEIR_TESTS_SIM_CORRECTIONS_H

#include "sim/model.h"

typedef struct World World;

/* Of a few events that are there, in one piece; it is empty when all of them are right. The arrays are the caller's to release. */
ModelWork corrections_draw(World *world);

#endif
