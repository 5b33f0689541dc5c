/* What is said of sinks and dead letters, and what is not. */
#include "unit.h"

#include <yyjson.h>

#include "http/sink_json.h"

static Buf buf;

static int set_up(void **state)
{
    (void)state;
    buf_init(&buf, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_release(&buf);
    return 0;
}

static bool says(const char *text) { return memmem(buf.ptr, buf.len, text, strlen(text)) != NULL; }

static void put(SinkType type, const char *url)
{
    const SinkOptions options = {.name = "a",
                                 .type = type,
                                 .url = url,
                                 .brokers = "k:9092",
                                 .secret = "whsec_hunter2",
                                 .properties = "sasl.password=hunter2"};
    const LineStatus line = {.options = &options, .error = "it said \"no\""};
    buf_reset(&buf);
    sink_put_json(&buf, &line, NULL, &line, 1, 2);
    assert_false(says("hunter2"));
    yyjson_doc *doc = yyjson_read(buf.ptr, buf.len, 0);
    assert_non_null(doc);
    yyjson_doc_free(doc);
}

static void test_no_secret_is_said(void **state)
{
    (void)state;
    put(SINK_WEBHOOK, "https://me:hunter2@example.com:8443/a/b?token=hunter2");
    assert_true(says("\"url\":\"https://example.com:8443/a/b\""));
    put(SINK_WEBHOOK, "https://me:hun@ter2@example.com#hunter2");
    assert_true(says("\"url\":\"https://example.com\""));
    put(SINK_REDIS, "redis://:hunter2@[::1]:6379/3");
    assert_true(says("\"url\":\"redis://[::1]:6379/3\""));
    put(SINK_REDIS, "unix://me:hunter2@/run/redis.sock?db=2");
    assert_true(says("\"url\":\"unix:///run/redis.sock\""));
    put(SINK_REDIS, "unix:///run/redis.sock");
    assert_true(says("\"url\":\"unix:///run/redis.sock\""));
    put(SINK_REDIS, "hunter2");
    assert_true(says("\"url\":null"));
    put(SINK_KAFKA, "");
    assert_true(says("\"brokers\":\"k:9092\""));
    assert_false(says("\"url\""));
    assert_true(says("\"lastError\":\"it said \\\"no\\\"\""));
}

/* The store has the word; a line that has not read it yet neither runs nor is paused any more. */
static void test_states(void **state)
{
    static const struct {
        LineState line;
        SinkState stored;
        const char *shown;
    } rows[] = {{LINE_RUNNING, SINK_STATE_ACTIVE, "running"},   {LINE_RUNNING, SINK_STATE_PAUSED, "paused"},
                {LINE_PAUSED, SINK_STATE_ACTIVE, "connecting"}, {LINE_DISABLED, SINK_STATE_ACTIVE, "connecting"},
                {LINE_HOLDING, SINK_STATE_ACTIVE, "holding"},   {LINE_RUNNING, SINK_STATE_DISABLED, "disabled"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const LineStatus line = {.state = rows[i].line};
        const StoredSink stored = {.state = rows[i].stored};
        assert_string_equal(sink_state_text(&line, &stored), rows[i].shown);
    }
    const LineStatus paused = {.state = LINE_PAUSED};
    assert_string_equal(sink_state_text(&paused, NULL), "paused");
}

static void test_raw_bytes(void **state)
{
    (void)state;
    buf_put_char(&buf, '{');
    dead_letter_put_raw(&buf, STR("{\"a\":1}\n"));
    assert_text(buf_str(&buf), "{\"raw\":\"{\\\"a\\\":1}\\n\"");
    buf_reset(&buf);
    dead_letter_put_raw(&buf, STR("\xff\x00\x01z"));
    assert_text(buf_str(&buf), "\"rawBase64\":\"/wABeg==\"");
    buf_reset(&buf);
    dead_letter_put_raw(&buf, (Str){NULL, 0});
    assert_text(buf_str(&buf), "\"raw\":\"\"");
}

/* As long as a dead letter may be, the answer has room for it, whatever it consists of. */
static void test_long_raw_bytes(void **state)
{
    (void)state;
    enum { LONG = 64 << 20, ROOM = 95 << 20 };
    static const struct {
        char byte;
        bool is_text;
    } cases[] = {{'a', true}, {'\1', false}, {'"', false}, {'\xff', false}};
    char *bytes = malloc(LONG);
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf out;
        buf_init(&out, ROOM);
        memset(bytes, cases[i].byte, LONG);
        dead_letter_put_raw(&out, (Str){bytes, LONG});
        assert_false(out.failed);
        assert_true(str_starts_with(buf_str(&out), cases[i].is_text ? STR("\"raw\":\"aa") : STR("\"rawBase64\":\"")));
        buf_reset(&out);
        dead_letter_put_raw(&out, (Str){bytes, cases[i].byte == '\xff' ? 0 : 1000});
        assert_true(str_starts_with(buf_str(&out), STR("\"raw\":")));
        buf_release(&out);
    }
    free(bytes);
}

static void test_attempt(void **state)
{
    (void)state;
    attempt_put_json(&buf, &(StoredAttempt){.number = 2,
                                            .begun_us = 1000000,
                                            .latency_us = 1005,
                                            .code = 503,
                                            .job = 4,
                                            .error = STR("503"),
                                            .response = STR("\xff")});
    assert_text(buf_str(&buf), "{\"number\":2,\"time\":\"1970-01-01T00:00:01Z\",\"taken\":false,\"code\":503,"
                               "\"latencyMs\":1.005,\"error\":\"503\",\"response\":\"\xef\xbf\xbd\",\"replay\":4}");
}

static void check_origin(DeadLetter letter, const char *expected)
{
    letter.id = 7;
    buf_reset(&buf);
    dead_letter_put_fields(&buf, &letter);
    assert_text(buf_str(&buf), expected);
}

/* Where it is from is told in the words of its stage. */
static void test_origins(void **state)
{
    (void)state;
    check_origin(
        (DeadLetter){.stage = DEAD_LETTER_DELIVERY, .origin = STR("hooks"), .seq = 3, .attempts = 2},
        "\"id\":7,\"stage\":\"delivery\",\"state\":\"open\",\"sink\":\"hooks\",\"seq\":3,\"error\":null,\"attempts\":2,"
        "\"createdAt\":null,\"updatedAt\":null");
    check_origin(
        (DeadLetter){.stage = DEAD_LETTER_INTAKE, .origin = STR("orders"), .place = STR("a/0/1"), .raw_bytes = 1},
        "\"id\":7,\"stage\":\"intake\",\"state\":\"open\",\"source\":\"orders\",\"place\":\"a/0/1\",\"format\":null,"
        "\"rawBytes\":1,\"error\":null,\"attempts\":0,\"createdAt\":null,\"updatedAt\":null");
    check_origin(
        (DeadLetter){.stage = DEAD_LETTER_JOB, .origin = STR("b-1"), .place = STR("job/17"), .error = STR("503")},
        "\"id\":7,\"stage\":\"job\",\"state\":\"open\",\"batchId\":\"b-1\",\"jobId\":17,\"error\":\"503\",\"attempts\":"
        "0,"
        "\"createdAt\":null,\"updatedAt\":null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_secret_is_said, set_up, tear_down),
        cmocka_unit_test(test_states),
        cmocka_unit_test_setup_teardown(test_raw_bytes, set_up, tear_down),
        cmocka_unit_test(test_long_raw_bytes),
        cmocka_unit_test_setup_teardown(test_attempt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_origins, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
