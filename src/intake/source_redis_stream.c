/* The source `redis` on streams: a consumer group. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "intake/redis_source.h"

#define CARE_US      INT64_C(1000000)
#define CLAIM_US_MIN INT64_C(1000000)
#define CLAIM_US_MAX INT64_C(30000000)

#define MS_FIRST UINT64_C(1000000000000) /* 2001-09-09: what is less is no time */

enum { HISTORY = 1, NUMBER_BYTES = REDIS_NUMBER_BYTES };

static Str group_name(const RedisSource *source) { return str_from(source->context.options->group); }

/* ---- Asking ------------------------------------------------------------------------------------------------------ */

static Str number_text(char text[NUMBER_BYTES], int64_t value)
{
    return (Str){text, (size_t)snprintf(text, NUMBER_BYTES, "%" PRId64, value)};
}

/* COUNT holds for each stream. */
static void begin_read(RedisSource *source, char count_text[NUMBER_BYTES])
{
    size_t count = redis_source_count(source) / source->key_count;
    redis_source_word(source, "XREADGROUP");
    redis_source_word(source, "GROUP");
    redis_source_arg(source, group_name(source));
    redis_source_word(source, source->consumer);
    redis_source_word(source, "COUNT");
    redis_source_arg(source, number_text(count_text, count > 0 ? (int64_t)count : 1));
}

static Status ask_new(RedisSource *source, Error *reterr)
{
    char count[NUMBER_BYTES], block[NUMBER_BYTES];
    bool blocks = source->in_flight == 0;
    begin_read(source, count);
    if (blocks) {
        redis_source_word(source, "BLOCK");
        redis_source_arg(source, number_text(block, REDIS_BLOCK_MS));
    }
    redis_source_word(source, "STREAMS");
    for (size_t i = 0; i < source->key_count; i++) {
        redis_source_word(source, source->keys[i].name);
    }
    for (size_t i = 0; i < source->key_count; i++) {
        redis_source_word(source, ">");
    }
    return redis_source_put(source, REDIS_ASK_READ, 0, blocks ? REDIS_BLOCK_MS * INT64_C(1000) : 0, reterr);
}

static bool has_history(const RedisSource *source)
{
    for (size_t i = 0; i < source->key_count; i++) {
        if (!source->keys[i].history_read) {
            return true;
        }
    }
    return false;
}

/* What was delivered to us, in this life or one before, and was not acknowledged. */
static Status ask_history(RedisSource *source, Error *reterr)
{
    char count[NUMBER_BYTES], ids[REDIS_KEYS_MAX][REDIS_ENTRY_ID_BYTES_MAX];
    begin_read(source, count);
    redis_source_word(source, "STREAMS");
    for (size_t i = 0; i < source->key_count; i++) {
        if (!source->keys[i].history_read) {
            redis_source_word(source, source->keys[i].name);
        }
    }
    for (size_t i = 0; i < source->key_count; i++) {
        if (!source->keys[i].history_read) {
            redis_source_arg(source, (Str){ids[i], redis_entry_id_format(source->keys[i].history, ids[i])});
        }
    }
    return redis_source_put(source, REDIS_ASK_READ, HISTORY, 0, reterr);
}

static Status ask_claim(RedisSource *source, Error *reterr)
{
    char count[NUMBER_BYTES], idle[NUMBER_BYTES];
    const RedisKey *key = &source->keys[source->claim_key];
    redis_source_word(source, "XAUTOCLAIM");
    redis_source_word(source, key->name);
    redis_source_arg(source, group_name(source));
    redis_source_word(source, source->consumer);
    redis_source_arg(source, number_text(idle, (source->context.options->claim_us + 999) / 1000));
    redis_source_word(source, key->claim_from);
    redis_source_word(source, "COUNT");
    redis_source_arg(source, number_text(count, (int64_t)redis_source_count(source)));
    return redis_source_put(source, REDIS_ASK_CLAIM, source->claim_key, 0, reterr);
}

static void begin_claims(RedisSource *source)
{
    source->claim_key = 0;
    for (size_t i = 0; i < source->key_count; i++) {
        snprintf(source->keys[i].claim_from, REDIS_ENTRY_ID_BYTES_MAX, "0-0");
    }
}

