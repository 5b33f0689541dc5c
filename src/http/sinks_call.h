/* What the routes of sinks, replays and deliveries share: the lines as they are at the moment. */
#ifndef WEIR_HTTP_SINKS_CALL_H
#define WEIR_HTTP_SINKS_CALL_H

#include "deliver/dispatcher.h"
#include "http/request.h"

typedef struct SinkLines {
    LineStatus *lines; /* live ones first; in the request's arena */
    size_t count;
} SinkLines;

/* Cheap when there are none. False, and a 503 is said, without memory. */
bool sink_lines_look(Request *request, SinkLines *ret_lines);

/* The live line of the sink that the address names; NULL, and a 404 is said that has the nearest name. */
const LineStatus *sink_lines_named(Request *request, const SinkLines *lines);

/* Whether a sink of that name is configured. False, and a 503 is said, without memory. */
bool sink_is_configured(Request *request, Str name, bool *ret_is);

/* Says a 404: no `what` of the name that the address has is configured; and which of the `names` may have been
 * meant. */
void request_no_such(Request *request, const char *what, const char *const *names, size_t count);

/* The line of a replay that runs; NULL when it does not. */
const LineStatus *sink_lines_replay(const SinkLines *lines, int64_t job);

#endif
