#include "sim/world.h"

#include <inttypes.h>

#include "sim/bounds.h"
#include "sim/corrections.h"
#include "support/random.h"

/* ---- What the seed draws ----------------------------------------------------------------------------------------- */

static uint64_t below(World *world, uint64_t limit) { return random_below(&world->random, limit); }

static uint64_t one_of(World *world, const uint64_t *values, size_t count) { return values[below(world, count)]; }
#define ONE_OF(world, ...)                                                                                             \
    one_of(world, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* What a configuration may change from one start to the next. Small bounds, so that what happens once in a million
 * records happens in each run. */
static void draw_settings(World *world)
{
    StoreOptions *store = &world->machine.options;
    world->has_new_settings = true;
    ProcessorOptions *processor = &world->machine.processor_options;
    bool is_small = world->workload.records_left + world->workload.seen_count < 1000; /* it would never be published */
    store->publish_records = world->workload.is_large ? ONE_OF(world, 3000, 9000)
                             : is_small               ? ONE_OF(world, 1, 5, 16, 64, 200)
                                                      : ONE_OF(world, 1, 5, 16, 64, 200, 1024, 1024);
    store->flow_cache_bytes = ONE_OF(world, 0, 4096, 65536, 4 << 20);
    store->wal_bytes_max = ONE_OF(world, 65536, 262144, 4 << 20);
    store->free_reserve_bytes = ONE_OF(world, 0, 20000, 100000);
    processor->batch_records_max = ONE_OF(world, 1, 10, 100, 5000);
    processor->queue_bytes_max = ONE_OF(world, 500, 20000, 4 << 20);
    world->machine.clock.tick_us = (int64_t)ONE_OF(world, 0, 1, 7, 200);
    size_t batch =
        larger(processor->batch_records_max, larger(world->workload.records_max, world->workload.burst_records_max));
    bounds_set((Bounds){.merge_step = ONE_OF(world, 1, 10, 100, 1 << 20),
                        .tail_records = batch + store->publish_records,
                        .hashes = world->workload.hashes});
    story_headline(&world->story,
                   "settings: publish every %zu records, batches of %zu, cache of %zu bytes, WAL of %" PRIu64 " bytes",
                   store->publish_records, processor->batch_records_max, store->flow_cache_bytes, store->wal_bytes_max);
}

static void tell_seed(World *world, int64_t steps)
{
    static const char *const identities[] = {"recordId", "sourceId and recordId", "content"};
    story_headline(&world->story,
                   "seed %" PRIu64 ": %" PRId64 " steps, %zu faults planned; records are known by %s, scale %u",
                   world->story.options.seed, steps, world->faults.count, identities[world->workload.identity],
                   world->workload.scale);
}

static int64_t world_init(World *world, const SeedOptions *options)
{
    uint64_t seeds = options->seed;
    *world = (World){.random = random_next(&seeds)};
    story_begin(&world->story, options, &world->machine.clock.wall_us);
    machine_init(&world->machine, random_next(&seeds));
    workload_init(&world->workload, random_next(&seeds));
    model_init(&world->model, world->workload.identity);
    clients_init(world, random_next(&seeds));
    reading_init(world, random_next(&seeds));
    int64_t steps = options->steps ? options->steps : 40 + (int64_t)below(world, 260);
    faults_init(world, random_next(&seeds), steps);
    tell_seed(world, steps); /* before anybody else has something to tell */
    deliveries_init(world, random_next(&seeds));
    uint64_t senders_seed = random_next(&seeds), onboarding_seed = random_next(&seeds);
    world->machine.options.identity = world->workload.identity;
    world->machine.options.scale = world->workload.scale;
    world->machine.committed = clients_committed;
    world->machine.broke = faults_check_broken;
    world->machine.self = world;
    sim_disk_trace(world->machine.disk, faults_on_operation, world);
    draw_settings(world);
    senders_init(world, senders_seed);
    onboarding_init(world, onboarding_seed);
    return steps;
}

static void world_release(World *world)
{
    faults_release(world);
    reading_release(world);
    clients_release(world);
    deliveries_release(world);
    onboarding_release(world);
    machine_release(&world->machine);
    messages_release(&world->messages);
    tables_release(&world->tables);
    model_release(&world->model);
    workload_release(&world->workload);
}

/* ---- Lives ------------------------------------------------------------------------------------------------------- */

/* Tries to start until it works; each attempt may be struck. */
static void boot(World *world, bool rebuild)
{
    for (int attempt = 0;; attempt++) {
        Error error = {0};
        faults_before_boot(world, attempt);
        Status status = machine_boot(&world->machine, rebuild, &error);
        bool frozen = sim_disk_is_frozen(world->machine.disk);
        if (status == STATUS_OK && !frozen) {
            break;
        }
        SimLoss loss = frozen ? SIM_LOSS_DRAWN : SIM_LOSS_PROCESS;
        if (status == STATUS_OK) {
            machine_end(&world->machine, loss, &world->faults.random);
        } else {
            faults_check_boot(world, status, error.message);
            sim_disk_crash(world->machine.disk, loss, &world->faults.random);
        }
    }
    world->lives++;
    world->has_new_settings = false;
    story_headline(&world->story, "life %" PRId64 " begins", world->lives);
}

static void begin_life(World *world, bool rebuild)
{
    boot(world, rebuild);
    sim_disk_disarm(world->machine.disk);
    clients_begin_life(world);
    clients_settle(world);
    senders_begin_life(world);
    onboarding_begin_life(world);
    deliveries_begin_life(world);
    reading_all(world);
    faults_after_boot(world);
}

static void end_life(World *world)
{
    static const char *const losses[] = {"", "nothing was lost", "all was lost that was not synced",
                                         "some was lost of what was not synced", "what was written is there"};
    /* A service that broke still answers readers, and its lines move on, while it ends: what is unsure must not be
     * seen. */
    for (int i = 0; i < 3 && !sim_disk_is_frozen(world->machine.disk); i++) {
        reading_step(world);
    }
    if (!sim_disk_is_frozen(world->machine.disk)) {
        wire_step(world);
    }
    SimLoss loss = faults_ending(world);
    if (!sim_disk_is_frozen(world->machine.disk)) {
        wire_stop(world);
        onboarding_stop(world);
    }
    reading_end_life(world);
    loss = machine_end(&world->machine, loss, &world->faults.random);
    story_headline(&world->story, "life %" PRId64 " has ended: %s", world->lives, losses[loss]);
}

/* What the processor counted in this life is what clients were told. */
static void check_processor(World *world)
{
    ProcessorMetrics is;
    const ProcessorMetrics *right = &world->clients.told;
    processor_metrics(world->machine.processor, &is);
    if (is.created != right->created || is.duplicates != right->duplicates || is.conflicts != right->conflicts ||
        is.submissions != right->submissions || is.refused_busy != right->refused_busy) {
        story_failf(&world->story,
                    "the processor counted %" PRId64 " created, %" PRId64 " duplicates, %" PRId64
                    " conflicts, but told %" PRId64 ", %" PRId64 ", %" PRId64,
                    is.created, is.duplicates, is.conflicts, right->created, right->duplicates, right->conflicts);
    }
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static void process(World *world)
{
    bool idle = false;
    machine_step(&world->machine, &idle);
}

/* Housekeeping until there is no more of it, or for a while. */
static void tidy(World *world)
{
    enum { ROUNDS_MAX = 40 };
    bool idle = false;
    size_t rounds = 1 + below(world, ROUNDS_MAX);
    for (size_t i = 0; i < rounds && !idle && !faults_end_is_due(world); i++) {
        machine_step(&world->machine, &idle);
    }
}

static void work_off_now(World *world)
{
    bool idle = false;
    while (!faults_end_is_due(world) && (clients_wait(world) || !idle)) {
        machine_step(&world->machine, &idle);
    }
}

/* A batch that was undone must leave nothing: others take its numbers, until all is written out, and everything is
 * looked at. */
static void follow_undone(World *world)
{
    enum { CALLS_MAX = 100 };
    int64_t enough = model_last_seq(&world->model) + (int64_t)world->machine.options.publish_records;
    world->faults.has_undone = false;
    story_headline(&world->story, "a batch was undone: others take its place");
    for (size_t i = 0; i < CALLS_MAX && model_last_seq(&world->model) < enough && !faults_end_is_due(world); i++) {
        clients_call(world);
        work_off_now(world);
    }
    if (!faults_end_is_due(world)) {
        reading_all(world);
    }
}

static void act(World *world)
{
    uint64_t drawn = below(world, 100);
    if (drawn < 40) {
        clients_call(world);
    } else if (drawn < 65) {
        process(world);
    } else if (drawn < 73) {
        tidy(world);
    } else {
        reading_step(world);
    }
}

static void step(World *world)
{
    world->story.step++;
    machine_pass_time(&world->machine, (int64_t)below(world, 100000));
    faults_step(world);
    if (!faults_end_is_due(world)) {
        act(world);
    }
    if (world->faults.has_undone && !world->faults.full_until_step && !faults_end_is_due(world)) {
        follow_undone(world);
    }
    if (!faults_end_is_due(world) && below(world, 100) < 60) {
        deliveries_step(world);
    }
    if (!faults_end_is_due(world)) {
        senders_step(world);
    }
    if (!faults_end_is_due(world)) {
        onboarding_step(world);
    }
    if (faults_end_is_due(world)) {
        end_life(world);
        faults_between_lives(world);
        if (below(world, 3) == 0) {
            draw_settings(world);
            senders_draw_settings(world);
        }
        begin_life(world, false);
    }
}

/* ---- The end ----------------------------------------------------------------------------------------------------- */

static void work_off(World *world)
{
    bool idle = false;
    while (clients_wait(world) || !idle) {
        machine_step(&world->machine, &idle);
        if (world->machine.broken) {
            story_fail(&world->story, "the processor broke, though nothing goes wrong any more", NULL,
                       world->machine.broken_why);
        }
    }
}

/* In several rounds: where one event has the id of another, that one has to be put right first. */
static void put_events_right(World *world)
{
    enum { ROUNDS_MAX = 10 };
    bool changed = senders_are_there(world) && world->workload.identity != IDENTITY_CONTENT;
    if (!changed) {
        return;
    }
    for (size_t round = 0; round < ROUNDS_MAX && changed; round++) {
        changed = false;
        for (size_t at = 0; at < world->model.events.count;) {
            ModelWork work = corrections_next(world, &at);
            changed = changed || work.count > 0;
            if (work.count > 0) {
                clients_call_events(world, &work);
                work_off(world);
            } else {
                model_work_release(&work);
            }
        }
    }
    if (changed) {
        story_fail(&world->story, "events of the past are put right", "an end of it", "more after each round");
    }
    corrections_check(world);
}

static void restart_in_peace(World *world, bool rebuild)
{
    world->faults.restart_due = true;
    world->faults.ending = (Ending)below(world, ENDING_POWER + 1);
    end_life(world);
    begin_life(world, rebuild);
}

/* All is told, and nothing goes wrong any more: what is there now has to be there after any start, and whatever is
 * derived from it when it is made anew. */
static void finish(World *world)
{
    faults_stop(world);
    if (faults_had_effect(world) || world->deliveries.lost_something) {
        restart_in_peace(world, true);
        world->deliveries.lost_something = false;
    }
    work_off(world);
    put_events_right(world);
    onboarding_finish(world);
    deliveries_finish(world);
    check_processor(world);
    reading_all(world);
    restart_in_peace(world, false);
    deliveries_finish(world);
    restart_in_peace(world, true);
    deliveries_finish(world);
    end_life(world);
}

void world_run(const SeedOptions *options, SeedReport *ret_report)
{
    static World world; /* large */
    int64_t steps = world_init(&world, options);
    begin_life(&world, false);
    while (world.story.step < steps) {
        step(&world);
    }
    finish(&world);
    *ret_report = (SeedReport){.hash = world.story.hash,
                               .steps = steps,
                               .entries = model_last_seq(&world.model),
                               .lives = world.lives,
                               .faults = faults_happened(&world)};
    world_release(&world);
}
