/* The runner of onboarding's jobs: leases, a store that fails, ends in the middle, domains, no memory. */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "starve.h"
#include "support/runner_world.h"

static void answer_after(JobsWorld *world, int64_t us)
{
    fake_receiver_set_faults(world->service, &(FakeFaults){.latency_us_min = us, .latency_us_max = us});
}

static size_t takes(const JobsWorld *world) { return world->store.takes; }

/* ---- When it looks ----------------------------------------------------------------------------------------------- */

static void test_it_looks_when_it_is_woken(void **state)
{
    JobsWorld *world = *state;
    jobs_open_runner(world);
    jobs_run_for(world, 3600 * SECOND_US);
    assert_int_equal(takes(world), 1); /* what was there when it began */
    jobs_add(world, 1);
    jobs_settle(world);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 1);
    assert_int_equal(takes(world), 2);
}

/* The store has said that there is nothing, and the runner has not heard it yet: what is made by then was not looked
 * at. */
static void test_it_is_woken_while_it_looks(void **state)
{
    JobsWorld *world = *state;
    jobs_open_runner(world);
    jobs_step(world);
    assert_int_equal(takes(world), 1);
    jobs_add(world, 1);
    jobs_settle(world);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 1);
    assert_int_equal(takes(world), 2);
}

static void test_it_looks_when_one_is_due(void **state)
{
    JobsWorld *world = *state;
    jobs_add(world, 1);
    world->store.jobs[0].due_us += 90 * SECOND_US;
    jobs_open_runner(world);
    jobs_run_for(world, 90 * SECOND_US - 1);
    assert_int_equal(jobs_at(world, 1)->state, JOB_PENDING);
    assert_int_equal(takes(world), 1);
    jobs_run_for(world, 1);
    assert_int_equal(jobs_at(world, 1)->state, JOB_COMPLETED);
}

/* A wall clock that is set forward is noticed within seconds. */
static void test_the_wall_clock_is_set(void **state)
{
    JobsWorld *world = *state;
    jobs_add(world, 1);
    world->store.jobs[0].due_us += 3600 * SECOND_US;
    jobs_open_runner(world);
    jobs_settle(world);
    world->manual.wall_us += 3600 * SECOND_US;
    jobs_run_for(world, 10 * SECOND_US);
    assert_int_equal(jobs_at(world, 1)->state, JOB_COMPLETED);
}

/* ---- Leases ------------------------------------------------------------------------------------------------------ */

static void test_another_has_taken_it_over(void **state)
{
    JobsWorld *world = *state;
    answer_after(world, 2 * SECOND_US);
    jobs_add(world, 2);
    jobs_open_runner(world);
    jobs_settle(world);
    world->store.jobs[0].token = 77; /* as who takes over has it */
    world->store.jobs[0].attempts++;
    jobs_run_for(world, 3 * SECOND_US);
    assert_int_equal(jobs_at(world, 1)->state, JOB_PROCESSING);
    assert_int_equal(jobs_at(world, 1)->ends, 0);
    assert_int_equal(jobs_at(world, 2)->state, JOB_COMPLETED);
    assert_int_equal(jobs_status(world).stale, 1);
    assert_int_equal(jobs_status(world).verdicts[JOB_VERDICT_COMPLETED], 1);
    assert_int_equal(jobs_status(world).in_flight, 0);
}

/* The call that is under way is the attempt: there is no second one beside it. */
static void test_a_lease_of_ours_ends_too_soon(void **state)
{
    JobsWorld *world = *state;
    world->options.lease_us = SECOND_US;
    answer_after(world, 5 * SECOND_US / 2);
    jobs_add(world, 1);
    jobs_open_runner(world);
    jobs_run_for(world, 4 * SECOND_US);
    assert_int_equal(jobs_at(world, 1)->state, JOB_COMPLETED);
    assert_int_equal(jobs_at(world, 1)->attempts, 3);
    assert_int_equal(jobs_calls(world, 1), 1);
    assert_int_equal(fake_receiver_counts(world->service).messages, 1);
    assert_int_equal(jobs_status(world).stale, 0);
}

