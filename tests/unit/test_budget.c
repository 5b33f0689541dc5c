/* What many may hold together, and each alone. */
#include "unit.h"

#include <stdint.h>

#include "base/budget.h"

static void test_a_limit(void **state)
{
    (void)state;
    Budget budget = {.bytes_max = 100};
    assert_true(budget_take(&budget, 60));
    assert_false(budget_take(&budget, 41));
    assert_true(budget_take(&budget, 40));
    assert_false(budget_take(&budget, 1));
    assert_true(budget_take(&budget, 0));
    assert_false(budget_take(&budget, SIZE_MAX));
    assert_int_equal(budget.taken, 100);
    budget_give_back(&budget, 100);
    assert_int_equal(budget.taken, 0);
    assert_false(budget_take(&budget, 101)); /* also alone: it is no part */
}

static void test_none(void **state)
{
    (void)state;
    assert_true(budget_take(NULL, SIZE_MAX));
    budget_give_back(NULL, 7);
}

static void test_parts_share(void **state)
{
    (void)state;
    Budget whole = {.bytes_max = 100};
    Budget parts[] = {{.whole = &whole}, {.whole = &whole}};
    assert_true(budget_take(&parts[0], 60));
    assert_false(budget_take(&parts[1], 41));
    assert_true(budget_take(&parts[1], 40));
    assert_false(budget_take(&parts[0], 1));
    assert_true(parts[0].taken == 60 && parts[1].taken == 40 && whole.taken == 100);
    budget_give_back(&parts[0], 60);
    budget_give_back(&parts[1], 40);
    assert_true(parts[0].taken == 0 && parts[1].taken == 0 && whole.taken == 0);
}

/* One that is alone is never refused, so that nothing is impossible where the whole is too small; the others wait for
 * it. */
static void test_alone(void **state)
{
    (void)state;
    Budget whole = {.bytes_max = 100};
    Budget large = {.whole = &whole}, other = {.whole = &whole};
    assert_true(budget_take(&large, 90));
    assert_true(budget_take(&large, 500));
    assert_false(budget_take(&other, 1));
    budget_give_back(&large, 580);
    assert_true(budget_take(&other, 1));
    assert_false(budget_take(&large, 500));
    budget_give_back(&other, 1);
    assert_true(budget_take(&large, 500));
    assert_int_equal(whole.taken, 510);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_limit),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_parts_share),
        cmocka_unit_test(test_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
