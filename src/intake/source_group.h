/* A group: the messages that a source hands over at once, and what becomes of them. They are stored together with the
 * places behind them, in one transaction.
 *
 * The source fills messages and places; the feeder reads records from them and fills the outcomes; then the source gets
 * the group back to acknowledge it. One thread at a time uses a group. */
#ifndef WEIR_INTAKE_SOURCE_GROUP_H
#define WEIR_INTAKE_SOURCE_GROUP_H

#include "store/store.h"

typedef struct SourceMessage {
    Str raw;    /* its bytes */
    Str place;  /* where it was, in UTF-8: "records.in/2/1041", "orders/1714-0", "orders.csv:17" */
    Str format; /* how it is to be read: SOURCE_FORMAT_JSON, SOURCE_FORMAT_CSV */
    Str traceparent;
    Str token;      /* by which the source knows it again */
    int64_t letter; /* the dead letter that it is; 0: it is none yet */
    Str refused;    /* why it cannot be a record whatever its bytes say ("has no value"); empty when it may be one */
    /* Filled before it is acknowledged. */
    OutcomeKind outcome; /* NONE: it is no record, and `error` says why */
    uint32_t differs;    /* conflict: RecordField bits */
    Str error;
} SourceMessage;

#define SOURCE_FORMAT_JSON STR("json") /* a record, or a CloudEvent with one */
#define SOURCE_FORMAT_CSV  STR("csv")  /* a header and one line */

/* A group is full when it has this many bytes of messages, or as many messages as its source's options say. The first
 * message of a group may be longer. */
enum { SOURCE_GROUP_BYTES = 4 << 20, SOURCE_MESSAGE_BYTES_MAX = 64 << 20 };

typedef struct SourceGroup {
    Arena arena;
    SourceMessage *messages;
    size_t count, cap;
    SourcePlace *places;
    size_t place_count, place_cap;
    size_t bytes; /* of messages */
} SourceGroup;

void source_group_init(SourceGroup *group, size_t messages_max);
void source_group_reset(SourceGroup *group);
void source_group_release(SourceGroup *group);

/* Whether a message of so many bytes may be added. */
bool source_group_has_room(const SourceGroup *group, size_t bytes);

/* Copies the message's texts. BUSY: there is no memory; the message was not added. */
Status source_group_add(SourceGroup *group, const SourceMessage *message, Error *reterr) MUST_CHECK;

/* Where the source goes on in this part once the group is in the store; replaces what was said of the part before.
 * Copies. BUSY as above. */
Status source_group_put_place(SourceGroup *group, Str part, int64_t next, Str mark, Error *reterr) MUST_CHECK;

#endif
