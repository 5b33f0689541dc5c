/* What is sent to the handler, and what its answers mean. */
#include <stdio.h>

#include "base/backoff.h"
#include "onboard/runner_parts.h"

#define JOB_CALL "organization.onboard"

const int64_t runner_bucket_us[RUNNER_BUCKETS - 1] = {5000,   10000,   25000,   50000,    100000,  250000,
                                                      500000, 1000000, 2500000, 10000000, 30000000};

/* ---- How many ---------------------------------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* A job is taken when it can be called at once. Where its domain is looked up first it is taken before its time, but so
 * much only that its lease does not notice. */
static size_t allowed_ahead(Runner *runner, int64_t now_us, size_t wanted)
{
    enum { AHEAD_S = 5 };
    if (!runner->check || runner->options.rate == 0) {
        return rate_allows(&runner->rate, now_us, wanted);
    }
    return least(wanted, (size_t)runner->options.rate * AHEAD_S);
}

/* With nothing allowed it has said when there may be. */
static size_t ask_breaker(Runner *runner, int64_t now_us, size_t wanted)
{
    Breaker *breaker = &runner->breaker;
    breaker_under_way(breaker, (unsigned)runner->stages[STAGE_CALLED]);
    size_t allowed = breaker_allows(breaker, now_us, (unsigned)wanted);
    if (allowed == 0 && breaker->state == BREAKER_OPEN) {
        runner_at(runner, breaker->open_until_us);
    } else if (allowed == 0 && breaker->doubting) {
        runner_at(runner, breaker->doubt_until_us);
    }
    return allowed;
}

/* Behind those that are on their way to be called already. A breaker that is about to try again lets one through, and
 * no other is to wait for what becomes of it. */
static size_t room_for_calls(Runner *runner, int64_t now_us, size_t ahead)
{
    if (!runner->connected) {
        runner_at(runner, runner->connect_at_us);
        return 0;
    }
    size_t room = runner->sink->ops->room(runner->sink), allowed = allowed_ahead(runner, now_us, room);
    if (allowed <= ahead && room > ahead) {
        (void)rate_allows(&runner->rate, now_us, 0); /* brings it up to date, or the time would be one that is over */
        runner_at(runner, rate_next_us(&runner->rate, ahead));
    }
    if (allowed <= ahead || (ahead > 0 && runner->breaker.state != BREAKER_CLOSED)) {
        return 0;
    }
    return ask_breaker(runner, now_us, allowed - ahead);
}

size_t runner_capacity(Runner *runner, int64_t now_us)
{
    size_t ahead = runner->stages[STAGE_CHECKING] + runner->stages[STAGE_READY];
    size_t room = least(runner->stages[STAGE_FREE], RUNNER_GROUP_MAX);
    size_t busy = ahead + runner->stages[STAGE_CALLED];
    room = least(room, runner->options.concurrency > busy ? runner->options.concurrency - busy : 0);
    if (runner->check) {
        room = least(room, runner->check->ops->room(runner->check));
    }
    return runner->sink && room > 0 ? least(room, room_for_calls(runner, now_us, ahead)) : room;
}

/* ---- Calling ----------------------------------------------------------------------------------------------------- */

static void connect_sink(Runner *runner, int64_t now_us)
{
    Error error = {0};
    SinkPlace ours = {0}, theirs;
    if (runner->connected || now_us < runner->connect_at_us) {
        return;
    }
    runner->connected = runner->sink->ops->connect(runner->sink, ours, &theirs, &error) == STATUS_OK;
    if (!runner->connected) {
        runner->connect_at_us = now_us + backoff_exponential_us(RUNNER_RETRY_US, RUNNER_RETRY_US_MAX,
                                                                ++runner->failed_connects, runner->options.random);
        runner_fail(runner, error.message);
    }
}

static void hold_all(Runner *runner, RunnerStage stage, int64_t after_us, const char *why)
{
    for (size_t i = 0; i < runner->job_count && runner->stages[stage] > 0; i++) {
        if (runner->jobs[i].stage == stage) {
            runner_hold(runner, &runner->jobs[i], after_us, why);
        }
    }
}

