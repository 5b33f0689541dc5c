/* What became of a message at each sink, on the fake store. */
#include "unit.h"

#include "deliver/deliveries.h"
#include "support/query_run.h"

static const Subscription everything = {.kinds = 1u << MESSAGE_NOTIFICATION | 1u << MESSAGE_ALERT, .type = -1};

static SinkOptions sink_named(const char *name) { return (SinkOptions){.name = name, .subscription = everything}; }

static void apply(Store *store, Work work)
{
    assert_int_equal(store_apply(store, &work, NULL), STATUS_OK);
    assert_int_equal(work.status, STATUS_OK);
}

static void put_sink(Store *store, const char *name)
{
    apply(store, (Work){.kind = WORK_SINK_PUT, .sink = {.name = str_from(name)}});
}

static void change(Store *store, DeliveryChange delivery)
{
    delivery.sink = STR("hooks");
    apply(store, (Work){.kind = WORK_DELIVERY, .delivery = delivery});
}

/* The states of the message at `seq`, like "cache delivered, hooks waiting". */
static char *states_of(Store *store, const LineStatus *lines, size_t count, int64_t seq, char shown[256])
{
    StoreReader *reader = fake_store_reader(store);
    StoreView *view = NULL;
    Delivery deliveries[DISPATCHER_SINKS_MAX];
    size_t found = 0, len = 0;
    const StoredRecord *stored = fake_store_at(store, seq);
    DeliverySubject subject = {seq, stored->received_us,
                               deliveries_wanted(lines, count, MESSAGE_NOTIFICATION, &stored->record)};
    assert_int_equal(reader_begin(reader, &view, NULL), STATUS_OK);
    assert_int_equal(deliveries_find(reader, lines, count, &subject, deliveries, &found, NULL), STATUS_OK);
    reader_end(reader);
    view_free(view);
    shown[0] = '\0';
    for (size_t i = 0; i < found; i++) {
        len += (size_t)snprintf(shown + len, 256 - len, "%s%s %s", i ? ", " : "", deliveries[i].sink->name,
                                delivery_state_name(deliveries[i].state));
        if (deliveries[i].dead_letter) {
            len += (size_t)snprintf(shown + len, 256 - len, " %lld", (long long)deliveries[i].dead_letter);
        }
    }
    return shown;
}

static Store *store_of(size_t count)
{
    Store *store = fake_store_new(&run_info);
    for (size_t i = 0; i < count; i++) {
        Record record = run_record((int)i + 1, "2025-01-01 10:00:00", i % 2 ? "even" : "odd", "positive", 100, "EUR");
        fake_store_add(store, &record);
    }
    put_sink(store, "hooks");
    return store;
}

static void test_life_of_a_message(void **state)
{
    const SinkOptions hooks = sink_named("hooks");
    LineStatus line = {.options = &hooks};
    Store *store = store_of(3);
    char shown[256];
    (void)state;
    assert_string_equal(states_of(store, &line, 1, 1, shown), "hooks waiting");
    /* Out of turn: the cursor has not gone by yet. */
    const StoredAttempt taken = {.seq = 2, .sink = STR("hooks"), .number = 1, .taken = true};
    change(store, (DeliveryChange){.attempts = &taken, .attempt_count = 1});
    assert_string_equal(states_of(store, &line, 1, 2, shown), "hooks delivered");
    /* A replay's success is none of the live line. */
    const StoredAttempt replayed = {.seq = 3, .sink = STR("hooks"), .job = 7, .number = 1, .taken = true};
    apply(store, (Work){.kind = WORK_REPLAY_PUT, .replay = {.sink = STR("hooks"), .through = 3, .filter = STR("{}")}});
    apply(store, (Work){.kind = WORK_DELIVERY,
                        .delivery = {.sink = STR("hooks"), .job = 1, .attempts = &replayed, .attempt_count = 1}});
    assert_string_equal(states_of(store, &line, 1, 3, shown), "hooks waiting");
    /* The line is ahead of what is stored: whether the message was taken or is to be tried again is not known yet. */
    line.cursor = 3;
    assert_string_equal(states_of(store, &line, 1, 1, shown), "hooks waiting");
    const StoredRetry retry = {.seq = 1, .attempts = 1, .due_us = 5};
    change(store, (DeliveryChange){.place = {3, 3}, .retries = &retry, .retry_count = 1});
    assert_string_equal(states_of(store, &line, 1, 1, shown), "hooks retrying");
    assert_string_equal(states_of(store, &line, 1, 3, shown), "hooks delivered");
    const DeadLetter dead = {.stage = DEAD_LETTER_DELIVERY, .seq = 1, .error = STR("no")};
    const int64_t settled = 1;
    change(store,
           (DeliveryChange){.place = {3, 3}, .dead = &dead, .dead_count = 1, .settled = &settled, .settled_count = 1});
    assert_string_equal(states_of(store, &line, 1, 1, shown), "hooks dead_letter 1");
    DeadLetterChange again = {.filter = DEAD_LETTER_FILTER_ALL, .action = DEAD_LETTER_RETRY, .limit = 1};
    apply(store, (Work){.kind = WORK_DEAD_LETTERS, .dead_letters = again});
    assert_string_equal(states_of(store, &line, 1, 1, shown), "hooks retrying 1");
    change(store, (DeliveryChange){.place = {3, 3}, .settled = &settled, .settled_count = 1});
    assert_string_equal(states_of(store, &line, 1, 1, shown), "hooks delivered 1");
    fake_store_free(store);
}

