#include "record/mapping.h"

#include "record/event.h"
#include "record/event_text.h"
#include "record/mapping_plan.h"
#include "record/record_check.h"

enum { CHUNK_BYTES = 1 << 16, BYTES_MAX = 1 << 28, NAME_BYTES_MAX = 64 };

const char *const event_part_names[EVENT_PART_COUNT] = {"client", "metric", "amount", "time", "unit", "type", "id"};

typedef struct ClientMapping {
    Str client;
    const MappingEntry *entry;
} ClientMapping;

struct MappingSet {
    Arena arena; /* everything that is copied */
    MappingEntry *entries;
    size_t count; /* the built-in one is the first */
    ClientMapping *clients;
    size_t client_count; /* in the order of their names */
    EVP_MD *digest;
};

/* ---- Paths ------------------------------------------------------------------------------------------------------- */

/* Takes the key before the next point off the text, without its backslashes. */
static const char *take_key(Str *text, char **at, Str *ret_key)
{
    size_t i = 0;
    *ret_key = (Str){*at, 0};
    for (; i < text->len && text->ptr[i] != '.'; i++) {
        if (text->ptr[i] == '\\') {
            i++;
            if (i == text->len || (text->ptr[i] != '.' && text->ptr[i] != '\\')) {
                return "has a backslash that is not in front of a point or another backslash";
            }
        }
        *(*at)++ = text->ptr[i];
        ret_key->len++;
    }
    *text = i < text->len ? (Str){text->ptr + i + 1, text->len - i - 1} : (Str){NULL, 0};
    return ret_key->len > 0 ? NULL : "has an empty key";
}

const char *event_path_parse(Str text, Arena *arena, EventPath *ret_path)
{
    EventPath path = {.depth = 0};
    if (text.len == 0) {
        return "is empty";
    }
    if (str_count_code_points(text) < 0) {
        return "is not valid UTF-8";
    }
    char *at = arena_alloc(arena, text.len);
    if (!at) {
        return "is too long";
    }
    while (text.ptr) {
        if (path.depth == MAPPING_DEPTH_MAX) {
            return "has more than 8 keys";
        }
        const char *problem = take_key(&text, &at, &path.keys[path.depth++]);
        if (problem) {
            return problem;
        }
    }
    *ret_path = path;
    return NULL;
}

/* ---- Copies ------------------------------------------------------------------------------------------------------ */

static Status no_memory(Error *reterr) { return error_set(reterr, STATUS_BUSY, "no memory for the mappings"); }

static Status refuse(const Mapping *mapping, const char *option, const char *problem, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "mappings.%.*s.%s: %s", STR_ARGS(mapping->name), option, problem);
}

static bool copy_text(Arena *arena, Str *text)
{
    *text = arena_copy(arena, *text);
    return text->ptr != NULL;
}

static bool copy_path(Arena *arena, EventPath *path)
{
    bool copied = true;
    for (size_t i = 0; i < path->depth && copied; i++) {
        copied = copy_text(arena, &path->keys[i]);
    }
    return copied;
}

static const char *check_paths(const EventPaths *paths)
{
    if (paths->count > MAPPING_PATHS_MAX) {
        return "has more than 64 paths";
    }
    for (size_t i = 0; i < paths->count; i++) {
        const EventPath *path = &paths->items[i];
        if (path->depth < 1 || path->depth > MAPPING_DEPTH_MAX) {
            return "has a path that has not 1 to 8 keys";
        }
        for (size_t k = 0; k < path->depth; k++) {
            if (path->keys[k].len == 0 || path->keys[k].len > MAPPING_KEY_BYTES_MAX) {
                return "has a path with a key that has not 1 to 255 bytes";
            }
        }
    }
    return NULL;
}

static Status copy_paths(Arena *arena, const Mapping *mapping, const char *option, EventPaths *paths, Error *reterr)
{
    const char *problem = check_paths(paths);
    if (problem) {
        return refuse(mapping, option, problem, reterr);
    }
    EventPath *copies = ARENA_ARRAY(arena, EventPath, paths->count);
    bool copied = copies != NULL;
    for (size_t i = 0; i < paths->count && copied; i++) {
        copies[i] = paths->items[i];
        copied = copy_path(arena, &copies[i]);
    }
    *paths = (EventPaths){copies, paths->count};
    return copied ? STATUS_OK : no_memory(reterr);
}

