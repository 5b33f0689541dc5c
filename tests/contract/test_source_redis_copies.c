/* The source `redis` of a store that is older than what it has acknowledged: a copy of it was put back. On a real
 * redis-server. */
#include "redis_reading.h"

enum { SKIPPED = 77 };

/* ---- Streams ----------------------------------------------------------------------------------------------------- */

/* The store is as it was when it had read ten; eight of the 20 that it has read since are still there. */
static void put_an_older_copy_back(Reading *reading)
{
    char mark[sizeof reading->mark];
    reading_add(reading, 10);
    reading_connect(reading);
    reading_take(reading, 10);
    memcpy(mark, reading->mark, sizeof mark);
    int64_t next = reading->place.next;
    reading_add(reading, 20);
    reading_take(reading, 20);
    while (reading_ask(reading, "XPENDING k weir") > 0) {
        reading->source->ops->wait(reading->source, 10000);
        assert_int_equal(reading_fetch_once(reading), STATUS_OK);
    }
    reading_open(reading, "k", "");
    redis_server_do(&reading->server, "XTRIM k MAXLEN 8");
    memcpy(reading->mark, mark, sizeof mark);
    reading->place = (SourcePlace){STR("k"), next, str_from(reading->mark)};
}

static void test_an_older_copy_of_the_store(void **state)
{
    Reading *reading = *state;
    put_an_older_copy_back(reading);
    reading_connect(reading);
    reading_check_notice(reading, "the stream k: the store is an older copy of itself: it has read up to ");
    reading_add(reading, 2);
    reading_take(reading, 10);
    reading_check_quiet(reading);
    assert_int_equal(reading_ask(reading, "XPENDING k weir"), 0);
    reading_open(reading, "k", "");
    reading_connect(reading);
    reading_check_notice(reading, NULL);
    reading_check_quiet(reading);
}

/* What others have acknowledged is not ours to read again; nor is it when we have left the group for good. */
static void test_the_group_is_further(void **state)
{
    Reading *reading = *state;
    put_an_older_copy_back(reading);
    redis_server_do(&reading->server, "XGROUP CREATECONSUMER k weir other");
    reading_connect(reading);
    reading_check_notice(reading, "what is between went to others of the group, and is not read");
    reading_check_quiet(reading);
    redis_server_do(&reading->server, "XGROUP DESTROY k weir");
    redis_server_do(&reading->server, "XGROUP CREATE k weir $");
    reading_connect(reading);
    reading_check_notice(reading, "what is between went to others of the group, and is not read");
    reading_check_quiet(reading);
}

/* A crash before the acknowledgement: what was delivered is pending, and nothing is wrong. */
static void test_delivered_and_not_acknowledged(void **state)
{
    Reading *reading = *state;
    reading_add(reading, 10);
    reading_connect(reading);
    reading_take(reading, 10);
    reading_add(reading, 10);
    assert_int_equal(reading_fetch(reading), STATUS_OK);
    reading_open(reading, "k", "");
    reading_connect(reading);
    reading_check_notice(reading, NULL);
    reading_take(reading, 10);
    reading_check_quiet(reading);
}

static void test_no_place_where_we_have_read(void **state)
{
    Reading *reading = *state;
    put_an_older_copy_back(reading);
    reading->place = (SourcePlace){0};
    reading_connect(reading);
    reading_check_notice(reading, "this source has read up to ");
    reading_check_quiet(reading);
}

static void test_an_older_copy_without_xrange(void **state)
{
    Reading *reading = *state;
    put_an_older_copy_back(reading);
    redis_server_do(&reading->server, "ACL SETUSER default -xrange");
    reading_connect(reading);
    reading_check_notice(reading, "XRANGE is not allowed");
    reading_check_quiet(reading);
}

/* ---- Lists ------------------------------------------------------------------------------------------------------- */

static void push(Reading *reading, int count)
{
    for (int i = 0; i < count; i++) {
        redis_server_do(&reading->server, "LPUSH k {}");
    }
}

static void wait_until_removed(Reading *reading)
{
    while (reading_ask(reading, "LLEN k:weir:weir-ab020300000000000000000000000000") > 0) {
        reading->source->ops->wait(reading->source, 10000);
        assert_int_equal(reading_fetch_once(reading), STATUS_OK);
    }
}

/* What it has stored since is nowhere. It counts on, and says so once. */
static void test_an_older_copy_that_read_a_list(void **state)
{
    Reading *reading = *state;
    reading_open(reading, "", "k");
    push(reading, 10);
    reading_connect(reading);
    reading_check_notice(reading, NULL);
    reading_take(reading, 10);
    assert_int_equal(reading->place.next, 10);
    SourcePlace copy = reading->place;
    push(reading, 5);
    reading_take(reading, 5);
    assert_int_equal(reading->place.next, 15);
    wait_until_removed(reading);
    reading_open(reading, "", "k");
    reading_connect(reading);
    reading_check_notice(reading, NULL);
    reading->place = copy;
    reading_connect(reading);
    reading_check_notice(reading, "the list k: the store is an older copy of itself: what it had stored since, 5 of");
    push(reading, 2);
    reading_take(reading, 2);
    wait_until_removed(reading);
    reading_open(reading, "", "k");
    reading_connect(reading);
    reading_check_notice(reading, NULL);
    assert_int_equal(reading->place.next, 17);
}

/* A crash before the elements were removed, and a place that was forgotten. */
static void test_a_list_counts_on(void **state)
{
    Reading *reading = *state;
    reading_open(reading, "", "k");
    push(reading, 10);
    reading_connect(reading);
    reading_take(reading, 10);
    push(reading, 5);
    assert_int_equal(reading_fetch(reading), STATUS_OK);
    int64_t stored = 10 + (int64_t)reading->group.count;
    assert_int_equal(reading->group.places[0].next, stored);
    reading->place.next = stored;
    reading_open(reading, "", "k");
    reading_connect(reading);
    reading_check_notice(reading, NULL);
    reading_take(reading, 5);
    assert_int_equal(reading->place.next, stored + 5);
    wait_until_removed(reading);
    reading->place = (SourcePlace){0};
    reading_open(reading, "", "k");
    reading_connect(reading);
    reading_check_notice(reading, NULL);
    push(reading, 1);
    reading_take(reading, 1);
    assert_int_equal(reading->place.next, stored + 6);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        REDIS_TEST(test_an_older_copy_of_the_store),
        REDIS_TEST(test_the_group_is_further),
        REDIS_TEST(test_delivered_and_not_acknowledged),
        REDIS_TEST(test_no_place_where_we_have_read),
        REDIS_TEST(test_an_older_copy_without_xrange),
        REDIS_TEST(test_an_older_copy_that_read_a_list),
        REDIS_TEST(test_a_list_counts_on),
    };
    if (!redis_server_can_be_had()) {
        return SKIPPED;
    }
    return cmocka_run_group_tests_name("source-redis-copies", tests, NULL, NULL);
}
