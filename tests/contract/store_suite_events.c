/* The contract of store.h and events.h: what is kept of events, and that it is kept together with their records or not
 * at all. */
#include "events_fixture.h"

#include <stdlib.h>

static const EventAttemptFilter all_attempts;

/* ---- In the log -------------------------------------------------------------------------------------------------- */

static void test_an_event_is_kept_with_its_record(void **state)
{
    Fixture *fixture = *state;
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    add_event(fixture, events, "sha256:2", "shop", "", 2)->mapping = STR("of shops");
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(events->group->outcomes[1].kind, OUTCOME_CREATED);
    assert_int_equal(events->group->outcomes[1].seq, 2);
    SeenEvents seen;
    assert_int_equal(look_at_event(fixture, 1, &seen), STATUS_OK);
    assert_string_equal(seen.text, "1:builtin:{1}*1 ");
    assert_true(seen.last.received_us == 1000 && seen.last.normalised_us == 1001 && seen.last.hashed_us == 1002);
    assert_true(seen.last.stored_us > 0 && seen.last.corrects == 0);
    assert_events(fixture, "1:builtin:{1}*1 2:of shops:*1 ");
    assert_clients(fixture, "shop=2/0/0 ");
    assert_attempts(fixture, all_attempts, "");
    events_free(events);
    assert_verifies(fixture);
}

static void test_what_is_no_event(void **state)
{
    Fixture *fixture = *state;
    SeenEvents seen;
    assert_int_equal(look_at_event(fixture, 1, &seen), STATUS_REFUSED);
    Group *group = group_new("orders");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/0", "{}");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    test_free(group);
    send_event(fixture, "sha256:1", "shop", "{1}", 1);
    assert_int_equal(look_at_event(fixture, 1, &seen), STATUS_REFUSED);
    assert_int_equal(look_at_event(fixture, 2, &seen), STATUS_OK);
    assert_int_equal(look_at_event(fixture, 3, &seen), STATUS_REFUSED);
    assert_int_equal(look_at_event(fixture, 0, &seen), STATUS_REFUSED);
    assert_events(fixture, "2:builtin:{1}*1 ");
    assert_verifies(fixture);
}

static void test_events_in_commit_order(void **state)
{
    Fixture *fixture = *state;
    for (int i = 1; i <= 6; i++) {
        char id[32], raw[16];
        snprintf(id, sizeof id, "sha256:%d", i);
        snprintf(raw, sizeof raw, "{%d}", i);
        send_event(fixture, id, "shop", raw, i);
    }
    assert_string_equal(look_at_events(fixture, 2, 4, 0).text, "3:builtin:{3}*1 4:builtin:{4}*1 ");
    assert_string_equal(look_at_events(fixture, 4, INT64_MAX, 1).text, "5:builtin:{5}*1 ");
    assert_string_equal(look_at_events(fixture, 6, INT64_MAX, 0).text, "");
    /* A view sees those up to its bound, however many came since. */
    StoreView *view = fixture_begin(fixture);
    Error error = {0};
    SeenEvents seen;
    reader_end(fixture->reader);
    send_event(fixture, "sha256:7", "shop", "{7}", 7);
    assert_int_equal(look_at_event(fixture, 7, &seen), STATUS_OK);
    assert_int_equal(reader_resume(fixture->reader, view, &error), STATUS_OK);
    size_t none = 0;
    assert_int_equal(reader_event(fixture->reader, 7, NULL, &none, &error), STATUS_REFUSED);
    fixture_end(fixture, view);
}

/* ---- Sent again -------------------------------------------------------------------------------------------------- */

