/* How reading streams begins: what each has become, where a new group begins, and whether the store is an older copy of
 * itself, which has not what we have acknowledged since. */
#include <stdio.h>

#include "intake/redis_source.h"

static Str group_name(const RedisSource *source) { return str_from(source->context.options->group); }

/* ---- The beginning ----------------------------------------------------------------------------------------------- */

/* What Redis says of one stream and our group of it. */
typedef struct Standing {
    bool there, grouped, pending; /* pending: what was delivered is not all acknowledged */
    RedisEntryId last, delivered;
} Standing;

const redisReply *redis_stream_group(const RedisSource *source, const redisReply *groups)
{
    for (size_t i = 0; groups->type == REDIS_REPLY_ARRAY && i < groups->elements; i++) {
        const redisReply *name = redis_reply_field(groups->element[i], "name");
        if (name && str_equal(redis_reply_text(name), group_name(source))) {
            return groups->element[i];
        }
    }
    return NULL;
}

static void parse_field(const redisReply *fields, const char *name, RedisEntryId *ret_id)
{
    const redisReply *value = redis_reply_field(fields, name);
    if (value) {
        (void)redis_entry_id_parse(redis_reply_text(value), ret_id);
    }
}

static Status read_standing(const RedisSource *source, const redisReply *stream, const redisReply *groups,
                            Standing *ret_standing, Error *reterr)
{
    Standing standing = {0};
    if (!str_starts_with(redis_reply_text(stream), STR("ERR no such key"))) {
        Status status = redis_source_error(stream, reterr);
        status = status == STATUS_OK ? redis_source_error(groups, reterr) : status;
        if (status != STATUS_OK) {
            return status;
        }
        standing.there = true;
        parse_field(stream, "last-generated-id", &standing.last);
        const redisReply *group = redis_stream_group(source, groups);
        if (group) {
            standing.grouped = true;
            parse_field(group, "last-delivered-id", &standing.delivered);
            const redisReply *pending = redis_reply_field(group, "pending");
            standing.pending = !pending || pending->type != REDIS_REPLY_INTEGER || pending->integer > 0;
        }
    }
    *ret_standing = standing;
    return STATUS_OK;
}

/* What a person should know: something is not there any more that was. */
static void look_for_loss(RedisSource *source, const RedisKey *key, const Standing *standing)
{
    char last[REDIS_ENTRY_ID_BYTES_MAX], ours[REDIS_ENTRY_ID_BYTES_MAX], delivered[REDIS_ENTRY_ID_BYTES_MAX];
    bool was_read = key->known && redis_entry_id_compare(key->newest, (RedisEntryId){0, 0}) > 0;
    redis_entry_id_format(standing->last, last);
    redis_entry_id_format(key->newest, ours);
    redis_entry_id_format(standing->delivered, delivered);
    if (was_read && !standing->there) {
        redis_source_note_lost(source, "the stream %s, of which all up to %s was read, was deleted", key->name, ours);
    } else if (was_read && redis_entry_id_compare(standing->last, key->newest) < 0) {
        redis_source_note_lost(source,
                               "the stream %s ends at %s, and was read up to %s: Redis has lost its newest entries, "
                               "maybe with some that were not read, or the stream was made anew",
                               key->name, last, ours);
    } else if (was_read && !standing->grouped) {
        redis_source_note_lost(source, "the group %s of the stream %s was deleted, and is made again",
                               source->context.options->group, key->name);
    } else if (standing->grouped && redis_entry_id_compare(standing->last, standing->delivered) < 0) {
        redis_source_note_lost(source,
                               "the group %s is at %s, and the stream %s ends at %s: entries that come in between "
                               "are not delivered (XGROUP SETID puts the group back)",
                               source->context.options->group, delivered, key->name, last);
    }
}

/* A new group begins where the options say. One that was there before goes on where we were, or with all of a stream
 * that was made anew: what came meanwhile is not passed over. */
static void choose_start(const RedisSource *source, const RedisKey *key, const Standing *standing,
                         char ret_start[REDIS_ENTRY_ID_BYTES_MAX])
{
    if (source->context.options->from_beginning ||
        (key->known && redis_entry_id_compare(standing->last, key->newest) < 0)) {
        snprintf(ret_start, REDIS_ENTRY_ID_BYTES_MAX, "0");
    } else {
        redis_entry_id_format(key->known ? key->newest : standing->last, ret_start);
    }
}

/* Where `now` was is a place at once: a group that is made again before anything has come begins there, too. Of a group
 * that was there it is how far that has got, unless what it was given may be lost with it. */
static void keep_now(const RedisSource *source, RedisKey *key, const Standing *standing)
{
    RedisEntryId at = standing->grouped ? standing->delivered : standing->last;
    if (!source->context.options->from_beginning && !key->known && !standing->pending &&
        redis_entry_id_compare(at, standing->last) <= 0) {
        key->newest = at;
        key->known = key->moved = true;
    }
}

