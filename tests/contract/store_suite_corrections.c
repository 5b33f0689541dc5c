/* The contract of store.h and events.h: what corrects an event is found, and what a correction stands for. */
#include "events_fixture.h"

#include <stdlib.h>

typedef struct SeenCorrections {
    char text[256]; /* corrects<seq of each, a space behind each */
    size_t count, limit;
} SeenCorrections;

static bool see_correction(void *context, const EventCorrection *correction)
{
    SeenCorrections *seen = context;
    size_t len = strlen(seen->text);
    snprintf(seen->text + len, sizeof seen->text - len, "%d<%d ", (int)correction->corrects, (int)correction->seq);
    return ++seen->count != seen->limit;
}

static void assert_corrections(Fixture *fixture, StoreView *view, int64_t first, int64_t last, size_t limit,
                               const char *expected)
{
    SeenCorrections seen = {.limit = limit};
    Error error = {0};
    assert_int_equal(reader_resume(fixture->reader, view, &error), STATUS_OK);
    assert_int_equal(reader_event_corrections(fixture->reader, first, last, see_correction, &seen, &error), STATUS_OK);
    reader_end(fixture->reader);
    assert_string_equal(seen.text, expected);
}

static StoreView *look(Fixture *fixture)
{
    StoreView *view = fixture_begin(fixture);
    reader_end(fixture->reader);
    return view;
}

static void test_corrections_are_found(void **state)
{
    Fixture *fixture = *state;
    for (int i = 1; i <= 3; i++) {
        char id[32];
        snprintf(id, sizeof id, "sha256:%d", i);
        send_event(fixture, id, "shop", "{1}", i);
    }
    StoreView *before = look(fixture);
    assert_corrections(fixture, before, 1, INT64_MAX, 0, "");
    correct_as(fixture, "correction:3:1", "correction:3:2", 3, "sha256:3", 3);
    StoreView *between = look(fixture);
    correct_as(fixture, "correction:1:1", "correction:1:2", 1, "sha256:1", 1);
    correct_as(fixture, "correction:3:3", "correction:3:4", 5, "sha256:3", 5);
    StoreView *after = look(fixture);
    assert_corrections(fixture, after, 1, INT64_MAX, 0, "1<6 1<7 3<4 3<5 5<8 5<9 ");
    assert_corrections(fixture, after, 3, 3, 0, "3<4 3<5 ");
    assert_corrections(fixture, after, 2, 2, 0, "");
    assert_corrections(fixture, after, 2, INT64_MAX, 3, "3<4 3<5 5<8 ");
    assert_corrections(fixture, between, 1, INT64_MAX, 0, "3<4 3<5 ");
    assert_corrections(fixture, before, 1, INT64_MAX, 0, "");
    view_free(before);
    view_free(between);
    view_free(after);
    assert_verifies(fixture);
}

static bool see_id(void *context, const StoredRecord *stored)
{
    snprintf(context, 64, "%.*s", STR_ARGS(stored->record.record_id));
    return true;
}

static int64_t alias_of(Fixture *fixture, const char *record_id)
{
    int64_t seq = -1;
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_event_alias(fixture->reader, str_from(record_id), &seq, &error), STATUS_OK);
    fixture_end(fixture, view);
    return seq;
}

static void test_where_ids_lead(void **state)
{
    Fixture *fixture = *state;
    send_event(fixture, "sha256:1", "shop", "{1}", 1);
    assert_int_equal(alias_of(fixture, "sha256:2"), 0);
    correct(fixture, "correction:1:1", "correction:1:2", 1, "sha256:2");
    assert_int_equal(alias_of(fixture, "sha256:2"), 3);
    assert_int_equal(alias_of(fixture, "sha256:1"), -1);
    correct(fixture, "correction:1:3", "correction:1:4", 3, "sha256:3");
    assert_int_equal(alias_of(fixture, "sha256:2"), -3);
    assert_int_equal(alias_of(fixture, "sha256:3"), 5);
    correct(fixture, "correction:1:5", "correction:1:6", 5, "sha256:1");
    assert_int_equal(alias_of(fixture, "sha256:1"), 7);
    assert_int_equal(alias_of(fixture, "sha256:3"), -5);
    assert_verifies(fixture);
}

