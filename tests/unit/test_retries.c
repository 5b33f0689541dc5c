/* The messages of a line that wait for another attempt: which of them are due, and when to look again. */
#include "unit.h"

#include "deliver/retries.h"

enum { NOW_US = 1000, CAP = 2 };

static Retries retries;

static int begin(bool ordered)
{
    Error error;
    return retries_init(&retries, ordered, &error) == STATUS_OK ? 0 : -1;
}

static int setup(void **state)
{
    (void)state;
    return begin(false);
}

static int setup_ordered(void **state)
{
    (void)state;
    return begin(true);
}

static int teardown(void **state)
{
    (void)state;
    retries_release(&retries);
    return 0;
}

static Retry *put(int64_t seq, int64_t due_us, uint64_t flow_hash)
{
    return retries_put(&retries, &(StoredRetry){.seq = seq, .attempts = 1, .due_us = due_us, .flow_hash = flow_hash});
}

static void assert_due(int64_t first, int64_t second, int64_t next_us)
{
    int64_t seqs[CAP] = {0}, found_next_us = 0;
    size_t count = retries_due(&retries, NOW_US, seqs, CAP, &found_next_us);
    assert_int_equal(count, (first > 0) + (second > 0));
    assert_int_equal(seqs[0], first);
    assert_int_equal(seqs[1], second);
    assert_int_equal(found_next_us, next_us);
}

static void test_they_are_found_by_their_place(void **state)
{
    (void)state;
    for (int64_t seq = 9; seq >= 1; seq -= 2) {
        put(seq, seq, 0);
    }
    assert_null(retries_find(&retries, 4));
    assert_null(retries_find(&retries, 10));
    assert_int_equal(retries_find(&retries, 5)->stored.due_us, 5);
    retries_remove(&retries, 4);
    retries_remove(&retries, 5);
    retries_remove(&retries, 5);
    assert_null(retries_find(&retries, 5));
    assert_int_equal(retries.count, 4);
    assert_int_equal(retries_find(&retries, 7)->stored.due_us, 7);
}

static void test_due_at_its_very_time(void **state)
{
    (void)state;
    assert_due(0, 0, INT64_MAX);
    put(5, NOW_US + 1, 0);
    assert_due(0, 0, NOW_US + 1);
    put(7, NOW_US + 9, 0);
    put(3, NOW_US, 0);
    assert_due(3, 0, NOW_US + 1);
    retries_find(&retries, 3)->sent = true;
    retries_find(&retries, 5)->sent = true;
    assert_due(0, 0, NOW_US + 9);
}

/* Those that find no room now are due all the same: the line looks again at once, and not when the next one is due. */
static void test_more_are_due_than_there_is_room_for(void **state)
{
    (void)state;
    put(1, NOW_US + 5, 0);
    put(2, 10, 0);
    put(3, 30, 0);
    assert_due(2, 3, NOW_US + 5);
    put(4, 20, 0);
    assert_due(2, 3, NOW_US);
    assert_int_equal(retries_longest_due(&retries, NOW_US), 2);
    retries_find(&retries, 2)->sent = true;
    assert_due(3, 4, NOW_US + 5);
    assert_int_equal(retries_longest_due(&retries, NOW_US), 4);
}

/* One flow after the other, whenever they are due; what is about no flow waits for nothing. */
static void test_a_flow_keeps_its_order(void **state)
{
    (void)state;
    put(1, NOW_US + 5, 77);
    put(2, 10, 77);
    put(3, 20, 88);
    put(4, 30, 0);
    put(5, NOW_US + 4, 0);
    assert_due(3, 4, NOW_US + 4);
    assert_int_equal(retries_longest_due(&retries, NOW_US), 3);
    assert_true(retries_has_flow(&retries, 88));
    retries_remove(&retries, 3);
    assert_false(retries_has_flow(&retries, 88));
    retries_remove(&retries, 1);
    assert_due(2, 4, NOW_US + 4);
    assert_int_equal(retries_longest_due(&retries, NOW_US), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_they_are_found_by_their_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_due_at_its_very_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_are_due_than_there_is_room_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_flow_keeps_its_order, setup_ordered, teardown),
    };
    return cmocka_run_group_tests_name("retries", tests, NULL, NULL);
}
