/* The processor over a fake store: batches, back-pressure, what is told when, and the end. */
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/processor.h"
#include "store/store_ops.h"

/* A store that remembers its batches, can be held up and can fail. */
typedef struct FakeStore {
    Store base;
    RuleSet *rules;
    pthread_mutex_t gate; /* apply waits here */
    Status answer, maintain_answer;
    bool maintain_more;
    atomic_int maintained;
    atomic_int batches, works, largest;
    atomic_bool maintained_idle;
} FakeStore;

static Status fake_apply(Store *base, Work *first, Error *reterr)
{
    FakeStore *fake = (FakeStore *)base;
    int works = 0;
    pthread_mutex_lock(&fake->gate);
    for (Work *work = first; work; work = work->next) {
        works++;
        work->status = STATUS_OK;
        for (size_t i = 0; work->kind == WORK_RECORDS && i < work->records.count; i++) {
            work->records.outcomes[i] = (Outcome){.kind = OUTCOME_CREATED, .seq = 1};
        }
    }
    fake->batches++;
    fake->works += works;
    fake->largest = works > fake->largest ? works : fake->largest;
    Status status = fake->answer;
    pthread_mutex_unlock(&fake->gate);
    return status == STATUS_OK ? STATUS_OK : error_set(reterr, status, "the fake was told to fail");
}

static Status fake_maintain(Store *base, bool idle, bool *ret_more, Error *reterr)
{
    FakeStore *fake = (FakeStore *)base;
    *ret_more = fake->maintain_more;
    fake->maintained++;
    if (idle) {
        fake->maintained_idle = true;
    }
    return fake->maintain_answer == STATUS_OK ? STATUS_OK
                                              : error_set(reterr, fake->maintain_answer, "the fake was told to fail");
}

static int64_t fake_last_seq(const Store *base)
{
    (void)base;
    return 7;
}

static RuleSet *fake_rules(Store *base) { return ((FakeStore *)base)->rules; }

static const StoreOps fake_ops = {
    .apply = fake_apply, .maintain = fake_maintain, .last_seq = fake_last_seq, .rules = fake_rules};

typedef struct Told {
    atomic_int count, last_status;
    atomic_int committed, jobs_made, broken;
} Told;

static Told told;

static void on_done(Submission *submission, Status status, const Error *error)
{
    (void)submission;
    (void)error;
    told.last_status = (int)status;
    told.count++;
}

static void on_committed(void *self, int64_t last_seq)
{
    (void)self;
    assert_int_equal(last_seq, 7);
    told.committed++;
}

static void on_jobs_made(void *self)
{
    (void)self;
    told.jobs_made++;
}

static void on_broken(void *self, const Error *error)
{
    (void)self;
    (void)error;
    told.broken++;
}

typedef struct Fixture {
    FakeStore store;
    Processor *processor;
    Submission submissions[64];
    size_t submitted; /* by hand_in */
    Record records[64];
    Outcome outcomes[64];
} Fixture;

static int setup_with(void **state, bool background)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    Error error = {0};
    memset(&told, 0, sizeof told);
    fixture->store.base.ops = &fake_ops;
    pthread_mutex_init(&fixture->store.gate, NULL);
    assert_int_equal(rule_set_new(NULL, 0, &fixture->store.rules, &error), STATUS_OK);
    ProcessorOptions options = {.store = &fixture->store.base,
                                .clock = &clock_system,
                                .queue_bytes_max = 1000,
                                .batch_records_max = 8,
                                .background = background,
                                .committed = on_committed,
                                .jobs_made = on_jobs_made,
                                .broken = on_broken};
    assert_int_equal(processor_start(&options, &fixture->processor, &error), STATUS_OK);
    *state = fixture;
    return 0;
}

static int setup(void **state) { return setup_with(state, true); }
static int setup_stepped(void **state) { return setup_with(state, false); }

static int teardown(void **state)
{
    Fixture *fixture = *state;
    processor_stop(fixture->processor);
    rule_set_drop(fixture->store.rules);
    pthread_mutex_destroy(&fixture->store.gate);
    free(fixture);
    return 0;
}

static Status submit(Fixture *fixture, size_t index, size_t bytes)
{
    Error error = {0};
    fixture->submissions[index] = (Submission){
        .work = {.kind = WORK_RECORDS,
                 .records = {.items = &fixture->records[index], .outcomes = &fixture->outcomes[index], .count = 1}},
        .bytes = bytes,
        .done = on_done};
    return processor_submit(fixture->processor, &fixture->submissions[index], &error);
}

static void wait_for(atomic_int *value, int wanted)
{
    for (int i = 0; i < 5000 && *value < wanted; i++) {
        usleep(1000);
    }
    assert_int_equal(*value, wanted);
}

