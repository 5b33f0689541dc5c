/* What the sink `redis` promises beyond the contract of sinks: what entries are, and whose streams are. On a real
 * redis-server. */
#include "redis_line.h"

static void check_field(const redisReply *fields, size_t at, const char *name, const char *value)
{
    assert_string_equal(fields->element[at]->str, name);
    assert_string_equal(fields->element[at + 1]->str, value);
}

static void test_entries(void **state)
{
    RedisLine *line = *state;
    redis_line_must_connect(line);
    redis_line_deliver(line, 12);
    redis_line_check(line, 1, 12);
    redisReply *reply = redis_server_ask(&line->server, "XRANGE notifications 2-0 3-0");
    const redisReply *plain = reply->element[0]->element[1], *traced = reply->element[1]->element[1];
    assert_int_equal(plain->elements, 10);
    check_field(plain, 0, "id", "abcd0000000000000000000000000000-1-2");
    check_field(plain, 2, "type", "notification");
    check_field(plain, 4, "time", "2025-01-01T10:00:00.25Z");
    check_field(plain, 6, "key", "dest-1");
    check_field(plain, 8, "data", "{\"seq\":2}");
    assert_int_equal(traced->elements, 12);
    check_field(traced, 8, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    check_field(traced, 10, "data", "{\"seq\":3}");
    freeReplyObject(reply);
    reply = redis_server_ask(&line->server, "HGETALL weir");
    for (size_t i = 0; i < reply->elements; i += 2) {
        const char *name = reply->element[i]->str, *value = reply->element[i + 1]->str;
        assert_string_equal(value, strcmp(name, "store") == 0           ? "abcd0000000000000000000000000000"
                                   : strcmp(name, "epoch") == 0         ? "1"
                                   : strcmp(name, "sink:here") == 0     ? "12-0"
                                   : strcmp(name, "notifications") == 0 ? "12-0"
                                   : strcmp(name, "alerts") == 0        ? "10-0"
                                                                        : "here");
    }
    assert_int_equal(reply->elements, 16);
    freeReplyObject(reply);
}

static void test_trim(void **state)
{
    RedisLine *line = *state;
    line->options.trim = 200;
    sink_close(line->sink);
    line->sink = redis_line_open(&line->context);
    redis_line_must_connect(line);
    redis_line_deliver(line, 5000);
    assert_in_range(redis_line_length(line, "notifications"), 200, 400);
    assert_in_range(redis_line_length(line, "alerts"), 200, 400);
    redis_line_must_connect(line); /* what was trimmed has not vanished */
    assert_int_equal(line->place.cursor, 5000);
    assert_int_equal(line->sink->notice.len, 0);
}

static void test_retries_go_beside_the_stream(void **state)
{
    RedisLine *line = *state;
    Error error;
    redis_line_must_connect(line);
    redis_line_deliver(line, 20);
    line->place = (SinkPlace){2, 2};
    assert_int_equal(redis_line_send(line, 3, 4, false, &error), STATUS_OK);
    redis_line_settle(line);
    redis_line_check(line, 1, 20);
    redisReply *reply = redis_server_ask(&line->server, "XRANGE notifications:replay:dead-letters - +");
    assert_int_equal(reply->elements, 2);
    check_field(reply->element[0]->element[1], 0, "id", "abcd0000000000000000000000000000-1-3");
    freeReplyObject(reply);
    line->place = (SinkPlace){20, 20};
    redis_line_must_connect(line);
    redis_line_deliver(line, 30);
    redis_line_check(line, 1, 30);
}

static void test_a_replay_goes_on_where_it_was(void **state)
{
    RedisLine *line = *state;
    redis_line_must_connect(line);
    redis_line_deliver(line, 50);
    sink_close(line->sink);
    line->context.replay_job = 9;
    line->sink = redis_line_open(&line->context);
    line->place = (SinkPlace){10, 10};
    redis_line_must_connect(line);
    assert_int_equal(line->place.cursor, 10);
    redis_line_deliver(line, 25);
    line->place = (SinkPlace){12, 12}; /* we were killed before we had noted the rest */
    redis_line_must_connect(line);
    assert_int_equal(line->place.cursor, 25);
    redis_line_deliver(line, 40);
    assert_int_equal(redis_line_length(line, "notifications:replay:9"), 27);
    assert_int_equal(redis_line_length(line, "alerts:replay:9"), 3);
    redis_line_check(line, 1, 50);
}

/* ---- Whose they are ---------------------------------------------------------------------------------------------- */

static void test_anothers_streams(void **state)
{
    RedisLine *line = *state;
    redis_line_must_connect(line);
    redis_line_deliver(line, 20);
    line->info.epoch = 2;
    redis_line_check_connect(line, STATUS_REFUSED, "before this store was restored (epoch 1, now 2)");
    line->info = (StoreInfo){.id = {0xee}, .epoch = 1};
    redis_line_check_connect(line, STATUS_REFUSED, "belong to another store (abcd");
    line->info = (StoreInfo){.id = {0xab, 0xcd}, .epoch = 1};
    line->options.name = "there";
    sink_close(line->sink);
    line->sink = redis_line_open(&line->context);
    redis_line_check_connect(line, STATUS_REFUSED, "is written by the sink here");
    redis_line_check(line, 1, 20);
}

/* Entries that are not ours, before and after the hash was there. */
static void test_foreign_entries(void **state)
{
    RedisLine *line = *state;
    Error error;
    redis_server_do(&line->server, "XADD notifications * from elsewhere");
    redis_line_check_connect(line, STATUS_REFUSED, "the stream notifications has an entry 1");
    redis_server_do(&line->server, "DEL notifications");
    redis_line_must_connect(line);
    redis_line_deliver(line, 5);
    redis_server_do(&line->server, "XADD notifications 8-0 from elsewhere");
    assert_int_equal(redis_line_send(line, 6, 9, true, &error), STATUS_OK);
    redis_line_settle(line);
    assert_int_equal(line->place.cursor, 5);
    assert_int_equal(redis_line_send(line, 6, 9, true, &error), STATUS_BUSY);
    assert_non_null(strstr(error.message, "equal or smaller"));
    redis_line_check_connect(line, STATUS_REFUSED, "has an entry 8-0");
    redis_server_do(&line->server, "SET dead_letters x");
    redis_server_do(&line->server, "DEL notifications");
    redis_line_check_connect(line, STATUS_REFUSED, "the key dead_letters is in use for something else");
}

static void test_the_hash_was_deleted(void **state)
{
    RedisLine *line = *state;
    redis_line_must_connect(line);
    redis_line_deliver(line, 25);
    redis_server_do(&line->server, "DEL weir");
    line->place = (SinkPlace){10, 10};
    redis_line_must_connect(line);
    assert_int_equal(line->place.cursor, 25);
    redis_line_deliver(line, 30);
    redis_line_check(line, 1, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REDIS_TEST(test_entries),
        REDIS_TEST(test_trim),
        REDIS_TEST(test_retries_go_beside_the_stream),
        REDIS_TEST(test_a_replay_goes_on_where_it_was),
        REDIS_TEST(test_anothers_streams),
        REDIS_TEST(test_foreign_entries),
        REDIS_TEST(test_the_hash_was_deleted),
    };
    if (!redis_server_can_be_had()) {
        return SKIPPED;
    }
    return cmocka_run_group_tests_name("redis-streams", tests, NULL, NULL);
}
