/* Where the streams in Redis stand, and whose they are.
 *
 * An entry's id is `<seq>-0`, so that Redis itself refuses what it has. Beside the streams lies a hash, `<prefix>weir`,
 * which each group of messages moves on in the same script:
 *
 *   store, epoch           whose ids these are
 *   sink:<sink's name>     the id of the last entry that this sink has written, to whichever stream, or where it began:
 *                          its place
 *   <stream>               the id of the last entry in that stream
 *   <stream>:sink          the sink that writes it
 *
 * The hash and the streams are written together, so they are lost together when Redis loses its tail: the place then is
 * what both say, and what is behind it is sent again. A stream that is further back than the hash says was deleted by
 * somebody: that is told, and the line goes on. The script looks for it too, so that it is told at the latest when the
 * stream's next message comes. A stream that is further on has entries that are not ours, or the hash was deleted: the
 * last entry's field `id` tells which. */
#ifndef WEIR_DELIVER_REDIS_PLACE_H
#define WEIR_DELIVER_REDIS_PLACE_H

#include <hiredis/hiredis.h>

#include "base/err.h"
#include "deliver/outbox.h"

enum { REDIS_KEY_BYTES_MAX = 320, REDIS_STORE_TEXT_BYTES = 33, REDIS_ID_BYTES_MAX = 24, REDIS_FIELD_BYTES_MAX = 80 };

/* Who writes. Texts borrow from the sink's options. */
typedef struct RedisOwner {
    const StoreInfo *info;
    const char *sink;
    const char *hash; /* its key */
    bool remembers;   /* false for a replay: there is no hash then, only streams of its own */
} RedisOwner;

void redis_store_format(const StoreInfo *info, char ret_text[REDIS_STORE_TEXT_BYTES]);
/* "<seq>-0"; returns its length. */
size_t redis_id_format(int64_t seq, char ret_text[REDIS_ID_BYTES_MAX]);

/* What Redis says of one stream. Texts borrow from the replies. */
typedef struct RedisStream {
    const char *key;
    MessageStream stream;
    Str last_id;       /* last-generated-id; empty when there is no such stream */
    Str message_id;    /* the field `id` of its last entry; empty when it has none */
    Str remembered_id; /* in the hash; empty when it was never written */
    Str sink;          /* likewise */
} RedisStream;

typedef struct RedisStanding {
    Str store, epoch, place_id; /* in the hash; empty when it is not there */
    RedisStream streams[MESSAGE_STREAM_COUNT];
    size_t stream_count; /* of those that the sink writes to */
} RedisStanding;

/* Fills what XINFO STREAM has said of `stream`. */
Status redis_stream_read(RedisStream *stream, const redisReply *reply, Error *reterr) MUST_CHECK;

/* Fills what HGETALL has said of the hash: of the sink and of the streams whose keys are filled. */
Status redis_standing_read(RedisStanding *standing, const RedisOwner *owner, const redisReply *reply,
                           Error *reterr) MUST_CHECK;

enum { REDIS_NOTICE_BYTES_MAX = 256 };

typedef struct RedisDecision {
    SinkPlace theirs;                    /* where the line goes on */
    int64_t place_seq;                   /* what the hash has to say from now on */
    char notice[REDIS_NOTICE_BYTES_MAX]; /* what a person should know though it works; "" for nothing */
} RedisDecision;

/* `ours` is where the line thinks it is. REFUSED: the streams are another's, and the message says what to do. */
Status redis_place_decide(const RedisStanding *standing, const RedisOwner *owner, SinkPlace ours,
                          RedisDecision *ret_decision, Error *reterr) MUST_CHECK;

#endif
