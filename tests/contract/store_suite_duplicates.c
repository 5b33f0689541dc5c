/* The contract of store.h and events.h: what was taken for a duplicate keeps its bytes, and becomes an event when it
 * was none. */
#include "events_fixture.h"

#include <stdlib.h>

/* It had been taken for event `seq`. */
static EventItem *add_taken(Fixture *fixture, Events *events, const char *id, const char *raw, int64_t seq)
{
    EventItem *item = add_event(fixture, events, id, "shop", raw, 1);
    item->taken_for = seq;
    events->work.records.quiet = true;
    return item;
}

static Outcome take(Fixture *fixture, const char *id, const char *raw, int64_t seq, int64_t holder)
{
    Events *events = events_new();
    add_taken(fixture, events, id, raw, seq)->holder = holder;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    Outcome outcome = events->group->outcomes[0];
    events_free(events);
    return outcome;
}

static void take_back(Fixture *fixture, const char *id, int64_t seq)
{
    Events *events = events_new();
    add_correction(fixture, events, id, seq, "");
    make_one_piece(events);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    events_free(events);
}

/* ---- Kept -------------------------------------------------------------------------------------------------------- */

static void test_other_bytes_are_kept_once(void **state)
{
    Fixture *fixture = *state;
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    add_event(fixture, events, "sha256:1", "shop", "{ 1 }", 1)->mapping = STR("of shops");
    add_event(fixture, events, "sha256:1", "shop", "{2}", 2);
    add_event(fixture, events, "sha256:2", "shop", "{3}", 2);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_duplicates(fixture, 1, 0, "1:of shops:{ 1 } 2:builtin:{2} ");
    assert_duplicates(fixture, 1, 1, "2:builtin:{2} ");
    assert_duplicates(fixture, 1, 2, "");
    assert_duplicates(fixture, 2, 0, "");
    assert_int_equal(hand_in(fixture, events), STATUS_OK); /* all of it again */
    send_raw(fixture, "sha256:1", "");
    send_raw(fixture, "sha256:2", "{2}");
    assert_duplicates(fixture, 1, 0, "1:of shops:{ 1 } 2:builtin:{2} 3:builtin: ");
    assert_duplicates(fixture, 2, 0, "4:builtin:{2} ");
    assert_duplicates(fixture, 3, 0, "");
    assert_clients(fixture, "shop=2/10/0 ");
    events_free(events);
    assert_verifies(fixture);
}

/* Two mappings may make two events of them. */
static void test_the_same_bytes_for_another_mapping(void **state)
{
    Fixture *fixture = *state;
    static const char *const mappings[] = {"net", "net", "gross", "gross", NULL, NULL};
    Events *events = events_new();
    for (size_t i = 0; i < sizeof mappings / sizeof *mappings; i++) {
        EventItem *item = add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
        item->asked = mappings[i] != NULL;
        item->mapping = item->asked ? str_from(mappings[i]) : item->mapping;
    }
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    events_free(events);
    assert_duplicates(fixture, 1, 0, "1:gross:{1} 2:builtin:{1} ");
    events = events_new();
    EventItem *item = add_taken(fixture, events, "sha256:2", "{1}", 1);
    item->asked = true;
    item->mapping = STR("gross");
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_created(events->group->outcomes[0], 2);
    events_free(events);
    assert_duplicates(fixture, 1, 0, "2:builtin:{1} ");
    assert_verifies(fixture);
}

static bool keep_first(void *context, const StoredDuplicate *duplicate)
{
    StoredDuplicate *kept = context;
    kept->id += duplicate->id;
    kept->seq = duplicate->seq;
    kept->asked = duplicate->asked;
    kept->received_us = duplicate->received_us;
    return false;
}

static void test_what_is_kept_of_a_duplicate(void **state)
{
    Fixture *fixture = *state;
    send_raw(fixture, "sha256:1", "{1}");
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{2}", 1)->asked = true;
    add_event(fixture, events, "sha256:1", "shop", "{3}", 1);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    StoredDuplicate kept = {0};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_event_duplicates(fixture->reader, 1, 0, keep_first, &kept, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_true(kept.id == 1 && kept.seq == 1 && kept.asked && kept.received_us == events->items[0].received_us);
    events_free(events);
}

/* The record that a correction put there has no bytes of its own. */
static void test_duplicates_of_what_was_corrected(void **state)
{
    Fixture *fixture = *state;
    send_raw(fixture, "sha256:1", "{1}");
    correct(fixture, "correction:1:1", "correction:1:2", 1, "sha256:2");
    correct(fixture, "correction:1:3", "correction:1:4", 3, "sha256:3");
    assert_int_equal(send_raw(fixture, "sha256:3", "{1}").seq, 5);
    assert_int_equal(send_raw(fixture, "sha256:3", "{3}").seq, 5);
    assert_duplicates(fixture, 1, 0, "1:builtin:{3} ");
    assert_duplicates(fixture, 5, 0, "");
    assert_verifies(fixture);
}

/* Whatever handed it in. */
static void test_a_letter_that_is_a_duplicate(void **state)
{
    Fixture *fixture = *state;
    send_raw(fixture, "sha256:1", "{1}");
    assert_int_equal(refuse_one(fixture, "sha256:x", STR("{x}"), 0), STATUS_OK);
    assert_int_equal(retry(fixture, 1, ""), 1);
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{x}", 1);
    events->group->letters[0].letter = 1;
    events->work.records.intake = &events->group->change;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_RESOLVED);
    assert_duplicates(fixture, 1, 0, "1:builtin:{x} ");
    events_free(events);
    assert_verifies(fixture);
}

