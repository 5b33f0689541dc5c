/* The part of the store's contract that the fake has to keep: tests of what delivers believe it. */
#include <setjmp.h>

#include <cmocka.h>

#include "process/processor.h"
#include "store_suite.h"
#include "support/fake_store.h"
#include "support/scratch_dir.h"

static void nothing(StoreOptions *options) { (void)options; }

static Status open_fake(const StoreOptions *options, Store **ret_store, Error *reterr)
{
    (void)reterr;
    const StoreInfo info = {.hash_seed = 7, .epoch = 1, .scale = 2};
    *ret_store = fake_store_new(&info);
    fake_store_use_clock(*ret_store, options->clock);
    fake_store_set_events_max(*ret_store, options->event_attempts_max, options->event_clients_max);
    fake_store_set_letter_bytes_max(*ret_store, options->dead_letter_bytes_max);
    return STATUS_OK;
}

/* ---- Under a processor ------------------------------------------------------------------------------------------- */

static void count_done(Submission *submission, Status status, const Error *error)
{
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(error->message[0], '\0');
    ++*(int *)submission->owner;
}

static void count_commit(void *self, int64_t last_seq)
{
    (void)last_seq;
    ++*(int *)self;
}

static void never_broken(void *self, const Error *error)
{
    (void)self;
    fail_msg("%s", error->message);
}

static bool see_place(void *context, const StoredSink *sink)
{
    *(SinkPlace *)context = sink->place;
    return true;
}

static void test_a_processor_writes_into_it(void **state)
{
    (void)state;
    const StoreOptions options = store_options_default("");
    Store *store = NULL;
    Processor *processor = NULL;
    Error error = {0};
    int done = 0, commits = 0;
    bool idle = false;
    assert_int_equal(open_fake(&options, &store, &error), STATUS_OK);
    const ProcessorOptions processor_options = {.store = store,
                                                .clock = &clock_system,
                                                .queue_bytes_max = 4096,
                                                .batch_records_max = 100,
                                                .committed = count_commit,
                                                .broken = never_broken,
                                                .self = &commits};
    assert_int_equal(processor_start(&processor_options, &processor, &error), STATUS_OK);
    Submission put = {.work = {.kind = WORK_SINK_PUT, .sink = {.name = STR("hooks")}}, .bytes = 1};
    Submission move = {.work = {.kind = WORK_DELIVERY, .delivery = {.sink = STR("hooks"), .place = {7, 5}}},
                       .bytes = 1};
    put.done = move.done = count_done;
    put.owner = move.owner = &done;
    assert_int_equal(processor_submit(processor, &put, &error), STATUS_OK);
    assert_int_equal(processor_submit(processor, &move, &error), STATUS_OK);
    processor_step(processor, &idle);
    assert_true(done == 2 && commits == 1 && put.work.status == STATUS_OK && move.work.status == STATUS_OK);
    processor_step(processor, &idle);
    assert_true(idle);
    SinkPlace place = {0};
    assert_int_equal(reader_sinks(fake_store_reader(store), see_place, &place, &error), STATUS_OK);
    assert_true(place.cursor == 7 && place.sent_seq == 5);
    processor_stop(processor);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_processor_writes_into_it)};
    const StoreFactory fake = {"store-fake", scratch_dir_make, scratch_dir_remove, nothing, open_fake, false};
    int failed = store_suite_run_deliveries(&fake);
    failed += store_suite_run_dead_letters(&fake);
    failed += store_suite_run_intake(&fake);
    failed += store_suite_run_events(&fake);
    failed += store_suite_run_corrections(&fake);
    failed += store_suite_run_duplicates(&fake);
    return failed + cmocka_run_group_tests_name("store-fake-processor", tests, NULL, NULL);
}