/* A default is read like what a client sends; of an amount the scale is the finest here, as the store's is not
 * known. */
static const char *check_default(const Mapping *mapping, EventPart part, Str text)
{
    int64_t number;
    bool negative;
    Str unit;
    RecordType type;
    switch (part) {
    case EVENT_AMOUNT:
        return event_amount_parse(text, false, mapping->amounts, DECIMAL_SCALE_MAX, &number, &negative, &unit);
    case EVENT_TIME: return event_time_parse(text, false, mapping->dates, mapping->epoch, &number);
    case EVENT_TYPE: return event_type_parse(text, &type);
    case EVENT_ID: return "has no default: it would make all events one";
    default: return record_check_text(text);
    }
}

static Status copy_default(Arena *arena, Mapping *mapping, EventPart part, Error *reterr)
{
    char option[32];
    Str text = event_text_trim(mapping->defaults[part]);
    const char *problem = text.len > 0 ? check_default(mapping, part, text) : NULL;
    if (problem) {
        snprintf(option, sizeof option, "default_%s", event_part_names[part]);
        return refuse(mapping, option, problem, reterr);
    }
    mapping->defaults[part] = text;
    return copy_text(arena, &mapping->defaults[part]) ? STATUS_OK : no_memory(reterr);
}

/* What is left out is as in the built-in mapping. */
static Status copy_part(Arena *arena, Mapping *mapping, EventPart part, const Mapping *builtin, Error *reterr)
{
    if (mapping->parts[part].count == 0) {
        mapping->parts[part] = builtin->parts[part];
    }
    if (event_text_trim(mapping->defaults[part]).len == 0) {
        mapping->defaults[part] = builtin->defaults[part];
    }
    Status status = copy_paths(arena, mapping, event_part_names[part], &mapping->parts[part], reterr);
    return status == STATUS_OK ? copy_default(arena, mapping, part, reterr) : status;
}

static Status copy_clients(Arena *arena, Mapping *mapping, Error *reterr)
{
    if (mapping->client_count > MAPPING_CLIENTS_MAX) {
        return refuse(mapping, "clients", "has more than 256 clients", reterr);
    }
    Str *copies = ARENA_ARRAY(arena, Str, mapping->client_count);
    for (size_t i = 0; i < mapping->client_count && copies; i++) {
        copies[i] = event_text_trim(mapping->clients[i]);
        const char *problem = record_check_text(copies[i]);
        if (problem) {
            return refuse(mapping, "clients", problem, reterr);
        }
        if (!copy_text(arena, &copies[i])) {
            return no_memory(reterr);
        }
    }
    mapping->clients = copies;
    return copies ? STATUS_OK : no_memory(reterr);
}

