/* The contract of sink.h on webhooks, and what these do besides, against an HTTP endpoint in this process. */
#include "sink_suite.h"

#include <setjmp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "deliver/sign.h"
#include "webhook_receiver.h"

#define SECOND_US INT64_C(1000000)
#define SECRET    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER     "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

enum { IN_FLIGHT = 16 };

static const StoreInfo info = {.scale = 2};

typedef struct WebhookSide {
    WebhookReceiver *receiver;
    SinkOptions options;
    SinkContext context;
    char url[128];
} WebhookSide;

static void *side_start(void)
{
    WebhookSide *side = test_calloc(1, sizeof *side);
    side->receiver = webhook_receiver_start();
    snprintf(side->url, sizeof side->url, "http://127.0.0.1:%u/hook?for=weir", webhook_receiver_port(side->receiver));
    side->options = (SinkOptions){.name = "ops",
                                  .type = SINK_WEBHOOK,
                                  .in_flight_max = IN_FLIGHT,
                                  .timeout_us = 20 * SECOND_US,
                                  .url = side->url,
                                  .secret = SECRET,
                                  .allow_private = "127.0.0.1",
                                  .ca_file = ""};
    side->context =
        (SinkContext){.options = &side->options, .info = &info, .clock = &clock_system, .random = &random_system};
    return side;
}

static void side_stop(void *self)
{
    webhook_receiver_stop(((WebhookSide *)self)->receiver);
    test_free(self);
}