/* While one batch is held up in the store, what comes gathers for the next. */
static void test_groups_what_waits(void **state)
{
    Fixture *fixture = *state;
    pthread_mutex_lock(&fixture->store.gate);
    assert_int_equal(submit(fixture, 0, 1), STATUS_OK);
    usleep(50000); /* the processor takes the first alone */
    for (size_t i = 1; i <= 20; i++) {
        assert_int_equal(submit(fixture, i, 1), STATUS_OK);
    }
    assert_int_equal(told.count, 0);
    pthread_mutex_unlock(&fixture->store.gate);
    wait_for(&told.count, 21);
    assert_int_equal(fixture->store.batches, 4); /* 1, then 20 in batches of at most 8 */
    assert_int_equal(fixture->store.largest, 8);
    wait_for(&told.committed, 4);
    ProcessorMetrics metrics;
    processor_metrics(fixture->processor, &metrics);
    assert_int_equal(metrics.created, 21);
    assert_int_equal(metrics.queue_bytes, 0);
    assert_true(metrics.batch_us_total > 40000); /* the first was held up for 50 ms */
}

/* Twelve rules: each record counts for four rows. */
static void test_rules_make_batches_smaller(void **state)
{
    enum { RULES = 12 };
    Fixture *fixture = *state;
    AlertRule rules[RULES] = {0};
    Error error = {0};
    bool idle = false;
    int steps = 0;
    rule_set_drop(fixture->store.rules);
    for (size_t i = 0; i < RULES; i++) {
        rules[i] = (AlertRule){.id = (int64_t)i + 1, .threshold = 1, .type = -1, .enabled = true};
    }
    assert_int_equal(rule_set_new(rules, RULES, &fixture->store.rules, &error), STATUS_OK);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(submit(fixture, i, 1), STATUS_OK);
    }
    while (told.count < 6 && steps++ < 6) {
        processor_step(fixture->processor, &idle);
    }
    assert_int_equal(told.count, 6);
    assert_int_equal(fixture->store.largest, 2);
}

static void hand_in(Fixture *fixture, Work work)
{
    Error error = {0};
    Submission *submission = &fixture->submissions[fixture->submitted++];
    *submission = (Submission){.work = work, .bytes = 1, .done = on_done};
    assert_int_equal(processor_submit(fixture->processor, submission, &error), STATUS_OK);
}

/* Whatever takes long to write is not put together with much else; what is one row alone is. */
static void test_each_kind_of_work_has_its_size(void **state)
{
    Fixture *fixture = *state;
    const Work of_eight[] = {
        {.kind = WORK_ONBOARD, .onboard = {.count = 2}},
        {.kind = WORK_JOBS_END, .jobs_end = {.count = 2}},
        {.kind = WORK_JOBS_TAKE, .jobs_take = {.limit = 8}},
        {.kind = WORK_DEAD_LETTERS, .dead_letters = {.limit = 8}},
        {.kind = WORK_DELIVERY,
         .delivery = {.retry_count = 1, .settled_count = 1, .attempt_count = 4, .dead_count = 1}},
    };
    const Work small = {.kind = WORK_SINK_STATE}, long_one = {.kind = WORK_BATCH_RETRY};
    bool idle = false;
    int works = 0;
    for (size_t i = 0; i < sizeof of_eight / sizeof *of_eight; i++) {
        hand_in(fixture, of_eight[i]);
        hand_in(fixture, small);
        hand_in(fixture, small);
        processor_step(fixture->processor, &idle);
        assert_int_equal(told.count, works += 1);
        processor_step(fixture->processor, &idle);
        assert_int_equal(told.count, works += 2);
    }
    hand_in(fixture, small);
    hand_in(fixture, long_one); /* not with what came before it, but also when it is longer than a batch */
    processor_step(fixture->processor, &idle);
    assert_int_equal(told.count, works += 1);
    processor_step(fixture->processor, &idle);
    assert_int_equal(told.count, works + 1);
}

static void test_full_queue_is_busy(void **state)
{
    Fixture *fixture = *state;
    pthread_mutex_lock(&fixture->store.gate);
    assert_int_equal(submit(fixture, 0, 1), STATUS_OK);
    usleep(50000);
    assert_int_equal(submit(fixture, 1, 5000), STATUS_OK); /* larger than the bound, but nothing waits */
    assert_int_equal(submit(fixture, 2, 1), STATUS_BUSY);
    pthread_mutex_unlock(&fixture->store.gate);
    wait_for(&told.count, 2);
    assert_int_equal(submit(fixture, 3, 600), STATUS_OK);
    wait_for(&told.count, 3);
    /* What comes counts together with what waits. */
    pthread_mutex_lock(&fixture->store.gate);
    assert_int_equal(submit(fixture, 4, 1), STATUS_OK);
    usleep(50000);
    assert_int_equal(submit(fixture, 5, 600), STATUS_OK);
    Status too_much = submit(fixture, 6, 401), fits = submit(fixture, 7, 399);
    pthread_mutex_unlock(&fixture->store.gate);
    assert_int_equal(too_much, STATUS_BUSY);
    assert_int_equal(fits, STATUS_OK);
    wait_for(&told.count, 6);
}

