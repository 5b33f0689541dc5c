#include "support/runner_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { STEPS_MAX = 20000, QUEUE_BYTES = 1 << 20, SETTLE_STEPS = 20 };

/* ---- The store --------------------------------------------------------------------------------------------------- */

static bool is_due(const WorldStore *store, const WorldJob *job)
{
    bool may_be_taken = job->state == JOB_PENDING || job->state == JOB_PROCESSING;
    return may_be_taken && job->due_us <= clock_wall_us(store->clock);
}

static Str copy_number(Arena *arena, const char *format, int64_t number)
{
    return str_from(arena_printf(arena, format, (long long)number));
}

static TakenJob take_one(WorldStore *store, WorldJob *job, Arena *arena)
{
    int64_t id = job - store->jobs + 1;
    job->state = JOB_PROCESSING;
    job->attempts++;
    job->token = ++store->last_token;
    return (TakenJob){.id = id,
                      .organization = 1000 + id,
                      .batch_id = copy_number(arena, "batch-%lld", store->batch),
                      .item = id - 1,
                      .attempt = job->attempts,
                      .token = job->token,
                      .version = 1,
                      .content = {.name = STR("Acme \"1\""),
                                  .domain = copy_number(arena, "acme-%lld.example", id),
                                  .contact_email = STR("a@acme.example"),
                                  .metadata = id % 2 ? STR("{\"plan\":\"pro\"}") : STR("")}};
}

static void take(WorldStore *store, JobsTake *change)
{
    int64_t now_us = clock_wall_us(store->clock);
    store->takes++;
    for (size_t i = 0; i < store->count; i++) {
        WorldJob *job = &store->jobs[i];
        if (is_due(store, job) && change->count < change->limit) {
            change->jobs[change->count++] = take_one(store, job, change->arena);
            job->due_us = now_us + change->lease_us;
        }
    }
    change->next_due_us = INT64_MAX;
    for (size_t i = 0; i < store->count; i++) {
        const WorldJob *job = &store->jobs[i];
        bool waits = job->state == JOB_PENDING || job->state == JOB_PROCESSING;
        change->next_due_us = waits && job->due_us < change->next_due_us ? job->due_us : change->next_due_us;
    }
}

static void end_one(WorldStore *store, JobResult *result)
{
    static const JobState states[] = {[JOB_VERDICT_COMPLETED] = JOB_COMPLETED,
                                      [JOB_VERDICT_AGAIN] = JOB_PENDING,
                                      [JOB_VERDICT_FAILED] = JOB_FAILED,
                                      [JOB_VERDICT_HELD] = JOB_PENDING};
    WorldJob *job = &store->jobs[result->id - 1];
    result->counted = job->state == JOB_PROCESSING && job->token == result->token;
    if (!result->counted) {
        return;
    }
    job->state = states[result->verdict];
    job->attempts -= result->verdict == JOB_VERDICT_HELD;
    job->due_us = result->due_us;
    job->ends += result->verdict != JOB_VERDICT_HELD;
    Str text = result->verdict == JOB_VERDICT_COMPLETED ? result->warning : result->error;
    snprintf(job->error, sizeof job->error, "%.*s", STR_ARGS(text));
}

static Status apply(Store *base, Work *first, Error *reterr)
{
    WorldStore *store = (WorldStore *)base;
    Status status = store->failures > 0 ? store->failure : STATUS_OK;
    store->failures -= store->failures > 0;
    for (Work *work = first; work && (status == STATUS_OK || status == STATUS_UNKNOWN); work = work->next) {
        work->status = STATUS_OK;
        if (work->kind == WORK_JOBS_TAKE) {
            take(store, &work->jobs_take);
        } else {
            assert_int_equal(work->kind, WORK_JOBS_END);
            store->ends++;
            for (size_t i = 0; i < work->jobs_end.count; i++) {
                end_one(store, &work->jobs_end.results[i]);
            }
        }
    }
    return status == STATUS_OK ? STATUS_OK : error_set(reterr, status, "the store was told to fail");
}

static Status maintain(Store *store, bool idle, bool *ret_more, Error *reterr)
{
    (void)store, (void)idle, (void)reterr;
    *ret_more = false;
    return STATUS_OK;
}

static RuleSet *rules_of(Store *store) { return ((WorldStore *)store)->rules; }

static int64_t last_seq_of(const Store *store)
{
    (void)store;
    return 0;
}

/* What a processor asks for. */
static const StoreOps store_ops = {.apply = apply, .maintain = maintain, .rules = rules_of, .last_seq = last_seq_of};