static void test_duplicates_are_attempts(void **state)
{
    Fixture *fixture = *state;
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    add_event(fixture, events, "sha256:1", "shop", "{ 1 }", 1); /* spelt in another way */
    add_event(fixture, events, "sha256:2", "other", "{2}", 2);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(events->group->outcomes[1].kind, OUTCOME_DUPLICATE);
    assert_attempts(fixture, all_attempts, "1:1#2 ");
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_events(fixture, "1:builtin:{1}*4 2:builtin:{2}*2 ");
    assert_attempts(fixture, all_attempts, "4:2#2 3:1#4 2:1#3 1:1#2 ");
    assert_attempts(fixture, (EventAttemptFilter){.before = 3}, "2:1#3 1:1#2 ");
    assert_attempts(fixture, (EventAttemptFilter){.seq = 1}, "3:1#4 2:1#3 1:1#2 ");
    assert_attempts(fixture, (EventAttemptFilter){.seq = 1, .before = 3}, "2:1#3 1:1#2 ");
    assert_attempts(fixture, (EventAttemptFilter){.seq = 9}, "");
    assert_clients(fixture, "other=1/1/0 shop=1/3/0 ");
    events_free(events);
    assert_verifies(fixture);
}

typedef struct LastAttempt {
    EventAttempt attempt;
    size_t count;
} LastAttempt;

static bool keep_first(void *context, const EventAttempt *attempt)
{
    LastAttempt *last = context;
    last->attempt = *attempt;
    last->count++;
    return false;
}

