#include "base/base64.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { QUANTUM = 4 };

void base64_put(Buf *buf, Str bytes)
{
    size_t whole = (bytes.len + 2) / 3 * QUANTUM;
    char *at = bytes.len <= INT_MAX / 2 ? buf_reserve(buf, whole + 1) : NULL; /* with the library's NUL */
    if (at) {
        EVP_EncodeBlock((unsigned char *)at, (const unsigned char *)bytes.ptr, (int)bytes.len);
        buf->len += whole;
    }
    buf->failed = buf->failed || !at;
}

static bool is_digit(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

static size_t count_padding(Str encoded)
{
    size_t padding = 0;
    while (padding < 2 && padding < encoded.len && encoded.ptr[encoded.len - 1 - padding] == '=') {
        padding++;
    }
    return padding;
}

/* The last quantum may have bits that mean nothing; they have to be those that an encoder leaves. */
static bool ends_well(Str encoded, const unsigned char *last_bytes, size_t count)
{
    unsigned char again[QUANTUM + 1];
    EVP_EncodeBlock(again, last_bytes, (int)count);
    bool same = memcmp(again, encoded.ptr + encoded.len - QUANTUM, QUANTUM) == 0;
    OPENSSL_cleanse(again, sizeof again); /* it may be of a key */
    return same;
}

/* The library takes white space, and padding in the middle, so that what it is given is looked at before. */
bool base64_decode(Str encoded, void *ret_bytes, size_t *ret_len)
{
    size_t padding = count_padding(encoded);
    if (encoded.len % QUANTUM != 0 || encoded.len > INT_MAX) {
        return false;
    }
    for (size_t i = 0; i < encoded.len - padding; i++) {
        if (!is_digit(encoded.ptr[i])) {
            return false;
        }
    }
    *ret_len = 0;
    if (encoded.len == 0) {
        return true;
    }
    int whole = EVP_DecodeBlock(ret_bytes, (const unsigned char *)encoded.ptr, (int)encoded.len);
    if (whole < 3) {
        return false;
    }
    *ret_len = (size_t)whole - padding;
    return ends_well(encoded, (unsigned char *)ret_bytes + whole - 3, 3 - padding);
}
