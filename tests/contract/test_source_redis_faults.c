/* The source `redis` where things on the other side are not as they were left: entries and groups deleted, consumers
 * dead, Redis full, a replica, of another kind, or without what it had. On a real redis-server. */
#include "redis_reading.h"

#include <unistd.h>

enum { SKIPPED = 77, MANY = 100 };

/* ---- Streams ----------------------------------------------------------------------------------------------------- */

static void test_deleted_entries(void **state)
{
    Reading *reading = *state;
    reading_add(reading, 10);
    reading_connect(reading);
    assert_int_equal(reading_fetch(reading), STATUS_OK);
    redis_server_do(&reading->server, "XTRIM k MAXLEN 2");
    reading_connect(reading);
    reading_take(reading, 2);
    reading_check_quiet(reading);
    reading_check_notice(reading, "entries were deleted on the other side before they were read");
    assert_int_equal(reading_ask(reading, "XPENDING k weir"), 0);
}

static void test_a_group_that_was_deleted(void **state)
{
    Reading *reading = *state;
    reading_add(reading, 10);
    reading_connect(reading);
    reading_check_notice(reading, NULL);
    reading_take(reading, 10);
    redis_server_do(&reading->server, "XGROUP DESTROY k weir");
    reading_add(reading, 3);
    Status status;
    while ((status = reading_fetch_once(reading)) == STATUS_OK) {
        reading->source->ops->wait(reading->source, 100000);
    }
    assert_int_equal(status, STATUS_BUSY);
    reading_connect(reading);
    reading_check_notice(reading, "the group weir of the stream k was deleted, and is made again");
    reading_take(reading, 13); /* from the beginning, as the options say */
    reading_check_quiet(reading);
}

/* One that begins with what is new goes on where it was. */
static void test_a_group_that_begins_now(void **state)
{
    Reading *reading = *state;
    reading->options.from_beginning = false;
    reading_add(reading, 10);
    reading_connect(reading);
    reading_check_quiet(reading);
    reading_add(reading, 5);
    reading_take(reading, 5);
    redis_server_do(&reading->server, "XGROUP DESTROY k weir");
    reading_add(reading, 3);
    reading_connect(reading);
    reading_take(reading, 3);
    redis_server_do(&reading->server, "DEL k");
    reading_add(reading, 2);
    reading_connect(reading);
    reading_take(reading, 2);
    reading_check_quiet(reading);
}

/* Before anything has come there is a place: where `now` was. */
static void take_place(Reading *reading)
{
    for (int64_t until_us = reading_now_us() + PATIENCE_US; reading->group.place_count == 0;) {
        assert_true(reading_now_us() < until_us);
        assert_int_equal(reading_fetch_once(reading), STATUS_OK);
        assert_int_equal(reading->group.count, 0);
    }
    reading_store(reading);
}

static void test_now_is_kept(void **state)
{
    Reading *reading = *state;
    reading->options.from_beginning = false;
    reading_add(reading, 10);
    reading_connect(reading); /* it ends before the place is stored */
    reading_open(reading, "k", "");
    reading_connect(reading);
    take_place(reading);
    redis_server_do(&reading->server, "XGROUP DESTROY k weir");
    reading_add(reading, 3);
    reading_open(reading, "k", "");
    reading_connect(reading);
    reading_take(reading, 3);
    reading_check_quiet(reading);
}

static void test_now_without_a_stream(void **state)
{
    Reading *reading = *state;
    reading->options.from_beginning = false;
    reading_connect(reading);
    take_place(reading);
    assert_string_equal(reading->mark, "0-0");
    for (int count = 0; count <= 4; count += 4) { /* nothing was read of it, and so nothing is lost with it */
        redis_server_do(&reading->server, "FLUSHALL");
        reading_add(reading, count);
        reading_open(reading, "k", "");
        reading_connect(reading);
        reading_check_notice(reading, NULL);
    }
    reading_take(reading, 4);
    reading_check_quiet(reading);
}

static void test_now_of_a_redis_that_was_emptied(void **state)
{
    Reading *reading = *state;
    reading->options.from_beginning = false;
    redis_server_do(&reading->server, "XADD k 9999999999999-0 record {}");
    reading_connect(reading);
    take_place(reading);
    redis_server_do(&reading->server, "FLUSHALL");
    reading_add(reading, 4);
    reading_open(reading, "k", "");
    reading_connect(reading);
    reading_check_notice(reading, "Redis has lost its newest entries");
    reading_take(reading, 4);
    reading_check_quiet(reading);
}

