/* The runner of onboarding's jobs on the store itself: a service that fails some calls, loses answers and says nothing
 * to others, and ends in the middle of it. Each job ends, each was handled under one key, and the counts always add
 * up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "onboard/runner.h"
#include "support/fake_sink.h"
#include "support/handles.h"
#include "support/scratch_dir.h"

#define SECOND_US INT64_C(1000000)

enum { JOBS = 300, KILLS = 8, STEPS_MAX = 200000 };

typedef struct Side {
    char dir[256];
    ManualClock manual;
    Clock clock;
    uint64_t seed;
    Random random;
    Store *store;
    Processor *processor;
    FakeSinks *sinks;
    FakeReceiver *service;
    SinkOptions sink;
    RunnerOptions options;
    Runner *runner;
    size_t woken;
} Side;

static void fail_broken(void *self, const Error *error)
{
    (void)self;
    fail_msg("the store is broken: %s", error->message);
}

static void on_jobs_made(void *self)
{
    Side *side = self;
    side->woken++;
    runner_wake(side->runner);
}

static Status open_sink(void *self, const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    return fake_sink_open(((Side *)self)->sinks, context, ret_sink, reterr);
}

static void sleep_by_moving(void *self, int64_t us) { manual_clock_move(self, us); }

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static void open_store(Side *side)
{
    Error error = {0};
    StoreOptions store = store_options_default(side->dir);
    store.background = false;
    store.clock = &side->clock;
    store.free_reserve_bytes = 0;
    if (store_open(&store, &side->store, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    const ProcessorOptions processor = {.store = side->store,
                                        .clock = &side->clock,
                                        .queue_bytes_max = 1 << 20,
                                        .batch_records_max = 1000,
                                        .jobs_made = on_jobs_made,
                                        .broken = fail_broken,
                                        .self = side};
    assert_int_equal(processor_start(&processor, &side->processor, &error), STATUS_OK);
}

static void open_runner(Side *side)
{
    Error error = {0};
    side->options = (RunnerOptions){.handler = "webhook",
                                    .processor = side->processor,
                                    .info = store_info(side->store),
                                    .clock = &side->clock,
                                    .random = &side->random,
                                    .sink = &side->sink,
                                    .concurrency = 20,
                                    .attempts = 3,
                                    .backoff_us = 10 * SECOND_US,
                                    .lease_us = 300 * SECOND_US,
                                    .timeout_us = 5 * SECOND_US,
                                    .drain_us = SECOND_US,
                                    .open_sink = open_sink,
                                    .self = side};
    assert_int_equal(runner_start(&side->options, &side->runner, &error), STATUS_OK);
}

/* As a kill does: nobody waits for anything. */
static void close_all(Side *side)
{
    processor_stop(side->processor);
    runner_free(side->runner);
    side->runner = NULL;
    store_close(side->store);
}

static int setup(void **state)
{
    Side *side = test_calloc(1, sizeof *side);
    scratch_dir_make(side->dir, sizeof side->dir);
    side->manual = (ManualClock){.wall_us = 1735725600 * SECOND_US, .monotonic_us = SECOND_US};
    side->clock = manual_clock(&side->manual);
    side->seed = 7;
    side->random = seeded_random(&side->seed);
    side->sinks = fake_sinks_new(&(FakeSinksOptions){
        .random = &side->random, .clock = &side->clock, .sleep = sleep_by_moving, .self = &side->manual});
    side->sink = (SinkOptions){.name = "onboarding", .timeout_us = 5 * SECOND_US, .in_flight_max = 20};
    side->service = fake_sinks_add(side->sinks, "onboarding", FAKE_WEBHOOK, 20);
    open_store(side);
    open_runner(side);
    *state = side;
    return 0;
}

static int teardown(void **state)
{
    Side *side = *state;
    close_all(side);
    fake_sinks_free(side->sinks);
    scratch_dir_remove(side->dir);
    test_free(side);
    return 0;
}

/* ---- What is asked ----------------------------------------------------------------------------------------------- */

static void on_done(Submission *submission, Status status, const Error *error)
{
    (void)submission, (void)error;
    assert_int_equal(status, STATUS_OK);
}

static void let_processor_work(Side *side)
{
    bool idle = false;
    for (int i = 0; i < 10 && !idle; i++) {
        processor_step(side->processor, &idle);
    }
}

static void onboard(Side *side, const char *batch_id, size_t count)
{
    OrganizationContent content[JOBS];
    OnboardOutcome outcomes[JOBS];
    int64_t items[JOBS];
    char domains[JOBS][32];
    for (size_t i = 0; i < count; i++) {
        snprintf(domains[i], sizeof domains[i], "org-%zu.example", i);
        content[i] = (OrganizationContent){STR("Org"), str_from(domains[i]), STR("a@b.example"), STR("{\"n\":1}")};
        items[i] = (int64_t)i;
    }
    Submission submission = {.work = {.kind = WORK_ONBOARD,
                                      .onboard = {.batch_id = str_from(batch_id),
                                                  .content = content,
                                                  .items = items,
                                                  .outcomes = outcomes,
                                                  .count = count,
                                                  .who = STR("api")}},
                             .bytes = 1,
                             .done = on_done};
    assert_int_equal(processor_submit(side->processor, &submission, NULL), STATUS_OK);
    let_processor_work(side);
    assert_string_equal(submission.work.error.message, "");
    assert_int_equal(submission.work.status, STATUS_OK);
}

static bool keep_batch(void *context, const StoredBatch *batch)
{
    *(StoredBatch *)context = *batch;
    return true;
}

