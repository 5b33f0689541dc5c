#include "onboard/runner.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "onboard/runner_parts.h"

static const char *const state_names[RUNNER_STATE_COUNT] = {
    [RUNNER_RUNNING] = "running", [RUNNER_HOLDING] = "holding", [RUNNER_FAILING] = "failing"};

const char *runner_state_name(RunnerState state) { return state_names[state]; }

void runner_at(Runner *runner, int64_t us)
{
    if (us < runner->next_us) {
        runner->next_us = us;
    }
}

void runner_fail(Runner *runner, const char *error)
{
    snprintf(runner->next.error, sizeof runner->next.error, "%.*s", (int)sizeof runner->next.error - 1, error);
    runner->next.failed_us = clock_wall_us(runner->options.clock);
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static RunnerState state_of(const Runner *runner)
{
    if (runner->store_failures > 0) {
        return RUNNER_FAILING;
    }
    bool holds = runner->sink &&
                 (runner->breaker.state != BREAKER_CLOSED || (!runner->connected && runner->failed_connects > 0));
    return holds ? RUNNER_HOLDING : RUNNER_RUNNING;
}

static void show(Runner *runner, int64_t now_us)
{
    RunnerStatus *next = &runner->next;
    next->state = state_of(runner);
    next->breaker = runner->breaker.state;
    next->breaker_opened = runner->breaker.opened;
    next->in_flight = (int64_t)(runner->job_count - runner->stages[STAGE_FREE]);
    int64_t at_us = next->state == RUNNER_FAILING ? runner->store_at_us
                    : runner->connected           ? runner->breaker.open_until_us
                                                  : runner->connect_at_us;
    next->next_try_us = 0;
    if (next->state != RUNNER_RUNNING) {
        next->next_try_us = clock_wall_us(runner->options.clock) + (at_us > now_us ? at_us - now_us : 0);
    }
    pthread_mutex_lock(&runner->lock);
    runner->status = *next;
    pthread_mutex_unlock(&runner->lock);
}

/* Each change of state is a line in the program's log. */
static void tell(Runner *runner)
{
    RunnerState state = runner->next.state;
    if (state == runner->told) {
        return;
    }
    runner->told = state;
    if (state == RUNNER_RUNNING) {
        log_info("onboarding goes on");
    } else {
        log_warn("onboarding holds its jobs", log_text("state", runner_state_name(state)),
                 log_text("error", runner->next.error));
    }
}

/* Whoever has not answered by now is left to the lease: nothing is known of it. What is answered and cannot be written
 * is, too. */
static void abandon(Runner *runner, int64_t now_us)
{
    for (size_t i = 0; i < runner->job_count; i++) {
        RunnerJob *job = &runner->jobs[i];
        bool is_late = job->stage == STAGE_CALLED || now_us >= runner->finish_us + RUNNER_WRITE_US;
        if (is_late && job->stage != STAGE_FREE && job->stage != STAGE_WRITING) {
            runner_move(runner, job, STAGE_FREE);
        }
    }
}

int64_t runner_step(Runner *runner)
{
    int64_t now_us = clock_monotonic_us(runner->options.clock);
    runner->next_us = now_us + RUNNER_LOOK_US;
    runner_reap(runner, now_us);
    runner_take_answers(runner, now_us);
    runner_take_results(runner, now_us);
    if (!runner->finishing) {
        runner_call(runner, now_us);
        runner_take_results(runner, now_us);
    } else if (now_us >= runner->finish_us) {
        abandon(runner, now_us);
    }
    runner_write(runner, now_us);
    runner_take(runner, now_us);
    show(runner, now_us);
    tell(runner);
    now_us = clock_monotonic_us(runner->options.clock);
    return runner->next_us > now_us ? runner->next_us - now_us : 0;
}

void runner_finish(Runner *runner)
{
    int64_t now_us = clock_monotonic_us(runner->options.clock);
    runner->finishing = true;
    runner->finish_us = now_us + runner->options.drain_us;
    for (size_t i = 0; i < runner->job_count; i++) {
        RunnerJob *job = &runner->jobs[i];
        if (job->stage == STAGE_CHECKING || job->stage == STAGE_READY) {
            runner_hold(runner, job, 0, "the service was stopping");
        }
    }
}

bool runner_is_finished(const Runner *runner)
{
    return runner->finishing && runner->stages[STAGE_FREE] == runner->job_count && !runner->taking.flying &&
           !runner->ending.flying;
}

/* ---- The thread -------------------------------------------------------------------------------------------------- */

static void wait_for_something(Runner *runner, int64_t us_max)
{
    if (runner->sink) {
        runner->sink->ops->wait(runner->sink, us_max);
    } else {
        wakeup_wait(&runner->wakeup, us_max);
    }
}

void runner_nudge(Runner *runner)
{
    if (runner->sink) {
        runner->sink->ops->wake(runner->sink);
    } else {
        wakeup_call(&runner->wakeup);
    }
}

void runner_wake(Runner *runner)
{
    if (runner) {
        runner->woken = true;
        runner_nudge(runner);
    }
}

static void *run(void *self)
{
    enum { FINISH_WAIT_US = 10000 };
    Runner *runner = self;
    while (!runner->stopping) {
        int64_t us = runner_step(runner);
        if (us > 0 && !runner->stopping) {
            wait_for_something(runner, us);
        }
    }
    runner_finish(runner);
    while (!runner_is_finished(runner)) {
        runner_step(runner);
        wait_for_something(runner, FINISH_WAIT_US);
    }
    return NULL;
}

void runner_stop(Runner *runner)
{
    if (!runner || !runner->has_thread) {
        return;
    }
    runner->stopping = true;
    runner_nudge(runner);
    pthread_join(runner->thread, NULL);
    runner->has_thread = false;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static void wake_from_check(void *self) { runner_nudge(self); }

static Status make_jobs(Runner *runner, Error *reterr)
{
    size_t concurrency = runner->options.concurrency;
    assert(concurrency >= 1 && concurrency <= RUNNER_CONCURRENCY_MAX && runner->options.attempts >= 1);
    runner->job_count = 2 * concurrency;
    runner->jobs = calloc(runner->job_count, sizeof *runner->jobs);
    if (!runner->jobs) {
        runner->job_count = 0;
        return error_set(reterr, STATUS_BUSY, "no memory for the jobs of onboarding");
    }
    for (size_t i = 0; i < runner->job_count; i++) {
        buf_init(&runner->jobs[i].body, RUNNER_BODY_BYTES_MAX);
    }
    runner->stages[STAGE_FREE] = runner->job_count;
    return STATUS_OK;
}

static Status open_sink(Runner *runner, Error *reterr)
{
    const RunnerOptions *options = &runner->options;
    if (!options->sink) {
        return STATUS_OK;
    }
    runner->context = (SinkContext){
        .options = options->sink, .info = options->info, .clock = options->clock, .random = options->random};
    breaker_init(&runner->breaker, options->sink->breaker_percent, options->sink->breaker_requests,
                 options->sink->breaker_window_us, options->sink->breaker_pause_us);
    return options->open_sink(options->self, &runner->context, &runner->sink, reterr);
}

static Status open_check(Runner *runner, Error *reterr)
{
    const RunnerOptions *options = &runner->options;
    if (options->dns == DNS_OFF) {
        return STATUS_OK;
    }
    size_t threads = options->concurrency < DOMAIN_THREADS_MAX ? options->concurrency : DOMAIN_THREADS_MAX;
    const DomainCheckOptions check = {.threads = threads, .wake = wake_from_check, .self = runner};
    return options->open_check(options->self, &check, &runner->check, reterr);
}

static Status open_parts(Runner *runner, Error *reterr)
{
    Status status;
    if ((status = wakeup_init(&runner->wakeup, reterr)) != STATUS_OK ||
        (status = make_jobs(runner, reterr)) != STATUS_OK || (status = open_sink(runner, reterr)) != STATUS_OK ||
        (status = open_check(runner, reterr)) != STATUS_OK || !runner->options.background) {
        return status;
    }
    runner->has_thread = pthread_create(&runner->thread, NULL, run, runner) == 0;
    return runner->has_thread ? STATUS_OK : error_set(reterr, STATUS_BUSY, "the system gave no thread for onboarding");
}

Status runner_start(const RunnerOptions *options, Runner **ret_runner, Error *reterr)
{
    enum { TEXTS_CHUNK_BYTES = 64 << 10 };
    Runner *runner = calloc(1, sizeof *runner);
    if (!runner) {
        return error_set(reterr, STATUS_BUSY, "no memory for onboarding");
    }
    pthread_mutex_init(&runner->lock, NULL);
    arena_init(&runner->texts, TEXTS_CHUNK_BYTES, RUNNER_TAKE_BYTES_MAX);
    runner->options = *options;
    runner->wakeup = WAKEUP_NONE;
    runner->woken = true; /* of what is there already */
    runner->due_us = runner->due_by_us = INT64_MAX;
    runner->next.handler = options->handler;
    runner->next.calls = options->sink != NULL;
    runner->status = runner->next;
    rate_init(&runner->rate, options->rate, clock_monotonic_us(options->clock));
    Status status = open_parts(runner, reterr);
    if (status != STATUS_OK) {
        runner_free(runner);
        return status;
    }
    *ret_runner = runner;
    return STATUS_OK;
}

void runner_free(Runner *runner)
{
    if (!runner) {
        return;
    }
    domain_check_close(runner->check); /* which may wake until then */
    sink_close(runner->sink);
    wakeup_release(&runner->wakeup);
    for (size_t i = 0; i < runner->job_count; i++) {
        buf_release(&runner->jobs[i].body);
    }
    free(runner->jobs);
    arena_release(&runner->texts);
    pthread_mutex_destroy(&runner->lock);
    free(runner);
}

void runner_status(Runner *runner, RunnerStatus *ret_status)
{
    pthread_mutex_lock(&runner->lock);
    *ret_status = runner->status;
    pthread_mutex_unlock(&runner->lock);
}
