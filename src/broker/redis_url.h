/* Where a Redis is, from its URL:
 *
 *   redis://[[user]:password@]host[:port][/db]     port 6379 and database 0 unless named; an IPv6 address in brackets
 *   rediss://…                                     the same over TLS
 *   unix://[[user]:password@]/path/to/socket[?db=n]
 *
 * The scheme is the one that Redis's own tools take (https://www.iana.org/assignments/uri-schemes/prov/redis). User and
 * password are percent-encoded where they contain one of ":/?#@%". */
#ifndef WEIR_BROKER_REDIS_URL_H
#define WEIR_BROKER_REDIS_URL_H

#include "base/err.h"
#include "base/str.h"

enum { REDIS_URL_TEXT_BYTES_MAX = 512, REDIS_URL_PATH_BYTES_MAX = 108 /* sockaddr_un's */ };

/* Plain memory. Texts are NUL-terminated, empty where there is nothing. */
typedef struct RedisUrl {
    char path[REDIS_URL_PATH_BYTES_MAX]; /* of a Unix socket; then host and port mean nothing */
    char host[REDIS_URL_TEXT_BYTES_MAX];
    char user[REDIS_URL_TEXT_BYTES_MAX];
    char password[REDIS_URL_TEXT_BYTES_MAX];
    int port;
    unsigned db;
    bool tls;
} RedisUrl;

/* REFUSED: not such a URL. The message never contains the URL, which may hold a password. */
Status redis_url_parse(const char *text, RedisUrl *ret_url, Error *reterr) MUST_CHECK;

#endif
