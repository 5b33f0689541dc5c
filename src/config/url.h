/* What a URL consists of, as far as configuration and sinks need to know: scheme://[user[:password]@]host[:port][rest].
 * RFC 3986, section 3, without decoding anything; unix:///path needs no host. */
#ifndef WEIR_CONFIG_URL_H
#define WEIR_CONFIG_URL_H

#include "base/str.h"

/* Borrows from the text. */
typedef struct Url {
    Str scheme;
    Str user; /* "user:password"; empty when there is none */
    Str host; /* "example.com", "[::1]" */
    Str port; /* digits, or empty */
    Str rest; /* path, query and fragment; may be empty */
} Url;

/* False when the text is none: no scheme, no host, a port that is no number up to 65535, spaces or control
 * characters. */
bool url_split(Str text, Url *ret_url);

#endif
