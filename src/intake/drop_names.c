#include "intake/drop_names.h"

#include <fnmatch.h>
#include <stdio.h>

enum { PATTERN_BYTES_MAX = 256 };

static bool ends_in(Str name, Str ending)
{
    return name.len >= ending.len && str_equal_nocase((Str){name.ptr + name.len - ending.len, ending.len}, ending);
}

#define REPORT_ENDING ".report.ndjson"

/* What is still being copied; and reports: who puts failed files back means the files. */
static bool is_never_wanted(Str name)
{
    static const Str endings[] = {{"~", 1},        {".tmp", 4},      {".part", 5},
                                  {".partial", 8}, {".filepart", 9}, {REPORT_ENDING, sizeof REPORT_ENDING - 1}};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (ends_in(name, endings[i])) {
            return true;
        }
    }
    return false;
}

static bool matches(const char *name, Str pattern)
{
    char text[PATTERN_BYTES_MAX];
    if (pattern.len == 0 || pattern.len >= sizeof text) {
        return false;
    }
    memcpy(text, pattern.ptr, pattern.len);
    text[pattern.len] = '\0';
    return fnmatch(text, name, FNM_PERIOD) == 0;
}

bool drop_name_is_wanted(const char *name, const char *patterns)
{
    Str text = str_from(name), rest = str_from(patterns);
    if (text.len == 0 || text.len > FILE_MARK_NAME_BYTES_MAX || text.ptr[0] == '.' || is_never_wanted(text)) {
        return false;
    }
    while (rest.ptr) {
        if (matches(name, str_trim(str_split(&rest, ',')))) {
            return true;
        }
    }
    return false;
}

static void put_name(char ret_name[DROP_NAME_BYTES_MAX], const char *name, unsigned number, const char *ending)
{
    if (number == 0) {
        snprintf(ret_name, DROP_NAME_BYTES_MAX, "%s%s", name, ending);
    } else {
        snprintf(ret_name, DROP_NAME_BYTES_MAX, "%s.%u%s", name, number, ending);
    }
}

void drop_name_of(char ret_name[DROP_NAME_BYTES_MAX], const char *name, unsigned number)
{
    put_name(ret_name, name, number, "");
}

void drop_report_name_of(char ret_name[DROP_NAME_BYTES_MAX], const char *name, unsigned number)
{
    put_name(ret_name, name, number, REPORT_ENDING);
}

static size_t find(const DropNames *names, const char *name)
{
    size_t i = 0;
    while (i < names->count && strcmp(names->items[i], name) != 0) {
        i++;
    }
    return i;
}

bool drop_names_have(const DropNames *names, const char *name) { return find(names, name) < names->count; }

void drop_names_add(DropNames *names, const char *name)
{
    if (!drop_names_have(names, name) && names->count < DROP_NAMES_MAX) {
        memcpy(names->items[names->count++], name, strlen(name) + 1);
    }
}

void drop_names_remove(DropNames *names, const char *name)
{
    size_t i = find(names, name);
    if (i < names->count) {
        names->count--;
        memmove(names->items[i], names->items[names->count], sizeof names->items[i]);
    }
}
