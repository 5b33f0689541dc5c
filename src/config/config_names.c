/* Which option a name means: a dotted one from the file or a flag, or a variable's. */
#include <ctype.h>

#include "config/values.h"

Status config_no_memory(Error *reterr)
{
    return error_set(reterr, STATUS_BUSY, "the configuration needs too much memory");
}

/* ---- Members ----------------------------------------------------------------------------------------------------- */

static ConfigMember *new_member(Config *config, const OptionGroup *group, Str name)
{
    ConfigMember *member = ARENA_NEW(&config->arena, ConfigMember);
    ConfigValue *values = ARENA_ARRAY(&config->arena, ConfigValue, group->table.count);
    const char *text = arena_copy(&config->arena, name).ptr;
    if (!member || !values || !text) {
        return NULL;
    }
    for (unsigned id = 0; id < group->table.count; id++) {
        values[id] = (ConfigValue){.text = str_from(group->table.items[id].initial), .where = "default"};
    }
    *member = (ConfigMember){.group = group, .name = text, .values = values};
    return member;
}

static Status insert_member(Config *config, OptionGroupId id, unsigned at, Str name, Error *reterr)
{
    ConfigMembers *members = &config->groups[id];
    const OptionGroup *group = option_groups[id];
    if (members->count == group->members_max) {
        return error_set(reterr, STATUS_REFUSED, "there can be %u %s at most", group->members_max, group->prefix);
    }
    if (!members->items) {
        members->items = ARENA_ARRAY(&config->arena, ConfigMember *, group->members_max);
    }
    ConfigMember *member = members->items ? new_member(config, group, name) : NULL;
    if (!member) {
        return config_no_memory(reterr);
    }
    memmove(members->items + at + 1, members->items + at, (members->count - at) * sizeof *members->items);
    members->items[at] = member;
    members->count++;
    return STATUS_OK;
}

/* `is_variable`: it is a variable that asks. */
static Status find_member(Config *config, OptionGroupId id, Str name, bool is_variable, ConfigMember **ret_member,
                          Error *reterr)
{
    ConfigMembers *members = &config->groups[id];
    unsigned at = 0;
    if (!option_is_member_name(name)) {
        return error_set(reterr, STATUS_REFUSED,
                         "\"%.*s\" is no name for one of the %s: lower-case letters, digits, - and _, at most %d, "
                         "beginning with a letter or a digit",
                         STR_ARGS(name), option_groups[id]->prefix, OPTION_MEMBER_BYTES_MAX);
    }
    while (at < members->count && str_compare(str_from(members->items[at]->name), name) < 0) {
        at++;
    }
    if (at == members->count || !str_is(name, members->items[at]->name)) {
        Status status = insert_member(config, id, at, name, reterr);
        if (status != STATUS_OK) {
            return status;
        }
        members->items[at]->by_variable = is_variable;
    }
    *ret_member = members->items[at];
    return STATUS_OK;
}

static Status set_target(Config *config, const ConfigMember *member, unsigned option, ConfigTarget *ret_target,
                         Error *reterr)
{
    const Option *found = &member->group->table.items[option];
    *ret_target =
        (ConfigTarget){found, &member->values[option],
                       arena_printf(&config->arena, "%s.%s.%s", member->group->prefix, member->name, found->name)};
    return ret_target->name ? STATUS_OK : config_no_memory(reterr);
}

/* ---- Dotted names ------------------------------------------------------------------------------------------------ */

/* "sinks.ops.url" in its three parts; those that are missing have no pointer. */
typedef struct GroupName {
    Str prefix, member, option;
} GroupName;

static GroupName split_name(Str name)
{
    GroupName parts = {.option = name};
    parts.prefix = str_split(&parts.option, '.');
    parts.member = parts.option.ptr ? str_split(&parts.option, '.') : parts.option;
    return parts;
}

/* What a misspelt name may have meant, in the arena; NULL when nothing is near. */
static const char *suggest_name(Config *config, Str name)
{
    enum { PREFIX_DISTANCE_MAX = 2 };
    GroupName parts = split_name(name);
    for (OptionGroupId id = 0; id < OPTION_GROUP_COUNT && parts.option.ptr; id++) {
        const OptionGroup *group = option_groups[id];
        const char *option = option_nearest(group->table, parts.option);
        if (option && str_distance(parts.prefix, str_from(group->prefix), PREFIX_DISTANCE_MAX) <= PREFIX_DISTANCE_MAX) {
            return arena_printf(&config->arena, "%s.%.*s.%s", group->prefix, STR_ARGS(parts.member), option);
        }
    }
    return option_nearest(OPTION_TABLE, name);
}

static Status refuse_name(Config *config, Str name, const char *where, Error *reterr)
{
    const char *nearest = suggest_name(config, name);
    return error_set(reterr, STATUS_REFUSED, "%s: there is no option %.*s%s%s%s", where, STR_ARGS(name),
                     nearest ? "; did you mean " : "", nearest ? nearest : "",
                     nearest ? "?" : "; `weir config print` lists them");
}

