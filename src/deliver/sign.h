/* Signatures of Standard Webhooks (https://www.standardwebhooks.com, specification 1.0.0): the receiver can tell that a
 * message comes from us and is as we sent it.
 *
 * The header is "v1," and the base64 of HMAC-SHA256(key, "<id>.<timestamp>.<body>"); while one secret replaces another
 * there are two of them with a space between, and the receiver is content when it knows one. A secret is written
 * "whsec_" and the base64 of the key. */
#ifndef WEIR_DELIVER_SIGN_H
#define WEIR_DELIVER_SIGN_H

#include "base/err.h"
#include "base/str.h"

enum { SIGN_SECRETS_MAX = 2, SIGN_KEY_BYTES_MIN = 24, SIGN_KEY_BYTES_MAX = 64, SIGN_TEXT_BYTES_MAX = 96 };

/* One thread at a time. */
typedef struct Signer Signer;

/* One secret, or two with a comma between. REFUSED with a phrase that says what is wrong and never the secret: "is
 * empty", "has a secret that does not begin with whsec_". BROKEN: the library has no such algorithm, or no memory. */
Status signer_new(Str secrets, Signer **ret_signer, Error *reterr) MUST_CHECK;
void signer_free(Signer *signer); /* accepts NULL */

/* The value of the header webhook-signature, NUL-terminated; `timestamp_s` is the attempt's, in seconds since 1970. */
Status signer_sign(Signer *signer, Str id, int64_t timestamp_s, Str body, char ret_text[SIGN_TEXT_BYTES_MAX],
                   Error *reterr) MUST_CHECK;

#endif
