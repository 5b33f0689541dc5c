/* What a sink has to send: the log, read in commit order behind a place, filtered, and rendered as messages.
 *
 * The log is the outbox: nothing is written when a record is committed but the record, and its message is made anew,
 * byte for byte the same, each time that it is sent. */
#ifndef WEIR_DELIVER_OUTBOX_H
#define WEIR_DELIVER_OUTBOX_H

#include "base/buf.h"
#include "store/store.h"

/* In the order of their bits in Subscription.kinds. */
typedef enum MessageKind {
    MESSAGE_NOTIFICATION,        /* of each record */
    MESSAGE_ALERT,               /* of a record, or a flow's total, that crosses a rule's threshold */
    MESSAGE_DEAD_LETTER_CREATED, /* of what could not be taken in, delivered or finished */
    MESSAGE_ORGANIZATION_CREATED,
    MESSAGE_ORGANIZATION_UPDATED,   /* also deleted or restored: its version has grown, or a batch has it again */
    MESSAGE_ORGANIZATION_PROCESSED, /* its job was completed */
    MESSAGE_ORGANIZATION_FAILED,    /* its job gave up */
    MESSAGE_BATCH_COMPLETED,        /* all jobs of a batch have ended, and none has failed */
    MESSAGE_BATCH_FAILED,
} MessageKind;
#define MESSAGE_KIND_COUNT ((MessageKind)9)

const char *
message_kind_name(MessageKind kind); /* "notification", "alert", "dead_letter.created", "organization.created" … */
bool message_kind_parse(Str name, MessageKind *ret_kind);

/* Where brokers keep them: what is about one thing keeps its order there, whatever its kind. */
typedef enum MessageStream {
    STREAM_NOTIFICATIONS,
    STREAM_ALERTS,
    STREAM_DEAD_LETTERS,
    STREAM_ORGANIZATIONS,
    STREAM_BATCHES,
} MessageStream;
#define MESSAGE_STREAM_COUNT ((MessageStream)5)

const char *message_stream_name(MessageStream stream); /* "notifications", "alerts", "dead_letters" … */
MessageStream message_kind_stream(MessageKind kind);

/* Which messages a sink wants. An empty text matches everything; the filters are the record's that the message is
 * about, and a message that is about none (a dead letter's) passes them. */
typedef struct Subscription {
    unsigned kinds; /* bits 1 << MessageKind */
    Str source_id, destination_id, unit;
    int type;          /* RecordType, or -1 for both */
    int64_t value_min; /* minor units; records below it are left out */
    bool has_times;    /* of a replay: only records whose time lies between these, both inclusive */
    int64_t start_us, end_us;
} Subscription;

bool subscription_wants(const Subscription *subscription, const Record *record);
/* Any of the kinds that go there. */
bool subscription_wants_stream(const Subscription *subscription, MessageStream stream);

/* A message on its way. Everything borrows until the call that it is handed to returns. */
typedef struct Message {
    int64_t seq;
    MessageKind kind;
    Str id; /* outbox_put_id(): the same however often it is sent */
    /* what keeps the order of its messages: the record's destination, the organization's domain, the batch's id; or
     * empty */
    Str key;
    Str body;           /* the JSON object of docs/messages.md */
    Str traceparent;    /* of the record; empty for none */
    int64_t created_us; /* when it was committed, by the wall clock */
    uint64_t flow_hash; /* of the record's flow, or of the key of what is about none; 0 for none */
    /* Empty for a message of the log. Else it is none: it asks a webhook to do something, and this is its type. Its id
     * then goes out as an Idempotency-Key, too, and `seq` is the caller's. */
    Str call;
} Message;

enum { MESSAGE_ID_BYTES_MAX = 64 };
/* "<the store's id>-<epoch>-<seq>", without a NUL; returns its length. */
size_t message_id_format(const StoreInfo *info, int64_t seq, char ret_id[MESSAGE_ID_BYTES_MAX]);

typedef struct Outbox Outbox;

/* Owns a reader of the store: one thread at a time, closed before the store. `subscription` is copied, texts too. */
Status outbox_open(Store *store, const Subscription *subscription, Outbox **ret_outbox, Error *reterr) MUST_CHECK;
void outbox_close(Outbox *outbox); /* accepts NULL */

/* Returning false stops the reading; the message was not taken then and comes again. */
typedef bool MessageTaker(void *context, const Message *message);

/* Hands the wanted messages with after < seq ≤ through to `take`, in order. A bounded piece of work: *ret_after is how
 * far it has come (all wanted ones up to it were taken); when that is below the end of the log, call again. */
Status outbox_read(Outbox *outbox, int64_t after, int64_t through, MessageTaker *take, void *context,
                   int64_t *ret_after, Error *reterr) MUST_CHECK;

/* Counts them without making them: adds to *count. Otherwise the same. */
Status outbox_count(Outbox *outbox, int64_t after, int64_t through, int64_t *count, int64_t *ret_after,
                    Error *reterr) MUST_CHECK;

/* Hands out the message at `seq`, wanted or not. REFUSED when it is there no more. */
Status outbox_read_one(Outbox *outbox, int64_t seq, MessageTaker *take, void *context, Error *reterr) MUST_CHECK;

#endif