static void test_redis_was_emptied(void **state)
{
    Reading *reading = *state;
    reading_add(reading, 10);
    reading_connect(reading);
    reading_take(reading, 10);
    redis_server_do(&reading->server, "FLUSHALL");
    reading_connect(reading);
    reading_check_notice(reading, "the stream k, of which all up to ");
    reading_add(reading, 2);
    reading_take(reading, 2);
}

/* Without its newest entries and what the group knew of them. */
static void test_redis_has_lost_its_tail(void **state)
{
    Reading *reading = *state;
    reading_add(reading, 10);
    reading_connect(reading);
    reading_take(reading, 10);
    while (reading_ask(reading, "XPENDING k weir") > 0) {
        reading->source->ops->wait(reading->source, 10000);
    }
    int64_t written = redis_server_written(&reading->server);
    reading_add(reading, 10);
    reading_take(reading, 10);
    redis_server_kill(&reading->server);
    redis_server_cut(&reading->server, written);
    redis_server_restart(&reading->server);
    reading_connect(reading);
    reading_check_notice(reading, "Redis has lost its newest entries");
    reading_add(reading, 4);
    reading_take(reading, 4);
    reading_check_quiet(reading);
}

static void test_a_group_ahead_of_its_stream(void **state)
{
    Reading *reading = *state;
    reading_add(reading, 1);
    redis_server_do(&reading->server, "XGROUP CREATE k weir 9999999999999-0");
    reading_connect(reading);
    reading_check_notice(reading, "the group weir is at 9999999999999-0");
}

static void test_another_consumer_is_dead(void **state)
{
    Reading *reading = *state;
    reading->options.claim_us = 300000;
    reading_add(reading, 20);
    redis_server_do(&reading->server, "XGROUP CREATE k weir 0");
    redis_server_do(&reading->server, "XREADGROUP GROUP weir gone COUNT 12 STREAMS k >");
    redis_server_do(&reading->server, "XTRIM k MAXLEN 18");
    reading_connect(reading);
    reading_take(reading, 8);
    int64_t begun_us = reading_now_us();
    reading_take(reading, 10);
    assert_true(reading_now_us() - begun_us < 20000000);
    reading_check_notice(reading, "2 entries were deleted");
    reading_check_quiet(reading);
    assert_int_equal(reading_ask(reading, "XPENDING k weir"), 0);
}

static void test_never_claimed(void **state)
{
    Reading *reading = *state;
    reading->options.claim_us = 0;
    reading_add(reading, 20);
    redis_server_do(&reading->server, "XGROUP CREATE k weir 0");
    redis_server_do(&reading->server, "XREADGROUP GROUP weir gone COUNT 12 STREAMS k >");
    reading_connect(reading);
    reading_take(reading, 8);
    usleep(1200000);
    reading_check_quiet(reading);
}

/* Entries that are small for a long time, and then are not: what comes at once stays bounded, and all of it comes. */
static void test_suddenly_long_entries(void **state)
{
    Reading *reading = *state;
    enum { BYTES = 2 << 20, COUNT = 50 };
    char *text = test_calloc(1, BYTES + 1);
    memset(text, 'x', BYTES);
    reading_add(reading, 100);
    reading_connect(reading);
    reading_take(reading, 100);
    for (int i = 0; i < COUNT; i++) {
        redis_server_do(&reading->server, "XADD k * record %s", text);
    }
    size_t taken = 0, losses = 0;
    while (taken < COUNT) {
        Status status = reading_fetch(reading);
        if (status == STATUS_BUSY) {
            reading_check_error(reading, "an answer is longer than 64 MiB");
            reading_connect(reading);
            losses++;
            continue;
        }
        assert_int_equal(status, STATUS_OK);
        assert_true(reading->group.bytes <= SOURCE_GROUP_BYTES);
        for (size_t i = 0; i < reading->group.count; i++) {
            assert_int_equal(reading->group.messages[i].raw.len, BYTES);
            assert_true(reading->group.messages[i].refused.len > 0);
        }
        taken += reading->group.count;
        reading_store(reading);
    }
    assert_int_equal(taken, COUNT);
    assert_in_range(losses, 0, 3);
    reading_check_quiet(reading);
    test_free(text);
}

