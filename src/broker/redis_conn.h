/* A connection to Redis over hiredis, on which no call waits longer than it is told. One thread at a time. */
#ifndef WEIR_BROKER_REDIS_CONN_H
#define WEIR_BROKER_REDIS_CONN_H

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/wakeup.h"
#include "broker/redis_tls.h"
#include "broker/redis_url.h"

typedef struct RedisConn RedisConn;

/* REFUSED: no connection can be made with these: TLS that this program was built without, files for TLS and a URL
 * without it, a certificate without its key. Reads none of the files. */
Status redis_conn_check(const RedisUrl *url, const RedisTlsFiles *files, Error *reterr) MUST_CHECK;

/* Connects, begins TLS where the URL asks for it, names the user (AUTH) and the database (SELECT). `timeout_us` holds
 * for connecting (to each of the host's addresses), and for the rest together.
 * BUSY: not to be reached, or not ready, now. REFUSED: it takes neither password nor database, or a person has to
 * look. */
Status redis_conn_open(const RedisUrl *url, const RedisTlsFiles *files, int64_t timeout_us, const Clock *clock,
                       RedisConn **ret_conn, Error *reterr) MUST_CHECK;
void redis_conn_close(RedisConn *conn); /* accepts NULL */

/* Puts a command behind those that wait to be written. Copies. After BUSY here and below the connection is of no more
 * use. */
Status redis_conn_put(RedisConn *conn, int argc, const char **argv, const size_t *lens, Error *reterr) MUST_CHECK;

/* Writes what the socket takes; does not wait. */
Status redis_conn_write(RedisConn *conn, Error *reterr) MUST_CHECK;

/* Reads what is there; does not wait. *ret_reply is the next reply, NULL when it is not complete; free it with
 * freeReplyObject. */
Status redis_conn_read(RedisConn *conn, redisReply **ret_reply, Error *reterr) MUST_CHECK;

/* A reply that is longer is not read to its end: then the read is BUSY, and redis_conn_was_too_long() tells. 0: no
 * bound. Bytes are counted as they come, so that a little of the reply behind may count for the one before. */
void redis_conn_set_reply_max(RedisConn *conn, size_t bytes);
bool redis_conn_was_too_long(const RedisConn *conn);
size_t redis_conn_reply_bytes(const RedisConn *conn);  /* of the reply that was read last */
size_t redis_conn_coming_bytes(const RedisConn *conn); /* of the one that is not complete yet */

/* Writes everything and waits for the next `count` replies, for at most the time-out of the opening together. On
 * failure none is left to free. */
Status redis_conn_call(RedisConn *conn, redisReply **ret_replies, size_t count, Error *reterr) MUST_CHECK;

/* Until there is something to read, what waits can be written, somebody calls, or after `us_max`. Accepts a NULL
 * connection, which has neither. */
void redis_conn_wait(const RedisConn *conn, const Wakeup *wakeup, int64_t us_max);

/* What an error reply means to who gave the command. BUSY: a state of the server that will pass, or may (it loads, is
 * full, is a replica). REFUSED: it stays so until a person does something. "" is no error: OK. */
Status redis_error_status(Str error);

/* The text of an error without the dash and the line end that scripts may leave on it. */
Str redis_error_text(Str error);

#endif
