/* Waking somebody who waits. Time is the system's: bounds are generous. */
#include "base/wakeup.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

#define SECOND_US INT64_C(1000000)

static int setup(void **state)
{
    static Wakeup wakeup;
    Error error = {0};
    assert_int_equal(wakeup_init(&wakeup, &error), STATUS_OK);
    *state = &wakeup;
    return 0;
}

static int teardown(void **state)
{
    Wakeup *wakeup = *state;
    wakeup_release(wakeup);
    wakeup_release(wakeup); /* twice is harmless */
    return wakeup->fd == -1 ? 0 : 1;
}

static int64_t waited_us(const Wakeup *wakeup, int64_t us_max)
{
    int64_t begun_us = clock_monotonic_us(&clock_system);
    wakeup_wait(wakeup, us_max);
    return clock_monotonic_us(&clock_system) - begun_us;
}

static void test_a_call_before_the_wait(void **state)
{
    const Wakeup *wakeup = *state;
    wakeup_call(wakeup);
    wakeup_call(wakeup);
    assert_true(waited_us(wakeup, 20 * SECOND_US) < 10 * SECOND_US);
    /* All calls so far are answered at once. */
    assert_true(waited_us(wakeup, SECOND_US / 20) >= SECOND_US / 20 - 1000);
}

static void *call(void *self)
{
    usleep(20000);
    wakeup_call(self);
    return NULL;
}

static void test_a_call_from_another_thread(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call, *state), 0);
    assert_true(waited_us(*state, 60 * SECOND_US) < 30 * SECOND_US);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_the_wait_ends(void **state)
{
    assert_true(waited_us(*state, 0) < SECOND_US);
    assert_true(waited_us(*state, -5 * SECOND_US) < SECOND_US); /* the time has come already */
    assert_in_range(waited_us(*state, 1), 0, SECOND_US);
    assert_in_range(waited_us(*state, 30000), 29000, 5 * SECOND_US);
}

/* Longer than a poll can be told: it waits for as long as it can. */
static void test_the_longest_wait(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call, *state), 0);
    assert_in_range(waited_us(*state, INT64_MAX), 1000, 30 * SECOND_US);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static bool is_readable(const Wakeup *wakeup)
{
    struct pollfd polled = {.fd = wakeup->fd, .events = POLLIN};
    return poll(&polled, 1, 0) == 1;
}

static void test_the_descriptor_is_polled(void **state)
{
    const Wakeup *wakeup = *state;
    assert_false(is_readable(wakeup));
    wakeup_clear(wakeup);
    wakeup_call(wakeup);
    assert_true(is_readable(wakeup));
    wakeup_clear(wakeup);
    assert_false(is_readable(wakeup));
}

/* Which of the two it was is told, and what there is at the other descriptor is left there. */
static void test_a_wait_beside_another_descriptor(void **state)
{
    const Wakeup *wakeup = *state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    assert_false(wakeup_wait_beside(wakeup, pipe_fds[0], POLLIN, 1000));
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    int64_t begun_us = clock_monotonic_us(&clock_system);
    assert_false(wakeup_wait_beside(wakeup, pipe_fds[0], POLLIN, 60 * SECOND_US));
    wakeup_call(wakeup);
    assert_true(wakeup_wait_beside(wakeup, pipe_fds[0], POLLIN, 60 * SECOND_US));
    assert_false(wakeup_wait_beside(wakeup, pipe_fds[0], POLLIN, 60 * SECOND_US));
    assert_true(clock_monotonic_us(&clock_system) - begun_us < 30 * SECOND_US);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    wakeup_call(wakeup);
    assert_true(wakeup_wait(wakeup, 60 * SECOND_US));
    assert_false(wakeup_wait(wakeup, 0));
}

#define WAKEUP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WAKEUP_TEST(test_a_call_before_the_wait),
        WAKEUP_TEST(test_a_call_from_another_thread),
        WAKEUP_TEST(test_the_wait_ends),
        WAKEUP_TEST(test_the_longest_wait),
        WAKEUP_TEST(test_the_descriptor_is_polled),
        WAKEUP_TEST(test_a_wait_beside_another_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