/* ---- Lists ------------------------------------------------------------------------------------------------------- */

static void test_a_dead_process_of_ours(void **state)
{
    Reading *reading = *state;
    reading_open(reading, "", "k");
    for (int i = 0; i < MANY; i++) {
        redis_server_do(&reading->server, "LPUSH k %d", i);
    }
    for (int i = 0; i < 30; i++) {
        redis_server_do(&reading->server, "LMOVE k k:weir:weir-ab020300000000000000000000000000 RIGHT LEFT");
    }
    reading_connect(reading);
    int expected = 0;
    while (expected < MANY) { /* in their order, what was taken before first */
        assert_int_equal(reading_fetch(reading), STATUS_OK);
        for (size_t i = 0; i < reading->group.count; i++) {
            char number[16];
            snprintf(number, sizeof number, "%d", expected++);
            assert_true(str_is(reading->group.messages[i].raw, number));
        }
        reading_store(reading);
    }
    reading_check_quiet(reading);
    assert_int_equal(reading_ask(reading, "LLEN k:weir:weir-ab020300000000000000000000000000"), 0);
}

/* Somebody reaches into the list of what is under way: only what was stored goes, the rest stays. */
static void test_only_what_was_stored_goes(void **state)
{
    Reading *reading = *state;
    reading_open(reading, "", "k");
    redis_server_do(&reading->server, "RPUSH k same b same a");
    reading_connect(reading);
    assert_int_equal(reading_fetch(reading), STATUS_OK);
    assert_int_equal(reading->group.count, 4);
    redis_server_do(&reading->server, "RPUSH k:weir:weir-ab020300000000000000000000000000 new");
    redis_server_do(&reading->server, "LREM k:weir:weir-ab020300000000000000000000000000 1 b");
    reading_store(reading);
    while (reading_ask(reading, "LLEN k:weir:weir-ab020300000000000000000000000000") > 1) {
        assert_int_equal(reading_fetch_once(reading), STATUS_OK);
        assert_int_equal(reading->group.count, 0);
        reading->source->ops->wait(reading->source, 10000);
    }
    reading_connect(reading);
    assert_int_equal(reading_fetch(reading), STATUS_OK);
    assert_int_equal(reading->group.count, 1);
    assert_true(str_is(reading->group.messages[0].raw, "new"));
}

static void test_the_same_bytes_are_at_the_same_place(void **state)
{
    Reading *reading = *state;
    reading_open(reading, "", "k");
    redis_server_do(&reading->server, "LPUSH k same same other");
    reading_connect(reading);
    assert_int_equal(reading_fetch(reading), STATUS_OK);
    assert_int_equal(reading->group.count, 3);
    /* printf same | sha256sum */
    assert_true(str_is(reading->group.messages[0].place, "k/bytes:0967115f2813a354"));
    assert_true(str_is(reading->group.messages[1].place, "k/bytes:0967115f2813a354"));
    assert_false(str_equal(reading->group.messages[1].place, reading->group.messages[2].place));
}

static void test_what_is_left_at_the_end_is_given_back(void **state)
{
    Reading *reading = *state;
    reading_open(reading, "", "k");
    redis_server_do(&reading->server, "RPUSH k c b a");
    reading_connect(reading);
    assert_int_equal(reading_fetch(reading), STATUS_OK);
    reading_open(reading, "", "k");
    assert_int_equal(reading_ask(reading, "LLEN k"), 3);
    redisReply *reply = redis_server_ask(&reading->server, "LRANGE k 0 -1");
    assert_string_equal(reply->element[0]->str, "c");
    assert_string_equal(reply->element[2]->str, "a");
    freeReplyObject(reply);
}

static void test_scripts_forgotten(void **state)
{
    Reading *reading = *state;
    reading_open(reading, "", "k");
    reading_connect(reading);
    reading_check_quiet(reading);
    redis_server_do(&reading->server, "SCRIPT FLUSH");
    redis_server_do(&reading->server, "LPUSH k {}");
    Status status;
    while ((status = reading_fetch_once(reading)) == STATUS_OK && reading->group.count == 0) {
        reading->source->ops->wait(reading->source, 100000);
    }
    if (status != STATUS_OK) {
        assert_int_equal(status, STATUS_BUSY);
        reading_check_error(reading, "NOSCRIPT");
    }
    reading_connect(reading);
    reading_take(reading, 1);
    reading_check_quiet(reading);
}

