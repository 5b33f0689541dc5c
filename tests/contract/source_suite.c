#include "source_suite.h"

#include <pthread.h>
#include <setjmp.h>

#include <cmocka.h>

#include "reading_fixture.h"

#define QUICK_US (PATIENCE_US / 2)

enum { EMPTY_CALLS = 3 };

/* ---- What comes -------------------------------------------------------------------------------------------------- */

static void test_nothing_there(void **state)
{
    SourceFixture *fixture = *state;
    SourceLag lag = {0};
    fixture_connect(fixture);
    fixture_assert_quiet(fixture);
    fixture->source->ops->lag(fixture->source, &lag);
    assert_true(lag.messages == 0 || lag.messages == -1);
}

static void test_one_message(void **state)
{
    SourceFixture *fixture = *state;
    SourceGroup *group = &fixture->groups[0];
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 1);
    assert_int_equal(fixture_fetch(fixture, group), 1);
    assert_true(str_is(group->messages[0].raw, "1.0 {\"note\":\"å\"}"));
    assert_int_equal(group->messages[0].refused.len, 0);
    assert_int_equal(group->messages[0].outcome, OUTCOME_NONE);
    assert_int_equal(group->bytes, group->messages[0].raw.len);
    assert_true(!source_side->places || group->place_count > 0);
    fixture_store(fixture, group);
    fixture_acknowledge(fixture, group);
    fixture_assert_left(fixture, 0);
    fixture_assert_quiet(fixture);
}

/* Each once, in the order of its part; what was there before the source as well as what comes while it reads. */
static void test_each_comes_once_in_order(void **state)
{
    SourceFixture *fixture = *state;
    size_t parts = source_side->parts < PARTS_MAX ? source_side->parts : PARTS_MAX;
    for (size_t part = 0; part < parts; part++) {
        fixture_put(fixture, part, 1 + 100 * part, 90);
    }
    fixture_connect(fixture);
    fixture_take(fixture, 90 * parts);
    for (size_t part = 0; part < parts; part++) {
        fixture_put(fixture, part, 91 + 100 * part, 10);
        fixture_take(fixture, 10);
    }
    fixture_assert_quiet(fixture);
    fixture_assert_seen(fixture, 1, 100 * parts, 1);
    fixture_assert_left(fixture, 0);
}

static void test_groups_have_bounds(void **state)
{
    SourceFixture *fixture = *state;
    source_close(fixture->source);
    fixture_open(fixture, 7, 1 << 20);
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 100);
    assert_true(fixture_take(fixture, 100) >= (100 + 6) / 7);
    fixture_assert_seen(fixture, 1, 100, 1);
}

static void test_bytes_have_bounds(void **state)
{
    SourceFixture *fixture = *state;
    enum { BYTES = 900 << 10, COUNT = 12 };
    if (source_side->message_bytes_max < BYTES) {
        skip();
    }
    for (size_t i = 1; i <= COUNT; i++) {
        fixture_put_long(fixture, i, BYTES);
    }
    fixture_connect(fixture);
    assert_true(fixture_take(fixture, COUNT) >= COUNT / (SOURCE_GROUP_BYTES / BYTES));
    fixture_assert_seen(fixture, 1, COUNT, 1);
    fixture_assert_left(fixture, 0);
}

/* It does not stop the source for ever: it comes alone. */
static void test_longer_than_a_group(void **state)
{
    SourceFixture *fixture = *state;
    size_t bytes = SOURCE_GROUP_BYTES + (1 << 20);
    if (source_side->message_bytes_max < bytes) {
        skip();
    }
    source_close(fixture->source);
    fixture_open(fixture, 100, bytes);
    fixture_put(fixture, 0, 1, 2);
    fixture_put_long(fixture, 3, bytes);
    fixture_put(fixture, 0, 4, 2);
    fixture_connect(fixture);
    fixture_take(fixture, 5);
    fixture_assert_seen(fixture, 1, 5, 1);
    assert_int_equal(fixture->refused, 0);
    fixture_assert_left(fixture, 0);
}

