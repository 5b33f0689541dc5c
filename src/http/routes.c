#include "http/routes.h"

#include "http/route_handlers.h"

/* The first match counts: exact paths stand in front of patterns. openapi.json describes each of them. */
const Route routes[] = {
    {"POST", "/api/records", records_post, records_begin},
    {"POST", "/records", records_post, records_begin_accepting},
    {"GET", "/api/records", records_list, NULL},
    {"GET", "/api/records/aggregate", records_aggregate, NULL},
    {"GET", "/records/aggregations", records_aggregate, NULL},
    {"GET", "/api/records/{recordId}", records_find, NULL},
    {"GET", "/api/records/{recordId}/deliveries", records_deliveries, NULL},
    {"POST", "/api/events", records_post, events_begin},
    {"GET", "/api/events", events_list, NULL},
    {"POST", "/api/events/reprocess", events_reprocess, NULL},
    {"GET", "/api/events/{hash}", events_find, NULL},
    {"GET", "/api/stats", events_stats, NULL},
    {"GET", "/api/aggregations", events_aggregate, NULL},
    {"GET", "/api/notifications", notifications_get, NULL},
    {"GET", "/api/alerts", alerts_get, NULL},
    {"GET", "/api/alert-rules", rules_list, NULL},
    {"POST", "/api/alert-rules", rules_create, NULL},
    {"POST", "/api/alert-rules/test", rules_test, NULL},
    {"GET", "/api/alert-rules/{id}", rules_get, NULL},
    {"PATCH", "/api/alert-rules/{id}", rules_change, NULL},
    {"DELETE", "/api/alert-rules/{id}", rules_delete, NULL},
    {"GET", "/api/sinks", sinks_list, NULL},
    {"GET", "/api/sinks/{name}", sinks_get, NULL},
    {"POST", "/api/sinks/{name}/pause", sinks_pause, NULL},
    {"POST", "/api/sinks/{name}/resume", sinks_resume, NULL},
    {"POST", "/api/sinks/{name}/replay", replays_create, NULL},
    {"GET", "/api/sinks/{name}/replays", replays_list, NULL},
    {"DELETE", "/api/sinks/{name}/replays/{id}", replays_cancel, NULL},
    {"GET", "/api/sources", sources_list, NULL},
    {"GET", "/api/sources/{name}", sources_get, NULL},
    {"POST", "/api/sources/{name}/pause", sources_pause, NULL},
    {"POST", "/api/sources/{name}/resume", sources_resume, NULL},
    {"POST", "/api/sources/{name}/forget", sources_forget, NULL},
    {"GET", "/api/dead-letters", dead_letters_list, NULL},
    {"POST", "/api/dead-letters/retry", dead_letters_retry_many, NULL},
    {"GET", "/api/dead-letters/{id}", dead_letters_get, NULL},
    {"POST", "/api/dead-letters/{id}/retry", dead_letters_retry, NULL},
    {"DELETE", "/api/dead-letters/{id}", dead_letters_discard, NULL},
    {"POST", "/api/bulk-onboard", onboard_post, onboard_begin},
    {"GET", "/api/bulk-onboard", batches_list, NULL},
    {"GET", "/api/bulk-onboard/{id}", batches_get, NULL},
    {"GET", "/api/bulk-onboard/{id}/items", batches_items, NULL},
    {"POST", "/api/bulk-onboard/{id}/retry", batches_retry, NULL},
    {"POST", "/api/bulk-onboard/{id}/cancel", batches_cancel, NULL},
    {"GET", "/api/organizations", organizations_list, NULL},
    {"GET", "/api/organizations/{id}", organizations_get, NULL},
    {"PATCH", "/api/organizations/{id}", organizations_change, NULL},
    {"DELETE", "/api/organizations/{id}", organizations_delete, NULL},
    {"POST", "/api/organizations/{id}/restore", organizations_restore, NULL},
    {"GET", "/api/organizations/{id}/history", organizations_history, NULL},
    {"GET", "/health", health_get, NULL},
    {"GET", "/ready", ready_get, NULL},
    {"GET", "/metrics", metrics_get, NULL},
    {"GET", "/openapi.json", openapi_get, NULL},
    {"GET", "/", index_get, NULL},
};
const size_t route_count = sizeof routes / sizeof routes[0];

/* "/api/v1/records" matches "/api/records". */
static bool matches(Str path, const char *pattern, Str ret_segments[URI_SEGMENTS_MAX])
{
    const Str version = STR("/api/v1/"), api = STR("/api/");
    if (str_starts_with(path, version) && str_starts_with(str_from(pattern), api)) {
        Str rest = {path.ptr + version.len, path.len - version.len};
        return uri_match(rest, pattern + api.len, ret_segments);
    }
    return uri_match(path, pattern, ret_segments);
}

static void add_method(char allow[ROUTE_ALLOW_BYTES], const char *method)
{
    size_t len = strlen(allow);
    bool is_get = strcmp(method, "GET") == 0;
    snprintf(allow + len, ROUTE_ALLOW_BYTES - len, "%s%s%s", len ? ", " : "", method, is_get ? ", HEAD" : "");
}

const Route *route_find(const char *method, Str path, Str ret_segments[URI_SEGMENTS_MAX],
                        char ret_allow[ROUTE_ALLOW_BYTES])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    const char *exact = NULL; /* the pattern that other methods have to have too */
    ret_allow[0] = '\0';
    for (size_t i = 0; i < route_count; i++) {
        const Route *route = &routes[i];
        Str segments[URI_SEGMENTS_MAX] = {{NULL, 0}};
        if ((exact && strcmp(exact, route->pattern) != 0) || !matches(path, route->pattern, segments)) {
            continue;
        }
        if (strcmp(route->method, wanted) == 0) {
            memcpy(ret_segments, segments, sizeof segments);
            return route;
        }
        exact = exact ? exact : route->pattern;
        add_method(ret_allow, route->method);
    }
    return NULL;
}