/* ---- Both -------------------------------------------------------------------------------------------------------- */

static void check_full(Reading *reading, bool list)
{
    reading_connect(reading);
    reading_check_quiet(reading);
    redis_server_do(&reading->server, list ? "LPUSH l {}" : "XADD k * record {}");
    redis_server_do(&reading->server, "CONFIG SET maxmemory 1");
    reading_connect(reading);
    reading_take(reading, 1);
    reading_check_quiet(reading);
    redis_server_do(&reading->server, "CONFIG SET maxmemory 0");
}

/* It can be read empty all the same. */
static void test_full(void **state)
{
    Reading *reading = *state;
    check_full(reading, false);
    reading_open(reading, "", "l");
    check_full(reading, true);
}

static void check_fails(Reading *reading, Status expected, const char *what)
{
    Status status = reading_try_connect(reading);
    if (status == STATUS_OK) {
        status = reading_fetch(reading);
    }
    assert_int_equal(status, expected);
    reading_check_error(reading, what);
    assert_int_equal(reading_fetch_once(reading), STATUS_BUSY); /* it is no more connected */
}

static void test_other_kinds(void **state)
{
    Reading *reading = *state;
    redis_server_do(&reading->server, "SET k x");
    check_fails(reading, STATUS_REFUSED, "the stream k: WRONGTYPE");
    reading_open(reading, "", "l, k");
    check_fails(reading, STATUS_REFUSED,
                "WRONGTYPE Operation against a key holding the wrong kind of value (the list k)");
}

static void test_a_replica(void **state)
{
    Reading *reading = *state;
    redis_server_do(&reading->server, "LPUSH l {}");
    redis_server_do(&reading->server, "REPLICAOF 127.0.0.1 1");
    check_fails(reading, STATUS_BUSY, "READONLY");
    reading_open(reading, "", "l");
    check_fails(reading, STATUS_BUSY, "READONLY");
}

static void test_not_let_in(void **state)
{
    Reading *reading = *state;
    char url[160];
    const char *right = reading->options.url;
    snprintf(url, sizeof url, "unix://%s", reading->server.socket_path);
    reading->options.url = url;
    reading_open(reading, "k", "");
    check_fails(reading, STATUS_REFUSED, "NOAUTH");
    reading_open(reading, "", "k");
    check_fails(reading, STATUS_REFUSED, "NOAUTH");
    snprintf(url, sizeof url, "unix://:other@%s", reading->server.socket_path);
    reading_open(reading, "k", "");
    check_fails(reading, STATUS_REFUSED, "WRONGPASS");
    reading->options.url = right;
}

static void test_held_up(void **state)
{
    Reading *reading = *state;
    reading->options.timeout_us = 300000;
    reading_open(reading, "k", "");
    reading_connect(reading);
    redis_server_hold(&reading->server, true);
    assert_int_equal(reading_fetch(reading), STATUS_BUSY);
    reading_check_error(reading, "no answer within 300 ms");
    int64_t begun_us = reading_now_us();
    assert_int_equal(reading_try_connect(reading), STATUS_BUSY);
    assert_true(reading_now_us() - begun_us < 10000000);
    redis_server_hold(&reading->server, false);
    reading_add(reading, 1);
    reading_connect(reading);
    reading_take(reading, 1);
}

static void check_lag(Reading *reading, int64_t messages)
{
    SourceLag lag = {0};
    int64_t until_us = reading_now_us() + PATIENCE_US;
    do {
        assert_true(reading_now_us() < until_us);
        assert_int_equal(reading->source->ops->fetch(reading->source, NULL, &reading->error), STATUS_OK);
        reading->source->ops->wait(reading->source, 100000);
        reading->source->ops->lag(reading->source, &lag);
    } while (lag.messages != messages);
}

