/* The sink `redis`: streams (exactly once and in order) or lists (at least once). docs/sinks.md is its manual.
 *
 * A group of messages is one script (redis_script.h). Two are under way at a time where the script checks that it
 * follows the one before it, so that Redis works on one while the next is made; otherwise one. Whatever goes wrong ends
 * the connection, and the next one begins by looking where the streams stand (redis_place.h). A group of a lost
 * connection may still be run by Redis after the new one has looked: it then moves the place, our next group is not
 * added, and we look again. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "broker/redis_conn.h"
#include "deliver/redis_place.h"
#include "deliver/redis_script.h"
#include "deliver/sink.h"

enum { GROUPS_MAX = 2, GROUP_MESSAGES_MAX = 10000, PREFIX_BYTES_MAX = 200 };
/* Of each step of a connect(), so that all of them together stay below SINK_CALL_US_MAX. */
#define STEP_US_MAX (SINK_CALL_US_MAX / 6)

typedef struct Group {
    int64_t *seqs; /* owns */
    size_t count, handed;
    size_t there; /* the first so many are on the other side: had been before, or were added */
    bool answered;
    int64_t begun_us, latency_us;
    char error[ERROR_MESSAGE_BYTES_MAX];
} Group;

typedef struct RedisSink {
    Sink base;
    SinkContext context;
    RedisUrl url;
    RedisOwner owner;
    RedisTarget live, dead; /* messages in commit order, and retries */
    RedisScript *script;
    RedisConn *conn; /* NULL: connect() has to come first, for the reason in `why` */
    Wakeup wakeup;
    size_t messages_max, groups_max;
    Group groups[GROUPS_MAX]; /* a ring */
    size_t first, in_use;
    int64_t tail; /* the last message that was sent in order */
    char why[ERROR_MESSAGE_BYTES_MAX];
    char notice[REDIS_NOTICE_BYTES_MAX];
} RedisSink;

static RedisSink *of(Sink *sink) { return (RedisSink *)sink; }

static int64_t now_us(const RedisSink *sink) { return clock_monotonic_us(sink->context.clock); }

static Group *group_at(RedisSink *sink, size_t i) { return &sink->groups[(sink->first + i) % GROUPS_MAX]; }

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

static void settle(RedisSink *sink, Group *group, Str error)
{
    group->answered = true;
    group->latency_us = now_us(sink) - group->begun_us;
    snprintf(group->error, sizeof group->error, "%.*s", STR_ARGS(error));
}

/* Ends the connection. Whether the groups under way have arrived is seen when the next one looks. */
static void disconnect(RedisSink *sink, Str why)
{
    snprintf(sink->why, sizeof sink->why, "%.*s", STR_ARGS(why));
    redis_conn_close(sink->conn);
    sink->conn = NULL;
    for (size_t i = 0; i < sink->in_use; i++) {
        Group *group = group_at(sink, i);
        if (!group->answered) {
            group->there = 0; /* nobody has said so */
            settle(sink, group, str_from(sink->why));
        }
    }
}

static Group *next_unanswered(RedisSink *sink)
{
    for (size_t i = 0; i < sink->in_use; i++) {
        if (!group_at(sink, i)->answered) {
            return group_at(sink, i);
        }
    }
    return NULL;
}

static void take_reply(RedisSink *sink, const redisReply *reply)
{
    Group *group = next_unanswered(sink);
    if (!group) {
        disconnect(sink, STR("an answer that nothing was asked for"));
        return;
    }
    RedisAnswer answer = redis_script_answer(reply);
    /* An error without anything added may be of the command as a whole, and then nobody has looked where the place
     * is. */
    group->there = answer.added || answer.error.len == 0 ? group->there + answer.added : 0;
    group->there = group->there < group->count ? group->there : group->count;
    settle(sink, group, answer.error);
    if (answer.error.len) {
        disconnect(sink, answer.error);
    }
}

/* Writes and reads what can be now. */
static void move_on(RedisSink *sink)
{
    Error error = {0};
    redisReply *reply = NULL;
    Status status = redis_conn_write(sink->conn, &error);
    while (status == STATUS_OK && sink->conn) {
        status = redis_conn_read(sink->conn, &reply, &error);
        if (status != STATUS_OK || !reply) {
            break;
        }
        take_reply(sink, reply);
        freeReplyObject(reply);
    }
    const Group *group = next_unanswered(sink);
    if (status != STATUS_OK) {
        disconnect(sink, str_from(error.message));
    } else if (sink->conn && group && now_us(sink) - group->begun_us > sink->context.options->timeout_us) {
        disconnect(sink, STR("no answer within the time-out"));
    }
}

