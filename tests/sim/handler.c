#include "sim/handler.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/hand_in.h"
#include "sim/world.h"
#include "support/need.h"
#include "support/random.h"

#define SECOND_US INT64_C(1000000)
#define NAME      "onboarding"

static uint64_t below(World *world, uint64_t limit) { return random_below(&world->onboarding.random, limit); }
static bool percent(World *world, unsigned chance) { return below(world, 100) < chance; }
static unsigned some(World *world, unsigned most) { return (unsigned)below(world, (uint64_t)most + 1); }

#define FAIL(world, ...) story_failf(&(world)->story, __VA_ARGS__)

SimCall *handler_call(World *world, int64_t job)
{
    Handler *handler = &world->onboarding.handler;
    size_t before = handler->call_room;
    handler->calls = need_room(handler->calls, &handler->call_room, (size_t)job + 1, sizeof *handler->calls);
    for (size_t i = before; i < handler->call_room; i++) {
        handler->calls[i] = (SimCall){0};
    }
    return &handler->calls[job];
}

void onboarding_forget_answers(World *world, int64_t job) { handler_call(world, job)->answered = false; }

/* The connection is new or gone: no call of before is waited for. */
static void drop_calls(World *world)
{
    Handler *handler = &world->onboarding.handler;
    for (size_t i = 0; i < handler->call_room; i++) {
        handler->calls[i].under_way = false;
    }
}

/* ---- A sink between the runner and the handler's sink ------------------------------------------------------------ */

typedef struct HandlerSink {
    Sink sink;
    Sink *inner; /* owns */
    World *world;
} HandlerSink;

static Status handler_connect(Sink *base, SinkPlace ours, SinkPlace *ret_theirs, Error *reterr)
{
    HandlerSink *sink = (HandlerSink *)base;
    return sink->inner->ops->connect(sink->inner, ours, ret_theirs, reterr);
}

static size_t handler_room(const Sink *base)
{
    const HandlerSink *sink = (const HandlerSink *)base;
    return sink->inner->ops->room(sink->inner);
}

/* The key of a job is the same however often it is called, in whichever life. */
static void check_key(World *world, const Message *message)
{
    char key[128];
    const StoredJob *job = &onboard_job(&world->tables.onboard, message->seq)->stored;
    snprintf(key, sizeof key, "%.*s-%" PRId64, STR_ARGS(job->batch_id), job->item);
    if (!str_is(message->id, key) || !str_is(message->call, "organization.onboard")) {
        FAIL(world, "the handler is called about job %" PRId64 " under the key %.*s", message->seq,
             STR_ARGS(message->id));
    }
}

static void check_call(World *world, const Message *message)
{
    char found[512], expected[512];
    if (world->onboarding.handler.is_stopping) {
        FAIL(world, "the handler is called while the runner is to end");
    }
    if (!onboard_job(&world->tables.onboard, message->seq)) {
        FAIL(world, "the handler is called about job %" PRId64 ", of a batch that is not there", message->seq);
    }
    check_key(world, message);
    const SimCall *call = handler_call(world, message->seq);
    if (!str_equal(message->body, call->body) && !str_equal(message->body, call->before)) {
        snprintf(expected, sizeof expected, "%.*s", STR_ARGS(call->body));
        snprintf(found, sizeof found, "%.*s", STR_ARGS(message->body));
        story_fail(&world->story, "what the handler is sent", expected, found);
    }
}

static Status handler_send(Sink *base, const Message *messages, size_t count, const SinkPlace *place, Error *reterr)
{
    HandlerSink *sink = (HandlerSink *)base;
    for (size_t i = 0; i < count; i++) {
        check_call(sink->world, &messages[i]);
    }
    Status status = sink->inner->ops->send(sink->inner, messages, count, place, reterr);
    for (size_t i = 0; i < count; i++) {
        handler_call(sink->world, messages[i].seq)->under_way = true;
    }
    if (status != STATUS_OK) {
        drop_calls(sink->world);
    }
    story_tell(&sink->world->story, "the handler is called about %zu jobs, of which job %" PRId64 " is the first: %s",
               count, messages[0].seq, status_name(status));
    return status;
}