static Status stream_ask(RedisSource *source, Error *reterr)
{
    if (has_history(source)) {
        return ask_history(source, reterr);
    }
    if (source->claims && source->context.options->claim_us > 0 && source->claim_key == source->key_count &&
        redis_source_now(source) >= source->claim_us) {
        begin_claims(source);
    }
    return source->claim_key < source->key_count ? ask_claim(source, reterr) : ask_new(source, reterr);
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* Of a part of a read: [name, entries]. key_count when there is none of that name. */
static size_t find_key(const RedisSource *source, const redisReply *part)
{
    size_t at = 0;
    bool ok = part->type == REDIS_REPLY_ARRAY && part->elements == 2 && part->element[1]->type == REDIS_REPLY_ARRAY;
    while (at < source->key_count && !(ok && str_is(redis_reply_text(part->element[0]), source->keys[at].name))) {
        at++;
    }
    return at;
}

/* The entries of the kept reply's part; NULL behind the last. */
static const redisReply *entries_of(const RedisSource *source, size_t at_part, size_t *ret_key)
{
    if (source->reply_to == REDIS_ASK_CLAIM) {
        *ret_key = source->reply_key;
        return at_part == 0 ? source->reply->element[1] : NULL;
    }
    if (at_part == source->reply->elements) {
        return NULL;
    }
    *ret_key = find_key(source, source->reply->element[at_part]);
    return source->reply->element[at_part]->element[1];
}

static bool is_entry(const redisReply *entry) { return entry->type == REDIS_REPLY_ARRAY && entry->elements == 2; }

/* Entries that are ours and were deleted have an id alone. Nothing of them can be stored, so they are done with. */
static Status drop_deleted(RedisSource *source, const RedisKey *key, const redisReply *entries, Error *reterr)
{
    int64_t count = 0;
    redis_source_word(source, "XACK");
    redis_source_word(source, key->name);
    redis_source_arg(source, group_name(source));
    for (size_t i = 0; i < entries->elements; i++) {
        if (is_entry(entries->element[i]) && entries->element[i]->element[1]->type == REDIS_REPLY_NIL) {
            redis_source_arg(source, redis_reply_text(entries->element[i]->element[0]));
            count++;
        }
    }
    if (count == 0) {
        source->argc = 0;
        return STATUS_OK;
    }
    source->deleted += count;
    redis_source_note(source);
    return redis_source_put(source, REDIS_ASK_ACK, 0, 0, reterr);
}

static void take_history(RedisKey *key, const redisReply *entries)
{
    key->history_read = entries->elements == 0;
    if (!key->history_read && is_entry(entries->element[entries->elements - 1])) {
        const redisReply *last = entries->element[entries->elements - 1];
        key->history_read = !redis_entry_id_parse(redis_reply_text(last->element[0]), &key->history);
    }
}

static Status take_read(RedisSource *source, bool history, const redisReply *reply, bool *ret_keep, Error *reterr)
{
    Status status = STATUS_OK;
    size_t count = 0;
    for (size_t i = 0; history && i < source->key_count; i++) {
        source->keys[i].history_read = true;
    }
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements && status == STATUS_OK; i++) {
        size_t key = find_key(source, reply->element[i]);
        if (key == source->key_count) {
            return error_set(reterr, STATUS_BUSY, "the answer of XREADGROUP is none of Redis");
        }
        const redisReply *entries = reply->element[i]->element[1];
        count += entries->elements;
        if (history) {
            take_history(&source->keys[key], entries);
            status = drop_deleted(source, &source->keys[key], entries, reterr);
        }
    }
    redis_source_note_length(source, count);
    *ret_keep = count > 0 && status == STATUS_OK;
    return status;
}

static int64_t claim_again_us(const RedisSource *source)
{
    int64_t us = source->context.options->claim_us / 2;
    us = us < CLAIM_US_MIN ? CLAIM_US_MIN : us;
    return redis_source_now(source) + (us > CLAIM_US_MAX ? CLAIM_US_MAX : us);
}

