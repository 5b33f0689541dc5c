#include "unit.h"

#include "bench/latencies.h"
#include "support/random.h"

static Latencies *fresh(void)
{
    static Latencies latencies;
    latencies = (Latencies){0};
    return &latencies;
}

static void test_empty(void **state)
{
    (void)state;
    assert_int_equal(latencies_percentile(fresh(), 50), 0);
    assert_int_equal(latencies_mean(fresh()), 0);
}

static void test_small_are_exact(void **state)
{
    (void)state;
    Latencies *latencies = fresh();
    for (int us = 1; us <= 100; us++) {
        latencies_add(latencies, us);
    }
    assert_int_equal(latencies_percentile(latencies, 1), 1);
    assert_int_equal(latencies_percentile(latencies, 50), 50);
    assert_int_equal(latencies_percentile(latencies, 99), 99);
    assert_int_equal(latencies_percentile(latencies, 99.5), 100);
    assert_int_equal(latencies_percentile(latencies, 100), 100);
    assert_int_equal(latencies_mean(latencies), 50);
}

/* A percentile of one value repeated is that value, or at most 1 % above it; the maximum is exact. */
static void test_precision(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < 500; round++) {
        int64_t us = (int64_t)(random_next(&seed) >> (25 + random_below(&seed, 39)));
        Latencies *latencies = fresh();
        latencies_add(latencies, us);
        latencies_add(latencies, us);
        latencies_add(latencies, us * 2 + 100);
        int64_t median = latencies_percentile(latencies, 50);
        assert_true(median >= us);
        assert_true(median <= us + us / 100);
        assert_int_equal(latencies_percentile(latencies, 100), us * 2 + 100);
    }
}

static void test_out_of_range(void **state)
{
    (void)state;
    Latencies *latencies = fresh();
    latencies_add(latencies, -5);
    latencies_add(latencies, INT64_MAX);
    assert_int_equal(latencies_percentile(latencies, 50), 0);
    assert_true(latencies_percentile(latencies, 100) == INT64_MAX);
    assert_int_equal(latencies->max_us, INT64_MAX);
}

static void test_merge(void **state)
{
    (void)state;
    static Latencies other;
    Latencies *latencies = fresh();
    for (int i = 0; i < 99; i++) {
        latencies_add(latencies, 10);
    }
    latencies_add(&other, 5000);
    latencies_merge(latencies, &other);
    assert_int_equal(latencies->count, 100);
    assert_int_equal(latencies_percentile(latencies, 99), 10);
    assert_int_equal(latencies_percentile(latencies, 99.9), 5000);
    assert_int_equal(latencies_mean(latencies), 59);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),        cmocka_unit_test(test_small_are_exact), cmocka_unit_test(test_precision),
        cmocka_unit_test(test_out_of_range), cmocka_unit_test(test_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
