#include "deliver/redis_script.h"

#include <assert.h>

#include "base/buf.h"
#include "base/timestamp.h"

/* The hash is looked at first: a group that does not follow the last one (which has failed, or came from a connection
 * that was given up) must not be added, since nothing could be put before it any more. XADD itself refuses an id that
 * is not larger than the stream's last. What was added before an error stays, so the place moves by it.
 *
 * A stream that was deleted would be made anew by XADD, and nobody would hear of it. So before the first entry that a
 * group adds to a stream, the stream has to be as far as the hash says; trimming leaves its last-generated-id alone. */
static const char stream_script[] =
    "local function is_deleted(key, id)\n"
    "  local info, last = redis.pcall('XINFO', 'STREAM', key), '0-0'\n"
    "  for i = 1, #info, 2 do\n"
    "    if info[i] == 'last-generated-id' then last = info[i + 1] end\n"
    "  end\n"
    "  return tonumber(string.match(last, '^%d+')) < tonumber(string.match(id, '^%d+'))\n"
    "end\n"
    "local field, have = ARGV[1], {}\n"
    "if field ~= '' then\n"
    "  have = redis.call('HMGET', KEYS[1], 'store', 'epoch', field, unpack(KEYS, 2))\n"
    "  if have[1] ~= ARGV[2] or have[2] ~= ARGV[3] or have[3] ~= ARGV[4] then\n"
    "    return {0, 'PLACE the streams stand at ' .. (have[3] or 'no place') .. ' and not at ' .. ARGV[4]}\n"
    "  end\n"
    "end\n"
    "local added, problem, last, newest = 0, '', {}, nil\n"
    "for i = 6, #ARGV, 8 do\n"
    "  local at, id, answer = tonumber(ARGV[i]), ARGV[i + 1], nil\n"
    "  if have[at + 2] and not last[at] and is_deleted(KEYS[at], have[at + 2]) then\n"
    "    problem = 'DELETED the stream ' .. KEYS[at] .. ' was deleted on the other side'\n"
    "    break\n"
    "  end\n"
    "  if ARGV[i + 5] == '' then\n"
    "    answer = redis.pcall('XADD', KEYS[at], id, 'id', ARGV[i + 2], 'type', ARGV[i + 7], 'time', ARGV[i + 3],\n"
    "      'key', ARGV[i + 4], 'data', ARGV[i + 6])\n"
    "  else\n"
    "    answer = redis.pcall('XADD', KEYS[at], id, 'id', ARGV[i + 2], 'type', ARGV[i + 7], 'time', ARGV[i + 3],\n"
    "      'key', ARGV[i + 4], 'traceparent', ARGV[i + 5], 'data', ARGV[i + 6])\n"
    "  end\n"
    "  if type(answer) == 'table' and answer.err then problem = answer.err break end\n"
    "  added, last[at], newest = added + 1, id, id\n"
    "end\n"
    "for at, id in pairs(last) do\n"
    "  if field ~= '' then redis.call('HSET', KEYS[1], KEYS[at], id) end\n"
    "  if ARGV[5] ~= '0' then redis.call('XTRIM', KEYS[at], 'MAXLEN', '~', ARGV[5]) end\n"
    "end\n"
    "if newest and field ~= '' then redis.call('HSET', KEYS[1], field, newest) end\n"
    "return {added, problem}\n";

static const char list_script[] = "local added, problem = 0, ''\n"
                                  "for i = 1, #ARGV, 2 do\n"
                                  "  local answer = redis.pcall('RPUSH', KEYS[tonumber(ARGV[i])], ARGV[i + 1])\n"
                                  "  if type(answer) == 'table' and answer.err then problem = answer.err break end\n"
                                  "  added = added + 1\n"
                                  "end\n"
                                  "return {added, problem}\n";

