#include "broker/redis_tls.h"

#include <arpa/inet.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <string.h>

Status redis_tls_possible(Error *reterr)
{
    (void)reterr;
    return STATUS_OK;
}

/* Of the first error that waits, which says more than those that followed from it. */
static const char *reason(void)
{
    unsigned long code = ERR_get_error();
    const char *text = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    return text ? text : "the library does not say why";
}

static Status fail(Status status, const char *what, Error *reterr)
{
    return error_set(reterr, status, "TLS: %s: %s", what, reason());
}

static Status trust(SSL_CTX *settings, const char *ca, Error *reterr)
{
    SSL_CTX_set_verify(settings, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_min_proto_version(settings, TLS1_2_VERSION) != 1) {
        return fail(STATUS_REFUSED, "version 1.2", reterr);
    }
    int trusted =
        ca[0] ? SSL_CTX_load_verify_locations(settings, ca, NULL) : SSL_CTX_set_default_verify_paths(settings);
    return trusted == 1 ? STATUS_OK : fail(STATUS_REFUSED, ca[0] ? ca : "the system's certificates", reterr);
}

/* Nobody is there to be asked for one. */
static int no_password(char *text, int size, int writes, void *self)
{
    (void)text, (void)size, (void)writes, (void)self;
    return -1;
}

static Status show_who_comes(SSL_CTX *settings, const RedisTlsFiles *files, Error *reterr)
{
    if (!files->cert[0]) {
        return STATUS_OK;
    }
    SSL_CTX_set_default_passwd_cb(settings, no_password);
    if (SSL_CTX_use_certificate_chain_file(settings, files->cert) != 1) {
        return fail(STATUS_REFUSED, files->cert, reterr);
    }
    return SSL_CTX_use_PrivateKey_file(settings, files->key, SSL_FILETYPE_PEM) == 1
               ? STATUS_OK
               : fail(STATUS_REFUSED, files->key, reterr);
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

/* A server without TLS does not answer at all, or with a text. */
static Status fail_handshake(SSL *session, Error *reterr)
{
    long verdict = SSL_get_verify_result(session);
    unsigned long code = ERR_peek_error();
    if (verdict != X509_V_OK) {
        return error_set(reterr, STATUS_BUSY, "TLS: certificate verify failed: %s (ca_file says whom to trust)",
                         X509_verify_cert_error_string(verdict));
    }
    if (code == 0 || ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
        return error_set(reterr, STATUS_BUSY, "TLS: there is no answer to it: does it want none (redis://)?");
    }
    return fail(STATUS_BUSY, "the other side does not agree", reterr);
}

Status redis_tls_begin(redisContext *context, const char *host, const RedisTlsFiles *files, Error *reterr)
{
    ERR_clear_error();
    SSL_CTX *settings = SSL_CTX_new(TLS_client_method());
    if (!settings) {
        return fail(STATUS_BUSY, "out of memory", reterr);
    }
    Status status = trust(settings, files->ca, reterr);
    status = status == STATUS_OK ? show_who_comes(settings, files, reterr) : status;
    SSL *session = status == STATUS_OK ? SSL_new(settings) : NULL;
    if (status == STATUS_OK && (!session || !expect_host(session, host))) {
        status = fail(STATUS_BUSY, host, reterr);
    }
    if (status == STATUS_OK && redisInitiateSSL(context, session) == REDIS_OK) {
        session = NULL; /* the context owns it now; after a failure it is still ours */
    } else if (status == STATUS_OK) {
        status = fail_handshake(session, reterr);
    }
    SSL_free(session);
    SSL_CTX_free(settings);
    return status;
}
