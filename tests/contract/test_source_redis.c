/* The contract of source.h on a real Redis: streams over its Unix socket; one list, where Redis holds a look open, and
 * several, over TCP. */
#include "source_suite.h"

#include <setjmp.h>

#include <cmocka.h>

#include "support/redis_server.h"

enum { SKIPPED = 77, KEYS = 3 };

static const StoreInfo info = {.id = {1, 2, 3}, .epoch = 1};
static bool lists;

typedef struct RedisSide {
    RedisServer server;
    SourceOptions options;
    SourceContext context;
    char url[128];
} RedisSide;

static void *side_start(void)
{
    RedisSide *side = test_calloc(1, sizeof *side);
    redis_server_start(&side->server, "always");
    snprintf(side->url, sizeof side->url, "redis://:se%%2Fcret%%401@127.0.0.1:%d", side->server.port);
    return side;
}

static void side_stop(void *self)
{
    RedisSide *side = self;
    redis_server_stop(&side->server);
    test_free(side);
}

/* Defined below, since how many keys are named is what differs. */
static const SourceSide *current;

static Source *side_open(void *self, SideLimits limits)
{
    RedisSide *side = self;
    Source *source;
    Error error = {0};
    const char *keys = current->parts == 1 ? "k0" : "k0, k1,k2";
    side->options = (SourceOptions){.name = "here",
                                    .type = SOURCE_REDIS,
                                    .group_messages_max = limits.group_messages_max,
                                    .message_bytes_max = limits.message_bytes_max,
                                    .timeout_us = 10000000,
                                    .url = lists ? side->url : side->server.url,
                                    .ca_file = "",
                                    .cert_file = "",
                                    .key_file = "",
                                    .streams = lists ? "" : keys,
                                    .lists = lists ? keys : "",
                                    .group = "weir",
                                    .consumer = "",
                                    .from_beginning = true,
                                    .claim_us = 60000000};
    side->context = (SourceContext){.options = &side->options, .info = &info, .clock = &clock_system};
    if (source_open(&side->context, &source, &error) != STATUS_OK) {
        fail_msg("open: %s", error.message);
    }
    return source;
}

static void side_put(void *self, size_t part, const Str *raws, size_t count)
{
    RedisSide *side = self;
    for (size_t i = 0; i < count; i++) {
        const char *format = lists ? "LPUSH k%d %b" : "XADD k%d * record %b";
        redis_server_do(&side->server, format, (int)part, raws[i].ptr, raws[i].len);
    }
}

static bool side_put_unfit(void *self)
{
    if (!lists) {
        redis_server_do(&((RedisSide *)self)->server, "XADD k0 * recordId %s value 1", "a\xff");
    }
    return !lists;
}

static int64_t ask_length(RedisSide *side, const char *format, int part)
{
    redisReply *reply = redis_server_ask(&side->server, format, part);
    int64_t length = reply->integer;
    freeReplyObject(reply);
    return length;
}

/* What was not delivered, and what was and is not acknowledged. */
static int64_t stream_left(RedisSide *side, int part)
{
    int64_t left = ask_length(side, "EXISTS k%d", part) ? 0 : -1;
    redisReply *groups = left < 0 ? NULL : redis_server_ask(&side->server, "XINFO GROUPS k%d", part);
    if (!groups || groups->elements == 0) {
        left = left < 0 ? 0 : ask_length(side, "XLEN k%d", part);
    } else {
        const redisReply *fields = groups->element[0]; /* …, pending, n, …, lag, n */
        assert_string_equal(fields->element[4]->str, "pending");
        assert_string_equal(fields->element[10]->str, "lag");
        left = fields->element[5]->integer + fields->element[11]->integer;
    }
    if (groups) {
        freeReplyObject(groups);
    }
    return left;
}

static int64_t side_left(void *self)
{
    RedisSide *side = self;
    int64_t left = 0;
    for (int part = 0; part < (int)current->parts; part++) {
        left += lists ? ask_length(side, "LLEN k%d", part) +
                            ask_length(side, "LLEN k%d:weir:weir-01020300000000000000000000000000", part)
                      : stream_left(side, part);
    }
    return left;
}

static bool side_unreachable(void *self, bool unreachable)
{
    RedisSide *side = self;
    if (unreachable) {
        redis_server_kill(&side->server);
    } else {
        redis_server_restart(&side->server);
    }
    return true;
}

static int run(const char *name, bool of_lists, size_t parts)
{
    SourceSide side = {.name = name,
                       .remembers = true,
                       .any_bytes = true,
                       .parts = parts,
                       .message_bytes_max = SOURCE_MESSAGE_BYTES_MAX,
                       .clock = &clock_system,
                       .start = side_start,
                       .stop = side_stop,
                       .open = side_open,
                       .put = side_put,
                       .put_unfit = side_put_unfit,
                       .left = side_left,
                       .unreachable = side_unreachable};
    lists = of_lists;
    current = &side;
    return source_suite_run(&side);
}

int main(void)
{
    if (!redis_server_can_be_had()) {
        return SKIPPED;
    }
    return run("source-redis-streams", false, KEYS) + run("source-redis-list", true, 1) +
           run("source-redis-lists", true, KEYS);
}
