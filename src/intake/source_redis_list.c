/* The source `redis` on lists, as a reliable queue: elements are moved into a list of ours, `<key>:weir:<consumer>`,
 * and removed from there when they are stored. What that list has when we connect, and when we go, is put back where it
 * came from.
 *
 * Each consumer says in the hash `<key>:weir` now and then that it is still there, by Redis's clock. What one has left
 * that has said nothing for claim_us is put back, too.
 *
 * An element that was removed is nowhere but in the store. How many the store has of a list is its place, and goes into
 * the hash when they are removed: when there are more than the store knows of, that is an older copy of itself, and a
 * person should know. */
#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "intake/redis_source.h"

#define CARE_US     INT64_C(1000000)
#define CARE_US_MAX INT64_C(15000000)
#define IDLE_US     INT64_C(20000) /* between two looks where Redis cannot hold one open */

enum { NUMBER_BYTES = REDIS_NUMBER_BYTES, HASH_BYTES_SHOWN = 8 };

/* Scripts run in one piece. From Redis 7 on they may also run when it is full, which taking elements out of lists
 * changes for the better. */
static const char may_run_when_full[] = "#!lua flags=allow-oom\n";

/* KEYS: list, processing, …; ARGV: how many elements, about how many bytes, the list to begin with. Answers {list,
 * element …} for each list that had some. An error in between loses nothing: what was moved is in processing. */
static const char take_script[] = "local count, bytes, lists = tonumber(ARGV[1]), tonumber(ARGV[2]), #KEYS / 2\n"
                                  "local taken = {}\n"
                                  "for i = 0, lists - 1 do\n"
                                  "  local at = (tonumber(ARGV[3]) + i) % lists\n"
                                  "  local found = {at}\n"
                                  "  while count > 0 and bytes > 0 do\n"
                                  "    local e = redis.pcall('RPOPLPUSH', KEYS[2 * at + 1], KEYS[2 * at + 2])\n"
                                  "    if not e then break end\n"
                                  "    if type(e) == 'table' then\n"
                                  "      return {err = e.err .. ' (the list ' .. KEYS[2 * at + 1] .. ')'}\n"
                                  "    end\n"
                                  "    found[#found + 1] = e\n"
                                  "    count, bytes = count - 1, bytes - #e\n"
                                  "  end\n"
                                  "  if #found > 1 then taken[#taken + 1] = found end\n"
                                  "end\n"
                                  "return taken\n";

/* KEYS: processing, registry; ARGV: the counter, what it is now, element, its length, … The oldest that is equal goes,
 * which is the last one unless somebody has reached in. Of an element that is too long to be kept whole only the
 * beginning is known. */
static const char remove_script[] = "local removed = 0\n"
                                    "for i = 3, #ARGV, 2 do\n"
                                    "  local value, length = ARGV[i], tonumber(ARGV[i + 1])\n"
                                    "  if #value == length then\n"
                                    "    removed = removed + redis.call('LREM', KEYS[1], -1, value)\n"
                                    "  else\n"
                                    "    local e = redis.call('LINDEX', KEYS[1], -1)\n"
                                    "    if e and #e == length and string.sub(e, 1, #value) == value then\n"
                                    "      redis.call('RPOP', KEYS[1])\n"
                                    "      removed = removed + 1\n"
                                    "    end\n"
                                    "  end\n"
                                    "end\n"
                                    "redis.pcall('HSET', KEYS[2], ARGV[1], ARGV[2])\n"
                                    "return removed\n";

/* An element is put there before it is taken here: an error in between leaves it twice, never nowhere. */
#define GIVE_FUNCTION                                                                                                  \
    "local function give(from, to)\n"                                                                                  \
    "  local moved = 0\n"                                                                                              \
    "  while true do\n"                                                                                                \
    "    local e = redis.call('LINDEX', from, 0)\n"                                                                    \
    "    if not e then return moved end\n"                                                                             \
    "    redis.call('RPUSH', to, e)\n"                                                                                 \
    "    redis.call('LPOP', from)\n"                                                                                   \
    "    moved = moved + 1\n"                                                                                          \
    "  end\n"                                                                                                          \
    "end\n"

/* KEYS: list, processing, … The newest goes back first, so that the oldest is the next to be taken again. */
static const char give_script[] =
    GIVE_FUNCTION "local moved = 0\n"
                  "for i = 1, #KEYS, 2 do moved = moved + give(KEYS[i + 1], KEYS[i]) end\n"
                  "return moved\n";

