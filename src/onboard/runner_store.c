/* What the runner takes from the store, and tells it. */
#include "base/backoff.h"
#include "onboard/runner_parts.h"

static void landed(Submission *submission, Status status, const Error *error)
{
    RunnerWork *work = submission->owner;
    Runner *runner = work->runner;
    /* The lock is held to the end, since the runner may be freed as soon as it has seen this. */
    pthread_mutex_lock(&runner->lock);
    work->status = status;
    if (status != STATUS_OK) {
        work->error = *error;
    }
    work->landed = true;
    runner_nudge(runner);
    pthread_mutex_unlock(&runner->lock);
}

/* Until it is well again nothing is taken: who cannot say what became of a job had better not begin one. */
static void store_failed(Runner *runner, const char *error, int64_t now_us)
{
    runner->store_failures++;
    runner->store_at_us = now_us + backoff_exponential_us(RUNNER_RETRY_US, RUNNER_RETRY_US_MAX, runner->store_failures,
                                                          runner->options.random);
    runner_fail(runner, error);
}

static void hand_over(Runner *runner, RunnerWork *work, int64_t now_us)
{
    Error error = {0};
    work->runner = runner;
    work->submission.bytes = sizeof work->submission;
    work->submission.done = landed;
    work->submission.owner = work;
    work->flying = processor_submit(runner->options.processor, &work->submission, &error) == STATUS_OK;
    if (!work->flying) {
        store_failed(runner, error.message, now_us);
    }
}

/* Whether the processor is done with it. What it says of the piece of work counts as what it says of the batch. */
static bool has_landed(Runner *runner, RunnerWork *work)
{
    pthread_mutex_lock(&runner->lock);
    bool done = work->landed;
    work->landed = false;
    pthread_mutex_unlock(&runner->lock);
    if (done && work->status == STATUS_OK && work->submission.work.status != STATUS_OK) {
        work->status = work->submission.work.status;
        work->error = work->submission.work.error;
    }
    work->flying = work->flying && !done;
    return done;
}

static bool store_is_off(Runner *runner, int64_t now_us)
{
    if (now_us < runner->store_at_us) {
        runner_at(runner, runner->store_at_us);
        return true;
    }
    return false;
}

/* ---- Taking ------------------------------------------------------------------------------------------------------ */

static void set_due(Runner *runner, int64_t due_us, int64_t now_us)
{
    int64_t left_us = due_us - clock_wall_us(runner->options.clock);
    runner->due_us = due_us;
    runner->due_by_us = due_us == INT64_MAX ? INT64_MAX : now_us + (left_us > 0 ? left_us : 0);
}

static bool may_be_due(Runner *runner, int64_t now_us)
{
    if (runner->woken) {
        return true;
    }
    int64_t wall_us = clock_wall_us(runner->options.clock);
    if (runner->due_us > wall_us && runner->due_by_us > now_us) {
        int64_t left_us = runner->due_us - wall_us; /* the wall clock may be set: look again soon enough */
        left_us = runner->due_by_us - now_us < left_us ? runner->due_by_us - now_us : left_us;
        runner_at(runner, now_us + (left_us < RUNNER_LOOK_US ? left_us : RUNNER_LOOK_US));
        return false;
    }
    return true;
}

void runner_take(Runner *runner, int64_t now_us)
{
    if (runner->taking.flying || runner->finishing || store_is_off(runner, now_us) || !may_be_due(runner, now_us)) {
        return;
    }
    size_t limit = runner_capacity(runner, now_us);
    if (limit == 0) {
        return; /* whatever makes room calls, or has said when */
    }
    runner->woken = false; /* what is committed from now on is seen by this, or wakes again */
    arena_reset(&runner->texts);
    runner->taking.submission.work = (Work){.kind = WORK_JOBS_TAKE,
                                            .jobs_take = {.limit = limit,
                                                          .lease_us = runner->options.lease_us,
                                                          .arena = &runner->texts,
                                                          .jobs = runner->taken,
                                                          .next_due_us = INT64_MAX}};
    hand_over(runner, &runner->taking, now_us);
    if (!runner->taking.flying) {
        runner->woken = true;
        store_is_off(runner, now_us);
    }
}

