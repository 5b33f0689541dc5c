/* The source `redis`: what streams and lists have in common. docs/sources.md is its manual. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/options.h"
#include "intake/redis_source.h"

#define STEP_US_MAX                                                                                                    \
    INT64_C(2000000) /* of each step of a connect(), so that all of them together are below ten seconds */
#define CLOSE_US_MAX INT64_C(1000000)
#define IN_FLIGHT_US INT64_C(5000) /* between two looks while a group waits to be stored */

enum { MEAN_FIRST = 1024, FIXED_ARGS = 16 };

static RedisSource *of(Source *source) { return (RedisSource *)source; }

int64_t redis_source_now(const RedisSource *source) { return clock_monotonic_us(source->context.clock); }

/* ---- Notices ----------------------------------------------------------------------------------------------------- */

void redis_source_note(RedisSource *source)
{
    int len = 0;
    source->notice[0] = '\0';
    if (source->deleted) {
        bool one = source->deleted == 1;
        len = snprintf(source->notice, sizeof source->notice,
                       "%" PRId64 " %s deleted on the other side before %s read%s", source->deleted,
                       one ? "entry was" : "entries were", one ? "it was" : "they were", source->lost[0] ? "; " : "");
    }
    snprintf(source->notice + len, sizeof source->notice - (size_t)len, "%s", source->lost);
    source->base.notice = str_from(source->notice);
}

void redis_source_note_lost(RedisSource *source, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(source->lost, sizeof source->lost, format, args);
    va_end(args);
    redis_source_note(source);
}

/* ---- Commands ---------------------------------------------------------------------------------------------------- */

void redis_source_arg(RedisSource *source, Str text)
{
    if (source->argc < source->arg_cap) {
        source->argv[source->argc] = text.ptr ? text.ptr : "";
        source->lens[source->argc] = text.len;
    }
    source->argc++;
}

Status redis_source_put_call(RedisSource *source, Error *reterr)
{
    size_t argc = source->argc;
    source->argc = 0;
    if (argc > source->arg_cap) {
        return error_set(reterr, STATUS_BUSY, "a command of %zu words is too long", argc);
    }
    return redis_conn_put(source->conn, (int)argc, source->argv, source->lens, reterr);
}

static bool brings_messages(RedisAsk ask)
{
    return ask == REDIS_ASK_READ || ask == REDIS_ASK_CLAIM || ask == REDIS_ASK_ONE;
}

Status redis_source_put(RedisSource *source, RedisAsk ask, size_t key, int64_t more_us, Error *reterr)
{
    if (source->asked_count == REDIS_ASKED_MAX) {
        source->argc = 0;
        return error_set(reterr, STATUS_BUSY, "%d commands wait for an answer", REDIS_ASKED_MAX);
    }
    int64_t deadline_us = redis_source_now(source) + source->context.options->timeout_us + more_us;
    source->asked[(source->asked_first + source->asked_count++) % REDIS_ASKED_MAX] =
        (RedisAsked){ask, key, deadline_us};
    source->reading = source->reading || brings_messages(ask);
    return redis_source_put_call(source, reterr);
}

Status redis_source_error(const redisReply *reply, Error *reterr)
{
    if (reply->type != REDIS_REPLY_ERROR) {
        return STATUS_OK;
    }
    Str error = redis_error_text(redis_reply_text(reply));
    return error_set(reterr, redis_error_status(error), "%.*s", STR_ARGS(error));
}

Status redis_source_call(RedisSource *source, redisReply **ret_replies, size_t count, bool errors_too, Error *reterr)
{
    Status status = redis_conn_call(source->conn, ret_replies, count, reterr);
    for (size_t i = 0; status == STATUS_OK && !errors_too && i < count; i++) {
        status = redis_source_error(ret_replies[i], reterr);
        for (size_t j = 0; status != STATUS_OK && j < count; j++) {
            freeReplyObject(ret_replies[j]);
            ret_replies[j] = NULL;
        }
    }
    return status;
}

size_t redis_source_count(const RedisSource *source)
{
    size_t count = SOURCE_GROUP_BYTES / source->message_mean, most = source->context.options->group_messages_max;
    count = count < most ? count : most;
    return count > 0 ? count : 1;
}

void redis_source_drop_reply(RedisSource *source)
{
    if (source->reply) {
        freeReplyObject(source->reply);
        source->reply = NULL;
    }
}

