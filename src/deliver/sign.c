#include "deliver/sign.h"

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/base64.h"

enum {
    DIGEST_BYTES = 32,
    ENCODED_KEY_BYTES_MAX = (SIGN_KEY_BYTES_MAX + 2) / 3 * 4,
};

/* A context that has its key: to sign is to begin it again, which spares looking the algorithm up and mixing the key
 * each time. */
struct Signer {
    EVP_MAC_CTX *contexts[SIGN_SECRETS_MAX];
    size_t count;
};

static Status key_context(const uint8_t *key, size_t len, EVP_MAC_CTX **ret_context, Error *reterr)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac); /* the context holds on to it */
    if (!context || !EVP_MAC_init(context, key, len, params)) {
        EVP_MAC_CTX_free(context);
        return error_set(reterr, STATUS_BROKEN, "cannot be used: HMAC-SHA256 is not to be had");
    }
    *ret_context = context;
    return STATUS_OK;
}

static Status add_secret(Signer *signer, Str secret, Error *reterr)
{
    const Str prefix = STR("whsec_");
    if (!str_starts_with(secret, prefix)) {
        return error_set(reterr, STATUS_REFUSED, "has a secret that does not begin with whsec_");
    }
    Str encoded = {secret.ptr + prefix.len, secret.len - prefix.len};
    uint8_t key[ENCODED_KEY_BYTES_MAX];
    size_t len = 0;
    if (encoded.len <= ENCODED_KEY_BYTES_MAX) {
        if (!base64_decode(encoded, key, &len) || len == 0) {
            return error_set(reterr, STATUS_REFUSED, "has a secret that is no base64 after whsec_");
        }
    }
    if (len < SIGN_KEY_BYTES_MIN || len > SIGN_KEY_BYTES_MAX) {
        return error_set(reterr, STATUS_REFUSED, "has a secret whose key is not %d to %d bytes long",
                         SIGN_KEY_BYTES_MIN, SIGN_KEY_BYTES_MAX);
    }
    Status status = key_context(key, len, &signer->contexts[signer->count], reterr);
    OPENSSL_cleanse(key, sizeof key);
    signer->count += status == STATUS_OK;
    return status;
}

static Status add_secrets(Signer *signer, Str secrets, Error *reterr)
{
    if (str_trim(secrets).len == 0) {
        return error_set(reterr, STATUS_REFUSED, "is empty");
    }
    for (Str rest = secrets; rest.ptr;) {
        Str secret = str_trim(str_split(&rest, ','));
        if (signer->count == SIGN_SECRETS_MAX) {
            return error_set(reterr, STATUS_REFUSED, "has more than %d secrets", SIGN_SECRETS_MAX);
        }
        Status status = add_secret(signer, secret, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

Status signer_new(Str secrets, Signer **ret_signer, Error *reterr)
{
    Signer *signer = calloc(1, sizeof *signer);
    if (!signer) {
        return error_set(reterr, STATUS_BROKEN, "cannot be kept: out of memory");
    }
    Status status = add_secrets(signer, secrets, reterr);
    if (status != STATUS_OK) {
        signer_free(signer);
        return status;
    }
    *ret_signer = signer;
    return STATUS_OK;
}

void signer_free(Signer *signer)
{
    for (size_t i = 0; signer && i < signer->count; i++) {
        EVP_MAC_CTX_free(signer->contexts[i]);
    }
    free(signer);
}

static bool digest(EVP_MAC_CTX *context, Str prefix, Str body, uint8_t ret_digest[DIGEST_BYTES])
{
    size_t len = 0;
    return EVP_MAC_init(context, NULL, 0, NULL) && EVP_MAC_update(context, (const uint8_t *)prefix.ptr, prefix.len) &&
           EVP_MAC_update(context, (const uint8_t *)body.ptr, body.len) &&
           EVP_MAC_final(context, ret_digest, &len, DIGEST_BYTES) && len == DIGEST_BYTES;
}

Status signer_sign(Signer *signer, Str id, int64_t timestamp_s, Str body, char ret_text[SIGN_TEXT_BYTES_MAX],
                   Error *reterr)
{
    enum { ID_BYTES_MAX = 256 };
    char prefix[ID_BYTES_MAX + 32], *to = ret_text;
    uint8_t bytes[DIGEST_BYTES];
    int prefix_len = snprintf(prefix, sizeof prefix, "%.*s.%" PRId64 ".", STR_ARGS(id), timestamp_s);
    if (id.len > ID_BYTES_MAX || prefix_len < 0) {
        return error_set(reterr, STATUS_REFUSED, "the message's id is too long to be signed");
    }
    for (size_t i = 0; i < signer->count; i++) {
        if (!digest(signer->contexts[i], (Str){prefix, (size_t)prefix_len}, body, bytes)) {
            return error_set(reterr, STATUS_BUSY, "could not sign the message");
        }
        memcpy(to, i > 0 ? " v1," : "v1,", i > 0 ? 4 : 3);
        to += i > 0 ? 4 : 3;
        to += EVP_EncodeBlock((uint8_t *)to, bytes, DIGEST_BYTES);
    }
    return STATUS_OK;
}
