#include "config/config.h"

#include "base/arena.h"
#include "base/decimal.h"
#include "config/config_yaml.h"

enum { CONFIG_CHUNK_BYTES = 4096, CONFIG_BYTES_MAX = 4 << 20 };

typedef struct Value {
    Str text;
    const char *where;
    int64_t number;
    ConfigOrigin origin;
} Value;

struct Config {
    Arena arena; /* every text */
    Value values[OPTION_COUNT];
};

static Status no_memory(Error *reterr)
{
    return error_set(reterr, STATUS_BUSY, "the configuration needs too much memory");
}

static Status refuse_unknown(const char *where, const char *name, const char *nearest, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "%s: there is no option %s%s%s%s", where, name,
                     nearest ? "; did you mean " : "", nearest ? nearest : "",
                     nearest ? "?" : "; `weir config print` lists them");
}

/* Later calls win, so the sources are read from the weakest to the strongest. */
static Status set_value(Config *config, OptionId id, Str text, ConfigOrigin origin, const char *where, Error *reterr)
{
    Value *value = &config->values[id];
    value->text = arena_copy(&config->arena, text);
    value->where = arena_copy(&config->arena, str_from(where)).ptr;
    value->origin = origin;
    return value->text.ptr && value->where ? STATUS_OK : no_memory(reterr);
}

static Status set_defaults(Config *config, Error *reterr)
{
    Status status = STATUS_OK;
    for (OptionId id = 0; id < OPTION_COUNT && status == STATUS_OK; id++) {
        status = set_value(config, id, str_from(option_table[id].initial), CONFIG_DEFAULT, "default", reterr);
    }
    return status;
}

/* ---- The file ---------------------------------------------------------------------------------------------------- */

typedef struct FileReading {
    Config *config;
    const char *path;
} FileReading;

static Status take_setting(void *context, Str name, Str value, size_t line, Error *reterr)
{
    FileReading *reading = context;
    Config *config = reading->config;
    const char *where = arena_printf(&config->arena, "%s:%zu", reading->path, line);
    const char *text = arena_copy(&config->arena, name).ptr;
    if (!where || !text) {
        return no_memory(reterr);
    }
    OptionId id = option_find(name);
    if (id == OPTION_COUNT) {
        return refuse_unknown(where, text, option_nearest(name), reterr);
    }
    if (config->values[id].origin == CONFIG_FILE) {
        return error_set(reterr, STATUS_REFUSED, "%s: %s was set before, at %s", where, text, config->values[id].where);
    }
    return set_value(config, id, value, CONFIG_FILE, where, reterr);
}

static Status read_file(Config *config, const char *path, Error *reterr)
{
    return path ? config_yaml_read(path, take_setting, &(FileReading){config, path}, reterr) : STATUS_OK;
}

/* ---- The environment --------------------------------------------------------------------------------------------- */

/* Kubernetes describes each service to every container by variables that begin with the service's name. */
static bool is_not_ours(Str name)
{
    return !str_starts_with(name, STR("WEIR_")) || str_is(name, "WEIR_CONFIG") || str_is(name, "WEIR_PORT") ||
           str_starts_with(name, STR("WEIR_PORT_")) || str_starts_with(name, STR("WEIR_SERVICE_"));
}

static OptionId find_variable(Str name)
{
    OptionId id = 0;
    for (char known[OPTION_ENVIRONMENT_BYTES_MAX]; id < OPTION_COUNT; id++) {
        option_environment_name(id, known);
        if (str_is(name, known)) {
            break;
        }
    }
    return id;
}

static Status refuse_variable(Str name, Error *reterr)
{
    char nearest[OPTION_ENVIRONMENT_BYTES_MAX] = "", known[OPTION_ENVIRONMENT_BYTES_MAX];
    unsigned least = 4;
    for (OptionId id = 0; id < OPTION_COUNT && name.len < sizeof known; id++) {
        option_environment_name(id, known);
        unsigned distance = str_distance(name, str_from(known), least);
        if (distance < least) {
            least = distance;
            memcpy(nearest, known, sizeof nearest);
        }
    }
    return error_set(reterr, STATUS_REFUSED, "environment: no option belongs to %.*s%s%s%s", STR_ARGS(name),
                     nearest[0] ? "; did you mean " : "", nearest,
                     nearest[0] ? "?" : "; `weir config print` lists them");
}