/* KEYS: list, registry; ARGV: consumer, for how many milliseconds the others may be silent (0: for ever). */
static const char care_script[] =
    GIVE_FUNCTION "local time, moved = redis.call('TIME'), 0\n"
                  "local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
                  "local seen = redis.call('HGETALL', KEYS[2])\n"
                  "redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f', now))\n"
                  "for i = 1, #seen, 2 do\n"
                  "  local other = seen[i] ~= ARGV[1] and string.sub(seen[i], 1, 7) ~= 'stored '\n"
                  "  if ARGV[2] ~= '0' and other and now - tonumber(seen[i + 1]) > tonumber(ARGV[2]) then\n"
                  "    moved = moved + give(KEYS[2] .. ':' .. seen[i], KEYS[1])\n"
                  "    redis.call('HDEL', KEYS[2], seen[i])\n"
                  "  end\n"
                  "end\n"
                  "return moved\n";

/* ---- Commands ---------------------------------------------------------------------------------------------------- */

static Str number_text(char text[NUMBER_BYTES], int64_t value)
{
    return (Str){text, (size_t)snprintf(text, NUMBER_BYTES, "%" PRId64, value)};
}

static void begin_script(RedisSource *source, const char *sha, const char *key_count)
{
    redis_source_word(source, "EVALSHA");
    redis_source_word(source, sha);
    redis_source_word(source, key_count);
}

static void add_lists(RedisSource *source)
{
    for (size_t i = 0; i < source->key_count; i++) {
        redis_source_word(source, source->keys[i].name);
        redis_source_word(source, source->keys[i].processing);
    }
}

static void make_give(RedisSource *source)
{
    begin_script(source, source->give_sha, source->key_words);
    add_lists(source);
}

static void make_care(RedisSource *source, size_t key, char silent[NUMBER_BYTES])
{
    begin_script(source, source->care_sha, "2");
    redis_source_word(source, source->keys[key].name);
    redis_source_word(source, source->keys[key].registry);
    redis_source_word(source, source->consumer);
    redis_source_arg(source, number_text(silent, (source->context.options->claim_us + 999) / 1000));
}

/* ---- The beginning ----------------------------------------------------------------------------------------------- */

static Status load(RedisSource *source, const char *prefix, const char *script, char ret_sha[41], Error *reterr)
{
    redisReply *reply = NULL;
    buf_reset(&source->json);
    buf_put(&source->json, str_from(prefix));
    buf_put(&source->json, str_from(script));
    if (source->json.failed) {
        return error_set(reterr, STATUS_BUSY, "no memory for a script");
    }
    redis_source_word(source, "SCRIPT");
    redis_source_word(source, "LOAD");
    redis_source_arg(source, buf_str(&source->json));
    Status status = redis_source_put_call(source, reterr);
    if (status == STATUS_OK) {
        status = redis_source_call(source, &reply, 1, true, reterr);
    }
    if (status == STATUS_OK) {
        status = redis_source_error(reply, reterr);
        snprintf(ret_sha, 41, "%.*s", STR_ARGS(redis_reply_text(reply)));
        freeReplyObject(reply);
    }
    return status;
}

static Status load_all(RedisSource *source, const char *prefix, Error *reterr)
{
    Status status = load(source, prefix, take_script, source->take_sha, reterr);
    status = status == STATUS_OK ? load(source, prefix, remove_script, source->remove_sha, reterr) : status;
    status = status == STATUS_OK ? load(source, prefix, give_script, source->give_sha, reterr) : status;
    return status == STATUS_OK ? load(source, prefix, care_script, source->care_sha, reterr) : status;
}

/* How many messages others had left. */
static void take_care(RedisSource *source, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0) {
        source->recovered += reply->integer;
        bool one = source->recovered == 1;
        redis_source_note_lost(source, "%" PRId64 " message%s that another consumer had taken and left %s put back",
                               source->recovered, one ? "" : "s", one ? "was" : "were");
    }
}

/* What is in the registry was stored before it got there. Nothing is known of a list whose place was forgotten, or
 * never was. */
