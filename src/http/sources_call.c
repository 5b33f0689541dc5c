#include "http/sources_call.h"

#include "http/sinks_call.h"

bool source_list_look(Request *request, SourceList *ret_list)
{
    size_t count = intake_source_count(request_options(request)->intake);
    *ret_list = (SourceList){0};
    if (count == 0) {
        return true;
    }
    ret_list->items = ARENA_ARRAY(&request->arena, SourceStatus, count);
    ret_list->count = count;
    if (!ret_list->items) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return false;
    }
    source_list_look_again(request, ret_list);
    return true;
}

void source_list_look_again(Request *request, SourceList *list)
{
    list->count = intake_status(request_options(request)->intake, list->items, list->count);
}

const SourceStatus *source_list_named(Request *request, const SourceList *list)
{
    const char *names[INTAKE_SOURCES_MAX];
    for (size_t i = 0; i < list->count; i++) {
        names[i] = list->items[i].options->name;
        if (str_is(request->id, names[i])) {
            return &list->items[i];
        }
    }
    request_no_such(request, "source", names, list->count);
    return NULL;
}
