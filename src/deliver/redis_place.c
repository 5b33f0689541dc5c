#include "deliver/redis_place.h"

#include "broker/redis_conn.h"

/* ---- Words ------------------------------------------------------------------------------------------------------- */

void redis_store_format(const StoreInfo *info, char ret_text[REDIS_STORE_TEXT_BYTES])
{
    *str_put_hex(ret_text, info->id, sizeof info->id) = '\0';
}

size_t redis_id_format(int64_t seq, char ret_text[REDIS_ID_BYTES_MAX])
{
    return (size_t)snprintf(ret_text, REDIS_ID_BYTES_MAX, "%lld-0", (long long)seq);
}

/* "7-0" → 7, "" and "0-0" → 0; -1 for an id that is none of ours. */
static int64_t seq_of(Str id)
{
    uint64_t seq;
    if (id.len == 0) {
        return 0;
    }
    Str first = str_split(&id, '-');
    return str_is(id, "0") && str_to_u64(first, INT64_MAX, &seq) ? (int64_t)seq : -1;
}

/* ---- What Redis has said ----------------------------------------------------------------------------------------- */

static Str text_of(const redisReply *reply)
{
    bool is_text = reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
    return is_text ? (Str){reply->str, reply->len} : (Str){0};
}

/* The value that follows `name` in a flat list of names and values; NULL when there is none. */
static const redisReply *value_of(const redisReply *list, Str name)
{
    for (size_t i = 0; list->type == REDIS_REPLY_ARRAY && i + 1 < list->elements; i += 2) {
        if (str_equal(text_of(list->element[i]), name)) {
            return list->element[i + 1];
        }
    }
    return NULL;
}

static Str text_in(const redisReply *list, Str name)
{
    const redisReply *value = value_of(list, name);
    return value ? text_of(value) : (Str){0};
}

static Status read_error(const char *key, const redisReply *reply, Error *reterr)
{
    Str error = redis_error_text((Str){reply->str, reply->len});
    if (str_starts_with(error, STR("WRONGTYPE"))) {
        return error_set(reterr, STATUS_REFUSED,
                         "the key %s is in use for something else: delete it, or set another prefix", key);
    }
    return error_set(reterr, redis_error_status(error), "%s: %.*s", key, STR_ARGS(error));
}

Status redis_stream_read(RedisStream *stream, const redisReply *reply, Error *reterr)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        return str_starts_with((Str){reply->str, reply->len}, STR("ERR no such key"))
                   ? STATUS_OK
                   : read_error(stream->key, reply, reterr);
    }
    stream->last_id = text_in(reply, STR("last-generated-id"));
    if (stream->last_id.len == 0) {
        return error_set(reterr, STATUS_REFUSED, "%s: XINFO names no last-generated-id: Redis 5.0 or later is needed",
                         stream->key);
    }
    /* An entry is its id and the list of its fields. */
    const redisReply *entry = value_of(reply, STR("last-entry"));
    if (entry && entry->type == REDIS_REPLY_ARRAY && entry->elements == 2) {
        stream->message_id = text_in(entry->element[1], STR("id"));
    }
    return STATUS_OK;
}

Status redis_standing_read(RedisStanding *standing, const RedisOwner *owner, const redisReply *reply, Error *reterr)
{
    char field[REDIS_KEY_BYTES_MAX + 8];
    if (reply->type == REDIS_REPLY_ERROR) {
        return read_error(owner->hash, reply, reterr);
    }
    standing->store = text_in(reply, STR("store"));
    standing->epoch = text_in(reply, STR("epoch"));
    snprintf(field, sizeof field, "sink:%s", owner->sink);
    standing->place_id = text_in(reply, str_from(field));
    for (size_t i = 0; i < standing->stream_count; i++) {
        RedisStream *stream = &standing->streams[i];
        stream->remembered_id = text_in(reply, str_from(stream->key));
        snprintf(field, sizeof field, "%s:sink", stream->key);
        stream->sink = text_in(reply, str_from(field));
    }
    return STATUS_OK;
}

/* ---- Whose they are ---------------------------------------------------------------------------------------------- */

