/* Whether a request's headers say without doubt where its body ends.
 *
 * A request that two readers would cut at different places is how requests are smuggled past a proxy (RFC 9112 section
 * 11.2).
 * libmicrohttpd takes the first of several lengths, prefers Transfer-Encoding where both are given, takes any coding
 * but "chunked" for a body without end, glues a folded line to the *name* of its header, takes "Length :" for another
 * header than "Length:", cuts addresses and values at a NUL, ends the head at a header without a name, and takes a bare
 * LF for a line's end. All of that is refused here, before a body is looked at.
 *
 * In a chunked body it takes a bare LF or CR for CRLF, too, where nobody can see it any more: before 1.0 such a request
 * has to be the last one of its connection. */
#ifndef WEIR_HTTP_FRAMING_H
#define WEIR_HTTP_FRAMING_H

#include "base/str.h"

typedef struct Framing {
    bool has_layout;       /* the caller's: texts lie where a library before 1.0 leaves them (1.0 checks for itself) */
    size_t headers, bytes; /* how many, and what they took with their separators */
    unsigned lengths, encodings, hosts;
    bool is_chunked;
    uint64_t length;      /* of the body, when it is not chunked */
    const char *problem;  /* what is wrong, as a sentence; NULL so far */
    const char *line_end; /* the library's own: where the next header has to begin; see framing_add */
} Framing;

/* Begins with the request line. With `has_layout` its parts must lie where the library's parser left them, one blank
 * apart: the target at `target_at`, where it is not what it was any more. */
void framing_begin(Framing *framing, Str method, Str target, const char *target_at, Str version);

/* Adds one header in the order of the request. With `has_layout` the texts must lie where the library's parser left
 * them: the name in front of its value, a NUL behind each, headers one after another. That is how a folded line or a
 * NUL inside a value shows. */
void framing_add(Framing *framing, Str name, Str value);

/* After the last header; `head_end` is where the library found the end of the head. */
void framing_end(Framing *framing, const char *head_end);

/* In the end. NULL when all is well. */
const char *framing_problem(const Framing *framing, bool is_http_1_1);

#endif
