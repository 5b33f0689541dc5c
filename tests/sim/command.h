/* The command line of a simulator: one seed in this process, or many with the runner. */
#ifndef WEIR_TESTS_SIM_COMMAND_H
#define WEIR_TESTS_SIM_COMMAND_H

#include "sim/seed.h"

typedef struct Simulator {
    SeedRun *run;
    const char *legend; /* the words of its stories, for somebody who has read none; ends with a line's end */
} Simulator;

/* For main(): returns its exit code. What is not known is refused, with the help, and 2. */
int command_run(int argc, char **argv, const Simulator *simulator);

#endif
