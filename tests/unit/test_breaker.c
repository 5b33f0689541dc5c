#include "deliver/breaker.h"
#include "unit.h"

#define SECOND INT64_C(1000000)

/* The defaults of the configuration: 70 % of at least ten requests in 30 s, a pause of 30 s. */
static Breaker usual(void)
{
    Breaker breaker;
    breaker_init(&breaker, 70, 10, 30 * SECOND, 30 * SECOND);
    return breaker;
}

static void run(Breaker *breaker, int64_t now_us, unsigned taken, unsigned failed)
{
    for (unsigned i = 0; i < taken + failed; i++) {
        breaker_begun(breaker);
        breaker_ended(breaker, now_us, i < taken);
    }
}

static void test_opens_at_the_share(void **state)
{
    (void)state;
    Breaker breaker = usual();
    run(&breaker, SECOND, 3, 6);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker_allows(&breaker, SECOND, 100), 100);
    run(&breaker, SECOND, 0, 1); /* the tenth request, the seventh failure */
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker.opened, 1);
    assert_int_equal(breaker_allows(&breaker, SECOND, 100), 0);
}

static void test_stays_closed_below(void **state)
{
    (void)state;
    Breaker breaker = usual();
    run(&breaker, SECOND, 0, 9); /* too few requests to judge */
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    breaker = usual();
    run(&breaker, SECOND, 4, 6); /* 60 % */
    run(&breaker, SECOND, 32, 68);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    /* What is taken never opens it, even when the failures before were too few requests to judge by. */
    breaker = usual();
    run(&breaker, SECOND, 0, 9);
    breaker_ended(&breaker, SECOND, true);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
}

static void test_forgets_what_left_the_window(void **state)
{
    (void)state;
    Breaker breaker = usual();
    run(&breaker, 0, 0, 9);
    run(&breaker, 31 * SECOND, 0, 9); /* the first nine have gone by */
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    run(&breaker, 57 * SECOND, 0, 1); /* the second nine have not */
    assert_int_equal(breaker.state, BREAKER_OPEN);

    breaker = usual();
    for (int64_t second = 0; second < 3600; second += 4) {
        run(&breaker, second * SECOND, 0, 1); /* at most eight within thirty seconds */
        assert_int_equal(breaker.state, BREAKER_CLOSED);
    }
    /* An hour later the slices are the same, their numbers are not. */
    run(&breaker, 7200 * SECOND, 0, 9);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
}

/* What has left the window is no reason for a doubt to end badly, also when nothing has ended since. */
static void test_a_doubt_forgets_what_left_the_window(void **state)
{
    (void)state;
    for (int64_t slices = BREAKER_SLICES - 1; slices <= BREAKER_SLICES; slices++) {
        Breaker breaker;
        breaker_init(&breaker, 70, 10, 2 * SECOND, 30 * SECOND);
        breaker_under_way(&breaker, 100);
        run(&breaker, 0, 3, 7);
        assert_int_equal(breaker_allows(&breaker, 0, 8), 0);
        assert_int_equal(breaker.state, BREAKER_CLOSED); /* in doubt: all that is under way may be taken */
        breaker_under_way(&breaker, 0);
        bool has_left = slices == BREAKER_SLICES;
        assert_int_equal(breaker_allows(&breaker, slices * SECOND / 5, 8), has_left ? 8 : 0);
        assert_int_equal(breaker.state, has_left ? BREAKER_CLOSED : BREAKER_OPEN);
    }
}

static void test_one_probe_after_the_pause(void **state)
{
    (void)state;
    Breaker breaker = usual();
    run(&breaker, 5 * SECOND, 0, 10);
    assert_int_equal(breaker.open_until_us, 35 * SECOND);
    assert_int_equal(breaker_allows(&breaker, 35 * SECOND - 1, 8), 0);
    assert_int_equal(breaker_allows(&breaker, 35 * SECOND, 0), 0);
    assert_int_equal(breaker.state, BREAKER_OPEN); /* nothing was asked for */
    assert_int_equal(breaker_allows(&breaker, 35 * SECOND, 8), 1);
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
    assert_int_equal(breaker_allows(&breaker, 35 * SECOND, 8), 1); /* still: nothing was begun */
    breaker_begun(&breaker);
    assert_int_equal(breaker_allows(&breaker, 90 * SECOND, 8), 0);
    breaker_ended(&breaker, 90 * SECOND, true);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker_allows(&breaker, 90 * SECOND, 8), 8);
}

