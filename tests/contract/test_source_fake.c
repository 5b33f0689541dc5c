/* The contract of source.h on the fake sources, and what they do besides: the tests of others lean on it. */
#include "source_suite.h"

#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/fake_source.h"
#include "support/handles.h"

#define SECOND_US INT64_C(1000000)

enum { PARTS = 3 };

/* Read by the threads of a test too, so that they are changed in one piece. */
static _Atomic int64_t moved_us;
static uint64_t seed;
static Clock fake_clock;
static Random fake_random;
static FakeOriginStyle style;

static int64_t tell_us(void *self)
{
    (void)self;
    return 1735725600 * SECOND_US + moved_us;
}

static void sleep_by_moving(void *self, int64_t us)
{
    (void)self;
    moved_us += us;
    usleep(20); /* a test may wait for another thread */
}

typedef struct FakeSide {
    FakeOrigins *origins;
    FakeOrigin *origin;
    SourceOptions options;
    SourceContext context;
} FakeSide;

static void *side_start(void)
{
    FakeSide *side = test_calloc(1, sizeof *side);
    seed = 1;
    fake_clock = (Clock){.wall_us = tell_us, .monotonic_us = tell_us};
    fake_random = seeded_random(&seed);
    side->origins =
        fake_origins_new(&(FakeOriginsOptions){.clock = &fake_clock, .random = &fake_random, .sleep = sleep_by_moving});
    side->origin = fake_origins_add(side->origins, "here", style, PARTS);
    side->options = (SourceOptions){.name = "here"};
    side->context = (SourceContext){.options = &side->options, .clock = &fake_clock, .random = &fake_random};
    return side;
}

static void side_stop(void *self)
{
    fake_origins_free(((FakeSide *)self)->origins);
    test_free(self);
}

static Source *side_open(void *self, SideLimits limits)
{
    FakeSide *side = self;
    Source *source;
    Error error;
    side->options.group_messages_max = limits.group_messages_max;
    side->options.message_bytes_max = limits.message_bytes_max;
    assert_int_equal(fake_source_open(side->origins, &side->context, &source, &error), STATUS_OK);
    return source;
}

static void side_put(void *self, size_t part, const Str *raws, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fake_origin_put(((FakeSide *)self)->origin, part, raws[i]);
    }
}

static bool side_put_unfit(void *self)
{
    SourceMessage message = {.format = SOURCE_FORMAT_JSON, .refused = STR("has no value")};
    fake_origin_put_message(((FakeSide *)self)->origin, 0, &message);
    return true;
}

static int64_t side_left(void *self) { return (int64_t)fake_origin_left(((FakeSide *)self)->origin); }

static bool side_unreachable(void *self, bool unreachable)
{
    fake_origin_set_down(((FakeSide *)self)->origin, unreachable);
    return true;
}

/* ---- What the fake does besides ---------------------------------------------------------------------------------- */

typedef struct Fixture {
    FakeSide *side;
    Source *source;
    SourceGroup group;
    Error error;
} Fixture;

static int setup(void **state)
{
    Fixture *fixture = test_calloc(1, sizeof *fixture);
    fixture->side = side_start();
    fixture->source = side_open(fixture->side, (SideLimits){16, 1 << 20});
    source_group_init(&fixture->group, 16);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    source_group_release(&fixture->group);
    source_close(fixture->source);
    side_stop(fixture->side);
    test_free(fixture);
    return 0;
}

static Status connect_at(Fixture *fixture, const SourcePlace *places, size_t count)
{
    return fixture->source->ops->connect(fixture->source, places, count, &fixture->error);
}

static Status fetch(Fixture *fixture)
{
    source_group_reset(&fixture->group);
    return fixture->source->ops->fetch(fixture->source, &fixture->group, &fixture->error);
}

static void put_numbers(Fixture *fixture, size_t part, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fake_origin_put(fixture->side->origin, part, STR("{}"));
    }
}

static void test_places_and_parts(void **state)
{
    Fixture *fixture = *state;
    put_numbers(fixture, 0, 3);
    put_numbers(fixture, 2, 2);
    SourcePlace place = {.part = STR("0"), .next = 1, .mark = STR("made-0")};
    assert_int_equal(connect_at(fixture, &place, 1), STATUS_OK);
    assert_int_equal(fetch(fixture), STATUS_OK);
    assert_int_equal(fixture->group.count, 4);
    assert_true(str_is(fixture->group.messages[0].place, "here/0/1"));
    assert_true(str_is(fixture->group.messages[3].place, "here/2/1"));
    assert_int_equal(fixture->group.place_count, 2);
    assert_int_equal(fixture->group.places[0].next, 3);
    assert_int_equal(fixture->group.places[1].next, 2);
    fixture->group.messages[0].outcome = OUTCOME_DUPLICATE;
    assert_int_equal(fixture->source->ops->acknowledge(fixture->source, &fixture->group, &fixture->error), STATUS_OK);
    assert_int_equal(fake_origin_outcome(fixture->side->origin, 0, 1), OUTCOME_DUPLICATE);
    assert_true(fake_origin_acknowledged(fixture->side->origin, 2, 1));
    assert_int_equal(fake_origin_left(fixture->side->origin), 0);
    assert_int_equal(fake_origin_count(fixture->side->origin), 5);
}