/* What was given to the wrong event first is another one's in the end. */
static void test_another_event_has_the_id(void **state)
{
    Fixture *fixture = *state;
    assert_created(send_raw(fixture, "sha256:1", "{1}"), 1);
    correct(fixture, "correction:1:1", "correction:1:2", 1, "sha256:2");
    assert_known(send_raw(fixture, "sha256:2", "{other bytes}"), 3);
    assert_known(send_raw(fixture, "sha256:1", "{1}"), 1); /* the same bytes, and so the same event */
    assert_created(send_raw(fixture, "sha256:1", "{2}"), 4);
    assert_known(send_raw(fixture, "sha256:1", "{2}"), 4);
    assert_known(send_raw(fixture, "sha256:1", "{3}"), 4);
    assert_int_equal(alias_of(fixture, "sha256:1"), 4);
    StoreView *view = fixture_begin(fixture);
    char id[64] = "";
    Error error = {0};
    assert_int_equal(reader_get(fixture->reader, 4, see_id, id, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_string_equal(id, "sha256:1:4");
    assert_verifies(fixture);
    /* It may have been the wrong one, too. */
    correct(fixture, "correction:1:4:1", "correction:1:4:2", 4, "sha256:4");
    assert_known(send_raw(fixture, "sha256:1", "{2}"), 4);
    assert_created(send_raw(fixture, "sha256:1", "{5}"), 7);
    assert_known(send_raw(fixture, "sha256:4", "{5}"), 6);
    assert_verifies(fixture);
}

static void test_two_in_one_piece_have_the_id(void **state)
{
    Fixture *fixture = *state;
    assert_created(send_raw(fixture, "sha256:1", "{1}"), 1);
    correct(fixture, "correction:1:1", "correction:1:2", 1, "sha256:2");
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{2}", 1);
    add_event(fixture, events, "sha256:1", "shop", "{2}", 1);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_created(events->group->outcomes[0], 4);
    assert_known(events->group->outcomes[1], 4);
    events_free(events);
    assert_verifies(fixture);
}

/* The second one has the bytes of the event that was taken back: it would be that one's, if the first did not come
 * before it. */
static void test_a_dry_run_of_two_that_have_the_id(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    assert_created(send_raw(fixture, "sha256:1", "{1}"), 1);
    correct(fixture, "correction:1:1", "correction:1:2", 1, "sha256:2");
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{2}", 1);
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    events->work.records.dry_run = true;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_created(events->group->outcomes[0], 0);
    assert_known(events->group->outcomes[1], 0);
    assert_int_equal(store_last_seq(fixture->store), 3);
    events->work.records.dry_run = false;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_created(events->group->outcomes[0], 4);
    assert_known(events->group->outcomes[1], 4);
    events_free(events);
    assert_verifies(fixture);
}

/* Anybody may give a record an id like those of events. */
static void test_a_record_has_the_id(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    assert_int_equal(fixture_apply_one(fixture, record_of(fixture, "sha256:1", 9)).kind, OUTCOME_CREATED);
    assert_int_equal(fixture_apply_one(fixture, record_of(fixture, "sha256:1:3", 9)).kind, OUTCOME_CREATED);
    assert_created(send_raw(fixture, "sha256:1", "{1}"), 3);
    assert_known(send_raw(fixture, "sha256:1", "{1}"), 3);
    assert_known(send_raw(fixture, "sha256:1", "{other bytes}"), 3);
    assert_int_equal(alias_of(fixture, "sha256:1"), 3);
    StoreView *view = fixture_begin(fixture);
    char id[64] = "";
    Error error = {0};
    assert_int_equal(reader_get(fixture->reader, 3, see_id, id, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_string_equal(id, "sha256:1:4");
    assert_verifies(fixture);
}

/* The second is known to be the first one before anything else of it is known. */
static void test_the_same_event_twice_in_one_piece(void **state)
{
    Fixture *fixture = *state;
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    add_event(fixture, events, "sha256:1", "shop", "{1}", 1);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_created(events->group->outcomes[0], 1);
    assert_known(events->group->outcomes[1], 1);
    events_free(events);
    assert_verifies(fixture);
}

/* A single correction, handed in. */
static Status decide(Fixture *fixture, const char *id, int64_t seq, bool replaces, const char *alias, int64_t holder)
{
    Events *events = events_new();
    EventItem *item = add_correction(fixture, events, id, seq, alias);
    item->replaces = replaces;
    item->holder = holder;
    make_one_piece(events);
    Status status = hand_in(fixture, events);
    assert_int_equal(events->group->outcomes[0].kind, status == STATUS_OK ? OUTCOME_CREATED : OUTCOME_CONFLICT);
    events_free(events);
    return status;
}

/* It was decided by who was known by the id then. */
static void test_a_correction_that_came_too_late(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    assert_created(send_raw(fixture, "sha256:1", "{1}"), 1);
    assert_created(send_raw(fixture, "sha256:2", "{2}"), 2);
    assert_int_equal(decide(fixture, "correction:1:1", 1, true, "sha256:2", 0), STATUS_CONFLICT);
    assert_int_equal(decide(fixture, "correction:1:1", 1, true, "sha256:2", 1), STATUS_CONFLICT);
    assert_int_equal(decide(fixture, "correction:1:1", 1, false, "sha256:2", 1), STATUS_CONFLICT);
    assert_int_equal(decide(fixture, "correction:1:1", 1, false, "sha256:3", 2), STATUS_CONFLICT);
    assert_int_equal(decide(fixture, "correction:1:1", 1, false, "sha256:2", EVENT_HOLDER_BEFORE_IT), STATUS_CONFLICT);
    assert_int_equal(store_last_seq(fixture->store), 2);
    assert_int_equal(decide(fixture, "correction:1:1", 1, false, "sha256:2", 2), STATUS_OK);
    /* Nobody holds it any more: what replaces goes ahead. */
    assert_int_equal(decide(fixture, "correction:1:2", 1, true, "sha256:1", 1), STATUS_OK);
    assert_known(send_raw(fixture, "sha256:1", "{9}"), 4);
    assert_verifies(fixture);
}

static void test_the_same_as_one_before_it(void **state)
{
    Fixture *fixture = *state;
    assert_created(send_raw(fixture, "sha256:1", "{1}"), 1);
    assert_created(send_raw(fixture, "sha256:2", "{2}"), 2);
    Events *events = events_new();
    add_correction(fixture, events, "correction:1:1", 1, "");
    add_correction(fixture, events, "correction:1:2", 1, "sha256:3");
    EventItem *item = add_correction(fixture, events, "correction:2:1", 2, "");
    item->alias = STR("sha256:3");
    item->holder = EVENT_HOLDER_BEFORE_IT;
    make_one_piece(events);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(store_last_seq(fixture->store), 5);
    assert_known(send_raw(fixture, "sha256:3", "{2}"), 4);
    events_free(events);
    assert_verifies(fixture);
}

static void set_source(const Fixture *fixture, Events *events, size_t at, const char *source)
{
    const StoreInfo *info = store_info(fixture->store);
    Record *record = &events->group->records[at];
    record->source_id = str_from(source);
    record->identity_hash = record_identity_hash(record, info->identity, info->hash_seed);
}

/* What takes back is of the client that the event had; the id is one of the client that it has now. */
static void test_whose_the_id_is(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    fixture_begin_anew(fixture, IDENTITY_SOURCE_AND_RECORD_ID);
    Events *events = events_new();
    add_event(fixture, events, "sha256:1", "old", "{1}", 1);
    add_event(fixture, events, "sha256:2", "new", "{2}", 1);
    set_source(fixture, events, 0, "old");
    set_source(fixture, events, 1, "new");
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    events_free(events);
    events = events_new();
    EventItem *item = add_correction(fixture, events, "correction:1:1", 1, "");
    set_source(fixture, events, 0, "old");
    item->client = STR("new");
    item->alias = STR("sha256:2");
    item->holder = 2;
    make_one_piece(events);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_created(events->group->outcomes[0], 3);
    events_free(events);
    assert_verifies(fixture);
}

/* What is there under its id says something else. */
static void test_a_correction_does_not_give_way(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    assert_created(send_raw(fixture, "sha256:1", "{1}"), 1);
    assert_int_equal(fixture_apply_one(fixture, record_of(fixture, "correction:1:1", 9)).kind, OUTCOME_CREATED);
    assert_int_equal(decide(fixture, "correction:1:1", 1, false, "", 0), STATUS_CONFLICT);
    assert_int_equal(store_last_seq(fixture->store), 2);
}

int store_suite_run_corrections(const StoreFactory *factory)
{
    fixture_use(factory);
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_corrections_are_found),
        STORE_TEST(test_where_ids_lead),
        STORE_TEST(test_another_event_has_the_id),
        STORE_TEST(test_two_in_one_piece_have_the_id),
        STORE_TEST(test_a_dry_run_of_two_that_have_the_id),
        STORE_TEST(test_a_record_has_the_id),
        STORE_TEST(test_the_same_event_twice_in_one_piece),
        STORE_TEST(test_whose_the_id_is),
        STORE_TEST(test_a_correction_that_came_too_late),
        STORE_TEST(test_the_same_as_one_before_it),
        STORE_TEST(test_a_correction_does_not_give_way),
    };
    return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