/* Of a batch that may have happened nobody knows the leases: those jobs come back when these end. */
static void reap_taken(Runner *runner, int64_t now_us)
{
    if (runner->taking.status != STATUS_OK) {
        runner->woken = true;
        store_failed(runner, runner->taking.error.message, now_us);
        return;
    }
    const JobsTake *take = &runner->taking.submission.work.jobs_take;
    runner->store_failures = 0;
    set_due(runner, take->next_due_us, now_us);
    for (size_t i = 0; i < take->count; i++) {
        runner_take_in(runner, &take->jobs[i], now_us);
    }
}

/* ---- Ending ------------------------------------------------------------------------------------------------------ */

static JobResult result_of(const RunnerJob *job)
{
    JobResult result = {.id = job->id, .token = job->token, .verdict = job->verdict, .due_us = job->due_us};
    result.error = str_from(job->verdict == JOB_VERDICT_COMPLETED ? "" : job->error);
    result.warning = str_from(job->verdict == JOB_VERDICT_COMPLETED ? job->warning : "");
    return result;
}

static size_t collect_ended(Runner *runner)
{
    size_t count = 0;
    for (size_t i = 0; i < runner->job_count && runner->stages[STAGE_ENDED] > 0 && count < RUNNER_GROUP_MAX; i++) {
        RunnerJob *job = &runner->jobs[i];
        if (job->stage == STAGE_ENDED) {
            runner_move(runner, job, STAGE_WRITING);
            runner->written[count] = job;
            runner->results[count++] = result_of(job);
        }
    }
    return count;
}

static void put_back_ended(Runner *runner, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        runner_move(runner, runner->written[i], STAGE_ENDED);
    }
}

void runner_write(Runner *runner, int64_t now_us)
{
    if (runner->ending.flying || runner->stages[STAGE_ENDED] == 0 || store_is_off(runner, now_us)) {
        return;
    }
    size_t count = collect_ended(runner);
    runner->ending.submission.work =
        (Work){.kind = WORK_JOBS_END, .jobs_end = {.results = runner->results, .count = count, .announce = true}};
    hand_over(runner, &runner->ending, now_us);
    if (!runner->ending.flying) {
        put_back_ended(runner, count);
        store_is_off(runner, now_us);
    }
}

static void count_verdict(Runner *runner, const JobResult *result, int64_t now_us)
{
    runner->next.verdicts[result->verdict]++;
    bool comes_back = result->verdict == JOB_VERDICT_AGAIN || result->verdict == JOB_VERDICT_HELD;
    if (comes_back && result->due_us < runner->due_us) {
        set_due(runner, result->due_us, now_us);
    }
}

/* A lease that ended while its result was on the way may be ours once more: then the store is told again, under the new
 * one. */
static void settle(Runner *runner, RunnerJob *job, const JobResult *result, int64_t now_us)
{
    if (!result->counted && job->token != result->token) {
        runner_move(runner, job, STAGE_ENDED);
        return;
    }
    if (result->counted) {
        count_verdict(runner, result, now_us);
    } else {
        runner->next.stale++;
    }
    runner_move(runner, job, STAGE_FREE);
}

/* A result that may have been stored is told again: it changes nothing then. */
static void reap_ended(Runner *runner, int64_t now_us)
{
    const JobsEnd *end = &runner->ending.submission.work.jobs_end;
    if (runner->ending.status != STATUS_OK) {
        store_failed(runner, runner->ending.error.message, now_us);
        put_back_ended(runner, end->count);
        return;
    }
    runner->store_failures = 0;
    for (size_t i = 0; i < end->count; i++) {
        settle(runner, runner->written[i], &end->results[i], now_us);
    }
}

/* What ended before jobs were taken was told before, too. Asked in this order, a job that is taken here and not yet
 * free has ended after it was taken, under a lease that was over. */
void runner_reap(Runner *runner, int64_t now_us)
{
    bool taken = has_landed(runner, &runner->taking);
    if (has_landed(runner, &runner->ending)) {
        reap_ended(runner, now_us);
    }
    if (taken) {
        reap_taken(runner, now_us);
    }
}
