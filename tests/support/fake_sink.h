/* Sinks whose other side is in memory: the receivers. A receiver outlives the sinks that are opened on it, as a broker
 * outlives the process that sends to it, so that a test can close a sink at any moment, open it again and count what
 * has come. What fails when is scripted or drawn; the same clock, the same random numbers and the same calls give the
 * same run.
 *
 * Messages of a webhook are answered each on its own. The other styles take groups, and what becomes of a group is
 * settled within send(); its verdicts come later. One thread at a time uses all of it, but for a sink's wake(). It
 * aborts without memory. */
#ifndef WEIR_TESTS_SUPPORT_FAKE_SINK_H
#define WEIR_TESTS_SUPPORT_FAKE_SINK_H

#include "deliver/sink.h"

typedef enum FakeStyle {
    FAKE_WEBHOOK,      /* each message by itself; remembers nothing */
    FAKE_TRANSACTIONS, /* Kafka's: a group and its place together or not at all */
    /* Redis's: in order up to the first that cannot be taken; a repeat is not taken twice; the last seq is the place */
    FAKE_STREAM,
    FAKE_LIST, /* the same without a place: a repeat is taken again */
} FakeStyle;

typedef struct FakeSinks FakeSinks;
typedef struct FakeReceiver FakeReceiver;

typedef struct FakeSinksOptions {
    const Clock *clock; /* borrows until fake_sinks_free, as does all of this */
    const Random *random;
    /* Lets that much time go by: a sink's wait() calls it again and again until it is over. Moves the clock where that
     * stands still. */
    void (*sleep)(void *self, int64_t us);
    void *self;
} FakeSinksOptions;

FakeSinks *fake_sinks_new(const FakeSinksOptions *options);
void fake_sinks_free(FakeSinks *sinks); /* after its sinks; accepts NULL */

/* The other side of the sink of that name (which is copied). It takes everything at once until told otherwise, at most
 * `room` messages under way. */
FakeReceiver *fake_sinks_add(FakeSinks *sinks, const char *name, FakeStyle style, size_t room);

/* DispatcherOptions.open_sink; `sinks` is a FakeSinks. The live line and replays of a sink have the same receiver.
 * REFUSED when no receiver has the sink's name. */
Status fake_sink_open(void *sinks, const SinkContext *context, Sink **ret_sink, Error *reterr) MUST_CHECK;

/* ---- What goes wrong --------------------------------------------------------------------------------------------- */

/* How messages are answered that no script speaks of: so many of a thousand. What is left of the thousand is taken. */
typedef struct FakeFaults {
    unsigned failed, refused, held, gone; /* the verdicts; nothing was kept */
    unsigned lost;                        /* SINK_FAILED after the sink's time-out; kept or not, as a coin falls */
    unsigned asks; /* of those that failed, while it is down, too: with a Retry-After of up to retry_after_us_max */
    int64_t retry_after_us_max;
    unsigned twice;                   /* of all: the verdict comes twice, which no real sink does */
    unsigned connect_busy, send_busy; /* of the calls */
    unsigned send_unknown;            /* of the calls; a transaction is kept or not, of other sends the first few */
    int64_t latency_us_min, latency_us_max; /* of each answer, so that answers overtake each other */
} FakeFaults;
void fake_receiver_set_faults(FakeReceiver *receiver, const FakeFaults *faults); /* copies */

/* Webhook: whatever is sent fails. The others: neither connecting nor sending works (BUSY). */
void fake_receiver_set_down(FakeReceiver *receiver, bool down);

/* The connections of the sinks that are open are gone, which they notice when they send next (BUSY). Answers that are
 * on their way arrive. */
void fake_receiver_cut(FakeReceiver *receiver);

/* Answers the next `times` attempts of message `seq` (0: of any), before the faults are asked. Scripts are tried in the
 * order in which they were given. */
typedef struct FakeAnswer {
    int64_t seq;
    unsigned times;
    SinkVerdict verdict;
    int code; /* a failure with 422 is a judgement of the message */
    int64_t after_us, retry_after_us;
    bool keeps; /* webhook: the other side has it, whatever it answers */
    bool twice;
} FakeAnswer;
void fake_receiver_script(FakeReceiver *receiver, FakeAnswer answer);

/* The next `times` calls of connect() or send() answer so. A send that is UNKNOWN keeps as much as
 * FakeFaults.send_unknown does. */
void fake_receiver_script_connect(FakeReceiver *receiver, Status status, unsigned times);
void fake_receiver_script_send(FakeReceiver *receiver, Status status, unsigned times);

/* ---- The other side ---------------------------------------------------------------------------------------------- */

/* A message that has come. */
typedef struct FakeDelivery {
    int64_t seq;
    MessageKind kind;
    int64_t job;                         /* of a replay */
    bool placed;                         /* it came in commit order, with a place */
    int64_t at_us;                       /* by the monotonic clock */
    char *id, *key, *body, *traceparent; /* NUL-terminated */
} FakeDelivery;

/* In the order in which they came. Borrows until the next one comes or is lost. */
const FakeDelivery *fake_receiver_deliveries(const FakeReceiver *receiver, size_t *ret_count);
/* How often a message has come on the live line. */
size_t fake_receiver_count(const FakeReceiver *receiver, int64_t seq);

/* Where the receiver believes that the live line is; false while it remembers nothing. */
bool fake_receiver_place(const FakeReceiver *receiver, SinkPlace *ret_place);
void fake_receiver_forget(FakeReceiver *receiver); /* the place, not the messages */
/* The last `count` messages are gone, and a stream's place is back where it was before them. */
void fake_receiver_lose(FakeReceiver *receiver, size_t count);

/* When the next answer is due, by the monotonic clock; INT64_MAX when none is. */
int64_t fake_receiver_due_us(const FakeReceiver *receiver);

typedef struct FakeCounts {
    size_t opened, connected, sends, messages; /* sinks; calls that were OK; calls; messages of these */
} FakeCounts;
FakeCounts fake_receiver_counts(const FakeReceiver *receiver);

#endif
