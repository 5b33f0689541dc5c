/* A job's way from being taken to its end. */
#include <assert.h>
#include <stdio.h>

#include "base/backoff.h"
#include "onboard/organization_json.h"
#include "onboard/runner_parts.h"

void runner_move(Runner *runner, RunnerJob *job, RunnerStage stage)
{
    runner->stages[job->stage]--;
    runner->stages[stage]++;
    job->stage = stage;
    if (stage == STAGE_FREE && job->body.cap > RUNNER_BODY_KEPT_BYTES) {
        buf_release(&job->body);
        buf_init(&job->body, RUNNER_BODY_BYTES_MAX);
    }
}

/* ---- Ends -------------------------------------------------------------------------------------------------------- */

void runner_end(Runner *runner, RunnerJob *job, JobVerdict verdict, int64_t after_us)
{
    job->verdict = verdict;
    job->due_us = clock_wall_us(runner->options.clock) + after_us;
    if (verdict == JOB_VERDICT_COMPLETED) {
        runner->next.completed_us = job->due_us;
    }
    runner_move(runner, job, STAGE_ENDED);
}

void runner_hold(Runner *runner, RunnerJob *job, int64_t after_us, const char *why)
{
    snprintf(job->error, sizeof job->error, "%s", why);
    runner_end(runner, job, JOB_VERDICT_HELD, after_us);
}

void runner_fail_attempt(Runner *runner, RunnerJob *job, int64_t after_us)
{
    const RunnerOptions *options = &runner->options;
    if (job->attempt >= options->attempts) {
        runner_end(runner, job, JOB_VERDICT_FAILED, 0);
        return;
    }
    int64_t delay_us =
        backoff_exponential_us(options->backoff_us, RUNNER_BACKOFF_US_MAX, (unsigned)job->attempt, options->random);
    runner_end(runner, job, JOB_VERDICT_AGAIN, delay_us > after_us ? delay_us : after_us);
}

/* ---- Domains ----------------------------------------------------------------------------------------------------- */

/* Whoever only warns goes on whatever the answer is. */
static void find_fault(Runner *runner, RunnerJob *job, bool is_absent, const char *what)
{
    runner->next.absent += is_absent;
    runner->next.unsure += !is_absent;
    char *text = runner->options.dns == DNS_WARN ? job->warning : job->error;
    snprintf(text, ONBOARD_ERROR_BYTES_MAX, "the domain %s %s", job->domain, what);
    if (runner->options.dns == DNS_WARN) {
        runner_move(runner, job, STAGE_READY);
        return;
    }
    runner->next.failures++;
    runner_fail(runner, job->error);
    if (is_absent) {
        runner_end(runner, job, JOB_VERDICT_FAILED, 0);
    } else {
        runner_fail_attempt(runner, job, 0);
    }
}

static void take_answer(Runner *runner, RunnerJob *job, const DomainAnswer *answer)
{
    char what[DOMAIN_ERROR_BYTES_MAX + 64];
    runner->next.checked++;
    switch (answer->verdict) {
    case DOMAIN_THERE: runner_move(runner, job, STAGE_READY); return;
    case DOMAIN_ABSENT: find_fault(runner, job, true, "does not exist (NXDOMAIN)"); return;
    case DOMAIN_UNSURE: break;
    }
    snprintf(what, sizeof what, "could not be looked up: %s", answer->error);
    find_fault(runner, job, false, what);
}

static RunnerJob *find_question(Runner *runner, int64_t question)
{
    for (size_t i = 0; i < runner->job_count; i++) {
        RunnerJob *job = &runner->jobs[i];
        if (job->stage == STAGE_CHECKING && job->question == question) {
            return job;
        }
    }
    return NULL;
}