static const char claim_script[] =
    "local field = ARGV[1]\n"
    "local have = redis.call('HMGET', KEYS[1], 'store', 'epoch', field)\n"
    "if (have[1] and have[1] ~= ARGV[2]) or (have[2] and have[2] ~= ARGV[3]) or (have[3] or '') ~= ARGV[4] then\n"
    "  return redis.error_reply('PLACE somebody has moved the key ' .. KEYS[1] .. ' meanwhile')\n"
    "end\n"
    "redis.call('HSET', KEYS[1], 'store', ARGV[2], 'epoch', ARGV[3], field, ARGV[5])\n"
    "for i = 6, #ARGV, 2 do\n"
    "  local key = KEYS[tonumber(ARGV[i])]\n"
    "  redis.call('HSET', KEYS[1], key .. ':sink', string.sub(field, 6))\n"
    "  if ARGV[i + 1] ~= '' then redis.call('HSET', KEYS[1], key, ARGV[i + 1]) end\n"
    "end\n"
    "return 'OK'\n";

enum {
    KEY_COUNT = 1 + MESSAGE_STREAM_COUNT,
    COMMAND_ARGS = 3 + KEY_COUNT, /* EVALSHA, the script, how many keys, the keys */
    HEAD_ARGS = 5,
    MESSAGE_ARGS = 8,
    LIST_BYTES_MAX = 1 << 30,
    SHA_BYTES = 41,
};

/* Texts of a message that are made for the command. */
typedef struct Texts {
    char id[REDIS_ID_BYTES_MAX];
    char time[TIMESTAMP_TEXT_BYTES_MAX];
    size_t json_at; /* list: where its JSON begins */
} Texts;

struct RedisScript {
    RedisOwner owner;
    bool list;
    size_t messages_max;
    char sha[SHA_BYTES];
    char field[REDIS_FIELD_BYTES_MAX], store[REDIS_STORE_TEXT_BYTES], epoch[24], trim[24], after[REDIS_ID_BYTES_MAX];
    Texts *texts;      /* owns; one a message */
    const char **argv; /* owns */
    size_t *lens;      /* owns */
    int argc;
    Buf json; /* list: the messages of the group */
};

/* ---- Making ------------------------------------------------------------------------------------------------------ */