static Status find_in_group(Config *config, OptionGroupId id, Str name, const char *where, ConfigTarget *ret_target,
                            Error *reterr)
{
    const OptionGroup *group = option_groups[id];
    GroupName parts = split_name(name);
    if (!parts.option.ptr) {
        return error_set(reterr, STATUS_REFUSED, "%s: %.*s is no option, but has options below it, like %s.NAME.%s",
                         where, STR_ARGS(name), group->prefix, group->table.items[0].name);
    }
    unsigned option = option_find(group->table, parts.option);
    if (option == group->table.count) {
        return refuse_name(config, name, where, reterr);
    }
    ConfigMember *member = NULL;
    Status status = find_member(config, id, parts.member, false, &member, reterr);
    if (status == STATUS_REFUSED) {
        return error_prefix(reterr, "%s", where);
    }
    return status == STATUS_OK ? set_target(config, member, option, ret_target, reterr) : status;
}

Status config_find_name(Config *config, Str name, const char *where, ConfigTarget *ret_target, Error *reterr)
{
    Str prefix = split_name(name).prefix;
    for (OptionGroupId id = 0; id < OPTION_GROUP_COUNT; id++) {
        if (str_is(prefix, option_groups[id]->prefix)) {
            return find_in_group(config, id, name, where, ret_target, reterr);
        }
    }
    unsigned option = option_find(OPTION_TABLE, name);
    if (option == OPTION_COUNT) {
        return refuse_name(config, name, where, reterr);
    }
    *ret_target = (ConfigTarget){&option_table[option], &config->values[option], option_table[option].name};
    return STATUS_OK;
}

/* ---- Variables --------------------------------------------------------------------------------------------------- */

/* A variable of a group, taken apart behind "WEIR_SINKS_". */
typedef struct Split {
    Str member;
    unsigned option;
} Split;

/* Is "my-ops" what a variable calls MY_OPS? */
static bool is_called(const char *member, Str part)
{
    size_t len = strlen(member);
    for (size_t i = 0; i < len && len == part.len; i++) {
        char name = member[i] == '-' ? '_' : member[i], called = part.ptr[i] == '-' ? '_' : part.ptr[i];
        if (name != (char)tolower((unsigned char)called)) {
            return false;
        }
    }
    return len == part.len;
}

/* The member that is there already and called so; NULL when there is none. Two of them are REFUSED. */
static Status find_called(const Config *config, OptionGroupId id, Str part, ConfigMember **ret_member, Error *reterr)
{
    const ConfigMembers *members = &config->groups[id];
    *ret_member = NULL;
    for (unsigned i = 0; i < members->count; i++) {
        ConfigMember *member = members->items[i];
        if (member->by_variable || !is_called(member->name, part)) {
            continue;
        }
        if (*ret_member) {
            return error_set(reterr, STATUS_REFUSED, "could mean %s.%s and %s.%s", member->group->prefix,
                             (*ret_member)->name, member->group->prefix, member->name);
        }
        *ret_member = member;
    }
    return STATUS_OK;
}

static bool ends_with(Str text, const char *end)
{
    size_t len = strlen(end);
    return text.len > len + 1 && text.ptr[text.len - len - 1] == '_' &&
           memcmp(text.ptr + text.len - len, end, len) == 0;
}

/* The option whose name ends the text and is the longest that is shorter than `shorter`. */
static bool split_variable(OptionTable table, Str text, size_t shorter, Split *ret_split, size_t *ret_length)
{
    char known[OPTION_ENVIRONMENT_BYTES_MAX];
    *ret_length = 0;
    for (unsigned id = 0; id < table.count; id++) {
        option_environment_name(table.items[id].name, known);
        size_t length = strlen(known);
        if (length < shorter && length > *ret_length && ends_with(text, known)) {
            *ret_split = (Split){.member = {text.ptr, text.len - length - 1}, .option = id};
            *ret_length = length;
        }
    }
    return *ret_length > 0;
}

static Status find_new(Config *config, OptionGroupId id, Str part, ConfigMember **ret_member, Error *reterr)
{
    char name[OPTION_MEMBER_BYTES_MAX + 1];
    size_t len = part.len < sizeof name ? part.len : sizeof name; /* one that is too long stays so, and is refused */
    for (size_t i = 0; i < len; i++) {
        name[i] = (char)tolower((unsigned char)part.ptr[i]);
    }
    return find_member(config, id, (Str){name, len}, true, ret_member, reterr);
}

