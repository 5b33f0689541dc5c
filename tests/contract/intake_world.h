/* Intake as it runs in the program: fake sources, a processor and a store on disk; in steps on a clock that is moved,
 * or with threads.
 *
 * Good records and bad messages are counted as they are put; whatever fails here fails the test. */
#ifndef WEIR_TESTS_CONTRACT_INTAKE_WORLD_H
#define WEIR_TESTS_CONTRACT_INTAKE_WORLD_H

#include <pthread.h>

#include "intake/intake.h"
#include "support/fake_source.h"
#include "support/handles.h"

#define SECOND_US INT64_C(1000000)

enum { SOURCES_MAX = 4, GROUP_MESSAGES = 64, RECORD_BYTES_MAX = 256 };

typedef struct World {
    char dir[256];
    ManualClock manual;
    Clock clock;
    bool background;
    uint64_t seed;
    pthread_mutex_t seed_lock;
    Random random;
    StoreOptions store_options;
    Store *store;
    StoreReader *reader;
    Processor *processor;
    FakeOrigins *origins;
    FakeOrigin *origin[SOURCES_MAX];
    SourceOptions sources[SOURCES_MAX];
    size_t source_count;
    IntakeOptions options;
    Intake *intake;
    size_t parts[SOURCES_MAX];
    size_t put[SOURCES_MAX]; /* good records, each another one */
    size_t bad[SOURCES_MAX]; /* messages that are none */
} World;

/* *state is the World. In steps: a log of two parts and a queue. With threads: two logs, a queue and files. */
int world_setup_steps(void **state);
int world_setup_threads(void **state);
int world_teardown(void **state);

Status world_try_start(World *world, Error *reterr);
void world_start(World *world);
/* The processor answers whatever is under way; then there is no intake, and another one can start. */
void world_stop(World *world);

size_t world_write_record(char ret_text[RECORD_BYTES_MAX], const char *source, size_t number, const char *value);
void world_put_record(World *world, size_t at, size_t part);
void world_put_bad(World *world, size_t at, size_t part);

/* What people do, through the processor as everybody does. An id of 0: all there are. Returns how many are tried
 * again. */
void world_set_state(World *world, size_t at, SourceState state);
size_t world_retry(World *world, int64_t id, const char *raw);

typedef struct Letters {
    size_t count, states[DEAD_LETTER_DISCARDED + 1];
    int64_t attempts_most;
} Letters;

Letters world_letters(World *world, const char *origin);
size_t world_stored(World *world);
size_t world_total(const size_t *counts);
/* Every good record once, every bad message one letter, and nothing left over there. */
void world_assert_all_taken(World *world);

#endif