static Status make_group(RedisSource *source, const RedisKey *key, const char *start, Error *reterr)
{
    redisReply *reply = NULL;
    redis_source_word(source, "XGROUP");
    redis_source_word(source, "CREATE");
    redis_source_word(source, key->name);
    redis_source_arg(source, group_name(source));
    redis_source_word(source, start);
    redis_source_word(source, "MKSTREAM");
    Status status = redis_source_put_call(source, reterr);
    if (status == STATUS_OK) {
        status = redis_source_call(source, &reply, 1, true, reterr);
    }
    if (status == STATUS_OK) {
        /* Somebody may have made it meanwhile. */
        bool had = str_starts_with(redis_reply_text(reply), STR("BUSYGROUP"));
        status = had ? STATUS_OK : redis_source_error(reply, reterr);
        freeReplyObject(reply);
    }
    return status;
}

/* ---- A store that is older than what was acknowledged ------------------------------------------------------------ */

/* What is between our place and the last entry that the group was given, and nobody holds any more. */
typedef enum Passed {
    PASSED_NOTHING, /* what was given is pending, or was deleted */
    /* nobody else is in the group, so that we have acknowledged it: the store is an older copy of itself */
    PASSED_BY_US,
    PASSED_BY_OTHERS, /* or by us; that is not to be told apart */
    PASSED_UNKNOWN,   /* we must not look */
} Passed;

/* Its reply is the caller's, also when it is an error. */
static Status call_one(RedisSource *source, redisReply **ret_reply, Error *reterr)
{
    Status status = redis_source_put_call(source, reterr);
    return status == STATUS_OK ? redis_source_call(source, ret_reply, 1, true, reterr) : status;
}

/* The first of the entries behind our place that the group was given. *ret_id is 0-0 when there is none; false: we must
 * not look. */
static Status ask_first(RedisSource *source, const RedisKey *key, const Standing *standing, RedisEntryId *ret_id,
                        bool *ret_looked, Error *reterr)
{
    char from[REDIS_ENTRY_ID_BYTES_MAX], to[REDIS_ENTRY_ID_BYTES_MAX];
    redisReply *reply = NULL;
    const RedisEntryId *ours = &key->newest;
    redis_entry_id_format(
        ours->seq < UINT64_MAX ? (RedisEntryId){ours->ms, ours->seq + 1} : (RedisEntryId){ours->ms + 1, 0}, from);
    redis_entry_id_format(standing->delivered, to);
    redis_source_word(source, "XRANGE");
    redis_source_word(source, key->name);
    redis_source_word(source, from);
    redis_source_word(source, to);
    redis_source_word(source, "COUNT");
    redis_source_word(source, "1");
    Status status = call_one(source, &reply, reterr);
    if (status == STATUS_OK) {
        bool any = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
                   reply->element[0]->type == REDIS_REPLY_ARRAY && reply->element[0]->elements == 2;
        *ret_looked = reply->type != REDIS_REPLY_ERROR;
        *ret_id = (RedisEntryId){0};
        if (any) {
            (void)redis_entry_id_parse(redis_reply_text(reply->element[0]->element[0]), ret_id);
        }
        freeReplyObject(reply);
    }
    return status;
}

static Status ask_pending(RedisSource *source, const RedisKey *key, RedisEntryId id, bool *ret_pending, Error *reterr)
{
    char text[REDIS_ENTRY_ID_BYTES_MAX];
    redisReply *reply = NULL;
    redis_entry_id_format(id, text);
    redis_source_word(source, "XPENDING");
    redis_source_word(source, key->name);
    redis_source_arg(source, group_name(source));
    redis_source_word(source, text);
    redis_source_word(source, text);
    redis_source_word(source, "1");
    Status status = call_one(source, &reply, reterr);
    if (status == STATUS_OK) {
        status = redis_source_error(reply, reterr);
        *ret_pending = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0;
        freeReplyObject(reply);
    }
    return status;
}

static Status ask_alone(RedisSource *source, const RedisKey *key, bool *ret_alone, Error *reterr)
{
    redisReply *reply = NULL;
    redis_source_word(source, "XINFO");
    redis_source_word(source, "CONSUMERS");
    redis_source_word(source, key->name);
    redis_source_arg(source, group_name(source));
    Status status = call_one(source, &reply, reterr);
    if (status == STATUS_OK) {
        status = redis_source_error(reply, reterr);
        bool one = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1;
        const redisReply *name = one ? redis_reply_field(reply->element[0], "name") : NULL;
        *ret_alone = name && str_is(redis_reply_text(name), source->consumer);
        freeReplyObject(reply);
    }
    return status;
}

/* Groups are stored and acknowledged in the order of their entries: were it only that the last of them were not
 * acknowledged yet, the first entry behind our place would be pending. */
static Status look_behind(RedisSource *source, const RedisKey *key, const Standing *standing, Passed *ret_passed,
                          Error *reterr)
{
    RedisEntryId first;
    bool looked = false, pending = false, alone = false;
    *ret_passed = PASSED_NOTHING;
    redis_conn_set_reply_max(source->conn, REDIS_LONE_BYTES_MAX);
    Status status = ask_first(source, key, standing, &first, &looked, reterr);
    if (status == STATUS_OK && !looked) {
        *ret_passed = PASSED_UNKNOWN;
    }
    if (status != STATUS_OK || (!first.ms && !first.seq)) {
        return status;
    }
    status = ask_pending(source, key, first, &pending, reterr);
    if (status == STATUS_OK && !pending) {
        status = ask_alone(source, key, &alone, reterr);
        *ret_passed = alone ? PASSED_BY_US : PASSED_BY_OTHERS;
    }
    return status;
}

