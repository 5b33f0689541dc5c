/* Base64 with padding, as RFC 4648, section 4, has it. */
#ifndef WEIR_BASE_BASE64_H
#define WEIR_BASE_BASE64_H

#include "base/buf.h"

/* Appends what stands for the bytes. */
void base64_put(Buf *buf, Str bytes);

/* `ret_bytes` has room for encoded.len / 4 * 3 bytes. False for what no encoder writes: white space, missing padding,
 * loose bits at the end. Then what is in `ret_bytes` means nothing. */
bool base64_decode(Str encoded, void *ret_bytes, size_t *ret_len) __attribute__((warn_unused_result));

#endif
