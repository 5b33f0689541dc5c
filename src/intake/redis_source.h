/* The source `redis` in its parts: source_redis.c has the connection and what is common, source_redis_stream.c and
 * source_redis_list.c the two ways to read, each a RedisWay; source_redis_begin.c is how the first of them begins.
 *
 * Nothing waits for an answer but connect(): commands are put one behind the other, and each reply finds what was asked
 * in a ring. At most one of those that bring messages is under way; its reply stays until all of its messages are in
 * groups. */
#ifndef WEIR_INTAKE_REDIS_SOURCE_H
#define WEIR_INTAKE_REDIS_SOURCE_H

#include "base/wakeup.h"
#include "broker/redis_conn.h"
#include "intake/redis_entry.h"
#include "intake/source.h"

enum {
    REDIS_KEYS_MAX = 64, /* streams or lists of one source */
    REDIS_NAME_BYTES_MAX = 512,
    REDIS_CONSUMER_BYTES_MAX = 128,
    REDIS_ASKED_MAX = 1024,
    REDIS_NUMBER_BYTES = 24,
    REDIS_REPLY_BYTES_MAX = 64 << 20,
    REDIS_LONE_BYTES_MAX =
        1 << 30, /* of a message read alone: beyond what Redis takes as one value, unless it was told to */
    REDIS_BLOCK_MS =
        250, /* how long Redis holds a read open while there is nothing; only when no group waits to be stored */
};

typedef enum RedisAsk {
    REDIS_ASK_NONE,
    REDIS_ASK_READ,  /* brings messages, as do the next two */
    REDIS_ASK_CLAIM, /* stream: what another consumer has left */
    REDIS_ASK_ONE,   /* list: the next element, as soon as there is one */
    REDIS_ASK_ACK,
    REDIS_ASK_CARE, /* list: we are still there, and what others have left */
    REDIS_ASK_LAG,
    REDIS_ASK_PENDING,
} RedisAsk;

typedef struct RedisAsked {
    RedisAsk ask;
    size_t key;
    int64_t deadline_us; /* by the monotonic clock */
} RedisAsked;

/* The mark of a list's place, whose `next` counts elements. */
#define REDIS_LIST_MARK STR("elements")

/* What is known of a stream or a list. */
typedef struct RedisKey {
    char name[REDIS_NAME_BYTES_MAX];
    int64_t waiting, pending; /* as last heard; -1: not known */
    int64_t oldest_us;

    /* Streams. */
    RedisEntryId newest;  /* that was put into a group, or the store has, or where `now` was … */
    bool known;           /* … if there is any; 0-0 may be one */
    RedisEntryId history; /* what was ours before is read up to here … */
    bool history_read;    /* … and that was all */
    bool moved;           /* newest, or taken, is to be put into this group */
    char claim_from[REDIS_ENTRY_ID_BYTES_MAX];

    /* Lists. */
    int64_t taken; /* elements that were put into groups, those before included that the store counts */
    bool counted;  /* it does */
    char processing[REDIS_NAME_BYTES_MAX + REDIS_CONSUMER_BYTES_MAX + 8], registry[REDIS_NAME_BYTES_MAX + 8];
} RedisKey;

typedef struct RedisSource RedisSource;

/* A way to read. */
typedef struct RedisWay {
    /* There is a connection: makes everything ready to read. The only member that may wait, with
     * redis_source_call(). */
    Status (*begin)(RedisSource *source, Error *reterr);
    /* Puts the command that brings messages. Nothing is under way, and none are left. */
    Status (*ask)(RedisSource *source, Error *reterr);
    /* The reply to a command, no error. *ret_keep: it has messages, and stays until fill() has put the last of them
     * into a group. */
    Status (*take)(RedisSource *source, RedisAsked asked, redisReply *reply, bool *ret_keep, Error *reterr);
    /* An error that a command was answered with. True: it spoils nothing, the source does without; otherwise it ends
     * the connection. */
    bool (*forgive)(RedisSource *source, RedisAsked asked, Str error);
    /* Moves messages from the kept reply into the group; redis_source_drop_reply() when none are left. */
    Status (*fill)(RedisSource *source, SourceGroup *group, Error *reterr);
    /* Puts the places that have moved into the group. */
    Status (*put_places)(RedisSource *source, SourceGroup *group, Error *reterr);
    Status (*acknowledge)(RedisSource *source, const SourceGroup *group, Error *reterr);
    /* Puts what has to be done now and then: lag, and what keeps us known. */
    Status (*care)(RedisSource *source, Error *reterr);
    /* Puts what gives back what is left, as a REDIS_ASK_ACK, which is waited for. */
    Status (*leave)(RedisSource *source, Error *reterr);
} RedisWay;
extern const RedisWay redis_stream_way, redis_list_way;

