#include "unit.h"

#include "intake/redis_entry.h"

#include <stdlib.h>

enum { JSON_BYTES_MAX = 1 << 16 };

/* What Redis would have sent for these words: name, value, name, value … */
static redisReply *fields_of(const Str *words, size_t count)
{
    Buf wire;
    void *reply = NULL;
    redisReader *reader = redisReaderCreate();
    buf_init(&wire, JSON_BYTES_MAX);
    buf_printf(&wire, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&wire, "$%zu\r\n", words[i].len);
        buf_put(&wire, words[i]);
        BUF_PUT(&wire, "\r\n");
    }
    assert_int_equal(redisReaderFeed(reader, wire.ptr, wire.len), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    buf_release(&wire);
    return reply;
}

#define CHECK(expected_raw, expected_refused, expected_traceparent, ...)                                               \
    do {                                                                                                               \
        const Str words[] = {__VA_ARGS__};                                                                             \
        check(words, sizeof words / sizeof *words, expected_raw, expected_refused, expected_traceparent);              \
    } while (0)

static void check(const Str *words, size_t count, Str raw, const char *refused, const char *traceparent)
{
    Buf json;
    buf_init(&json, 256);
    redisReply *fields = fields_of(words, count);
    RedisEntry entry = redis_entry_read(fields, &json);
    if (raw.ptr && !str_equal(entry.raw, raw)) {
        fail_msg("%.*s", STR_ARGS(entry.raw));
    }
    assert_true(str_is(entry.traceparent, traceparent));
    assert_true(refused ? entry.refused && strstr(entry.refused, refused) : !entry.refused);
    freeReplyObject(fields);
    buf_release(&json);
}

/* It is no entry that is too long, and what is there of it is not all. */
static void test_no_memory(void **state)
{
    (void)state;
    const Str words[] = {STR("recordId"), STR("r-1"), STR("value"), STR("1")};
    Budget budget = {.bytes_max = 1};
    Buf json;
    buf_init(&json, 256);
    redisReply *fields = fields_of(words, 4);
    assert_false(redis_entry_read(fields, &json).no_memory);
    buf_release(&json);
    json.budget = &budget;
    assert_true(redis_entry_read(fields, &json).no_memory);
    freeReplyObject(fields);
    buf_release(&json);
}

static void test_one_field_is_the_record(void **state)
{
    (void)state;
    CHECK(STR("{}"), NULL, "", STR("record"), STR("{}"));
    CHECK(STR("{}"), NULL, "", STR("a"), STR("1"), STR("data"), STR("2"), STR("record"), STR("{}"));
    CHECK(STR("2"), NULL, "", STR("a"), STR("1"), STR("data"), STR("2"));
    CHECK(STR("1"), NULL, "", STR("anything"), STR("1"));
    CHECK(STR("1"), NULL, "t", STR("traceparent"), STR("t"), STR("anything"), STR("1"));
    CHECK(STR("a\0\xff"), NULL, "", STR("record"), STR("a\0\xff"));
    CHECK(STR(""), NULL, "", STR("record"), STR(""));
}

static void test_fields_are_the_record(void **state)
{
    (void)state;
    CHECK(STR("{\"value\":\"1\",\"unit\":\"a\\\"\\u0001\\n\"}"), NULL, "", STR("value"), STR("1"), STR("unit"),
          STR("a\"\1\n"));
    CHECK(STR("{\"value\":\"1\",\"unit\":\"\"}"), NULL, "t", STR("value"), STR("1"), STR("traceparent"), STR("t"),
          STR("unit"), STR(""));
    CHECK(STR("{\"a\":\"1\",\"a\":\"2\"}"), NULL, "", STR("a"), STR("1"), STR("a"), STR("2"));
    CHECK(STR("{}"), NULL, "t", STR("traceparent"), STR("t"));
}

static void test_fields_that_cannot_be_a_record(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof text);
    CHECK(STR("{\"a\":\"\xEF\xBF\xBD\",\"b\":\"\"}"), "UTF-8", "", STR("a"), STR("\xff"), STR("b"), STR(""));
    CHECK(STR("{\"\xEF\xBF\xBD\":\"1\",\"b\":\"\"}"), "UTF-8", "", STR("\xff"), STR("1"), STR("b"), STR(""));
    CHECK((Str){0}, "longer", "", STR("a"), ((Str){text, sizeof text}), STR("b"), STR(""));
}

static void check_id(const char *text, bool ok, uint64_t ms, uint64_t seq)
{
    RedisEntryId id = {7, 7};
    assert_int_equal(redis_entry_id_parse(str_from(text), &id), ok);
    assert_true(id.ms == ms && id.seq == seq);
}

static void test_ids(void **state)
{
    (void)state;
    char text[REDIS_ENTRY_ID_BYTES_MAX];
    check_id("1714000000000-3", true, 1714000000000, 3);
    check_id("18446744073709551615-18446744073709551615", true, UINT64_MAX, UINT64_MAX);
    check_id("5", true, 5, 0);
    check_id("", false, 0, 0);
    check_id("5-", false, 0, 0);
    check_id("-5", false, 0, 0);
    check_id("5-5-5", false, 0, 0);
    check_id("18446744073709551616-0", false, 0, 0);
    size_t len = redis_entry_id_format((RedisEntryId){UINT64_MAX, UINT64_MAX}, text);
    assert_string_equal(text, "18446744073709551615-18446744073709551615");
    assert_int_equal(len, strlen(text));
    assert_true(redis_entry_id_compare((RedisEntryId){1, 9}, (RedisEntryId){2, 0}) < 0);
    assert_true(redis_entry_id_compare((RedisEntryId){2, 1}, (RedisEntryId){2, 0}) > 0);
    assert_int_equal(redis_entry_id_compare((RedisEntryId){2, 1}, (RedisEntryId){2, 1}), 0);
}

static void test_replies(void **state)
{
    (void)state;
    const Str words[] = {STR("name"), STR("weir"), STR("lag"), STR("3"), STR("odd")};
    redisReply *fields = fields_of(words, 5);
    assert_true(str_is(redis_reply_text(redis_reply_field(fields, "lag")), "3"));
    assert_null(redis_reply_field(fields, "odd"));
    assert_null(redis_reply_field(fields, "weir"));
    assert_null(redis_reply_field(fields->element[0], "name"));
    assert_int_equal(redis_reply_text(fields).len, 0);
    freeReplyObject(fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_one_field_is_the_record),
        cmocka_unit_test(test_fields_are_the_record),
        cmocka_unit_test(test_fields_that_cannot_be_a_record),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests_name("redis_entry", tests, NULL, NULL);
}
