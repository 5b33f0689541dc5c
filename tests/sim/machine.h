/* The computer that Weir runs on: a disk, a clock, random numbers, and Weir's parts as the service puts them together,
 * all in one thread.
 *
 * A *life* is the time between machine_boot and machine_end: one process. What it leaves on the disk is what the next
 * finds. */
#ifndef WEIR_TESTS_SIM_MACHINE_H
#define WEIR_TESTS_SIM_MACHINE_H

#include "base/random.h"
#include "deliver/dispatcher.h"
#include "onboard/runner.h"
#include "process/processor.h"
#include "sim/disk/disk.h"
#include "sim/disk/sim_io.h"
#include "sim/disk/vfs.h"

/* Both clocks go on a little with each look at the monotonic one, so that what has a deadline can meet it. */
typedef struct SimClock {
    Clock clock;
    int64_t wall_us, monotonic_us, tick_us;
    int64_t looked_us; /* what the wall clock last told: while a batch is told of, that of its commit */
} SimClock;

enum {
    MACHINE_READER_QUICK, /* for looks that begin and end within a step */
    MACHINE_READER_HELD,  /* for a view that is held open across writes */
    MACHINE_READER_TASKS, /* for queries in steps */
    MACHINE_READERS,
};

typedef struct Machine {
    SimDisk *disk; /* owns */
    SimVfs *vfs;   /* owns */
    Io io;
    Random random; /* a store's id and its hash seed are drawn from it */
    uint64_t random_state;
    SimClock clock;
    StoreOptions options;
    ProcessorOptions processor_options;
    DispatcherOptions dispatcher_options;            /* the sinks are the caller's */
    Store *store;                                    /* NULL between two lives */
    Processor *processor;                            /* NULL between two lives */
    Dispatcher *dispatcher;                          /* NULL between two lives */
    RunnerOptions runner_options;                    /* without a processor and an info; the caller's */
    bool has_runner;                                 /* somebody works on jobs */
    Runner *runner;                                  /* NULL between two lives, and without jobs */
    StoreReader *readers[MACHINE_READERS];           /* opened when first needed */
    void (*committed)(void *self, int64_t last_seq); /* for ProcessorOptions; the caller's */
    void (*broke)(void *self);                       /* the processor did; broken_why says why; the caller's */
    void *self;                                      /* for both */
    bool writing;  /* the store's writing side is at work at this moment, or what is behind it */
    int64_t turns; /* how often it has begun to */
    bool broken;   /* the processor said that the end has come */
    char broken_why[ERROR_MESSAGE_BYTES_MAX];
} Machine;

/* The directory of the store on the simulated disk. */
#define MACHINE_DIR "store"

void machine_init(Machine *machine, uint64_t seed);
void machine_release(Machine *machine); /* no life under way */

/* Opens the store and starts the processor; nothing is left open when it fails. */
Status machine_boot(Machine *machine, bool rebuild, Error *reterr) MUST_CHECK;

/* processor_step. */
void machine_step(Machine *machine, bool *ret_idle);

/* Ends a life as well as the disk allows: tells what waits, closes readers and store. Then the disk loses what a crash
 * of this kind loses; SIM_LOSS_PROCESS for an end in order. */
SimLoss machine_end(Machine *machine, SimLoss loss, uint64_t *random);

Status machine_reader(Machine *machine, size_t which, StoreReader **ret_reader, Error *reterr) MUST_CHECK;
void machine_close_reader(Machine *machine, size_t which);

void machine_pass_time(Machine *machine, int64_t us);

#endif
