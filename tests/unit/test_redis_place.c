/* What Redis's answers say: where streams stand and whose they are, what became of a group, what an error means. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "broker/redis_conn.h"
#include "deliver/redis_place.h"
#include "deliver/redis_script.h"

static const StoreInfo info = {.id = {0xab, 1}, .epoch = 3};
#define STORE "ab010000000000000000000000000000"
static const RedisOwner owner = {.info = &info, .sink = "audit", .hash = "w:weir", .remembers = true};

/* The reply that these bytes of the protocol are. */
static redisReply *reply_from(const char *bytes)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    assert_int_equal(redisReaderFeed(reader, bytes, strlen(bytes)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

/* ---- Answers of the server --------------------------------------------------------------------------------------- */

static void test_stream_answer(void **state)
{
    (void)state;
    redisReply *reply = reply_from("*8\r\n$6\r\nlength\r\n:1\r\n$17\r\nlast-generated-id\r\n$3\r\n7-0\r\n"
                                   "$6\r\ngroups\r\n:0\r\n$10\r\nlast-entry\r\n*2\r\n$3\r\n7-0\r\n*4\r\n$2\r\nid\r\n"
                                   "$5\r\nab-37\r\n$4\r\ntype\r\n$12\r\nnotification\r\n");
    RedisStream stream = {.key = "notifications"};
    Error error;
    assert_int_equal(redis_stream_read(&stream, reply, &error), STATUS_OK);
    assert_true(str_is(stream.last_id, "7-0"));
    assert_true(str_is(stream.message_id, "ab-37"));
    freeReplyObject(reply);
}

static Status read_stream(const char *bytes, Error *reterr)
{
    redisReply *reply = reply_from(bytes);
    RedisStream stream = {.key = "notifications"};
    Status status = redis_stream_read(&stream, reply, reterr);
    assert_int_equal(stream.last_id.len, 0);
    freeReplyObject(reply);
    return status;
}

static void test_other_stream_answers(void **state)
{
    (void)state;
    Error error = {0};
    assert_int_equal(read_stream("-ERR no such key\r\n", &error), STATUS_OK);
    assert_int_equal(read_stream("-LOADING Redis is loading the dataset in memory\r\n", &error), STATUS_BUSY);
    assert_int_equal(read_stream("-WRONGTYPE Operation against a key\r\n", &error), STATUS_REFUSED);
    assert_non_null(strstr(error.message, "the key notifications is in use for something else"));
    assert_int_equal(read_stream("-ERR unknown command `XINFO`\r\n", &error), STATUS_REFUSED);
    assert_int_equal(read_stream("*2\r\n$6\r\nlength\r\n:1\r\n", &error), STATUS_REFUSED);
    assert_non_null(strstr(error.message, "Redis 5.0"));
    assert_int_equal(read_stream("+OK\r\n", &error), STATUS_REFUSED);
    assert_int_equal(read_stream("*-1\r\n", &error), STATUS_REFUSED);
}

static void test_hash_answer(void **state)
{
    (void)state;
    redisReply *reply = reply_from("*8\r\n$5\r\nstore\r\n$2\r\nab\r\n$5\r\nepoch\r\n$1\r\n3\r\n"
                                   "$10\r\nsink:audit\r\n$3\r\n9-0\r\n$8\r\nw:alerts\r\n$3\r\n5-0\r\n");
    RedisStanding standing = {.stream_count = 2, .streams = {{.key = "w:notifications"}, {.key = "w:alerts"}}};
    Error error;
    assert_int_equal(redis_standing_read(&standing, &owner, reply, &error), STATUS_OK);
    assert_true(str_is(standing.store, "ab"));
    assert_true(str_is(standing.epoch, "3"));
    assert_true(str_is(standing.place_id, "9-0"));
    assert_int_equal(standing.streams[0].remembered_id.len, 0);
    assert_true(str_is(standing.streams[1].remembered_id, "5-0"));
    freeReplyObject(reply);
    reply = reply_from("-NOPERM this user has no permissions\r\n");
    assert_int_equal(redis_standing_read(&standing, &owner, reply, &error), STATUS_REFUSED);
    freeReplyObject(reply);
}

static void check_answer(const char *bytes, size_t added, const char *problem)
{
    redisReply *reply = reply_from(bytes);
    RedisAnswer answer = redis_script_answer(reply);
    assert_int_equal(answer.added, added);
    assert_true(str_is(answer.error, problem));
    freeReplyObject(reply);
}

static void test_group_answers(void **state)
{
    (void)state;
    check_answer("*2\r\n:12\r\n$0\r\n\r\n", 12, "");
    check_answer("*2\r\n:3\r\n$8\r\nOOM full\r\n", 3, "OOM full");
    check_answer("*2\r\n:0\r\n$13\r\n-READONLY x\r\n\r\n", 0, "READONLY x");
    check_answer("-NOSCRIPT No matching script\r\n", 0, "NOSCRIPT No matching script");
    check_answer("*2\r\n:-1\r\n$0\r\n\r\n", 0, "not the script's answer");
    check_answer("*1\r\n:1\r\n", 0, "not the script's answer");
    check_answer("+OK\r\n", 0, "not the script's answer");
    check_answer("$-1\r\n", 0, "not the script's answer");
}

static void test_errors(void **state)
{
    (void)state;
    assert_int_equal(redis_error_status(STR("")), STATUS_OK);
    static const char *const staying[] = {"WRONGPASS invalid username-password pair",
                                          "NOAUTH Authentication required.",
                                          "-NOPERM no",
                                          "ERR invalid password",
                                          "ERR DB index is out of range",
                                          "MOVED 1 127.0.0.1:7000",
                                          "DENIED Redis is running in protected mode",
                                          "ERR Client sent AUTH, but no password is set"};
    static const char *const passing[] = {
        "LOADING Redis is loading",    "OOM command not allowed", "READONLY You can't",
        "MASTERDOWN Link with MASTER", "BUSY Redis is busy",      "MISCONF Redis is",
        "CLUSTERDOWN The cluster is",  "NOREPLICAS Not enough",   "ERR max number of clients reached"};
    for (size_t i = 0; i < sizeof staying / sizeof *staying; i++) {
        assert_int_equal(redis_error_status(str_from(staying[i])), STATUS_REFUSED);
    }
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        assert_int_equal(redis_error_status(str_from(passing[i])), STATUS_BUSY);
    }
    assert_true(str_is(redis_error_text(STR("-ERR x\r\n")), "ERR x"));
}

/* ---- Decisions --------------------------------------------------------------------------------------------------- */

/* A hash of ours at `place`, and one stream. */
static RedisStanding standing_of(const char *place, const char *last, const char *remembered)
{
    return (RedisStanding){.store = STR(STORE),
                           .epoch = STR("3"),
                           .place_id = str_from(place),
                           .stream_count = 1,
                           .streams = {{.key = "w:notifications",
                                        .last_id = str_from(last),
                                        .remembered_id = str_from(remembered),
                                        .sink = STR("audit")}}};
}

static RedisDecision decided(const RedisStanding *standing, SinkPlace ours)
{
    RedisDecision decision;
    Error error = {0};
    if (redis_place_decide(standing, &owner, ours, &decision, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return decision;
}

static void check_place(RedisStanding standing, SinkPlace ours, int64_t cursor, int64_t sent_seq)
{
    RedisDecision decision = decided(&standing, ours);
    assert_int_equal(decision.theirs.cursor, cursor);
    assert_int_equal(decision.theirs.sent_seq, sent_seq);
    assert_string_equal(decision.notice, "");
}

static void test_places(void **state)
{
    (void)state;
    SinkPlace ours = {.cursor = 120, .sent_seq = 100};
    /* As we left it: what is between was not wanted. */
    check_place(standing_of("100-0", "100-0", "100-0"), ours, 120, 100);
    /* We crashed before our cursor was written. */
    check_place(standing_of("150-0", "150-0", "150-0"), ours, 150, 150);
    check_place(standing_of("110-0", "110-0", "110-0"), ours, 120, 110);
    /* Redis has lost its tail, the last time all of it. */
    check_place(standing_of("60-0", "60-0", "60-0"), ours, 60, 60);
    check_place(standing_of("0-0", "", ""), ours, 0, 0);
    /* The sink's last message went to a stream that it does not want any more. */
    check_place(standing_of("100-0", "90-0", "90-0"), ours, 120, 100);
    /* A consumer has made the stream, for its group, before there was anything. */
    check_place(standing_of("", "0-0", ""), (SinkPlace){0}, 0, 0);
}

static void test_a_new_sink_never_goes_behind_its_beginning(void **state)
{
    (void)state;
    RedisStanding standing = {.stream_count = 1, .streams = {{.key = "w:notifications"}}};
    RedisDecision decision = decided(&standing, (SinkPlace){.cursor = 5000, .sent_seq = 0});
    assert_int_equal(decision.theirs.cursor, 5000);
    assert_int_equal(decision.theirs.sent_seq, 0);
    assert_int_equal(decision.place_seq, 5000);
    assert_string_equal(decision.notice, "");
}

static void test_vanished(void **state)
{
    (void)state;
    RedisStanding standing = standing_of("100-0", "", "90-0");
    RedisDecision decision = decided(&standing, (SinkPlace){.cursor = 100, .sent_seq = 100});
    assert_int_equal(decision.theirs.cursor, 100);
    assert_int_equal(decision.place_seq, 100);
    assert_non_null(
        strstr(decision.notice, "the stream w:notifications was deleted on the other side (it went up to 90-0)"));
    /* All of it. */
    RedisStanding nothing = {.stream_count = 1, .streams = {{.key = "w:notifications"}}};
    decision = decided(&nothing, (SinkPlace){.cursor = 120, .sent_seq = 100});
    assert_int_equal(decision.theirs.cursor, 120);
    assert_int_equal(decision.place_seq, 120);
    assert_non_null(strstr(decision.notice, "nothing is there of the messages up to 100"));
}

static void test_the_hash_vanished(void **state)
{
    (void)state;
    char id[MESSAGE_ID_BYTES_MAX];
    RedisStanding standing = {.stream_count = 1, .streams = {{.key = "w:notifications", .last_id = STR("70-0")}}};
    standing.streams[0].message_id = (Str){id, message_id_format(&info, 70, id)};
    RedisDecision decision = decided(&standing, (SinkPlace){.cursor = 50, .sent_seq = 50});
    assert_int_equal(decision.theirs.cursor, 70);
    assert_int_equal(decision.place_seq, 70);
}

static void check_refused(RedisStanding standing, const char *why)
{
    RedisDecision decision;
    Error error = {0};
    assert_int_equal(redis_place_decide(&standing, &owner, (SinkPlace){0}, &decision, &error), STATUS_REFUSED);
    if (!strstr(error.message, why)) {
        fail_msg("%s", error.message);
    }
}

static void test_anothers(void **state)
{
    (void)state;
    char id[MESSAGE_ID_BYTES_MAX];
    RedisStanding standing = standing_of("10-0", "10-0", "10-0");
    standing.store = STR("ff");
    check_refused(standing, "belong to another store (ff)");
    standing = standing_of("10-0", "10-0", "10-0");
    standing.epoch = STR("2");
    check_refused(standing, "before this store was restored (epoch 2, now 3)");
    standing = standing_of("10-0", "10-0", "10-0");
    standing.streams[0].sink = STR("other");
    check_refused(standing, "HDEL w:weir w:notifications:sink");
    check_refused(standing_of("10-0", "11-0", "10-0"), "has an entry 11-0 that is not of this store");
    check_refused(standing_of("10-0", "1735725600000-3", "10-0"), "has an entry 1735725600000-3");
    check_refused(standing_of("10-0", "99999999999999999999-0", "10-0"), "has an entry");
    /* Of this store, but another message than the entry's id says. */
    standing = standing_of("", "70-0", "");
    standing.streams[0].message_id = (Str){id, message_id_format(&info, 69, id)};
    check_refused(standing, "has an entry 70-0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_answer),
        cmocka_unit_test(test_other_stream_answers),
        cmocka_unit_test(test_hash_answer),
        cmocka_unit_test(test_group_answers),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_a_new_sink_never_goes_behind_its_beginning),
        cmocka_unit_test(test_vanished),
        cmocka_unit_test(test_the_hash_vanished),
        cmocka_unit_test(test_anothers),
    };
    return cmocka_run_group_tests_name("redis_place", tests, NULL, NULL);
}
