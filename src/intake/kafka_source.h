/* What the files of the Kafka source share: source_kafka.c (the seam), source_kafka_connect.c (joining and leaving the
 * group), source_kafka_ask.c (what brokers are asked about partitions), source_kafka_begin.c (partitions come and go,
 * and where each is begun), source_kafka_take.c (messages). For nobody else.
 *
 * librdkafka's consumer has two queues here. What happens to the group and its connection comes by its own one, and is
 * served at every fetch, whether messages can be taken or not; messages come by `messages`, which partitions are led to
 * before they are begun. Nothing needs to be paused while nothing can be taken: a queue that is full stops the fetching
 * by itself. */
#ifndef WEIR_INTAKE_KAFKA_SOURCE_H
#define WEIR_INTAKE_KAFKA_SOURCE_H

#include "base/wakeup.h"
#include "intake/kafka_part.h"
#include "intake/source.h"

enum { KAFKA_TEXT_BYTES = 384, KAFKA_TOPICS_MAX = 32 };
/* Nothing is taken while brokers are asked something: it is not asked again for so many times as long as that lasted.
 * Less than a tenth of the time goes into each of what is asked again and again: whether brokers and topics are there
 * (as long as that is answered: else it is asked on, until the connection is given up), and for partitions that could
 * not be begun. */
enum { KAFKA_REST_TIMES = 10 };

typedef struct KafkaSource {
    Source base;
    const SourceContext *context;
    char *topics[KAFKA_TOPICS_MAX]; /* owns */
    size_t topic_count;
    rd_kafka_conf_t *conf; /* owns; each consumer gets a copy */
    int step_ms;           /* how long one step of a connection or an assignment may last */
    int answer_ms;         /* how long an answer may take, behind what a broker was asked for before; below a second */
    unsigned first_leader; /* which is asked first when each is asked by itself */
    Wakeup wakeup;         /* called by queues, too */

    rd_kafka_t *consumer; /* owns; NULL while it is not connected, and so the queues */
    rd_kafka_queue_t *events, *messages;
    bool leaving;
    bool joining; /* it has subscribed, and the group has given it nothing yet: not even no partitions */
    bool joined;  /* the group has said which partitions are ours */

    KafkaParts parts;
    rd_kafka_message_t *carry;   /* owns; did not fit into the last group */
    bool drained;                /* `messages` was empty when it was looked at last */
    unsigned groups;             /* of messages that were handed over and not acknowledged */
    int64_t first_us, latest_us; /* when the first message of the oldest of them was written, and of the latest */

    Status failure; /* what a callback found; the next call of the seam says so */
    Error failure_error;
    bool down;                     /* there was a moment when no broker could be reached */
    char reason[KAFKA_TEXT_BYTES]; /* librdkafka's last complaint; empty for none */
    char notice[ERROR_MESSAGE_BYTES_MAX];
    char shown[ERROR_MESSAGE_BYTES_MAX]; /* the notice behind partitions that could not be begun yet */
    bool notice_passes;                  /* it is over when partitions come */
    size_t told_bytes;                   /* of the notice, about partitions that came together … */
    unsigned told_after;                 /* … and how much more there was to tell */
    bool tells_anew;                     /* what is told next takes its place: others have come since */
    SourceLag lag;
    int64_t lag_us, checked_us; /* when it, and the topics, were looked at; by the monotonic clock */
    int64_t check_lasted_us;    /* how long that took */
    int64_t commit_us;          /* when what was acknowledged is committed again; likewise; 0: the group has it */
    int64_t again_us;        /* when partitions that could not be begun are tried again; likewise; 0: there are none */
    unsigned again_failures; /* how often that has failed */
    int64_t silent_us;       /* since when no question was answered; likewise; 0: the last one was */
} KafkaSource;

static inline int64_t kafka_source_now_us(const KafkaSource *source)
{
    return clock_monotonic_us(source->context->clock);
}

/* For callbacks. The first failure counts, but one that a person has to look at goes before others. */
void kafka_source_fail(KafkaSource *source, Status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What a person should know; with `passes`, until partitions come. */
void kafka_source_note(KafkaSource *source, bool passes, const char *format, ...) __attribute__((format(printf, 3, 4)));
void kafka_source_unnote(KafkaSource *source);
/* Composes what is shown: to be called when the notice has changed, or which partitions could not be begun. */
void kafka_source_show(KafkaSource *source);

/* ---- source_kafka_connect.c */

/* SourceOps.connect. */
Status kafka_source_connect(Source *base, const SourcePlace *places, size_t count, Error *reterr) MUST_CHECK;

/* Leaves the group, in bounded time. With `commit` the brokers are told first what was acknowledged. */
void kafka_source_leave(KafkaSource *source, bool commit);

/* What librdkafka is told, and who hears what it has to say. */
Status kafka_source_settings(KafkaSource *source, Error *reterr) MUST_CHECK;

/* Whether the topics are still there; and a broker: at once when librdkafka has said that none can be reached, else
 * when none has answered for the source's time-out. BUSY when not. */
Status kafka_source_check(KafkaSource *source, Error *reterr) MUST_CHECK;

/* A commit has failed, or the group turned out to be behind when partitions came: in a moment all that was acknowledged
 * is committed once more. Without more messages the group would stay behind. */
void kafka_source_commit_later(KafkaSource *source);
void kafka_source_commit_due(KafkaSource *source); /* when that moment has come */

/* Adds the partition's place, signed, to what is to be committed, if it is ours and the store has one. */
void kafka_source_add_offset(const KafkaSource *source, const KafkaPart *part, rd_kafka_topic_partition_list_t *list);

/* Has the brokers told, without waiting; a callback hears what comes of it, and has it made again when it failed. Moves
 * the list. */
void kafka_source_commit(KafkaSource *source, rd_kafka_topic_partition_list_t *list);

/* ---- source_kafka_ask.c */

/* What there is to know of partitions that were given to us: what the group has committed of all of them, and where
 * those begin and end of which that is known. Each has its own answer, or its own error. */
typedef struct KafkaGiven {
    rd_kafka_topic_partition_list_t *committed, *low, *high; /* own */
} KafkaGiven;

/* Asks in three steps, in the second and the third only for what was answered before, so that whoever is silent costs
 * the time of one. A step lasts hardly longer than step_ms, or than three times answer_ms where that is longer; with
 * `again`, for partitions that could not be begun before, less than twice answer_ms. To be released in any case. */
void kafka_source_ask(KafkaSource *source, const rd_kafka_topic_partition_list_t *list, bool again,
                      KafkaGiven *ret_given);
void kafka_given_release(KafkaGiven *given);

/* ---- source_kafka_begin.c */

/* librdkafka's rebalance callback. */
void kafka_source_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                            void *self);

/* Partitions that could not be begun when they came are tried again when it is time. */
void kafka_source_begin_due(KafkaSource *source);

/* ---- source_kafka_take.c */

/* Adds the message to the group, or keeps it as `carry` when there is no room. Moves it. */
Status kafka_source_take(KafkaSource *source, SourceGroup *group, rd_kafka_message_t *message,
                         Error *reterr) MUST_CHECK;

/* What the consumer's own queue hands out are errors. Moves it. */
void kafka_source_take_error(KafkaSource *source, rd_kafka_message_t *message);

#endif
