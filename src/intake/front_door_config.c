#include "intake/front_door_config.h"

#include "record/record_json.h"

/* A record has to be confirmed or given up before the client's request runs out of time. */
enum { TIMEOUT_PARTS = 5, TIMEOUT_TAKEN = 4 };

static const char *where(const Config *config, OptionId id) { return config_where(config, id); }

static const SourceOptions *find_named(const SourceConfig *sources, const char *name)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (strcmp(sources->items[i].name, name) == 0) {
            return &sources->items[i];
        }
    }
    return NULL;
}

static bool is_configured(const Config *config, const char *name)
{
    for (unsigned i = 0; i < config_member_count(config, OPTION_SOURCES); i++) {
        if (strcmp(config_member_name(config_member(config, OPTION_SOURCES, i)), name) == 0) {
            return true;
        }
    }
    return false;
}

static Status find_by_name(const Config *config, const SourceConfig *sources, const char *name,
                           const SourceOptions **ret_source, Error *reterr)
{
    const char *set_at = where(config, OPTION_HTTP_FRONT_DOOR_SOURCE);
    *ret_source = find_named(sources, name);
    if (!*ret_source) {
        return error_set(reterr, STATUS_REFUSED, "%s: http.front_door_source: %s %s", set_at, name,
                         is_configured(config, name) ? "is not enabled, so that nothing would read what is handed in"
                                                     : "is no source");
    }
    if ((*ret_source)->type != SOURCE_KAFKA) {
        return error_set(reterr, STATUS_REFUSED, "%s: http.front_door_source: %s is no source of type kafka", set_at,
                         name);
    }
    return STATUS_OK;
}

static Status find_only(const Config *config, const SourceConfig *sources, const SourceOptions **ret_source,
                        Error *reterr)
{
    const char *set_at = where(config, OPTION_HTTP_FRONT_DOOR);
    size_t count = 0;
    for (size_t i = 0; i < sources->count; i++) {
        if (sources->items[i].type == SOURCE_KAFKA) {
            *ret_source = &sources->items[i];
            count++;
        }
    }
    if (count == 0) {
        return error_set(reterr, STATUS_REFUSED,
                         "%s: http.front_door is kafka, and there is no source of type kafka that would read what is "
                         "handed in: configure one under sources",
                         set_at);
    }
    return count == 1 ? STATUS_OK
                      : error_set(reterr, STATUS_REFUSED,
                                  "%s: http.front_door is kafka, and there are %zu sources of type kafka: "
                                  "http.front_door_source has to say which one",
                                  set_at, count);
}

static size_t count_topics(const SourceOptions *source)
{
    Str topic;
    size_t count = 0;
    for (OptionItems items = option_items(str_from(source->topics)); option_items_next(&items, &topic);) {
        count++;
    }
    return count;
}

static Status check_source(const Config *config, const SourceOptions *source, Error *reterr)
{
    const char *set_at = where(config, OPTION_HTTP_FRONT_DOOR);
    size_t topics = count_topics(source);
    if (topics != 1) {
        return error_set(reterr, STATUS_REFUSED,
                         "%s: http.front_door is kafka, and sources.%s.topics names %zu; it has to be the one that "
                         "POST /records produces to",
                         set_at, source->name, topics);
    }
    if (!source->from_beginning) {
        return error_set(reterr, STATUS_REFUSED,
                         "%s: http.front_door is kafka, and sources.%s.start is now: what is acknowledged before the "
                         "source first reads would be passed over; set it to beginning",
                         set_at, source->name);
    }
    if (source->message_bytes_max < RECORD_JSON_CONTENT_BYTES_MAX) {
        return error_set(reterr, STATUS_REFUSED,
                         "%s: http.front_door is kafka, and sources.%s.message_bytes_max is less than the %d bytes "
                         "that a record may have",
                         set_at, source->name, (int)RECORD_JSON_CONTENT_BYTES_MAX);
    }
    if (source->mapping) {
        return error_set(reterr, STATUS_REFUSED,
                         "%s: http.front_door is kafka, and sources.%s.mapping reads events: what POST /records "
                         "produces are records",
                         set_at, source->name);
    }
    return STATUS_OK;
}

Status front_door_config_read(const Config *config, const SourceConfig *sources, FrontDoorOptions *ret_options,
                              Error *reterr)
{
    const char *name = config_text(config, OPTION_HTTP_FRONT_DOOR_SOURCE);
    const SourceOptions *source = NULL;
    Status status = STATUS_OK;
    if (config_int(config, OPTION_HTTP_FRONT_DOOR) == 1) { /* store, kafka */
        status = name[0] ? find_by_name(config, sources, name, &source, reterr)
                         : find_only(config, sources, &source, reterr);
        if (status == STATUS_OK) {
            status = check_source(config, source, reterr);
        }
    }
    if (status == STATUS_OK) {
        *ret_options = (FrontDoorOptions){
            .source = source,
            .timeout_us = config_int(config, OPTION_HTTP_REQUEST_TIMEOUT) / TIMEOUT_PARTS * TIMEOUT_TAKEN,
            .bytes_max = config_size(config, OPTION_HTTP_FRONT_DOOR_BYTES_MAX),
        };
    }
    return status;
}