/* A client has event ids: the same one comes with another amount. */
static void test_the_first_of_an_event_wins(void **state)
{
    Fixture *fixture = *state;
    send_event(fixture, "sha256:1", "shop", "{1}", 1);
    send_event(fixture, "sha256:1", "shop", "{1}", 1);
    Outcome outcome = send_event(fixture, "sha256:1", "shop", "{2}", 2);
    assert_int_equal(outcome.kind, OUTCOME_CONFLICT);
    assert_int_equal(outcome.differs, FIELD_VALUE);
    assert_int_equal(outcome.seq, 1);
    assert_attempts(fixture, all_attempts, "!2:1#3 1:1#2 ");
    assert_clients(fixture, "shop=1/2/0 ");
    LastAttempt last = {0};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_event_attempts(fixture->reader, &all_attempts, keep_first, &last, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_int_equal(last.count, 1);
    assert_int_equal(last.attempt.differs, FIELD_VALUE);
    assert_true(last.attempt.received_us == 1000 && last.attempt.normalised_us == 1001 &&
                last.attempt.hashed_us == 1002 && last.attempt.decided_us > 0);
    /* Also where nothing but all of them is taken. */
    Events *events = events_new();
    add_event(fixture, events, "sha256:2", "shop", "{3}", 3);
    add_event(fixture, events, "sha256:1", "shop", "{2}", 2);
    events->work.records.atomic = true;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(events->group->outcomes[0].kind, OUTCOME_CREATED);
    assert_int_equal(events->group->outcomes[1].kind, OUTCOME_CONFLICT);
    events_free(events);
    assert_clients(fixture, "shop=2/3/0 ");
    assert_verifies(fixture);
}

static void bound_events(Fixture *fixture, size_t attempts, size_t clients)
{
    fixture_close(fixture);
    fixture->options.event_attempts_max = attempts;
    fixture->options.event_clients_max = clients;
    fixture_open(fixture);
}

static void test_attempts_are_a_ring(void **state)
{
    Fixture *fixture = *state;
    bound_events(fixture, 3, 10);
    send_event(fixture, "sha256:1", "shop", "{1}", 1);
    for (int i = 0; i < 4; i++) {
        send_event(fixture, "sha256:1", "shop", "{1}", 1);
    }
    assert_attempts(fixture, all_attempts, "4:1#5 3:1#4 2:1#3 ");
    assert_events(fixture, "1:builtin:{1}*5 ");
    Events *events = events_new();
    for (int i = 0; i < 5; i++) {
        add_event(fixture, events, "sha256:2", "shop", "{2}", 2);
    }
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    events_free(events);
    assert_attempts(fixture, all_attempts, "8:2#5 7:2#4 6:2#3 ");
    assert_attempts(fixture, (EventAttemptFilter){.seq = 1}, "");
    /* Nobody knows any more how many there were: at least the first. The counts of clients do. */
    assert_events(fixture, "1:builtin:{1}*1 2:builtin:{2}*5 ");
    assert_clients(fixture, "shop=2/8/0 ");
    assert_verifies(fixture);
}

/* ---- Clients ----------------------------------------------------------------------------------------------------- */

static bool keep_client(void *context, const EventClient *client)
{
    *(EventClient *)context = *client;
    return false;
}

static void test_failed_events_are_counted(void **state)
{
    Fixture *fixture = *state;
    Events *events = events_new();
    static char longest[4 * RECORD_TEXT_CODE_POINTS_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    add_failed(events, "shop", 500);
    add_failed(events, "", 2000);
    add_failed(events, longest, 2000);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_clients(fixture, "=0/0/2 shop=1/0/1 ");
    events->work.records.count = 0; /* and nothing else */
    add_failed(events, "other", 3000);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_clients(fixture, "=0/0/4 other=0/0/1 shop=1/0/2 ");
    assert_int_equal(store_last_seq(fixture->store), 1);
    EventClient client = {0};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_event_clients(fixture->reader, keep_client, &client, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_true(client.received == 4 && client.first_us == 2000 && client.last_us == 2000);
    events_free(events);
    assert_verifies(fixture);
}

static void test_when_clients_are_seen(void **state)
{
    Fixture *fixture = *state;
    static const int64_t times[] = {500, 300, 900, 400};
    for (size_t i = 0; i < 4; i++) {
        Events *events = events_new();
        add_failed(events, "shop", times[i]);
        assert_int_equal(hand_in(fixture, events), STATUS_OK);
        events_free(events);
    }
    EventClient client = {0};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_event_clients(fixture->reader, keep_client, &client, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_true(client.received == 4 && client.first_us == 300 && client.last_us == 900);
}

static void test_clients_beyond_the_bound_share_a_row(void **state)
{
    Fixture *fixture = *state;
    bound_events(fixture, 100, 2);
    send_event(fixture, "sha256:1", "a", "{1}", 1);
    send_event(fixture, "sha256:2", "b", "{2}", 2);
    send_event(fixture, "sha256:3", "c", "{3}", 3);
    send_event(fixture, "sha256:4", "d", "{4}", 4);
    send_event(fixture, "sha256:4", "d", "{4}", 4);
    send_event(fixture, "sha256:2", "b", "{2}", 2);
    assert_clients(fixture, "=2/1/0 a=1/0/0 b=1/1/0 ");
    assert_verifies(fixture);
}

enum { MANY_CLIENTS = 900 };

typedef struct Sums {
    size_t count;
    int64_t processed, failed;
} Sums;

static bool add_up(void *context, const EventClient *client)
{
    Sums *sums = context;
    sums->count++;
    sums->processed += client->processed;
    sums->failed += client->failed;
    return client->processed == 2 && client->failed == 1; /* each of them */
}

/* More than a batch counts in memory. */
static void test_a_batch_of_many_clients(void **state)
{
    Fixture *fixture = *state;
    enum { EVENTS = 2 * MANY_CLIENTS };
    static char ids[EVENTS][32], clients[MANY_CLIENTS][16];
    static Record records[EVENTS];
    static Outcome outcomes[EVENTS];
    static EventItem items[EVENTS];
    for (int i = 0; i < EVENTS; i++) {
        snprintf(ids[i], sizeof ids[i], "sha256:%d", i);
        snprintf(clients[i % MANY_CLIENTS], sizeof clients[0], "client-%d", i % MANY_CLIENTS);
        records[i] = record_of(fixture, ids[i], i);
        items[i] = (EventItem){.client = str_from(clients[i % MANY_CLIENTS]), .raw = STR("{}"), .received_us = 1};
    }
    EventChange change = {.items = items, .failed = items, .failed_count = MANY_CLIENTS};
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = records, .outcomes = outcomes, .count = EVENTS, .events = &change}};
    assert_int_equal(apply(fixture, &work), STATUS_OK);
    Sums sums = {0};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_event_clients(fixture->reader, add_up, &sums, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_true(sums.count == MANY_CLIENTS && sums.processed == EVENTS && sums.failed == MANY_CLIENTS);
    assert_verifies(fixture);
}

/* ---- Dead letters ------------------------------------------------------------------------------------------------ */

static void test_failed_events_are_dead_letters(void **state)
{
    Fixture *fixture = *state;
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    add_event(fixture, events, "sha256:1", "shop", "{2}", 2); /* the first wins, whatever the source says */
    add_failed(events, "shop", 5);
    add_refused(events->group, "sha256:x", STR("{x}"), "amount is missing");
    events->work.records.intake = &events->group->change;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(events->group->change.lettered, 1);
    assert_letter(fixture, 1, DEAD_LETTER_OPEN, 1, "amount is missing");
    assert_clients(fixture, "shop=1/1/1 ");
    assert_attempts(fixture, all_attempts, "!1:1#2 ");
    /* Sent again it is the same letter. */
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_letter(fixture, 1, DEAD_LETTER_OPEN, 2, "amount is missing");
    assert_clients(fixture, "shop=1/3/2 ");
    events_free(events);
    assert_verifies(fixture);
}

/* A mapping was mended, and the letter is tried again. */
static void test_a_letter_becomes_an_event(void **state)
{
    Fixture *fixture = *state;
    assert_int_equal(refuse_one(fixture, "sha256:x", STR("{x}"), 0), STATUS_OK);
    assert_int_equal(retry(fixture, 1, ""), 1);
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{x}", 1);
    events->group->letters[0].letter = 1;
    events->work.records.intake = &events->group->change;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_RESOLVED);
    char expected[64];
    snprintf(expected, sizeof expected, "%d:builtin:{x}*1 ", (int)events->group->outcomes[0].seq);
    assert_events(fixture, expected);
    assert_clients(fixture, "shop=1/0/0 ");
    events_free(events);
    assert_verifies(fixture);
}

/* ---- Nothing is kept --------------------------------------------------------------------------------------------- */

static void assert_nothing(Fixture *fixture)
{
    assert_int_equal(store_last_seq(fixture->store), 0);
    assert_events(fixture, "");
    assert_attempts(fixture, all_attempts, "");
    assert_clients(fixture, "");
    assert_verifies(fixture);
}

static void test_a_work_that_has_no_room_leaves_nothing(void **state)
{
    Fixture *fixture = *state;
    fixture_close(fixture);
    fixture->options.dead_letter_bytes_max = 10;
    fixture_open(fixture);
    Events *events = events_new(), *behind = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    add_failed(events, "shop", 5);
    add_refused(events->group, "a", STR("12345678"), "no");
    events->work.records.intake = &events->group->change;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    add_event(fixture, behind, "sha256:2", "shop", "{2}", 1);
    add_failed(behind, "shop", 5);
    add_refused(behind->group, "b", STR("12345678"), "no");
    behind->work.records.intake = &behind->group->change;
    spoil_outcomes(behind->group);
    assert_int_equal(hand_in(fixture, behind), STATUS_BUSY);
    assert_undecided(behind->group);
    if (fixture->factory->keeps) {
        behind->work.records.atomic = true; /* which plans first */
        assert_int_equal(hand_in(fixture, behind), STATUS_BUSY);
        assert_undecided(behind->group);
    }
    assert_events(fixture, "1:builtin:{1}*1 ");
    assert_clients(fixture, "shop=1/0/1 ");
    events_free(events);
    events_free(behind);
    assert_verifies(fixture);
}

static void test_a_dry_run_keeps_nothing(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip(); /* the fake has no dry runs */
    }
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    add_failed(events, "shop", 5);
    events->work.records.dry_run = true;
    events->work.records.simulate_failure = true; /* there is nothing that could fail */
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(events->group->outcomes[0].kind, OUTCOME_CREATED);
    assert_int_equal(events->group->outcomes[1].kind, OUTCOME_DUPLICATE);
    assert_nothing(fixture);
    events_free(events);
}

static Status fail_to_hand_in(Fixture *fixture, Events *events)
{
    Error error = {0};
    events->work.records.simulate_failure = true;
    Status status = store_apply(fixture->store, &events->work, &error);
    assert_string_equal(error.message, "simulated failure");
    events->work.records.simulate_failure = false;
    return status;
}

static void test_a_simulated_failure_leaves_nothing(void **state)
{
    Fixture *fixture = *state;
    Events *events = events_new();
    char ids[7][16];
    for (int i = 0; i < 7; i++) {
        snprintf(ids[i], sizeof ids[i], "sha256:%d", i % 6);
        add_event(fixture, events, ids[i], i % 2 ? "shop" : "other", "{}", i % 6);
    }
    add_failed(events, "shop", 5);
    add_refused(events->group, "a", STR("{x}"), "no");
    add_place(events->group, "in/0", 1, "");
    events->work.records.intake = &events->group->change;
    assert_int_equal(fail_to_hand_in(fixture, events), STATUS_BUSY);
    assert_nothing(fixture);
    assert_int_equal(count_letters(fixture), 0);
    assert_places(fixture, "events", "");
    /* The retry. */
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(events->group->outcomes[i].kind, OUTCOME_CREATED);
    }
    assert_int_equal(events->group->outcomes[6].kind, OUTCOME_DUPLICATE);
    assert_clients(fixture, "other=3/1/0 shop=3/0/1 ");
    assert_verifies(fixture);
    /* And once more, when there is something in the store. */
    assert_int_equal(fail_to_hand_in(fixture, events), STATUS_BUSY);
    assert_clients(fixture, "other=3/1/0 shop=3/0/1 ");
    assert_attempts(fixture, all_attempts, "1:1#2 ");
    assert_letter(fixture, 1, DEAD_LETTER_OPEN, 1, "no");
    events_free(events);
    assert_verifies(fixture);
}

