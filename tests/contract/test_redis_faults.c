/* The sink `redis` when Redis is full, held up, emptied, killed, or has lost its tail; and TLS. On a real
 * redis-server. */
#include "redis_line.h"

#include <unistd.h>

#include "broker/redis_tls.h"
#include "support/random.h"

static void test_vanished_streams(void **state)
{
    RedisLine *line = *state;
    redis_line_must_connect(line);
    redis_line_deliver(line, 20);
    redis_server_do(&line->server, "DEL notifications");
    redis_line_must_connect(line);
    assert_int_equal(line->place.cursor, 20);
    assert_non_null(strstr(line->sink->notice.ptr, "the stream notifications was deleted"));
    redis_line_deliver(line, 39);
    assert_int_equal(redis_line_length(line, "notifications"), 18);
    assert_int_equal(redis_line_length(line, "alerts"), 3);
    redis_server_do(&line->server, "FLUSHALL");
    redis_line_must_connect(line);
    assert_int_equal(line->place.cursor, 39);
    assert_non_null(strstr(line->sink->notice.ptr, "nothing is there of the messages up to 39"));
    redis_line_deliver(line, 60);
    redis_line_check(line, 40, 60);
    redis_line_must_connect(line);
    assert_int_equal(line->sink->notice.len, 0);
}

/* Sends first … last on the connection as it is; the stream `key` is found to be deleted, and that is told. */
static void check_deletion_is_told(RedisLine *line, int64_t first, int64_t last, const char *key)
{
    Error error = {0};
    char notice[80];
    snprintf(notice, sizeof notice, "the stream %s was deleted", key);
    assert_int_equal(redis_line_send(line, first, last, true, &error), STATUS_OK);
    redis_line_settle(line);
    assert_int_equal(redis_line_send(line, first, last, true, &error), STATUS_BUSY);
    assert_non_null(strstr(error.message, notice));
    redis_line_must_connect(line);
    assert_non_null(strstr(line->sink->notice.ptr, notice));
}

static void test_deleted_while_connected(void **state)
{
    RedisLine *line = *state;
    redis_line_must_connect(line);
    redis_line_deliver(line, 20);
    redis_server_do(&line->server, "DEL notifications");
    check_deletion_is_told(line, 21, 30, "notifications");
    assert_int_equal(line->place.cursor, 20);
    redis_line_deliver(line, 35);
    redis_server_do(&line->server, "DEL alerts");
    check_deletion_is_told(line, 36, 45, "alerts"); /* the notifications before it are there */
    assert_int_equal(line->place.cursor, 39);
    redis_server_do(&line->server, "DEL notifications");
    redis_server_do(&line->server, "XGROUP CREATE notifications mine 0 MKSTREAM");
    redis_server_do(&line->server, "DEL alerts"); /* again, before it is made anew: that was told */
    check_deletion_is_told(line, 40, 45, "notifications");
    assert_int_equal(line->place.cursor, 40);
    redis_line_deliver(line, 60);
    redis_line_check(line, 40, 60);
    redis_line_must_connect(line);
    assert_int_equal(line->sink->notice.len, 0);
}

/* Trimmed to nothing by somebody else, or never used: no deletion. */
static void test_emptied_is_not_deleted(void **state)
{
    RedisLine *line = *state;
    redis_line_must_connect(line);
    redis_line_deliver(line, 9);
    redis_server_do(&line->server, "XTRIM notifications MAXLEN 0");
    redis_line_deliver(line, 30);
    assert_int_equal(line->again, 0);
    redis_server_do(&line->server, "XDEL alerts 10-0 20-0 30-0");
    redis_line_deliver(line, 45);
    assert_true(line->connected);
    assert_int_equal(redis_line_length(line, "notifications"), 32);
    assert_int_equal(redis_line_length(line, "alerts"), 1);
}

