#include "broker/redis_tls.h"

#include <arpa/inet.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>

Status redis_tls_possible(Error *reterr)
{
    (void)reterr;
    return STATUS_OK;
}

static Status fail(Status status, const char *what, Error *reterr)
{
    const char *why = ERR_reason_error_string(ERR_get_error());
    return error_set(reterr, status, "TLS: %s: %s", what, why ? why : "the library does not say why");
}

static Status trust(SSL_CTX *authorities, const char *ca_file, Error *reterr)
{
    SSL_CTX_set_verify(authorities, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_min_proto_version(authorities, TLS1_2_VERSION) != 1) {
        return fail(STATUS_REFUSED, "version 1.2", reterr);
    }
    int trusted = ca_file[0] ? SSL_CTX_load_verify_locations(authorities, ca_file, NULL)
                             : SSL_CTX_set_default_verify_paths(authorities);
    return trusted == 1 ? STATUS_OK : fail(STATUS_REFUSED, ca_file[0] ? ca_file : "the system's certificates", reterr);
}

/* hiredis itself checks that somebody trusted has signed the certificate, but not whose it is. */
static bool expect_host(SSL *session, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1;
    }
    return SSL_set1_host(session, host) == 1 && SSL_set_tlsext_host_name(session, host) == 1;
}

Status redis_tls_begin(redisContext *context, const char *host, const char *ca_file, Error *reterr)
{
    ERR_clear_error();
    SSL_CTX *authorities = SSL_CTX_new(TLS_client_method());
    if (!authorities) {
        return fail(STATUS_BUSY, "out of memory", reterr);
    }
    Status status = trust(authorities, ca_file, reterr);
    SSL *session = status == STATUS_OK ? SSL_new(authorities) : NULL;
    if (status == STATUS_OK && (!session || !expect_host(session, host))) {
        status = fail(STATUS_BUSY, host, reterr);
    }
    if (status == STATUS_OK && redisInitiateSSL(context, session) == REDIS_OK) {
        session = NULL; /* the context owns it now; after a failure it is still ours */
    } else if (status == STATUS_OK) {
        status = error_set(reterr, STATUS_BUSY, "TLS: %s", context->errstr);
    }
    SSL_free(session);
    SSL_CTX_free(authorities);
    return status;
}