static void end_waiting(Runner *runner, int64_t now_us)
{
    for (size_t i = 0; i < runner->job_count && runner->stages[STAGE_CHECKING] > 0; i++) {
        RunnerJob *job = &runner->jobs[i];
        if (job->stage != STAGE_CHECKING) {
            continue;
        }
        if (job->until_us <= now_us) {
            find_fault(runner, job, false, "could not be looked up in time");
        } else {
            runner_at(runner, job->until_us);
        }
    }
}

void runner_take_answers(Runner *runner, int64_t now_us)
{
    DomainAnswer answers[DOMAIN_THREADS_MAX];
    if (!runner->check) {
        return;
    }
    size_t count = runner->check->ops->answers(runner->check, answers, DOMAIN_THREADS_MAX);
    for (size_t i = 0; i < count; i++) {
        RunnerJob *job = find_question(runner, answers[i].question);
        if (job) { /* else it came too late */
            take_answer(runner, job, &answers[i]);
        }
    }
    end_waiting(runner, now_us);
}

static void ask(Runner *runner, RunnerJob *job, int64_t now_us)
{
    job->question = ++runner->last_question;
    job->until_us = now_us + runner->options.timeout_us;
    runner_move(runner, job, STAGE_CHECKING);
    runner->check->ops->ask(runner->check, job->question, str_from(job->domain));
}

/* ---- Taking ------------------------------------------------------------------------------------------------------ */

static RunnerJob *find_job(Runner *runner, int64_t id)
{
    for (size_t i = 0; i < runner->job_count; i++) {
        if (runner->jobs[i].stage != STAGE_FREE && runner->jobs[i].id == id) {
            return &runner->jobs[i];
        }
    }
    return NULL;
}

static RunnerJob *find_free(Runner *runner)
{
    size_t at = 0;
    while (at < runner->job_count && runner->jobs[at].stage != STAGE_FREE) {
        at++;
    }
    assert(at < runner->job_count); /* no more are asked for */
    return &runner->jobs[at];
}

static void put_body(Buf *buf, const TakenJob *taken)
{
    const OrganizationInJson organization = {
        .id = taken->organization, .version = taken->version, .content = &taken->content};
    buf_reset(buf);
    BUF_PUT(buf, "{\"organization\":");
    organization_put_json(buf, &organization);
    buf_put_key(buf, "batch_id");
    buf_put_json(buf, taken->batch_id);
    buf_put_key_i64(buf, "job", taken->id);
    buf_put_key_i64(buf, "attempt", taken->attempt);
    buf_put_char(buf, '}');
}

/* The key is made of what goes with the batch wherever it is: its id, a UUID, and the place in it. Ids of jobs are used
 * again by a store that was restored from a copy, for other organizations, and whoever remembers keys would take these
 * for done. */
static void fill(Runner *runner, RunnerJob *job, const TakenJob *taken)
{
    job->id = taken->id;
    job->token = taken->token;
    job->attempt = taken->attempt;
    job->taken_us = clock_wall_us(runner->options.clock);
    job->error[0] = job->warning[0] = '\0';
    snprintf(job->key, sizeof job->key, "%.*s-%lld", STR_ARGS(taken->batch_id), (long long)taken->item);
    snprintf(job->domain, sizeof job->domain, "%.*s", STR_ARGS(taken->content.domain));
    put_body(&job->body, taken);
}

/* One that is under way here had a lease that ended too soon. It is ours again, so that the answer to the call that is
 * under way counts. */
void runner_take_in(Runner *runner, const TakenJob *taken, int64_t now_us)
{
    RunnerJob *job = find_job(runner, taken->id);
    if (job) {
        job->token = taken->token;
        job->attempt = taken->attempt;
        return;
    }
    job = find_free(runner);
    fill(runner, job, taken);
    if (runner->finishing) {
        runner_hold(runner, job, 0, "the service was stopping");
    } else if (job->body.failed) {
        runner_hold(runner, job, RUNNER_HELD_US, "no memory for a request");
    } else if (runner->check) {
        ask(runner, job, now_us);
    } else {
        runner_move(runner, job, STAGE_READY);
    }
}