/* Of two groups under way the first stops in the middle; the second, which could be added, is not. */
static void test_an_error_in_the_middle(void **state)
{
    RedisLine *line = *state;
    Error error;
    redis_line_must_connect(line);
    redis_line_deliver(line, 5);
    redis_server_do(&line->server, "DEL alerts");
    redis_server_do(&line->server, "SET alerts x");
    assert_int_equal(redis_line_send(line, 6, 15, true, &error), STATUS_OK); /* 10 is an alert */
    assert_int_equal(redis_line_send(line, 16, 19, true, &error), STATUS_OK);
    redis_line_settle(line);
    assert_int_equal(line->place.cursor, 9);
    assert_int_equal(redis_line_length(line, "notifications"), 9);
    assert_int_equal(redis_line_send(line, 10, 15, true, &error), STATUS_BUSY);
    assert_non_null(strstr(error.message, "WRONGTYPE"));
    redis_line_check_connect(line, STATUS_REFUSED, "the key alerts is in use for something else");
    redis_server_do(&line->server, "DEL alerts");
    redis_line_must_connect(line);
    assert_int_equal(line->place.cursor, 9);
    redis_line_deliver(line, 30);
    redis_line_check(line, 1, 30);
}

static void test_full_and_scripts_forgotten(void **state)
{
    RedisLine *line = *state;
    Error error;
    redis_line_must_connect(line);
    redis_line_deliver(line, 5);
    redis_server_do(&line->server, "CONFIG SET maxmemory 1");
    assert_int_equal(redis_line_send(line, 6, 15, true, &error), STATUS_OK);
    redis_line_settle(line);
    assert_int_equal(line->place.cursor, 5);
    assert_int_equal(redis_line_send(line, 6, 15, true, &error), STATUS_BUSY);
    assert_non_null(strstr(error.message, "OOM"));
    redis_line_check_connect(line, STATUS_BUSY, "OOM");
    redis_server_do(&line->server, "CONFIG SET maxmemory 0");
    redis_line_must_connect(line);
    redis_server_do(&line->server, "SCRIPT FLUSH");
    redis_line_deliver(line, 30);
    redis_line_check(line, 1, 30);
}

static void test_a_replica_is_not_written(void **state)
{
    RedisLine *line = *state;
    redis_line_must_connect(line);
    redis_line_deliver(line, 5);
    redis_server_do(&line->server, "CONFIG SET replica-serve-stale-data yes");
    redis_server_do(&line->server, "REPLICAOF 127.0.0.1 1");
    redis_line_check_connect(line, STATUS_BUSY, "READONLY");
    redis_server_do(&line->server, "REPLICAOF NO ONE");
    redis_line_must_connect(line);
    redis_line_deliver(line, 30);
    redis_line_check(line, 1, 30);
}

/* No answer in time; the group comes late, behind the back of the next connection. */
static void test_late_groups(void **state)
{
    RedisLine *line = *state;
    Error error = {0};
    line->options.timeout_us = SECOND_US / 5;
    redis_line_must_connect(line);
    redis_line_deliver(line, 5);
    redis_server_hold(&line->server, true);
    assert_int_equal(redis_line_send(line, 6, 15, true, &error), STATUS_OK);
    redis_line_settle(line);
    assert_int_equal(redis_line_send(line, 6, 15, true, &error), STATUS_BUSY);
    assert_non_null(strstr(error.message, "no answer within"));
    redis_line_check_connect(line, STATUS_BUSY, "no answer within");
    redis_server_hold(&line->server, false);
    line->connected = false;
    redis_line_deliver(line, 30);
    redis_line_check(line, 1, 30);
}

static void test_two_writers(void **state)
{
    RedisLine *line = *state;
    Error error;
    redis_line_must_connect(line);
    redis_line_deliver(line, 5);
    RedisLine other = *line;
    other.sink = redis_line_open(&other.context);
    redis_line_must_connect(&other);
    redis_line_deliver(&other, 15);
    assert_int_equal(redis_line_send(line, 6, 9, true, &error), STATUS_OK);
    redis_line_settle(line);
    assert_int_equal(redis_line_send(line, 6, 9, true, &error), STATUS_BUSY);
    assert_non_null(strstr(error.message, "the streams stand at 15-0"));
    redis_line_must_connect(line);
    assert_int_equal(line->place.cursor, 15);
    sink_close(other.sink);
    redis_line_check(line, 1, 15);
}