/* It has waited for so long that another took the job over, who has gone since. */
static void test_a_lease_ends_before_its_result_is_stored(void **state)
{
    JobsWorld *world = *state;
    world->options.lease_us = SECOND_US;
    jobs_add(world, 1);
    jobs_open_runner(world);
    jobs_step(world);
    world->processor_stands = true;
    jobs_settle(world); /* called and answered; the result is with the processor */
    manual_clock_move(&world->manual, 2 * SECOND_US);
    world->store.jobs[0].token = ++world->store.last_token;
    world->store.jobs[0].due_us = world->manual.wall_us + 5 * SECOND_US;
    world->processor_stands = false;
    jobs_settle(world);
    assert_int_equal(jobs_at(world, 1)->ends, 0);
    assert_int_equal(jobs_status(world).stale, 1);
    jobs_run_for(world, 15 * SECOND_US);
    assert_int_equal(jobs_at(world, 1)->state, JOB_COMPLETED);
}

/* Who had it last is gone; it was the last attempt that there should be, and nobody knows what came of it. */
static void test_one_more_after_a_crash(void **state)
{
    JobsWorld *world = *state;
    jobs_add(world, 1);
    world->store.jobs[0].state = JOB_PROCESSING;
    world->store.jobs[0].attempts = 3;
    jobs_open_runner(world);
    jobs_settle(world);
    assert_int_equal(jobs_at(world, 1)->state, JOB_COMPLETED);
    assert_int_equal(jobs_at(world, 1)->attempts, 4);
}

/* ---- A store that fails ------------------------------------------------------------------------------------------ */

static void check_store_fails(JobsWorld *world, Status failure, int64_t calls_before)
{
    jobs_add(world, 5);
    jobs_open_runner(world);
    if (calls_before > 0) {
        jobs_step(world); /* they are taken */
    }
    world->store.failure = failure;
    world->store.failures = 6;
    jobs_settle(world);
    assert_int_equal(jobs_status(world).state, RUNNER_FAILING);
    assert_int_equal(jobs_status(world).attempts, calls_before);
    assert_string_equal(jobs_status(world).error, "the store was told to fail");
    assert_int_equal(world->store.failures, 5);
    jobs_run_for(world, SECOND_US);
    assert_in_range(world->store.failures, 1, 3); /* each after a longer wait */
    jobs_run_for(world, 400 * SECOND_US);
    assert_int_equal(jobs_status(world).state, RUNNER_RUNNING);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 5);
}

static void test_nothing_can_be_taken(void **state) { check_store_fails(*state, STATUS_BUSY, 0); }
static void test_it_is_unknown_what_was_taken(void **state) { check_store_fails(*state, STATUS_UNKNOWN, 0); }

static void test_ends_cannot_be_stored(void **state)
{
    check_store_fails(*state, STATUS_BUSY, 5);
    for (int64_t id = 1; id <= 5; id++) {
        assert_int_equal(jobs_calls(*state, id), 1);
    }
}

/* They were stored, and telling it again changes nothing. */
static void test_it_is_unknown_what_was_stored(void **state)
{
    check_store_fails(*state, STATUS_UNKNOWN, 5);
    for (int64_t id = 1; id <= 5; id++) {
        assert_int_equal(jobs_calls(*state, id), 1);
        assert_int_equal(jobs_at(*state, id)->ends, 1);
    }
    assert_int_equal(jobs_status(*state).stale, 5);
}

/* While it is ill nothing more is begun. */
static void test_no_calls_while_ends_wait(void **state)
{
    JobsWorld *world = *state;
    jobs_add(world, 30);
    jobs_open_runner(world);
    jobs_step(world);
    world->store.failure = STATUS_BUSY;
    world->store.failures = 1000;
    jobs_run_for(world, 60 * SECOND_US);
    assert_int_equal(jobs_status(world).attempts, 10);
    world->store.failures = 0;
    jobs_run_for(world, 60 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 30);
}

/* ---- Ends in the middle ------------------------------------------------------------------------------------------ */

static void finish(JobsWorld *world)
{
    runner_finish(world->runner);
    for (int i = 0; i < 100 && !runner_is_finished(world->runner); i++) {
        jobs_run_for(world, SECOND_US / 4);
    }
    assert_true(runner_is_finished(world->runner));
}

static void test_calls_are_waited_for(void **state)
{
    JobsWorld *world = *state;
    answer_after(world, 3 * SECOND_US);
    jobs_add(world, 20);
    jobs_open_runner(world);
    jobs_run_for(world, SECOND_US);
    finish(world);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 10);
    assert_int_equal(jobs_count(world, JOB_PENDING), 10);
}

