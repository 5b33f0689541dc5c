/* The runner of onboarding's jobs: what is called when, and what becomes of the answers. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "support/runner_world.h"

static size_t delivery_count(JobsWorld *world)
{
    size_t count;
    fake_receiver_deliveries(world->service, &count);
    return count;
}

static void test_each_is_called_once(void **state)
{
    JobsWorld *world = *state;
    jobs_add(world, 45);
    jobs_open_runner(world);
    jobs_run_for(world, SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 45);
    for (int64_t id = 1; id <= 45; id++) {
        assert_int_equal(jobs_calls(world, id), 1);
    }
    RunnerStatus status = jobs_status(world);
    assert_int_equal(status.verdicts[JOB_VERDICT_COMPLETED], 45);
    assert_int_equal(status.attempts, 45);
    assert_int_equal(status.failures, 0);
    assert_int_equal(status.in_flight, 0);
    assert_int_equal(status.buckets[0], 45);
    assert_int_equal(status.completed_us, world->manual.wall_us - SECOND_US);
}

static void test_what_is_sent(void **state)
{
    JobsWorld *world = *state;
    size_t count;
    jobs_add(world, 2);
    jobs_open_runner(world);
    jobs_settle(world);
    const FakeDelivery *calls = fake_receiver_deliveries(world->service, &count);
    assert_int_equal(count, 2);
    assert_string_equal(calls[0].id, "batch-1-0");
    assert_string_equal(calls[0].body,
                        "{\"organization\":{\"id\":1001,\"domain\":\"acme-1.example\",\"name\":\"Acme \\\"1\\\"\","
                        "\"contact_email\":\"a@acme.example\",\"metadata\":{\"plan\":\"pro\"},\"version\":1},"
                        "\"batch_id\":\"batch-1\",\"job\":1,\"attempt\":1}");
    assert_non_null(strstr(calls[1].body, "\"metadata\":null,"));
}

/* A store that was restored from a copy makes jobs under ids that it had made before: whoever remembers keys is not to
 * mix them up. */
static void test_a_key_is_of_its_batch(void **state)
{
    JobsWorld *world = *state;
    size_t count;
    jobs_add(world, 2);
    jobs_open_runner(world);
    jobs_settle(world);
    world->store.count = 0;
    world->store.batch = 2;
    jobs_add(world, 2);
    jobs_run_for(world, SECOND_US);
    const FakeDelivery *calls = fake_receiver_deliveries(world->service, &count);
    assert_int_equal(count, 4);
    static const char *const keys[] = {"batch-1-0", "batch-1-1", "batch-2-0", "batch-2-1"};
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(calls[i].id, keys[i]);
    }
}

/* The one after the first failed attempt comes 5 to 10 s later, the next 10 to 20 s. */
static void test_attempts_and_backoff(void **state)
{
    JobsWorld *world = *state;
    jobs_script(world, 3, SINK_FAILED, 503);
    jobs_add(world, 1);
    jobs_open_runner(world);
    jobs_settle(world);
    const WorldJob *job = jobs_at(world, 1);
    for (int64_t base_us = 10 * SECOND_US; base_us <= 20 * SECOND_US; base_us *= 2) {
        assert_int_equal(job->state, JOB_PENDING);
        assert_string_equal(job->error, "the receiver has failed");
        int64_t delay_us = job->due_us - world->manual.wall_us;
        assert_in_range(delay_us, base_us / 2, base_us);
        size_t ends = job->ends;
        jobs_run_for(world, delay_us - 1);
        assert_int_equal(job->ends, ends);
        jobs_run_for(world, 1);
        assert_int_equal(job->ends, ends + 1);
    }
    assert_int_equal(job->state, JOB_FAILED);
    assert_int_equal(job->attempts, 3);
    assert_int_equal(job->ends, 3);
    RunnerStatus status = jobs_status(world);
    assert_int_equal(status.verdicts[JOB_VERDICT_AGAIN], 2);
    assert_int_equal(status.verdicts[JOB_VERDICT_FAILED], 1);
    assert_int_equal(status.failures, 3);
    assert_string_equal(status.error, "the receiver has failed");
}

static void test_jitter_spreads(void **state)
{
    JobsWorld *world = *state;
    bool differ = false;
    jobs_script(world, 40, SINK_FAILED, 500);
    jobs_add(world, 40);
    jobs_open_runner(world);
    jobs_settle(world);
    for (int64_t id = 1; id <= 40; id++) {
        assert_int_equal(jobs_at(world, id)->state, JOB_PENDING);
        assert_in_range(jobs_at(world, id)->due_us - world->manual.wall_us, 5 * SECOND_US, 10 * SECOND_US);
        differ = differ || jobs_at(world, id)->due_us != jobs_at(world, 1)->due_us;
    }
    assert_true(differ);
    jobs_run_for(world, 11 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 40);
}