/* ---- Kills ------------------------------------------------------------------------------------------------------- */

/* Redis is killed in the middle of groups again and again, and loses up to `lost_max` bytes each time. */
static void deliver_under_kills(RedisLine *line, int64_t last, int kills, uint64_t lost_max, uint64_t seed)
{
    int64_t until_us = clock_monotonic_us(&clock_system) + 100 * (int64_t)SECOND_US;
    int killed = 0;
    redis_line_must_connect(line);
    int64_t floor = redis_server_written(&line->server);
    for (int64_t next = last / kills; line->place.cursor < last;) {
        bool sent = redis_line_turn(line, last);
        assert_true(clock_monotonic_us(&clock_system) < until_us);
        if (!sent || line->sent_seq < next || random_below(&seed, 3)) {
            continue;
        }
        usleep((unsigned)random_below(&seed, 2500));
        redis_server_kill(&line->server);
        killed++;
        int64_t written = redis_server_written(&line->server);
        int64_t left = written - (lost_max ? (int64_t)random_below(&seed, lost_max) : 0);
        redis_server_cut(&line->server, left > floor ? left : floor);
        redis_server_restart(&line->server);
        next = line->sent_seq + last / kills;
    }
    redis_line_check(line, 1, last);
    assert_true(killed > kills / 2);
}

static void test_killed_in_the_middle_of_groups(void **state)
{
    RedisLine *line = *state;
    deliver_under_kills(line, 20000, 15, 0, 1);
    assert_int_equal(line->again, 0);
}

static void test_killed_and_lost_its_tail(void **state)
{
    RedisLine *line = *state;
    deliver_under_kills(line, 20000, 15, 100000, 2);
    assert_true(line->again > 5);
}

/* ---- TLS --------------------------------------------------------------------------------------------------------- */

static void check_tls(RedisLine *line, const char *host, const char *ca_file, const char *why)
{
    char url[128];
    snprintf(url, sizeof url, "rediss://:se%%2Fcret%%401@%s:%d", host, line->server.tls_port);
    line->options.url = url;
    line->options.ca_file = ca_file;
    sink_close(line->sink);
    line->sink = redis_line_open(&line->context);
    if (why) {
        redis_line_check_connect(line, STATUS_BUSY, why);
        return;
    }
    redis_line_must_connect(line);
    redis_line_deliver(line, 5000);
    redis_line_check(line, 1, 5000);
    sink_close(line->sink);
    line->options.url = line->server.url;
    line->options.ca_file = "";
    line->sink = redis_line_open(&line->context);
}

static void test_tls(void **state)
{
    RedisLine *line = *state;
    Error error = {0};
    Sink *sink;
    if (redis_tls_possible(&error) != STATUS_OK) {
        line->options.url = "rediss://localhost";
        assert_int_equal(sink_open(&line->context, &sink, &error), STATUS_REFUSED);
        assert_non_null(strstr(error.message, "url: rediss:// needs hiredis 1.0 or later"));
        return;
    }
    redis_server_stop(&line->server);
    redis_server_start_tls(&line->server);
    check_tls(line, "localhost", "", "certificate verify failed");
    check_tls(line, "127.0.0.1", line->server.ca_file, "certificate verify failed"); /* another host's */
    check_tls(line, "localhost", line->server.ca_file, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REDIS_TEST(test_vanished_streams),
        REDIS_TEST(test_deleted_while_connected),
        REDIS_TEST(test_emptied_is_not_deleted),
        REDIS_TEST(test_an_error_in_the_middle),
        REDIS_TEST(test_full_and_scripts_forgotten),
        REDIS_TEST(test_a_replica_is_not_written),
        REDIS_TEST(test_late_groups),
        REDIS_TEST(test_two_writers),
        REDIS_TEST(test_killed_in_the_middle_of_groups),
        cmocka_unit_test_setup_teardown(test_killed_and_lost_its_tail, redis_line_setup_without_sync,
                                        redis_line_teardown),
        REDIS_TEST(test_tls),
    };
    if (!redis_server_can_be_had()) {
        return SKIPPED;
    }
    return cmocka_run_group_tests_name("redis-faults", tests, NULL, NULL);
}