/* Behind a retry of its flow, where the order counts: nothing was tried yet. */
static void test_behind_its_flow(void **state)
{
    const SinkOptions hooks = sink_named("hooks");
    const LineStatus line = {.options = &hooks, .cursor = 4, .retries = 2};
    Store *store = store_of(4);
    char shown[256];
    (void)state;
    const StoredRetry retries[] = {{.seq = 1, .attempts = 2, .due_us = 5}, {.seq = 3, .due_us = 5}};
    change(store, (DeliveryChange){.place = {4, 4}, .retries = retries, .retry_count = 2});
    assert_string_equal(states_of(store, &line, 1, 1, shown), "hooks retrying");
    assert_string_equal(states_of(store, &line, 1, 2, shown), "hooks delivered");
    assert_string_equal(states_of(store, &line, 1, 3, shown), "hooks waiting");
    fake_store_free(store);
}

static void test_discarded(void **state)
{
    const SinkOptions hooks = sink_named("hooks");
    const LineStatus line = {.options = &hooks, .cursor = 1};
    Store *store = store_of(1);
    char shown[256];
    (void)state;
    const DeadLetter dead = {.stage = DEAD_LETTER_DELIVERY, .seq = 1, .error = STR("no")};
    change(store, (DeliveryChange){.dead = &dead, .dead_count = 1});
    DeadLetterChange discard = {.filter = DEAD_LETTER_FILTER_ALL, .action = DEAD_LETTER_DISCARD, .limit = 1};
    apply(store, (Work){.kind = WORK_DEAD_LETTERS, .dead_letters = discard});
    assert_string_equal(states_of(store, &line, 1, 1, shown), "hooks discarded 1");
    fake_store_free(store);
}

/* Those that do not want it, and those that began behind it, are left out. */
static void test_whose_it_is(void **state)
{
    SinkOptions hooks = sink_named("hooks"), even = sink_named("even"), late = sink_named("late"),
                alerts = sink_named("alerts"), now = sink_named("now");
    Store *store = store_of(4);
    char shown[256];
    (void)state;
    even.subscription.destination_id = STR("even");
    late.start_seq = 2;
    alerts.subscription.kinds = 1u << MESSAGE_ALERT;
    now.start_seq = -1; /* and not in the store yet */
    change(store, (DeliveryChange){.place = {9, 9}});
    const LineStatus lines[] = {{.options = &hooks, .cursor = 9},
                                {.options = &even},
                                {.options = &late},
                                {.options = &alerts},
                                {.options = &now},
                                {.options = &hooks, .job = 1}};
    assert_string_equal(states_of(store, lines, 6, 1, shown), "hooks delivered");
    assert_string_equal(states_of(store, lines, 6, 2, shown), "hooks delivered, even waiting");
    assert_string_equal(states_of(store, lines, 6, 3, shown), "hooks delivered, late waiting");
    const Record *record = &fake_store_at(store, 1)->record;
    assert_int_equal(deliveries_wanted(lines, 6, MESSAGE_ALERT, record), 1 | 1 << 2 | 1 << 3 | 1 << 4);
    assert_int_equal(deliveries_wanted(lines, 0, MESSAGE_ALERT, record), 0);
    fake_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_life_of_a_message), cmocka_unit_test(test_discarded),
                                       cmocka_unit_test(test_behind_its_flow), cmocka_unit_test(test_whose_it_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