/* ---- Names ------------------------------------------------------------------------------------------------------- */

static size_t check_room(DomainCheck *base)
{
    WorldCheck *check = (WorldCheck *)base;
    return check->room - check->count;
}

static void check_ask(DomainCheck *base, int64_t question, Str domain)
{
    JobsWorld *world = (JobsWorld *)((char *)base - offsetof(JobsWorld, check));
    WorldCheck *check = &world->check;
    assert_true(check->count < check->room);
    assert_int_equal(strncmp(domain.ptr, "acme-", 5), 0);
    check->questions[check->count] = question;
    check->names[check->count++] = world->answer;
    check->asked++;
}

static size_t check_answers(DomainCheck *base, DomainAnswer *answers, size_t cap)
{
    WorldCheck *check = (WorldCheck *)base;
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < check->count; i++) {
        if (!check->names[i].silent && count < cap) {
            answers[count] = (DomainAnswer){.question = check->questions[i], .verdict = check->names[i].verdict};
            snprintf(answers[count++].error, DOMAIN_ERROR_BYTES_MAX, "the server is ill");
            continue;
        }
        check->questions[kept] = check->questions[i];
        check->names[kept++] = check->names[i];
    }
    check->count = kept;
    return count;
}

static void check_close(DomainCheck *base)
{
    ((JobsWorld *)((char *)base - offsetof(JobsWorld, check)))->check_open = false;
}

static const DomainCheckOps check_ops = {
    .room = check_room, .ask = check_ask, .answers = check_answers, .close = check_close};

static Status open_check(void *self, const DomainCheckOptions *options, DomainCheck **ret_check, Error *reterr)
{
    JobsWorld *world = self;
    (void)reterr;
    world->check.base.ops = &check_ops;
    world->check.room = options->threads;
    world->check_open = true;
    *ret_check = &world->check.base;
    return STATUS_OK;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static void never_broken(void *self, const Error *error)
{
    (void)self;
    fail_msg("the processor is broken: %s", error->message);
}

static void sleep_by_moving(void *self, int64_t us)
{
    JobsWorld *world = self;
    if (world->options.background) {
        usleep((useconds_t)us);
    } else {
        manual_clock_move(&world->manual, us);
    }
}

static Status open_sink(void *self, const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    return fake_sink_open(((JobsWorld *)self)->sinks, context, ret_sink, reterr);
}

static void start_processor(JobsWorld *world)
{
    Error error = {0};
    const ProcessorOptions options = {.store = &world->store.base,
                                      .clock = &world->clock,
                                      .queue_bytes_max = QUEUE_BYTES,
                                      .batch_records_max = 100,
                                      .background = world->options.background,
                                      .broken = never_broken,
                                      .self = world};
    assert_int_equal(processor_start(&options, &world->processor, &error), STATUS_OK);
}

static void start_store(JobsWorld *world)
{
    Error error = {0};
    world->store.base.ops = &store_ops;
    world->store.clock = &world->clock;
    assert_int_equal(rule_set_new(NULL, 0, &world->store.rules, &error), STATUS_OK);
    start_processor(world);
}

void jobs_use_threads(JobsWorld *world)
{
    processor_stop(world->processor);
    world->clock = clock_system;
    world->manual.wall_us = clock_wall_us(&clock_system); /* for jobs that are due now */
    world->options.background = true;
    start_processor(world);
}

int jobs_setup(void **state)
{
    JobsWorld *world = test_calloc(1, sizeof *world);
    world->manual = (ManualClock){.wall_us = 1735725600 * SECOND_US, .monotonic_us = SECOND_US};
    world->clock = manual_clock(&world->manual);
    world->random = seeded_random(&world->seed);
    world->info = (StoreInfo){.id = {0xab, 1}, .epoch = 1};
    world->sinks = fake_sinks_new(
        &(FakeSinksOptions){.random = &world->random, .clock = &world->clock, .sleep = sleep_by_moving, .self = world});
    world->sink = (SinkOptions){.name = "onboarding", .timeout_us = 5 * SECOND_US, .in_flight_max = 10};
    world->service = fake_sinks_add(world->sinks, "onboarding", FAKE_WEBHOOK, 100);
    world->options = (RunnerOptions){.info = &world->info,
                                     .clock = &world->clock,
                                     .random = &world->random,
                                     .sink = &world->sink,
                                     .concurrency = 10,
                                     .attempts = 3,
                                     .backoff_us = 10 * SECOND_US,
                                     .lease_us = 300 * SECOND_US,
                                     .timeout_us = 5 * SECOND_US,
                                     .drain_us = 10 * SECOND_US,
                                     .open_sink = open_sink,
                                     .open_check = open_check,
                                     .self = world};
    world->store.batch = 1;
    start_store(world);
    *state = world;
    return 0;
}

void jobs_open_runner(JobsWorld *world)
{
    Error error = {0};
    world->options.processor = world->processor;
    assert_int_equal(runner_start(&world->options, &world->runner, &error), STATUS_OK);
}

static void let_processor_work(JobsWorld *world)
{
    bool idle = false;
    for (int i = 0; i < 10 && !idle; i++) {
        processor_step(world->processor, &idle);
    }
}

void jobs_close_runner(JobsWorld *world)
{
    if (!world->options.background) {
        let_processor_work(world);
    }
    runner_stop(world->runner);
    if (world->options.background) { /* has its work until it ends */
        processor_stop(world->processor);
        world->processor = NULL;
    }
    runner_free(world->runner);
    world->runner = NULL;
    assert_false(world->check_open);
}

int jobs_teardown(void **state)
{
    JobsWorld *world = *state;
    jobs_close_runner(world);
    processor_stop(world->processor);
    rule_set_drop(world->store.rules);
    fake_sinks_free(world->sinks);
    test_free(world);
    return 0;
}

/* ---- Jobs -------------------------------------------------------------------------------------------------------- */

void jobs_add(JobsWorld *world, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_in_range(world->store.count, 0, WORLD_JOBS_MAX - 1);
        world->store.jobs[world->store.count++] = (WorldJob){.state = JOB_PENDING, .due_us = world->manual.wall_us};
    }
    runner_wake(world->runner);
}

