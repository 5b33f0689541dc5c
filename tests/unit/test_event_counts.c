/* What a batch counts of each client, against the plain sums. */
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/sqlite/event_counts.h"

static EventCounts counts;

static int setup(void **state)
{
    (void)state;
    event_counts_clear(&counts);
    return 0;
}

static void test_counts_of_a_client_are_found_again(void **state)
{
    (void)state;
    event_counts_of(&counts, STR("shop"), 5)->processed++;
    event_counts_of(&counts, STR("other"), 7)->failed++;
    event_counts_of(&counts, STR("shop"), 3)->processed++;
    event_counts_of(&counts, (Str){NULL, 0}, 9)->duplicates++;
    event_counts_of(&counts, STR(""), 8)->duplicates++;
    assert_int_equal(counts.count, 3);
    assert_true(str_is(counts.items[0].client, "shop") && counts.items[0].processed == 2);
    assert_true(counts.items[0].first_us == 3 && counts.items[0].last_us == 5);
    assert_true(str_is(counts.items[1].client, "other") && counts.items[1].failed == 1);
    assert_true(counts.items[2].client.len == 0 && counts.items[2].duplicates == 2);
    assert_true(counts.items[2].first_us == 8 && counts.items[2].last_us == 9);
}

static void test_as_many_as_there_may_be(void **state)
{
    (void)state;
    static char names[EVENT_COUNTS_MAX][16];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < EVENT_COUNTS_MAX; i++) {
            snprintf(names[i], sizeof names[i], "client-%d", i);
            assert_int_equal(event_counts_are_full(&counts), round > 0);
            event_counts_of(&counts, str_from(names[i]), i)->processed += i;
        }
    }
    assert_int_equal(counts.count, EVENT_COUNTS_MAX);
    for (int i = 0; i < EVENT_COUNTS_MAX; i++) {
        assert_true(str_is(counts.items[i].client, names[i]));
        assert_int_equal(counts.items[i].processed, 3 * i);
    }
}

static void test_nothing_is_left_after_clearing(void **state)
{
    (void)state;
    event_counts_of(&counts, STR("shop"), 5)->processed = 7;
    event_counts_clear(&counts);
    assert_int_equal(counts.count, 0);
    const EventCount *count = event_counts_of(&counts, STR("shop"), 6);
    assert_true(count->processed == 0 && count->first_us == 6 && count->last_us == 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_counts_of_a_client_are_found_again, setup),
        cmocka_unit_test_setup(test_as_many_as_there_may_be, setup),
        cmocka_unit_test_setup(test_nothing_is_left_after_clearing, setup),
    };
    return cmocka_run_group_tests_name("event-counts", tests, NULL, NULL);
}
