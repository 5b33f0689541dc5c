#include "intake/redis_entry.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- Ids --------------------------------------------------------------------------------------------------------- */

bool redis_entry_id_parse(Str text, RedisEntryId *ret_id)
{
    RedisEntryId id = {0};
    Str rest = text;
    Str ms = str_split(&rest, '-');
    bool ok = str_to_u64(ms, UINT64_MAX, &id.ms) && (!rest.ptr || str_to_u64(rest, UINT64_MAX, &id.seq));
    *ret_id = ok ? id : (RedisEntryId){0};
    return ok;
}

size_t redis_entry_id_format(RedisEntryId id, char ret_text[REDIS_ENTRY_ID_BYTES_MAX])
{
    return (size_t)snprintf(ret_text, REDIS_ENTRY_ID_BYTES_MAX, "%" PRIu64 "-%" PRIu64, id.ms, id.seq);
}

int redis_entry_id_compare(RedisEntryId a, RedisEntryId b)
{
    if (a.ms != b.ms) {
        return a.ms < b.ms ? -1 : 1;
    }
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}

/* ---- Replies ----------------------------------------------------------------------------------------------------- */

Str redis_reply_text(const redisReply *reply)
{
    bool is_text =
        reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS || reply->type == REDIS_REPLY_ERROR;
    return is_text ? (Str){reply->str, (size_t)reply->len} : (Str){"", 0};
}

const redisReply *redis_reply_field(const redisReply *fields, const char *name)
{
    for (size_t i = 0; fields->type == REDIS_REPLY_ARRAY && i + 1 < fields->elements; i += 2) {
        if (str_is(redis_reply_text(fields->element[i]), name)) {
            return fields->element[i + 1];
        }
    }
    return NULL;
}

/* ---- Entries ----------------------------------------------------------------------------------------------------- */

static bool is_traceparent(const redisReply *name) { return str_is(redis_reply_text(name), "traceparent"); }

/* NULL when there are several, or none. */
static const redisReply *only_field(const redisReply *fields)
{
    const redisReply *found = NULL;
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        if (is_traceparent(fields->element[i])) {
            continue;
        }
        if (found) {
            return NULL;
        }
        found = fields->element[i + 1];
    }
    return found;
}

static void put_field(Buf *json, Str name, Str value)
{
    if (json->len > 1) {
        buf_put_char(json, ',');
    }
    buf_put_json(json, name);
    buf_put_char(json, ':');
    buf_put_json(json, value);
}

/* Text that is not UTF-8 would be stored as something else than was sent. */
static const char *put_object(Buf *json, const redisReply *fields)
{
    const char *refused = NULL;
    buf_reset(json);
    buf_put_char(json, '{');
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        Str name = redis_reply_text(fields->element[i]), value = redis_reply_text(fields->element[i + 1]);
        if (is_traceparent(fields->element[i])) {
            continue;
        }
        if (str_count_code_points(name) < 0 || str_count_code_points(value) < 0) {
            refused = "has a field that is not UTF-8, and is shown here with \xEF\xBF\xBD for what is none";
        }
        put_field(json, name, value);
    }
    buf_put_char(json, '}');
    return json->failed ? "has fields that are longer together than a message may be" : refused;
}

RedisEntry redis_entry_read(const redisReply *fields, Buf *json)
{
    RedisEntry entry = {0};
    const redisReply *traceparent = redis_reply_field(fields, "traceparent");
    const redisReply *record = redis_reply_field(fields, "record");
    record = record ? record : redis_reply_field(fields, "data");
    record = record ? record : only_field(fields);
    entry.traceparent = traceparent ? redis_reply_text(traceparent) : (Str){"", 0};
    if (record) {
        entry.raw = redis_reply_text(record);
    } else {
        entry.refused = put_object(json, fields);
        entry.raw = buf_str(json);
        entry.no_memory = json->no_memory;
    }
    return entry;
}