Status redis_script_new(const RedisOwner *owner, bool list, int64_t trim, size_t messages_max, RedisScript **ret_script,
                        Error *reterr)
{
    RedisScript *script = calloc(1, sizeof *script);
    size_t args = COMMAND_ARGS + HEAD_ARGS + MESSAGE_ARGS * messages_max;
    if (!script) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    script->owner = *owner;
    script->list = list;
    script->messages_max = messages_max;
    script->texts = calloc(messages_max, sizeof *script->texts);
    script->argv = calloc(args, sizeof *script->argv);
    script->lens = calloc(args, sizeof *script->lens);
    buf_init(&script->json, LIST_BYTES_MAX);
    if (!script->texts || !script->argv || !script->lens) {
        redis_script_free(script);
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    redis_store_format(owner->info, script->store);
    snprintf(script->epoch, sizeof script->epoch, "%lld", (long long)owner->info->epoch);
    snprintf(script->trim, sizeof script->trim, "%lld", (long long)trim);
    snprintf(script->field, sizeof script->field, "sink:%s", owner->sink);
    *ret_script = script;
    return STATUS_OK;
}

void redis_script_free(RedisScript *script)
{
    if (!script) {
        return;
    }
    free(script->texts);
    free(script->argv);
    free(script->lens);
    buf_release(&script->json);
    free(script);
}

/* ---- Commands ---------------------------------------------------------------------------------------------------- */

static void add(RedisScript *script, Str text)
{
    script->argv[script->argc] = text.ptr ? text.ptr : "";
    script->lens[script->argc] = text.len;
    script->argc++;
}

static void add_text(RedisScript *script, const char *text) { add(script, str_from(text)); }

Status redis_script_load(RedisScript *script, RedisConn *conn, Error *reterr)
{
    redisReply *reply = NULL;
    script->argc = 0;
    add_text(script, "SCRIPT");
    add_text(script, "LOAD");
    add_text(script, script->list ? list_script : stream_script);
    Status status = redis_conn_put(conn, script->argc, script->argv, script->lens, reterr);
    if (status == STATUS_OK) {
        status = redis_conn_call(conn, &reply, 1, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    Str text = {reply->str, reply->len};
    if (reply->type == REDIS_REPLY_STRING && text.len < sizeof script->sha) {
        memcpy(script->sha, text.ptr, text.len);
        script->sha[text.len] = '\0';
    } else {
        text = redis_error_text(text);
        status = error_set(reterr, redis_error_status(text) == STATUS_REFUSED ? STATUS_REFUSED : STATUS_BUSY,
                           "the script cannot be loaded: %.*s", STR_ARGS(text));
    }
    freeReplyObject(reply);
    return status;
}

/* The keys are the hash and, behind it, the streams. */
static_assert(KEY_COUNT <= 9, "numbers of one digit");
static const char *const numbers[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const char *stream_number(MessageStream stream) { return numbers[stream + 2]; }

static void add_command(RedisScript *script, const RedisTarget *target)
{
    script->argc = 0;
    add_text(script, "EVALSHA");
    add_text(script, script->sha);
    add_text(script, numbers[KEY_COUNT]);
    add_text(script, target->hash);
    for (MessageStream stream = 0; stream < MESSAGE_STREAM_COUNT; stream++) {
        add_text(script, target->keys[stream]);
    }
}

static void add_head(RedisScript *script, const RedisTarget *target, int64_t after)
{
    redis_id_format(after, script->after);
    add_text(script, target->remembers ? script->field : "");
    add_text(script, script->store);
    add_text(script, script->epoch);
    add_text(script, script->after);
    add_text(script, target->remembers ? script->trim : "0");
}

/* Messages of one commit have one time, and writing it costs more than all else here. */
static Str time_text(RedisScript *script, const Message *messages, size_t i)
{
    Texts *texts = &script->texts[i];
    if (i > 0 && messages[i].created_us == messages[i - 1].created_us) {
        memcpy(texts->time, script->texts[i - 1].time, sizeof texts->time);
        return str_from(texts->time);
    }
    return (Str){texts->time, timestamp_format(messages[i].created_us, texts->time)};
}

static void add_stream_message(RedisScript *script, const RedisTarget *target, const Message *messages, size_t i)
{
    const Message *message = &messages[i];
    Texts *texts = &script->texts[i];
    add_text(script, stream_number(message_kind_stream(message->kind)));
    add(script, target->own_ids ? STR("*") : (Str){texts->id, redis_id_format(message->seq, texts->id)});
    add(script, message->id);
    add(script, time_text(script, messages, i));
    add(script, message->key);
    add(script, message->traceparent);
    add(script, message->body);
    add_text(script, message_kind_name(message->kind));
}

static void put_json(RedisScript *script, const Message *messages, size_t i)
{
    Buf *json = &script->json;
    const Message *message = &messages[i];
    script->texts[i].json_at = json->len;
    buf_put_char(json, '{');
    buf_put_key(json, "id");
    buf_put_json(json, message->id);
    buf_put_key(json, "type");
    buf_put_json(json, str_from(message_kind_name(message->kind)));
    buf_put_key(json, "time");
    buf_put_json(json, time_text(script, messages, i));
    buf_put_key(json, "key");
    buf_put_json(json, message->key);
    if (message->traceparent.len) {
        buf_put_key(json, "traceparent");
        buf_put_json(json, message->traceparent);
    }
    buf_put_key(json, "data");
    buf_put(json, message->body);
    buf_put_char(json, '}');
}

/* All are written before the first is pointed at, since the buffer moves while it grows. */
static Status add_list_messages(RedisScript *script, const Message *messages, size_t count, Error *reterr)
{
    buf_reset(&script->json);
    for (size_t i = 0; i < count; i++) {
        put_json(script, messages, i);
    }
    if (script->json.failed) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = script->texts[i].json_at, end = i + 1 < count ? script->texts[i + 1].json_at : script->json.len;
        add_text(script, stream_number(message_kind_stream(messages[i].kind)));
        add(script, (Str){script->json.ptr + at, end - at});
    }
    return STATUS_OK;
}

Status redis_script_put(RedisScript *script, RedisConn *conn, const RedisTarget *target, int64_t after,
                        const Message *messages, size_t count, Error *reterr)
{
    Status status = STATUS_OK;
    add_command(script, target);
    if (script->list) {
        status = add_list_messages(script, messages, count, reterr);
    } else {
        add_head(script, target, after);
        for (size_t i = 0; i < count; i++) {
            add_stream_message(script, target, messages, i);
        }
    }
    return status == STATUS_OK ? redis_conn_put(conn, script->argc, script->argv, script->lens, reterr) : status;
}

RedisAnswer redis_script_answer(const redisReply *reply)
{
    RedisAnswer answer = {0};
    if (reply->type == REDIS_REPLY_ERROR) {
        answer.error = redis_error_text((Str){reply->str, reply->len});
    } else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[0]->integer >= 0 &&
               reply->element[1]->type == REDIS_REPLY_STRING) {
        answer.added = (size_t)reply->element[0]->integer;
        answer.error = redis_error_text((Str){reply->element[1]->str, reply->element[1]->len});
    } else {
        answer.error = STR("not the script's answer");
    }
    return answer;
}

/* ---- The claim --------------------------------------------------------------------------------------------------- */

/* What the hash has to say of the stream from now on; "" for what it says already. */
static Str stream_id(const RedisStream *stream)
{
    if (stream->remembered_id.len == 0 || str_equal(stream->remembered_id, stream->last_id)) {
        return STR("");
    }
    return stream->last_id.len ? stream->last_id : STR("0-0");
}

Status redis_claim_put(const RedisOwner *owner, RedisConn *conn, const RedisTarget *target,
                       const RedisStanding *standing, int64_t to_seq, Error *reterr)
{
    char store[REDIS_STORE_TEXT_BYTES], epoch[24], field[REDIS_FIELD_BYTES_MAX], to_id[REDIS_ID_BYTES_MAX];
    Str args[3 + KEY_COUNT + 5 + 2 * MESSAGE_STREAM_COUNT];
    const char *argv[sizeof args / sizeof *args];
    size_t lens[sizeof args / sizeof *args], count = 0;
    redis_store_format(owner->info, store);
    snprintf(epoch, sizeof epoch, "%lld", (long long)owner->info->epoch);
    snprintf(field, sizeof field, "sink:%s", owner->sink);
    args[count++] = STR("EVAL");
    args[count++] = str_from(claim_script);
    args[count++] = str_from(numbers[KEY_COUNT]);
    args[count++] = str_from(target->hash);
    for (MessageStream stream = 0; stream < MESSAGE_STREAM_COUNT; stream++) {
        args[count++] = str_from(target->keys[stream]);
    }
    args[count++] = str_from(field);
    args[count++] = str_from(store);
    args[count++] = str_from(epoch);
    args[count++] = standing->place_id;
    args[count++] = (Str){to_id, redis_id_format(to_seq, to_id)};
    for (size_t i = 0; i < standing->stream_count; i++) {
        args[count++] = str_from(stream_number(standing->streams[i].stream));
        args[count++] = stream_id(&standing->streams[i]);
    }
    for (size_t i = 0; i < count; i++) {
        argv[i] = args[i].ptr ? args[i].ptr : "";
        lens[i] = args[i].len;
    }
    return redis_conn_put(conn, (int)count, argv, lens, reterr);
}

Status redis_claim_answer(const redisReply *reply, Error *reterr)
{
    if (reply->type != REDIS_REPLY_ERROR) {
        return STATUS_OK;
    }
    Str error = redis_error_text((Str){reply->str, reply->len});
    return error_set(reterr, redis_error_status(error), "%.*s", STR_ARGS(error));
}
