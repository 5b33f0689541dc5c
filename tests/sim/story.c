#include "sim/story.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 2048 };

void story_begin(Story *story, const SeedOptions *options)
{
    *story = (Story){.options = *options, .hash = UINT64_C(0xcbf29ce484222325)};
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

void story_tell(Story *story, const char *format, ...)
{
    char line[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    add_to_hash(story, line);
    if (story->options.trace) {
        fprintf(story->options.trace, "step %-4lld ", (long long)story->step);
        print(story->options.trace, line);
    }
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

void story_print_command(const SeedOptions *options, FILE *out)
{
    fprintf(out, "again: %s --seed %" PRIu64 " --trace", options->program, options->seed);
    if (options->steps) {
        fprintf(out, " --steps %" PRId64, options->steps);
    }
    fprintf(out, "    (--disk instead of --trace: with every operation of the disk)\n");
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