static void test_stop_finishes_what_waits(void **state)
{
    Fixture *fixture = *state;
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(submit(fixture, i, 1), STATUS_OK);
    }
    processor_stop(fixture->processor);
    fixture->processor = NULL;
    assert_int_equal(told.count, 40);
    assert_int_equal(fixture->store.works, 40);
}

/* Whoever waits is told, and what comes next is stored. */
static void check_goes_on_after(Fixture *fixture, Status answer)
{
    fixture->store.answer = answer;
    assert_int_equal(submit(fixture, 0, 1), STATUS_OK);
    wait_for(&told.count, 1);
    assert_int_equal(told.last_status, answer);
    assert_int_equal(told.committed, 0);
    fixture->store.answer = STATUS_OK;
    assert_int_equal(submit(fixture, 1, 1), STATUS_OK);
    wait_for(&told.count, 2);
    assert_int_equal(told.last_status, STATUS_OK);
    assert_int_equal(told.broken, 0);
}

static void test_busy_store_is_told_and_goes_on(void **state) { check_goes_on_after(*state, STATUS_BUSY); }

/* A commit that found the disk full: those who wait are told that it may have happened, and the store goes on. */
static void test_an_unsure_batch_is_told_and_it_goes_on(void **state) { check_goes_on_after(*state, STATUS_UNKNOWN); }

/* A commit that failed for good: told as it was, and the housekeeping that follows ends it, with nothing handed in
 * between. */
static void test_an_unsure_batch_can_be_the_end(void **state)
{
    Fixture *fixture = *state;
    fixture->store.answer = STATUS_UNKNOWN;
    fixture->store.maintain_answer = STATUS_BROKEN;
    assert_int_equal(submit(fixture, 0, 1), STATUS_OK);
    wait_for(&told.broken, 1);
    assert_int_equal(told.last_status, STATUS_UNKNOWN);
    assert_int_equal(submit(fixture, 1, 1), STATUS_OK);
    wait_for(&told.count, 2);
    assert_int_equal(told.last_status, STATUS_BROKEN);
    assert_int_equal(fixture->store.batches, 1);
}

/* After the end the store is not asked again. */
static void test_broken_store_is_reported_once(void **state)
{
    Fixture *fixture = *state;
    fixture->store.answer = STATUS_BROKEN;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(submit(fixture, i, 1), STATUS_OK);
        wait_for(&told.count, (int)i + 1);
        assert_int_equal(told.last_status, STATUS_BROKEN);
    }
    assert_int_equal(fixture->store.batches, 1);
    assert_int_equal(told.committed, 0);
    wait_for(&told.broken, 1);
}

/* Housekeeping that fails ends acknowledging, too, even where the store itself would go on. */
static void test_failed_housekeeping_is_the_end(void **state)
{
    Fixture *fixture = *state;
    fixture->store.maintain_answer = STATUS_BROKEN;
    assert_int_equal(submit(fixture, 0, 1), STATUS_OK);
    wait_for(&told.count, 1);
    assert_int_equal(told.last_status, STATUS_OK); /* it was on disk before */
    wait_for(&told.broken, 1);
    assert_int_equal(submit(fixture, 1, 1), STATUS_OK);
    wait_for(&told.count, 2);
    assert_int_equal(told.last_status, STATUS_BROKEN);
    assert_int_equal(fixture->store.batches, 1);
    assert_int_equal(told.broken, 1);
}

/* Whoever works on jobs is not woken by everything that is committed. */
static void test_work_that_makes_jobs(void **state)
{
    static const WorkKind kinds[] = {WORK_ONBOARD, WORK_BATCH_RETRY, WORK_DEAD_LETTERS, WORK_JOBS_TAKE, WORK_JOBS_END};
    Fixture *fixture = *state;
    assert_int_equal(submit(fixture, 0, 1), STATUS_OK);
    wait_for(&told.committed, 1);
    assert_int_equal(told.jobs_made, 0);
    for (int i = 0; i < 5; i++) {
        Submission *submission = &fixture->submissions[1 + i];
        *submission = (Submission){.work = {.kind = kinds[i]}, .bytes = 1, .done = on_done};
        assert_int_equal(processor_submit(fixture->processor, submission, NULL), STATUS_OK);
        wait_for(&told.committed, 2 + i);
    }
    processor_stop(fixture->processor);
    fixture->processor = NULL;
    assert_int_equal(told.jobs_made, 3);
}