static Sink *side_open(void *self, int64_t replay_job)
{
    WebhookSide *side = self;
    Sink *sink;
    Error error = {0};
    side->context.replay_job = replay_job;
    if (sink_open(&side->context, &sink, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return sink;
}

static size_t side_count(void *self) { return webhook_receiver_taken_count(((WebhookSide *)self)->receiver); }

/* {"type":…,"timestamp":…,"data":…} */
static Str data_of(const ReceivedRequest *request)
{
    const char *data = strstr(request->body, "\"data\":");
    assert_non_null(data);
    assert_int_equal(request->body[request->body_len - 1], '}');
    data += strlen("\"data\":");
    return (Str){data, (size_t)(request->body + request->body_len - 1 - data)};
}

static SideMessage side_message(void *self, size_t index)
{
    const ReceivedRequest *request = webhook_receiver_taken(((WebhookSide *)self)->receiver, index);
    return (SideMessage){.id = str_from(received_header(request, "webhook-id")),
                         .body = data_of(request),
                         .traceparent = str_from(received_header(request, "traceparent")),
                         .replayed = received_header(request, "replay-id") != NULL};
}

static bool side_answer(void *self, int64_t seq, SinkVerdict verdict)
{
    static const char *const suffixes[] = {"-0", "-1", "-2", "-3", "-4", "-5"};
    if (verdict == SINK_REFUSED) {
        return false;
    }
    webhook_receiver_answer_once(((WebhookSide *)self)->receiver, suffixes[seq],
                                 (ReceiverAnswer){.code = verdict == SINK_GONE ? 410 : 500});
    return true;
}

static bool side_unreachable(void *self, bool unreachable)
{
    webhook_receiver_close_port(((WebhookSide *)self)->receiver, unreachable);
    return true;
}

static bool side_stall(void *self, bool stall)
{
    webhook_receiver_stall(((WebhookSide *)self)->receiver, stall);
    return true;
}

/* ---- One request ------------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
    *state = side_start();
    return 0;
}

static int teardown(void **state)
{
    side_stop(*state);
    return 0;
}

static Message message_of(int64_t seq)
{
    return (Message){.seq = seq,
                     .kind = MESSAGE_ALERT,
                     .id = STR("0011-3-77"),
                     .body = STR("{\"record\":{}}"),
                     .created_us = INT64_C(1735725600250000)};
}

static Sink *open_connected(WebhookSide *side)
{
    Sink *sink = side_open(side, side->context.replay_job);
    SinkPlace theirs;
    Error error;
    assert_int_equal(sink->ops->connect(sink, (SinkPlace){0}, &theirs, &error), STATUS_OK);
    return sink;
}

/* The verdict borrows until the sink's next call. */
static SinkResult send_one(Sink *sink, Message message)
{
    SinkResult result = {0};
    Error error;
    SinkPlace place = {.cursor = message.seq, .sent_seq = message.seq};
    assert_int_equal(sink->ops->send(sink, &message, 1, &place, &error), STATUS_OK);
    int64_t until_us = clock_monotonic_us(&clock_system) + 60 * SECOND_US;
    while (sink->ops->results(sink, &result, 1) == 0) {
        assert_true(clock_monotonic_us(&clock_system) < until_us);
        sink->ops->wait(sink, SECOND_US);
    }
    assert_int_equal(result.seq, message.seq);
    return result;
}

static void assert_holds(Str text, const char *part)
{
    char copy[SINK_RESPONSE_BYTES_MAX + 1];
    assert_true(text.len < sizeof copy);
    snprintf(copy, sizeof copy, "%.*s", STR_ARGS(text));
    if (!strstr(copy, part)) {
        fail_msg("\"%s\" does not say \"%s\"", copy, part);
    }
}

static void assert_header(const ReceivedRequest *request, const char *name, const char *expected)
{
    const char *value = received_header(request, name);
    if (!value || strcmp(value, expected) != 0) {
        fail_msg("%s: %s instead of %s", name, value ? value : "nothing", expected);
    }
}

static void test_request(void **state)
{
    WebhookSide *side = *state;
    Sink *sink = open_connected(side);
    Message message = message_of(77);
    message.traceparent = STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    SinkResult result = send_one(sink, message);
    assert_int_equal(result.verdict, SINK_TAKEN);
    assert_int_equal(result.code, 204);
    const ReceivedRequest *request = webhook_receiver_request(side->receiver, 0);
    assert_string_equal(request->method, "POST");
    assert_string_equal(request->path, "/hook");
    assert_string_equal(request->body,
                        "{\"type\":\"alert\",\"timestamp\":\"2025-01-01T10:00:00.25Z\",\"data\":{\"record\":{}}}");
    assert_header(request, "content-type", "application/json");
    assert_header(request, "user-agent", "Weir/" WEIR_VERSION);
    assert_header(request, "webhook-id", "0011-3-77");
    assert_header(request, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    assert_null(received_header(request, "replay-id"));
    assert_null(received_header(request, "expect"));
    sink_close(sink);
}

static void check_signature(WebhookSide *side, const char *secrets)
{
    side->options.secret = secrets;
    Sink *sink = open_connected(side);
    assert_int_equal(send_one(sink, message_of(1)).verdict, SINK_TAKEN);
    sink_close(sink);
    const ReceivedRequest *request =
        webhook_receiver_request(side->receiver, webhook_receiver_count(side->receiver) - 1);
    uint64_t timestamp_s;
    assert_true(str_to_u64(str_from(received_header(request, "webhook-timestamp")), INT64_MAX, &timestamp_s));
    int64_t age_s = clock_wall_us(&clock_system) / SECOND_US - (int64_t)timestamp_s;
    assert_true(age_s >= 0 && age_s < 60); /* the attempt's time, not the message's */
    Signer *signer;
    Error error;
    char expected[SIGN_TEXT_BYTES_MAX];
    assert_int_equal(signer_new(str_from(secrets), &signer, &error), STATUS_OK);
    assert_int_equal(signer_sign(signer, str_from(received_header(request, "webhook-id")), (int64_t)timestamp_s,
                                 (Str){request->body, request->body_len}, expected, &error),
                     STATUS_OK);
    signer_free(signer);
    assert_header(request, "webhook-signature", expected);
}

static void test_signatures(void **state)
{
    check_signature(*state, SECRET);
    check_signature(*state, SECRET "," OTHER);
}

static void test_replay_header(void **state)
{
    WebhookSide *side = *state;
    side->context.replay_job = 42;
    Sink *sink = open_connected(side);
    assert_int_equal(send_one(sink, message_of(1)).verdict, SINK_TAKEN);
    assert_header(webhook_receiver_request(side->receiver, 0), "replay-id", "42");
    sink_close(sink);
}

/* What is no message of the log but asks for something: a service can tell that it was asked before. */
static void test_call(void **state)
{
    WebhookSide *side = *state;
    Sink *sink = open_connected(side);
    Message message = message_of(5);
    message.call = STR("organization.onboard");
    message.id = STR("0011-job-5");
    assert_int_equal(send_one(sink, message).verdict, SINK_TAKEN);
    const ReceivedRequest *request = webhook_receiver_request(side->receiver, 0);
    assert_header(request, "webhook-id", "0011-job-5");
    assert_header(request, "idempotency-key", "0011-job-5");
    assert_holds(str_from(request->body), "{\"type\":\"organization.onboard\",\"timestamp\":\"");
    assert_int_equal(send_one(sink, message_of(6)).verdict, SINK_TAKEN);
    assert_null(received_header(webhook_receiver_request(side->receiver, 1), "idempotency-key"));
    sink_close(sink);
}

/* Nothing that a record says can make a header of its own. */
static void test_odd_traceparent_is_left_out(void **state)
{
    WebhookSide *side = *state;
    Sink *sink = open_connected(side);
    Message message = message_of(1);
    message.traceparent = STR("00-1\r\nx-evil: 1");
    assert_int_equal(send_one(sink, message).verdict, SINK_TAKEN);
    assert_null(received_header(webhook_receiver_request(side->receiver, 0), "traceparent"));
    assert_null(received_header(webhook_receiver_request(side->receiver, 0), "x-evil"));
    sink_close(sink);
}

static void test_connections_are_used_again(void **state)
{
    WebhookSide *side = *state;
    Sink *sink = open_connected(side);
    for (int64_t seq = 1; seq <= 50; seq++) {
        assert_int_equal(send_one(sink, message_of(seq)).verdict, SINK_TAKEN);
    }
    assert_int_equal(webhook_receiver_connections(side->receiver), 1);
    sink_close(sink);
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

static void check_answer(WebhookSide *side, ReceiverAnswer answer, SinkVerdict verdict, const char *error)
{
    webhook_receiver_answer(side->receiver, answer);
    Sink *sink = open_connected(side);
    SinkResult result = send_one(sink, message_of(1));
    assert_int_equal(result.verdict, verdict);
    assert_int_equal(result.code, answer.code);
    assert_int_equal(result.retry_after_us, 0);
    assert_int_equal(result.error.len == 0, error[0] == '\0');
    assert_holds(result.error, error);
    sink_close(sink);
}

static void test_codes(void **state)
{
    WebhookSide *side = *state;
    check_answer(side, (ReceiverAnswer){.code = 200}, SINK_TAKEN, "");
    check_answer(side, (ReceiverAnswer){.code = 299}, SINK_TAKEN, "");
    check_answer(side, (ReceiverAnswer){.code = 304}, SINK_FAILED, "the endpoint answered 304");
    check_answer(side, (ReceiverAnswer){.code = 400}, SINK_FAILED, "the endpoint answered 400");
    check_answer(side, (ReceiverAnswer){.code = 404}, SINK_FAILED, "the endpoint answered 404");
    check_answer(side, (ReceiverAnswer){.code = 410}, SINK_GONE, "410 Gone");
    check_answer(side, (ReceiverAnswer){.code = 503}, SINK_FAILED, "the endpoint answered 503");
}

static void test_redirects_are_failures(void **state)
{
    WebhookSide *side = *state;
    char target[128];
    snprintf(target, sizeof target, "http://127.0.0.1:%u/elsewhere", webhook_receiver_port(side->receiver));
    static const int codes[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        check_answer(side, (ReceiverAnswer){.code = codes[i], .header = "Location", .value = target}, SINK_FAILED,
                     "redirects are not followed, this one is to http://127.0.0.1:");
    }
    for (size_t i = 0; i < webhook_receiver_count(side->receiver); i++) {
        assert_string_equal(webhook_receiver_request(side->receiver, i)->path, "/hook");
    }
}

static void test_retry_after(void **state)
{
    WebhookSide *side = *state;
    Sink *sink = open_connected(side);
    webhook_receiver_answer(side->receiver, (ReceiverAnswer){.code = 429, .header = "Retry-After", .value = "7"});
    assert_int_equal(send_one(sink, message_of(1)).retry_after_us, 7 * SECOND_US);
    webhook_receiver_answer(
        side->receiver,
        (ReceiverAnswer){.code = 503, .header = "Retry-After", .value = "Fri, 31 Dec 9999 23:59:59 GMT"});
    assert_int_equal(send_one(sink, message_of(2)).retry_after_us, 86400 * SECOND_US);
    webhook_receiver_answer(side->receiver, (ReceiverAnswer){.code = 503});
    assert_int_equal(send_one(sink, message_of(3)).retry_after_us, 0); /* nothing is left of the one before */
    webhook_receiver_answer(side->receiver, (ReceiverAnswer){.code = 200, .header = "Retry-After", .value = "7"});
    assert_int_equal(send_one(sink, message_of(4)).retry_after_us, 0);
    sink_close(sink);
}

static void check_response(WebhookSide *side, int code, const char *body, size_t len, size_t kept)
{
    webhook_receiver_answer(side->receiver, (ReceiverAnswer){.code = code, .body = body, .body_len = len});
    Sink *sink = open_connected(side);
    SinkResult result = send_one(sink, message_of(1));
    assert_int_equal(result.verdict, code == 200 ? SINK_TAKEN : SINK_FAILED);
    assert_int_equal(result.code, code);
    assert_int_equal(result.response.len, kept);
    assert_memory_equal(result.response.ptr, body, kept);
    sink_close(sink);
}

static void test_responses_are_kept_and_cut(void **state)
{
    enum { LARGE = 8 << 20 };
    WebhookSide *side = *state;
    static char large[LARGE]; /* outlives the receiver, which may still be sending it */
    memset(large, 'x', LARGE);
    check_response(side, 500, "no", 2, 2);
    check_response(side, 200, "yes", 3, 3);
    check_response(side, 500, large, SINK_RESPONSE_BYTES_MAX, SINK_RESPONSE_BYTES_MAX);
    check_response(side, 500, large, SINK_RESPONSE_BYTES_MAX + 1, SINK_RESPONSE_BYTES_MAX);
    /* Cut off long before its end; what its head said counts. */
    check_response(side, 500, large, LARGE, SINK_RESPONSE_BYTES_MAX);
    check_response(side, 200, large, LARGE, SINK_RESPONSE_BYTES_MAX);
}

/* The bounds are those of one answer, and what it said is not said of the next. */
static void test_nothing_is_left_of_an_answer(void **state)
{
    enum { TIMES = 10, HEAD = 16 << 10, BODY = 32 << 10 };
    WebhookSide *side = *state;
    static char head[HEAD + 1], body[BODY]; /* outlive the receiver */
    memset(head, 'x', HEAD);
    memset(body, 'x', BODY);
    side->options.in_flight_max = 1;
    Sink *sink = open_connected(side);
    webhook_receiver_answer(
        side->receiver,
        (ReceiverAnswer){.code = 200, .header = "x-long", .value = head, .body = body, .body_len = BODY});
    for (int64_t seq = 1; seq <= TIMES; seq++) {
        assert_int_equal(send_one(sink, message_of(seq)).verdict, SINK_TAKEN);
    }
    assert_int_equal(webhook_receiver_connections(side->receiver), 1); /* none was cut off */
    webhook_receiver_answer(side->receiver, (ReceiverAnswer){.code = 500, .body = "no", .body_len = 2});
    SinkResult result = send_one(sink, message_of(TIMES + 1));
    assert_int_equal(result.response.len, 2);
    assert_memory_equal(result.response.ptr, "no", 2);
    sink_close(sink);
}

/* ---- What never gets that far ------------------------------------------------------------------------------------ */

static void check_unsent(WebhookSide *side, const char *url, const char *allow, const char *error)
{
    side->options.url = url;
    side->options.allow_private = allow;
    Sink *sink = open_connected(side);
    SinkResult result = send_one(sink, message_of(1));
    assert_int_equal(result.verdict, SINK_FAILED);
    assert_int_equal(result.code, 0);
    assert_holds(result.error, error);
    sink_close(sink);
    assert_int_equal(webhook_receiver_count(side->receiver), 0);
    assert_int_equal(webhook_receiver_connections(side->receiver), 0);
}

static void test_private_addresses(void **state)
{
    WebhookSide *side = *state;
    char url[128];
    unsigned port = webhook_receiver_port(side->receiver);
    /* Ways to write the same address. */
    static const char *const hosts[] = {"127.0.0.1",  "localhost",  "127.1",    "2130706433",
                                        "0x7f.0.0.1", "0177.0.0.1", "127.0.0.2"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        snprintf(url, sizeof url, "http://%s:%u/", hosts[i], port);
        check_unsent(side, url, "", "and not allowed (sinks.ops.allow_private)");
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    check_unsent(side, url, "10.0.0.0/8", "address 127.0.0.1 is loopback and not allowed (sinks.ops.allow_private)");
    snprintf(url, sizeof url, "http://[::ffff:127.0.0.1]:%u/", port);
    check_unsent(side, url, "127.0.0.0/8", "is IPv4-mapped and not allowed");
    snprintf(url, sizeof url, "http://0.0.0.0:%u/", port);
    check_unsent(side, url, "", "address 0.0.0.0 is unspecified and not allowed");
    check_unsent(side, "http://169.254.169.254/latest/meta-data/", "127.0.0.0/8",
                 "address 169.254.169.254 is a cloud's metadata address and not allowed");
    check_unsent(side, "http://10.0.0.1/", "", "address 10.0.0.1 is private and not allowed");
}

static void test_nobody_there(void **state)
{
    WebhookSide *side = *state;
    char url[128];
    webhook_receiver_close_port(side->receiver, true);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", webhook_receiver_port(side->receiver));
    check_unsent(side, url, "127.0.0.0/8", "onnection refused");
    check_unsent(side, "http://no-such-name.invalid/", "", "Could not resolve host");
}

/* localhost is 127.0.0.1 and, where there is IPv6, ::1. */
static void test_one_address_refused_and_nobody_at_the_other(void **state)
{
    WebhookSide *side = *state;
    char url[128];
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd < 0) {
        skip();
    }
    close(fd);
    webhook_receiver_close_port(side->receiver, true);
    snprintf(url, sizeof url, "http://localhost:%u/", webhook_receiver_port(side->receiver));
    check_unsent(side, url, "127.0.0.0/8",
                 "onnection refused (address 127.0.0.1); address ::1 is loopback and not allowed (");
    check_unsent(side, url, "::1/128",
                 "onnection refused (address ::1); address 127.0.0.1 is loopback and not allowed (");
}

static void test_proxies_are_ignored(void **state)
{
    WebhookSide *side = *state;
    char proxy[128];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", webhook_receiver_port(side->receiver));
    setenv("http_proxy", proxy, 1);
    setenv("ALL_PROXY", proxy, 1);
    check_unsent(side, "http://no-such-name.invalid/", "127.0.0.0/8", "Could not resolve host");
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

static void test_time_out(void **state)
{
    WebhookSide *side = *state;
    side->options.timeout_us = 200000;
    Sink *sink = open_connected(side);
    webhook_receiver_stall(side->receiver, true);
    SinkResult result = send_one(sink, message_of(1));
    assert_int_equal(result.verdict, SINK_FAILED);
    assert_in_range(result.latency_us, 190000, 10 * SECOND_US);
    assert_holds(result.error, "timed out");
    webhook_receiver_stall(side->receiver, false);
    assert_int_equal(send_one(sink, message_of(2)).verdict, SINK_TAKEN);
    sink_close(sink);
}

/* Speaking TLS to somebody who does not is a failure, and nothing is sent in the clear. */
static void test_tls_is_not_given_up(void **state)
{
    WebhookSide *side = *state;
    char url[128];
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", webhook_receiver_port(side->receiver));
    side->options.url = url;
    Sink *sink = open_connected(side);
    SinkResult result = send_one(sink, message_of(1));
    assert_int_equal(result.verdict, SINK_FAILED);
    assert_holds(result.error, "SSL");
    sink_close(sink);
    assert_int_equal(webhook_receiver_count(side->receiver), 0);
}

/* ---- Options ----------------------------------------------------------------------------------------------------- */

static void check_refused(WebhookSide *side, const char *message)
{
    Sink *sink = NULL;
    Error error = {0};
    assert_int_equal(sink_open(&side->context, &sink, &error), STATUS_REFUSED);
    assert_string_equal(error.message, message);
    assert_null(sink);
    side->options.url = side->url;
    side->options.secret = SECRET;
    side->options.allow_private = side->options.ca_file = "";
}

static void test_options_that_are_refused(void **state)
{
    WebhookSide *side = *state;
    side->options.url = "";
    check_refused(side, "sinks.ops.url: is empty");
    side->options.url = "ftp://example.com/";
    check_refused(side, "sinks.ops.url: only http and https can be called");
    side->options.url = "file:///etc/passwd";
    check_refused(side, "sinks.ops.url: only http and https can be called");
    side->options.url = "example.com/hook";
    check_refused(side, "sinks.ops.url: Bad scheme");
    side->options.url = "http://";
    check_refused(side, "sinks.ops.url: No host part in the URL");
    side->options.secret = "";
    check_refused(side, "sinks.ops.secret: is empty");
    side->options.secret = "whsec_c2hvcnQ=";
    check_refused(side, "sinks.ops.secret: has a secret whose key is not 24 to 64 bytes long");
    side->options.allow_private = "localhost";
    check_refused(side,
                  "sinks.ops.allow_private: has \"localhost\", which is no range of addresses (10.0.0.0/8, fd00::/8)");
    side->options.ca_file = "/nonexistent/ca.pem";
    check_refused(side, "sinks.ops.ca_file: the file cannot be read");
    sink_close(NULL);
}

#define WEBHOOK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int run_own_tests(void)
{
    const struct CMUnitTest tests[] = {
        WEBHOOK_TEST(test_request),
        WEBHOOK_TEST(test_signatures),
        WEBHOOK_TEST(test_replay_header),
        WEBHOOK_TEST(test_call),
        WEBHOOK_TEST(test_odd_traceparent_is_left_out),
        WEBHOOK_TEST(test_connections_are_used_again),
        WEBHOOK_TEST(test_codes),
        WEBHOOK_TEST(test_redirects_are_failures),
        WEBHOOK_TEST(test_retry_after),
        WEBHOOK_TEST(test_responses_are_kept_and_cut),
        WEBHOOK_TEST(test_nothing_is_left_of_an_answer),
        WEBHOOK_TEST(test_private_addresses),
        WEBHOOK_TEST(test_nobody_there),
        WEBHOOK_TEST(test_one_address_refused_and_nobody_at_the_other),
        WEBHOOK_TEST(test_proxies_are_ignored),
        WEBHOOK_TEST(test_time_out),
        WEBHOOK_TEST(test_tls_is_not_given_up),
        WEBHOOK_TEST(test_options_that_are_refused),
    };
    return cmocka_run_group_tests_name("sink-webhook-requests", tests, NULL, NULL);
}

int main(void)
{
    int failed = sink_suite_run(&(SinkSide){.name = "sink-webhook",
                                            .clock = &clock_system,
                                            .start = side_start,
                                            .stop = side_stop,
                                            .open = side_open,
                                            .count = side_count,
                                            .message = side_message,
                                            .answer = side_answer,
                                            .unreachable = side_unreachable,
                                            .stall = side_stall});
    return failed + run_own_tests();
}
