/* A part of an upload: some lines of its body and the records that were read out of them, in place. */
#ifndef WEIR_HTTP_SLICE_H
#define WEIR_HTTP_SLICE_H

#include "http/event_set.h"
#include "http/records_call.h"

/* A line that is not empty: a record for the processor, or the entry of one that was refused. */
typedef struct SliceLine {
    uint64_t line; /* from 1 */
    uint32_t record;
    uint32_t entry_at, entry_len; /* in `entries`; entry_len 0: it is a record */
} SliceLine;

typedef struct Slice {
    Submission submission;    /* first: the processor gives it back, or … */
    FrontDoorCall front_door; /* … the front door this */
    struct Slice *next;
    char *text; /* text_max bytes, and YYJSON_PADDING_SIZE */
    size_t text_max, text_len;
    size_t parsed;  /* what is before has been read */
    size_t scanned; /* what is before has no line feed, from `parsed` on */
    Record *records;
    Outcome *outcomes;
    SliceLine *lines;
    size_t lines_max, line_count, record_count;
    uint64_t first_index; /* of lines[0] among all lines that are not empty */
    uint64_t last_line;   /* that was looked at */
    Buf entries;
    EventSet *events; /* owns; NULL: its lines are records */
    Arena texts;      /* of events */
    Budget *budget;   /* in which all of it counts; outlives it */
    size_t own_bytes; /* that count for what it has from the start */
    bool done;        /* guarded by the upload's lock */
    Status status;
    Error error;
} Slice;

/* NULL without memory, of the system or the budget (which may be NULL). */
Slice *slice_new(size_t text_max, size_t lines_max, Budget *budget);
void slice_free(Slice *slice); /* accepts NULL */
/* Its lines will be events. False without memory. */
bool slice_expect_events(Slice *slice, const HttpServerOptions *options, Str mapping) MUST_CHECK;
/* For another use, of the same kind; what it took for its entries is given back. False without memory. */
bool slice_reset(Slice *slice) MUST_CHECK;

/* Its lines and all that was made of them, for Submission.bytes. */
size_t slice_bytes_held(const Slice *slice);

/* A line that was refused. False without memory for its entry: then nothing was added. */
bool slice_add_refused(Slice *slice, uint64_t line, const RecordProblems *problems) MUST_CHECK;

static inline bool slice_is_full(const Slice *slice)
{
    return slice->text_len == slice->text_max || slice->line_count == slice->lines_max;
}

/* Adds what became of its lines to the results, in order. */
void slice_put_results(const Slice *slice, Results *results);

#endif