/* As docs/onboarding-jobs.md has it. */
static bool is_final(const SinkResult *result)
{
    bool asks_again = result->code == 408 || result->code == 409 || result->code == 425 || result->code == 429;
    bool is_fault =
        result->verdict == SINK_REFUSED || result->verdict == SINK_GONE || (result->code >= 400 && result->code < 500);
    return is_fault && !asks_again;
}

/* One that comes twice says nothing new, but that the work is done. */
static void note_answer(World *world, const SinkResult *result)
{
    SimCall *call = handler_call(world, result->seq);
    bool is_first = call->under_way;
    call->under_way = false;
    call->answered = call->answered || result->verdict == SINK_TAKEN;
    if (!is_first || result->verdict == SINK_HELD) {
        return;
    }
    call->is_final = is_final(result);
    call->ended_us = world->machine.clock.wall_us;
    call->tried = call->attempt;
    call->asked_us = result->retry_after_us;
}

static size_t handler_results(Sink *base, SinkResult *results, size_t cap)
{
    HandlerSink *sink = (HandlerSink *)base;
    static const char *const names[] = {"done", "failed", "refused", "held", "gone"};
    size_t count = sink->inner->ops->results(sink->inner, results, cap);
    for (size_t i = 0; i < count; i++) {
        story_tell(&sink->world->story, "the handler says of job %" PRId64 ": %s %d", results[i].seq,
                   names[results[i].verdict], results[i].code);
        note_answer(sink->world, &results[i]);
    }
    return count;
}

static void handler_wait(Sink *base, int64_t us_max)
{
    HandlerSink *sink = (HandlerSink *)base;
    sink->inner->ops->wait(sink->inner, us_max);
}

static void handler_wake(Sink *base)
{
    HandlerSink *sink = (HandlerSink *)base;
    sink->inner->ops->wake(sink->inner);
}

static void handler_close(Sink *base)
{
    HandlerSink *sink = (HandlerSink *)base;
    sink_close(sink->inner);
    free(sink);
}

static const SinkOps handler_ops = {
    .connect = handler_connect,
    .room = handler_room,
    .send = handler_send,
    .results = handler_results,
    .wait = handler_wait,
    .wake = handler_wake,
    .close = handler_close,
};

static Status handler_open(void *self, const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    World *world = self;
    HandlerSink *sink = need(calloc(1, sizeof *sink));
    sink->sink.ops = &handler_ops;
    sink->world = world;
    Status status = fake_sink_open(world->onboarding.handler.fakes, context, &sink->inner, reterr);
    if (status != STATUS_OK) {
        free(sink);
        return status;
    }
    drop_calls(world);
    *ret_sink = &sink->sink;
    return STATUS_OK;
}

/* ---- What the seed draws ----------------------------------------------------------------------------------------- */

static Status fill_random(void *self, void *bytes, size_t count, Error *reterr)
{
    (void)reterr;
    for (size_t i = 0; i < count; i++) {
        ((uint8_t *)bytes)[i] = (uint8_t)random_next(self);
    }
    return STATUS_OK;
}

static void pass_time(void *self, int64_t us) { machine_pass_time(&((World *)self)->machine, us); }

