/* TLS on a connection to Redis. hiredis has it from version 1.0 on; where the build finds an older one, redis_tls_none.c takes the place
 * of redis_tls.c. */
#ifndef WEIR_BROKER_REDIS_TLS_H
#define WEIR_BROKER_REDIS_TLS_H

#include <hiredis/hiredis.h>

#include "base/err.h"

/* REFUSED, with the reason, where this program was built without it. */
Status redis_tls_possible(Error *reterr) MUST_CHECK;

/* Makes the connection that `context` has just made a TLS one. The certificate must be valid for `host` and come from an authority in
 * `ca_file`, or in the system's when that is empty. REFUSED: `ca_file` cannot be read. BUSY: the other side's TLS does
 * not work, or its certificate is not trusted. */
Status redis_tls_begin(redisContext *context, const char *host, const char *ca_file, Error *reterr) MUST_CHECK;

#endif