static Status read_environment(Config *config, const char *const *environment, Error *reterr)
{
    Status status = STATUS_OK;
    for (; environment && *environment && status == STATUS_OK; environment++) {
        Str value = str_from(*environment);
        Str name = str_split(&value, '=');
        if (is_not_ours(name)) {
            continue;
        }
        OptionId id = find_variable(name);
        if (id == OPTION_COUNT) {
            return refuse_variable(name, reterr);
        }
        char where[OPTION_ENVIRONMENT_BYTES_MAX];
        option_environment_name(id, where);
        status = set_value(config, id, value, CONFIG_ENVIRONMENT, where, reterr);
    }
    return status;
}

/* ---- Flags, and the whole ---------------------------------------------------------------------------------------- */

static Status read_flags(Config *config, const ConfigFlag *flags, size_t count, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        OptionId id = option_find(flags[i].name);
        if (id == OPTION_COUNT) {
            const char *name = arena_copy(&config->arena, flags[i].name).ptr;
            return name ? refuse_unknown(flags[i].shown, name, option_nearest(flags[i].name), reterr)
                        : no_memory(reterr);
        }
        status = set_value(config, id, flags[i].value, CONFIG_FLAG, flags[i].shown, reterr);
    }
    return status;
}

static Status parse_value(Config *config, OptionId id, unsigned scale, Error *reterr)
{
    Value *value = &config->values[id];
    if (value->text.len && memchr(value->text.ptr, 0, value->text.len)) {
        return error_set(reterr, STATUS_REFUSED, "%s: %s must not contain a NUL character", value->where,
                         option_table[id].name);
    }
    if (option_parse(id, value->text, scale, &value->number, reterr) != STATUS_OK) {
        return error_prefix(reterr, "%s: %s", value->where, option_table[id].name);
    }
    if (option_table[id].type == OPTION_DECIMAL) { /* shown with the places that the store has */
        char text[DECIMAL_TEXT_BYTES_MAX];
        Str shown = {text, decimal_format(value->number, scale, text)};
        value->text = arena_copy(&config->arena, shown);
    }
    return value->text.ptr ? STATUS_OK : no_memory(reterr);
}

/* The scale first, since decimals are read by it. */
static Status parse_values(Config *config, Error *reterr)
{
    Status status = parse_value(config, OPTION_STORE_SCALE, 0, reterr);
    for (OptionId id = 0; id < OPTION_COUNT && status == STATUS_OK; id++) {
        status = parse_value(config, id, (unsigned)config->values[OPTION_STORE_SCALE].number, reterr);
    }
    return status;
}

static Status load(Config *config, const ConfigInput *input, Error *reterr)
{
    Status status = set_defaults(config, reterr);
    if (status == STATUS_OK) {
        status = read_file(config, input->file, reterr);
    }
    if (status == STATUS_OK) {
        status = read_environment(config, input->environment, reterr);
    }
    if (status == STATUS_OK) {
        status = read_flags(config, input->flags, input->flag_count, reterr);
    }
    return status == STATUS_OK ? parse_values(config, reterr) : status;
}

Status config_load(const ConfigInput *input, Config **ret_config, Error *reterr)
{
    Config *config = calloc(1, sizeof *config);
    if (!config) {
        return no_memory(reterr);
    }
    arena_init(&config->arena, CONFIG_CHUNK_BYTES, CONFIG_BYTES_MAX);
    Status status = load(config, input, reterr);
    if (status != STATUS_OK) {
        config_free(config);
        return status;
    }
    *ret_config = config;
    return STATUS_OK;
}

void config_free(Config *config)
{
    if (config) {
        arena_release(&config->arena);
        free(config);
    }
}

const char *config_text(const Config *config, OptionId id) { return config->values[id].text.ptr; }

int64_t config_int(const Config *config, OptionId id) { return config->values[id].number; }

Address config_address(const Config *config, OptionId id)
{
    Address address = {0};
    /* It was understood when the configuration was loaded, and is again. */
    Status status = address_parse(config->values[id].text, &address, NULL);
    return status == STATUS_OK ? address : (Address){0};
}

ConfigOrigin config_origin(const Config *config, OptionId id) { return config->values[id].origin; }

const char *config_where(const Config *config, OptionId id) { return config->values[id].where; }
