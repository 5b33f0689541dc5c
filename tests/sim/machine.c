#include "sim/machine.h"

#include <stdio.h>

#include "sim/plain.h"
#include "support/handles.h"

#define FIRST_WALL_US INT64_C(1750000000000000) /* in June 2025 */

#define START_US INT64_C(1000) /* a start takes a moment at least, and names of files have the time in them */

static int64_t sim_wall_us(void *self)
{
    SimClock *clock = self;
    return clock->looked_us = clock->wall_us;
}

static int64_t sim_monotonic_us(void *self)
{
    SimClock *clock = self;
    clock->wall_us += clock->tick_us;
    clock->monotonic_us += clock->tick_us;
    return clock->monotonic_us;
}

static void on_broken(void *self, const Error *error)
{
    Machine *machine = self;
    machine->broken = true;
    snprintf(machine->broken_why, sizeof machine->broken_why, "%s", error->message);
    machine->broke(machine->self);
}

static void on_committed(void *self, int64_t last_seq)
{
    Machine *machine = self;
    machine->committed(machine->self, last_seq);
    dispatcher_committed(machine->dispatcher);
}

static void on_jobs_made(void *self) { runner_wake(((Machine *)self)->runner); }

void machine_init(Machine *machine, uint64_t seed)
{
    *machine = (Machine){.disk = sim_disk_new(seed)};
    machine->vfs = sim_vfs_new(machine->disk, "sim", seed);
    machine->io = sim_io(machine->disk);
    machine->random_state = seed;
    machine->random = seeded_random(&machine->random_state);
    machine->clock = (SimClock){
        .clock = {sim_wall_us, sim_monotonic_us, &machine->clock}, .wall_us = FIRST_WALL_US, .monotonic_us = 1000000};
    machine->options = store_options_default(MACHINE_DIR);
    machine->options.clock = &machine->clock.clock;
    machine->options.io = &machine->io;
    machine->options.random = &machine->random;
    machine->options.background = false;
    machine->options.vfs = "sim";
    machine->processor_options = (ProcessorOptions){.clock = &machine->clock.clock,
                                                    .committed = on_committed,
                                                    .jobs_made = on_jobs_made,
                                                    .broken = on_broken,
                                                    .self = machine};
}

void machine_release(Machine *machine)
{
    sim_vfs_free(machine->vfs);
    sim_disk_free(machine->disk);
}

static void begin_writing(Machine *machine)
{
    machine->writing = true;
    machine->turns++;
}

/* The processor first: it tells lines what has become of their work. */
static void close_parts(Machine *machine)
{
    Dispatcher *dispatcher = machine->dispatcher;
    Runner *runner = machine->runner;
    machine->dispatcher = NULL;
    machine->runner = NULL;
    begin_writing(machine);
    processor_stop(machine->processor);
    machine->processor = NULL;
    dispatcher_free(dispatcher);
    runner_free(runner);
    for (size_t i = 0; i < MACHINE_READERS; i++) {
        machine_close_reader(machine, i);
    }
    store_close(machine->store);
    machine->store = NULL;
    machine->writing = false;
}

Status machine_boot(Machine *machine, bool rebuild, Error *reterr)
{
    machine->broken = false;
    machine_pass_time(machine, START_US);
    machine->options.rebuild = rebuild;
    begin_writing(machine);
    Status status = store_open(&machine->options, &machine->store, reterr);
    if (status == STATUS_OK) {
        machine->processor_options.store = machine->store;
        status = processor_start(&machine->processor_options, &machine->processor, reterr);
    }
    machine->writing = false;
    if (status == STATUS_OK) {
        machine->dispatcher_options.store = machine->store;
        machine->dispatcher_options.processor = machine->processor;
        status = dispatcher_start(&machine->dispatcher_options, &machine->dispatcher, reterr);
    }
    if (status == STATUS_OK && machine->has_runner) {
        machine->runner_options.processor = machine->processor;
        machine->runner_options.info = store_info(machine->store);
        status = runner_start(&machine->runner_options, &machine->runner, reterr);
    }
    if (status != STATUS_OK) {
        close_parts(machine);
    }
    return status;
}

void machine_step(Machine *machine, bool *ret_idle)
{
    begin_writing(machine);
    processor_step(machine->processor, ret_idle);
    machine->writing = false;
}

SimLoss machine_end(Machine *machine, SimLoss loss, uint64_t *random)
{
    close_parts(machine);
    return sim_disk_crash(machine->disk, loss, random);
}

Status machine_reader(Machine *machine, size_t which, StoreReader **ret_reader, Error *reterr)
{
    Status status = STATUS_OK;
    if (!machine->readers[which]) {
        status = store_reader_open(machine->store, &machine->readers[which], reterr);
    }
    *ret_reader = machine->readers[which];
    return status;
}

void machine_close_reader(Machine *machine, size_t which)
{
    store_reader_close(machine->readers[which]);
    machine->readers[which] = NULL;
}

void machine_pass_time(Machine *machine, int64_t us)
{
    machine->clock.wall_us += us;
    machine->clock.monotonic_us += us;
}
