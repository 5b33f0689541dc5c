/* Reads one HTTP/1.1 answer (RFC 9112) after another off a connection, with the least work: the status, whether the
 * connection stays open, and the first bytes of the body. Everything else is skipped over. */
#ifndef WEIR_BENCH_LOAD_ANSWER_H
#define WEIR_BENCH_LOAD_ANSWER_H

#include "base/str.h"

enum { LOAD_ANSWER_HEAD_BYTES_MAX = 16384, LOAD_ANSWER_BODY_BYTES_KEPT = 1024 };

typedef enum LoadAnswerPart {
    LOAD_ANSWER_HEAD,
    LOAD_ANSWER_LENGTH,      /* a body of known length */
    LOAD_ANSWER_UNTIL_CLOSE, /* a body that ends with the connection */
    LOAD_ANSWER_CHUNK_SIZE,
    LOAD_ANSWER_CHUNK_DATA,
    LOAD_ANSWER_CHUNK_END, /* the line break behind a chunk */
    LOAD_ANSWER_TRAILER,
    LOAD_ANSWER_DONE,
    LOAD_ANSWER_BROKEN, /* not HTTP: the connection is of no more use */
} LoadAnswerPart;

typedef struct LoadAnswer {
    LoadAnswerPart part;
    int status;           /* 100–599, once part is behind LOAD_ANSWER_HEAD */
    bool close;           /* the server closes the connection after this answer */
    uint64_t retry_after; /* seconds; 0 when the server did not say */
    uint64_t left;        /* bytes of the body or the chunk that are still to come */
    size_t line_bytes;    /* of the trailer's line; digits of the chunk's size */
    bool extension;       /* behind the ; or space of a chunk's size */
    size_t head_bytes;
    size_t body_bytes; /* kept, not all */
    char body[LOAD_ANSWER_BODY_BYTES_KEPT];
    char head[LOAD_ANSWER_HEAD_BYTES_MAX]; /* of a head that came in pieces */
} LoadAnswer;

/* Before each answer. Cheap: the buffers are not cleared. */
void load_answer_begin(LoadAnswer *answer);

/* Takes what came, up to the end of this answer, and returns how many bytes that was. Look at `part` afterwards: DONE,
 * BROKEN, or more has to come. Interim answers (1xx) are skipped. */
size_t load_answer_feed(LoadAnswer *answer, const char *data, size_t bytes);

/* The connection was closed by the server: the answer is DONE or BROKEN now. */
void load_answer_end(LoadAnswer *answer);

/* The number behind "name": in the kept part of the body, or 0. */
uint64_t load_answer_number(const LoadAnswer *answer, const char *name);

#endif