static StoredBatch batch_of(Side *side)
{
    StoreReader *reader = NULL;
    StoreView *view = NULL;
    StoredBatch batch = {0};
    Error error = {0};
    assert_int_equal(store_reader_open(side->store, &reader, &error), STATUS_OK);
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    assert_int_equal(reader_batches(reader, &(BatchFilter){.id = STR("")}, keep_batch, &batch, &error), STATUS_OK);
    reader_end(reader);
    view_free(view);
    store_reader_close(reader);
    return batch;
}

static int64_t open_jobs(Side *side)
{
    StoredBatch batch = batch_of(side);
    int64_t sum = 0;
    for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
        sum += batch.jobs[i];
    }
    assert_int_equal(sum, batch.total);
    return batch.jobs[JOB_PENDING] + batch.jobs[JOB_PROCESSING];
}

/* Moves on by what there is to do, or by time. */
static void step(Side *side)
{
    int64_t wait_us = runner_step(side->runner);
    let_processor_work(side);
    int64_t answer_us = fake_receiver_due_us(side->service) - side->manual.monotonic_us;
    wait_us = answer_us < wait_us ? answer_us : wait_us;
    manual_clock_move(&side->manual, wait_us > 100000 ? 100000 : wait_us > 0 ? wait_us : 1);
}

static bool keep_error(void *context, const StoredJob *job)
{
    snprintf(context, ONBOARD_ERROR_BYTES_MAX, "%lld %.*s", (long long)job->attempts, STR_ARGS(job->error));
    return true;
}

static void read_job(Side *side, int64_t id, char ret_error[ONBOARD_ERROR_BYTES_MAX])
{
    StoreReader *reader = NULL;
    StoreView *view = NULL;
    Error error = {0};
    JobFilter filter = JOB_FILTER_ALL;
    filter.id = id;
    assert_int_equal(store_reader_open(side->store, &reader, &error), STATUS_OK);
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    assert_int_equal(reader_jobs(reader, &filter, keep_error, ret_error, &error), STATUS_OK);
    reader_end(reader);
    view_free(view);
    store_reader_close(reader);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

static void test_all_is_well(void **state)
{
    Side *side = *state;
    onboard(side, "0195e2f0-0000-7000-8000-000000000001", JOBS);
    assert_int_equal(side->woken, 1);
    for (int i = 0; i < STEPS_MAX && open_jobs(side) > 0; i++) {
        step(side);
    }
    assert_int_equal(batch_of(side).jobs[JOB_COMPLETED], JOBS);
    assert_true(batch_of(side).finished_us > 0);
    for (int64_t id = 1; id <= JOBS; id++) {
        assert_int_equal(fake_receiver_count(side->service, id), 1);
    }
}

static void check_keys(Side *side)
{
    size_t count;
    const FakeDelivery *calls = fake_receiver_deliveries(side->service, &count);
    for (size_t i = 0; i < count; i++) {
        char expected[48];
        snprintf(expected, sizeof expected, "0195e2f0-0000-7000-8000-000000000001-%lld", (long long)calls[i].seq - 1);
        assert_string_equal(calls[i].id, expected);
    }
}

static void test_failures_and_kills(void **state)
{
    Side *side = *state;
    int kills = 0;
    onboard(side, "0195e2f0-0000-7000-8000-000000000001", JOBS);
    fake_receiver_set_faults(side->service, &(FakeFaults){.failed = 250,
                                                          .refused = 10,
                                                          .lost = 50,
                                                          .held = 20,
                                                          .twice = 20,
                                                          .latency_us_min = 1000,
                                                          .latency_us_max = 2 * SECOND_US});
    for (int i = 0; i < STEPS_MAX && open_jobs(side) > 0; i++) {
        step(side);
        if (kills < KILLS && i % 60 == 59) {
            close_all(side);
            open_store(side);
            open_runner(side);
            kills++;
        }
    }
    StoredBatch batch = batch_of(side);
    assert_int_equal(kills, KILLS);
    assert_int_equal(batch.jobs[JOB_COMPLETED] + batch.jobs[JOB_FAILED], JOBS);
    assert_in_range(batch.jobs[JOB_FAILED], 1, JOBS / 4);
    StoreMetrics metrics;
    store_metrics(side->store, &metrics);
    assert_int_equal(metrics.dead_letters_open, batch.jobs[JOB_FAILED]);
    check_keys(side);
}

/* Whatever waits by the wall clock goes on as if nothing had happened to that. */
static void test_a_clock_that_was_set_back(void **state)
{
    Side *side = *state;
    fake_receiver_script(side->service, (FakeAnswer){.times = 20, .verdict = SINK_FAILED});
    onboard(side, "0195e2f0-0000-7000-8000-000000000001", 40);
    for (int i = 0; i < 10; i++) {
        step(side);
    }
    assert_true(open_jobs(side) > 0);
    int64_t begun_us = side->manual.monotonic_us;
    side->manual.wall_us -= 365 * 86400 * SECOND_US;
    while (open_jobs(side) > 0 && side->manual.monotonic_us < begun_us + 120 * SECOND_US) {
        step(side);
    }
    assert_int_equal(batch_of(side).jobs[JOB_COMPLETED], 40);
}

static void test_an_error_is_kept(void **state)
{
    Side *side = *state;
    char told[ONBOARD_ERROR_BYTES_MAX] = "";
    fake_receiver_script(side->service, (FakeAnswer){.times = 1, .verdict = SINK_FAILED, .code = 422});
    onboard(side, "0195e2f0-0000-7000-8000-000000000001", 1);
    for (int i = 0; i < 20; i++) {
        step(side);
    }
    assert_int_equal(batch_of(side).jobs[JOB_FAILED], 1);
    read_job(side, 1, told);
    assert_string_equal(told, "1 the receiver has failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_is_well, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_and_kills, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_clock_that_was_set_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_error_is_kept, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