static void take_registry(RedisSource *source, RedisKey *key, const redisReply *reply)
{
    const redisReply *counter = redis_reply_field(reply, source->counter);
    uint64_t removed = 0;
    if (!counter || !str_to_u64(redis_reply_text(counter), INT64_MAX, &removed) || (int64_t)removed <= key->taken) {
        return;
    }
    if (key->counted) {
        redis_source_note_lost(source,
                               "the list %s: the store is an older copy of itself: what it had stored since, %" PRId64
                               " of the list's elements, is not in the list any more",
                               key->name, (int64_t)removed - key->taken);
    }
    key->taken = (int64_t)removed;
}

/* What was ours, in this life or one before, is the next to be taken. Others hear of us before we take anything. */
static Status put_first_calls(RedisSource *source, Error *reterr)
{
    char silent[NUMBER_BYTES];
    make_give(source);
    Status status = redis_source_put_call(source, reterr);
    for (size_t i = 0; i < source->key_count && status == STATUS_OK; i++) {
        make_care(source, i, silent);
        status = redis_source_put_call(source, reterr);
        if (status == STATUS_OK) {
            redis_source_word(source, "HGETALL");
            redis_source_word(source, source->keys[i].registry);
            status = redis_source_put_call(source, reterr);
        }
    }
    return status;
}

static Status make_first_calls(RedisSource *source, Error *reterr)
{
    redisReply *replies[1 + 2 * REDIS_KEYS_MAX] = {0};
    size_t count = 1 + 2 * source->key_count;
    Status status = put_first_calls(source, reterr);
    if (status == STATUS_OK) {
        status = redis_source_call(source, replies, count, false, reterr);
    }
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        if (i > 0 && i % 2 == 1) {
            take_care(source, replies[i]);
        } else if (i > 0) {
            take_registry(source, &source->keys[i / 2 - 1], replies[i]);
        }
        freeReplyObject(replies[i]);
    }
    return status;
}

static Status list_begin(RedisSource *source, Error *reterr)
{
    Error error;
    redis_conn_set_reply_max(source->conn, REDIS_LONE_BYTES_MAX);
    Status status = load_all(source, may_run_when_full, &error);
    if (status != STATUS_OK) { /* before Redis 7 that line is none of a script */
        status = load_all(source, "", reterr);
    }
    for (size_t i = 0; i < source->key_count; i++) {
        source->keys[i].moved = false;
    }
    snprintf(source->counter, sizeof source->counter, "stored %s", source->consumer);
    source->blocks = source->key_count == 1;
    source->empty = false;
    number_text(source->key_words, 2 * (int64_t)source->key_count);
    return status == STATUS_OK ? make_first_calls(source, reterr) : status;
}

/* ---- Asking ------------------------------------------------------------------------------------------------------ */

static Status ask_take(RedisSource *source, Error *reterr)
{
    char count[NUMBER_BYTES], bytes[NUMBER_BYTES], turn[NUMBER_BYTES];
    begin_script(source, source->take_sha, source->key_words);
    add_lists(source);
    redis_source_arg(source, number_text(count, (int64_t)source->context.options->group_messages_max));
    redis_source_arg(source, number_text(bytes, SOURCE_GROUP_BYTES));
    redis_source_arg(source, number_text(turn, (int64_t)(source->turn++ % source->key_count)));
    return redis_source_put(source, REDIS_ASK_READ, 0, 0, reterr);
}

/* Redis holds it open until there is something, or for a while. */
static Status ask_one(RedisSource *source, Error *reterr)
{
    char seconds[NUMBER_BYTES];
    snprintf(seconds, sizeof seconds, "0.%03d", REDIS_BLOCK_MS);
    redis_source_word(source, "BLMOVE");
    redis_source_word(source, source->keys[0].name);
    redis_source_word(source, source->keys[0].processing);
    redis_source_word(source, "RIGHT");
    redis_source_word(source, "LEFT");
    redis_source_word(source, seconds);
    return redis_source_put(source, REDIS_ASK_ONE, 0, REDIS_BLOCK_MS * INT64_C(1000), reterr);
}

