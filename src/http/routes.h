/* The table of routes. A new one is a handler in a file of its own and one line here. */
#ifndef WEIR_HTTP_ROUTES_H
#define WEIR_HTTP_ROUTES_H

#include "http/request.h"

struct Route {
    const char *method;  /* "GET" (which answers HEAD too), "POST", … */
    const char *pattern; /* "/api/records/{recordId}"; /api/v1/… is the same as /api/… */
    /* Called when the whole request is there, body in request->body. */
    void (*handle)(Request *request);
    /* Called when the headers are there: may say an answer, which then follows the body; may be NULL. */
    void (*begin)(Request *request);
};

extern const Route routes[];
extern const size_t route_count;

/* The route for a path (encoded, without the query), its {…} segments in `ret_segments`, still encoded, empty where
 * there is none. NULL when there is none, and then `ret_allow` lists the methods that the path has: "GET, HEAD, POST";
 * empty when there is no such path. */
enum { ROUTE_ALLOW_BYTES = 64 };
const Route *route_find(const char *method, Str path, Str ret_segments[URI_SEGMENTS_MAX],
                        char ret_allow[ROUTE_ALLOW_BYTES]);

#endif