static void test_lag(void **state)
{
    Reading *reading = *state;
    SourceLag lag;
    reading_connect(reading);
    reading_add(reading, 7);
    check_lag(reading, 7);
    assert_int_equal(reading_fetch(reading), STATUS_OK);
    size_t count = reading->group.count;
    do {
        check_lag(reading, 7);
        reading->source->ops->lag(reading->source, &lag);
    } while (lag.oldest_us == 0);
    assert_in_range(lag.oldest_us, clock_wall_us(&clock_system) - PATIENCE_US, clock_wall_us(&clock_system));
    reading_store(reading);
    reading_take(reading, 7 - count);
    check_lag(reading, 0);
    reading_open(reading, "", "a,b");
    reading_connect(reading);
    redis_server_do(&reading->server, "LPUSH a 1 2 3");
    redis_server_do(&reading->server, "LPUSH b 1 2");
    check_lag(reading, 5);
}

static void check_refused(Reading *reading, const char *streams, const char *url, const char *what)
{
    Source *source;
    SourceOptions options = reading->options;
    SourceContext context = {.options = &options, .info = &reading_info, .clock = &clock_system};
    options.streams = streams;
    options.url = url;
    assert_int_equal(source_open(&context, &source, &reading->error), STATUS_REFUSED);
    if (!strstr(reading->error.message, what)) {
        fail_msg("%s", reading->error.message);
    }
}

static void test_options(void **state)
{
    Reading *reading = *state;
    check_refused(reading, "a, b,a", reading->options.url, "streams: a is named twice");
    check_refused(reading, " , ", reading->options.url, "streams: names no key");
    check_refused(reading, "a,b\na,b", reading->options.url,
                  "streams: a,b is named twice"); /* lines, where one has a comma */
    check_refused(reading, "a\xff", reading->options.url, "streams: a key is longer than 511 bytes, or not UTF-8");
    check_refused(reading, "a", "http://x", "url");
}

/* Who names files for TLS believes that there is some. */
static void test_options_of_tls(void **state)
{
    Reading *reading = *state;
    reading->options.ca_file = "/ca.pem";
    check_refused(reading, "a", "redis://h", "ca_file: it is for TLS, and the URL says that there is none");
    check_refused(reading, "a", "unix:///run/redis", "ca_file: it is for TLS");
    reading->options.ca_file = "";
    reading->options.cert_file = "/cert.pem";
    check_refused(reading, "a", "redis://h", "cert_file: it is for TLS");
    check_refused(reading, "a", "rediss://h", "key_file: is missing, and cert_file is there");
    reading->options.cert_file = "";
    reading->options.key_file = "/key.pem";
    check_refused(reading, "a", "redis://h", "key_file: it is for TLS");
    check_refused(reading, "a", "rediss://h", "cert_file: is missing, and key_file is there");
}

int main(void)
{
    if (!redis_server_can_be_had()) {
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        REDIS_TEST(test_deleted_entries),
        REDIS_TEST(test_a_group_that_was_deleted),
        REDIS_TEST(test_a_group_that_begins_now),
        REDIS_TEST(test_now_is_kept),
        REDIS_TEST(test_now_without_a_stream),
        REDIS_TEST(test_now_of_a_redis_that_was_emptied),
        REDIS_TEST(test_redis_was_emptied),
        REDIS_TEST(test_redis_has_lost_its_tail),
        REDIS_TEST(test_a_group_ahead_of_its_stream),
        REDIS_TEST(test_another_consumer_is_dead),
        REDIS_TEST(test_never_claimed),
        REDIS_TEST(test_suddenly_long_entries),
        REDIS_TEST(test_a_dead_process_of_ours),
        REDIS_TEST(test_only_what_was_stored_goes),
        REDIS_TEST(test_the_same_bytes_are_at_the_same_place),
        REDIS_TEST(test_what_is_left_at_the_end_is_given_back),
        REDIS_TEST(test_scripts_forgotten),
        REDIS_TEST(test_full),
        REDIS_TEST(test_other_kinds),
        REDIS_TEST(test_a_replica),
        REDIS_TEST(test_not_let_in),
        REDIS_TEST(test_held_up),
        REDIS_TEST(test_lag),
        REDIS_TEST(test_options),
        REDIS_TEST(test_options_of_tls),
    };
    return cmocka_run_group_tests_name("source-redis-faults", tests, NULL, NULL);
}
