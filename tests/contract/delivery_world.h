/* What a dispatcher needs around it, in one thread: a store on a disk, a processor that is called, a clock that is
 * moved, and sinks whose other side is in memory. */
#ifndef WEIR_TESTS_CONTRACT_DELIVERY_WORLD_H
#define WEIR_TESTS_CONTRACT_DELIVERY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deliver/dispatcher.h"
#include "support/fake_sink.h"
#include "support/handles.h"

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US   (3600 * SECOND_US)

enum { WORLD_SINKS_MAX = 4, WORLD_FLOWS = 5 };

typedef struct World {
    char dir[256];
    ManualClock manual;
    uint64_t seed;
    Clock clock;
    Random random;
    Store *store;
    Processor *processor;
    FakeSinks *sinks;
    SinkOptions options[WORLD_SINKS_MAX];
    FakeReceiver *receivers[WORLD_SINKS_MAX];
    size_t sink_count;
    Dispatcher *dispatcher; /* NULL between a crash and the next start */
    int64_t records;        /* that were added: "rec-1" … */
    bool is_stopping;       /* lines end, while the processor works */
    int64_t slept_us;       /* by them */
} World;

World *world_new(void);
void world_free(World *world);
/* Around each test; *state is the World. */
int world_set_up(void **state);
int world_tear_down(void **state);
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
/* Before the first: only errors are logged, and the stores are in memory where there is room, since hours go by that
 * are not about the disk. */
void world_begin_tests(void);

/* Before world_start. A webhook tries four times: at once, after 5 s, 5 min, 30 min. */
FakeReceiver *world_add_sink(World *world, const char *name, FakeStyle style, size_t room);

void world_start(World *world);
/* The process ends, whatever is under way; the store has what was committed. */
void world_crash(World *world);
/* The lines end in order; the processor takes its time. */
void world_stop_lines(World *world);
/* The process ends as it should, and begins again. */
void world_restart(World *world);

/* Records with the value 10.00 in WORLD_FLOWS flows, one after another. */
void world_add(World *world, int count);
void world_add_value(World *world, int64_t value);
/* The status of the work itself. */
Status world_apply(World *world, Work *work);

/* Lets so much time go by, in which everybody does what is to be done. */
void world_run(World *world, int64_t us);
/* The line of a sink, or of a replay. */
LineStatus world_line(World *world, const char *name, int64_t job);

typedef struct WorldSink {
    SinkState state;
    SinkPlace place;
    int64_t version;
} WorldSink;
WorldSink world_stored(World *world, const char *name);
size_t world_dead_letters(World *world, DeadLetterFilter filter, DeadLetter *ret_last);
size_t world_retries(World *world, const char *name);
size_t world_attempts(World *world, int64_t seq);
StoredReplay world_replay(World *world, int64_t id);

/* Each of the messages first … last has come exactly once (at least once) on the live line. */
void world_check_once(const FakeReceiver *receiver, int64_t first, int64_t last);
void world_check_at_least_once(const FakeReceiver *receiver, int64_t first, int64_t last);
/* What has come on the live line is in the order of the log. */
void world_check_order(const FakeReceiver *receiver);

#endif
