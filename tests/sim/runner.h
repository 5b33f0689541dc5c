/* Runs many seeds, each in a process of its own: what kills a run (an assert, a sanitizer, a signal, a time-out) is
 * that seed's failure and nobody else's. A seed that failed is run again with its story, of which the end is shown. */
#ifndef WEIR_TESTS_SIM_RUNNER_H
#define WEIR_TESTS_SIM_RUNNER_H

#include <stddef.h>

#include "sim/seed.h"

enum { RUNNER_JOBS_MAX = 64, RUNNER_SECONDS_MAX = 60 };

typedef struct RunsOptions {
    const char *program; /* as in SeedOptions; borrows */
    SeedRun *run;
    uint64_t first, last;
    int64_t steps; /* 0: as each seed draws them */
    size_t jobs;
    bool until_broken; /* ends with the first promise that is broken */
    const char *by;    /* then: that a check with this text found to be broken; NULL for any check; borrows */
    bool twice;        /* each seed again, with its story: the hash has to be the same */
} RunsOptions;

typedef struct RunsResult {
    uint64_t failed;   /* seeds */
    uint64_t broken;   /* of them: broke a promise */
    uint64_t asserted; /* of them: ended by an assertion of the program itself */
    uint64_t meant;    /* of the broken ones: found by a check with the text `by` */
} RunsResult;

/* Prints each failure, and a summary at the end. */
RunsResult runner_run(const RunsOptions *options);

/* From here on this process may take RUNNER_SECONDS_MAX of the processor, or twenty times as long on the clock; then
 * SIGXCPU or SIGALRM ends it. */
void runner_limit_time(void);

#endif
