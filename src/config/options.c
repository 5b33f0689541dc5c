#include "config/options.h"

#include <ctype.h>

#include "config/mappings_table.h"
#include "config/sinks_table.h"
#include "config/sources_table.h"

const OptionGroup *const option_groups[OPTION_GROUP_COUNT] = {
    [OPTION_SOURCES] = &sources_group,
    [OPTION_SINKS] = &sinks_group,
    [OPTION_MAPPINGS] = &mappings_group,
};

static bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool option_is_member_name(Str name)
{
    bool is_name = name.len > 0 && name.len <= OPTION_MEMBER_BYTES_MAX && is_lower_or_digit(name.ptr[0]);
    for (size_t i = 1; i < name.len && is_name; i++) {
        is_name = is_lower_or_digit(name.ptr[i]) || name.ptr[i] == '_' || name.ptr[i] == '-';
    }
    return is_name;
}

unsigned option_find(OptionTable table, Str name)
{
    unsigned id = 0;
    while (id < table.count && !str_is(name, table.items[id].name)) {
        id++;
    }
    return id;
}

Str option_section(OptionId id)
{
    Str name = str_from(option_table[id].name);
    return str_split(&name, '.');
}

bool option_begins_section(OptionId id) { return id == 0 || !str_equal(option_section(id), option_section(id - 1)); }

/* Somebody who leaves the section out ("listen") means the option too. */
static unsigned distance_to(Str name, const char *option)
{
    enum { FAR = 100 };
    const char *dot = strchr(option, '.');
    unsigned whole = str_distance(name, str_from(option), FAR);
    unsigned last = dot ? str_distance(name, str_from(dot + 1), FAR) : FAR;
    return whole < last + 1 ? whole : last + 1;
}

/* A short name is near to every other short one, so that it may differ by less. */
static unsigned distance_max(Str name)
{
    unsigned third = (unsigned)name.len / 3 + 1, most = name.len < 12 ? 3 : 4;
    return third < most ? third : most;
}

const char *option_nearest(OptionTable table, Str name)
{
    const char *nearest = NULL;
    unsigned least = distance_max(name) + 1;
    for (unsigned id = 0; id < table.count && name.len > 0 && name.len < 64; id++) {
        unsigned distance = distance_to(name, table.items[id].name);
        if (distance < least) {
            nearest = table.items[id].name;
            least = distance;
        }
    }
    return nearest;
}

void option_environment_name(const char *name, char ret_name[OPTION_ENVIRONMENT_BYTES_MAX])
{
    snprintf(ret_name, OPTION_ENVIRONMENT_BYTES_MAX, "%s", name);
    for (char *c = ret_name; *c; c++) {
        *c = *c == '.' || *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    }
}

/* ---- Lists ------------------------------------------------------------------------------------------------------- */

OptionItems option_items(Str text)
{
    return (OptionItems){text, text.len && memchr(text.ptr, '\n', text.len) ? '\n' : ','};
}

bool option_items_next(OptionItems *items, Str *ret_item)
{
    if (items->separator == '\n') { /* a last line may end like the others, or not */
        items->rest = str_trim(items->rest);
    }
    if (items->rest.len == 0) {
        return false;
    }
    *ret_item = str_trim(str_split(&items->rest, items->separator));
    return true;
}
