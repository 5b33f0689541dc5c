/* People who look after deliveries: they pause sinks and resume them, try dead letters again or discard them, ask for
 * replays and call them off. */
#ifndef WEIR_TESTS_SIM_PEOPLE_H
#define WEIR_TESTS_SIM_PEOPLE_H

#include "process/processor.h"

typedef struct World World;

/* Somebody does something. */
void people_act(World *world);
/* Somebody resumes every sink that does not run, when nothing of that kind is under way. */
void people_resume(World *world);
/* Hands in what somebody wants done, unless the queue is full. It borrows only what lives as long as the world. */
void people_submit(World *world, Work work);

#endif