/* What is longer than the options allow is no record, whatever it says; it comes once, with the reason, and the others
 * come too. */
static void test_longer_than_allowed(void **state)
{
    SourceFixture *fixture = *state;
    source_close(fixture->source);
    fixture_open(fixture, 100, 2048);
    fixture_put(fixture, 0, 1, 2);
    fixture_put_long(fixture, 3, 2049);
    fixture_put_long(fixture, 4, 2048);
    fixture_put(fixture, 0, 5, 1);
    fixture_connect(fixture);
    fixture_take(fixture, 5);
    fixture_assert_quiet(fixture);
    fixture_assert_seen(fixture, 1, 2, 1);
    fixture_assert_seen(fixture, 3, 1, 0);
    fixture_assert_seen(fixture, 4, 2, 1);
    assert_int_equal(fixture->refused, 1);
    fixture_assert_left(fixture, 0);
}

static void test_unfit_comes_with_a_reason(void **state)
{
    SourceFixture *fixture = *state;
    if (!source_side->put_unfit(fixture->side)) {
        skip();
    }
    fixture_put(fixture, 0, 1, 2);
    fixture_connect(fixture);
    fixture_take(fixture, 3);
    fixture_assert_quiet(fixture);
    assert_int_equal(fixture->refused, 1);
    fixture_assert_seen(fixture, 1, 2, 1);
    fixture_assert_left(fixture, 0);
}

static void check_raw(SourceFixture *fixture, Str raw)
{
    SourceGroup *group = &fixture->groups[0];
    source_side->put(fixture->side, 0, &raw, 1);
    fixture_fetch(fixture, group);
    assert_int_equal(group->count, 1);
    assert_true(str_equal(group->messages[0].raw, raw));
    fixture_store(fixture, group);
    fixture_acknowledge(fixture, group);
}

static void test_bytes_come_as_they_are(void **state)
{
    SourceFixture *fixture = *state;
    fixture_connect(fixture);
    check_raw(fixture, STR("1.0 \xff\xfe\xc3( not UTF-8 \x01\x7f"));
    if (source_side->any_bytes) {
        check_raw(fixture, (Str){"2.0 a\0b\0\r\n\nc\0", 13});
    }
    fixture_assert_left(fixture, 0);
}

/* ---- Acknowledged, and not --------------------------------------------------------------------------------------- */

static void test_nothing_is_acknowledged_unless_told(void **state)
{
    SourceFixture *fixture = *state;
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 10);
    for (size_t taken = 0; taken < 10;) {
        SourceGroup *group = &fixture->groups[0];
        taken += fixture_fetch(fixture, group);
        if (taken < 10) {
            fixture_store(fixture, group);
            fixture_acknowledge(fixture, group);
        }
    }
    assert_true(source_side->left(fixture->side) != 0);
    source_close(fixture->source);
    fixture->source = source_side->open(fixture->side, fixture->limits);
    assert_true(source_side->left(fixture->side) != 0);
}

static void check_comes_again(SourceFixture *fixture, bool reopened)
{
    SourceGroup *first = &fixture->groups[0], *second = &fixture->groups[1];
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 5);
    size_t stored = fixture_fetch(fixture, first);
    fixture_store(fixture, first);
    fixture_acknowledge(fixture, first);
    fixture_put(fixture, 0, 6, 5);
    size_t lost = fixture_fetch(fixture, second);
    if (reopened) {
        fixture_reopen(fixture);
    } else {
        fixture_connect(fixture);
    }
    fixture_take(fixture, 10 - stored);
    fixture_assert_quiet(fixture);
    fixture_assert_seen(fixture, 1, stored, 1);
    fixture_assert_seen(fixture, stored + 1, lost, 2);
    fixture_assert_seen(fixture, stored + lost + 1, 10 - stored - lost, 1);
    fixture_assert_left(fixture, 0);
}