/* The nearest variable, one for each way to take the text apart. */
static Status refuse_variable_of(OptionGroupId id, Str variable, Str text, Error *reterr)
{
    char known[OPTION_ENVIRONMENT_BYTES_MAX], nearest[OPTION_ENVIRONMENT_BYTES_MAX] = "";
    OptionTable table = option_groups[id]->table;
    unsigned least = 3;
    size_t kept = 0;
    for (size_t at = 1; at + 1 < text.len; at++) {
        Str rest = {text.ptr + at + 1, text.len - at - 1};
        for (unsigned option = 0; text.ptr[at] == '_' && option < table.count; option++) {
            option_environment_name(table.items[option].name, known);
            unsigned distance = str_distance(rest, str_from(known), least);
            if (distance < least && distance < rest.len) {
                least = distance;
                kept = at;
                memcpy(nearest, known, sizeof nearest);
            }
        }
    }
    Str before = {variable.ptr, (size_t)(text.ptr - variable.ptr) + kept + 1};
    return error_set(reterr, STATUS_REFUSED, "environment: no option belongs to %.*s%s%.*s%s%s", STR_ARGS(variable),
                     nearest[0] ? "; did you mean " : "", nearest[0] ? (int)before.len : 0, before.ptr, nearest,
                     nearest[0] ? "?" : "; `weir config print` lists them");
}

/* `text` is the variable's name behind the group's prefix. */
static Status find_variable_of(Config *config, OptionGroupId id, Str variable, Str text, ConfigTarget *ret_target,
                               Error *reterr)
{
    OptionTable table = option_groups[id]->table;
    ConfigMember *member = NULL;
    Split split;
    Status status = STATUS_OK;
    size_t length = SIZE_MAX;
    while (!member && status == STATUS_OK && split_variable(table, text, length, &split, &length)) {
        status = find_called(config, id, split.member, &member, reterr);
    }
    if (!member && status == STATUS_OK) {
        if (!split_variable(table, text, SIZE_MAX, &split, &length)) {
            return refuse_variable_of(id, variable, text, reterr);
        }
        status = find_new(config, id, split.member, &member, reterr);
    }
    if (status == STATUS_REFUSED) {
        return error_prefix(reterr, "environment: %.*s", STR_ARGS(variable));
    }
    return status == STATUS_OK ? set_target(config, member, split.option, ret_target, reterr) : status;
}

/* The group that a misspelt variable may be of; NULL when it is none's. `*ret_text` is what is behind the prefix. */
static const OptionGroup *guess_group(Str name, Str *ret_text)
{
    enum { DISTANCE_MAX = 2 };
    char known[OPTION_ENVIRONMENT_BYTES_MAX];
    size_t length;
    Split split;
    *ret_text = name;
    Str prefix = str_split(ret_text, '_');
    for (OptionGroupId id = 0; id < OPTION_GROUP_COUNT && ret_text->ptr; id++) {
        option_environment_name(option_groups[id]->prefix, known);
        if (str_distance(prefix, str_from(known), DISTANCE_MAX) <= DISTANCE_MAX &&
            split_variable(option_groups[id]->table, *ret_text, SIZE_MAX, &split, &length)) {
            return option_groups[id];
        }
    }
    return NULL;
}

static Status refuse_variable(Str name, Error *reterr)
{
    char nearest[OPTION_ENVIRONMENT_BYTES_MAX] = "", known[OPTION_ENVIRONMENT_BYTES_MAX];
    unsigned least = 4;
    for (unsigned id = 0; id < OPTION_COUNT && name.len < sizeof known; id++) {
        option_environment_name(option_table[id].name, known);
        unsigned distance = str_distance(name, str_from(known), least);
        if (distance < least) {
            least = distance;
            memcpy(nearest, known, sizeof nearest);
        }
    }
    Str text = {NULL, 0};
    const OptionGroup *group = nearest[0] ? NULL : guess_group(name, &text);
    if (group) {
        option_environment_name(group->prefix, nearest);
        return error_set(reterr, STATUS_REFUSED,
                         "environment: no option belongs to WEIR_%.*s; did you mean WEIR_%s_%.*s?", STR_ARGS(name),
                         nearest, STR_ARGS(text));
    }
    return error_set(reterr, STATUS_REFUSED, "environment: no option belongs to WEIR_%.*s%s%s%s", STR_ARGS(name),
                     nearest[0] ? "; did you mean WEIR_" : "", nearest,
                     nearest[0] ? "?" : "; `weir config print` lists them");
}

Status config_find_variable(Config *config, Str variable, ConfigTarget *ret_target, Error *reterr)
{
    char known[OPTION_ENVIRONMENT_BYTES_MAX];
    Str name = {variable.ptr + 5, variable.len - 5}; /* behind WEIR_ */
    for (OptionGroupId id = 0; id < OPTION_GROUP_COUNT; id++) {
        option_environment_name(option_groups[id]->prefix, known);
        size_t len = strlen(known);
        if (name.len > len && str_starts_with(name, (Str){known, len}) && name.ptr[len] == '_') {
            return find_variable_of(config, id, variable, (Str){name.ptr + len + 1, name.len - len - 1}, ret_target,
                                    reterr);
        }
    }
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        option_environment_name(option_table[id].name, known);
        if (str_is(name, known)) {
            *ret_target = (ConfigTarget){&option_table[id], &config->values[id], option_table[id].name};
            return STATUS_OK;
        }
    }
    return refuse_variable(name, reterr);
}