/* Those that have not answered are left to their leases: nobody knows whether they happened. */
static void test_calls_are_not_waited_for_too_long(void **state)
{
    JobsWorld *world = *state;
    fake_receiver_script(world->service,
                         (FakeAnswer){.seq = 2, .times = 1, .after_us = 15 * SECOND_US, .verdict = SINK_TAKEN});
    fake_receiver_script(world->service,
                         (FakeAnswer){.seq = 3, .times = 1, .after_us = 5 * SECOND_US, .verdict = SINK_FAILED});
    jobs_add(world, 3);
    jobs_open_runner(world);
    jobs_run_for(world, SECOND_US);
    int64_t begun_us = world->manual.monotonic_us;
    finish(world);
    assert_in_range(world->manual.monotonic_us - begun_us, 10 * SECOND_US, 11 * SECOND_US);
    assert_int_equal(jobs_at(world, 1)->state, JOB_COMPLETED);
    assert_int_equal(jobs_at(world, 2)->state, JOB_PROCESSING);
    assert_int_equal(jobs_at(world, 2)->ends, 0);
    assert_int_equal(jobs_at(world, 3)->state, JOB_PENDING);
    assert_int_equal(jobs_at(world, 3)->attempts, 1);
}

/* What is taken and not called goes back, also what comes from the store when the end has begun. */
static void test_what_was_not_called_goes_back(void **state)
{
    JobsWorld *world = *state;
    jobs_add(world, 5);
    jobs_open_runner(world);
    world->processor_stands = true;
    jobs_step(world);
    runner_finish(world->runner);
    world->processor_stands = false;
    finish(world);
    assert_int_equal(takes(world), 1);
    assert_int_equal(jobs_count(world, JOB_PENDING), 5);
    for (int64_t id = 1; id <= 5; id++) {
        assert_int_equal(jobs_at(world, id)->attempts, 0);
        assert_true(jobs_at(world, id)->due_us <= world->manual.wall_us);
        assert_int_equal(jobs_calls(world, id), 0);
    }
}

static void test_the_end_does_not_wait_for_the_store(void **state)
{
    JobsWorld *world = *state;
    jobs_add(world, 5);
    jobs_open_runner(world);
    jobs_step(world);
    world->store.failure = STATUS_BUSY;
    world->store.failures = 1000;
    jobs_settle(world);
    finish(world);
    assert_int_equal(jobs_count(world, JOB_PROCESSING), 5);
}

static void test_another_goes_on(void **state)
{
    JobsWorld *world = *state;
    answer_after(world, 60 * SECOND_US);
    jobs_add(world, 20);
    jobs_open_runner(world);
    jobs_run_for(world, SECOND_US);
    jobs_close_runner(world); /* as if it had been killed */
    answer_after(world, 0);
    for (int i = 0; i < 10; i++) { /* as a store does that is opened */
        world->store.jobs[i].due_us = world->manual.wall_us;
    }
    jobs_open_runner(world);
    jobs_settle(world);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 20);
    assert_int_equal(jobs_at(world, 1)->attempts, 2);
}

/* ---- Domains ----------------------------------------------------------------------------------------------------- */

static void open_with_dns(JobsWorld *world, DnsMode dns, DomainVerdict verdict)
{
    world->options.dns = dns;
    world->answer.verdict = verdict;
    jobs_add(world, 12);
    jobs_open_runner(world);
    jobs_settle(world);
}

static void test_domains_are_there(void **state)
{
    JobsWorld *world = *state;
    open_with_dns(world, DNS_REQUIRE, DOMAIN_THERE);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 12);
    assert_int_equal(world->check.asked, 12);
    assert_int_equal(jobs_calls(world, 12), 1);
    assert_int_equal(jobs_status(world).checked, 12);
    assert_string_equal(jobs_at(world, 1)->error, "");
}

static void test_domains_are_absent(void **state)
{
    JobsWorld *world = *state;
    open_with_dns(world, DNS_REQUIRE, DOMAIN_ABSENT);
    assert_int_equal(jobs_count(world, JOB_FAILED), 12);
    assert_int_equal(jobs_at(world, 3)->attempts, 1);
    assert_string_equal(jobs_at(world, 3)->error, "the domain acme-3.example does not exist (NXDOMAIN)");
    assert_int_equal(jobs_calls(world, 3), 0);
    assert_int_equal(jobs_status(world).absent, 12);
}

static void test_absent_domains_are_a_warning(void **state)
{
    JobsWorld *world = *state;
    open_with_dns(world, DNS_WARN, DOMAIN_ABSENT);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 12);
    assert_string_equal(jobs_at(world, 3)->error, "the domain acme-3.example does not exist (NXDOMAIN)");
    assert_int_equal(jobs_calls(world, 3), 1);
}