static Status list_ask(RedisSource *source, Error *reterr)
{
    bool waits = source->empty && source->blocks && source->in_flight == 0;
    source->empty = false;
    return waits ? ask_one(source, reterr) : ask_take(source, reterr);
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

static Status take_elements(RedisSource *source, const redisReply *reply, bool *ret_keep, Error *reterr)
{
    size_t count = 0;
    if (reply->type != REDIS_REPLY_ARRAY) {
        return error_set(reterr, STATUS_BUSY, "not the script's answer");
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *part = reply->element[i];
        if (part->type != REDIS_REPLY_ARRAY || part->elements < 2 || part->element[0]->type != REDIS_REPLY_INTEGER ||
            part->element[0]->integer < 0 || part->element[0]->integer >= (long long)source->key_count) {
            return error_set(reterr, STATUS_BUSY, "not the script's answer");
        }
        count += part->elements - 1;
    }
    *ret_keep = count > 0;
    source->empty = count == 0;
    if (source->empty && !source->blocks) {
        int64_t due_us = redis_source_now(source) + IDLE_US;
        source->ask_us = source->ask_us > due_us ? source->ask_us : due_us;
    }
    return STATUS_OK;
}

static void take_length(RedisKey *key, RedisAsk ask, const redisReply *reply)
{
    int64_t length = reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
    if (ask == REDIS_ASK_LAG) {
        key->waiting = length;
    } else {
        key->pending = length;
    }
}

static Status list_take(RedisSource *source, RedisAsked asked, redisReply *reply, bool *ret_keep, Error *reterr)
{
    switch (asked.ask) {
    case REDIS_ASK_READ: return take_elements(source, reply, ret_keep, reterr);
    case REDIS_ASK_ONE:
        *ret_keep = reply->type == REDIS_REPLY_STRING;
        source->empty = !*ret_keep;
        break;
    case REDIS_ASK_LAG:
    case REDIS_ASK_PENDING: take_length(&source->keys[asked.key], asked.ask, reply); break;
    case REDIS_ASK_CARE: take_care(source, reply); break;
    default: break;
    }
    return STATUS_OK;
}

/* A Redis before 6.2 has no BLMOVE, and one that is full refuses it: then we look now and then. */
static bool list_forgive(RedisSource *source, RedisAsked asked, Str error)
{
    (void)error;
    switch (asked.ask) {
    case REDIS_ASK_ONE: source->blocks = false; return true;
    case REDIS_ASK_LAG: source->keys[asked.key].waiting = -1; return true;
    case REDIS_ASK_PENDING: source->keys[asked.key].pending = -1; return true;
    default: return false;
    }
}

/* ---- Groups ------------------------------------------------------------------------------------------------------ */

/* Elements have no ids: the same bytes are at the same place. "<key>/bytes:0123456789abcdef" */
static Str place_of(const RedisKey *key, Str raw, char *text, size_t size)
{
    unsigned char hash[EVP_MAX_MD_SIZE] = {0};
    unsigned hash_len = 0;
    bool ok = EVP_Digest(raw.ptr, raw.len, hash, &hash_len, EVP_sha256(), NULL) == 1;
    assert(ok && hash_len >= HASH_BYTES_SHOWN);
    int len = snprintf(text, size, "%s/bytes:", key->name);
    return (Str){text, (size_t)(str_put_hex(text + len, hash, HASH_BYTES_SHOWN) - text)};
}

static Status add_element(RedisSource *source, SourceGroup *group, size_t at_key, Str raw, bool *ret_added,
                          Error *reterr)
{
    char place[REDIS_NAME_BYTES_MAX + 32], token[1 + NUMBER_BYTES];
    *ret_added = source_group_has_room(group, raw.len);
    if (!*ret_added) {
        return STATUS_OK;
    }
    token[0] = (char)(at_key + 1);
    Str length = number_text(token + 1, (int64_t)raw.len);
    SourceMessage message = {.raw = raw,
                             .place = place_of(&source->keys[at_key], raw, place, sizeof place),
                             .token = {token, 1 + length.len}};
    Status status = redis_source_add(source, group, &message, ret_added, reterr);
    if (status == STATUS_OK && *ret_added) {
        source->keys[at_key].taken++;
        source->keys[at_key].moved = true;
    }
    return status;
}

static Status list_put_places(RedisSource *source, SourceGroup *group, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < source->key_count && status == STATUS_OK; i++) {
        RedisKey *key = &source->keys[i];
        if (key->moved) {
            status = source_group_put_place(group, str_from(key->name), key->taken, REDIS_LIST_MARK, reterr);
            key->moved = false;
        }
    }
    return status;
}

/* The element at which the kept reply is; NULL behind the last. */
static const redisReply *next_element(RedisSource *source, size_t *ret_key)
{
    *ret_key = 0;
    if (source->reply_to == REDIS_ASK_ONE) {
        return source->at_message == 0 ? source->reply : NULL;
    }
    while (source->at_part < source->reply->elements) {
        const redisReply *part = source->reply->element[source->at_part];
        if (source->at_message + 1 < part->elements) {
            *ret_key = (size_t)part->element[0]->integer;
            return part->element[source->at_message + 1];
        }
        source->at_part++;
        source->at_message = 0;
    }
    return NULL;
}