/* What was counted before another piece of the batch failed is counted no more. */
static void test_counts_of_a_batch_that_fails(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    Events *events = events_new(), *others = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{}", 1);
    add_event(fixture, others, "sha256:2", "other", "{}", 2);
    events->work.next = &others->work;
    others->work.records.simulate_failure = true;
    assert_int_equal(store_apply(fixture->store, &events->work, &error), STATUS_BUSY);
    events->work.next = NULL;
    others->work.records.simulate_failure = false;
    assert_int_equal(hand_in(fixture, others), STATUS_OK);
    assert_clients(fixture, "other=1/0/0 ");
    events_free(events);
    events_free(others);
    assert_verifies(fixture);
}

/* One record alone is written before it fails: also what is no event. */
static void test_a_single_record_fails(void **state)
{
    Fixture *fixture = *state;
    Record record = record_of(fixture, "rec-1", 5);
    Outcome outcome = {0};
    Error error = {0};
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = &record, .outcomes = &outcome, .count = 1, .simulate_failure = true}};
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_BUSY);
    assert_nothing(fixture);
    work.records.simulate_failure = false;
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_int_equal(outcome.kind, OUTCOME_CREATED);
    assert_int_equal(outcome.seq, 1);
    assert_verifies(fixture);
}

/* ---- Corrections ------------------------------------------------------------------------------------------------- */