/* ---- Messages ---------------------------------------------------------------------------------------------------- */

Status redis_source_add(RedisSource *source, SourceGroup *group, SourceMessage *message, bool *ret_added, Error *reterr)
{
    char why[96];
    size_t len = message->raw.len, most = source->context.options->message_bytes_max;
    *ret_added = source_group_has_room(group, len);
    if (!*ret_added) {
        return STATUS_OK;
    }
    if (len > most) {
        int why_len = snprintf(why, sizeof why, "has %zu bytes, more than the %zu of message_bytes_max", len, most);
        message->refused = (Str){why, (size_t)why_len};
    }
    if (len > SOURCE_MESSAGE_BYTES_MAX) {
        message->raw.len = SOURCE_MESSAGE_BYTES_MAX;
    }
    message->format = SOURCE_FORMAT_JSON;
    return source_group_add(group, message, reterr);
}

void redis_source_note_length(RedisSource *source, size_t messages)
{
    if (messages) {
        size_t mean = redis_conn_reply_bytes(source->conn) / messages + 1;
        source->message_mean = mean > source->message_mean ? mean : (3 * source->message_mean + mean) / 4;
    }
}

/* ---- The connection ---------------------------------------------------------------------------------------------- */

static void disconnect(RedisSource *source)
{
    redis_conn_close(source->conn);
    redis_source_drop_reply(source);
    source->conn = NULL;
    source->asked_first = source->asked_count = source->argc = 0;
    source->in_flight = 0;
    source->reading = false;
    source->ask_us = source->care_us = 0;
}

/* Ends the connection and says where it was. */
static Status fail(RedisSource *source, Status status, const Error *error, Error *reterr)
{
    const RedisUrl *url = &source->url;
    Error copy = *error;
    disconnect(source);
    if (url->path[0]) {
        error_prefix(&copy, "redis at %s", url->path);
    } else {
        error_prefix(&copy, "redis at %s:%d", url->host, url->port);
    }
    return error_set(reterr, status, "%s", copy.message);
}

/* A message that is too long beside others is read alone: the next connection finds it among what is ours already. */
static Status refuse_length(RedisSource *source, Error *error)
{
    if (!redis_conn_was_too_long(source->conn)) {
        return STATUS_BUSY;
    }
    bool was_alone = redis_source_count(source) == 1;
    source->message_mean = SOURCE_GROUP_BYTES;
    return was_alone ? error_set(error, STATUS_REFUSED,
                                 "a message is longer than %d MiB, which is more than can be read: remove it there",
                                 REDIS_LONE_BYTES_MAX >> 20)
                     : STATUS_BUSY;
}

static Status take_reply(RedisSource *source, redisReply *reply, Error *reterr)
{
    if (source->asked_count == 0) {
        freeReplyObject(reply);
        return error_set(reterr, STATUS_BUSY, "an answer that nothing was asked for");
    }
    RedisAsked asked = source->asked[source->asked_first];
    bool keep = false;
    Status status = STATUS_OK;
    source->asked_first = (source->asked_first + 1) % REDIS_ASKED_MAX;
    source->asked_count--;
    source->reading = source->reading && !brings_messages(asked.ask);
    if (reply->type == REDIS_REPLY_ERROR &&
        source->way->forgive(source, asked, redis_error_text(redis_reply_text(reply)))) {
        freeReplyObject(reply);
        return STATUS_OK;
    }
    status = redis_source_error(reply, reterr);
    if (status == STATUS_OK) {
        status = source->way->take(source, asked, reply, &keep, reterr);
    }
    if (!keep) {
        freeReplyObject(reply);
        return status;
    }
    source->reply = reply;
    source->reply_to = asked.ask;
    source->reply_key = asked.key;
    source->at_part = source->at_message = 0;
    return status;
}

/* A long answer may take as long as it likes while it comes: who waits for the end of one, again and again, would never
 * have it over a slow connection. */
static void put_deadlines_off(RedisSource *source)
{
    enum { LEAST_BYTES = 16 << 10 }; /* in each time-out */
    size_t coming = redis_conn_coming_bytes(source->conn);
    source->came = coming < source->came ? 0 : source->came;
    if (coming - source->came < LEAST_BYTES) {
        return;
    }
    source->came = coming;
    int64_t until_us = redis_source_now(source) + source->context.options->timeout_us;
    for (size_t i = 0; i < source->asked_count; i++) {
        RedisAsked *asked = &source->asked[(source->asked_first + i) % REDIS_ASKED_MAX];
        asked->deadline_us = asked->deadline_us < until_us ? until_us : asked->deadline_us;
    }
}