/* Where records are known by their content one may be there that came as none. */
static void test_a_duplicate_of_no_event(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    fixture_begin_anew(fixture, IDENTITY_CONTENT);
    assert_int_equal(fixture_apply_one(fixture, record_of(fixture, "rec-1", 1)).kind, OUTCOME_CREATED);
    assert_int_equal(send_raw(fixture, "sha256:1", "{1}").kind, OUTCOME_DUPLICATE);
    assert_duplicates(fixture, 1, 0, "");
    assert_verifies(fixture);
}

static void test_what_is_not_handed_in_keeps_nothing(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    send_raw(fixture, "sha256:1", "{1}");
    Events *events = events_new();
    Error error = {0};
    add_event(fixture, events, "sha256:1", "shop", "{2}", 1);
    add_event(fixture, events, "sha256:1", "shop", "{3}", 1);
    events->work.records.dry_run = true;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    events->work.records.dry_run = false;
    events->work.records.simulate_failure = true;
    assert_int_equal(store_apply(fixture->store, &events->work, &error), STATUS_BUSY);
    assert_duplicates(fixture, 1, 0, "");
    events_free(events);
    assert_verifies(fixture);
}

/* ---- It was an event of its own ---------------------------------------------------------------------------------- */

static void test_it_becomes_an_event(void **state)
{
    Fixture *fixture = *state;
    send_raw(fixture, "sha256:1", "{1}");
    send_raw(fixture, "sha256:1", "{2}");
    send_raw(fixture, "sha256:1", "{2}");
    send_raw(fixture, "sha256:1", "{3}");
    assert_clients(fixture, "shop=1/3/0 ");
    assert_created(take(fixture, "sha256:2", "{2}", 1, 0), 2);
    assert_events(fixture, "1:builtin:{1}*4 2:builtin:{2}*1 ");
    assert_duplicates(fixture, 1, 0, "2:builtin:{3} ");
    assert_attempts(fixture, (EventAttemptFilter){.seq = 1}, "3:1#4 2:1#3 1:1#2 "); /* what was answered, stays */
    assert_clients(fixture, "shop=2/2/0 ");
    SeenEvents seen;
    assert_int_equal(look_at_event(fixture, 2, &seen), STATUS_OK);
    assert_true(seen.last.taken_for == 1 && seen.last.corrects == 0);
    assert_int_equal(look_at_event(fixture, 1, &seen), STATUS_OK);
    assert_int_equal(seen.last.taken_for, 0);
    assert_int_equal(send_raw(fixture, "sha256:2", "{2}").seq, 2);
    assert_clients(fixture, "shop=2/3/0 ");
    assert_verifies(fixture);
}

/* What counts of a client is not in the store yet: its first event is what it was taken for, in the same commit. */
static void test_the_first_of_a_client_is_counted_no_more(void **state)
{
    Fixture *fixture = *state;
    send_raw(fixture, "sha256:1", "{1}");
    Events *first = events_new(), *then = events_new();
    add_event(fixture, first, "sha256:1", "newcomer", "{2}", 1);
    add_taken(fixture, then, "sha256:2", "{2}", 1);
    first->work.next = &then->work;
    assert_int_equal(hand_in(fixture, first), STATUS_OK);
    assert_known(first->group->outcomes[0], 1);
    assert_created(then->group->outcomes[0], 2);
    events_free(first);
    events_free(then);
    assert_duplicates(fixture, 1, 0, "");
    assert_clients(fixture, "newcomer=0/0/0 shop=2/0/0 ");
    assert_verifies(fixture);
}

