#include "intake_world.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/scratch_dir.h"

static RecordPolicy policy = {.scale = 2};

/* ---- The world --------------------------------------------------------------------------------------------------- */

static void sleep_by_moving(void *self, int64_t us) { manual_clock_move(self, us); }

static void sleep_for_real(void *self, int64_t us)
{
    (void)self;
    usleep((useconds_t)us);
}

static Status fill_locked(void *self, void *bytes, size_t count, Error *reterr)
{
    World *world = self;
    pthread_mutex_lock(&world->seed_lock);
    Status status = seeded_random_fill(&world->seed, bytes, count, reterr);
    pthread_mutex_unlock(&world->seed_lock);
    return status;
}

static void never_broken(void *self, const Error *error)
{
    (void)self;
    print_error("%s\n", error->message);
    abort();
}

static void start_processor(World *world)
{
    Error error = {0};
    const ProcessorOptions options = {.store = world->store,
                                      .clock = &world->clock,
                                      .queue_bytes_max = 64 << 10,
                                      .batch_records_max = 1000,
                                      .background = world->background,
                                      .broken = never_broken};
    assert_int_equal(processor_start(&options, &world->processor, &error), STATUS_OK);
}

static World *world_new(bool background)
{
    World *world = test_calloc(1, sizeof *world);
    Error error = {0};
    world->background = background;
    world->manual = (ManualClock){.wall_us = 1735725600 * SECOND_US, .monotonic_us = SECOND_US};
    world->clock = background ? clock_system : manual_clock(&world->manual);
    pthread_mutex_init(&world->seed_lock, NULL);
    world->random = (Random){.fill = fill_locked, .self = world};
    scratch_dir_make(world->dir, sizeof world->dir);
    world->store_options = store_options_default(world->dir);
    world->store_options.free_reserve_bytes = 0;
    world->store_options.background = background;
    world->store_options.clock = &world->clock;
    assert_int_equal(store_open(&world->store_options, &world->store, &error), STATUS_OK);
    assert_int_equal(store_reader_open(world->store, &world->reader, &error), STATUS_OK);
    policy.hash_seed = store_info(world->store)->hash_seed;
    start_processor(world);
    world->origins = fake_origins_new(&(FakeOriginsOptions){.random = &world->random,
                                                            .clock = &world->clock,
                                                            .sleep = background ? sleep_for_real : sleep_by_moving,
                                                            .self = &world->manual});
    return world;
}

static void add_source(World *world, const char *name, FakeOriginStyle style, size_t parts)
{
    size_t at = world->source_count++;
    world->parts[at] = parts;
    world->origin[at] = fake_origins_add(world->origins, name, style, parts);
    world->sources[at] =
        (SourceOptions){.name = name, .group_messages_max = GROUP_MESSAGES, .message_bytes_max = 1 << 20};
}

Status world_try_start(World *world, Error *reterr)
{
    world->options = (IntakeOptions){.store = world->store,
                                     .processor = world->processor,
                                     .clock = &world->clock,
                                     .random = &world->random,
                                     .policy = &policy,
                                     .sources = world->sources,
                                     .source_count = world->source_count,
                                     .background = world->background,
                                     .open_source = fake_source_open,
                                     .self = world->origins};
    return intake_start(&world->options, &world->intake, reterr);
}

void world_start(World *world)
{
    Error error = {0};
    assert_int_equal(world_try_start(world, &error), STATUS_OK);
}

void world_stop(World *world)
{
    intake_stop(world->intake);
    processor_stop(world->processor); /* answers whatever is left */
    intake_free(world->intake);
    world->intake = NULL;
    start_processor(world);
}

int world_setup_steps(void **state)
{
    World *world = world_new(false);
    add_source(world, "orders", FAKE_LOG, 2);
    add_source(world, "devices", FAKE_QUEUE, 1);
    *state = world;
    return 0;
}

int world_setup_threads(void **state)
{
    World *world = world_new(true);
    add_source(world, "orders", FAKE_LOG, 3);
    add_source(world, "devices", FAKE_QUEUE, 2);
    add_source(world, "files", FAKE_FILE, 2);
    add_source(world, "more", FAKE_LOG, 1);
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    World *world = *state;
    intake_stop(world->intake);
    processor_stop(world->processor);
    intake_free(world->intake);
    store_reader_close(world->reader);
    store_close(world->store);
    fake_origins_free(world->origins);
    scratch_dir_remove(world->dir);
    pthread_mutex_destroy(&world->seed_lock);
    test_free(world);
    return 0;
}

/* ---- What is put there ------------------------------------------------------------------------------------------- */

