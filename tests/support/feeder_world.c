#include "support/feeder_world.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

enum { STEPS_MAX = 2000 };

static const RecordPolicy policy = {.scale = 2, .hash_seed = 7};

static void never_broken(void *self, const Error *error)
{
    (void)error;
    ++*(size_t *)self;
}

static void sleep_by_moving(void *self, int64_t us) { manual_clock_move(self, us); }

void world_open_feeder(World *world)
{
    Error error = {0};
    assert_int_equal(
        feeder_open(&world->options, &world->source, fake_source_open, world->origins, &world->feeder, &error),
        STATUS_OK);
}

static void start_processor(World *world)
{
    Error error = {0};
    const ProcessorOptions options = {.store = world->store,
                                      .clock = &world->clock,
                                      .queue_bytes_max = QUEUE_BYTES,
                                      .batch_records_max = 100,
                                      .broken = never_broken,
                                      .self = &world->broken};
    assert_int_equal(processor_start(&options, &world->processor, &error), STATUS_OK);
}

static World *world_new(FakeOriginStyle style)
{
    World *world = test_calloc(1, sizeof *world);
    const StoreInfo info = {.hash_seed = 7, .epoch = 1, .scale = 2};
    world->manual = (ManualClock){.wall_us = 1735725600 * SECOND_US, .monotonic_us = SECOND_US};
    world->clock = manual_clock(&world->manual);
    world->random = seeded_random(&world->seed);
    world->origins = fake_origins_new(&(FakeOriginsOptions){
        .random = &world->random, .clock = &world->clock, .sleep = sleep_by_moving, .self = &world->manual});
    world->origin = fake_origins_add(world->origins, "orders", style, 1);
    world->store = fake_store_new(&info);
    fake_store_use_clock(world->store, &world->clock);
    start_processor(world);
    world->source = (SourceOptions){.name = "orders", .group_messages_max = GROUP_MAX, .message_bytes_max = 1 << 20};
    world->options = (IntakeOptions){.store = world->store,
                                     .processor = world->processor,
                                     .clock = &world->clock,
                                     .random = &world->random,
                                     .policy = &policy};
    world_open_feeder(world);
    return world;
}

int world_setup_log(void **state)
{
    *state = world_new(FAKE_LOG);
    return 0;
}

int world_setup_queue(void **state)
{
    *state = world_new(FAKE_QUEUE);
    return 0;
}

void world_let_processor_work(World *world)
{
    bool idle = false;
    for (int i = 0; i < 10 && !idle; i++) {
        processor_step(world->processor, &idle);
    }
}

int world_teardown(void **state)
{
    World *world = *state;
    world_let_processor_work(world);
    feeder_close(world->feeder);
    processor_stop(world->processor);
    store_close(world->store);
    fake_origins_free(world->origins);
    test_free(world);
    return 0;
}

/* ---- What is put there, and what has become of it ---------------------------------------------------------------- */

void world_put_record(World *world, size_t number, const char *value)
{
    char text[256];
    int len = snprintf(text, sizeof text,
                       "{\"recordId\":\"rec-%zu\",\"time\":\"2025-01-01T10:00:00Z\",\"sourceId\":\"s\","
                       "\"destinationId\":\"d\",\"type\":\"positive\",\"value\":\"%s\",\"unit\":\"EUR\","
                       "\"reference\":\"r\"}",
                       number, value);
    fake_origin_put(world->origin, 0, (Str){text, (size_t)len});
    world->put++;
}

void world_put_records(World *world, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        world_put_record(world, world->put, "1.00");
    }
}

size_t world_stored(World *world)
{
    StoreMetrics metrics = {0};
    store_metrics(world->store, &metrics);
    return (size_t)metrics.record_count;
}

SourceStatus world_status(World *world)
{
    SourceStatus status;
    feeder_status(world->feeder, &status);
    return status;
}

static bool see_place(void *context, const SourcePlace *place)
{
    *(int64_t *)context = place->next;
    return true;
}

int64_t world_place(World *world)
{
    StoreReader *reader = fake_store_reader(world->store);
    Str name = str_from(world->source.name);
    int64_t next = -1;
    Error error = {0};
    Status status = reader_places(reader, name, see_place, &next, &error);
    if (status != STATUS_OK) { /* as it was told to */
        status = reader_places(reader, name, see_place, &next, &error);
    }
    assert_int_equal(status, STATUS_OK);
    return next;
}

/* What holds at every moment: nothing is acknowledged that is not stored, and the place covers nothing that is not. */
static void check_promises(World *world)
{
    size_t acknowledged = fake_origin_count(world->origin) - fake_origin_left(world->origin);
    StoreMetrics metrics = {0};
    store_metrics(world->store, &metrics);
    size_t kept = (size_t)(metrics.record_count + metrics.dead_letters_open) + world->repeats;
    assert_true(acknowledged <= kept);
    assert_true(world_place(world) <= (int64_t)kept);
}

/* One step of the feeder, and of the processor unless it stands. */
int64_t world_step(World *world)
{
    int64_t wait_us = feeder_step(world->feeder);
    check_promises(world);
    if (!world->processor_stands) {
        world_let_processor_work(world);
        check_promises(world);
    }
    assert_true(wait_us >= 0);
    return wait_us;
}

/* Steps as long as there is something to do at once. Returns how long there is nothing. */
int64_t world_settle(World *world)
{
    int64_t wait_us = 0;
    for (int i = 0; i < 20; i++) { /* an answer of the processor asks for a world_step, too */
        wait_us = world_step(world);
    }
    return wait_us;
}

/* Lets time go by, with a step whenever the feeder asks for one. */
void world_run_for(World *world, int64_t us)
{
    int64_t until_us = world->manual.monotonic_us + us;
    for (int i = 0; world->manual.monotonic_us < until_us; i++) {
        assert_in_range(i, 0, STEPS_MAX);
        int64_t wait_us = world_settle(world), left_us = until_us - world->manual.monotonic_us;
        wait_us = wait_us ? wait_us : 1;
        manual_clock_move(&world->manual, wait_us < left_us ? wait_us : left_us);
    }
    world_settle(world);
}

void world_assert_all_taken(World *world)
{
    assert_int_equal(world_stored(world), world->put);
    assert_int_equal(fake_origin_left(world->origin), 0);
}

void world_set_state(World *world, SourceState source_state)
{
    Work work = {.kind = WORK_SOURCE_STATE, .source = {.name = STR("orders"), .state = source_state}};
    Error error = {0};
    Status status = store_apply(world->store, &work, &error);
    if (status != STATUS_OK) { /* as it was told to */
        status = store_apply(world->store, &work, &error);
    }
    assert_int_equal(status, STATUS_OK);
    feeder_look(world->feeder);
}

void world_check_refused(World *world)
{
    world_settle(world);
    SourceStatus status = world_status(world);
    assert_int_equal(status.condition, SOURCE_FAILED);
    assert_int_equal(status.next_try_us, world->manual.wall_us + 60 * SECOND_US);
    size_t connected = fake_origin_counts(world->origin).connected;
    world_run_for(world, 59 * SECOND_US);
    assert_int_equal(fake_origin_counts(world->origin).connected, connected);
    assert_int_equal(world_status(world).errors, 1);
}
