#include "http/sinks_call.h"

bool sink_lines_look(Request *request, SinkLines *ret_lines)
{
    Dispatcher *dispatcher = request_options(request)->dispatcher;
    size_t count = dispatcher ? dispatcher_line_count(dispatcher) : 0;
    *ret_lines = (SinkLines){0};
    if (count == 0) {
        return true;
    }
    ret_lines->lines = ARENA_ARRAY(&request->arena, LineStatus, count);
    if (!ret_lines->lines) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return false;
    }
    ret_lines->count = dispatcher_status(dispatcher, ret_lines->lines, count);
    return true;
}

void request_no_such(Request *request, const char *what, const char *const *names, size_t count)
{
    enum { DISTANCE_MAX = 3 };
    const char *nearest = NULL;
    unsigned best = DISTANCE_MAX + 1;
    for (size_t i = 0; i < count; i++) {
        unsigned distance = str_distance(request->id, str_from(names[i]), DISTANCE_MAX);
        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    request_problem(request, PROBLEM_NOT_FOUND, "no %s %.*s is configured%s%s%s", what, STR_ARGS(request->id),
                    nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

const LineStatus *sink_lines_named(Request *request, const SinkLines *lines)
{
    const char *names[DISPATCHER_SINKS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < lines->count && !lines->lines[i].job; i++) {
        names[count] = lines->lines[i].options->name;
        if (str_is(request->id, names[count++])) {
            return &lines->lines[i];
        }
    }
    request_no_such(request, "sink", names, count);
    return NULL;
}

bool sink_is_configured(Request *request, Str name, bool *ret_is)
{
    SinkLines lines;
    if (!sink_lines_look(request, &lines)) {
        return false;
    }
    *ret_is = false;
    for (size_t i = 0; i < lines.count && !lines.lines[i].job; i++) {
        *ret_is = *ret_is || str_is(name, lines.lines[i].options->name);
    }
    return true;
}

const LineStatus *sink_lines_replay(const SinkLines *lines, int64_t job)
{
    for (size_t i = 0; i < lines->count; i++) {
        if (lines->lines[i].job == job) {
            return &lines->lines[i];
        }
    }
    return NULL;
}
