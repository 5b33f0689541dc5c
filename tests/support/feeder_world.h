/* A feeder on a fake source and a fake store, with a processor that is stepped and a clock that stands still until it
 * is moved.
 *
 * After each step it is checked that nothing is acknowledged that is not stored, and that the place covers nothing that
 * is not.
 * Whatever fails here fails the test. */
#ifndef WEIR_TESTS_SUPPORT_FEEDER_WORLD_H
#define WEIR_TESTS_SUPPORT_FEEDER_WORLD_H

#include "intake/feeder.h"
#include "support/fake_source.h"
#include "support/fake_store.h"
#include "support/handles.h"

#define SECOND_US INT64_C(1000000)

enum { GROUP_MAX = 4, QUEUE_BYTES = 4096 };

typedef struct World {
    ManualClock manual;
    Clock clock;
    uint64_t seed;
    Random random;
    FakeOrigins *origins;
    FakeOrigin *origin;
    Store *store;
    Processor *processor;
    bool processor_stands; /* it is not stepped */
    SourceOptions source;
    IntakeOptions options;
    Feeder *feeder;
    size_t broken;  /* how often the processor said so */
    size_t put;     /* records that are there to be taken */
    size_t repeats; /* messages that make no row of their own */
} World;

/* *state is the World; its source is a log, or a queue. */
int world_setup_log(void **state);
int world_setup_queue(void **state);
int world_teardown(void **state);
/* Once the one before is closed. */
void world_open_feeder(World *world);

void world_put_record(World *world, size_t number, const char *value);
void world_put_records(World *world, size_t count); /* each another one */
void world_set_state(World *world, SourceState source_state);

/* One step of the feeder, and of the processor unless it stands. */
int64_t world_step(World *world);
/* Steps as long as there is something to do at once. Returns how long there is nothing. */
int64_t world_settle(World *world);
/* Lets time go by, with a step whenever the feeder asks for one. */
void world_run_for(World *world, int64_t us);
void world_let_processor_work(World *world);

size_t world_stored(World *world); /* records */
SourceStatus world_status(World *world);
int64_t world_place(World *world); /* -1 for none */
void world_assert_all_taken(World *world);
/* It has failed, and is not tried again for a minute. */
void world_check_refused(World *world);

#endif