static Message message_of(const RunnerJob *job)
{
    return (Message){.seq = job->id,
                     .call = STR(JOB_CALL),
                     .id = str_from(job->key),
                     .key = str_from(job->domain),
                     .body = buf_str(&job->body),
                     .created_us = job->taken_us};
}

static size_t collect_ready(Runner *runner, size_t room, Message *messages)
{
    size_t count = 0;
    for (size_t i = 0; i < runner->job_count && count < room; i++) {
        RunnerJob *job = &runner->jobs[i];
        if (job->stage == STAGE_READY) {
            messages[count++] = message_of(job);
            runner_move(runner, job, STAGE_CALLED);
        }
    }
    return count;
}

/* A handler that lets go of everything says nothing against the jobs that it had. */
static void send_group(Runner *runner, size_t room, int64_t now_us)
{
    Message messages[RUNNER_GROUP_MAX];
    Error error = {0};
    size_t count = collect_ready(runner, least(room, RUNNER_GROUP_MAX), messages);
    if (count == 0) {
        return;
    }
    rate_spend(&runner->rate, count);
    for (size_t i = 0; i < count; i++) {
        breaker_begun(&runner->breaker);
    }
    if (runner->sink->ops->send(runner->sink, messages, count, NULL, &error) == STATUS_OK) {
        runner->next.attempts += (int64_t)count;
        return;
    }
    for (size_t i = 0; i < runner->stages[STAGE_CALLED]; i++) {
        breaker_withdrawn(&runner->breaker);
    }
    runner->connected = false;
    runner->connect_at_us = now_us + RUNNER_RETRY_US;
    runner_fail(runner, error.message);
    hold_all(runner, STAGE_CALLED, RUNNER_HELD_US, error.message);
}

/* When the breaker goes on, from now. */
static int64_t pause_us(const Runner *runner, int64_t now_us)
{
    int64_t left_us = runner->breaker.open_until_us - now_us;
    return runner->breaker.state == BREAKER_OPEN && left_us > 0 ? left_us : RUNNER_HELD_US;
}

static void complete_ready(Runner *runner)
{
    for (size_t i = 0; i < runner->job_count && runner->stages[STAGE_READY] > 0; i++) {
        if (runner->jobs[i].stage == STAGE_READY) {
            runner_end(runner, &runner->jobs[i], JOB_VERDICT_COMPLETED, 0);
        }
    }
}

/* What the breaker does not let through is given back rather than kept from others. */
static void call_ready(Runner *runner, int64_t now_us)
{
    size_t room = least(runner->sink->ops->room(runner->sink), runner->stages[STAGE_READY]);
    size_t in_time = rate_allows(&runner->rate, now_us, room);
    size_t allowed = ask_breaker(runner, now_us, in_time);
    if (allowed > 0) {
        send_group(runner, allowed, now_us);
    }
    if (runner->breaker.state != BREAKER_CLOSED) {
        hold_all(runner, STAGE_READY, pause_us(runner, now_us),
                 "the service is left alone for a while, since too many calls have failed");
    } else if (in_time < room) {
        runner_at(runner, rate_next_us(&runner->rate, 0));
    }
}

