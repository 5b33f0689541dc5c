/* Those who read the events of the past again by the mapping of now, and hand in what puts them right: as
 * query/reprocess.h plans it, in words of their own. */
#ifndef WEIR_TESTS_SIM_CORRECTIONS_H
#define WEIR_TESTS_SIM_CORRECTIONS_H

#include "sim/model.h"

typedef struct World World;

/* Of a few events that are there, and of what was taken for their duplicates, in one piece; it is empty when all of
 * them are right. The arrays are the caller's to release. */
ModelWork corrections_draw(World *world);

/* Of all of them in commit order, from the fact `*at` on, which goes on behind the last one that it has looked at. */
ModelWork corrections_next(World *world, size_t *at);
/* When nothing is left to be put right: each meaning that any event has counts once, as what it is, and whoever sends
 * it is known; so does each that anything has which was taken for a duplicate. */
void corrections_check(World *world);

#endif
