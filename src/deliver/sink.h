/* A sink: a place that messages are sent to. This is the seam between the line, which decides what is sent when and
 * remembers how far it has got, and the ways to send it. A new way is one file that fills SinkOps, and one line in
 * sink.c; the contract suite (tests/contract/sink_suite.c) then covers it.
 *
 * One thread at a time uses a sink, but for wake(). No call lasts longer than SINK_CALL_US_MAX, whatever the other side
 * does. */
#ifndef WEIR_DELIVER_SINK_H
#define WEIR_DELIVER_SINK_H

#include "base/clock.h"
#include "base/random.h"
#include "deliver/outbox.h"

#define SINK_CALL_US_MAX INT64_C(60000000)

typedef struct Sink Sink;

/* What became of a message that was sent. */
typedef enum SinkVerdict {
    SINK_TAKEN,   /* the other side has it, durably as far as it promises that */
    SINK_FAILED,  /* an attempt has failed; a later one may succeed */
    SINK_REFUSED, /* the other side will never take this message */
    SINK_HELD,    /* it was not tried, through no fault of its own: send it again, no attempt was spent */
    SINK_GONE,    /* the other side wants nothing more, ever (410): no attempt was spent, the sink is disabled */
} SinkVerdict;

enum { SINK_RESPONSE_BYTES_MAX = 16384 };

typedef struct SinkResult {
    int64_t seq;
    SinkVerdict verdict;
    int code;               /* the other side's: an HTTP status, a Kafka error; 0 for none */
    bool judged;            /* failed: the other side has read the message and does not want it; it is well itself */
    int64_t latency_us;     /* from sending to the answer */
    int64_t retry_after_us; /* the other side asks to wait so long; 0 when it does not */
    Str error;              /* what happened, for a person; empty when taken. Borrows until the next call */
    Str response; /* the beginning of the answer's body, at most SINK_RESPONSE_BYTES_MAX. Borrows until the next call */
} SinkResult;

/* Every member is required. */
typedef struct SinkOps {
    /* Makes the sink ready to send. `ours` is where we think the line is; *ret_theirs is where it goes on, which for
     * sinks that remember it themselves is their word: further on or back. REFUSED: it cannot work as configured, and a
     * person has to look. BUSY:
     * not now. Called at the start and after each send that was not OK. */
    Status (*connect)(Sink *sink, SinkPlace ours, SinkPlace *ret_theirs, Error *reterr);

    /* How many messages it takes with the next send; 0 when it waits for answers first. */
    size_t (*room)(const Sink *sink);

    /* Sends a group, at most room(). With `place` they are the next ones in commit order, and when all of them are
     * taken the line is there: sinks that remember the place themselves do it in the same transaction, the others
     * ignore it. Without `place` they are from elsewhere (retries), and the remembered place stays.
     * OK: each gets its verdict from results(), in any order. BUSY: nothing happened. UNKNOWN: some may have been
     * taken.
     * After both the sink must be connected again before it sends, and messages without a verdict get none. Copies what
     * it needs. */
    Status (*send)(Sink *sink, const Message *messages, size_t count, const SinkPlace *place, Error *reterr);

    /* Up to `cap` verdicts that have come in; does not wait. */
    size_t (*results)(Sink *sink, SinkResult *results, size_t cap);

    /* Returns when there may be verdicts, when wake() was called since the last wait, or after `us_max`. */
    void (*wait)(Sink *sink, int64_t us_max);

    /* From any thread, any number of times. */
    void (*wake)(Sink *sink);

    /* Drops what is under way. */
    void (*close)(Sink *sink);
} SinkOps;

/* Implementations embed this as their first member. */
struct Sink {
    const SinkOps *ops;
    /* Of the last connect() that was OK: what a person should know though it works ("the stream … was deleted on the
     * other side"); empty for nothing. Borrows until the next connect(). */
    Str notice;
};