/* [where the next one goes on, entries, ids that were deleted]; the last from Redis 7 on, which forgets them itself. */
static Status take_claim(RedisSource *source, RedisAsked asked, const redisReply *reply, bool *ret_keep, Error *reterr)
{
    RedisKey *key = &source->keys[asked.key];
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || reply->element[1]->type != REDIS_REPLY_ARRAY) {
        return error_set(reterr, STATUS_BUSY, "the answer of XAUTOCLAIM is none of Redis");
    }
    if (reply->elements > 2 && reply->element[2]->type == REDIS_REPLY_ARRAY && reply->element[2]->elements) {
        source->deleted += (int64_t)reply->element[2]->elements;
        redis_source_note(source);
    }
    snprintf(key->claim_from, sizeof key->claim_from, "%.*s", STR_ARGS(redis_reply_text(reply->element[0])));
    if (strcmp(key->claim_from, "0-0") == 0 && ++source->claim_key == source->key_count) {
        source->claim_us = claim_again_us(source);
    }
    source->ask_us = 0; /* there was no look for new ones yet */
    redis_source_note_length(source, reply->element[1]->elements);
    *ret_keep = reply->element[1]->elements > 0;
    return STATUS_OK;
}

static void take_lag(const RedisSource *source, RedisKey *key, const redisReply *groups)
{
    const redisReply *group = redis_stream_group(source, groups);
    const redisReply *lag =
        group ? redis_reply_field(group, "lag") : NULL; /* from Redis 7 on, and not always known there */
    key->waiting = lag && lag->type == REDIS_REPLY_INTEGER ? lag->integer : -1;
}

/* [how many, the first id, the last id, by consumer]. Ids are times unless whoever writes chooses them. */
static void take_pending(const RedisSource *source, RedisKey *key, const redisReply *reply)
{
    RedisEntryId oldest = {0};
    bool ok =
        reply->type == REDIS_REPLY_ARRAY && reply->elements == 4 && reply->element[0]->type == REDIS_REPLY_INTEGER;
    key->pending = ok ? reply->element[0]->integer : -1;
    key->oldest_us = 0;
    if (ok && redis_entry_id_parse(redis_reply_text(reply->element[1]), &oldest) && oldest.ms >= MS_FIRST &&
        oldest.ms <= (uint64_t)clock_wall_us(source->context.clock) / 1000) {
        key->oldest_us = (int64_t)oldest.ms * 1000;
    }
}

static Status stream_take(RedisSource *source, RedisAsked asked, redisReply *reply, bool *ret_keep, Error *reterr)
{
    switch (asked.ask) {
    case REDIS_ASK_READ: return take_read(source, asked.key == HISTORY, reply, ret_keep, reterr);
    case REDIS_ASK_CLAIM: return take_claim(source, asked, reply, ret_keep, reterr);
    case REDIS_ASK_LAG: take_lag(source, &source->keys[asked.key], reply); break;
    case REDIS_ASK_PENDING: take_pending(source, &source->keys[asked.key], reply); break;
    default: break;
    }
    return STATUS_OK;
}

static bool stream_forgive(RedisSource *source, RedisAsked asked, Str error)
{
    switch (asked.ask) {
    case REDIS_ASK_LAG: source->keys[asked.key].waiting = -1; return true;
    case REDIS_ASK_PENDING: source->keys[asked.key].pending = -1; return true;
    case REDIS_ASK_CLAIM:
        if (!str_starts_with(error, STR("ERR unknown command"))) {
            return false;
        }
        source->claims = false;
        source->claim_key = source->key_count;
        redis_source_note_lost(source,
                               "this Redis is older than 6.2, and does not hand over what other consumers have left");
        return true;
    default: return false;
    }
}

/* ---- Groups ------------------------------------------------------------------------------------------------------ */

