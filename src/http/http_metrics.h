/* What the server counts: relaxed atomics, written by every thread, read for /metrics. */
#ifndef WEIR_HTTP_HTTP_METRICS_H
#define WEIR_HTTP_HTTP_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

enum { HTTP_METRICS_ROUTES_MAX = 80, HTTP_METRICS_CODES = 18, HTTP_METRICS_BUCKETS = 12 };

typedef struct HttpRouteMetrics {
    atomic_llong by_code[HTTP_METRICS_CODES];
    atomic_llong buckets[HTTP_METRICS_BUCKETS]; /* by how long it took; the last is for everything longer */
    atomic_llong us_total;
} HttpRouteMetrics;

typedef struct HttpMetrics {
    HttpRouteMetrics routes[HTTP_METRICS_ROUTES_MAX]; /* the last one is for requests without a route */
    atomic_llong body_bytes_in, body_bytes_out;
    atomic_llong refused_requests; /* smuggling, bad headers, pages from elsewhere */
    atomic_llong waits_expired;
} HttpMetrics;

void http_metrics_count(HttpMetrics *metrics, size_t route, int code, int64_t us);

/* In the text format of Prometheus. `method_of` and `pattern_of` name a route. */
void http_metrics_put(Buf *buf, const HttpMetrics *metrics, size_t routes, const char *(*method_of)(size_t route),
                      const char *(*pattern_of)(size_t route));

#endif