static void test_nobody_can_tell(void **state)
{
    JobsWorld *world = *state;
    open_with_dns(world, DNS_REQUIRE, DOMAIN_UNSURE);
    assert_int_equal(jobs_count(world, JOB_PENDING), 12);
    assert_string_equal(jobs_at(world, 1)->error,
                        "the domain acme-1.example could not be looked up: the server is ill");
    jobs_run_for(world, 10 * SECOND_US);
    world->answer.verdict = DOMAIN_THERE;
    jobs_run_for(world, 20 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 12);
    assert_int_equal(jobs_at(world, 1)->attempts, 3);
}

static void test_nobody_can_tell_ever(void **state)
{
    JobsWorld *world = *state;
    open_with_dns(world, DNS_REQUIRE, DOMAIN_UNSURE);
    jobs_run_for(world, 40 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_FAILED), 12);
    assert_int_equal(jobs_at(world, 1)->attempts, 3);
}

/* Questions that are never answered take up room, and hold nobody up longer than the time-out. */
static void test_no_answer_comes(void **state)
{
    JobsWorld *world = *state;
    world->answer.silent = true;
    open_with_dns(world, DNS_WARN, DOMAIN_THERE);
    assert_int_equal(world->check.asked, 10);
    jobs_run_for(world, 5 * SECOND_US - 1);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 0);
    jobs_run_for(world, 1);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 10);
    assert_string_equal(jobs_at(world, 1)->error, "the domain acme-1.example could not be looked up in time");
    assert_int_equal(world->check.count, 10);
    for (size_t i = 0; i < 10; i++) { /* now they come; they are nobody's */
        world->check.names[i] = (WorldName){.verdict = DOMAIN_ABSENT};
    }
    world->answer.silent = false;
    jobs_run_for(world, 10 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 12);
    assert_string_equal(jobs_at(world, 12)->error, "");
}

/* While all that may be ahead of their calls wait for an answer, the runner sleeps; also when it had nothing to do for
 * a long time before. */
static void test_no_answer_comes_and_rate(void **state)
{
    JobsWorld *world = *state;
    world->answer.silent = true;
    world->options.rate = 1;
    world->options.dns = DNS_WARN;
    jobs_open_runner(world);
    jobs_run_for(world, 30 * SECOND_US);
    jobs_add(world, 10);
    world->steps = 0;
    jobs_run_for(world, 4 * SECOND_US);
    assert_in_range(world->steps, 1, 40);
    jobs_run_for(world, 26 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 10);
}

/* None, and those that are handed over, have nothing else to do. */
static void test_domains_alone(void **state)
{
    JobsWorld *world = *state;
    world->options.sink = NULL;
    world->options.rate = 1; /* is of calls */
    open_with_dns(world, DNS_REQUIRE, DOMAIN_THERE);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 12);
    assert_int_equal(jobs_status(world).attempts, 0);
    world->answer.verdict = DOMAIN_ABSENT;
    jobs_add(world, 1);
    jobs_settle(world);
    assert_int_equal(jobs_at(world, 13)->state, JOB_FAILED);
}

/* Jobs that have their answer wait for their turn to be called. */
static void test_domains_and_rate(void **state)
{
    JobsWorld *world = *state;
    world->options.rate = 2;
    open_with_dns(world, DNS_REQUIRE, DOMAIN_THERE);
    for (size_t second = 0; second <= 5; second++) {
        assert_int_equal(jobs_count(world, JOB_COMPLETED), 1 + 2 * second);
        jobs_run_for(world, SECOND_US);
    }
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 12);
}

static void test_questions_at_the_end(void **state)
{
    JobsWorld *world = *state;
    world->answer.silent = true;
    open_with_dns(world, DNS_REQUIRE, DOMAIN_THERE);
    finish(world);
    assert_int_equal(jobs_count(world, JOB_PENDING), 12);
    assert_int_equal(jobs_at(world, 1)->attempts, 0);
}

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

static void wait_until_completed(JobsWorld *world, int64_t count)
{
    for (int i = 0; i < 1000 && jobs_status(world).verdicts[JOB_VERDICT_COMPLETED] < count; i++) {
        usleep(10000);
    }
    assert_int_equal(jobs_status(world).verdicts[JOB_VERDICT_COMPLETED], count);
}

