#include "sim/story.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 2048 };

void story_begin(Story *story, const SeedOptions *options, const int64_t *wall_us)
{
    *story = (Story){.options = *options, .wall_us = wall_us, .hash = UINT64_C(0xcbf29ce484222325)};
}

/* FNV-1a: quick on short texts, and nobody attacks it here. */
static void add_to_hash(Story *story, const char *text)
{
    for (const char *c = text; *c; c++) {
        story->hash = (story->hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    }
    story->hash = (story->hash ^ '\n') * UINT64_C(0x100000001b3);
}

/* Texts of any kind go into a story, which shall stay readable. */
static void print(FILE *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        bool is_control = (unsigned char)*c < 0x20 || *c == 0x7f;
        fputc(is_control ? '?' : *c, out);
    }
    fputc('\n', out);
}

/* The time of day, and the day when it is another one than that of the line before. The clock is not in the hash: what
 * it does wrong is. */
static void print_time(Story *story, FILE *out)
{
    char text[64];
    time_t seconds = (time_t)(*story->wall_us / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    if (seconds / 86400 != story->day) {
        story->day = seconds / 86400;
        strftime(text, sizeof text, "%Y-%m-%d", &parts);
        fprintf(out, "-- %s (UTC)\n", text);
    }
    strftime(text, sizeof text, "%H:%M:%S", &parts);
    fprintf(out, "step %-4" PRId64 " %s.%03" PRId64 "  ", story->step, text, *story->wall_us / 1000 % 1000);
}

static void tell(Story *story, bool is_headline, const char *format, va_list args)
{
    FILE *out = story->options.trace;
    char line[LINE_BYTES_MAX];
    vsnprintf(line, sizeof line, format, args);
    add_to_hash(story, line);
    if (out && (is_headline || !story->options.trace_faults)) {
        print_time(story, out);
        print(out, line);
    }
}

void story_tell(Story *story, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(story, false, format, args);
    va_end(args);
}

void story_headline(Story *story, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(story, true, format, args);
    va_end(args);
}

void story_operation(Story *story, const char *text)
{
    add_to_hash(story, text);
    if (story->options.trace_disk) {
        story_detail(story, text);
    }
}

void story_detail(Story *story, const char *text)
{
    if (story->options.trace) {
        fputs("              ", story->options.trace);
        print(story->options.trace, text);
    }
}

bool story_is_full(const Story *story) { return story->options.trace && !story->options.trace_faults; }

void story_rest(Story *story, size_t count)
{
    char line[64];
    if (count > 0 && story_is_full(story)) {
        snprintf(line, sizeof line, "… and %zu more", count);
        story_detail(story, line);
    }
}

void story_print_command(const SeedOptions *options, FILE *out)
{
    fprintf(out, "again: %s --seed %" PRIu64 " --trace", options->program, options->seed);
    if (options->steps) {
        fprintf(out, " --steps %" PRId64, options->steps);
    }
    fprintf(out, "    # --disk instead of --trace: with every operation of the disk\n");
}

_Noreturn void story_fail(Story *story, const char *what, const char *expected, const char *found)
{
    FILE *out = story->options.trace ? story->options.trace : stdout;
    fprintf(out, "FAIL seed %llu, step %lld: %s\n", (unsigned long long)story->options.seed, (long long)story->step,
            what);
    if (expected) {
        fputs("     expected: ", out);
        print(out, expected);
    }
    if (found) {
        fputs("     found:    ", out);
        print(out, found);
    }
    story_print_command(&story->options, out);
    fflush(out);
    /* Not exit(): what is still open belongs to a run that is over, and must not be reported as leaked. */
    _exit(STORY_BROKEN_EXIT);
}

_Noreturn void story_failf(Story *story, const char *format, ...)
{
    char what[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    story_fail(story, what, NULL, NULL);
}
