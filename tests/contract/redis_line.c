#include "redis_line.h"

Sink *redis_line_open(const SinkContext *context)
{
    Sink *sink;
    Error error = {0};
    if (sink_open(context, &sink, &error) != STATUS_OK) {
        fail_msg("open: %s", error.message);
    }
    return sink;
}

static int setup_with(void **state, const char *sync)
{
    RedisLine *line = test_calloc(1, sizeof *line);
    redis_server_start(&line->server, sync);
    line->info = (StoreInfo){.id = {0xab, 0xcd}, .epoch = 1};
    line->options = (SinkOptions){.name = "here",
                                  .type = SINK_REDIS,
                                  .subscription = {.kinds = 7, .type = -1},
                                  .in_flight_max = REDIS_LINE_ROOM,
                                  .timeout_us = 10 * SECOND_US,
                                  .url = line->server.url,
                                  .ca_file = "",
                                  .cert_file = "",
                                  .key_file = "",
                                  .prefix = ""};
    line->context = (SinkContext){.options = &line->options, .info = &line->info, .clock = &clock_system};
    line->sink = redis_line_open(&line->context);
    *state = line;
    return 0;
}

int redis_line_setup(void **state) { return setup_with(state, "always"); }
int redis_line_setup_without_sync(void **state) { return setup_with(state, "no"); }

int redis_line_teardown(void **state)
{
    RedisLine *line = *state;
    sink_close(line->sink);
    redis_server_stop(&line->server);
    test_free(line);
    return 0;
}

/* ---- A line ------------------------------------------------------------------------------------------------------ */

/* Every tenth is an alert. */
static MessageKind kind_of(int64_t seq) { return seq % 10 == 0 ? MESSAGE_ALERT : MESSAGE_NOTIFICATION; }

typedef struct Texts {
    char id[MESSAGE_ID_BYTES_MAX], body[32];
} Texts;

static Message message_make(const StoreInfo *info, int64_t seq, Texts *texts)
{
    size_t id_len = message_id_format(info, seq, texts->id);
    int body_len = snprintf(texts->body, sizeof texts->body, "{\"seq\":%d}", (int)seq);
    return (Message){.seq = seq,
                     .kind = kind_of(seq),
                     .id = {texts->id, id_len},
                     .key = STR("dest-1"),
                     .body = {texts->body, (size_t)body_len},
                     .traceparent = seq % 3 ? (Str){0} : STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                     .created_us = INT64_C(1735725600250000) + seq / 7};
}

Status redis_line_send(RedisLine *line, int64_t first, int64_t last, bool placed, Error *reterr)
{
    Message messages[REDIS_LINE_ROOM];
    Texts texts[REDIS_LINE_ROOM];
    size_t count = (size_t)(last - first + 1);
    for (size_t i = 0; i < count; i++) {
        messages[i] = message_make(&line->info, first + (int64_t)i, &texts[i]);
    }
    SinkPlace place = {last, last};
    Status status = line->sink->ops->send(line->sink, messages, count, placed ? &place : NULL, reterr);
    line->in_flight += status == STATUS_OK ? count : 0;
    return status;
}

Status redis_line_connect(RedisLine *line, Error *reterr)
{
    SinkPlace theirs;
    Status status = line->sink->ops->connect(line->sink, line->place, &theirs, reterr);
    if (status == STATUS_OK) {
        line->again += theirs.cursor < line->place.cursor;
        line->place = theirs;
        line->in_flight = 0;
        line->connected = true;
    }
    return status;
}

void redis_line_must_connect(RedisLine *line)
{
    Error error = {0};
    if (redis_line_connect(line, &error) != STATUS_OK) {
        fail_msg("connect: %s", error.message);
    }
}

static void take_results(RedisLine *line)
{
    SinkResult results[64];
    size_t count = line->sink->ops->results(line->sink, results, 64);
    for (size_t i = 0; i < count; i++) {
        if (results[i].verdict == SINK_TAKEN) {
            assert_int_equal(results[i].seq, line->place.sent_seq + 1);
            line->place = (SinkPlace){results[i].seq, results[i].seq};
        } else {
            assert_int_equal(results[i].verdict, SINK_HELD);
            assert_true(results[i].error.len > 0);
        }
    }
    line->in_flight -= count;
}

bool redis_line_turn(RedisLine *line, int64_t last)
{
    Error error;
    if (!line->connected && redis_line_connect(line, &error) == STATUS_REFUSED) {
        fail_msg("connect: %s", error.message);
    }
    take_results(line);
    if (line->in_flight == 0) { /* what was held comes again */
        line->sent_seq = line->place.cursor;
    }
    int64_t room = (int64_t)line->sink->ops->room(line->sink);
    int64_t end = line->sent_seq + room < last ? line->sent_seq + room : last;
    if (!line->connected || room == 0 || end == line->sent_seq) {
        line->sink->ops->wait(line->sink, 2000);
        return false;
    }
    line->connected = redis_line_send(line, line->sent_seq + 1, end, true, &error) == STATUS_OK;
    line->sent_seq = end;
    return line->connected;
}

void redis_line_deliver(RedisLine *line, int64_t last)
{
    int64_t until_us = clock_monotonic_us(&clock_system) + 60 * (int64_t)SECOND_US;
    while (line->place.cursor < last) {
        redis_line_turn(line, last);
        assert_true(clock_monotonic_us(&clock_system) < until_us);
    }
}

void redis_line_settle(RedisLine *line)
{
    int64_t until_us = clock_monotonic_us(&clock_system) + 60 * (int64_t)SECOND_US;
    while (line->in_flight > 0) {
        line->sink->ops->wait(line->sink, 2000);
        take_results(line);
        assert_true(clock_monotonic_us(&clock_system) < until_us);
    }
}

/* ---- What is there ----------------------------------------------------------------------------------------------- */

void redis_line_check(RedisLine *line, int64_t first, int64_t last)
{
    redisReply *notes = redis_server_ask(&line->server, "XRANGE notifications - +");
    redisReply *alerts = redis_server_ask(&line->server, "XRANGE alerts - +");
    size_t note = 0, alert = 0;
    for (int64_t seq = first; seq <= last; seq++) {
        const redisReply *stream = kind_of(seq) == MESSAGE_ALERT ? alerts : notes;
        size_t *at = kind_of(seq) == MESSAGE_ALERT ? &alert : &note;
        char id[32];
        snprintf(id, sizeof id, "%d-0", (int)seq);
        if (*at == stream->elements || strcmp(stream->element[*at]->element[0]->str, id) != 0) {
            fail_msg("%s should be next, and is %s", id,
                     *at == stream->elements ? "not there" : stream->element[*at]->element[0]->str);
        }
        ++*at;
    }
    assert_int_equal(note, notes->elements);
    assert_int_equal(alert, alerts->elements);
    freeReplyObject(notes);
    freeReplyObject(alerts);
}

long long redis_line_length(RedisLine *line, const char *key)
{
    redisReply *reply = redis_server_ask(&line->server, "XLEN %s", key);
    long long count = reply->integer;
    freeReplyObject(reply);
    return count;
}

void redis_line_check_connect(RedisLine *line, Status status, const char *why)
{
    Error error = {0};
    assert_int_equal(redis_line_connect(line, &error), status);
    if (!strstr(error.message, why)) {
        fail_msg("%s", error.message);
    }
    assert_null(strstr(error.message, "cret"));
}
