/* The processor over a store whose nth call fails, for each n and each way to fail: every submission is told exactly
 * once, OK only when the batch that it was in was committed, and after a failure that is final the store is not asked
 * again. A batch that the store had no room for, or that it refused, is told so, and the next one goes through. */
#include "unit.h"

#include <stdlib.h>

#include "process/processor.h"
#include "store/store_ops.h"

enum { SUBMISSIONS = 24, FOLLOWERS = 8, ALL = SUBMISSIONS + FOLLOWERS, A_STEP = 5, CALLS_MAX = 60 };

typedef struct Slot {
    Submission submission;
    Record record;
    Outcome outcome;
    bool committed; /* the store said OK to a batch with it */
    bool handed_in;
    unsigned told;
    Status status;
} Slot;

/* One life of a processor. */
typedef struct Life {
    Store store;
    RuleSet *rules;
    Processor *processor;
    Slot slots[ALL];
    unsigned calls, fail_at; /* 1 is the first */
    Status failure;
    bool fails_apply, fails_maintain;
    bool is_over; /* a call has failed for good */
    unsigned broken, committed;
} Life;

/* ---- The store --------------------------------------------------------------------------------------------------- */

static Life *life_of(Store *base) { return (Life *)base; }

/* Housekeeping that fails is final, whatever it says: the store itself puts off what can be put off. A batch that fails
 * is not, but for BROKEN: after UNKNOWN the store may go on. */
static bool fails_now(Life *life, bool is_apply)
{
    assert_false(life->is_over);
    bool fails = ++life->calls == life->fail_at;
    life->is_over = fails && (!is_apply || life->failure == STATUS_BROKEN);
    *(is_apply ? &life->fails_apply : &life->fails_maintain) |= fails;
    return fails;
}

static Status fake_apply(Store *base, Work *first, Error *reterr)
{
    Life *life = life_of(base);
    bool fails = fails_now(life, true);
    for (Work *work = first; work; work = work->next) {
        Slot *slot = (Slot *)work; /* its first member's first member */
        work->status = STATUS_OK;
        slot->outcome = (Outcome){.kind = OUTCOME_CREATED, .seq = 1};
        slot->committed = !fails;
    }
    return fails ? error_set(reterr, life->failure, "the test said so") : STATUS_OK;
}

static Status fake_maintain(Store *base, bool idle, bool *ret_more, Error *reterr)
{
    Life *life = life_of(base);
    (void)idle;
    *ret_more = false;
    return fails_now(life, false) ? error_set(reterr, life->failure, "the test said so") : STATUS_OK;
}

static int64_t fake_last_seq(const Store *base)
{
    (void)base;
    return 1;
}

static RuleSet *fake_rules(Store *base) { return life_of(base)->rules; }

static const StoreOps fake_ops = {
    .apply = fake_apply, .maintain = fake_maintain, .last_seq = fake_last_seq, .rules = fake_rules};

/* ---- The clients ------------------------------------------------------------------------------------------------- */

static void hand_in(Life *life, size_t index);

/* Some hand in another one at once. */
static void on_done(Submission *submission, Status status, const Error *error)
{
    Life *life = submission->owner;
    Slot *slot = (Slot *)submission;
    size_t index = (size_t)(slot - life->slots);
    slot->told++;
    slot->status = status;
    assert_true(status == STATUS_OK || error->message[0]);
    assert_int_equal(status == STATUS_OK, slot->committed);
    if (index < FOLLOWERS) {
        hand_in(life, SUBMISSIONS + index);
    }
}

static void hand_in(Life *life, size_t index)
{
    Slot *slot = &life->slots[index];
    Error error;
    slot->submission = (Submission){
        .work = {.kind = WORK_RECORDS, .records = {.items = &slot->record, .outcomes = &slot->outcome, .count = 1}},
        .bytes = 10,
        .done = on_done,
        .owner = life};
    Status status = processor_submit(life->processor, &slot->submission, &error);
    assert_true(status == STATUS_OK || status == STATUS_BUSY);
    slot->handed_in = status == STATUS_OK;
}

static void on_committed(void *self, int64_t last_seq)
{
    Life *life = self;
    (void)last_seq;
    life->committed++;
}

static void on_broken(void *self, const Error *error)
{
    Life *life = self;
    assert_non_null(strstr(error->message, "the test said so"));
    life->broken++;
}

/* ---- A life ------------------------------------------------------------------------------------------------------ */

static void begin_life(Life *life, unsigned fail_at, Status failure)
{
    Error error;
    *life = (Life){.store = {.ops = &fake_ops}, .fail_at = fail_at, .failure = failure};
    assert_int_equal(rule_set_new(NULL, 0, &life->rules, &error), STATUS_OK);
    ProcessorOptions options = {.store = &life->store,
                                .clock = &clock_system,
                                .queue_bytes_max = 70, /* now and then it is full */
                                .batch_records_max = 3,
                                .committed = on_committed,
                                .broken = on_broken,
                                .self = life};
    assert_int_equal(processor_start(&options, &life->processor, &error), STATUS_OK);
}

/* Returns how many calls the store had. */
static unsigned live(Life *life)
{
    for (size_t i = 0; i < SUBMISSIONS; i++) {
        bool idle;
        hand_in(life, i);
        if (i % A_STEP == A_STEP - 1) {
            processor_step(life->processor, &idle);
        }
    }
    bool idle = false;
    processor_step(life->processor, &idle);
    processor_stop(life->processor); /* finishes what waits */
    rule_set_drop(life->rules);
    return life->calls;
}

static void check_told(const Life *life)
{
    size_t committed = 0;
    for (size_t i = 0; i < ALL; i++) {
        const Slot *slot = &life->slots[i];
        assert_int_equal(slot->told, slot->handed_in);
        committed += slot->committed;
        if (slot->told && slot->status != STATUS_OK) {
            /* The failing batch is told what happened to it, those after it that there is nothing to be had any
             * more. */
            assert_true((life->fails_apply && slot->status == life->failure) ||
                        (life->is_over && slot->status == STATUS_BROKEN));
        }
    }
    assert_true(committed > 0 || life->fail_at == 1);
    assert_int_equal(life->broken, life->is_over);
    assert_true(life->committed > 0 || committed == 0);
}

static void test_each_call_fails_in_turn(void **state)
{
    static const Status failures[] = {STATUS_REFUSED, STATUS_BUSY, STATUS_UNKNOWN, STATUS_BROKEN};
    static Life life;
    (void)state;
    begin_life(&life, 0, STATUS_OK);
    unsigned calls = live(&life), applies = 0, maintains = 0;
    check_told(&life);
    assert_true(calls > 10 && calls < CALLS_MAX);
    for (unsigned call = 1; call <= calls; call++) {
        for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
            begin_life(&life, call, failures[i]);
            live(&life);
            check_told(&life);
            applies += life.fails_apply;
            maintains += life.fails_maintain;
        }
    }
    assert_true(applies > 10 && maintains > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_call_fails_in_turn)};
    return cmocka_run_group_tests_name("processor_faults", tests, NULL, NULL);
}
