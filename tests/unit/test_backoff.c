#include "base/backoff.h"
#include "support/handles.h"
#include "unit.h"

enum { TRIES = 2000 };

static Status no_random(void *self, void *bytes, size_t count, Error *reterr)
{
    (void)self, (void)bytes, (void)count;
    return error_set(reterr, STATUS_BROKEN, "none");
}

/* The least and the greatest of many. */
typedef struct Range {
    int64_t least, most;
} Range;

static void widen(Range *range, int64_t value)
{
    range->least = value < range->least ? value : range->least;
    range->most = value > range->most ? value : range->most;
}

static Range exponential(int64_t base_us, int64_t max_us, unsigned failed)
{
    uint64_t seed = failed;
    Random random = seeded_random(&seed);
    Range range = {INT64_MAX, INT64_MIN};
    for (int i = 0; i < TRIES; i++) {
        widen(&range, backoff_exponential_us(base_us, max_us, failed, &random));
    }
    return range;
}

static void test_exponential_grows_to_its_maximum(void **state)
{
    (void)state;
    static const int64_t delays_us[] = {100000, 200000, 400000, 800000, 1600000, 3200000, 5000000, 5000000};
    for (unsigned i = 0; i < sizeof delays_us / sizeof delays_us[0]; i++) {
        Range range = exponential(100000, 5000000, i + 1);
        assert_in_range(range.least, delays_us[i] / 2, delays_us[i] * 51 / 100);
        assert_in_range(range.most, delays_us[i] * 99 / 100, delays_us[i]);
    }
}

static void test_exponential_at_the_ends(void **state)
{
    (void)state;
    assert_in_range(exponential(100, 1000, 0).most, 50, 100); /* nothing has failed: as after one */
    assert_in_range(exponential(100, 1000, UINT32_MAX).most, 990, 1000);
    assert_in_range(exponential(5000, 1000, 1).most, 990, 1000); /* the maximum counts */
    assert_int_equal(exponential(0, 1000, 9).most, 0);
    Range range = exponential(1, INT64_MAX, 200); /* no overflow on the way */
    assert_true(range.least >= INT64_MAX / 2);
}

static void test_without_random_numbers(void **state)
{
    (void)state;
    Random none = {.fill = no_random};
    assert_int_equal(backoff_exponential_us(1000, 8000, 3, &none), 4000);
    int64_t schedule_us[] = {5000};
    assert_int_equal(backoff_schedule_us(schedule_us, 1, 0, 0, &none), 5000);
}

static void test_schedule(void **state)
{
    (void)state;
    static const int64_t schedule_us[] = {0, 5000000, 300000000};
    uint64_t seed = 1;
    Random random = seeded_random(&seed);
    Range five = {INT64_MAX, INT64_MIN}, minutes = five;
    for (int i = 0; i < TRIES; i++) {
        assert_int_equal(backoff_schedule_us(schedule_us, 3, 0, 0, &random), 0);
        widen(&five, backoff_schedule_us(schedule_us, 3, 1, 0, &random));
        widen(&minutes, backoff_schedule_us(schedule_us, 3, 2, 0, &random));
    }
    assert_in_range(five.least, 4500000, 4510000);
    assert_in_range(five.most, 5490000, 5500000);
    assert_in_range(minutes.least, 270000000, 270600000);
    assert_in_range(minutes.most, 329400000, 330000000);
    assert_int_equal(backoff_schedule_us(schedule_us, 3, 3, 0, &random), -1);
    assert_int_equal(backoff_schedule_us(schedule_us, 3, SIZE_MAX, 7, &random), -1);
    assert_int_equal(backoff_schedule_us(schedule_us, 0, 0, 0, &random), -1);
}

static void test_retry_after_is_a_lower_bound(void **state)
{
    (void)state;
    static const int64_t schedule_us[] = {0, 5000000};
    uint64_t seed = 2;
    Random random = seeded_random(&seed);
    assert_int_equal(backoff_schedule_us(schedule_us, 2, 0, 7000000, &random), 7000000);
    assert_int_equal(backoff_schedule_us(schedule_us, 2, 1, 7000000, &random), 7000000);
    for (int i = 0; i < TRIES; i++) {
        assert_in_range(backoff_schedule_us(schedule_us, 2, 1, 5000000, &random), 5000000, 5500000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exponential_grows_to_its_maximum), cmocka_unit_test(test_exponential_at_the_ends),
        cmocka_unit_test(test_without_random_numbers),           cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_retry_after_is_a_lower_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
