#include "http/http_metrics.h"

#include "observe/prometheus.h"

static const int codes[HTTP_METRICS_CODES] = {200, 201, 202, 204, 400, 404, 405, 409, 412,
                                              413, 414, 415, 422, 431, 500, 503, 0};
static const int64_t bucket_us[HTTP_METRICS_BUCKETS - 1] = {250,   500,    1000,   2500,    5000,   10000,
                                                            25000, 100000, 250000, 1000000, 5000000};

static size_t code_index(int code)
{
    size_t index = 0;
    while (codes[index] && codes[index] != code) {
        index++;
    }
    return index;
}

static void add(atomic_llong *counter, int64_t by) { atomic_fetch_add_explicit(counter, by, memory_order_relaxed); }
static int64_t get(const atomic_llong *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

void http_metrics_count(HttpMetrics *metrics, size_t route, int code, int64_t us)
{
    HttpRouteMetrics *counters =
        &metrics->routes[route < HTTP_METRICS_ROUTES_MAX ? route : HTTP_METRICS_ROUTES_MAX - 1];
    size_t bucket = 0;
    while (bucket < HTTP_METRICS_BUCKETS - 1 && us > bucket_us[bucket]) {
        bucket++;
    }
    add(&counters->by_code[code_index(code)], 1);
    add(&counters->buckets[bucket], 1);
    add(&counters->us_total, us);
}

typedef struct RouteNames {
    const char *method, *pattern;
} RouteNames;

static void put_labels(Buf *buf, const RouteNames *names)
{
    prometheus_put_label(buf, "method", names->method);
    prometheus_put_label(buf, "route", names->pattern);
}

static void put_codes(Buf *buf, const HttpRouteMetrics *counters, const RouteNames *names)
{
    for (size_t i = 0; i < HTTP_METRICS_CODES; i++) {
        int64_t count = get(&counters->by_code[i]);
        if (count == 0) {
            continue;
        }
        char code[8];
        snprintf(code, sizeof code, "%d", codes[i]);
        prometheus_begin(buf, "weir_http_requests_total");
        put_labels(buf, names);
        prometheus_put_label(buf, "code", codes[i] ? code : "other");
        prometheus_end(buf, count);
    }
}

static void put_seconds(Buf *buf, const HttpRouteMetrics *counters, const RouteNames *names)
{
    int64_t count = 0;
    for (size_t i = 0; i < HTTP_METRICS_BUCKETS; i++) {
        char limit[24] = "+Inf";
        count += get(&counters->buckets[i]);
        if (i < HTTP_METRICS_BUCKETS - 1) {
            snprintf(limit, sizeof limit, "%g", (double)bucket_us[i] / 1e6);
        }
        prometheus_begin(buf, "weir_http_request_seconds_bucket");
        put_labels(buf, names);
        prometheus_put_label(buf, "le", limit);
        prometheus_end(buf, count);
    }
    prometheus_begin(buf, "weir_http_request_seconds_sum");
    put_labels(buf, names);
    prometheus_end_seconds(buf, get(&counters->us_total));
    prometheus_begin(buf, "weir_http_request_seconds_count");
    put_labels(buf, names);
    prometheus_end(buf, count);
}

static bool was_used(const HttpRouteMetrics *counters)
{
    for (size_t i = 0; i < HTTP_METRICS_BUCKETS; i++) {
        if (get(&counters->buckets[i])) {
            return true;
        }
    }
    return false;
}

static void put_routes(Buf *buf, const HttpMetrics *metrics, size_t routes, const char *(*method_of)(size_t),
                       const char *(*pattern_of)(size_t),
                       void (*put)(Buf *, const HttpRouteMetrics *, const RouteNames *))
{
    for (size_t i = 0; i < HTTP_METRICS_ROUTES_MAX; i++) {
        bool is_route = i < routes;
        RouteNames names = {is_route ? method_of(i) : "other", is_route ? pattern_of(i) : "none"};
        if (was_used(&metrics->routes[i])) {
            put(buf, &metrics->routes[i], &names);
        }
    }
}

void http_metrics_put(Buf *buf, const HttpMetrics *metrics, size_t routes, const char *(*method_of)(size_t route),
                      const char *(*pattern_of)(size_t route))
{
    prometheus_family(buf, "weir_http_requests_total", "counter", "Requests that were answered.");
    put_routes(buf, metrics, routes, method_of, pattern_of, put_codes);
    prometheus_family(buf, "weir_http_request_seconds", "histogram",
                      "From the request line to the end of the answer; streams count when they end.");
    put_routes(buf, metrics, routes, method_of, pattern_of, put_seconds);
    prometheus_value(buf, "weir_http_body_bytes_received_total", "counter", "Bytes of request bodies.",
                     get(&metrics->body_bytes_in));
    prometheus_value(buf, "weir_http_body_bytes_sent_total", "counter", "Bytes of answers' bodies.",
                     get(&metrics->body_bytes_out));
    prometheus_value(buf, "weir_http_requests_refused_total", "counter",
                     "Requests whose headers leave it open where they end, and those of pages from elsewhere.",
                     get(&metrics->refused_requests));
    prometheus_value(buf, "weir_http_waits_expired_total", "counter",
                     "Requests that waited too long for the store and were answered 503.",
                     get(&metrics->waits_expired));
}