/* Redis judges no message by what it says: it takes all, or it has a reason of its own (it is full, a replica, not
 * itself) and will take the same ones later. So none fails; they are held, in their order, and the next send says
 * why. */
static SinkResult result_of(const Group *group, size_t i)
{
    SinkResult result = {.seq = group->seqs[i], .verdict = SINK_TAKEN, .latency_us = group->latency_us};
    if (i >= group->there) {
        result.verdict = SINK_HELD;
        result.error = str_from(group->error);
    }
    return result;
}

static size_t redis_results(Sink *base, SinkResult *results, size_t cap)
{
    RedisSink *sink = of(base);
    size_t count = 0;
    if (sink->conn) {
        move_on(sink);
    }
    while (count < cap && sink->in_use && sink->groups[sink->first].answered) {
        Group *group = &sink->groups[sink->first];
        while (count < cap && group->handed < group->count) {
            results[count++] = result_of(group, group->handed++);
        }
        if (group->handed == group->count) {
            sink->first = (sink->first + 1) % GROUPS_MAX;
            sink->in_use--;
        }
    }
    return count;
}

/* ---- Sending ----------------------------------------------------------------------------------------------------- */

static size_t redis_room(const Sink *base)
{
    const RedisSink *sink = (const RedisSink *)base;
    /* Without a connection send() says why, once every verdict has been fetched. */
    return sink->in_use < (sink->conn ? sink->groups_max : 1) ? sink->messages_max : 0;
}

static Group *begin_group(RedisSink *sink, const Message *messages, size_t count)
{
    Group *group = group_at(sink, sink->in_use++);
    *group = (Group){.seqs = group->seqs, .count = count, .begun_us = now_us(sink)};
    for (size_t i = 0; i < count; i++) {
        group->seqs[i] = messages[i].seq;
    }
    return group;
}

static Status redis_send(Sink *base, const Message *messages, size_t count, const SinkPlace *place, Error *reterr)
{
    RedisSink *sink = of(base);
    Error error = {0};
    assert(count <= sink->messages_max);
    if (!sink->conn) {
        return error_set(reterr, STATUS_BUSY, "%s", sink->why);
    }
    if (count == 0) {
        return STATUS_OK;
    }
    Group *group = begin_group(sink, messages, count);
    /* Those that the place has passed are there, if the script finds the place to be what we think. */
    while (place && !sink->context.options->list && group->there < count && messages[group->there].seq <= sink->tail) {
        group->there++;
    }
    Status status = redis_script_put(sink->script, sink->conn, place ? &sink->live : &sink->dead, sink->tail,
                                     messages + group->there, count - group->there, &error);
    if (status == STATUS_OK) {
        status = redis_conn_write(sink->conn, &error);
    }
    if (place && messages[count - 1].seq > sink->tail) {
        sink->tail = messages[count - 1].seq;
    }
    if (status != STATUS_OK) {
        disconnect(sink, str_from(error.message));
    }
    return STATUS_OK;
}

/* ---- Connecting -------------------------------------------------------------------------------------------------- */

/* Asks for the hash and the streams; `ret_replies` has the hash's first. */
static Status ask_standing(RedisSink *sink, const RedisStanding *standing, redisReply **ret_replies, Error *reterr)
{
    const char *argv[3] = {"HGETALL", sink->owner.hash};
    size_t lens[3] = {7, strlen(sink->owner.hash)};
    Status status = redis_conn_put(sink->conn, 2, argv, lens, reterr);
    for (size_t i = 0; status == STATUS_OK && i < standing->stream_count; i++) {
        argv[0] = "XINFO", argv[1] = "STREAM", argv[2] = standing->streams[i].key;
        lens[0] = 5, lens[1] = 6, lens[2] = strlen(argv[2]);
        status = redis_conn_put(sink->conn, 3, argv, lens, reterr);
    }
    return status == STATUS_OK ? redis_conn_call(sink->conn, ret_replies, 1 + standing->stream_count, reterr) : status;
}