/* The group is given again what is behind our place: to us, since nobody else is there. */
static Status put_group_back(RedisSource *source, const RedisKey *key, Error *reterr)
{
    char ours[REDIS_ENTRY_ID_BYTES_MAX];
    redisReply *reply = NULL;
    redis_entry_id_format(key->newest, ours);
    redis_source_word(source, "XGROUP");
    redis_source_word(source, "SETID");
    redis_source_word(source, key->name);
    redis_source_arg(source, group_name(source));
    redis_source_word(source, ours);
    Status status = call_one(source, &reply, reterr);
    if (status == STATUS_OK) {
        status = redis_source_error(reply, reterr);
        freeReplyObject(reply);
    }
    return status;
}

static void tell_passed(RedisSource *source, const RedisKey *key, const Standing *standing, Passed passed)
{
    char ours[REDIS_ENTRY_ID_BYTES_MAX], delivered[REDIS_ENTRY_ID_BYTES_MAX];
    const char *group = source->context.options->group;
    redis_entry_id_format(key->newest, ours);
    redis_entry_id_format(standing->delivered, delivered);
    if (passed == PASSED_BY_US && key->known) {
        redis_source_note_lost(source,
                               "the stream %s: the store is an older copy of itself: it has read up to %s, and had up "
                               "to %s before; what is between is read again",
                               key->name, ours, delivered);
    } else if (passed == PASSED_BY_US) {
        redis_source_note_lost(source,
                               "the stream %s: this source has read up to %s, and the store does not know: its place "
                               "was forgotten, or the store is an older copy of itself; the source goes on there",
                               key->name, delivered);
    } else if (key->known) {
        redis_source_note_lost(source,
                               "the stream %s was read up to %s, and the group %s is at %s: what is between went to "
                               "others of the group%s, and is not read (XGROUP SETID puts the group back)",
                               key->name, ours, group, delivered,
                               passed == PASSED_UNKNOWN ? ", or is gone, or waits (XRANGE is not allowed)" : "");
    }
}

static Status look_for_an_older_copy(RedisSource *source, const RedisKey *key, const Standing *standing, Error *reterr)
{
    Passed passed = PASSED_NOTHING;
    Status status = STATUS_OK;
    if (standing->grouped && redis_entry_id_compare(standing->delivered, key->newest) > 0) {
        status = look_behind(source, key, standing, &passed, reterr);
    }
    if (status == STATUS_OK && passed == PASSED_BY_US && key->known) {
        status = put_group_back(source, key, reterr);
    }
    if (status == STATUS_OK && passed != PASSED_NOTHING) {
        tell_passed(source, key, standing, passed);
    }
    return status;
}

static Status begin_key(RedisSource *source, RedisKey *key, const redisReply *stream, const redisReply *groups,
                        Error *reterr)
{
    char start[REDIS_ENTRY_ID_BYTES_MAX];
    Standing standing;
    Status status = read_standing(source, stream, groups, &standing, reterr);
    key->history = (RedisEntryId){0};
    key->history_read = key->moved = false;
    if (status == STATUS_OK) {
        look_for_loss(source, key, &standing);
        choose_start(source, key, &standing, start);
        status = standing.grouped ? look_for_an_older_copy(source, key, &standing, reterr)
                                  : make_group(source, key, start, reterr);
    }
    if (status == STATUS_OK) {
        keep_now(source, key, &standing);
    }
    return status == STATUS_OK ? STATUS_OK : error_prefix(reterr, "the stream %s", key->name);
}

static Status ask_standings(RedisSource *source, redisReply **ret_replies, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < 2 * source->key_count && status == STATUS_OK; i++) {
        redis_source_word(source, "XINFO");
        redis_source_word(source, i % 2 ? "GROUPS" : "STREAM");
        redis_source_word(source, source->keys[i / 2].name);
        status = redis_source_put_call(source, reterr);
    }
    return status == STATUS_OK ? redis_source_call(source, ret_replies, 2 * source->key_count, true, reterr) : status;
}

Status redis_stream_begin(RedisSource *source, Error *reterr)
{
    redisReply *replies[2 * REDIS_KEYS_MAX] = {0};
    Status status = ask_standings(source, replies, reterr);
    for (size_t i = 0; i < source->key_count && status == STATUS_OK; i++) {
        status = begin_key(source, &source->keys[i], replies[2 * i], replies[2 * i + 1], reterr);
    }
    for (size_t i = 0; i < 2 * source->key_count; i++) {
        if (replies[i]) {
            freeReplyObject(replies[i]);
        }
    }
    source->claim_key = source->key_count;
    source->claim_us = redis_source_now(source);
    return status;
}