static Status list_fill(RedisSource *source, SourceGroup *group, Error *reterr)
{
    const redisReply *element;
    size_t key;
    bool added = true;
    Status status = STATUS_OK;
    while (status == STATUS_OK && added && (element = next_element(source, &key))) {
        status = add_element(source, group, key, redis_reply_text(element), &added, reterr);
        source->at_message += added;
    }
    if (status == STATUS_OK && added) {
        redis_source_drop_reply(source);
    }
    return status;
}

/* As the store has it with this group. */
static int64_t stored_of(const RedisKey *key, const SourceGroup *group)
{
    for (size_t i = 0; i < group->place_count; i++) {
        if (str_is(group->places[i].part, key->name)) {
            return group->places[i].next;
        }
    }
    return 0;
}

static Status list_acknowledge(RedisSource *source, const SourceGroup *group, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t key = 0; key < source->key_count && status == STATUS_OK; key++) {
        size_t count = 0;
        char stored[NUMBER_BYTES];
        begin_script(source, source->remove_sha, "2");
        redis_source_word(source, source->keys[key].processing);
        redis_source_word(source, source->keys[key].registry);
        redis_source_word(source, source->counter);
        redis_source_arg(source, number_text(stored, stored_of(&source->keys[key], group)));
        for (size_t i = 0; i < group->count; i++) {
            Str token = group->messages[i].token;
            if ((size_t)token.ptr[0] == key + 1) {
                redis_source_arg(source, group->messages[i].raw);
                redis_source_arg(source, (Str){token.ptr + 1, token.len - 1});
                count++;
            }
        }
        source->argc = count ? source->argc : 0;
        status = count ? redis_source_put(source, REDIS_ASK_ACK, key, 0, reterr) : STATUS_OK;
    }
    return status;
}

/* ---- Now and then ------------------------------------------------------------------------------------------------ */

static Status ask_length(RedisSource *source, RedisAsk ask, size_t key, const char *name, Error *reterr)
{
    redis_source_word(source, "LLEN");
    redis_source_word(source, name);
    return redis_source_put(source, ask, key, REDIS_BLOCK_MS * INT64_C(1000), reterr);
}

static bool is_time_to_tell(RedisSource *source, int64_t now_us)
{
    int64_t claim_us = source->context.options->claim_us, every_us = claim_us / 4;
    every_us = claim_us == 0 || every_us > CARE_US_MAX ? CARE_US_MAX : every_us;
    if (now_us < source->claim_us) {
        return false;
    }
    source->claim_us = now_us + every_us;
    return true;
}

static Status list_care(RedisSource *source, Error *reterr)
{
    char silent[NUMBER_BYTES];
    int64_t now_us = redis_source_now(source);
    source->care_us = now_us + CARE_US;
    if (source->asked_count > REDIS_ASKED_MAX / 2) {
        return STATUS_OK; /* it answers slowly enough */
    }
    bool tells = is_time_to_tell(source, now_us);
    Status status = STATUS_OK;
    for (size_t i = 0; i < source->key_count && status == STATUS_OK; i++) {
        const RedisKey *key = &source->keys[i];
        if (tells) {
            make_care(source, i, silent);
            status = redis_source_put(source, REDIS_ASK_CARE, i, REDIS_BLOCK_MS * INT64_C(1000), reterr);
        }
        status = status == STATUS_OK ? ask_length(source, REDIS_ASK_LAG, i, key->name, reterr) : status;
        status = status == STATUS_OK ? ask_length(source, REDIS_ASK_PENDING, i, key->processing, reterr) : status;
    }
    return status;
}

static Status list_leave(RedisSource *source, Error *reterr)
{
    make_give(source);
    return redis_source_put(source, REDIS_ASK_ACK, 0, REDIS_BLOCK_MS * INT64_C(1000), reterr);
}

const RedisWay redis_list_way = {
    .begin = list_begin,
    .ask = list_ask,
    .take = list_take,
    .forgive = list_forgive,
    .fill = list_fill,
    .put_places = list_put_places,
    .acknowledge = list_acknowledge,
    .care = list_care,
    .leave = list_leave,
};