const WorldJob *jobs_at(const JobsWorld *world, int64_t id) { return &world->store.jobs[id - 1]; }

size_t jobs_count(const JobsWorld *world, JobState job_state)
{
    size_t count = 0;
    for (size_t i = 0; i < world->store.count; i++) {
        count += world->store.jobs[i].state == job_state;
    }
    return count;
}

size_t jobs_calls(const JobsWorld *world, int64_t id) { return fake_receiver_count(world->service, id); }

void jobs_script(JobsWorld *world, unsigned times, SinkVerdict verdict, int code)
{
    fake_receiver_script(world->service, (FakeAnswer){.times = times, .verdict = verdict, .code = code});
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

/* What holds at every moment: a job that is completed was taken by the service, and nothing becomes of a job that has
 * ended. */
static void check_promises(JobsWorld *world)
{
    for (size_t i = 0; i < world->store.count; i++) {
        const WorldJob *job = &world->store.jobs[i];
        if (job->state == JOB_COMPLETED && world->options.sink) {
            assert_in_range(jobs_calls(world, (int64_t)i + 1), 1, 100);
        }
        assert_true(job->attempts >= 0);
    }
}

int64_t jobs_step(JobsWorld *world)
{
    int64_t wait_us = runner_step(world->runner);
    world->steps++;
    check_promises(world);
    if (!world->processor_stands) {
        let_processor_work(world);
        check_promises(world);
    }
    assert_true(wait_us >= 0);
    return wait_us;
}

static int64_t settle(JobsWorld *world)
{
    int64_t wait_us = 0;
    for (int i = 0; i < SETTLE_STEPS; i++) { /* an answer of the processor asks for a step, too */
        wait_us = jobs_step(world);
    }
    return wait_us;
}

void jobs_settle(JobsWorld *world) { settle(world); }

/* The runner's thread is woken by answers, too. */
void jobs_run_for(JobsWorld *world, int64_t us)
{
    int64_t until_us = world->manual.monotonic_us + us;
    for (int i = 0; world->manual.monotonic_us < until_us; i++) {
        assert_in_range(i, 0, STEPS_MAX);
        int64_t wait_us = settle(world), left_us = until_us - world->manual.monotonic_us;
        int64_t answer_us = fake_receiver_due_us(world->service);
        wait_us = wait_us < left_us ? wait_us : left_us;
        if (answer_us != INT64_MAX && answer_us - world->manual.monotonic_us < wait_us) {
            wait_us = answer_us - world->manual.monotonic_us;
        }
        manual_clock_move(&world->manual, wait_us > 0 ? wait_us : 1);
    }
    settle(world);
}

RunnerStatus jobs_status(JobsWorld *world)
{
    RunnerStatus status;
    runner_status(world->runner, &status);
    return status;
}
