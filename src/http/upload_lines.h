/* The lines of an upload become records, or events, in the slice in which they lie. What is wrong with one is told of
 * that one. */
#ifndef WEIR_HTTP_UPLOAD_LINES_H
#define WEIR_HTTP_UPLOAD_LINES_H

#include "http/slice.h"

typedef struct UploadLines {
    const HttpServerOptions *options; /* borrows, as all of these until lines_release: clock, the longest line */
    Results *results;                 /* takes the warnings, … */
    Arena *texts;                     /* … whose texts go here */
    Str traceparent;                  /* of each record */
    uint64_t line;                    /* that was looked at last, from 1 */
    uint64_t index;                   /* of the next among those that are not empty */
    bool skipping;                    /* the rest of a line that is too long */
    Status status;                    /* BUSY: there was no memory for a line, and no more are read */
    Error error;
    RecordPolicy policy;
    Arena scratch;
    RecordProblems problems;
    char long_line_problem[80];
} UploadLines;

/* Embedded in what must not be moved. */
void lines_init(UploadLines *lines, const HttpServerOptions *options, Results *results, Arena *texts, Str traceparent);
void lines_release(UploadLines *lines);

/* Reads the whole lines of the slice's text that were not read yet, as many as it has room for. An unfinished one
 * behind them that is too long already is refused at once, and `skipping` says that what is still to come of it is not
 * wanted. */
void lines_take(UploadLines *lines, Slice *slice);

/* What is left of the text is a line: the last need not end with a line feed. */
void lines_take_last(UploadLines *lines, Slice *slice);

#endif