static Status copy_mapping(MappingSet *set, const Mapping *item, Error *reterr)
{
    Arena *arena = &set->arena;
    MappingEntry *entry = &set->entries[set->count];
    Mapping *mapping = &entry->mapping;
    *mapping = *item;
    if (!copy_text(arena, &mapping->name)) {
        return no_memory(reterr);
    }
    const Mapping *builtin = &set->entries[0].mapping; /* itself, when it is the one that is copied */
    for (EventPart part = 0; part < EVENT_PART_COUNT; part++) {
        Status status = copy_part(arena, mapping, part, builtin, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    Status status = copy_paths(arena, mapping, "extra", &mapping->extra, reterr);
    if (status == STATUS_OK) {
        status = copy_clients(arena, mapping, reterr);
    }
    if (status == STATUS_OK && mapping_plan_make(mapping, arena, &entry->plan) != STATUS_OK) {
        status = no_memory(reterr);
    }
    set->count += status == STATUS_OK;
    return status;
}

/* ---- The set ----------------------------------------------------------------------------------------------------- */

static int compare_clients(const void *a, const void *b)
{
    const ClientMapping *left = a, *right = b;
    return str_compare(left->client, right->client);
}

/* Those of one client in the order of their mappings. */
static int compare_places(const void *a, const void *b)
{
    const ClientMapping *left = a, *right = b;
    int order = compare_clients(a, b);
    return order ? order : (left->entry > right->entry) - (left->entry < right->entry);
}

static Status index_clients(MappingSet *set, Error *reterr)
{
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        count += set->entries[i].mapping.client_count;
    }
    set->clients = ARENA_ARRAY(&set->arena, ClientMapping, count);
    if (!set->clients) {
        return no_memory(reterr);
    }
    for (size_t i = 0; i < set->count; i++) {
        const Mapping *mapping = &set->entries[i].mapping;
        for (size_t c = 0; c < mapping->client_count; c++) {
            set->clients[set->client_count++] = (ClientMapping){mapping->clients[c], &set->entries[i]};
        }
    }
    qsort(set->clients, count, sizeof *set->clients, compare_places);
    for (size_t i = 1; i < count; i++) {
        const ClientMapping *before = &set->clients[i - 1], *at = &set->clients[i];
        if (str_equal(before->client, at->client) && before->entry != at->entry) {
            return error_set(reterr, STATUS_REFUSED, "mappings.%.*s.clients: names \"%.*s\", as mappings.%.*s does",
                             STR_ARGS(at->entry->mapping.name), STR_ARGS(at->client),
                             STR_ARGS(before->entry->mapping.name));
        }
    }
    return STATUS_OK;
}

static Status check_name(const MappingSet *set, Str name, Error *reterr)
{
    if (name.len == 0 || name.len > NAME_BYTES_MAX) {
        return error_set(reterr, STATUS_REFUSED, "mappings: a name must have 1 to %d characters", NAME_BYTES_MAX);
    }
    if (mapping_find(set, name)) {
        return error_set(reterr, STATUS_REFUSED, "mappings.%.*s: there is one of that name already", STR_ARGS(name));
    }
    return STATUS_OK;
}

static Status fill(MappingSet *set, const Mapping *items, size_t count, Error *reterr)
{
    Mapping builtin;
    set->entries = ARENA_ARRAY(&set->arena, MappingEntry, count + 1);
    if (!set->entries || !mapping_builtin(&set->arena, &builtin)) {
        return no_memory(reterr);
    }
    Status status = copy_mapping(set, &builtin, reterr);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = check_name(set, items[i].name, reterr);
        if (status == STATUS_OK) {
            status = copy_mapping(set, &items[i], reterr);
        }
    }
    return status == STATUS_OK ? index_clients(set, reterr) : status;
}

Status mapping_set_new(const Mapping *items, size_t count, MappingSet **ret_set, Error *reterr)
{
    if (count > MAPPINGS_MAX) {
        return error_set(reterr, STATUS_REFUSED, "mappings: there are more than %d", MAPPINGS_MAX);
    }
    MappingSet *set = calloc(1, sizeof *set);
    if (!set) {
        return no_memory(reterr);
    }
    arena_init(&set->arena, CHUNK_BYTES, BYTES_MAX);
    set->digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    Status status = set->digest ? fill(set, items, count, reterr)
                                : error_set(reterr, STATUS_BROKEN, "mappings: SHA-256 is not to be had");
    if (status == STATUS_OK) {
        *ret_set = set;
    } else {
        mapping_set_free(set);
    }
    return status;
}

void mapping_set_free(MappingSet *set)
{
    if (set) {
        EVP_MD_free(set->digest);
        arena_release(&set->arena);
        free(set);
    }
}

const Mapping *mapping_find(const MappingSet *set, Str name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (str_equal(set->entries[i].mapping.name, name)) {
            return &set->entries[i].mapping;
        }
    }
    return NULL;
}

const Mapping *mapping_for_client(const MappingSet *set, Str client)
{
    const ClientMapping wanted = {.client = client};
    const ClientMapping *found = set->client_count == 0 ? NULL
                                                        : bsearch(&wanted, set->clients, set->client_count,
                                                                  sizeof *set->clients, compare_clients);
    return found ? &found->entry->mapping : NULL;
}

bool mapping_set_has_clients(const MappingSet *set) { return set->client_count > 0; }

const EVP_MD *mapping_set_digest(const MappingSet *set) { return set->digest; }
