/* The partitions that a Kafka source has a place in, how a message is known again, and how an offset that we have
 * committed is.
 *
 * A partition's place in the store is the next offset, and as its mark "offset=1040 time=1735725600250
 * hash=0123456789abcdef" of the last message in front of it: when the topic was deleted and made again, another message
 * is there, or none.
 *
 * Beside an offset that is committed goes "weir store=… source=orders offset=1041": when the group is further than the
 * place in the store, it tells whether that was us, and the store is an older copy of itself by now, or somebody
 * else. */
#ifndef WEIR_INTAKE_KAFKA_PART_H
#define WEIR_INTAKE_KAFKA_PART_H

#include <librdkafka/rdkafka.h>

#include "base/err.h"
#include "store/intake.h"

enum {
    KAFKA_MARK_BYTES = 96,
    KAFKA_TOPIC_BYTES_MAX = 249,
    KAFKA_SIGN_BYTES = 192,
    KAFKA_STORE_ID_BYTES = 16,
    KAFKA_TROUBLE_BYTES = 384
};
#define KAFKA_NOWHERE INT64_C(-1)

typedef struct KafkaPart {
    char *topic; /* owns */
    int32_t partition;
    char *name; /* owns; "records.in/2" */
    bool assigned;
    rd_kafka_resp_err_t trouble; /* it was given to us and is not begun yet: why; NO_ERROR otherwise */
    bool group_trouble;          /* it was what the group has committed that could not be learned */
    bool in_store;               /* it has had a place there */
    int64_t next;                /* behind what was handed over; KAFKA_NOWHERE when nothing is known */
    int64_t stored;              /* behind what was acknowledged, or passed over; likewise */
    int64_t kept;                /* as the store has it, which alone is committed; likewise */
    char mark[KAFKA_MARK_BYTES]; /* of the message in front of `next`; empty when it is not known */
    bool compare;                /* that message is read once more, to be compared */
    bool put;                    /* its place goes with the group that is being fetched */
    int64_t end;                 /* of the partition, as it was last known */
    int64_t seen_end;            /* there was nothing to read between `next` and this */
    rd_kafka_message_t *last;    /* owns; of the group that is being fetched */
} KafkaPart;

typedef struct KafkaParts {
    KafkaPart *items; /* owns; an addition moves them */
    size_t count, cap;
    size_t latest; /* the one that was asked for last: messages come in runs */
} KafkaParts;

/* NULL when there is none. */
KafkaPart *kafka_parts_find(KafkaParts *parts, const char *topic, int32_t partition);
KafkaPart *kafka_parts_find_name(KafkaParts *parts, Str name);

/* The same, and adds it. NULL: no memory. */
KafkaPart *kafka_parts_get(KafkaParts *parts, const char *topic, int32_t partition);

/* Forgets all, and begins with what the store has. BUSY: no memory. */
Status kafka_parts_load(KafkaParts *parts, const SourcePlace *places, size_t count, Error *reterr) MUST_CHECK;
void kafka_parts_release(KafkaParts *parts);

/* Whether the store has had a place in any partition of the topic. */
bool kafka_parts_know(const KafkaParts *parts, const char *topic);

/* How many messages wait in the partitions that are ours. */
int64_t kafka_parts_waiting(const KafkaParts *parts);

/* "records.in/2: Broker: Leader not available": why it is not begun yet. */
void kafka_part_trouble(const KafkaPart *part, char ret_text[KAFKA_TROUBLE_BYTES]);

void kafka_mark_make(const rd_kafka_message_t *message, char ret_mark[KAFKA_MARK_BYTES]);

/* What says that the source of the store has committed the offset. No epoch is in it: what a store had before it was
 * restored was its own. */
void kafka_sign_make(const uint8_t store[KAFKA_STORE_ID_BYTES], const char *source, int64_t offset,
                     char ret_sign[KAFKA_SIGN_BYTES]);
bool kafka_sign_is(const uint8_t store[KAFKA_STORE_ID_BYTES], const char *source,
                   const rd_kafka_topic_partition_t *committed);

#endif
