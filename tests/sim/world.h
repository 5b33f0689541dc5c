/* One simulated run: the computer, those who use it, what goes wrong, and the model that says what has to come of
 * it. */
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

/* A SeedRun. */
void world_run(const SeedOptions *options, SeedReport *ret_report);

#endif