static void test_a_correction_counts_as_its_event(void **state)
{
    Fixture *fixture = *state;
    send_event(fixture, "sha256:old", "shop", "{1}", 1);
    Events *events = events_new();
    add_correction(fixture, events, "correction:old:1", 1, "");
    add_correction(fixture, events, "correction:old:2", 1, "sha256:new");
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(events->group->outcomes[1].seq, 3);
    SeenEvents seen;
    assert_int_equal(look_at_event(fixture, 3, &seen), STATUS_OK);
    assert_int_equal(seen.last.corrects, 1);
    /* The client sends the old event again, which is known by another id now. */
    Outcome outcome = send_event(fixture, "sha256:new", "shop", "{1}", 2);
    assert_int_equal(outcome.kind, OUTCOME_DUPLICATE);
    assert_int_equal(outcome.seq, 3);
    outcome = send_event(fixture, "sha256:new", "shop", "{1}", 3);
    assert_int_equal(outcome.kind, OUTCOME_CONFLICT);
    assert_int_equal(outcome.differs, FIELD_VALUE);
    /* Corrections are not counted, and one that comes again leaves nothing. */
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(events->group->outcomes[1].kind, OUTCOME_DUPLICATE);
    assert_clients(fixture, "shop=1/2/0 ");
    assert_attempts(fixture, all_attempts, "!2:3#3 1:3#2 ");
    assert_int_equal(store_last_seq(fixture->store), 3);
    assert_verifies(fixture);
    /* Ids of events lead elsewhere, those of other records do not. */
    if (fixture->factory->keeps) {
        assert_int_equal(fixture_apply_one(fixture, record_of(fixture, "sha256:new", 2)).kind, OUTCOME_CREATED);
        assert_int_equal(send_event(fixture, "sha256:new", "shop", "{1}", 2).seq, 3);
    }
    events_free(events);
    assert_verifies(fixture);
}

