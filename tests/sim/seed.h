/* A run of one seed, as the command line and the runner ask for it: each simulator has one such function. */
#ifndef WEIR_TESTS_SIM_SEED_H
#define WEIR_TESTS_SIM_SEED_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct SeedOptions {
    const char *program; /* argv[0]: the command that runs a seed again; borrows */
    uint64_t seed;
    int64_t steps;     /* 0: the seed draws them */
    FILE *trace;       /* NULL for none; borrows */
    bool trace_disk;   /* with every operation of the disk */
    bool trace_faults; /* what goes wrong, lives and calls only */
} SeedOptions;

/* What a run did, for the summary. */
typedef struct SeedReport {
    uint64_t hash;
    int64_t steps, entries, lives, faults;
} SeedReport;

/* Runs a seed to its end. When a promise is broken, it tells so and ends the process (story_fail). */
typedef void SeedRun(const SeedOptions *options, SeedReport *ret_report);

#endif