static void test_connecting_anew_brings_it_again(void **state) { check_comes_again(*state, false); }

static void test_opening_anew_brings_it_again(void **state) { check_comes_again(*state, true); }

/* The process ends between the commit and the acknowledgement. */
static void test_stored_and_not_acknowledged(void **state)
{
    SourceFixture *fixture = *state;
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 5);
    size_t stored = fixture_fetch(fixture, &fixture->groups[0]);
    fixture_store(fixture, &fixture->groups[0]);
    fixture_reopen(fixture);
    /* By the places it is not needed again; without any it has to come. */
    fixture_put(fixture, 0, 6, 5);
    fixture_take(fixture, source_side->places ? 10 - stored : 10);
    fixture_assert_quiet(fixture);
    fixture_assert_seen(fixture, 1, stored, source_side->places ? 1 : 2);
    fixture_assert_seen(fixture, 6, 5, 1);
    if (!source_side->places) {
        fixture_assert_left(fixture, 0);
    }
}

static void test_acknowledged_is_not_read_again(void **state)
{
    SourceFixture *fixture = *state;
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 20);
    fixture_take(fixture, 20);
    fixture_assert_left(fixture, 0);
    fixture_reopen(fixture);
    fixture_assert_quiet(fixture);
    fixture_reopen(fixture);
    fixture_put(fixture, 0, 21, 5);
    fixture_take(fixture, 5);
    fixture_assert_seen(fixture, 1, 25, 1);
}

/* The store has no places: what the other side knows is enough, or all is read again. */
static void test_without_our_places(void **state)
{
    SourceFixture *fixture = *state;
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 5);
    fixture_take(fixture, 5);
    fixture_assert_left(fixture, 0);
    fixture_forget_places(fixture);
    fixture_reopen(fixture);
    if (source_side->remembers) {
        fixture_assert_quiet(fixture);
    } else {
        fixture_take(fixture, 5);
    }
    fixture_put(fixture, 0, 6, 5);
    fixture_take(fixture, 5);
    fixture_assert_seen(fixture, 1, 5, source_side->remembers ? 1 : 2);
    fixture_assert_seen(fixture, 6, 5, 1);
}

/* The next group is fetched while the one before is being stored. */
static void test_two_groups_under_way(void **state)
{
    SourceFixture *fixture = *state;
    source_close(fixture->source);
    fixture_open(fixture, 4, 1 << 20);
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 12);
    size_t counts[GROUPS];
    for (size_t i = 0; i < GROUPS; i++) {
        counts[i] = fixture_fetch(fixture, &fixture->groups[i]);
    }
    fixture_store(fixture, &fixture->groups[0]);
    fixture_acknowledge(fixture, &fixture->groups[0]);
    fixture_connect(fixture);
    fixture_take(fixture, 12 - counts[0]);
    fixture_assert_quiet(fixture);
    fixture_assert_seen(fixture, 1, counts[0], 1);
    fixture_assert_seen(fixture, 1 + counts[0], counts[1], 2);
    fixture_assert_seen(fixture, 1 + counts[0] + counts[1], 12 - counts[0] - counts[1], 1);
    fixture_assert_left(fixture, 0);
}

/* ---- Calls without a group --------------------------------------------------------------------------------------- */

static void test_no_group(void **state)
{
    SourceFixture *fixture = *state;
    Error error = {0};
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 10);
    for (size_t i = 0; i < EMPTY_CALLS; i++) {
        assert_int_equal(fixture->source->ops->fetch(fixture->source, NULL, &error), STATUS_OK);
    }
    fixture_take(fixture, 10);
    assert_int_equal(fixture->source->ops->fetch(fixture->source, NULL, &error), STATUS_OK);
    fixture_put(fixture, 0, 11, 10);
    assert_int_equal(fixture->source->ops->fetch(fixture->source, NULL, &error), STATUS_OK);
    fixture_take(fixture, 10);
    fixture_assert_seen(fixture, 1, 20, 1);
    fixture_assert_left(fixture, 0);
}