/* RedisWay.begin of streams. */
Status redis_stream_begin(RedisSource *source, Error *reterr) MUST_CHECK;
/* Our group's fields in what XINFO GROUPS says; NULL when it is not there. */
const redisReply *redis_stream_group(const RedisSource *source, const redisReply *groups);

struct RedisSource {
    Source base;
    SourceContext context;
    const RedisWay *way;
    size_t came; /* of the reply that is not complete, when the deadlines were put off last */
    RedisUrl url;
    Wakeup wakeup;
    char consumer[REDIS_CONSUMER_BYTES_MAX];
    RedisKey *keys; /* owns */
    size_t key_count;

    RedisConn *conn;
    RedisAsked asked[REDIS_ASKED_MAX]; /* a ring */
    size_t asked_first, asked_count;
    bool reading;        /* a command that brings messages is under way */
    size_t in_flight;    /* groups that were fetched and not acknowledged */
    int64_t ask_us;      /* not to be asked for messages before */
    int64_t care_us;     /* likewise for what is done now and then */
    size_t message_mean; /* bytes, so that a read brings about a group */

    redisReply *reply; /* owns; its messages are not all in groups */
    RedisAsk reply_to;
    size_t reply_key, at_part, at_message;

    /* Streams. */
    bool claims;      /* this Redis hands over what others have left */
    size_t claim_key; /* the next to be looked at; key_count: none until claim_us */
    int64_t claim_us;
    int64_t deleted; /* entries that were gone before they were read */
    /* Lists. */
    char counter[REDIS_CONSUMER_BYTES_MAX + 8]; /* the field of registries with how many elements the store had */
    char take_sha[41], remove_sha[41], give_sha[41], care_sha[41];
    char key_words[REDIS_NUMBER_BYTES]; /* how many keys scripts of all lists have */
    unsigned turn;                      /* which list comes first */
    bool blocks;                        /* there is one list, and this Redis has BLMOVE and lets us */
    bool empty;                         /* the last look has found nothing */
    int64_t recovered;                  /* elements that others had left */

    Buf json;
    const char **argv; /* owns; of the command that is being made */
    size_t *lens;
    size_t argc, arg_cap;
    char lost[ERROR_MESSAGE_BYTES_MAX], notice[ERROR_MESSAGE_BYTES_MAX];
};

int64_t redis_source_now(const RedisSource *source);

/* ---- Commands ---------------------------------------------------------------------------------------------------- */
void redis_source_arg(RedisSource *source, Str text); /* borrows until the command is put */
static inline void redis_source_word(RedisSource *source, const char *word)
{
    redis_source_arg(source, str_from(word));
}
/* Puts the command and begins the next. `more_us`: it may take so much longer than others. */
Status redis_source_put(RedisSource *source, RedisAsk ask, size_t key, int64_t more_us, Error *reterr) MUST_CHECK;
/* While connecting: puts the command; redis_source_call() then has one reply for each. */
Status redis_source_put_call(RedisSource *source, Error *reterr) MUST_CHECK;
/* REFUSED, BUSY: an error among the replies, unless `errors_too`. On failure none is left to free. */
Status redis_source_call(RedisSource *source, redisReply **ret_replies, size_t count, bool errors_too,
                         Error *reterr) MUST_CHECK;
Status redis_source_error(const redisReply *reply, Error *reterr) MUST_CHECK;

/* How many messages the next read should bring; and that a reply had so many, by which it is guessed: it follows
 * messages that become longer at once, and those that become shorter with care. */
size_t redis_source_count(const RedisSource *source);
void redis_source_note_length(RedisSource *source, size_t messages);
void redis_source_drop_reply(RedisSource *source);

/* ---- Messages ---------------------------------------------------------------------------------------------------- */
/* Adds one if there is room. `token` begins with the key's number. */
Status redis_source_add(RedisSource *source, SourceGroup *group, SourceMessage *message, bool *ret_added,
                        Error *reterr) MUST_CHECK;

/* Composes the notice. `lost` stays until the next such one. */
void redis_source_note_lost(RedisSource *source, const char *format, ...) __attribute__((format(printf, 2, 3)));
void redis_source_note(RedisSource *source);

#endif