static int64_t one_of(World *world, const int64_t *values, size_t count) { return values[below(world, count)]; }
#define ONE_OF(world, ...)                                                                                             \
    one_of(world, (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void draw_runner(World *world)
{
    Handler *handler = &world->onboarding.handler;
    size_t concurrency = (size_t)ONE_OF(world, 1, 2, 5, 20);
    handler->sink = (SinkOptions){.name = NAME,
                                  .type = SINK_WEBHOOK,
                                  .in_flight_max = concurrency,
                                  .timeout_us = SECOND_US / 2 + (int64_t)below(world, 5 * SECOND_US),
                                  .breaker_percent = percent(world, 40) ? 0 : 30 + some(world, 70),
                                  .breaker_requests = 1 + some(world, 12),
                                  .breaker_window_us = 30 * SECOND_US,
                                  .breaker_pause_us = SECOND_US / 5 + (int64_t)below(world, 10 * SECOND_US)};
    world->machine.runner_options =
        (RunnerOptions){.handler = "webhook",
                        .clock = &world->machine.clock.clock,
                        .random = &handler->jitter_numbers,
                        .sink = &handler->sink,
                        .concurrency = concurrency,
                        .rate = ONE_OF(world, 0, 0, 1, 10, 50),
                        .attempts = 1 + (int64_t)below(world, 4),
                        .backoff_us = ONE_OF(world, SECOND_US / 10, SECOND_US, 10 * SECOND_US),
                        .lease_us = percent(world, 25) ? SECOND_US : ONE_OF(world, 60 * SECOND_US, 300 * SECOND_US),
                        .timeout_us = SECOND_US,
                        .drain_us = (int64_t)below(world, 2 * SECOND_US),
                        .open_sink = handler_open,
                        .self = world};
    handler->service = fake_sinks_add(handler->fakes, NAME, FAKE_WEBHOOK, concurrency);
    story_tell(&world->story, "a handler of jobs: %zu at once, %" PRId64 " a second, %" PRId64 " attempts", concurrency,
               world->machine.runner_options.rate, world->machine.runner_options.attempts);
}

void handler_init(World *world)
{
    Handler *handler = &world->onboarding.handler;
    handler->fakes_random = random_next(&world->onboarding.random);
    handler->jitter_random = random_next(&world->onboarding.random);
    handler->fakes_numbers = (Random){fill_random, &handler->fakes_random};
    handler->jitter_numbers = (Random){fill_random, &handler->jitter_random};
    FakeSinksOptions fakes = {
        .clock = &world->machine.clock.clock, .random = &handler->fakes_numbers, .sleep = pass_time, .self = world};
    handler->fakes = fake_sinks_new(&fakes);
    draw_runner(world);
    world->machine.has_runner = true;
}

void handler_release(World *world)
{
    fake_sinks_free(world->onboarding.handler.fakes);
    free(world->onboarding.handler.calls);
}

void handler_rewound(World *world)
{
    Handler *handler = &world->onboarding.handler;
    for (size_t i = 0; i < handler->call_room; i++) {
        handler->calls[i] = (SimCall){0};
    }
    handler->other_count = 0;
}

/* ---- The other side ---------------------------------------------------------------------------------------------- */

static void draw_faults(World *world)
{
    FakeFaults faults = {.held = some(world, 40),
                         .failed = some(world, percent(world, 40) ? 570 : 200),
                         .refused = percent(world, 40) ? some(world, 200) : 0,
                         .lost = some(world, 150),
                         .gone = percent(world, 20) ? some(world, 20) : 0,
                         .twice = some(world, 50),
                         .connect_busy = some(world, 200),
                         .send_busy = some(world, 100),
                         .send_unknown = some(world, 50),
                         .asks = percent(world, 50) ? some(world, 500) : 0,
                         .retry_after_us_max = 20 * SECOND_US};
    faults.latency_us_max = percent(world, 30) ? 0 : (int64_t)below(world, 4 * SECOND_US);
    faults.latency_us_min = (int64_t)below(world, (uint64_t)faults.latency_us_max + 1);
    fake_receiver_set_faults(world->onboarding.handler.service, &faults);
    story_tell(&world->story, "the handler: of a thousand %u fail, %u are refused, %u lost, %u held", faults.failed,
               faults.refused, faults.lost, faults.held);
}

static void script(World *world)
{
    static const int codes[] = {0, 404, 422, 429, 409, 500};
    FakeAnswer answer = {.seq = 1 + (int64_t)below(world, world->tables.onboard.job_count + 1),
                         .times = 1 + some(world, 3),
                         .verdict = SINK_FAILED,
                         .code = codes[below(world, sizeof codes / sizeof *codes)],
                         .keeps = percent(world, 30)};
    fake_receiver_script(world->onboarding.handler.service, answer);
}

void handler_go_wrong(World *world)
{
    Handler *handler = &world->onboarding.handler;
    switch (below(world, 4)) {
    case 0:
    case 1: draw_faults(world); break;
    case 2: script(world); break;
    default:
        handler->down_until_step = world->story.step + 1 + (int64_t)below(world, 30);
        fake_receiver_set_down(handler->service, true);
        story_headline(&world->story, "the handler is down until step %" PRId64, handler->down_until_step);
    }
}

void handler_end_outage(World *world)
{
    Handler *handler = &world->onboarding.handler;
    if (handler->down_until_step && world->story.step >= handler->down_until_step) {
        handler->down_until_step = 0;
        fake_receiver_set_down(handler->service, false);
        story_headline(&world->story, "the handler is up again");
    }
}

void handler_make_peace(World *world)
{
    const FakeFaults none = {0};
    world->onboarding.handler.down_until_step = 0;
    fake_receiver_set_down(world->onboarding.handler.service, false);
    fake_receiver_set_faults(world->onboarding.handler.service, &none);
}

/* ---- The runner -------------------------------------------------------------------------------------------------- */

/* While the runner is at work, whatever is handed to the processor comes from it. */
static World *stepping, *told;
static void (*runner_done)(Submission *submission, Status status, const Error *error);

bool handler_is_stepping(void) { return stepping; }

static void on_done(Submission *submission, Status status, const Error *error)
{
    World *world = told;
    hand_in_done(world, submission);
    handler_told(world, &submission->work, status, error, true);
    runner_done(submission, status, error);
}

Status handler_submit(Submission *submission, Error *reterr)
{
    runner_done = submission->done;
    submission->done = on_done;
    return hand_in(stepping, submission, reterr);
}

static int64_t step_runner(World *world)
{
    stepping = told = world;
    int64_t us = runner_step(world->machine.runner);
    stepping = NULL;
    return us;
}

void handler_move_on(World *world, int64_t us_max)
{
    int64_t wait_us = step_runner(world);
    int64_t answer_us = fake_receiver_due_us(world->onboarding.handler.service) - world->machine.clock.monotonic_us;
    wait_us = answer_us < wait_us ? answer_us : wait_us;
    wait_us = wait_us < us_max ? wait_us : us_max;
    machine_pass_time(&world->machine, wait_us > 0 ? wait_us : 1);
}

void handler_stop(World *world)
{
    enum { ROUNDS_MAX = 2000, WAIT_US = 20000 };
    Handler *handler = &world->onboarding.handler;
    bool idle = false;
    handler->is_stopping = true;
    runner_finish(world->machine.runner);
    for (int i = 0; i < ROUNDS_MAX && !runner_is_finished(world->machine.runner); i++) {
        handler_move_on(world, WAIT_US);
        machine_step(&world->machine, &idle);
    }
    if (!runner_is_finished(world->machine.runner)) {
        FAIL(world, "the runner is told to end, and does not");
    }
    handler->is_stopping = false;
    story_tell(&world->story, "the runner of jobs has ended");
}

/* ---- Somebody else ----------------------------------------------------------------------------------------------- */

/* More than one may work on jobs: what they were given is worth nothing once another has it. */
static void take_as_other(World *world)
{
    Arena *texts = &world->workload.texts;
    TakenJob *jobs = need(arena_alloc(texts, HANDLER_OTHERS_MAX * sizeof *jobs));
    size_t limit = 1 + below(world, HANDLER_OTHERS_MAX);
    onboarding_submit(world, &(Work){.kind = WORK_JOBS_TAKE,
                                     .jobs_take = {.limit = limit,
                                                   .lease_us = 1 + (int64_t)below(world, 20 * SECOND_US),
                                                   .arena = texts,
                                                   .jobs = jobs}});
}

static void end_as_other(World *world)
{
    Handler *handler = &world->onboarding.handler;
    const TakenJob *job = &handler->others[below(world, handler->other_count)];
    JobResult *result = need(arena_alloc(&world->workload.texts, sizeof *result));
    *result = (JobResult){.id = job->id,
                          .token = job->token + (percent(world, 10) ? -1 : 0),
                          .verdict = (JobVerdict)below(world, JOB_VERDICT_HELD + 1),
                          .due_us = world->machine.clock.wall_us + (int64_t)below(world, 5 * SECOND_US)};
    result->error = percent(world, 70) ? STR("the other one says no") : STR("");
    result->warning = percent(world, 20) ? STR("the other one has doubts") : STR("");
    bool completes = result->verdict == JOB_VERDICT_COMPLETED;
    handler_call(world, job->id)->answered = handler_call(world, job->id)->answered || completes;
    onboarding_submit(world, &(Work){.kind = WORK_JOBS_END,
                                     .jobs_end = {.results = result, .count = 1, .announce = percent(world, 80)}});
}

void handler_act_as_other(World *world)
{
    if (world->onboarding.handler.other_count == 0 || percent(world, 40)) {
        take_as_other(world);
    } else {
        end_as_other(world);
    }
}
