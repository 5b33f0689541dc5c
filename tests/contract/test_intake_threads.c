/* Intake on a store on disk, with a thread for each source, beside people who pause, mend and stop. The thread
 * sanitizer watches it. */
#include "intake_world.h"

#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static uint64_t draw(World *world, uint64_t below)
{
    uint64_t bits = 0;
    Error error = {0};
    assert_int_equal(random_fill(&world->random, &bits, sizeof bits, &error), STATUS_OK);
    return bits % below;
}

static void put_some(World *world)
{
    size_t at = draw(world, world->source_count), count = draw(world, 200);
    for (size_t i = 0; i < count; i++) {
        if (draw(world, 20) == 0) {
            world_put_bad(world, at, draw(world, world->parts[at]));
        } else {
            world_put_record(world, at, draw(world, world->parts[at]));
        }
    }
}

static void do_something(World *world)
{
    SourceStatus statuses[SOURCES_MAX];
    size_t at = draw(world, world->source_count);
    switch (draw(world, 10)) {
    case 0: world_set_state(world, at, SOURCE_STATE_PAUSED); break;
    case 1:
    case 2: world_set_state(world, at, SOURCE_STATE_ACTIVE); break;
    case 3: fake_origin_cut(world->origin[at]); break;
    case 4: world_retry(world, 0, ""); break;
    case 5: intake_look(world->intake); break;
    case 6: assert_int_equal(intake_status(world->intake, statuses, SOURCES_MAX), SOURCES_MAX); break;
    default: put_some(world); break;
    }
}

static bool is_done(World *world)
{
    size_t left = 0, retrying = 0;
    for (size_t i = 0; i < world->source_count; i++) {
        left += fake_origin_left(world->origin[i]);
        retrying += world_letters(world, world->sources[i].name).states[DEAD_LETTER_RETRYING];
    }
    return left == 0 && retrying == 0;
}

static void wait_until_done(World *world)
{
    for (int i = 0; i < 9000 && !is_done(world); i++) { /* a minute and a half: the machine may be busy */
        intake_look(world->intake);                     /* nobody waits for a connection to be tried again */
        usleep(10000);
    }
    assert_true(is_done(world));
}

static void set_faults(World *world, const FakeOriginFaults *faults)
{
    for (size_t i = 0; i < world->source_count; i++) {
        fake_origin_set_faults(world->origin[i], faults);
    }
}

/* Where offsets are noted, a lost acknowledgement is made good by the next one of its part: call this when none gets
 * lost any more. */
static void put_one_in_each_part(World *world)
{
    for (size_t i = 0; i < world->source_count; i++) {
        for (size_t part = 0; part < world->parts[i]; part++) {
            world_put_record(world, i, part);
        }
    }
}

static void test_threads(void **state)
{
    World *world = *state;
    for (int life = 0; life < 4; life++) {
        set_faults(world, &(FakeOriginFaults){
                              .connect_busy = 100, .fetch_busy = 10, .acknowledge_busy = 50, .fetch_little = 300});
        world_start(world);
        for (int i = 0; i < 60; i++) {
            do_something(world);
            usleep((useconds_t)draw(world, 3000));
        }
        if (life % 2 == 0) {
            world_stop(world); /* in the midst of it all */
        } else {
            for (size_t i = 0; i < world->source_count; i++) {
                world_set_state(world, i, SOURCE_STATE_ACTIVE);
            }
            set_faults(world, &(FakeOriginFaults){0});
            put_one_in_each_part(world);
            wait_until_done(world);
            world_stop(world);
        }
    }
    world_start(world);
    put_one_in_each_part(world);
    wait_until_done(world);
    world_assert_all_taken(world);
    assert_true(world_stored(world) > 1000 && world_total(world->bad) > 20);
}

static void test_threads_stop_at_once(void **state)
{
    World *world = *state;
    for (int i = 0; i < 20; i++) {
        world_put_record(world, (size_t)i % SOURCES_MAX, 0);
        world_start(world);
        usleep((useconds_t)draw(world, 2000));
        world_stop(world);
    }
    world_start(world);
    for (size_t i = 0; i < world->source_count; i++) {
        world_put_record(world, i, 0);
    }
    wait_until_done(world);
    world_assert_all_taken(world);
}

#define THREAD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup_threads, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        THREAD_TEST(test_threads),
        THREAD_TEST(test_threads_stop_at_once),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT); /* states change all the time */
    return cmocka_run_group_tests_name("intake-threads", tests, NULL, NULL);
}