/* Writes what can be written, and takes what has come. */
static Status move_on(RedisSource *source, Error *reterr)
{
    redisReply *reply = NULL;
    Status status = redis_conn_write(source->conn, reterr);
    while (status == STATUS_OK) {
        status = redis_conn_read(source->conn, &reply, reterr);
        if (status != STATUS_OK) {
            return refuse_length(source, reterr);
        }
        if (!reply) {
            break;
        }
        status = take_reply(source, reply, reterr);
    }
    put_deadlines_off(source);
    if (status == STATUS_OK && source->asked_count &&
        redis_source_now(source) > source->asked[source->asked_first].deadline_us) {
        status = error_set(reterr, STATUS_BUSY, "no answer within %" PRId64 " ms",
                           source->context.options->timeout_us / 1000);
    }
    return status;
}

static bool owes(const RedisSource *source)
{
    for (size_t i = 0; i < source->asked_count; i++) {
        if (source->asked[(source->asked_first + i) % REDIS_ASKED_MAX].ask == REDIS_ASK_ACK) {
            return true;
        }
    }
    return false;
}

/* What was acknowledged and given back should arrive, since Redis drops what a connection has sent when it ends while a
 * read is held open. What does not arrive comes again. */
static void leave(RedisSource *source)
{
    Error error;
    int64_t now_us = redis_source_now(source), timeout_us = source->context.options->timeout_us;
    int64_t until_us = now_us + (timeout_us < CLOSE_US_MAX ? timeout_us : CLOSE_US_MAX);
    Status status = source->way->leave(source, &error);
    while (status == STATUS_OK && owes(source) && now_us < until_us) {
        status = move_on(source, &error);
        redis_source_drop_reply(source);
        if (status == STATUS_OK && owes(source)) {
            redis_conn_wait(source->conn, &source->wakeup, until_us - now_us);
            now_us = redis_source_now(source);
        }
    }
}

static Status open_conn(RedisSource *source, Error *reterr)
{
    const SourceOptions *options = source->context.options;
    int64_t step_us = options->timeout_us < STEP_US_MAX ? options->timeout_us : STEP_US_MAX;
    const RedisTlsFiles files = {options->ca_file, options->cert_file, options->key_file};
    Status status = redis_conn_open(&source->url, &files, step_us, source->context.clock, &source->conn, reterr);
    if (status == STATUS_OK) {
        status = source->way->begin(source, reterr);
    }
    return status;
}

static void take_places(RedisSource *source, const SourcePlace *places, size_t count)
{
    for (size_t i = 0; i < source->key_count; i++) {
        RedisKey *key = &source->keys[i];
        key->waiting = key->pending = -1;
        key->newest = (RedisEntryId){0};
        key->taken = 0;
        key->known = key->counted = false;
        for (size_t j = 0; j < count; j++) {
            if (str_is(places[j].part, key->name)) {
                key->known = redis_entry_id_parse(places[j].mark, &key->newest);
                key->counted = str_equal(places[j].mark, REDIS_LIST_MARK);
                key->taken = key->counted ? places[j].next : 0;
            }
        }
    }
}

static Status redis_connect(Source *base, const SourcePlace *places, size_t count, Error *reterr)
{
    RedisSource *source = of(base);
    Error error = {0};
    if (source->conn) {
        leave(source);
    }
    disconnect(source);
    take_places(source, places, count);
    Status status = open_conn(source, &error);
    if (status != STATUS_OK) {
        return fail(source, status, &error, reterr);
    }
    redis_source_note(source);
    return STATUS_OK;
}

/* ---- Fetching ---------------------------------------------------------------------------------------------------- */

static Status ask(RedisSource *source, Error *reterr)
{
    int64_t now_us = redis_source_now(source);
    Status status = STATUS_OK;
    if (!source->reading && !source->reply && now_us >= source->ask_us) {
        redis_conn_set_reply_max(source->conn,
                                 redis_source_count(source) == 1 ? REDIS_LONE_BYTES_MAX : REDIS_REPLY_BYTES_MAX);
        source->ask_us = source->in_flight ? now_us + IN_FLIGHT_US : 0;
        status = source->way->ask(source, reterr);
    }
    return status;
}

