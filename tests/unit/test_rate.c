/* How many calls may be begun. */
#include "unit.h"

#include "onboard/rate.h"

#define SECOND_US INT64_C(1000000)

static void test_no_limit(void **state)
{
    (void)state;
    Rate rate;
    rate_init(&rate, 0, 7);
    assert_int_equal(rate_allows(&rate, 7, 100000), 100000);
    rate_spend(&rate, 100000);
    assert_int_equal(rate_allows(&rate, 7, 100000), 100000);
    assert_true(rate_next_us(&rate, 5) <= 7);
}

static void test_ten_a_second(void **state)
{
    (void)state;
    Rate rate;
    rate_init(&rate, 10, 0);
    assert_int_equal(rate_allows(&rate, 0, 50), 1);
    rate_spend(&rate, 1);
    assert_int_equal(rate_allows(&rate, 0, 50), 0);
    assert_int_equal(rate_next_us(&rate, 0), 100000);
    assert_int_equal(rate_allows(&rate, 99999, 50), 0);
    assert_int_equal(rate_allows(&rate, 100000, 50), 1);
}

static void test_what_was_not_used_is_no_flood(void **state)
{
    (void)state;
    Rate rate;
    rate_init(&rate, 1000, 0);
    rate_spend(&rate, rate_allows(&rate, 0, 5000));
    assert_int_equal(rate_allows(&rate, 3600 * SECOND_US, 5000), 100);
    assert_int_equal(rate_allows(&rate, 3600 * SECOND_US, 3), 3);
}

/* Whenever it is asked, and however much is wanted. */
static void test_never_more_than_a_tenth_above(void **state)
{
    (void)state;
    for (int64_t per_second = 1; per_second <= 1000000; per_second *= 10) {
        Rate rate;
        int64_t now_us = 0, begun = 0;
        rate_init(&rate, per_second, 0);
        for (int i = 0; now_us < 10 * SECOND_US; i++) {
            size_t calls = rate_allows(&rate, now_us, 1u << 20);
            rate_spend(&rate, calls);
            begun += (int64_t)calls;
            int64_t next_us = rate_next_us(&rate, 0);
            assert_true(next_us > now_us || per_second == 1000000);
            now_us = i % 3 ? next_us + 1 : now_us + 7777;
        }
        int64_t burst = per_second / 10 > 1 ? per_second / 10 : 1;
        assert_true(begun <= 10 * per_second + burst + per_second / 100 + 1);
        assert_true(begun >= 9 * per_second);
    }
}

static void test_next_for_several(void **state)
{
    (void)state;
    Rate rate;
    rate_init(&rate, 100, 0);
    assert_int_equal(rate_allows(&rate, 0, 50), 10);
    assert_int_equal(rate_next_us(&rate, 9), 0);
    assert_int_equal(rate_next_us(&rate, 10), 10000);
    assert_int_equal(rate_next_us(&rate, 12), 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_ten_a_second),
        cmocka_unit_test(test_what_was_not_used_is_no_flood),
        cmocka_unit_test(test_never_more_than_a_tenth_above),
        cmocka_unit_test(test_next_for_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