/* ---- Waiting ----------------------------------------------------------------------------------------------------- */

static void settle(SourceFixture *fixture)
{
    fixture_connect(fixture);
    fixture_assert_quiet(fixture);
}

static void test_wake_before_waiting(void **state)
{
    SourceFixture *fixture = *state;
    settle(fixture);
    int64_t begun_us = side_now_us();
    fixture->source->ops->wake(fixture->source);
    fixture->source->ops->wake(fixture->source);
    fixture->source->ops->wait(fixture->source, PATIENCE_US);
    assert_true(side_now_us() - begun_us < QUICK_US);
}

static void *wake_thread(void *source)
{
    ((Source *)source)->ops->wake(source);
    return NULL;
}

static void test_wake_from_another_thread(void **state)
{
    SourceFixture *fixture = *state;
    settle(fixture);
    int64_t begun_us = side_now_us();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_thread, fixture->source), 0);
    fixture->source->ops->wait(fixture->source, 2 * PATIENCE_US);
    assert_true(side_now_us() - begun_us < PATIENCE_US);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Also before it was ever connected: a feeder that is looked at wakes it in any state. */
static void test_wake_unconnected(void **state)
{
    SourceFixture *fixture = *state;
    fixture->source->ops->wake(fixture->source);
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 1);
    assert_int_equal(fixture_take(fixture, 1), 1);
}

static void test_wait_ends(void **state)
{
    SourceFixture *fixture = *state;
    settle(fixture);
    fixture->source->ops->wait(fixture->source, 0);
    int64_t begun_us = side_now_us();
    fixture->source->ops->wait(fixture->source, SECOND_US / 50);
    assert_true(side_now_us() - begun_us < QUICK_US);
}

static void *put_thread(void *fixture)
{
    fixture_put(fixture, 0, 1, 1);
    return NULL;
}

/* Nobody has to ask again and again. */
static void test_message_ends_the_wait(void **state)
{
    SourceFixture *fixture = *state;
    settle(fixture);
    int64_t begun_us = side_now_us();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, put_thread, fixture), 0);
    size_t count = 0;
    while (count == 0 && side_now_us() - begun_us < PATIENCE_US) {
        fixture->source->ops->wait(fixture->source, 2 * PATIENCE_US);
        count = fixture_fetch_within(fixture, &fixture->groups[0], 0);
    }
    assert_int_equal(count, 1);
    assert_true(side_now_us() - begun_us < PATIENCE_US);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ---- Trouble ----------------------------------------------------------------------------------------------------- */

static void test_unreachable_at_the_start(void **state)
{
    SourceFixture *fixture = *state;
    Error error = {0};
    fixture_put(fixture, 0, 1, 5);
    if (!source_side->unreachable(fixture->side, true)) {
        skip();
    }
    assert_int_equal(fixture_try_connect(fixture, &error), STATUS_BUSY);
    assert_true(error.message[0] != '\0');
    assert_int_equal(fixture_try_connect(fixture, &error), STATUS_BUSY);
    source_side->unreachable(fixture->side, false);
    fixture_connect(fixture);
    fixture_take(fixture, 5);
    fixture_assert_seen(fixture, 1, 5, 1);
    fixture_assert_left(fixture, 0);
}

/* Whether the source notices or waits for it to come back, it does so in bounded time, and nothing is lost. */
static void test_unreachable_midway(void **state)
{
    SourceFixture *fixture = *state;
    SourceGroup *group = &fixture->groups[0];
    Error error = {0};
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 5);
    fixture_take(fixture, 5);
    fixture_put(fixture, 0, 6, 5);
    if (!source_side->unreachable(fixture->side, true)) {
        skip();
    }
    Status status = fixture_fetch_once(fixture, group, &error);
    assert_true(status == STATUS_OK || status == STATUS_BUSY);
    source_side->unreachable(fixture->side, false);
    fixture_connect(fixture);
    fixture_take(fixture, 5);
    fixture_assert_seen(fixture, 1, 10, 1);
    fixture_assert_left(fixture, 0);
}

