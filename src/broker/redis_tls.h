/* TLS on a connection to Redis. hiredis has it from version 1.0 on; where the build finds an older one,
 * redis_tls_none.c takes the place of redis_tls.c. */
#ifndef WEIR_BROKER_REDIS_TLS_H
#define WEIR_BROKER_REDIS_TLS_H

#include <hiredis/hiredis.h>

#include "base/err.h"

/* Files (PEM); "" where there is none. */
typedef struct RedisTlsFiles {
    const char *ca;         /* authorities to trust in place of the system's */
    const char *cert, *key; /* our own certificate and its key, for a server that asks who comes */
} RedisTlsFiles;

/* REFUSED, with the reason, where this program was built without it. */
Status redis_tls_possible(Error *reterr) MUST_CHECK;

/* Makes the connection that `context` has just made a TLS one. The certificate must be valid for `host` and come from
 * an authority that is trusted. REFUSED: one of our files cannot be used. BUSY: the other side's TLS does not work, or
 * its certificate is not trusted. */
Status redis_tls_begin(redisContext *context, const char *host, const RedisTlsFiles *files, Error *reterr) MUST_CHECK;

#endif