static Status claim(RedisSink *sink, const RedisStanding *standing, int64_t to_seq, Error *reterr)
{
    redisReply *reply = NULL;
    Status status = redis_claim_put(&sink->owner, sink->conn, &sink->live, standing, to_seq, reterr);
    if (status == STATUS_OK) {
        status = redis_conn_call(sink->conn, &reply, 1, reterr);
    }
    if (status == STATUS_OK) {
        status = redis_claim_answer(reply, reterr);
        freeReplyObject(reply);
    }
    return status;
}

static Status decide(RedisSink *sink, RedisStanding *standing, redisReply *const *replies, SinkPlace ours,
                     SinkPlace *ret_theirs, Error *reterr)
{
    RedisDecision decision;
    Status status = sink->owner.remembers ? redis_standing_read(standing, &sink->owner, replies[0], reterr) : STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < standing->stream_count; i++) {
        status = redis_stream_read(&standing->streams[i], replies[1 + i], reterr);
    }
    if (status == STATUS_OK) {
        status = redis_place_decide(standing, &sink->owner, ours, &decision, reterr);
    }
    if (status == STATUS_OK && sink->owner.remembers) {
        status = claim(sink, standing, decision.place_seq, reterr);
    }
    if (status == STATUS_OK) {
        memcpy(sink->notice, decision.notice, sizeof sink->notice);
        sink->tail = decision.place_seq;
        *ret_theirs = decision.theirs;
    }
    return status;
}

/* Where the streams stand, and that they are ours from now on. */
static Status find_place(RedisSink *sink, SinkPlace ours, SinkPlace *ret_theirs, Error *reterr)
{
    RedisStanding standing = {0};
    redisReply *replies[1 + MESSAGE_STREAM_COUNT] = {0};
    for (MessageStream stream = 0; stream < MESSAGE_STREAM_COUNT; stream++) {
        if (subscription_wants_stream(&sink->context.options->subscription, stream)) {
            standing.streams[standing.stream_count++] = (RedisStream){.key = sink->live.keys[stream], .stream = stream};
        }
    }
    Status status = ask_standing(sink, &standing, replies, reterr);
    if (status == STATUS_OK) {
        status = decide(sink, &standing, replies, ours, ret_theirs, reterr);
    }
    for (size_t i = 0; i < sizeof replies / sizeof *replies && replies[i]; i++) {
        freeReplyObject(replies[i]);
    }
    return status;
}

static Status begin(RedisSink *sink, SinkPlace ours, SinkPlace *ret_theirs, Error *reterr)
{
    const SinkOptions *options = sink->context.options;
    int64_t step_us = options->timeout_us < STEP_US_MAX ? options->timeout_us : STEP_US_MAX;
    const RedisTlsFiles files = {options->ca_file, options->cert_file, options->key_file};
    Status status = redis_conn_open(&sink->url, &files, step_us, sink->context.clock, &sink->conn, reterr);
    if (status == STATUS_OK) {
        status = redis_script_load(sink->script, sink->conn, reterr);
    }
    if (status == STATUS_OK && options->list) {
        *ret_theirs = ours;
        sink->tail = ours.sent_seq;
    } else if (status == STATUS_OK) {
        status = find_place(sink, ours, ret_theirs, reterr);
    }
    return status;
}

static Status redis_connect(Sink *base, SinkPlace ours, SinkPlace *ret_theirs, Error *reterr)
{
    RedisSink *sink = of(base);
    Error error = {0};
    disconnect(sink, STR("connecting"));
    sink->first = sink->in_use = 0;
    sink->notice[0] = '\0';
    Status status = begin(sink, ours, ret_theirs, &error);
    if (status != STATUS_OK) {
        if (sink->url.path[0]) {
            error_prefix(&error, "redis at %s", sink->url.path);
        } else {
            error_prefix(&error, "redis at %s:%d", sink->url.host, sink->url.port);
        }
        disconnect(sink, str_from(error.message));
        return error_set(reterr, status, "%s", error.message);
    }
    base->notice = str_from(sink->notice);
    return STATUS_OK;
}

/* ---- Waiting ----------------------------------------------------------------------------------------------------- */

static int64_t time_left_us(RedisSink *sink, int64_t us_max)
{
    const Group *group = next_unanswered(sink);
    if (!group) {
        return us_max;
    }
    int64_t left = group->begun_us + sink->context.options->timeout_us - now_us(sink) + 1;
    left = left > 0 ? left : 0;
    return left < us_max ? left : us_max;
}

