#include "unit.h"

#include "http/http_metrics.h"
#include "observe/metrics.h"
#include "observe/prometheus.h"

static void test_format(void **state)
{
    Buf buf;
    (void)state;
    buf_init(&buf, 4096);
    prometheus_family(&buf, "a", "gauge", "What it is.");
    prometheus_begin(&buf, "a");
    prometheus_put_label(&buf, "x", "say \"hi\"\\\n");
    prometheus_put_label(&buf, "y", "2");
    prometheus_end(&buf, -3);
    prometheus_seconds(&buf, "b", "counter", "Time.", 1500000);
    assert_text(buf_str(&buf), "# HELP a What it is.\n# TYPE a gauge\na{x=\"say \\\"hi\\\"\\\\\\n\",y=\"2\"} -3\n"
                               "# HELP b Time.\n# TYPE b counter\nb 1.500000\n");
    buf_release(&buf);
}

static bool has_line(const Buf *buf, const char *line)
{
    return memmem(buf->ptr, buf->len, line, strlen(line)) != NULL;
}

static void test_parts(void **state)
{
    Buf buf;
    (void)state;
    buf_init(&buf, 1 << 16);
    metrics_put_store(&buf, &(StoreMetrics){.last_seq = 7, .runs_flows = 3, .dead_letter_bytes = 8, .disk_low = true});
    metrics_put_processor(&buf, &(ProcessorMetrics){.created = 5, .conflicts = 2});
    metrics_put_process(&buf, "1.2", 2000000);
    assert_true(has_line(&buf, "\nweir_store_last_seq 7\n"));
    assert_true(has_line(&buf, "\nweir_dead_letter_bytes 8\n"));
    assert_true(has_line(&buf, "\nweir_store_disk_low 1\n"));
    assert_true(has_line(&buf, "\nweir_store_index_runs{index=\"flows\"} 3\n"));
    assert_true(has_line(&buf, "\nweir_records_total{outcome=\"created\"} 5\n"));
    assert_true(has_line(&buf, "\nweir_records_total{outcome=\"conflict\"} 2\n"));
    assert_true(has_line(&buf, "\nweir_build_info{version=\"1.2\"} 1\n"));
    assert_true(has_line(&buf, "\nweir_uptime_seconds 2.000000\n"));
    buf_release(&buf);
}