/* ---- Driven by its owner ----------------------------------------------------------------------------------------- */

static void test_steps_take_batches(void **state)
{
    Fixture *fixture = *state;
    bool idle = false;
    for (size_t i = 0; i < 11; i++) {
        assert_int_equal(submit(fixture, i, 1), STATUS_OK);
    }
    assert_int_equal(told.count, 0); /* nobody works behind the owner's back */
    processor_step(fixture->processor, &idle);
    assert_int_equal(told.count, 8);
    assert_int_equal(told.committed, 1);
    processor_step(fixture->processor, &idle);
    assert_int_equal(told.count, 11);
    assert_false(fixture->store.maintained_idle);
    assert_true(idle);
}

/* What is to fail has a batch to itself, wherever in the queue it is. */
static void test_a_simulated_failure_hits_nobody_else(void **state)
{
    Fixture *fixture = *state;
    static const int told_after[] = {2, 3, 4, 6}; /* 0 and 1; 2; 3; 4 and 5 */
    bool idle = false;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(submit(fixture, i, 1), STATUS_OK);
        fixture->submissions[i].work.records.simulate_failure = i == 2 || i == 3;
    }
    for (size_t step = 0; step < 4; step++) {
        processor_step(fixture->processor, &idle);
        assert_int_equal(told.count, told_after[step]);
    }
    assert_int_equal(fixture->store.batches, 4);
}

static void test_steps_do_the_housekeeping(void **state)
{
    Fixture *fixture = *state;
    bool idle = true;
    fixture->store.maintain_more = true;
    processor_step(fixture->processor, &idle);
    assert_false(idle); /* there is more of it */
    assert_true(fixture->store.maintained_idle);
    fixture->store.maintain_more = false;
    processor_step(fixture->processor, &idle);
    assert_true(idle);
    assert_int_equal(fixture->store.maintained, 2);
    assert_int_equal(fixture->store.batches, 0);
}

static void test_steps_end_after_a_failure(void **state)
{
    Fixture *fixture = *state;
    bool idle = false;
    fixture->store.answer = STATUS_BROKEN;
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(submit(fixture, i, 1), STATUS_OK);
    }
    processor_step(fixture->processor, &idle);
    assert_int_equal(told.count, 8);
    assert_true(idle);
    processor_step(fixture->processor, &idle);
    assert_int_equal(told.count, 12);
    assert_int_equal(fixture->store.batches, 1);
    assert_int_equal(fixture->store.maintained, 0);
    assert_int_equal(told.broken, 1);
}

static void test_stop_without_a_thread_finishes_what_waits(void **state)
{
    Fixture *fixture = *state;
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(submit(fixture, i, 1), STATUS_OK);
    }
    processor_stop(fixture->processor);
    fixture->processor = NULL;
    assert_int_equal(told.count, 20);
    assert_int_equal(fixture->store.batches, 3);
}

static void test_quiet_is_used(void **state)
{
    Fixture *fixture = *state;
    for (int i = 0; i < 2000 && !fixture->store.maintained_idle; i++) {
        usleep(1000);
    }
    assert_true(fixture->store.maintained_idle);
}

int main(void)
{
#define PROCESSOR_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define STEPPED_TEST(name)   cmocka_unit_test_setup_teardown(name, setup_stepped, teardown)
    const struct CMUnitTest tests[] = {
        PROCESSOR_TEST(test_groups_what_waits),
        PROCESSOR_TEST(test_full_queue_is_busy),
        PROCESSOR_TEST(test_stop_finishes_what_waits),
        PROCESSOR_TEST(test_busy_store_is_told_and_goes_on),
        PROCESSOR_TEST(test_an_unsure_batch_is_told_and_it_goes_on),
        PROCESSOR_TEST(test_an_unsure_batch_can_be_the_end),
        PROCESSOR_TEST(test_broken_store_is_reported_once),
        PROCESSOR_TEST(test_failed_housekeeping_is_the_end),
        PROCESSOR_TEST(test_quiet_is_used),
        PROCESSOR_TEST(test_work_that_makes_jobs),
        STEPPED_TEST(test_steps_take_batches),
        STEPPED_TEST(test_rules_make_batches_smaller),
        STEPPED_TEST(test_each_kind_of_work_has_its_size),
        STEPPED_TEST(test_a_simulated_failure_hits_nobody_else),
        STEPPED_TEST(test_steps_do_the_housekeeping),
        STEPPED_TEST(test_steps_end_after_a_failure),
        STEPPED_TEST(test_stop_without_a_thread_finishes_what_waits),
    };
    return cmocka_run_group_tests_name("processor", tests, NULL, NULL);
}