static void test_somebody_else_counts_as_it(void **state)
{
    Fixture *fixture = *state;
    send_raw(fixture, "sha256:1", "{1}");
    send_raw(fixture, "sha256:1", "{2}");
    assert_created(send_raw(fixture, "sha256:2", "{2}"), 2); /* its client, in between */
    Outcome outcome = take(fixture, "sha256:2", "{2}", 1, 0);
    assert_int_equal(outcome.kind, OUTCOME_DUPLICATE);
    assert_int_equal(outcome.seq, 2);
    outcome = take(fixture, "sha256:2", "{2}", 1, 1); /* whoever was known by it then */
    assert_int_equal(outcome.kind, OUTCOME_DUPLICATE);
    assert_duplicates(fixture, 1, 0, "1:builtin:{2} ");
    assert_duplicates(fixture, 2, 0, "");
    assert_attempts(fixture, (EventAttemptFilter){0}, "1:1#2 ");
    assert_clients(fixture, "shop=2/1/0 ");
    assert_verifies(fixture);
}

/* The event that it was taken for has the id that it gets, and will have another one itself. */
static void test_who_has_its_id_does_not_keep_it(void **state)
{
    Fixture *fixture = *state;
    send_raw(fixture, "sha256:1", "{1}");
    send_raw(fixture, "sha256:1", "{2}");
    assert_created(take(fixture, "sha256:1", "{2}", 1, 1), 2);
    assert_duplicates(fixture, 1, 0, "");
    assert_int_equal(send_raw(fixture, "sha256:1", "{2}").seq, 2);
    correct(fixture, "correction:1:1", "correction:1:2", 1, "sha256:2");
    assert_int_equal(send_raw(fixture, "sha256:1", "{2}").seq, 2);
    assert_int_equal(send_raw(fixture, "sha256:2", "{1}").seq, 4);
    assert_clients(fixture, "shop=2/3/0 ");
    assert_verifies(fixture);
}

/* It was corrected first. */
static void test_its_id_leads_nowhere(void **state)
{
    Fixture *fixture = *state;
    send_raw(fixture, "sha256:1", "{1}");
    send_raw(fixture, "sha256:1", "{2}");
    correct(fixture, "correction:1:1", "correction:1:2", 1, "sha256:2");
    assert_created(take(fixture, "sha256:1", "{2}", 1, 0), 4);
    assert_int_equal(send_raw(fixture, "sha256:1", "{2}").seq, 4);
    assert_verifies(fixture);
}

static void test_two_that_are_one(void **state)
{
    Fixture *fixture = *state;
    send_raw(fixture, "sha256:1", "{1}");
    send_raw(fixture, "sha256:1", "{2}");
    send_raw(fixture, "sha256:1", "{3}");
    Events *events = events_new();
    add_taken(fixture, events, "sha256:2", "{2}", 1);
    add_taken(fixture, events, "sha256:2", "{3}", 1);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_created(events->group->outcomes[0], 2);
    assert_int_equal(events->group->outcomes[1].kind, OUTCOME_DUPLICATE);
    assert_duplicates(fixture, 1, 0, "2:builtin:{3} ");
    assert_clients(fixture, "shop=2/1/0 ");
    events_free(events);
    assert_verifies(fixture);
}

/* Another call was first: it is never made twice, also when what it became was taken back since. */
static void test_it_is_an_event_already(void **state)
{
    Fixture *fixture = *state;
    send_raw(fixture, "sha256:1", "{1}");
    send_raw(fixture, "sha256:1", "{2}");
    assert_created(take(fixture, "sha256:2", "{2}", 1, 0), 2);
    assert_int_equal(take(fixture, "sha256:2", "{2}", 1, 0).kind, OUTCOME_DUPLICATE);
    take_back(fixture, "correction:2:1", 2);
    assert_int_equal(take(fixture, "sha256:2", "{2}", 1, 0).kind, OUTCOME_DUPLICATE);
    Outcome outcome = take(fixture, "sha256:3", "{2}", 1, 0);
    assert_true(outcome.kind == OUTCOME_CONFLICT && outcome.seq == 0);
    assert_int_equal(take(fixture, "sha256:3", "{9}", 1, 0).kind, OUTCOME_CONFLICT);
    assert_int_equal(store_last_seq(fixture->store), 3);
    assert_clients(fixture, "shop=2/0/0 ");
    assert_verifies(fixture);
}

static void test_all_of_a_piece_or_nothing(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    send_raw(fixture, "sha256:1", "{1}");
    send_raw(fixture, "sha256:1", "{2}");
    Events *events = events_new();
    add_taken(fixture, events, "sha256:2", "{2}", 1);
    add_taken(fixture, events, "sha256:3", "{9}", 1);
    events->work.records.atomic = true;
    assert_int_equal(hand_in(fixture, events), STATUS_CONFLICT);
    assert_int_equal(events->group->outcomes[1].kind, OUTCOME_CONFLICT);
    assert_int_equal(store_last_seq(fixture->store), 1);
    events->work.records.count = 1;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_created(events->group->outcomes[0], 2);
    assert_int_equal(hand_in(fixture, events), STATUS_OK); /* the same call again */
    assert_int_equal(events->group->outcomes[0].kind, OUTCOME_DUPLICATE);
    assert_int_equal(store_last_seq(fixture->store), 2);
    events_free(events);
    assert_verifies(fixture);
}

