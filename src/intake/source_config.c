#include "intake/source_config.h"

#include "config/options.h"
#include "config/sources_table.h"

enum { CHUNK_BYTES = 4096, BYTES_MAX = 1 << 20 };

_Static_assert((int)OPTION_MEMBER_BYTES_MAX <= (int)SOURCE_NAME_BYTES_MAX, "a member's name is a source's");

static const char *text_of(const ConfigMember *member, SourcesOption option)
{
    return config_member_text(member, option);
}

static int64_t number_of(const ConfigMember *member, SourcesOption option) { return config_member_int(member, option); }

static Status check_redis(const ConfigMember *member, const SourceOptions *options, Error *reterr)
{
    Status status = config_member_require(member, SOURCES_URL, "like redis://127.0.0.1:6379", reterr);
    if (status == STATUS_OK && !options->lists[0]) {
        status = config_member_require(member, SOURCES_STREAMS, "the keys that are read; or set lists", reterr);
    } else if (status == STATUS_OK && options->streams[0]) {
        return error_set(reterr, STATUS_REFUSED,
                         "%s: sources.%s.lists is set, and so is sources.%s.streams; make two sources of it",
                         config_member_where(member, SOURCES_LISTS), options->name, options->name);
    }
    return status;
}

static Status check_needs(const ConfigMember *member, const SourceOptions *options, Error *reterr)
{
    if (strcmp(options->name, "ingest") == 0 || strcmp(options->name, "events") == 0) {
        return error_set(reterr, STATUS_REFUSED, "%s: a source cannot be called %s: %s are under that name",
                         config_member_where(member, SOURCES_TYPE), options->name,
                         options->name[0] == 'i' ? "places and dead letters of the command"
                                                 : "dead letters of what clients hand in");
    }
    switch (options->type) {
    case SOURCE_KAFKA: return config_member_require(member, SOURCES_BROKERS, "like kafka-1:9092", reterr);
    case SOURCE_REDIS: return check_redis(member, options, reterr);
    case SOURCE_FILES: return config_member_require(member, SOURCES_DIR, "where files are dropped", reterr);
    }
    return STATUS_OK;
}

static Status set_options(const ConfigMember *member, SourceOptions *options, Error *reterr)
{
    *options = (SourceOptions){
        .name = config_member_name(member),
        .type = (SourceType)number_of(member, SOURCES_TYPE),
        .group_messages_max = (size_t)number_of(member, SOURCES_GROUP_MESSAGES_MAX),
        .message_bytes_max = (size_t)number_of(member, SOURCES_MESSAGE_BYTES_MAX),
        .timeout_us = number_of(member, SOURCES_TIMEOUT),
        .mapping = text_of(member, SOURCES_MAPPING)[0] ? text_of(member, SOURCES_MAPPING) : NULL,
        .brokers = text_of(member, SOURCES_BROKERS),
        .properties = text_of(member, SOURCES_PROPERTIES),
        .topics = text_of(member, SOURCES_TOPICS),
        .group = text_of(member, SOURCES_GROUP),
        .from_beginning = number_of(member, SOURCES_START) == 0, /* beginning, now */
        .url = text_of(member, SOURCES_URL),
        .ca_file = text_of(member, SOURCES_CA_FILE),
        .cert_file = text_of(member, SOURCES_CERT_FILE),
        .key_file = text_of(member, SOURCES_KEY_FILE),
        .streams = text_of(member, SOURCES_STREAMS),
        .lists = text_of(member, SOURCES_LISTS),
        .consumer = text_of(member, SOURCES_CONSUMER),
        .claim_us = number_of(member, SOURCES_CLAIM_AFTER),
        .dir = text_of(member, SOURCES_DIR),
        .pattern = text_of(member, SOURCES_PATTERN),
        .keep_done = number_of(member, SOURCES_WHEN_DONE) == 0, /* move, remove */
    };
    return check_needs(member, options, reterr);
}

/* ---- Two that are one -------------------------------------------------------------------------------------------- */

static bool has_item(const char *list, Str wanted)
{
    Str item;
    for (OptionItems items = option_items(str_from(list)); option_items_next(&items, &item);) {
        if (str_equal(item, wanted)) {
            return true;
        }
    }
    return false;
}

static bool share_item(const char *a, const char *b)
{
    Str item;
    for (OptionItems items = option_items(str_from(a)); option_items_next(&items, &item);) {
        if (has_item(b, item)) {
            return true;
        }
    }
    return false;
}

/* Redis tells consumers apart by their names: each of the two would take for its own what the other one has under
 * way. */
static bool is_same_consumer(const SourceOptions *a, const SourceOptions *b)
{
    return a->type == SOURCE_REDIS && b->type == SOURCE_REDIS && strcmp(a->url, b->url) == 0 &&
           strcmp(a->consumer, b->consumer) == 0 &&
           (share_item(a->lists, b->lists) || (strcmp(a->group, b->group) == 0 && share_item(a->streams, b->streams)));
}

static Status check_others(const ConfigMember *member, const SourceConfig *sources, Error *reterr)
{
    const SourceOptions *last = &sources->items[sources->count - 1];
    for (const SourceOptions *other = sources->items; other < last; other++) {
        if (is_same_consumer(other, last)) {
            return error_set(
                reterr, STATUS_REFUSED,
                "%s: sources.%s reads what sources.%s reads, as the same consumer: one of them is enough, or set "
                "sources.%s.consumer",
                config_member_where(member, SOURCES_URL), last->name, other->name, last->name);
        }
    }
    return STATUS_OK;
}

static Status set_items(const Config *config, SourceConfig *sources, Error *reterr)
{
    unsigned count = config_member_count(config, OPTION_SOURCES);
    Status status = STATUS_OK;
    sources->items = ARENA_ARRAY(&sources->arena, SourceOptions, count);
    if (!sources->items) {
        return error_set(reterr, STATUS_BUSY, "no memory for the sources");
    }
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        const ConfigMember *member = config_member(config, OPTION_SOURCES, i);
        if (number_of(member, SOURCES_ENABLED)) {
            status = set_options(member, &sources->items[sources->count++], reterr);
            status = status == STATUS_OK ? check_others(member, sources, reterr) : status;
        }
    }
    return status;
}

Status source_config_read(const Config *config, SourceConfig *ret_sources, Error *reterr)
{
    SourceConfig sources = {0};
    arena_init(&sources.arena, CHUNK_BYTES, BYTES_MAX);
    Status status = set_items(config, &sources, reterr);
    if (status != STATUS_OK) {
        source_config_release(&sources);
        return status;
    }
    *ret_sources = sources;
    return STATUS_OK;
}

Status source_config_check_mappings(const SourceConfig *sources, const MappingSet *mappings, Error *reterr)
{
    for (size_t i = 0; i < sources->count; i++) {
        const SourceOptions *source = &sources->items[i];
        if (source->mapping && strcmp(source->mapping, SOURCE_MAPPING_AUTO) != 0 &&
            !mapping_find(mappings, str_from(source->mapping))) {
            return error_set(reterr, STATUS_REFUSED, "sources.%s.mapping: there is no mapping %s", source->name,
                             source->mapping);
        }
    }
    return STATUS_OK;
}

void source_config_release(SourceConfig *sources)
{
    arena_release(&sources->arena);
    *sources = (SourceConfig){0};
}