static void test_a_correction_that_fails_leads_nowhere(void **state)
{
    Fixture *fixture = *state;
    send_event(fixture, "sha256:1", "shop", "{1}", 1);
    Events *events = events_new();
    add_correction(fixture, events, "correction:1:1", 1, "sha256:2");
    assert_int_equal(fail_to_hand_in(fixture, events), STATUS_BUSY);
    assert_int_equal(send_event(fixture, "sha256:2", "shop", "{1}", 2).kind, OUTCOME_CREATED);
    events_free(events);
    assert_verifies(fixture);
}

/* ---- Kept -------------------------------------------------------------------------------------------------------- */

static void test_all_of_it_is_kept(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    bound_events(fixture, 2, 1);
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "a", "{1}", 1);
    add_event(fixture, events, "sha256:1", "a", "{1}", 1);
    add_event(fixture, events, "sha256:1", "b", "{1}", 1);
    add_correction(fixture, events, "correction:1:1", 1, "sha256:2");
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    events_free(events);
    fixture_close(fixture);
    fixture_open(fixture);
    assert_events(fixture, "1:builtin:{1}*3 2:builtin:*1 ");
    assert_attempts(fixture, all_attempts, "2:1#3 1:1#2 ");
    assert_clients(fixture, "=0/1/0 a=1/1/0 ");
    /* The bounds count what was there before, and so do corrections. */
    assert_int_equal(send_event(fixture, "sha256:2", "c", "{1}", 2).seq, 2);
    assert_attempts(fixture, all_attempts, "3:2#2 2:1#3 ");
    assert_clients(fixture, "=0/2/0 a=1/1/0 ");
    assert_verifies(fixture);
    fixture_maintain(fixture);
    assert_verifies(fixture);
}

int store_suite_run_events(const StoreFactory *factory)
{
    fixture_use(factory);
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_an_event_is_kept_with_its_record),
        STORE_TEST(test_what_is_no_event),
        STORE_TEST(test_events_in_commit_order),
        STORE_TEST(test_duplicates_are_attempts),
        STORE_TEST(test_the_first_of_an_event_wins),
        STORE_TEST(test_attempts_are_a_ring),
        STORE_TEST(test_failed_events_are_counted),
        STORE_TEST(test_when_clients_are_seen),
        STORE_TEST(test_clients_beyond_the_bound_share_a_row),
        STORE_TEST(test_a_batch_of_many_clients),
        STORE_TEST(test_failed_events_are_dead_letters),
        STORE_TEST(test_a_letter_becomes_an_event),
        STORE_TEST(test_a_work_that_has_no_room_leaves_nothing),
        STORE_TEST(test_a_dry_run_keeps_nothing),
        STORE_TEST(test_a_simulated_failure_leaves_nothing),
        STORE_TEST(test_counts_of_a_batch_that_fails),
        STORE_TEST(test_a_single_record_fails),
        STORE_TEST(test_a_correction_counts_as_its_event),
        STORE_TEST(test_a_correction_that_fails_leads_nowhere),
        STORE_TEST(test_all_of_it_is_kept),
    };
    return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