typedef enum SinkType { SINK_WEBHOOK, SINK_KAFKA, SINK_REDIS } SinkType;
#define SINK_TYPE_COUNT ((SinkType)3)

enum { SINK_SCHEDULE_MAX = 32, SINK_NAME_BYTES_MAX = 64 };

/* What the configuration says about a sink (docs/configuration.md has the words). Texts borrow from the configuration,
 * which outlives every sink; "" where nothing is set. */
typedef struct SinkOptions {
    const char *name;    /* [a-z0-9][a-z0-9_-]*, at most SINK_NAME_BYTES_MAX */
    const char *section; /* what its options are called by in messages, where it is none of sinks.<name>; NULL: it is */
    SinkType type;
    Subscription subscription;
    int64_t start_seq; /* a new sink starts behind it: 0 from the beginning, -1 from now */

    size_t in_flight_max;                        /* webhook: messages under way at once; brokers: messages in a group */
    int64_t timeout_us;                          /* of one attempt */
    bool ordered;                                /* webhook: a flow's messages one after another */
    int64_t schedule_us[SINK_SCHEDULE_MAX];      /* webhook: attempt n + 1 comes so long after attempt n */
    size_t schedule_count;                       /* as many attempts, then the message is a dead letter */
    unsigned breaker_percent, breaker_requests;  /* opens when so many of at least so many requests have failed … */
    int64_t breaker_window_us, breaker_pause_us; /* … within the window; tries again after the pause */

    const char *url;           /* webhook: https://…; redis: redis://[user:password@]host:port[/db] */
    const char *secret;        /* webhook: whsec_…; two, separated by a comma, while one replaces the other */
    const char *allow_private; /* webhook: CIDRs, separated by commas, that may be called though they are private */
    const char *ca_file;       /* webhook, redis over TLS: trust these certificates instead of the system's */
    const char *cert_file;     /* redis over TLS: our own certificate … */
    const char *key_file;      /* … and its key */
    const char *brokers;       /* kafka: host:port, … */
    /* kafka: librdkafka's own, name=value, …; take them apart with option_items() (config/options.h) */
    const char *properties;
    const char *prefix; /* kafka, redis: in front of the names of topics and streams */
    bool list;          /* redis: lists (RPUSH, at least once) instead of streams */
    int64_t trim;       /* redis: streams keep about so many messages; 0: all */
} SinkOptions;

/* What every sink is given besides. Borrows until its close. */
typedef struct SinkContext {
    const SinkOptions *options;
    const StoreInfo *info;
    const Clock *clock;
    const Random *random;
    int64_t
        replay_job; /* 0 for the live line; else what is sent is marked as a replay: `<stream>:replay:<job>` on Redis, a header
                           `replay-id` elsewhere, and nothing is remembered on the other side */
} SinkContext;

extern const char *const sink_type_names[SINK_TYPE_COUNT]; /* "webhook", "kafka", "redis" */

/* One of its options in full: "sinks.ops.url". */
enum { SINK_OPTION_NAME_BYTES_MAX = SINK_NAME_BYTES_MAX + 32 };
void sink_option_name(const SinkOptions *options, const char *option, char ret_name[SINK_OPTION_NAME_BYTES_MAX]);

/* Makes the sink of the type that the options name; connects nowhere yet. REFUSED: an option that it cannot work with,
 * named in the message. */
Status sink_open(const SinkContext *context, Sink **ret_sink, Error *reterr) MUST_CHECK;
void sink_close(Sink *sink); /* accepts NULL */

/* One line a way to send. */
Status sink_webhook_open(const SinkContext *context, Sink **ret_sink, Error *reterr) MUST_CHECK;
Status sink_kafka_open(const SinkContext *context, Sink **ret_sink, Error *reterr) MUST_CHECK;
Status sink_redis_open(const SinkContext *context, Sink **ret_sink, Error *reterr) MUST_CHECK;

#endif
