/* A source: a place that messages are read from. This is the seam between the feeder, which makes records of them, has
 * them stored and decides when to try again, and the ways to read. A new way is one file that fills SourceOps, and one
 * line in source.c; the contract suite (tests/contract/source_suite.c) then covers it.
 *
 * One thread at a time uses a source, but for wake(). */
#ifndef WEIR_INTAKE_SOURCE_H
#define WEIR_INTAKE_SOURCE_H

#include "base/clock.h"
#include "base/random.h"
#include "intake/source_group.h"

typedef struct Source Source;

/* How a source stands, for people. */
typedef struct SourceLag {
    int64_t messages;  /* that wait on the other side; -1 when that is not known */
    int64_t oldest_us; /* when the oldest of them came there, by the wall clock; 0 when that is not known */
} SourceLag;

/* Every member is required. */
typedef struct SourceOps {
    /* Makes the source ready to fetch. `places` are what the store has of it; whatever was fetched before and was not
     * acknowledged comes again.
     * REFUSED: it cannot work as it is configured, or what it meets contradicts its places, and a person has to look.
     * BUSY: not now. Lasts ten seconds at most. Called at the start and after each call that was not OK, with no group
     * under way; also while it is connected, when its feeder has to begin again. */
    Status (*connect)(Source *source, const SourcePlace *places, size_t count, Error *reterr);

    /* Adds what has come to an empty group, until it is full, and the places behind it; does not wait for more. What
     * the other side has to be asked is asked here, seldom, and for seconds at most. OK also when nothing has come.
     * Without a group (NULL) nothing can be taken just now, and the source does what keeps its connection alive. BUSY:
     * the connection is lost; what is in the group is thrown away. REFUSED as for connect. */
    Status (*fetch)(Source *source, SourceGroup *group, Error *reterr);

    /* The group is in the store: the other side may forget its messages. Groups are acknowledged in the order in which
     * they were fetched, each once. BUSY: the connection is lost, and the messages may come again; that is harmless. */
    Status (*acknowledge)(Source *source, const SourceGroup *group, Error *reterr);

    /* Returns when there may be messages, when wake() was called since the last wait, or after `us_max`. */
    void (*wait)(Source *source, int64_t us_max);

    /* From any thread, any number of times. */
    void (*wake)(Source *source);

    /* As it was last known; cheap. */
    void (*lag)(const Source *source, SourceLag *ret_lag);

    /* Gives back what was fetched and not acknowledged, so that others may have it. */
    void (*close)(Source *source);
} SourceOps;

/* Implementations embed this as their first member. */
struct Source {
    const SourceOps *ops;
    /* What a person should know though it works ("4 messages were deleted on the other side before they were read");
     * empty for nothing.
     * Borrows until the next call. */
    Str notice;
};

typedef enum SourceType { SOURCE_KAFKA, SOURCE_REDIS, SOURCE_FILES } SourceType;
#define SOURCE_TYPE_COUNT ((SourceType)3)

enum { SOURCE_NAME_BYTES_MAX = 64 };

/* What the configuration says about a source (docs/configuration.md has the words). Texts borrow from the
 * configuration, which outlives every source; "" where nothing is set. */
#define SOURCE_MAPPING_AUTO "auto"

typedef struct SourceOptions {
    const char *name; /* [a-z0-9][a-z0-9_-]*, at most SOURCE_NAME_BYTES_MAX */
    SourceType type;
    size_t group_messages_max;
    size_t message_bytes_max; /* a longer one is refused */
    int64_t timeout_us;       /* of a call to the other side */
    /* its messages are events, to be read by this mapping, or by the one that fits; NULL: they are records */
    const char *mapping;

    const char *brokers; /* kafka: host:port, … */
    /* kafka: librdkafka's own, name=value, …; take them apart with option_items() (config/options.h) */
    const char *properties;
    const char *topics;  /* kafka: separated by commas */
    const char *group;   /* kafka, redis: the consumer group */
    bool from_beginning; /* kafka, redis: where a new group begins; otherwise with what comes from now on */

    const char *url;                  /* redis: redis://[user:password@]host:port[/db] */
    const char *ca_file;              /* redis, over TLS: certificates to trust instead of the system's */
    const char *cert_file, *key_file; /* likewise: our own */
    const char *streams;              /* redis: keys, separated by commas; or … */
    const char *lists;                /* … these */
    const char *consumer;             /* redis: its name in the group; "" for one that is made of the store's id */
    /* redis: what another consumer has held for so long without an acknowledgement is taken over; 0: never */
    int64_t claim_us;

    const char *dir;     /* files: where they are dropped */
    const char *pattern; /* files: names that are taken, as in a shell: "*.ndjson" */
    bool keep_done;      /* files: moved to done/ when they are finished; otherwise removed */
} SourceOptions;

/* What every source is given besides. Borrows until its close. */
typedef struct SourceContext {
    const SourceOptions *options;
    const StoreInfo *info;
    const Clock *clock;
    const Random *random;
} SourceContext;

extern const char *const source_type_names[SOURCE_TYPE_COUNT]; /* "kafka", "redis", "files" */

/* Makes the source of the type that the options name; connects nowhere yet. REFUSED: an option that it cannot work
 * with, named in the message. */
Status source_open(const SourceContext *context, Source **ret_source, Error *reterr) MUST_CHECK;
void source_close(Source *source); /* accepts NULL */

/* One line a way to read. */
Status source_kafka_open(const SourceContext *context, Source **ret_source, Error *reterr) MUST_CHECK;
Status source_redis_open(const SourceContext *context, Source **ret_source, Error *reterr) MUST_CHECK;
Status source_files_open(const SourceContext *context, Source **ret_source, Error *reterr) MUST_CHECK;

#endif
