#include "record/mapping_plan.h"

/* The usual names, the first of them preferred. */
static const char *const clients[] = {"client",   "source", "clientId", "client_id",
                                      "customer", "tenant", "tenantId", NULL};
static const char *const metrics[] = {"metric", "type", "name", "event", "metricName", NULL};
static const char *const amounts[] = {"amount", "value", "total", "qty", "quantity", NULL};
static const char *const times[] = {"timestamp",  "time",        "date",      "ts",         "datetime",
                                    "occurredAt", "occurred_at", "createdAt", "created_at", NULL};
static const char *const units[] = {"unit", "currency", NULL};

static const char *const *const names[EVENT_PART_COUNT] = {
    [EVENT_CLIENT] = clients, [EVENT_METRIC] = metrics, [EVENT_AMOUNT] = amounts,
    [EVENT_TIME] = times,     [EVENT_UNIT] = units,
};

/* Where they are looked for: the event itself, then these objects in it. */
static const char *const containers[] = {"payload", "data", "event", "body", "attributes", "properties"};
enum { CONTAINER_COUNT = sizeof containers / sizeof containers[0] };

static size_t name_count(EventPart part)
{
    size_t count = 0;
    while (names[part] && names[part][count]) {
        count++;
    }
    return count;
}

static EventPath path_of(const char *container, const char *name)
{
    if (!container) {
        return (EventPath){.keys = {str_from(name)}, .depth = 1};
    }
    return (EventPath){.keys = {str_from(container), str_from(name)}, .depth = 2};
}

static bool make_paths(EventPart part, Arena *arena, EventPaths *ret_paths)
{
    size_t count = name_count(part), at = 0;
    EventPath *paths = ARENA_ARRAY(arena, EventPath, count * (CONTAINER_COUNT + 1));
    if (!paths) {
        return false;
    }
    for (size_t place = 0; place <= CONTAINER_COUNT; place++) {
        for (size_t i = 0; i < count; i++) {
            paths[at++] = path_of(place > 0 ? containers[place - 1] : NULL, names[part][i]);
        }
    }
    *ret_paths = (EventPaths){paths, at};
    return true;
}

bool mapping_builtin(Arena *arena, Mapping *ret_mapping)
{
    *ret_mapping = (Mapping){.name = STR("builtin"), .defaults = {[EVENT_UNIT] = STR("none")}};
    for (EventPart part = 0; part < EVENT_PART_COUNT; part++) {
        if (!make_paths(part, arena, &ret_mapping->parts[part])) {
            return false;
        }
    }
    return true;
}