size_t world_write_record(char ret_text[RECORD_BYTES_MAX], const char *source, size_t number, const char *value)
{
    return (size_t)snprintf(ret_text, RECORD_BYTES_MAX,
                            "{\"recordId\":\"%s-%zu\",\"time\":\"2025-01-01T10:00:00Z\",\"sourceId\":\"s\","
                            "\"destinationId\":\"d-%zu\",\"type\":\"positive\",\"value\":\"%s\",\"unit\":\"EUR\","
                            "\"reference\":\"r\"}",
                            source, number, number % 7, value);
}

void world_put_record(World *world, size_t at, size_t part)
{
    char text[RECORD_BYTES_MAX];
    size_t len = world_write_record(text, world->sources[at].name, world->put[at]++, "1.00");
    fake_origin_put(world->origin[at], part, (Str){text, len});
}

void world_put_bad(World *world, size_t at, size_t part)
{
    fake_origin_put(world->origin[at], part, STR("{\"recordId\":"));
    world->bad[at]++;
}

size_t world_total(const size_t *counts)
{
    size_t sum = 0;
    for (size_t i = 0; i < SOURCES_MAX; i++) {
        sum += counts[i];
    }
    return sum;
}

/* ---- What people do ---------------------------------------------------------------------------------------------- */

static void note_done(Submission *submission, Status status, const Error *error)
{
    (void)error;
    atomic_store((atomic_int *)submission->owner, status == STATUS_OK ? 1 : 2);
}

/* Through the processor, as everybody does. */
static void do_work(World *world, const Work *work, size_t *ret_count)
{
    atomic_int done = 0;
    Error error = {0};
    Submission submission = {.work = *work, .bytes = 1, .done = note_done, .owner = &done};
    while (processor_submit(world->processor, &submission, &error) != STATUS_OK) {
        usleep(1000);
    }
    for (bool idle; !atomic_load(&done);) {
        if (world->background) {
            usleep(200);
        } else {
            processor_step(world->processor, &idle);
        }
    }
    assert_int_equal(done, 1);
    assert_int_equal(submission.work.status, STATUS_OK);
    if (ret_count) {
        *ret_count = submission.work.dead_letters.count;
    }
    intake_look(world->intake);
}

void world_set_state(World *world, size_t at, SourceState state)
{
    Work work = {.kind = WORK_SOURCE_STATE, .source = {.name = str_from(world->sources[at].name), .state = state}};
    do_work(world, &work, NULL);
}

/* 0: all there are. Returns how many are tried again. */
size_t world_retry(World *world, int64_t id, const char *raw)
{
    Work work = {.kind = WORK_DEAD_LETTERS,
                 .dead_letters = {.filter = DEAD_LETTER_FILTER_ALL, .action = DEAD_LETTER_RETRY, .limit = 10000}};
    size_t count = 0;
    work.dead_letters.filter.id = id;
    work.dead_letters.raw = str_from(raw);
    do_work(world, &work, &count);
    return count;
}

/* ---- What has become of it --------------------------------------------------------------------------------------- */

static bool count_letter(void *context, const DeadLetter *letter)
{
    Letters *letters = context;
    assert_int_equal(letter->stage, DEAD_LETTER_INTAKE);
    letters->count++;
    letters->states[letter->state]++;
    letters->attempts_most = letter->attempts > letters->attempts_most ? letter->attempts : letters->attempts_most;
    return true;
}

Letters world_letters(World *world, const char *origin)
{
    Letters letters = {0};
    Error error = {0};
    StoreView *view = NULL;
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.origin = str_from(origin);
    assert_int_equal(reader_begin(world->reader, &view, &error), STATUS_OK);
    assert_int_equal(reader_dead_letters(world->reader, &filter, count_letter, &letters, &error), STATUS_OK);
    reader_end(world->reader);
    view_free(view);
    return letters;
}

size_t world_stored(World *world)
{
    StoreMetrics metrics = {0};
    store_metrics(world->store, &metrics);
    return (size_t)metrics.record_count;
}

static void print_problem(void *context, const char *text)
{
    (void)context;
    print_error("verify: %s\n", text);
}

static void assert_verifies(World *world)
{
    VerifyReport report = {0};
    Error error = {0};
    assert_int_equal(store_verify(world->reader, print_problem, NULL, NULL, &report, &error), STATUS_OK);
    assert_int_equal(report.problems, 0);
}

/* Every good record once, every bad message one letter, and nothing left over there. */
void world_assert_all_taken(World *world)
{
    assert_int_equal(world_stored(world), world_total(world->put));
    for (size_t i = 0; i < world->source_count; i++) {
        assert_int_equal(world_letters(world, world->sources[i].name).count, world->bad[i]);
        assert_int_equal(fake_origin_left(world->origin[i]), 0);
    }
    assert_verifies(world);
}
