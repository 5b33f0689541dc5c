/* What an entry of a stream says: the record that it has, or is. */
#ifndef WEIR_INTAKE_REDIS_ENTRY_H
#define WEIR_INTAKE_REDIS_ENTRY_H

#include <hiredis/hiredis.h>

#include "base/buf.h"

/* An id, "<ms>-<seq>". Redis orders entries by it. */
typedef struct RedisEntryId {
    uint64_t ms, seq;
} RedisEntryId;
enum { REDIS_ENTRY_ID_BYTES_MAX = 42 };

/* False when it is none; then 0-0, which no entry has. */
bool redis_entry_id_parse(Str text, RedisEntryId *ret_id);
size_t redis_entry_id_format(RedisEntryId id, char ret_text[REDIS_ENTRY_ID_BYTES_MAX]);
int redis_entry_id_compare(RedisEntryId a, RedisEntryId b); /* <0, 0, >0 */

/* Texts borrow from the reply and the buffer. */
typedef struct RedisEntry {
    Str raw; /* JSON */
    Str traceparent;
    const char *refused; /* why it is no record whatever `raw` says; NULL when it may be one */
    bool no_memory;      /* for `raw`, which is cut */
} RedisEntry;

/* `fields` is the array name, value, name, value … Of an entry with a field `record` that is the record; else `data`,
 * else its only field; otherwise the fields are the record's own, and `json` gets them as an object of strings.
 * `traceparent` is none of them. */
RedisEntry redis_entry_read(const redisReply *fields, Buf *json);

/* Text of a reply; empty when it has none. */
Str redis_reply_text(const redisReply *reply);

/* What XINFO says: name, value, name, value … NULL when there is no such name. */
const redisReply *redis_reply_field(const redisReply *fields, const char *name);

#endif
