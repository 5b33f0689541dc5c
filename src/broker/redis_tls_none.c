#include "broker/redis_tls.h"

Status redis_tls_possible(Error *reterr)
{
    return error_set(
        reterr, STATUS_REFUSED,
        "rediss:// needs hiredis 1.0 or later with TLS, and this program was built with hiredis %d.%d, which has "
        "none: use redis:// through a tunnel (stunnel), or build on Debian 13",
        HIREDIS_MAJOR, HIREDIS_MINOR);
}

Status redis_tls_begin(redisContext *context, const char *host, const RedisTlsFiles *files, Error *reterr)
{
    (void)context, (void)host, (void)files;
    return redis_tls_possible(reterr);
}