static void test_on_its_own_thread(void **state)
{
    JobsWorld *world = *state;
    jobs_use_threads(world);
    jobs_add(world, 200);
    jobs_open_runner(world);
    wait_until_completed(world, 200);
    runner_stop(world->runner);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 200);
    for (int64_t id = 1; id <= 200; id++) {
        assert_int_equal(jobs_calls(world, id), 1);
    }
}

/* It waits for nothing but what its own threads say. */
static void test_domains_on_its_own_thread(void **state)
{
    JobsWorld *world = *state;
    jobs_use_threads(world);
    world->options.sink = NULL;
    world->options.dns = DNS_WARN;
    jobs_add(world, 200);
    jobs_open_runner(world);
    wait_until_completed(world, 200);
    runner_stop(world->runner);
    assert_int_equal(world->check.asked, 200);
}

static void test_a_thread_is_stopped_in_the_middle(void **state)
{
    JobsWorld *world = *state;
    answer_after(world, 3600 * SECOND_US);
    world->options.drain_us = SECOND_US / 10;
    jobs_use_threads(world);
    jobs_add(world, 20);
    jobs_open_runner(world);
    while (jobs_status(world).attempts == 0) {
        usleep(1000);
    }
    int64_t begun_us = clock_monotonic_us(&clock_system);
    runner_stop(world->runner);
    assert_in_range(clock_monotonic_us(&clock_system) - begun_us, SECOND_US / 10, 5 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_PROCESSING), 10);
    assert_int_equal(jobs_count(world, JOB_PENDING), 10);
}

/* ---- No memory --------------------------------------------------------------------------------------------------- */

static void test_no_memory_for_a_request(void **state)
{
    JobsWorld *world = *state;
    jobs_add(world, 3);
    jobs_open_runner(world);
    jobs_step(world); /* they are taken */
    starving = true;
    jobs_step(world); /* nothing can be made of them, so that the fake, which needs memory, is not called */
    starving = false;
    assert_int_equal(jobs_count(world, JOB_PENDING), 3);
    assert_int_equal(jobs_at(world, 1)->attempts, 0);
    assert_int_equal(jobs_status(world).verdicts[JOB_VERDICT_HELD] + jobs_status(world).in_flight, 3);
    jobs_run_for(world, 2 * SECOND_US);
    assert_int_equal(jobs_count(world, JOB_COMPLETED), 3);
    assert_int_equal(jobs_calls(world, 1), 1);
}

static void test_no_memory_to_begin(void **state)
{
    JobsWorld *world = *state;
    Runner *runner = NULL;
    Error error = {0};
    world->options.processor = world->processor;
    starving = true;
    Status status = runner_start(&world->options, &runner, &error);
    starving = false;
    assert_int_equal(status, STATUS_BUSY);
    assert_null(runner);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, jobs_setup, jobs_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_it_looks_when_it_is_woken),
        TEST(test_it_is_woken_while_it_looks),
        TEST(test_it_looks_when_one_is_due),
        TEST(test_the_wall_clock_is_set),
        TEST(test_another_has_taken_it_over),
        TEST(test_a_lease_of_ours_ends_too_soon),
        TEST(test_a_lease_ends_before_its_result_is_stored),
        TEST(test_one_more_after_a_crash),
        TEST(test_nothing_can_be_taken),
        TEST(test_it_is_unknown_what_was_taken),
        TEST(test_ends_cannot_be_stored),
        TEST(test_it_is_unknown_what_was_stored),
        TEST(test_no_calls_while_ends_wait),
        TEST(test_calls_are_waited_for),
        TEST(test_calls_are_not_waited_for_too_long),
        TEST(test_what_was_not_called_goes_back),
        TEST(test_the_end_does_not_wait_for_the_store),
        TEST(test_another_goes_on),
        TEST(test_domains_are_there),
        TEST(test_domains_are_absent),
        TEST(test_absent_domains_are_a_warning),
        TEST(test_nobody_can_tell),
        TEST(test_nobody_can_tell_ever),
        TEST(test_no_answer_comes),
        TEST(test_no_answer_comes_and_rate),
        TEST(test_domains_alone),
        TEST(test_domains_and_rate),
        TEST(test_questions_at_the_end),
        TEST(test_on_its_own_thread),
        TEST(test_domains_on_its_own_thread),
        TEST(test_a_thread_is_stopped_in_the_middle),
        TEST(test_no_memory_for_a_request),
        TEST(test_no_memory_to_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