static void test_made_anew(void **state)
{
    Fixture *fixture = *state;
    put_numbers(fixture, 0, 3);
    SourcePlace place = {.part = STR("0"), .next = 2, .mark = STR("made-0")};
    assert_int_equal(connect_at(fixture, &place, 1), STATUS_OK);
    fake_origin_recreate(fixture->side->origin);
    assert_int_equal(fake_origin_left(fixture->side->origin), 0);
    assert_int_equal(fetch(fixture), STATUS_BUSY);
    assert_int_equal(connect_at(fixture, &place, 1), STATUS_REFUSED);
    assert_int_equal(connect_at(fixture, NULL, 0), STATUS_OK);
    put_numbers(fixture, 0, 1);
    assert_int_equal(fetch(fixture), STATUS_OK);
    assert_true(str_is(fixture->group.places[0].mark, "made-1"));
}

static void test_scripts_and_cuts(void **state)
{
    Fixture *fixture = *state;
    FakeOrigin *origin = fixture->side->origin;
    put_numbers(fixture, 0, 40);
    fake_origin_script_connect(origin, STATUS_REFUSED, 1);
    assert_int_equal(connect_at(fixture, NULL, 0), STATUS_REFUSED);
    assert_int_equal(connect_at(fixture, NULL, 0), STATUS_OK);
    fake_origin_script_fetch(origin, STATUS_BUSY, 1);
    assert_int_equal(fetch(fixture), STATUS_BUSY);
    assert_int_equal(connect_at(fixture, NULL, 0), STATUS_OK);
    fake_origin_cut(origin);
    assert_int_equal(fetch(fixture), STATUS_BUSY);
    assert_int_equal(connect_at(fixture, NULL, 0), STATUS_OK);
    assert_int_equal(fetch(fixture), STATUS_OK);
    fake_origin_script_acknowledge(origin, STATUS_BUSY, 1);
    assert_int_equal(fixture->source->ops->acknowledge(fixture->source, &fixture->group, &fixture->error), STATUS_BUSY);
    size_t left = fake_origin_left(origin);
    assert_true(left == 40 || left == 40 - fixture->group.count);
    FakeOriginCounts counts = fake_origin_counts(origin);
    assert_int_equal(counts.opened, 1);
    assert_int_equal(counts.connected, 3);
    assert_int_equal(counts.fetches, 3);
    assert_int_equal(counts.messages, fixture->group.count);
}

/* Where the acknowledgement was lost, it had arrived in some cases, and in some not. */
static void test_lost_acknowledgements(void **state)
{
    Fixture *fixture = *state;
    FakeOrigin *origin = fixture->side->origin;
    size_t noted = 0;
    fake_origin_set_faults(origin, &(FakeOriginFaults){.acknowledge_busy = 1000});
    for (size_t i = 0; i < 50; i++) {
        put_numbers(fixture, 0, 1);
        assert_int_equal(connect_at(fixture, NULL, 0), STATUS_OK);
        assert_int_equal(fetch(fixture), STATUS_OK);
        size_t before = fake_origin_left(origin);
        Status status = fixture->source->ops->acknowledge(fixture->source, &fixture->group, &fixture->error);
        assert_int_equal(status, STATUS_BUSY);
        noted += fake_origin_left(origin) < before;
    }
    assert_in_range(noted, 5, 45);
}

static void test_unknown_names(void **state)
{
    Fixture *fixture = *state;
    Source *source;
    SourceOptions options = {.name = "elsewhere"};
    SourceContext context = {.options = &options};
    assert_int_equal(fake_source_open(fixture->side->origins, &context, &source, &fixture->error), STATUS_REFUSED);
}

#define FAKE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int run_own_tests(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_places_and_parts),      FAKE_TEST(test_made_anew),     FAKE_TEST(test_scripts_and_cuts),
        FAKE_TEST(test_lost_acknowledgements), FAKE_TEST(test_unknown_names),
    };
    style = FAKE_LOG;
    return cmocka_run_group_tests_name("source-fake", tests, NULL, NULL);
}

int main(void)
{
    static const struct {
        const char *name;
        FakeOriginStyle style;
    } styles[] = {{"source-fake-log", FAKE_LOG}, {"source-fake-queue", FAKE_QUEUE}, {"source-fake-file", FAKE_FILE}};
    int failed = 0;
    fake_clock = (Clock){.wall_us = tell_us, .monotonic_us = tell_us};
    for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++) {
        style = styles[i].style;
        failed += source_suite_run(&(SourceSide){.name = styles[i].name,
                                                 .places = style != FAKE_QUEUE,
                                                 .remembers = style != FAKE_FILE,
                                                 .any_bytes = true,
                                                 .parts = PARTS,
                                                 .message_bytes_max = SOURCE_MESSAGE_BYTES_MAX,
                                                 .clock = &fake_clock,
                                                 .start = side_start,
                                                 .stop = side_stop,
                                                 .open = side_open,
                                                 .put = side_put,
                                                 .put_unfit = side_put_unfit,
                                                 .left = side_left,
                                                 .unreachable = side_unreachable});
    }
    return failed + run_own_tests();
}