static void test_the_longest_wait(void **state)
{
    JobsWorld *world = *state;
    world->options.attempts = 100;
    world->options.backoff_us = 3600 * SECOND_US;
    world->store.jobs[0].attempts = 98; /* as if */
    jobs_add(world, 1);
    world->store.jobs[0].attempts = 98;
    jobs_script(world, 1, SINK_FAILED, 500);
    jobs_open_runner(world);
    jobs_settle(world);
    assert_in_range(jobs_at(world, 1)->due_us - world->manual.wall_us, 1800 * SECOND_US, 3600 * SECOND_US);
}

/* Final for the job alone. */
static void test_codes(void **state)
{
    JobsWorld *world = *state;
    static const struct {
        SinkVerdict verdict;
        int code;
        JobState state;
    } answers[] = {{SINK_FAILED, 400, JOB_FAILED},  {SINK_FAILED, 401, JOB_FAILED},  {SINK_FAILED, 404, JOB_FAILED},
                   {SINK_FAILED, 408, JOB_PENDING}, {SINK_FAILED, 409, JOB_PENDING}, {SINK_GONE, 410, JOB_FAILED},
                   {SINK_FAILED, 422, JOB_FAILED},  {SINK_FAILED, 425, JOB_PENDING}, {SINK_FAILED, 429, JOB_PENDING},
                   {SINK_FAILED, 302, JOB_PENDING}, {SINK_FAILED, 500, JOB_PENDING}, {SINK_FAILED, 0, JOB_PENDING},
                   {SINK_REFUSED, 0, JOB_FAILED},   {SINK_TAKEN, 204, JOB_COMPLETED}};
    size_t count = sizeof answers / sizeof answers[0];
    for (size_t i = 0; i < count; i++) {
        fake_receiver_script(
            world->service,
            (FakeAnswer){.seq = (int64_t)i + 1, .times = 1, .verdict = answers[i].verdict, .code = answers[i].code});
    }
    jobs_add(world, count);
    jobs_open_runner(world);
    jobs_settle(world);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(jobs_at(world, (int64_t)i + 1)->state, answers[i].state);
        assert_int_equal(jobs_at(world, (int64_t)i + 1)->attempts, 1);
    }
    jobs_add(world, 1);
    jobs_settle(world);
    assert_int_equal(jobs_at(world, (int64_t)count + 1)->state, JOB_COMPLETED);
}

static void test_retry_after(void **state)
{
    JobsWorld *world = *state;
    fake_receiver_script(
        world->service,
        (FakeAnswer){.times = 1, .verdict = SINK_FAILED, .code = 429, .retry_after_us = 60 * SECOND_US});
    jobs_add(world, 1);
    jobs_open_runner(world);
    jobs_settle(world);
    assert_int_equal(jobs_at(world, 1)->due_us - world->manual.wall_us, 60 * SECOND_US);
    jobs_run_for(world, 60 * SECOND_US);
    assert_int_equal(jobs_at(world, 1)->state, JOB_COMPLETED);
}

static void test_held_spends_nothing(void **state)
{
    JobsWorld *world = *state;
    jobs_script(world, 5, SINK_HELD, 0);
    jobs_add(world, 1);
    jobs_open_runner(world);
    jobs_run_for(world, 6 * SECOND_US);
    assert_int_equal(jobs_at(world, 1)->state, JOB_COMPLETED);
    assert_int_equal(jobs_at(world, 1)->attempts, 1);
    assert_int_equal(jobs_status(world).verdicts[JOB_VERDICT_HELD], 5);
}

/* ---- Rate and concurrency ---------------------------------------------------------------------------------------- */

static void test_rate(void **state)
{
    JobsWorld *world = *state;
    size_t count;
    world->options.rate = 10;
    jobs_add(world, 31);
    jobs_open_runner(world);
    jobs_run_for(world, 3 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 31);
    const FakeDelivery *calls = fake_receiver_deliveries(world->service, &count);
    for (size_t i = 10; i < count; i++) {
        assert_true(calls[i].at_us - calls[i - 10].at_us >= SECOND_US);
    }
}

/* A job is not taken long before it can be called: others may want to. */
static void test_rate_takes_no_more(void **state)
{
    JobsWorld *world = *state;
    world->options.rate = 1;
    jobs_add(world, 20);
    jobs_open_runner(world);
    for (int i = 0; i < 5; i++) {
        jobs_run_for(world, SECOND_US / 2);
        assert_in_range(jobs_count(world, JOB_PROCESSING), 0, 1);
    }
    assert_int_equal(delivery_count(world), 3);
}