static void test_onboarding(void **state)
{
    Buf buf;
    (void)state;
    buf_init(&buf, 1 << 16);
    OnboardCounts counts = {.batches = 2, .organizations = 9, .jobs = {4, 1, 3, 2, 0}, .oldest_due_us = 5000000};
    metrics_put_jobs(&buf, &counts, 7500000);
    metrics_put_runner(&buf, &(RunnerStatus){.state = RUNNER_HOLDING,
                                             .calls = true,
                                             .breaker = BREAKER_OPEN,
                                             .verdicts = {[JOB_VERDICT_AGAIN] = 6},
                                             .attempts = 12,
                                             .buckets = {[1] = 2, [RUNNER_BUCKETS - 1] = 1},
                                             .us_total = 3000000});
    assert_true(has_line(&buf, "\nweir_onboarding_jobs{state=\"pending\"} 4\n"));
    assert_true(has_line(&buf, "\nweir_onboarding_jobs{state=\"cancelled\"} 0\n"));
    assert_true(has_line(&buf, "\nweir_onboarding_delay_seconds 2.500000\n"));
    assert_true(has_line(&buf, "\nweir_onboarding_attempts_total 12\n"));
    assert_true(has_line(&buf, "\nweir_onboarding_verdicts_total{verdict=\"again\"} 6\n"));
    assert_true(has_line(&buf, "\nweir_onboarding_state{state=\"holding\"} 1\n"));
    assert_true(has_line(&buf, "\nweir_onboarding_breaker_state{state=\"open\"} 1\n"));
    assert_true(has_line(&buf, "\nweir_onboarding_call_seconds_bucket{le=\"0.01\"} 2\n"));
    assert_true(has_line(&buf, "\nweir_onboarding_call_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_true(has_line(&buf, "\nweir_onboarding_call_seconds_count 3\n"));
    buf_release(&buf);
}

static void test_front_door(void **state)
{
    Buf buf;
    (void)state;
    buf_init(&buf, 1 << 16);
    metrics_put_front_door(&buf, &(FrontDoorStatus){.state = FRONT_DOOR_OPEN,
                                                    .records_produced = 7,
                                                    .records_failed = 2,
                                                    .waiting_records = 3,
                                                    .buckets = {[0] = 4, [FRONT_DOOR_BUCKETS - 1] = 1},
                                                    .us_total = 1500000});
    assert_true(has_line(&buf, "\nweir_front_door_up 1\n"));
    assert_true(has_line(&buf, "\nweir_front_door_produced_total 7\n"));
    assert_true(has_line(&buf, "\nweir_front_door_failed_total 2\n"));
    assert_true(has_line(&buf, "\nweir_front_door_waiting 3\n"));
    assert_true(has_line(&buf, "\nweir_front_door_seconds_bucket{le=\"0.001\"} 4\n"));
    assert_true(has_line(&buf, "\nweir_front_door_seconds_bucket{le=\"30\"} 4\n"));
    assert_true(has_line(&buf, "\nweir_front_door_seconds_bucket{le=\"+Inf\"} 5\n"));
    assert_true(has_line(&buf, "\nweir_front_door_seconds_sum 1.500000\n"));
    buf_reset(&buf);
    metrics_put_front_door(&buf, &(FrontDoorStatus){.state = FRONT_DOOR_DOWN});
    assert_true(has_line(&buf, "\nweir_front_door_up 0\n"));
    buf_release(&buf);
}

static void test_sinks(void **state)
{
    static const SinkOptions hooks = {.name = "hooks"}, bus = {.name = "bus"};
    const LineStatus lines[] = {
        {.options = &hooks, .state = LINE_HOLDING, .breaker = BREAKER_OPEN, .cursor = 3, .last_seq = 10, .retries = 2},
        {.options = &bus, .state = LINE_RUNNING, .cursor = 10, .last_seq = 10, .taken = 9, .failed = 1, .dead = 1},
        {.options = &bus, .job = 7, .state = LINE_RUNNING, .taken = 100},
    };
    Buf buf;
    (void)state;
    buf_init(&buf, 1 << 16);
    metrics_put_sinks(&buf, lines, 0);
    assert_int_equal(buf.len, 0);
    metrics_put_sinks(&buf, lines, 3);
    assert_true(has_line(&buf, "\nweir_sink_lag{sink=\"hooks\"} 7\n"));
    assert_true(has_line(&buf, "\nweir_sink_lag{sink=\"bus\"} 0\n"));
    assert_true(has_line(&buf, "\nweir_sink_retries{sink=\"hooks\"} 2\n"));
    assert_true(has_line(&buf, "\nweir_sink_messages_taken_total{sink=\"bus\"} 9\n"));
    assert_true(has_line(&buf, "\nweir_sink_attempts_failed_total{sink=\"bus\"} 1\n"));
    assert_true(has_line(&buf, "\nweir_sink_dead_letters_total{sink=\"bus\"} 1\n"));
    assert_true(has_line(&buf, "\nweir_sink_state{sink=\"hooks\",state=\"holding\"} 1\n"));
    assert_true(has_line(&buf, "\nweir_sink_state{sink=\"hooks\",state=\"running\"} 0\n"));
    assert_true(has_line(&buf, "\nweir_sink_breaker_state{sink=\"hooks\",state=\"open\"} 1\n"));
    assert_true(has_line(&buf, "\nweir_sink_breaker_state{sink=\"bus\",state=\"closed\"} 1"));
    assert_false(has_line(&buf, "100"));
    buf_release(&buf);
}

static void test_sources(void **state)
{
    static const SourceOptions orders = {.name = "orders"}, drop = {.name = "drop"};
    const SourceStatus sources[] = {{.options = &orders,
                                     .condition = SOURCE_RUNNING,
                                     .lag = {12, 1000000},
                                     .messages = 9,
                                     .bytes = 900,
                                     .created = 5,
                                     .duplicates = 2,
                                     .conflicts = 1,
                                     .rejected = 1,
                                     .dead_letters = 2,
                                     .message_us = 2500000},
                                    {.options = &drop, .condition = SOURCE_FAILED, .lag.messages = -1, .errors = 4}};
    Buf buf;
    (void)state;
    buf_init(&buf, 1 << 16);
    metrics_put_sources(&buf, sources, 0, 0);
    assert_int_equal(buf.len, 0);
    metrics_put_sources(&buf, sources, 2, 4000000);
    assert_true(has_line(&buf, "\nweir_source_up{source=\"orders\"} 1\n"));
    assert_true(has_line(&buf, "\nweir_source_up{source=\"drop\"} 0\n"));
    assert_true(has_line(&buf, "\nweir_source_state{source=\"drop\",state=\"failed\"} 1\n"));
    assert_true(has_line(&buf, "\nweir_source_state{source=\"drop\",state=\"running\"} 0\n"));
    assert_true(has_line(&buf, "\nweir_source_lag{source=\"orders\"} 12\n"));
    assert_false(has_line(&buf, "weir_source_lag{source=\"drop\"}"));
    assert_true(has_line(&buf, "\nweir_source_lag_seconds{source=\"orders\"} 3.000000\n"));
    assert_false(has_line(&buf, "weir_source_lag_seconds{source=\"drop\"}"));
    assert_true(has_line(&buf, "\nweir_source_messages_total{source=\"orders\"} 9\n"));
    assert_true(has_line(&buf, "\nweir_source_bytes_total{source=\"orders\"} 900\n"));
    assert_true(has_line(&buf, "\nweir_source_records_total{source=\"orders\",outcome=\"created\"} 5\n"));
    assert_true(has_line(&buf, "\nweir_source_records_total{source=\"orders\",outcome=\"conflict\"} 1\n"));
    assert_true(has_line(&buf, "\nweir_source_dead_letters_total{source=\"orders\"} 2\n"));
    assert_true(has_line(&buf, "\nweir_source_errors_total{source=\"drop\"} 4\n"));
    assert_true(has_line(&buf, "\nweir_source_last_message_timestamp_seconds{source=\"orders\"} 2.500000\n"));
    assert_false(has_line(&buf, "weir_source_last_message_timestamp_seconds{source=\"drop\"}"));
    buf_release(&buf);
}

static const char *method_of(size_t route) { return route == 0 ? "GET" : "POST"; }
static const char *pattern_of(size_t route) { return route == 0 ? "/a" : "/b"; }

static void test_http(void **state)
{
    static HttpMetrics metrics;
    Buf buf;
    (void)state;
    http_metrics_count(&metrics, 1, 201, 300);
    http_metrics_count(&metrics, 1, 201, 700000000);
    http_metrics_count(&metrics, 1, 418, 10);
    http_metrics_count(&metrics, HTTP_METRICS_ROUTES_MAX, 404, 10);
    buf_init(&buf, 1 << 16);
    http_metrics_put(&buf, &metrics, 2, method_of, pattern_of);
    assert_true(has_line(&buf, "\nweir_http_requests_total{method=\"POST\",route=\"/b\",code=\"201\"} 2\n"));
    assert_true(has_line(&buf, "\nweir_http_requests_total{method=\"POST\",route=\"/b\",code=\"other\"} 1\n"));
    assert_true(has_line(&buf, "\nweir_http_requests_total{method=\"other\",route=\"none\",code=\"404\"} 1\n"));
    assert_true(has_line(&buf, "{method=\"POST\",route=\"/b\",le=\"0.00025\"} 1\n"));
    assert_true(has_line(&buf, "{method=\"POST\",route=\"/b\",le=\"5\"} 2\n"));
    assert_true(has_line(&buf, "{method=\"POST\",route=\"/b\",le=\"+Inf\"} 3\n"));
    assert_false(has_line(&buf, "route=\"/a\""));
    buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_format),     cmocka_unit_test(test_parts),
                                       cmocka_unit_test(test_front_door), cmocka_unit_test(test_sinks),
                                       cmocka_unit_test(test_onboarding), cmocka_unit_test(test_sources),
                                       cmocka_unit_test(test_http)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
