#include "record/mapping_config.h"

#include "config/mappings_table.h"
#include "record/record.h"

enum { CHUNK_BYTES = 1 << 16, BYTES_MAX = 1 << 26 };

_Static_assert((int)MAPPINGS_CLIENT == (int)EVENT_CLIENT && (int)MAPPINGS_ID == (int)EVENT_ID,
               "the lists of paths are in the order of the parts");
_Static_assert((int)MAPPINGS_DEFAULT_TYPE - (int)MAPPINGS_DEFAULT_CLIENT == (int)EVENT_TYPE, "so are the defaults");
_Static_assert((int)OPTION_ITEMS_MAX <= (int)MAPPING_PATHS_MAX &&
                   (int)OPTION_MANY_ITEMS_MAX <= (int)MAPPING_CLIENTS_MAX,
               "a list of the configuration fits into a mapping");

static Status no_memory(Error *reterr) { return error_set(reterr, STATUS_BUSY, "no memory for the mappings"); }

static Status read_paths(const ConfigMember *member, unsigned option, Arena *arena, EventPaths *ret_paths,
                         Error *reterr)
{
    EventPath *paths = ARENA_ARRAY(arena, EventPath, (size_t)config_member_int(member, option));
    size_t count = 0;
    Str item;
    if (!paths) {
        return no_memory(reterr);
    }
    OptionItems items = option_items(str_from(config_member_text(member, option)));
    while (option_items_next(&items, &item)) {
        const char *problem = event_path_parse(item, arena, &paths[count++]);
        if (problem) {
            return error_set(reterr, STATUS_REFUSED, "%s: mappings.%s.%s: the path \"%.*s\" %s",
                             config_member_where(member, option), config_member_name(member),
                             mappings_group.table.items[option].name, STR_ARGS(item), problem);
        }
    }
    *ret_paths = (EventPaths){paths, count};
    return STATUS_OK;
}

/* What tells equal content apart is nothing to a store whose records are known by their content: the second of two
 * events with ids of their own would be a duplicate of the first, and never counted. A store cannot serve both, so the
 * start says so. */
static Status check_identity(const Config *config, const ConfigMember *member, const Mapping *mapping, Error *reterr)
{
    bool has_id = mapping->parts[EVENT_ID].count > 0;
    if (config_int(config, OPTION_STORE_IDENTITY) != IDENTITY_CONTENT || (!has_id && mapping->extra.count == 0)) {
        return STATUS_OK;
    }
    unsigned option = has_id ? MAPPINGS_ID : MAPPINGS_EXTRA;
    return error_set(
        reterr, STATUS_REFUSED,
        "%s: mappings.%s.%s: store.identity is content, so events of the same client, metric, amount, unit "
        "and time are one, whatever this says: leave it out, or use a store of another identity",
        config_member_where(member, option), config_member_name(member), mappings_group.table.items[option].name);
}

static Status read_clients(const ConfigMember *member, Arena *arena, Mapping *mapping, Error *reterr)
{
    Str *clients = ARENA_ARRAY(arena, Str, (size_t)config_member_int(member, MAPPINGS_CLIENTS));
    if (!clients) {
        return no_memory(reterr);
    }
    OptionItems items = option_items(str_from(config_member_text(member, MAPPINGS_CLIENTS)));
    while (option_items_next(&items, &clients[mapping->client_count])) {
        mapping->client_count++;
    }
    mapping->clients = clients;
    return STATUS_OK;
}

/* Sources say so when any mapping will do. */
static Status check_name(const ConfigMember *member, Error *reterr)
{
    return strcmp(config_member_name(member), "auto") == 0
               ? error_set(reterr, STATUS_REFUSED,
                           "mappings.auto: \"auto\" cannot be a mapping's name, as sources mean by it whichever fits")
               : STATUS_OK;
}

static Status read_member(const ConfigMember *member, Arena *arena, Mapping *ret_mapping, Error *reterr)
{
    Status status = check_name(member, reterr);
    *ret_mapping = (Mapping){
        .name = str_from(config_member_name(member)),
        .amounts = (AmountStyle)config_member_int(member, MAPPINGS_AMOUNTS),
        .dates = (DateOrder)config_member_int(member, MAPPINGS_DATES),
        .epoch = (EpochUnit)config_member_int(member, MAPPINGS_EPOCH),
    };
    for (EventPart part = 0; part < EVENT_PART_COUNT && status == STATUS_OK; part++) {
        status = read_paths(member, MAPPINGS_CLIENT + part, arena, &ret_mapping->parts[part], reterr);
        if (part <= EVENT_TYPE) {
            ret_mapping->defaults[part] = str_from(config_member_text(member, MAPPINGS_DEFAULT_CLIENT + part));
        }
    }
    if (status == STATUS_OK) {
        status = read_paths(member, MAPPINGS_EXTRA, arena, &ret_mapping->extra, reterr);
    }
    return status == STATUS_OK ? read_clients(member, arena, ret_mapping, reterr) : status;
}

static Status read_all(const Config *config, Arena *arena, MappingSet **ret_set, Error *reterr)
{
    unsigned count = config_member_count(config, OPTION_MAPPINGS);
    Mapping *mappings = ARENA_ARRAY(arena, Mapping, count);
    Status status = mappings ? STATUS_OK : no_memory(reterr);
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        const ConfigMember *member = config_member(config, OPTION_MAPPINGS, i);
        status = read_member(member, arena, &mappings[i], reterr);
        if (status == STATUS_OK) {
            status = check_identity(config, member, &mappings[i], reterr);
        }
    }
    return status == STATUS_OK ? mapping_set_new(mappings, count, ret_set, reterr) : status;
}

Status mapping_config_read(const Config *config, MappingSet **ret_set, Error *reterr)
{
    Arena arena;
    arena_init(&arena, CHUNK_BYTES, BYTES_MAX);
    Status status = read_all(config, &arena, ret_set, reterr);
    arena_release(&arena);
    return status;
}
