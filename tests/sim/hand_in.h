/* What anybody hands to the processor: the bytes that lie in its queue, and what it has taken and turned away, as
 * Clients keeps them. Whoever hands in calls hand_in_done first when told what became of it. */
#ifndef WEIR_TESTS_SIM_HAND_IN_H
#define WEIR_TESTS_SIM_HAND_IN_H

#include "process/processor.h"

typedef struct World World;

/* OK, or BUSY when there is no room in the queue, and only then. */
Status hand_in(World *world, Submission *submission, Error *reterr);
void hand_in_done(World *world, const Submission *submission);

#endif