static void redis_wait(Sink *base, int64_t us_max)
{
    RedisSink *sink = of(base);
    if (sink->in_use && sink->groups[sink->first].answered) {
        return;
    }
    redis_conn_wait(sink->conn, &sink->wakeup, time_left_us(sink, us_max));
}

static void redis_wake(Sink *base) { wakeup_call(&of(base)->wakeup); }

/* ---- Open and close ---------------------------------------------------------------------------------------------- */

static void redis_close(Sink *base)
{
    RedisSink *sink = of(base);
    redis_conn_close(sink->conn);
    redis_script_free(sink->script);
    for (size_t i = 0; i < GROUPS_MAX; i++) {
        free(sink->groups[i].seqs);
    }
    wakeup_release(&sink->wakeup);
    free(sink);
}

static const SinkOps redis_ops = {
    .connect = redis_connect,
    .room = redis_room,
    .send = redis_send,
    .results = redis_results,
    .wait = redis_wait,
    .wake = redis_wake,
    .close = redis_close,
};

static void name_keys(RedisSink *sink)
{
    const SinkContext *context = &sink->context;
    const char *prefix = context->options->prefix;
    snprintf(sink->live.hash, sizeof sink->live.hash, "%sweir", prefix);
    sink->live.remembers = !context->replay_job && !context->options->list;
    for (MessageStream stream = 0; stream < MESSAGE_STREAM_COUNT; stream++) {
        const char *name = message_stream_name(stream);
        char *key = sink->live.keys[stream];
        if (context->replay_job) {
            snprintf(key, REDIS_KEY_BYTES_MAX, "%s%s:replay:%lld", prefix, name, (long long)context->replay_job);
        } else {
            snprintf(key, REDIS_KEY_BYTES_MAX, "%s%s", prefix, name);
        }
    }
    sink->dead = sink->live;
    if (context->options->list) {
        return; /* a list takes anything at its end */
    }
    sink->dead.remembers = false;
    sink->dead.own_ids = true;
    for (MessageStream stream = 0; stream < MESSAGE_STREAM_COUNT; stream++) {
        snprintf(sink->dead.keys[stream], REDIS_KEY_BYTES_MAX, "%s%s:replay:dead-letters", prefix,
                 message_stream_name(stream));
    }
}

static Status check_options(RedisSink *sink, Error *reterr)
{
    const SinkOptions *options = sink->context.options;
    const RedisTlsFiles files = {options->ca_file, options->cert_file, options->key_file};
    if (redis_url_parse(options->url, &sink->url, reterr) != STATUS_OK) {
        return error_prefix(reterr, "url");
    }
    Status status = redis_conn_check(&sink->url, &files, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (strlen(options->prefix) > PREFIX_BYTES_MAX) {
        return error_set(reterr, STATUS_REFUSED, "prefix: longer than %d bytes", PREFIX_BYTES_MAX);
    }
    return STATUS_OK;
}

static Status make_parts(RedisSink *sink, Error *reterr)
{
    const SinkOptions *options = sink->context.options;
    size_t wanted = options->in_flight_max ? options->in_flight_max : 1;
    sink->messages_max = wanted < GROUP_MESSAGES_MAX ? wanted : GROUP_MESSAGES_MAX;
    Status status = wakeup_init(&sink->wakeup, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < GROUPS_MAX; i++) {
        sink->groups[i].seqs = calloc(sink->messages_max, sizeof(int64_t));
        if (!sink->groups[i].seqs) {
            return error_set(reterr, STATUS_BUSY, "out of memory");
        }
    }
    return redis_script_new(&sink->owner, options->list, options->trim, sink->messages_max, &sink->script, reterr);
}

Status sink_redis_open(const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    RedisSink *sink = calloc(1, sizeof *sink);
    if (!sink) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    *sink = (RedisSink){.base.ops = &redis_ops, .context = *context, .wakeup = WAKEUP_NONE, .why = "not connected yet"};
    Status status = check_options(sink, reterr);
    if (status == STATUS_OK) {
        name_keys(sink);
        sink->groups_max = sink->live.remembers ? GROUPS_MAX : 1;
        sink->owner = (RedisOwner){.info = context->info,
                                   .sink = context->options->name,
                                   .hash = sink->live.hash,
                                   .remembers = sink->live.remembers};
        status = make_parts(sink, reterr);
    }
    if (status != STATUS_OK) {
        redis_close(&sink->base);
        return status;
    }
    *ret_sink = &sink->base;
    return STATUS_OK;
}