void runner_call(Runner *runner, int64_t now_us)
{
    if (!runner->sink) {
        complete_ready(runner);
        return;
    }
    connect_sink(runner, now_us);
    if (!runner->connected) {
        runner_at(runner, runner->connect_at_us);
    } else if (runner->stages[STAGE_READY] > 0) {
        call_ready(runner, now_us);
    }
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* Those of the 4xx that say "not now" are like a failure of the service. */
static bool is_final(const SinkResult *result)
{
    switch (result->code) {
    case 408:
    case 409:
    case 425:
    case 429: return false;
    default: break;
    }
    return result->verdict == SINK_REFUSED || result->verdict == SINK_GONE ||
           (result->code >= 400 && result->code < 500);
}

/* The beginning of the answer is what a person wants to see, where it is text. */
static void tell_error(RunnerJob *job, const SinkResult *result)
{
    enum { RESPONSE_BYTES_MAX = 256 };
    Str response = str_cut(str_trim(result->response), RESPONSE_BYTES_MAX);
    bool is_text = response.len > 0 && !memchr(response.ptr, 0, response.len) && str_count_code_points(response) > 0;
    if (is_text) {
        snprintf(job->error, sizeof job->error, "%.*s: %.*s", STR_ARGS(result->error), STR_ARGS(response));
    } else {
        snprintf(job->error, sizeof job->error, "%.*s", STR_ARGS(result->error));
    }
}

/* Returns whether a failure is the job's: while the breaker is not closed, or is in doubt, it is the service's, and no
 * attempt is spent. Who has read the job and finds fault with it is well. */
static bool tell_breaker(Runner *runner, const SinkResult *result, int64_t now_us)
{
    bool tried = result->verdict != SINK_HELD,
         well = result->verdict == SINK_TAKEN || result->judged || is_final(result);
    bool counts = (runner->breaker.state == BREAKER_CLOSED && !runner->breaker.doubting) || well;
    breaker_under_way(&runner->breaker, (unsigned)runner->stages[STAGE_CALLED] - 1); /* this one has ended */
    if (tried) {
        breaker_ended(&runner->breaker, now_us, well);
    } else {
        breaker_withdrawn(&runner->breaker);
    }
    if (!counts && result->retry_after_us > 0) {
        breaker_put_off(&runner->breaker, now_us + result->retry_after_us);
    }
    return counts;
}

static void count_latency(Runner *runner, int64_t us)
{
    size_t bucket = 0;
    while (bucket < RUNNER_BUCKETS - 1 && us > runner_bucket_us[bucket]) {
        bucket++;
    }
    runner->next.buckets[bucket]++;
    runner->next.us_total += us;
}

static void fail_job(Runner *runner, RunnerJob *job, const SinkResult *result, bool counts, int64_t now_us)
{
    runner->next.failures++;
    runner_fail(runner, job->error);
    if (is_final(result)) {
        runner_end(runner, job, JOB_VERDICT_FAILED, 0);
    } else if (counts) {
        runner_fail_attempt(runner, job, result->retry_after_us);
    } else {
        int64_t pause = pause_us(runner, now_us), asked = result->retry_after_us;
        runner_end(runner, job, JOB_VERDICT_HELD, pause > asked ? pause : asked);
    }
}

static void take_result(Runner *runner, RunnerJob *job, const SinkResult *result, int64_t now_us)
{
    bool counts = tell_breaker(runner, result, now_us);
    tell_error(job, result);
    if (result->verdict == SINK_HELD) {
        runner_end(runner, job, JOB_VERDICT_HELD, RUNNER_HELD_US);
        return;
    }
    count_latency(runner, result->latency_us);
    if (result->verdict == SINK_TAKEN) {
        runner->failed_connects = 0;
        runner_end(runner, job, JOB_VERDICT_COMPLETED, 0);
    } else {
        fail_job(runner, job, result, counts, now_us);
    }
}

static RunnerJob *find_called(Runner *runner, int64_t id)
{
    for (size_t i = 0; i < runner->job_count; i++) {
        if (runner->jobs[i].stage == STAGE_CALLED && runner->jobs[i].id == id) {
            return &runner->jobs[i];
        }
    }
    return NULL;
}

void runner_take_results(Runner *runner, int64_t now_us)
{
    SinkResult results[RUNNER_RESULTS_MAX];
    size_t count = RUNNER_RESULTS_MAX;
    while (runner->connected && count == RUNNER_RESULTS_MAX) {
        count = runner->sink->ops->results(runner->sink, results, RUNNER_RESULTS_MAX);
        for (size_t i = 0; i < count; i++) {
            RunnerJob *job = find_called(runner, results[i].seq);
            if (job) { /* else an answer that came twice, or for one that is not waited for any more */
                take_result(runner, job, &results[i], now_us);
            }
        }
    }
}
