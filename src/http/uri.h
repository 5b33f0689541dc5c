/* The target of a request: its path and its query parameters. RFC 3986; "+" in a query is a space, as forms send it. */
#ifndef WEIR_HTTP_URI_H
#define WEIR_HTTP_URI_H

#include "base/arena.h"
#include "query/query.h"

enum { URI_PARAMS_MAX = 64 };

typedef struct Uri {
    Str path;           /* as it was sent, still encoded, without the query */
    QueryParam *params; /* decoded: valid UTF-8 without NUL */
    size_t param_count;
} Uri;

/* Splits "/api/records?type=positive"; of "http://host/path" the part from the path on. The result borrows from both.
 * REFUSED when the path is no path; when a parameter is bad, `ret_bad_param` is its name (as it was sent), else
 * empty. */
Status uri_parse(Str target, Arena *arena, Uri *ret_uri, Str *ret_bad_param, Error *reterr) MUST_CHECK;

/* Decodes %41. Borrows from `text` when there is nothing to decode. REFUSED for a bad escape, NUL, or text that is not
 * UTF-8. */
Status uri_decode(Str text, bool plus_is_space, Arena *arena, Str *ret_text, Error *reterr) MUST_CHECK;

/* Matches an encoded path against a pattern like "/api/records/{recordId}", where each {…} stands for one segment that
 * is not empty; what they stand for is left in `ret_segments`, still encoded. A pattern has at most URI_SEGMENTS_MAX of
 * them. */
enum { URI_SEGMENTS_MAX = 2 };
bool uri_match(Str path, const char *pattern, Str ret_segments[URI_SEGMENTS_MAX]);

#endif
