#include "intake/kafka_part.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

enum { ROOM_FIRST = 16 };

/* ---- The table --------------------------------------------------------------------------------------------------- */

static bool is_part(const KafkaPart *part, const char *topic, int32_t partition)
{
    return part->partition == partition && strcmp(part->topic, topic) == 0;
}

KafkaPart *kafka_parts_find(KafkaParts *parts, const char *topic, int32_t partition)
{
    if (parts->latest < parts->count && is_part(&parts->items[parts->latest], topic, partition)) {
        return &parts->items[parts->latest];
    }
    for (size_t i = 0; i < parts->count; i++) {
        if (is_part(&parts->items[i], topic, partition)) {
            parts->latest = i;
            return &parts->items[i];
        }
    }
    return NULL;
}

KafkaPart *kafka_parts_find_name(KafkaParts *parts, Str name)
{
    for (size_t i = 0; i < parts->count; i++) {
        if (str_is(name, parts->items[i].name)) {
            return &parts->items[i];
        }
    }
    return NULL;
}

static bool has_room(KafkaParts *parts)
{
    if (parts->count < parts->cap) {
        return true;
    }
    size_t cap = parts->cap ? 2 * parts->cap : ROOM_FIRST;
    KafkaPart *items = realloc(parts->items, cap * sizeof *items);
    parts->items = items ? items : parts->items;
    parts->cap = items ? cap : parts->cap;
    return items != NULL;
}

KafkaPart *kafka_parts_get(KafkaParts *parts, const char *topic, int32_t partition)
{
    KafkaPart *part = kafka_parts_find(parts, topic, partition);
    if (part || !has_room(parts)) {
        return part;
    }
    KafkaPart added = {.topic = strdup(topic),
                       .partition = partition,
                       .next = KAFKA_NOWHERE,
                       .stored = KAFKA_NOWHERE,
                       .kept = KAFKA_NOWHERE,
                       .end = KAFKA_NOWHERE,
                       .seen_end = KAFKA_NOWHERE};
    if (!added.topic || asprintf(&added.name, "%s/%" PRId32, topic, partition) < 0) {
        free(added.topic);
        return NULL;
    }
    parts->items[parts->count] = added;
    return &parts->items[parts->count++];
}

/* "records.in/2"; names of topics have no slash. */
static KafkaPart *get_named(KafkaParts *parts, Str name, bool *ret_is_one)
{
    Str number = name;
    Str topic = str_split(&number, '/');
    char text[KAFKA_TOPIC_BYTES_MAX + 1];
    uint64_t partition = 0;
    *ret_is_one = topic.len < sizeof text && str_to_u64(number, INT32_MAX, &partition);
    if (!*ret_is_one) {
        return NULL;
    }
    snprintf(text, sizeof text, "%.*s", STR_ARGS(topic));
    return kafka_parts_get(parts, text, (int32_t)partition);
}

Status kafka_parts_load(KafkaParts *parts, const SourcePlace *places, size_t count, Error *reterr)
{
    kafka_parts_release(parts);
    for (size_t i = 0; i < count; i++) {
        bool is_one;
        KafkaPart *part = get_named(parts, places[i].part, &is_one);
        if (!part && is_one) {
            return error_set(reterr, STATUS_BUSY, "no memory for a partition");
        }
        if (part) {
            part->in_store = true;
            part->next = part->stored = part->kept = places[i].next;
            snprintf(part->mark, sizeof part->mark, "%.*s", STR_ARGS(places[i].mark));
        }
    }
    return STATUS_OK;
}

void kafka_parts_release(KafkaParts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->items[i].last) {
            rd_kafka_message_destroy(parts->items[i].last);
        }
        free(parts->items[i].topic);
        free(parts->items[i].name);
    }
    free(parts->items);
    *parts = (KafkaParts){0};
}

/* ---- Questions --------------------------------------------------------------------------------------------------- */

bool kafka_parts_know(const KafkaParts *parts, const char *topic)
{
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->items[i].in_store && strcmp(parts->items[i].topic, topic) == 0) {
            return true;
        }
    }
    return false;
}

/* What brokers write between messages, the ends of transactions, has offsets, too: what was seen to be empty does not
 * wait. */
static int64_t waiting_in(const KafkaPart *part)
{
    int64_t from = part->stored == part->next && part->seen_end > part->stored ? part->seen_end : part->stored;
    return part->assigned && part->stored >= 0 && part->end > from ? part->end - from : 0;
}

int64_t kafka_parts_waiting(const KafkaParts *parts)
{
    int64_t sum = 0;
    for (size_t i = 0; i < parts->count; i++) {
        sum += waiting_in(&parts->items[i]);
    }
    return sum;
}

void kafka_part_trouble(const KafkaPart *part, char ret_text[KAFKA_TROUBLE_BYTES])
{
    snprintf(ret_text, KAFKA_TROUBLE_BYTES, "%s: %s%s", part->name,
             part->group_trouble ? "what the group has committed: " : "", rd_kafka_err2str(part->trouble));
}

/* ---- Marks ------------------------------------------------------------------------------------------------------- */

void kafka_mark_make(const rd_kafka_message_t *message, char ret_mark[KAFKA_MARK_BYTES])
{
    rd_kafka_timestamp_type_t type;
    int64_t time = rd_kafka_message_timestamp(message, &type);
    uint64_t key = message->key ? XXH3_64bits(message->key, message->key_len) : 0;
    uint64_t hash = message->payload ? XXH3_64bits_withSeed(message->payload, message->len, key) : ~key;
    snprintf(ret_mark, KAFKA_MARK_BYTES, "offset=%" PRId64 " time=%" PRId64 " hash=%016" PRIx64, message->offset, time,
             hash);
}

/* ---- Signs ------------------------------------------------------------------------------------------------------- */

void kafka_sign_make(const uint8_t store[KAFKA_STORE_ID_BYTES], const char *source, int64_t offset,
                     char ret_sign[KAFKA_SIGN_BYTES])
{
    char id[2 * KAFKA_STORE_ID_BYTES + 1];
    *str_put_hex(id, store, KAFKA_STORE_ID_BYTES) = '\0';
    snprintf(ret_sign, KAFKA_SIGN_BYTES, "weir store=%s source=%s offset=%" PRId64, id, source, offset);
}

bool kafka_sign_is(const uint8_t store[KAFKA_STORE_ID_BYTES], const char *source,
                   const rd_kafka_topic_partition_t *committed)
{
    char sign[KAFKA_SIGN_BYTES];
    kafka_sign_make(store, source, committed->offset, sign);
    return str_is((Str){committed->metadata, committed->metadata_size}, sign);
}
