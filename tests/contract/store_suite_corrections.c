/* The contract of store.h and events.h: what corrects an event is found, and what a correction stands for. */
#include "events_fixture.h"

#include <stdlib.h>

static void add_correction(Fixture *fixture, Events *events, const char *id, int64_t corrects, const char *known_as)
{
    EventItem *item = add_event(fixture, events, id, "shop", "", 2);
    item->corrects = corrects;
    item->known_as = str_from(known_as);
}

/* What takes back the record at `seq`, and what replaces it. */
static void correct(Fixture *fixture, const char *first, const char *second, int64_t seq, const char *known_as)
{
    Events *events = events_new();
    add_correction(fixture, events, first, seq, "");
    add_correction(fixture, events, second, seq, known_as);
    events->work.records.atomic = events->work.records.quiet = true;
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(events->group->outcomes[1].kind, OUTCOME_CREATED);
    events_free(events);
}

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
    correct(fixture, "correction:3:1", "correction:3:2", 3, "");
    StoreView *between = look(fixture);
    correct(fixture, "correction:1:1", "correction:1:2", 1, "");
    correct(fixture, "correction:3:3", "correction:3:4", 5, "");
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

static int64_t alias_of(Fixture *fixture, const char *record_id)
{
    int64_t seq = -1;
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_event_alias(fixture->reader, str_from(record_id), &seq, &error), STATUS_OK);
    fixture_end(fixture, view);
    return seq;
}

static void test_what_a_correction_stands_for(void **state)
{
    Fixture *fixture = *state;
    send_event(fixture, "sha256:1", "shop", "{1}", 1);
    assert_int_equal(alias_of(fixture, "sha256:2"), 0);
    correct(fixture, "correction:1:1", "correction:1:2", 1, "sha256:2");
    assert_int_equal(alias_of(fixture, "sha256:2"), 3);
    assert_int_equal(alias_of(fixture, "sha256:1"), 0);
    correct(fixture, "correction:1:3", "correction:1:4", 3, "sha256:3");
    assert_int_equal(alias_of(fixture, "sha256:2"), 0);
    assert_int_equal(alias_of(fixture, "sha256:3"), 5);
    assert_verifies(fixture);
}

int store_suite_run_corrections(const StoreFactory *factory)
{
    fixture_use(factory);
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_corrections_are_found),
        STORE_TEST(test_what_a_correction_stands_for),
    };
    return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