static Status add_entry(RedisSource *source, SourceGroup *group, size_t at_key, const redisReply *reply,
                        bool *ret_added, Error *reterr)
{
    RedisKey *key = &source->keys[at_key];
    Str id = redis_reply_text(reply->element[0]);
    RedisEntry entry = redis_entry_read(reply->element[1], &source->json);
    char place[REDIS_NAME_BYTES_MAX + REDIS_ENTRY_ID_BYTES_MAX], token[1 + REDIS_ENTRY_ID_BYTES_MAX];
    RedisEntryId parsed;
    if (entry.no_memory) {
        return error_set(reterr, STATUS_BUSY, "no memory for an entry");
    }
    if (!redis_entry_id_parse(id, &parsed) || id.len >= REDIS_ENTRY_ID_BYTES_MAX) {
        return error_set(reterr, STATUS_BUSY, "an entry's id in the answer is none of Redis");
    }
    int place_len = snprintf(place, sizeof place, "%s/%.*s", key->name, STR_ARGS(id));
    int token_len = snprintf(token, sizeof token, "%c%.*s", (char)(at_key + 1), STR_ARGS(id));
    SourceMessage message = {.raw = entry.raw,
                             .place = {place, (size_t)place_len},
                             .traceparent = entry.traceparent,
                             .token = {token, (size_t)token_len},
                             .refused = str_from(entry.refused)};
    Status status = redis_source_add(source, group, &message, ret_added, reterr);
    if (status == STATUS_OK && *ret_added && redis_entry_id_compare(parsed, key->newest) > 0) {
        key->newest = parsed;
        key->known = key->moved = true;
    }
    return status;
}

static Status stream_put_places(RedisSource *source, SourceGroup *group, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < source->key_count && status == STATUS_OK; i++) {
        RedisKey *key = &source->keys[i];
        char mark[REDIS_ENTRY_ID_BYTES_MAX];
        if (key->moved) {
            size_t len = redis_entry_id_format(key->newest, mark);
            int64_t next = key->newest.ms < INT64_MAX ? (int64_t)key->newest.ms : INT64_MAX;
            status = source_group_put_place(group, str_from(key->name), next, (Str){mark, len}, reterr);
            key->moved = false;
        }
    }
    return status;
}

static Status stream_fill(RedisSource *source, SourceGroup *group, Error *reterr)
{
    const redisReply *entries;
    size_t key;
    bool added = true;
    Status status = STATUS_OK;
    while (status == STATUS_OK && added && (entries = entries_of(source, source->at_part, &key))) {
        if (source->at_message == entries->elements) {
            source->at_part++;
            source->at_message = 0;
            continue;
        }
        const redisReply *entry = entries->element[source->at_message];
        if (is_entry(entry) && entry->element[1]->type == REDIS_REPLY_ARRAY) {
            status = add_entry(source, group, key, entry, &added, reterr);
        }
        source->at_message += added;
    }
    if (status == STATUS_OK && added) {
        redis_source_drop_reply(source);
    }
    return status;
}

static Status stream_acknowledge(RedisSource *source, const SourceGroup *group, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t key = 0; key < source->key_count && status == STATUS_OK; key++) {
        size_t count = 0;
        redis_source_word(source, "XACK");
        redis_source_word(source, source->keys[key].name);
        redis_source_arg(source, group_name(source));
        for (size_t i = 0; i < group->count; i++) {
            Str token = group->messages[i].token;
            if ((size_t)token.ptr[0] == key + 1) {
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

static Status stream_care(RedisSource *source, Error *reterr)
{
    Status status = STATUS_OK;
    source->care_us = redis_source_now(source) + CARE_US;
    if (source->asked_count > REDIS_ASKED_MAX / 2) {
        return STATUS_OK; /* it answers slowly enough */
    }
    for (size_t i = 0; i < source->key_count && status == STATUS_OK; i++) {
        redis_source_word(source, "XINFO");
        redis_source_word(source, "GROUPS");
        redis_source_word(source, source->keys[i].name);
        status = redis_source_put(source, REDIS_ASK_LAG, i, REDIS_BLOCK_MS * INT64_C(1000), reterr);
        if (status == STATUS_OK) {
            redis_source_word(source, "XPENDING");
            redis_source_word(source, source->keys[i].name);
            redis_source_arg(source, group_name(source));
            status = redis_source_put(source, REDIS_ASK_PENDING, i, REDIS_BLOCK_MS * INT64_C(1000), reterr);
        }
    }
    return status;
}

static Status stream_leave(RedisSource *source, Error *reterr)
{
    (void)source;
    (void)reterr;
    return STATUS_OK;
}

const RedisWay redis_stream_way = {
    .begin = redis_stream_begin,
    .ask = stream_ask,
    .take = stream_take,
    .forgive = stream_forgive,
    .fill = stream_fill,
    .put_places = stream_put_places,
    .acknowledge = stream_acknowledge,
    .care = stream_care,
    .leave = stream_leave,
};