/* What takes an event back may rely on it. */
static void test_the_same_as_one_before_it(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    send_raw(fixture, "sha256:1", "{1}");
    send_raw(fixture, "sha256:1", "{2}");
    send_raw(fixture, "sha256:5", "{5}");
    Events *events = events_new();
    add_taken(fixture, events, "sha256:2", "{2}", 1);
    EventItem *item = add_correction(fixture, events, "correction:5:1", 2, "");
    item->alias = STR("sha256:2");
    item->holder = EVENT_HOLDER_BEFORE_IT;
    make_one_piece(events);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_created(events->group->outcomes[0], 3);
    assert_created(events->group->outcomes[1], 4);
    assert_int_equal(send_raw(fixture, "sha256:2", "{5}").seq, 3);
    events_free(events);
    assert_verifies(fixture);
}

static void test_a_failure_leaves_it_as_it_was(void **state)
{
    Fixture *fixture = *state;
    send_raw(fixture, "sha256:1", "{1}");
    send_raw(fixture, "sha256:1", "{2}");
    Events *events = events_new();
    Error error = {0};
    add_taken(fixture, events, "sha256:2", "{2}", 1);
    events->work.records.simulate_failure = true;
    assert_int_equal(store_apply(fixture->store, &events->work, &error), STATUS_BUSY);
    assert_duplicates(fixture, 1, 0, "1:builtin:{2} ");
    assert_clients(fixture, "shop=1/1/0 ");
    events->work.records.simulate_failure = false;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_created(events->group->outcomes[0], 2);
    events_free(events);
    assert_verifies(fixture);
}

/* ---- Whose it is ------------------------------------------------------------------------------------------------- */

/* By the mapping of now it may be another client's. */
static void test_whose_it_is_counted_as(void **state)
{
    Fixture *fixture = *state;
    send_event(fixture, "sha256:1", "a", "{1}", 1);
    send_event(fixture, "sha256:1", "a", "{2}", 1);
    Events *events = events_new();
    add_taken(fixture, events, "sha256:2", "{2}", 1)->client = STR("b");
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_clients(fixture, "a=1/0/0 b=1/0/0 ");
    events_free(events);
    assert_verifies(fixture);
}

static void test_who_has_no_row(void **state)
{
    Fixture *fixture = *state;
    fixture_close(fixture);
    fixture->options.event_clients_max = 1;
    fixture_open(fixture);
    send_event(fixture, "sha256:1", "a", "{1}", 1);
    send_event(fixture, "sha256:2", "b", "{2}", 1);
    send_event(fixture, "sha256:2", "b", "{3}", 1);
    assert_clients(fixture, "=1/1/0 a=1/0/0 ");
    Events *events = events_new();
    add_taken(fixture, events, "sha256:3", "{3}", 2)->client = STR("b");
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_clients(fixture, "=2/0/0 a=1/0/0 ");
    events_free(events);
    assert_verifies(fixture);
}

int store_suite_run_duplicates(const StoreFactory *factory)
{
    fixture_use(factory);
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_other_bytes_are_kept_once),
        STORE_TEST(test_the_same_bytes_for_another_mapping),
        STORE_TEST(test_what_is_kept_of_a_duplicate),
        STORE_TEST(test_duplicates_of_what_was_corrected),
        STORE_TEST(test_a_letter_that_is_a_duplicate),
        STORE_TEST(test_a_duplicate_of_no_event),
        STORE_TEST(test_what_is_not_handed_in_keeps_nothing),
        STORE_TEST(test_it_becomes_an_event),
        STORE_TEST(test_the_first_of_a_client_is_counted_no_more),
        STORE_TEST(test_somebody_else_counts_as_it),
        STORE_TEST(test_who_has_its_id_does_not_keep_it),
        STORE_TEST(test_its_id_leads_nowhere),
        STORE_TEST(test_two_that_are_one),
        STORE_TEST(test_it_is_an_event_already),
        STORE_TEST(test_all_of_a_piece_or_nothing),
        STORE_TEST(test_the_same_as_one_before_it),
        STORE_TEST(test_a_failure_leaves_it_as_it_was),
        STORE_TEST(test_whose_it_is_counted_as),
        STORE_TEST(test_who_has_no_row),
    };
    return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