static void test_unreachable_when_acknowledged(void **state)
{
    SourceFixture *fixture = *state;
    SourceGroup *group = &fixture->groups[0];
    Error error = {0};
    fixture_connect(fixture);
    fixture_put(fixture, 0, 1, 5);
    size_t stored = fixture_fetch(fixture, group);
    fixture_store(fixture, group);
    if (!source_side->unreachable(fixture->side, true)) {
        skip();
    }
    int64_t begun_us = side_now_us();
    Status status = fixture->source->ops->acknowledge(fixture->source, group, &error);
    assert_true(status == STATUS_OK || status == STATUS_BUSY);
    assert_true(side_now_us() - begun_us < BOUNDED_US);
    source_side->unreachable(fixture->side, false);
    fixture_connect(fixture);
    fixture_put(fixture, 0, 6, 5);
    while (fixture->seen[10] == 0) {
        fixture_fetch(fixture, group);
        fixture_store(fixture, group);
        fixture_acknowledge(fixture, group);
    }
    for (size_t number = 1; number <= stored; number++) { /* whether that had arrived nobody knows */
        assert_in_range(fixture->seen[number], 1, source_side->places ? 1 : 2);
    }
    fixture_assert_seen(fixture, 6, 5, 1);
    fixture_assert_left(fixture, 0);
}

static void test_close_unconnected(void **state)
{
    SourceFixture *fixture = *state;
    source_close(fixture->source);
    fixture->source = source_side->open(fixture->side, fixture->limits);
    if (source_side->unreachable(fixture->side, true)) {
        Error error = {0};
        assert_int_equal(fixture_try_connect(fixture, &error), STATUS_BUSY);
        source_close(fixture->source);
        fixture->source = NULL;
        source_side->unreachable(fixture->side, false);
        fixture->source = source_side->open(fixture->side, fixture->limits);
    }
}

#define SOURCE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int source_suite_run(const SourceSide *side)
{
    const struct CMUnitTest tests[] = {
        SOURCE_TEST(test_nothing_there),
        SOURCE_TEST(test_one_message),
        SOURCE_TEST(test_each_comes_once_in_order),
        SOURCE_TEST(test_groups_have_bounds),
        SOURCE_TEST(test_bytes_have_bounds),
        SOURCE_TEST(test_longer_than_a_group),
        SOURCE_TEST(test_longer_than_allowed),
        SOURCE_TEST(test_unfit_comes_with_a_reason),
        SOURCE_TEST(test_bytes_come_as_they_are),
        SOURCE_TEST(test_nothing_is_acknowledged_unless_told),
        SOURCE_TEST(test_connecting_anew_brings_it_again),
        SOURCE_TEST(test_opening_anew_brings_it_again),
        SOURCE_TEST(test_stored_and_not_acknowledged),
        SOURCE_TEST(test_acknowledged_is_not_read_again),
        SOURCE_TEST(test_without_our_places),
        SOURCE_TEST(test_two_groups_under_way),
        SOURCE_TEST(test_no_group),
        SOURCE_TEST(test_wake_before_waiting),
        SOURCE_TEST(test_wake_from_another_thread),
        SOURCE_TEST(test_wake_unconnected),
        SOURCE_TEST(test_wait_ends),
        SOURCE_TEST(test_message_ends_the_wait),
        SOURCE_TEST(test_unreachable_at_the_start),
        SOURCE_TEST(test_unreachable_midway),
        SOURCE_TEST(test_unreachable_when_acknowledged),
        SOURCE_TEST(test_close_unconnected),
    };
    assert_true(side->parts > 0);
    source_side = side;
    return cmocka_run_group_tests_name(side->name, tests, NULL, NULL);
}
