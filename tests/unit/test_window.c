/* What is under way on a line: the cursor follows the settled ones, and counts go back with it. */
#include "unit.h"

#include "deliver/window.h"

static Window window;
static SinkPlace place;

static int setup(void **state)
{
    Error error;
    (void)state;
    place = (SinkPlace){0};
    return window_init(&window, 4, &error) == STATUS_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    window_release(&window);
    return 0;
}

static void settle(int64_t seq, bool taken)
{
    Entry *entry = window_find(&window, seq);
    entry->state = ENTRY_SETTLED;
    entry->taken = taken;
    entry->given_up = !taken;
}

static void pass(int64_t seq, bool taken)
{
    window_push(&window, seq, 0);
    settle(seq, taken);
    window_advance(&window, seq, &place);
}

static void test_the_cursor_follows(void **state)
{
    (void)state;
    for (int64_t seq = 1; seq <= 4; seq++) {
        window_push(&window, seq * 10, 0);
    }
    assert_true(window_is_full(&window));
    settle(20, true);
    window_advance(&window, 45, &place);
    assert_int_equal(place.cursor, 9);
    assert_int_equal(window.sent, 0);
    settle(10, false);
    window_advance(&window, 45, &place);
    assert_int_equal(place.cursor, 29);
    assert_int_equal(place.sent_seq, 20);
    settle(30, true);
    settle(40, true);
    window_advance(&window, 45, &place);
    assert_int_equal(place.cursor, 45);
    assert_int_equal(place.sent_seq, 40);
    assert_int_equal(window.sent, 3);
    assert_int_equal(window.failed, 1);
    /* Where the other side is does not move with what it did not take. */
    pass(50, false);
    assert_int_equal(place.cursor, 50);
    assert_int_equal(place.sent_seq, 40);
}

static void test_counts_go_back(void **state)
{
    (void)state;
    for (int64_t seq = 1; seq <= 10; seq++) {
        pass(seq, seq % 3 != 0); /* 3, 6 and 9 fail */
    }
    assert_int_equal(window.sent, 7);
    assert_int_equal(window.failed, 3);
    window_uncount(&window, 10, 5, 5); /* 6 … 10 come again */
    assert_int_equal(window.sent, 4);
    assert_int_equal(window.failed, 1);
    window_uncount(&window, 5, 2, 3); /* and, before they did, 3, 4 and 5 as well */
    assert_int_equal(window.sent, 2);
    assert_int_equal(window.failed, 0);
    for (int64_t seq = 3; seq <= 10; seq++) {
        pass(seq, seq % 3 != 0);
    }
    assert_int_equal(window.sent, 7);
    assert_int_equal(window.failed, 3);
    assert_true(window_gave_up(&window, 6));
    assert_false(window_gave_up(&window, 7));
    window_uncount(&window, 10, 0, 10);
    assert_int_equal(window.sent, 0);
    assert_int_equal(window.failed, 0);
}

/* Those that are known no more count as sent, as far back as they lie. */
static void test_what_is_remembered_is_bounded(void **state)
{
    (void)state;
    enum { COUNT = 3 * WINDOW_GIVEN_UP_MAX };
    for (int64_t seq = 1; seq <= COUNT; seq++) {
        pass(seq, false);
    }
    window_uncount(&window, COUNT, COUNT - 10, 10);
    assert_int_equal(window.failed, COUNT - 10);
    assert_int_equal(window.sent, 0);
    window_uncount(&window, COUNT - 10, 0, COUNT - 10);
    assert_int_equal(window.failed, COUNT - WINDOW_GIVEN_UP_MAX);
    assert_int_equal(window.sent, -(COUNT - WINDOW_GIVEN_UP_MAX));
    assert_false(window_gave_up(&window, 1));
    assert_true(window_gave_up(&window, COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_cursor_follows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counts_go_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_remembered_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