static Status fetch(RedisSource *source, SourceGroup *group, Error *reterr)
{
    Status status = move_on(source, reterr);
    if (status == STATUS_OK && group && source->reply) {
        status = source->way->fill(source, group, reterr);
    }
    if (status == STATUS_OK && group) {
        status = source->way->put_places(source, group, reterr);
        source->in_flight += status == STATUS_OK && group->count > 0;
        source->ask_us = group->count > 0 ? 0 : source->ask_us; /* there may well be more */
    }
    if (status == STATUS_OK && group) {
        status = ask(source, reterr);
    }
    if (status == STATUS_OK && redis_source_now(source) >= source->care_us) {
        status = source->way->care(source, reterr);
    }
    return status == STATUS_OK ? redis_conn_write(source->conn, reterr) : status;
}

static Status redis_fetch(Source *base, SourceGroup *group, Error *reterr)
{
    RedisSource *source = of(base);
    Error error = {0};
    if (!source->conn) {
        return error_set(reterr, STATUS_BUSY, "not connected");
    }
    Status status = fetch(source, group, &error);
    return status == STATUS_OK ? STATUS_OK : fail(source, status, &error, reterr);
}

static Status redis_acknowledge(Source *base, const SourceGroup *group, Error *reterr)
{
    RedisSource *source = of(base);
    Error error = {0};
    if (!source->conn) {
        return error_set(reterr, STATUS_BUSY, "not connected");
    }
    source->in_flight -= group->count > 0 && source->in_flight > 0;
    source->ask_us = 0;
    Status status = source->way->acknowledge(source, group, &error);
    if (status == STATUS_OK) {
        status = redis_conn_write(source->conn, &error);
    }
    return status == STATUS_OK ? STATUS_OK : fail(source, status, &error, reterr);
}

/* ---- Waiting ----------------------------------------------------------------------------------------------------- */

static int64_t sooner(int64_t us, int64_t due_us, int64_t now_us)
{
    int64_t left = due_us > now_us ? due_us - now_us : 0;
    return left < us ? left : us;
}

static void redis_wait(Source *base, int64_t us_max)
{
    RedisSource *source = of(base);
    int64_t now_us = redis_source_now(source), us = us_max;
    if (source->conn && source->reply) {
        return;
    }
    if (source->conn) {
        us = sooner(us, source->care_us, now_us);
        us = source->reading ? us : sooner(us, source->ask_us, now_us);
        us = source->asked_count ? sooner(us, source->asked[source->asked_first].deadline_us + 1, now_us) : us;
    }
    redis_conn_wait(source->conn, &source->wakeup, us);
}

static void redis_wake(Source *base) { wakeup_call(&of(base)->wakeup); }

static void redis_lag(const Source *base, SourceLag *ret_lag)
{
    const RedisSource *source = (const RedisSource *)base;
    SourceLag lag = {0};
    for (size_t i = 0; i < source->key_count; i++) {
        const RedisKey *key = &source->keys[i];
        bool known = key->waiting >= 0 && key->pending >= 0 && lag.messages >= 0;
        lag.messages = known ? lag.messages + key->waiting + key->pending : -1;
        if (key->oldest_us && (!lag.oldest_us || key->oldest_us < lag.oldest_us)) {
            lag.oldest_us = key->oldest_us;
        }
    }
    *ret_lag = lag;
}

/* ---- Open and close ---------------------------------------------------------------------------------------------- */

static void redis_close(Source *base)
{
    RedisSource *source = of(base);
    if (source->conn) {
        leave(source);
    }
    disconnect(source);
    wakeup_release(&source->wakeup);
    buf_release(&source->json);
    free(source->keys);
    free(source->argv);
    free(source->lens);
    free(source);
}

static const SourceOps redis_ops = {
    .connect = redis_connect,
    .fetch = redis_fetch,
    .acknowledge = redis_acknowledge,
    .wait = redis_wait,
    .wake = redis_wake,
    .lag = redis_lag,
    .close = redis_close,
};

static Status check_url(RedisSource *source, Error *reterr)
{
    const SourceOptions *options = source->context.options;
    const RedisTlsFiles files = {options->ca_file, options->cert_file, options->key_file};
    Status status = redis_url_parse(options->url, &source->url, reterr);
    return status == STATUS_OK ? redis_conn_check(&source->url, &files, reterr) : error_prefix(reterr, "url");
}