static Status check_owner(const RedisStanding *standing, const RedisOwner *owner, Error *reterr)
{
    char store[REDIS_STORE_TEXT_BYTES], epoch[24];
    redis_store_format(owner->info, store);
    snprintf(epoch, sizeof epoch, "%lld", (long long)owner->info->epoch);
    if (standing->store.len && !str_is(standing->store, store)) {
        return error_set(
            reterr, STATUS_REFUSED,
            "the streams beside the key %s belong to another store (%.*s), whose ids would be mistaken for ours: set "
            "another prefix, or delete them and the key %s",
            owner->hash, STR_ARGS(standing->store), owner->hash);
    }
    if (standing->epoch.len && !str_is(standing->epoch, epoch)) {
        return error_set(
            reterr, STATUS_REFUSED,
            "the streams beside the key %s were written before this store was restored (epoch %.*s, now %s), and their "
            "ids would be mistaken for the new ones: set another prefix, or rename them and delete the key %s",
            owner->hash, STR_ARGS(standing->epoch), epoch, owner->hash);
    }
    return STATUS_OK;
}

/* The stream is further on than the hash says: right only when its last entry is that message of ours. */
static Status check_entry(const RedisStream *stream, const RedisOwner *owner, int64_t seq, Error *reterr)
{
    char id[MESSAGE_ID_BYTES_MAX];
    size_t len = seq > 0 ? message_id_format(owner->info, seq, id) : 0;
    if (len && str_equal(stream->message_id, (Str){id, len})) {
        return STATUS_OK;
    }
    return error_set(
        reterr, STATUS_REFUSED,
        "the stream %s has an entry %.*s that is not of this store and epoch, so that the ids of its messages would be "
        "refused or mistaken: delete or rename the stream, or set another prefix",
        stream->key, STR_ARGS(stream->last_id));
}

static Status check_stream(const RedisStream *stream, const RedisOwner *owner, int64_t *ret_last, bool *ret_lost,
                           Error *reterr)
{
    int64_t last = seq_of(stream->last_id), remembered = seq_of(stream->remembered_id);
    if (stream->sink.len && !str_is(stream->sink, owner->sink)) {
        return error_set(reterr, STATUS_REFUSED,
                         "the stream %s is written by the sink %.*s: give one of the two another prefix, or, if that "
                         "one is no more, "
                         "HDEL %s %s:sink",
                         stream->key, STR_ARGS(stream->sink), owner->hash, stream->key);
    }
    if (last < 0 || last > remembered) {
        Status status = check_entry(stream, owner, last, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *ret_last = last;
    *ret_lost = last < remembered;
    return STATUS_OK;
}

/* ---- Where they stand -------------------------------------------------------------------------------------------- */

static void note_lost(char *notice, const RedisStream *stream)
{
    size_t len = strlen(notice);
    snprintf(notice + len, REDIS_NOTICE_BYTES_MAX - len,
             "%sthe stream %s was deleted on the other side (it went up to %.*s); new messages go on in a new one",
             len ? "; " : "", stream->key, STR_ARGS(stream->remembered_id));
}

static void note_nothing(char *notice, SinkPlace ours)
{
    snprintf(notice, REDIS_NOTICE_BYTES_MAX,
             "nothing is there of the messages up to %lld, which were sent before (another Redis, or it was emptied); "
             "new ones go on",
             (long long)ours.sent_seq);
}

static SinkPlace place_from(int64_t last, SinkPlace ours)
{
    if (last > ours.sent_seq) { /* we crashed before our cursor was written */
        return (SinkPlace){.cursor = last > ours.cursor ? last : ours.cursor, .sent_seq = last};
    }
    /* What lies between sent_seq and cursor was not wanted, so that being at sent_seq is being at the cursor. */
    return last == ours.sent_seq ? ours : (SinkPlace){.cursor = last, .sent_seq = last};
}

Status redis_place_decide(const RedisStanding *standing, const RedisOwner *owner, SinkPlace ours,
                          RedisDecision *ret_decision, Error *reterr)
{
    int64_t largest = seq_of(standing->place_id);
    bool nothing = standing->place_id.len == 0;
    *ret_decision = (RedisDecision){.theirs = ours};
    Status status = check_owner(standing, owner, reterr);
    for (size_t i = 0; status == STATUS_OK && i < standing->stream_count; i++) {
        int64_t last = 0;
        bool lost = false;
        status = check_stream(&standing->streams[i], owner, &last, &lost, reterr);
        if (status == STATUS_OK && lost) {
            note_lost(ret_decision->notice, &standing->streams[i]);
        }
        nothing = nothing && last == 0;
        largest = last > largest ? last : largest;
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (nothing && ours.sent_seq > 0 && owner->remembers) {
        note_nothing(ret_decision->notice, ours);
    }
    /* Where nothing is, a sink that begins later than the log must not go back behind its beginning, ever. */
    ret_decision->place_seq = nothing ? ours.cursor : largest;
    ret_decision->theirs = nothing ? ours : place_from(largest, ours);
    return STATUS_OK;
}
