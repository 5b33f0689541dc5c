/* The contract of sink.h on a real Redis: as streams over its Unix socket, as lists over TCP. */
#include "sink_suite.h"

#include <setjmp.h>

#include <cmocka.h>

#include "support/redis_server.h"

enum { ROOM = 16, SKIPPED = 77 };

static bool lists;
static const StoreInfo info = {.id = {1, 2, 3}, .epoch = 1};

/* What Redis has, as long as nothing is written besides. */
typedef struct Copy {
    int64_t written;
    redisReply *live, *replayed;
} Copy;

typedef struct RedisSide {
    RedisServer server;
    SinkOptions options;
    SinkContext context;
    char url[128];
    Copy copy;
} RedisSide;

static void *side_start(void)
{
    RedisSide *side = test_calloc(1, sizeof *side);
    redis_server_start(&side->server, "always");
    snprintf(side->url, sizeof side->url, "redis://:se%%2Fcret%%401@127.0.0.1:%d/3", side->server.port);
    redis_server_do(&side->server, "SELECT %d", lists ? 3 : 0);
    side->options = (SinkOptions){.name = "here",
                                  .type = SINK_REDIS,
                                  .subscription = {.kinds = 7, .type = -1},
                                  .in_flight_max = ROOM,
                                  .timeout_us = 10000000,
                                  .url = lists ? side->url : side->server.url,
                                  .ca_file = "",
                                  .cert_file = "",
                                  .key_file = "",
                                  .prefix = "w:",
                                  .list = lists};
    side->context = (SinkContext){.options = &side->options, .info = &info, .clock = &clock_system};
    side->copy.written = -1;
    return side;
}

static void copy_drop(Copy *copy)
{
    if (copy->live) {
        freeReplyObject(copy->live);
        freeReplyObject(copy->replayed);
    }
    *copy = (Copy){.written = -1};
}

static void side_stop(void *self)
{
    RedisSide *side = self;
    copy_drop(&side->copy);
    redis_server_stop(&side->server);
    test_free(side);
}

static Sink *side_open(void *self, int64_t replay_job)
{
    RedisSide *side = self;
    Sink *sink;
    Error error = {0};
    side->context.replay_job = replay_job;
    if (sink_open(&side->context, &sink, &error) != STATUS_OK) {
        fail_msg("open: %s", error.message);
    }
    return sink;
}

/* The suite asks a million times. */
static const Copy *copy_of(RedisSide *side)
{
    const char *const formats[] = {"XRANGE w:notifications%s - +", "LRANGE w:notifications%s 0 -1"};
    int64_t written = redis_server_written(&side->server);
    if (side->copy.written != written) {
        copy_drop(&side->copy);
        side->copy = (Copy){.written = written,
                            .live = redis_server_ask(&side->server, formats[lists], ""),
                            .replayed = redis_server_ask(&side->server, formats[lists], ":replay:42")};
    }
    return &side->copy;
}

static size_t side_count(void *self)
{
    const Copy *copy = copy_of(self);
    return copy->live->elements + copy->replayed->elements;
}

static Str value_of(const redisReply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        if (strcmp(fields->element[i]->str, name) == 0) {
            return (Str){fields->element[i + 1]->str, fields->element[i + 1]->len};
        }
    }
    return (Str){0};
}

static SideMessage from_entry(const redisReply *entry)
{
    const redisReply *fields = entry->element[1];
    return (SideMessage){
        .id = value_of(fields, "id"), .body = value_of(fields, "data"), .traceparent = value_of(fields, "traceparent")};
}

/* What is between `begin` and the next `end`. */
static Str between(const redisReply *text, const char *begin, const char *end)
{
    const char *at = strstr(text->str, begin);
    assert_non_null(at);
    at += strlen(begin);
    const char *stop = strstr(at, end);
    assert_non_null(stop);
    return (Str){at, (size_t)(stop - at)};
}

static SideMessage from_item(const redisReply *item)
{
    Str body = between(item, "\"data\":", "}}}");
    body.len += 2;
    return (SideMessage){.id = between(item, "{\"id\":\"", "\",\"type\":\"notification\""),
                         .body = body,
                         .traceparent = between(item, "\"traceparent\":\"", "\"")};
}

static SideMessage side_message(void *self, size_t index)
{
    const Copy *copy = copy_of(self);
    bool replayed = index >= copy->live->elements;
    const redisReply *reply =
        replayed ? copy->replayed->element[index - copy->live->elements] : copy->live->element[index];
    SideMessage message = lists ? from_item(reply) : from_entry(reply);
    message.replayed = replayed;
    return message;
}

static bool side_answer(void *self, int64_t seq, SinkVerdict verdict)
{
    (void)self, (void)seq, (void)verdict;
    return false; /* no message is refused for what it is */
}

static bool side_unreachable(void *self, bool unreachable)
{
    RedisSide *side = self;
    if (unreachable) {
        redis_server_kill(&side->server);
    } else {
        redis_server_restart(&side->server);
        redis_server_do(&side->server, "SELECT %d", lists ? 3 : 0);
    }
    return true;
}

static bool side_stall(void *self, bool stall)
{
    (void)self, (void)stall;
    return false; /* what stalls has come nevertheless, once it goes on */
}

int main(void)
{
    int failed = 0;
    if (!redis_server_can_be_had()) {
        return SKIPPED;
    }
    for (int i = 0; i < 2; i++) {
        lists = i == 1;
        failed += sink_suite_run(&(SinkSide){.name = lists ? "sink-redis-list" : "sink-redis-stream",
                                             .groups = true,
                                             .remembers = !lists,
                                             .clock = &clock_system,
                                             .start = side_start,
                                             .stop = side_stop,
                                             .open = side_open,
                                             .count = side_count,
                                             .message = side_message,
                                             .answer = side_answer,
                                             .unreachable = side_unreachable,
                                             .stall = side_stall});
    }
    return failed;
}
