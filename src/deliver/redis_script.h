/* A group of messages as one command to Redis: a script that adds them one after another and stops at its first error.
 *
 * A script is run as a whole, before and after other clients' commands, and reaches the append-only file and the
 * replicas as a whole. It answers how many messages it has added and the error that it stopped at. */
#ifndef WEIR_DELIVER_REDIS_SCRIPT_H
#define WEIR_DELIVER_REDIS_SCRIPT_H

#include "broker/redis_conn.h"
#include "deliver/redis_place.h"

/* Keys of the streams that messages go to, and of the hash beside them. */
typedef struct RedisTarget {
    char hash[REDIS_KEY_BYTES_MAX];
    char keys[MESSAGE_STREAM_COUNT][REDIS_KEY_BYTES_MAX];
    bool remembers; /* the script keeps the place in the hash, and adds nothing unless it is at `after` */
    bool own_ids;   /* entries get ids of Redis's own making instead of `<seq>-0` */
} RedisTarget;

typedef struct RedisScript RedisScript;

/* For groups of at most `messages_max`; lists (RPUSH) or streams (XADD) that keep about `trim` entries, 0 for all. */
Status redis_script_new(const RedisOwner *owner, bool list, int64_t trim, size_t messages_max, RedisScript **ret_script,
                        Error *reterr) MUST_CHECK;
void redis_script_free(RedisScript *script); /* accepts NULL */

/* Loads the script; once a connection. */
Status redis_script_load(RedisScript *script, RedisConn *conn, Error *reterr) MUST_CHECK;

/* Puts the command for a group; it has one reply. `after` is the place that the hash must be at. Copies. */
Status redis_script_put(RedisScript *script, RedisConn *conn, const RedisTarget *target, int64_t after,
                        const Message *messages, size_t count, Error *reterr) MUST_CHECK;

typedef struct RedisAnswer {
    size_t added; /* the first so many are there now */
    Str error;    /* at which it stopped; empty when all were added. Borrows from the reply */
} RedisAnswer;
RedisAnswer redis_script_answer(const redisReply *reply);

/* Puts the command that makes the hash ours and moves its place from the one that `standing` has to `to_seq`, as long
 * as nobody has moved it meanwhile. The streams of `standing` become the sink's, and the hash says of them what they
 * say themselves: a deletion that was seen here is none for the next group. It has one reply, read by
 * redis_claim_answer. */
Status redis_claim_put(const RedisOwner *owner, RedisConn *conn, const RedisTarget *target,
                       const RedisStanding *standing, int64_t to_seq, Error *reterr) MUST_CHECK;
/* BUSY: somebody has moved it, look again. */
Status redis_claim_answer(const redisReply *reply, Error *reterr) MUST_CHECK;

#endif