static Status name_consumer(RedisSource *source, Error *reterr)
{
    const SourceOptions *options = source->context.options;
    char *at = source->consumer;
    if (strlen(options->consumer) >= sizeof source->consumer) {
        return error_set(reterr, STATUS_REFUSED, "consumer: longer than %zu bytes", sizeof source->consumer - 1);
    }
    if (options->consumer[0]) {
        snprintf(at, sizeof source->consumer, "%s", options->consumer);
        return STATUS_OK;
    }
    at += snprintf(at, sizeof source->consumer, "weir-");
    *str_put_hex(at, source->context.info->id, sizeof source->context.info->id) = '\0';
    return STATUS_OK;
}

static Status add_key(RedisSource *source, Str name, const char *option, Error *reterr)
{
    if (name.len >= REDIS_NAME_BYTES_MAX || str_count_code_points(name) < 0) {
        return error_set(reterr, STATUS_REFUSED, "%s: a key is longer than %d bytes, or not UTF-8", option,
                         REDIS_NAME_BYTES_MAX - 1);
    }
    if (source->key_count == REDIS_KEYS_MAX) {
        return error_set(reterr, STATUS_REFUSED, "%s: more than %d keys; make two sources of them", option,
                         REDIS_KEYS_MAX);
    }
    RedisKey *key = &source->keys[source->key_count];
    snprintf(key->name, sizeof key->name, "%.*s", STR_ARGS(name));
    snprintf(key->processing, sizeof key->processing, "%s:weir:%s", key->name, source->consumer);
    snprintf(key->registry, sizeof key->registry, "%s:weir", key->name);
    for (size_t i = 0; i < source->key_count; i++) {
        if (str_is(name, source->keys[i].name)) {
            return error_set(reterr, STATUS_REFUSED, "%s: %s is named twice", option, key->name);
        }
    }
    source->key_count++;
    return STATUS_OK;
}

static Status set_keys(RedisSource *source, Error *reterr)
{
    const SourceOptions *options = source->context.options;
    bool lists = options->lists[0] != '\0';
    const char *option = lists ? "lists" : "streams";
    Status status = STATUS_OK;
    source->way = lists ? &redis_list_way : &redis_stream_way;
    source->keys = calloc(REDIS_KEYS_MAX, sizeof *source->keys);
    if (!source->keys) {
        return error_set(reterr, STATUS_BUSY, "no memory for a source");
    }
    Str name;
    OptionItems items = option_items(str_from(lists ? options->lists : options->streams));
    while (status == STATUS_OK && option_items_next(&items, &name)) {
        status = name.len ? add_key(source, name, option, reterr) : STATUS_OK;
    }
    if (status == STATUS_OK && source->key_count == 0) {
        status = error_set(reterr, STATUS_REFUSED, "%s: names no key", option);
    }
    return status;
}

static Status make_parts(RedisSource *source, Error *reterr)
{
    source->arg_cap = FIXED_ARGS + 2 * source->context.options->group_messages_max + 2 * REDIS_KEYS_MAX;
    source->argv = calloc(source->arg_cap, sizeof *source->argv);
    source->lens = calloc(source->arg_cap, sizeof *source->lens);
    buf_init(&source->json, SOURCE_MESSAGE_BYTES_MAX);
    if (!source->argv || !source->lens) {
        return error_set(reterr, STATUS_BUSY, "no memory for a source");
    }
    return wakeup_init(&source->wakeup, reterr);
}

Status source_redis_open(const SourceContext *context, Source **ret_source, Error *reterr)
{
    RedisSource *source = calloc(1, sizeof *source);
    if (!source) {
        return error_set(reterr, STATUS_BUSY, "no memory for a source");
    }
    source->base.ops = &redis_ops;
    source->context = *context;
    source->wakeup = WAKEUP_NONE;
    source->message_mean = MEAN_FIRST;
    source->claims = true;
    Status status = check_url(source, reterr);
    status = status == STATUS_OK ? name_consumer(source, reterr) : status;
    status = status == STATUS_OK ? set_keys(source, reterr) : status;
    status = status == STATUS_OK ? make_parts(source, reterr) : status;
    if (status != STATUS_OK) {
        redis_close(&source->base);
        return status;
    }
    *ret_source = &source->base;
    return STATUS_OK;
}
