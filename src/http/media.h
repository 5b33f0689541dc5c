/* Media types: what a body is, and what a client would like to get. */
#ifndef WEIR_HTTP_MEDIA_H
#define WEIR_HTTP_MEDIA_H

#include "base/str.h"

typedef enum MediaType {
    MEDIA_JSON,        /* application/json, text/json, anything +json, and nothing at all */
    MEDIA_NDJSON,      /* application/x-ndjson and its other names */
    MEDIA_CLOUDEVENT,  /* application/cloudevents+json */
    MEDIA_CLOUDEVENTS, /* application/cloudevents-batch+json */
    MEDIA_CSV,         /* text/csv */
    MEDIA_FORM,        /* what browsers and curl -d send when nobody says otherwise */
    MEDIA_OTHER,
} MediaType;

/* From a Content-Type header, which may be empty. `ret_charset` is empty or what the header says, without quotes. */
MediaType media_type_parse(Str content_type, Str *ret_charset);

/* Answers are UTF-8 and bodies have to be. */
bool media_charset_is_utf8(Str charset);

typedef enum MediaAnswer {
    ANSWER_JSON = 1 << 0,
    ANSWER_NDJSON = 1 << 1,
    ANSWER_CSV = 1 << 2,
    ANSWER_EVENTS = 1 << 3, /* text/event-stream */
} MediaAnswer;

/* The best of what is offered (bits of MediaAnswer, JSON always among them) for an Accept header, by its weights; JSON
 * when the client takes anything, says nothing, or takes none of them (RFC 9110 section 12.5.1 leaves that to the
 * server). */
MediaAnswer media_negotiate(Str accept, unsigned offered);

/* For ?format=: "json", "ndjson", "csv", "sse". */
bool media_answer_parse(Str name, unsigned offered, MediaAnswer *ret_answer);

#endif
