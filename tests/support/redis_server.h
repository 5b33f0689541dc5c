/* A real redis-server of a test's own, in a temporary directory, with an append-only file, on a Unix socket and a free
 * port of 127.0.0.1. It may be killed, held up and started again. Whatever goes wrong aborts. */
#ifndef WEIR_TESTS_SUPPORT_REDIS_SERVER_H
#define WEIR_TESTS_SUPPORT_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define REDIS_SERVER_PASSWORD "se/cret@1" /* of the port; it has to be encoded in a URL: se%2Fcret%401 */

typedef struct RedisServer {
    char dir[64], socket_path[96], url[128]; /* unix://… */
    int port, tls_port;                      /* tls_port 0: none */
    char ca_file[96];                        /* of the certificate, which is for localhost alone */
    const char *sync;                        /* appendfsync */
    pid_t pid;                               /* 0: it does not run */
    redisContext *client;
} RedisServer;

/* Whether there is a redis-server on this machine; says "skipped: …" when there is none. */
bool redis_server_can_be_had(void);

/* `sync` is Redis's appendfsync: "always", "everysec" or "no". */
void redis_server_start(RedisServer *server, const char *sync);
/* With a port for TLS besides; the test's own certificate is made with the command openssl. */
void redis_server_start_tls(RedisServer *server);
void redis_server_stop(RedisServer *server); /* and removes what it has written */

void redis_server_kill(RedisServer *server);    /* -9 */
void redis_server_restart(RedisServer *server); /* returns when it answers */
void redis_server_hold(RedisServer *server, bool hold);

/* A command of a person; the reply is freed with freeReplyObject. */
redisReply *redis_server_ask(RedisServer *server, const char *format, ...) __attribute__((format(printf, 2, 3)));
void redis_server_do(RedisServer *server, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How long the append-only file is: it has grown before anybody hears that something was written. */
int64_t redis_server_written(const RedisServer *server);
/* While it does not run: the file ends there, as if the rest had never reached the disk. */
void redis_server_cut(const RedisServer *server, int64_t bytes);

#endif
