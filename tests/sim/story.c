#include "sim/story.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 2048 };

void story_begin(Story *story, uint64_t seed, FILE *out)
{
    *story = (Story){.seed = seed, .hash = UINT64_C(0xcbf29ce484222325), .out = out};
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
    if (story->out) {
        fprintf(story->out, "step %-4lld ", (long long)story->step);
        print(story->out, line);
    }
}

void story_operation(Story *story, const char *text)
{
    add_to_hash(story, text);
    if (story->tell_operations) {
        story_detail(story, text);
    }
}

void story_detail(Story *story, const char *text)
{
    if (story->out) {
        fputs("              ", story->out);
        print(story->out, text);
    }
}

_Noreturn void story_fail(Story *story, const char *what, const char *expected, const char *found)
{
    FILE *out = story->out ? story->out : stdout;
    fprintf(out, "FAIL seed %llu, step %lld: %s\n", (unsigned long long)story->seed, (long long)story->step, what);
    if (expected) {
        fputs("     expected: ", out);
        print(out, expected);
    }
    if (found) {
        fputs("     found:    ", out);
        print(out, found);
    }
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
