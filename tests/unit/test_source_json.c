/* What is said of sources, and what is not. */
#include "unit.h"

#include <yyjson.h>

#include "http/source_json.h"

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

static void check_json(void)
{
    yyjson_doc *doc = yyjson_read(buf.ptr, buf.len, 0);
    assert_non_null(doc);
    yyjson_doc_free(doc);
}

/* As configured: what is not set is "". */
static SourceOptions options_of(SourceType type)
{
    return (SourceOptions){.name = "a",
                           .type = type,
                           .brokers = "k:9092",
                           .topics = "records.in",
                           .properties = "sasl.password=hunter2",
                           .group = "weir",
                           .url = "redis://me:hunter2@h:6379/1?token=hunter2",
                           .streams = "s1,s2",
                           .lists = "",
                           .consumer = "",
                           .dir = "/srv/drop",
                           .pattern = "*.csv"};
}

static void put(const SourceOptions *options, const SourceStatus *status, const StoredSource *stored)
{
    SourceStatus shown = *status;
    shown.options = options;
    buf_reset(&buf);
    source_put_fields(&buf, &shown, stored);
    buf_put_char(&buf, '}');
    check_json();
    assert_false(says("hunter2"));
}

static void test_where_it_reads(void **state)
{
    const SourceStatus status = {.error = "it said \"no\""};
    SourceOptions options = options_of(SOURCE_KAFKA);
    (void)state;
    put(&options, &status, NULL);
    assert_true(says("\"brokers\":\"k:9092\",\"topics\":\"records.in\",\"group\":\"weir\""));
    assert_true(says("\"lastError\":\"it said \\\"no\\\"\""));
    assert_false(says("\"url\""));
    options = options_of(SOURCE_REDIS);
    put(&options, &status, NULL);
    assert_true(says("\"url\":\"redis://h:6379/1\",\"streams\":\"s1,s2\",\"lists\":null,\"group\":\"weir\""));
    options.streams = "";
    options.lists = "l";
    put(&options, &status, NULL);
    assert_true(says("\"streams\":null,\"lists\":\"l\",\"group\":null"));
    options = options_of(SOURCE_FILES);
    put(&options, &status, NULL);
    assert_true(says("\"dir\":\"/srv/drop\",\"pattern\":\"*.csv\""));
    assert_false(says("\"group\""));
}

static void test_what_is_not_known_is_null(void **state)
{
    const SourceOptions options = options_of(SOURCE_FILES);
    (void)state;
    put(&options, &(SourceStatus){.lag.messages = -1}, NULL);
    assert_true(says("\"reason\":null,\"pausedAt\":null,\"lag\":null,\"oldestWaitingSince\":null,\"messages\":0"));
    assert_true(
        says("\"lastMessageAt\":null,\"lastErrorAt\":null,\"lastError\":null,\"nextTryAt\":null,\"notice\":null"));
    put(&options,
        &(SourceStatus){.condition = SOURCE_HOLDING,
                        .lag = {0, 2000000},
                        .conflicts = 3,
                        .message_us = 1000000,
                        .next_try_us = 4000000,
                        .notice = "n"},
        NULL);
    assert_true(says("\"lag\":0,\"oldestWaitingSince\":\"1970-01-01T00:00:02Z\""));
    assert_true(says("\"conflicts\":3"));
    assert_true(says("\"lastMessageAt\":\"1970-01-01T00:00:01Z\""));
    assert_true(says("\"nextTryAt\":\"1970-01-01T00:00:04Z\",\"notice\":\"n\""));
}

/* The store has the word; a source that has not read it yet neither runs nor is paused any more. */
static void test_states(void **state)
{
    static const struct {
        SourceCondition source;
        SourceState stored;
        const char *shown;
    } rows[] = {{SOURCE_RUNNING, SOURCE_STATE_ACTIVE, "running"}, {SOURCE_RUNNING, SOURCE_STATE_PAUSED, "paused"},
                {SOURCE_FAILED, SOURCE_STATE_PAUSED, "paused"},   {SOURCE_PAUSED, SOURCE_STATE_ACTIVE, "connecting"},
                {SOURCE_HOLDING, SOURCE_STATE_ACTIVE, "holding"}, {SOURCE_FAILED, SOURCE_STATE_ACTIVE, "failed"}};
    const SourceOptions options = options_of(SOURCE_FILES);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const SourceStatus status = {.condition = rows[i].source, .next_try_us = 1};
        const StoredSource stored = {.state = rows[i].stored, .reason = STR("why"), .updated_us = 1000000};
        assert_string_equal(source_state_text(&status, &stored), rows[i].shown);
        put(&options, &status, &stored);
        bool is_paused = rows[i].stored == SOURCE_STATE_PAUSED;
        assert_true(says(is_paused ? "\"reason\":\"why\",\"pausedAt\":\"1970-01-01T00:00:01Z\"" : "\"reason\":null"));
        assert_true(!is_paused || says("\"nextTryAt\":null"));
    }
    assert_string_equal(source_state_text(&(SourceStatus){.condition = SOURCE_RUNNING}, NULL), "running");
}

static void test_places(void **state)
{
    (void)state;
    source_put_place(&buf, &(SourcePlace){.part = STR("records.in/0"), .next = 7, .mark = STR("")});
    assert_text(buf_str(&buf), "{\"part\":\"records.in/0\",\"next\":7,\"mark\":null}");
}

static void test_those_that_do_not_run(void **state)
{
    const SourceOptions options = options_of(SOURCE_KAFKA);
    const SourceStatus statuses[] = {{.options = &options, .condition = SOURCE_CONNECTING, .error = "refused"},
                                     {.options = &options, .condition = SOURCE_RUNNING},
                                     {.options = &options, .condition = SOURCE_PAUSED, .error = "of before"}};
    (void)state;
    source_put_idle(&buf, statuses, 0);
    assert_text(buf_str(&buf), "[]");
    buf_reset(&buf);
    source_put_idle(&buf, statuses, 3);
    assert_text(buf_str(&buf), "[{\"name\":\"a\",\"state\":\"connecting\",\"error\":\"refused\"},"
                               "{\"name\":\"a\",\"state\":\"paused\",\"error\":null}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_where_it_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_known_is_null, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_states, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_those_that_do_not_run, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
