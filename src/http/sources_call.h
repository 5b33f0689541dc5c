/* What the routes of sources, /ready and /metrics share: the sources as they are at the moment. */
#ifndef WEIR_HTTP_SOURCES_CALL_H
#define WEIR_HTTP_SOURCES_CALL_H

#include "http/request.h"

typedef struct SourceList {
    SourceStatus *items; /* in the request's arena */
    size_t count;
} SourceList;

/* Cheap when there are none. False, and a 503 is said, without memory. */
bool source_list_look(Request *request, SourceList *ret_list);

/* The same sources a moment later. */
void source_list_look_again(Request *request, SourceList *list);

/* The one that the address names; NULL, and a 404 is said that has the nearest name. */
const SourceStatus *source_list_named(Request *request, const SourceList *list);

#endif