static void test_failed_probe_opens_again(void **state)
{
    (void)state;
    Breaker breaker = usual();
    run(&breaker, 0, 0, 10);
    assert_int_equal(breaker_allows(&breaker, 30 * SECOND, 1), 1);
    run(&breaker, 40 * SECOND, 0, 1);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker.opened, 2);
    assert_int_equal(breaker_allows(&breaker, 70 * SECOND - 1, 1), 0);
    assert_int_equal(breaker_allows(&breaker, 70 * SECOND, 1), 1);
}

static void test_closing_forgets_the_failures(void **state)
{
    (void)state;
    Breaker breaker = usual();
    breaker_init(&breaker, 70, 10, 300 * SECOND, SECOND);
    run(&breaker, SECOND, 0, 10);
    assert_int_equal(breaker_allows(&breaker, 2 * SECOND, 1), 1);
    run(&breaker, 2 * SECOND, 1, 0);
    run(&breaker, 2 * SECOND, 0, 9); /* with the ten from before these would be more than enough */
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    run(&breaker, 2 * SECOND, 0, 1);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void test_late_answers_change_nothing(void **state)
{
    (void)state;
    Breaker breaker = usual();
    run(&breaker, 0, 0, 10);
    breaker_ended(&breaker, SECOND, true);
    breaker_ended(&breaker, SECOND, false);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker.open_until_us, 30 * SECOND);
    assert_int_equal(breaker.opened, 1);
    /* Half-open, but the probe was not begun: this one is from before, too. */
    assert_int_equal(breaker_allows(&breaker, 30 * SECOND, 1), 1);
    breaker_ended(&breaker, 30 * SECOND, true);
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
}

static void test_withdrawn_probe(void **state)
{
    (void)state;
    Breaker breaker = usual();
    run(&breaker, 0, 0, 10);
    assert_int_equal(breaker_allows(&breaker, 30 * SECOND, 5), 1);
    breaker_begun(&breaker);
    breaker_withdrawn(&breaker);
    assert_int_equal(breaker_allows(&breaker, 30 * SECOND, 5), 1);
    /* While closed it means nothing. */
    breaker = usual();
    breaker_begun(&breaker);
    breaker_withdrawn(&breaker);
    assert_int_equal(breaker_allows(&breaker, 0, 5), 5);
}

static void test_put_off(void **state)
{
    (void)state;
    Breaker breaker = usual();
    breaker_put_off(&breaker, 90 * SECOND); /* one message's failure, and the place is well */
    assert_int_equal(breaker_allows(&breaker, SECOND, 5), 5);
    run(&breaker, 0, 0, 10);
    breaker_put_off(&breaker, 10 * SECOND); /* sooner than the pause */
    assert_int_equal(breaker_allows(&breaker, 30 * SECOND - 1, 5), 0);
    breaker_put_off(&breaker, 60 * SECOND);
    assert_int_equal(breaker_allows(&breaker, 60 * SECOND - 1, 5), 0);
    assert_int_equal(breaker_allows(&breaker, 60 * SECOND, 5), 1);
    breaker_put_off(&breaker, 70 * SECOND); /* half open, by an answer from before */
    assert_int_equal(breaker_allows(&breaker, 70 * SECOND - 1, 5), 0);
    assert_int_equal(breaker_allows(&breaker, 70 * SECOND, 5), 1);
    assert_int_equal(breaker.opened, 1);
}

static void test_never_opens(void **state)
{
    (void)state;
    Breaker breaker;
    breaker_init(&breaker, 0, 1, 30 * SECOND, 30 * SECOND);
    run(&breaker, 0, 0, 10000);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker_allows(&breaker, 0, 7), 7);
}

static void end(Breaker *breaker, unsigned count, bool taken, unsigned *under_way)
{
    for (unsigned i = 0; i < count; i++) {
        breaker_under_way(breaker, --*under_way);
        breaker_ended(breaker, SECOND, taken);
    }
}

