/* Which dead letters a call is about: fields that lists and retries share. */
#ifndef WEIR_HTTP_LETTERS_FILTER_H
#define WEIR_HTTP_LETTERS_FILTER_H

#include "http/json_body.h"

typedef struct LettersFilter {
    DeadLetterFilter filter; /* texts in the request's arena or body */
    Str sink, source,
        batch; /* one of them is what `filter` has as the origin; `sink` also of a single letter that was read */
} LettersFilter;

/* `self` is a LettersFilter, or a struct that begins with one. */
FieldReader letters_read_stage, letters_read_state, letters_read_sink, letters_read_source, letters_read_place,
    letters_read_batch;

/* A sink's name is where deliveries come from, a source's where intake does, a batch's where jobs do. False, and a 422
 * is said, for what cannot be together. */
bool letters_filter_finish(Request *request, LettersFilter *asked);

#endif