static void test_concurrency(void **state)
{
    JobsWorld *world = *state;
    world->options.concurrency = 3;
    fake_receiver_set_faults(world->service, &(FakeFaults){.latency_us_min = SECOND_US, .latency_us_max = SECOND_US});
    jobs_add(world, 10);
    jobs_open_runner(world);
    for (size_t second = 1; second <= 3; second++) {
        jobs_run_for(world, SECOND_US / 2);
        assert_int_equal(jobs_count(world, JOB_PROCESSING), 3);
        assert_int_equal(jobs_status(world).in_flight, 3);
        jobs_run_for(world, SECOND_US / 2);
        assert_int_equal(jobs_count(world, JOB_COMPLETED), 3 * second);
    }
    jobs_run_for(world, SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 10);
    assert_int_equal(jobs_status(world).us_total, 10 * SECOND_US);
}

/* ---- The breaker ------------------------------------------------------------------------------------------------- */

static void use_breaker(JobsWorld *world)
{
    world->sink.breaker_percent = 50;
    world->sink.breaker_requests = 10;
    world->sink.breaker_window_us = 30 * SECOND_US;
    world->sink.breaker_pause_us = 30 * SECOND_US;
}

/* An hour of it costs the first ten jobs an attempt, and the others none. */
static void test_service_down(void **state)
{
    JobsWorld *world = *state;
    size_t spent = 0;
    use_breaker(world);
    fake_receiver_set_down(world->service, true);
    jobs_add(world, 100);
    jobs_open_runner(world);
    jobs_settle(world);
    assert_int_equal(jobs_status(world).state, RUNNER_HOLDING);
    assert_int_equal(jobs_status(world).breaker, BREAKER_OPEN);
    assert_int_equal(jobs_status(world).next_try_us, world->manual.wall_us + 30 * SECOND_US);
    jobs_run_for(world, 3600 * SECOND_US);
    for (int64_t id = 1; id <= 100; id++) {
        assert_int_equal(jobs_at(world, id)->state, JOB_PENDING);
        spent += (size_t)jobs_at(world, id)->attempts;
    }
    assert_int_equal(spent, 10);
    assert_in_range(jobs_status(world).attempts, 100, 140); /* one each 30 s */
    fake_receiver_set_down(world->service, false);
    jobs_run_for(world, 61 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 100);
    assert_int_equal(jobs_status(world).state, RUNNER_RUNNING);
}

/* A service that finds fault with jobs is well. */
static void test_refusals_do_not_open_it(void **state)
{
    JobsWorld *world = *state;
    use_breaker(world);
    jobs_script(world, 50, SINK_FAILED, 422);
    jobs_add(world, 60);
    jobs_open_runner(world);
    jobs_settle(world);
    assert_int_equal(jobs_count(world, JOB_FAILED), 50);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 10);
    assert_int_equal(jobs_status(world).breaker_opened, 0);
}

/* What was called before it opened and fails behind it spends nothing. */
static void test_late_failures_are_held(void **state)
{
    JobsWorld *world = *state;
    use_breaker(world);
    world->sink.breaker_requests = 2;
    for (int64_t id = 1; id <= 4; id++) {
        fake_receiver_script(
            world->service,
            (FakeAnswer){.seq = id, .times = 1, .verdict = SINK_FAILED, .code = 500, .after_us = id * SECOND_US});
    }
    jobs_add(world, 4);
    jobs_open_runner(world);
    jobs_run_for(world, 4 * SECOND_US);
    for (int64_t id = 1; id <= 4; id++) {
        assert_int_equal(jobs_at(world, id)->state, JOB_PENDING);
        assert_int_equal(jobs_at(world, id)->attempts, id <= 2 ? 1 : 0);
    }
    jobs_run_for(world, 60 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 4);
}

/* A third of the calls fail, and these are answered first. */
static void test_quick_failures(void **state)
{
    JobsWorld *world = *state;
    use_breaker(world);
    world->options.concurrency = 100;
    for (int64_t id = 1; id <= 300; id++) {
        FakeAnswer answer = {.seq = id, .times = 1, .verdict = SINK_TAKEN, .code = 200, .after_us = SECOND_US / 5};
        if (id % 3 == 0) {
            answer = (FakeAnswer){.seq = id, .times = 1, .verdict = SINK_FAILED, .code = 500};
        }
        fake_receiver_script(world->service, answer);
    }
    jobs_add(world, 300);
    jobs_open_runner(world);
    jobs_settle(world);
    assert_int_equal(jobs_status(world).breaker_opened, 0);
    assert_int_equal(jobs_status(world).state, RUNNER_RUNNING);
    /* Those that failed while nobody could tell wait for a second, and have spent nothing. */
    assert_int_equal(jobs_status(world).verdicts[JOB_VERDICT_AGAIN], 10);
    assert_int_equal(jobs_status(world).verdicts[JOB_VERDICT_HELD], 23);
    jobs_run_for(world, 12 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 300);
    assert_int_equal(jobs_status(world).breaker_opened, 0);
}