/* Of a hundred the thirty that fail are the first to come back. */
static void test_quick_failures_are_doubted(void **state)
{
    (void)state;
    Breaker breaker = usual();
    unsigned under_way = 100;
    end(&breaker, 9, false, &under_way);
    assert_int_equal(breaker_allows(&breaker, SECOND, 5), 5); /* too few to judge by */
    end(&breaker, 21, false, &under_way);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker_allows(&breaker, SECOND, 5), 0);
    end(&breaker, 12, true, &under_way); /* 30 of 42 are 71 % */
    assert_int_equal(breaker_allows(&breaker, SECOND, 5), 0);
    end(&breaker, 1, true, &under_way);
    assert_int_equal(breaker_allows(&breaker, SECOND, 5), 5);
    end(&breaker, 57, true, &under_way);
    assert_int_equal(breaker.opened, 0);
}

/* 70 of a hundred are enough, whatever becomes of the others. */
static void test_doubt_ends(void **state)
{
    (void)state;
    Breaker breaker = usual();
    unsigned under_way = 100;
    end(&breaker, 69, false, &under_way);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    end(&breaker, 1, false, &under_way);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker.opened, 1);
    /* With a few under way there is nothing to wait for. */
    breaker = usual();
    under_way = 11;
    end(&breaker, 7, false, &under_way);
    end(&breaker, 2, true, &under_way);
    assert_int_equal(breaker_allows(&breaker, SECOND, 5), 5);
    end(&breaker, 1, false, &under_way); /* 8 of 10, and of 11 they would be 73 % */
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

/* Whoever is silent for long is no help either. */
static void test_doubt_is_short(void **state)
{
    (void)state;
    Breaker breaker = usual();
    unsigned under_way = 50;
    end(&breaker, 20, false, &under_way);
    assert_int_equal(breaker.doubt_until_us, SECOND + BREAKER_DOUBT_US);
    breaker_under_way(&breaker, under_way);
    assert_int_equal(breaker_allows(&breaker, SECOND + BREAKER_DOUBT_US - 1, 5), 0);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker_allows(&breaker, SECOND + BREAKER_DOUBT_US, 5), 0);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    /* An answer that says the same is as good. */
    breaker = usual();
    under_way = 50;
    end(&breaker, 20, false, &under_way);
    breaker_under_way(&breaker, --under_way);
    breaker_ended(&breaker, SECOND + BREAKER_DOUBT_US, false);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

/* Nothing comes of what is withdrawn: nobody may be in doubt for ever. */
static void test_doubt_of_withdrawn(void **state)
{
    (void)state;
    Breaker breaker = usual();
    unsigned under_way = 50;
    end(&breaker, 20, false, &under_way);
    assert_int_equal(breaker_allows(&breaker, SECOND, 5), 0);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    breaker_under_way(&breaker, 0);
    assert_int_equal(breaker_allows(&breaker, SECOND, 5), 0);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    breaker = usual();
    under_way = 50;
    end(&breaker, 20, false, &under_way);
    breaker_under_way(&breaker, 0); /* and what there was has left the window */
    assert_int_equal(breaker_allows(&breaker, 60 * SECOND, 5), 5);
    assert_int_equal(breaker.opened, 0);
}

static void test_odd_options(void **state)
{
    (void)state;
    Breaker breaker;
    breaker_init(&breaker, 100, 1, 0, 0); /* no window to speak of, no pause */
    run(&breaker, 17, 0, 1);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker_allows(&breaker, 17, 3), 1);
    run(&breaker, 17, 1, 0);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(breaker_state_name(BREAKER_CLOSED), "closed");
    assert_string_equal(breaker_state_name(BREAKER_OPEN), "open");
    assert_string_equal(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_at_the_share),
        cmocka_unit_test(test_stays_closed_below),
        cmocka_unit_test(test_forgets_what_left_the_window),
        cmocka_unit_test(test_a_doubt_forgets_what_left_the_window),
        cmocka_unit_test(test_one_probe_after_the_pause),
        cmocka_unit_test(test_failed_probe_opens_again),
        cmocka_unit_test(test_closing_forgets_the_failures),
        cmocka_unit_test(test_late_answers_change_nothing),
        cmocka_unit_test(test_withdrawn_probe),
        cmocka_unit_test(test_put_off),
        cmocka_unit_test(test_never_opens),
        cmocka_unit_test(test_quick_failures_are_doubted),
        cmocka_unit_test(test_doubt_ends),
        cmocka_unit_test(test_doubt_is_short),
        cmocka_unit_test(test_doubt_of_withdrawn),
        cmocka_unit_test(test_odd_options),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
