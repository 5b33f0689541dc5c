#include "config/config.h"

#include "base/decimal.h"
#include "config/config_yaml.h"
#include "config/values.h"

enum { CONFIG_CHUNK_BYTES = 4096, CONFIG_BYTES_MAX = 8 << 20 };

/* Later calls win, so the sources are read from the weakest to the strongest. */
static Status set_value(Config *config, ConfigValue *value, Str text, ConfigOrigin origin, const char *where,
                        Error *reterr)
{
    value->text = arena_copy(&config->arena, text);
    value->where = arena_copy(&config->arena, str_from(where)).ptr;
    value->origin = origin;
    return value->text.ptr && value->where ? STATUS_OK : config_no_memory(reterr);
}

static void set_defaults(Config *config)
{
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        config->values[id] = (ConfigValue){.text = str_from(option_table[id].initial), .where = "default"};
    }
}

/* ---- The file ---------------------------------------------------------------------------------------------------- */

typedef struct FileReading {
    Config *config;
    const char *path;
} FileReading;

static Status take_setting(void *context, const ConfigSetting *setting, Error *reterr)
{
    FileReading *reading = context;
    Config *config = reading->config;
    const char *where = arena_printf(&config->arena, "%s:%zu", reading->path, setting->line);
    if (!where) {
        return config_no_memory(reterr);
    }
    ConfigTarget target;
    Status status = config_find_name(config, setting->name, where, &target, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (setting->is_list && !(target.option->marks & OPTION_LIST)) {
        return error_set(reterr, STATUS_REFUSED, "%s: %s takes one value, not a list", where, target.name);
    }
    if (target.value->origin == CONFIG_FILE) {
        return error_set(reterr, STATUS_REFUSED, "%s: %s was set before, at %s", where, target.name,
                         target.value->where);
    }
    return set_value(config, target.value, setting->value, CONFIG_FILE, where, reterr);
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

static Status read_environment(Config *config, const char *const *environment, Error *reterr)
{
    Status status = STATUS_OK;
    for (; environment && *environment && status == STATUS_OK; environment++) {
        Str value = str_from(*environment);
        Str name = str_split(&value, '=');
        if (is_not_ours(name)) {
            continue;
        }
        ConfigTarget target;
        const char *where = arena_copy(&config->arena, name).ptr;
        status = where ? config_find_variable(config, name, &target, reterr) : config_no_memory(reterr);
        if (status == STATUS_OK) {
            status = set_value(config, target.value, value, CONFIG_ENVIRONMENT, where, reterr);
        }
    }
    return status;
}

/* ---- Flags, and the whole ---------------------------------------------------------------------------------------- */

/* Without `sets` it only makes the members that the flags name. */
static Status read_flags(Config *config, const ConfigInput *input, bool sets, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < input->flag_count && status == STATUS_OK; i++) {
        const ConfigFlag *flag = &input->flags[i];
        ConfigTarget target;
        status = config_find_name(config, flag->name, flag->shown, &target, reterr);
        if (status == STATUS_OK && sets) {
            status = set_value(config, target.value, flag->value, CONFIG_FLAG, flag->shown, reterr);
        }
    }
    return status;
}

/* A list that could have been written with commas is kept so. Blank lines are no items of it. */
static Status join_by_commas(Config *config, ConfigValue *value, Error *reterr)
{
    char *text = arena_alloc(&config->arena, value->text.len + 1);
    size_t len = 0;
    Str item;
    if (!text) {
        return config_no_memory(reterr);
    }
    for (OptionItems items = option_items(value->text); option_items_next(&items, &item); len += item.len) {
        if (len > 0) {
            text[len++] = ',';
        }
        memcpy(text + len, item.ptr, item.len);
    }
    text[len] = '\0';
    value->text = (Str){text, len};
    return STATUS_OK;
}

/* How values are kept and shown: decimals with the places that the store has. */
static Status normalise(Config *config, const ConfigTarget *target, unsigned scale, Error *reterr)
{
    ConfigValue *value = target->value;
    bool is_list = target->option->marks & OPTION_LIST;
    if (target->option->type == OPTION_DECIMAL && !is_list && value->text.len > 0) {
        char text[DECIMAL_TEXT_BYTES_MAX];
        Str shown = {text, decimal_format(value->number, scale, text)};
        value->text = arena_copy(&config->arena, shown);
        return value->text.ptr ? STATUS_OK : config_no_memory(reterr);
    }
    bool by_lines = is_list && value->text.len > 0 && memchr(value->text.ptr, '\n', value->text.len) &&
                    !memchr(value->text.ptr, ',', value->text.len);
    return by_lines ? join_by_commas(config, value, reterr) : STATUS_OK;
}

static Status parse_value(Config *config, const ConfigTarget *target, unsigned scale, Error *reterr)
{
    ConfigValue *value = target->value;
    if (value->text.len && memchr(value->text.ptr, 0, value->text.len)) {
        return error_set(reterr, STATUS_REFUSED, "%s: %s must not contain a NUL character", value->where, target->name);
    }
    if (option_parse(target->option, value->text, scale, &value->number, reterr) != STATUS_OK) {
        return error_prefix(reterr, "%s: %s", value->where, target->name);
    }
    return normalise(config, target, scale, reterr);
}

/* The scale first, since decimals are read by it. */
static Status parse_values(Config *config, Error *reterr)
{
    unsigned scale = 0;
    Status status = STATUS_OK;
    for (unsigned i = 0; i <= OPTION_COUNT && status == STATUS_OK; i++) {
        unsigned id = i ? i - 1 : OPTION_STORE_SCALE;
        ConfigTarget target = {&option_table[id], &config->values[id], option_table[id].name};
        status = parse_value(config, &target, scale, reterr);
        scale = (unsigned)config->values[OPTION_STORE_SCALE].number;
    }
    return status;
}

/* Where a member is from: its first option that is set. */
static const char *where_of(const ConfigMember *member)
{
    for (unsigned id = 0; id < member->group->table.count; id++) {
        if (member->values[id].origin != CONFIG_DEFAULT) {
            return member->values[id].where;
        }
    }
    return "default";
}

static Status refuse_missing_kind(const ConfigMember *member, Error *reterr)
{
    Buf kinds;
    buf_init(&kinds, ERROR_MESSAGE_BYTES_MAX);
    option_put_choices(&kinds, &member->group->table.items[0]);
    Str text = buf_str(&kinds);
    error_set(reterr, STATUS_REFUSED, "%s: %s.%s.%s is missing: one of %.*s", where_of(member), member->group->prefix,
              member->name, member->group->table.items[0].name, STR_ARGS(text));
    buf_release(&kinds);
    return STATUS_REFUSED;
}

static Status refuse_other_kind(const ConfigMember *member, const ConfigTarget *target, Error *reterr)
{
    const Option *kind = &member->group->table.items[0];
    return error_set(reterr, STATUS_REFUSED, "%s: %s does not go with %s.%s.%s %s", target->value->where, target->name,
                     member->group->prefix, member->name, kind->name, config_member_text(member, 0));
}

static Status parse_member(Config *config, const ConfigMember *member, Error *reterr)
{
    unsigned scale = (unsigned)config->values[OPTION_STORE_SCALE].number;
    bool is_complete = !member->group->has_kinds || member->values[0].text.len > 0;
    Status status = is_complete ? STATUS_OK : refuse_missing_kind(member, reterr);
    for (unsigned id = 0; id < member->group->table.count && status == STATUS_OK; id++) {
        ConfigTarget target = {&member->group->table.items[id], &member->values[id], NULL};
        target.name =
            arena_printf(&config->arena, "%s.%s.%s", member->group->prefix, member->name, target.option->name);
        if (!target.name) {
            return config_no_memory(reterr);
        }
        if (target.value->origin != CONFIG_DEFAULT && !config_member_takes(member, id)) {
            return refuse_other_kind(member, &target, reterr);
        }
        status = parse_value(config, &target, scale, reterr);
    }
    return status;
}

static Status parse_members(Config *config, Error *reterr)
{
    Status status = STATUS_OK;
    for (OptionGroupId id = 0; id < OPTION_GROUP_COUNT; id++) {
        for (unsigned i = 0; i < config->groups[id].count && status == STATUS_OK; i++) {
            status = parse_member(config, config->groups[id].items[i], reterr);
        }
    }
    return status;
}

static Status read_sources(Config *config, const ConfigInput *input, Error *reterr)
{
    Status status = read_file(config, input->file, reterr);
    if (status == STATUS_OK) { /* a variable may mean a member that only a flag names */
        status = read_flags(config, input, false, reterr);
    }
    if (status == STATUS_OK) {
        status = read_environment(config, input->environment, reterr);
    }
    return status == STATUS_OK ? read_flags(config, input, true, reterr) : status;
}

static Status load(Config *config, const ConfigInput *input, Error *reterr)
{
    set_defaults(config);
    Status status = read_sources(config, input, reterr);
    if (status == STATUS_OK) {
        status = parse_values(config, reterr);
    }
    return status == STATUS_OK ? parse_members(config, reterr) : status;
}

Status config_load(const ConfigInput *input, Config **ret_config, Error *reterr)
{
    Config *config = calloc(1, sizeof *config);
    if (!config) {
        return config_no_memory(reterr);
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

unsigned config_member_count(const Config *config, OptionGroupId group) { return config->groups[group].count; }

const ConfigMember *config_member(const Config *config, OptionGroupId group, unsigned index)
{
    return config->groups[group].items[index];
}

const char *config_member_name(const ConfigMember *member) { return member->name; }

bool config_member_takes(const ConfigMember *member, unsigned option)
{
    unsigned kinds = member->group->table.items[option].kinds;
    return kinds == 0 || kinds >> member->values[0].number & 1;
}

const char *config_member_text(const ConfigMember *member, unsigned option) { return member->values[option].text.ptr; }

int64_t config_member_int(const ConfigMember *member, unsigned option) { return member->values[option].number; }

ConfigOrigin config_member_origin(const ConfigMember *member, unsigned option) { return member->values[option].origin; }

const char *config_member_where(const ConfigMember *member, unsigned option) { return member->values[option].where; }

Status config_member_require(const ConfigMember *member, unsigned option, const char *example, Error *reterr)
{
    if (member->values[option].text.len) {
        return STATUS_OK;
    }
    return error_set(reterr, STATUS_REFUSED, "%s: %s.%s.%s is missing: %s", member->values[0].where,
                     member->group->prefix, member->name, member->group->table.items[option].name, example);
}
