/* One simulated run: the computer, those who use it, what goes wrong, and the model that says what has to come of it. */
#ifndef WEIR_TESTS_SIM_WORLD_H
#define WEIR_TESTS_SIM_WORLD_H

#include "sim/clients.h"
#include "sim/deliveries.h"
#include "sim/faults.h"
#include "sim/machine.h"
#include "sim/messages.h"
#include "sim/model.h"
#include "sim/onboarding.h"
#include "sim/reading.h"
#include "sim/senders.h"
#include "sim/story.h"
#include "sim/tables.h"
#include "sim/workload.h"

typedef struct WorldOptions {
    uint64_t seed;
    int64_t steps; /* 0: the seed draws them */
    FILE *trace;   /* NULL for none; borrows */
    bool trace_disk;
} WorldOptions;

typedef struct World {
    Story story;
    uint64_t random; /* which step comes next */
    Machine machine;
    Model model;
    Tables tables;
    Messages messages;
    Deliveries deliveries;
    Workload workload;
    Clients clients;
    Faults faults;
    Reading reading;
    Senders senders;
    Onboarding onboarding;
    int64_t lives;
    bool has_new_settings; /* a start may find more entries than fit into its tail now */
} World;

/* What a run did, for the runner's summary. */
typedef struct WorldReport {
    uint64_t hash;
    int64_t steps, entries, lives, faults;
} WorldReport;

/* Runs a seed to its end. When a promise is broken, it tells so and ends the process (story_fail). */
void world_run(const WorldOptions *options, WorldReport *ret_report);

#endif