/* Those that failed while nobody could tell wait as long as the service asks for, too. */
static void test_retry_after_in_doubt(void **state)
{
    JobsWorld *world = *state;
    use_breaker(world);
    world->options.concurrency = 100;
    for (int64_t id = 1; id <= 100; id++) {
        FakeAnswer answer = {.seq = id, .times = 1, .verdict = SINK_TAKEN, .code = 200, .after_us = SECOND_US / 5};
        if (id <= 12) {
            answer = (FakeAnswer){
                .seq = id, .times = 1, .verdict = SINK_FAILED, .code = 503, .retry_after_us = 60 * SECOND_US};
        }
        fake_receiver_script(world->service, answer);
    }
    jobs_add(world, 100);
    jobs_open_runner(world);
    jobs_settle(world);
    assert_int_equal(jobs_status(world).verdicts[JOB_VERDICT_HELD], 2);
    for (int64_t id = 1; id <= 12; id++) {
        assert_int_equal(jobs_at(world, id)->due_us - world->manual.wall_us, 60 * SECOND_US);
    }
}

/* All fail at once, and many are under way: it opens, and costs ten of them an attempt. */
static void test_many_failures(void **state)
{
    JobsWorld *world = *state;
    int64_t spent = 0;
    use_breaker(world);
    world->options.concurrency = 100;
    fake_receiver_set_down(world->service, true);
    jobs_add(world, 300);
    jobs_open_runner(world);
    jobs_run_for(world, 5 * SECOND_US);
    assert_int_equal(jobs_status(world).breaker, BREAKER_OPEN);
    assert_int_equal(jobs_status(world).breaker_opened, 1);
    for (int64_t id = 1; id <= 300; id++) {
        spent += jobs_at(world, id)->attempts;
    }
    assert_int_equal(spent, 10);
    assert_int_equal(jobs_status(world).attempts, 100); /* calls */
}

/* Nobody answers, and each call takes longer than the breaker looks back. Those that took the places of the first ones
 * say nothing either. */
static void test_a_service_that_hangs(void **state)
{
    JobsWorld *world = *state;
    int64_t spent = 0;
    use_breaker(world);
    world->sink.breaker_percent = 70;
    world->options.rate = 10;
    for (int64_t id = 1; id <= 100; id++) {
        FakeAnswer answer = {.seq = id, .times = 1000, .verdict = SINK_FAILED, .after_us = 60 * SECOND_US};
        fake_receiver_script(world->service, answer);
    }
    jobs_add(world, 100);
    jobs_open_runner(world);
    jobs_run_for(world, 70 * SECOND_US);
    assert_int_equal(jobs_status(world).breaker, BREAKER_OPEN);
    jobs_run_for(world, 3600 * SECOND_US);
    for (int64_t id = 1; id <= 100; id++) {
        spent += jobs_at(world, id)->attempts;
    }
    assert_in_range(spent, 10, 11); /* one of them is being called */
}

static void test_connection_fails(void **state)
{
    JobsWorld *world = *state;
    fake_receiver_script_connect(world->service, STATUS_BUSY, 3);
    jobs_add(world, 2);
    jobs_open_runner(world);
    jobs_settle(world);
    assert_int_equal(world->store.takes, 0);
    assert_int_equal(jobs_status(world).state, RUNNER_HOLDING);
    jobs_run_for(world, SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 2);
}

static void test_send_fails(void **state)
{
    JobsWorld *world = *state;
    fake_receiver_script_send(world->service, STATUS_BUSY, 2);
    jobs_add(world, 4);
    jobs_open_runner(world);
    jobs_settle(world);
    assert_int_equal(jobs_status(world).verdicts[JOB_VERDICT_HELD], 4);
    jobs_run_for(world, 3 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 4);
    assert_int_equal(jobs_at(world, 4)->attempts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_is_called_once, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_sent, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_a_key_is_of_its_batch, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_attempts_and_backoff, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_jitter_spreads, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_the_longest_wait, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_codes, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_retry_after, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_held_spends_nothing, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_rate, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_rate_takes_no_more, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_concurrency, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_service_down, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_refusals_do_not_open_it, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_late_failures_are_held, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_quick_failures, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_retry_after_in_doubt, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_many_failures, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_a_service_that_hangs, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_connection_fails, jobs_setup, jobs_teardown),
        cmocka_unit_test_setup_teardown(test_send_fails, jobs_setup, jobs_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
