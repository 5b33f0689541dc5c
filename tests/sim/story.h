/* What happens in a simulated run, told line by line for a person, and as one hash for a machine.
 *
 * A line is what was done, what the disk did to it, or what was found. The hash covers every line, whether it is
 * printed or not, so that two runs of one seed that differ anywhere have different hashes. Nothing of the real world
 * may get into a line: no address, no real time, no path outside the simulated disk. */
#ifndef WEIR_TESTS_SIM_STORY_H
#define WEIR_TESTS_SIM_STORY_H

#include "sim/seed.h"

/* How a process ends whose run broke a promise: no sanitizer and no assert ends one so. */
enum { STORY_BROKEN_EXIT = 3 };

/* What a story has told before this has been said is its head. */
#define STORY_FIRST_LIFE "life 1 begins"

typedef struct Story {
    SeedOptions options; /* without a trace nothing is printed */
    uint64_t hash;
    int64_t step;
    const int64_t *wall_us;
    int64_t day; /* since 1970, of the last line that was told */
} Story;

/* Copies the options, and borrows what they borrow. `wall_us` is the simulated clock, told with each line; borrows. */
void story_begin(Story *story, const SeedOptions *options, const int64_t *wall_us);

/* "step 12   15:04:05.123  …"; where another day has begun, that is told first. */
void story_tell(Story *story, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Likewise, of what goes wrong, of lives and of calls: told with `trace_faults`, too, which leaves out the rest. */
void story_headline(Story *story, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* More about it, for the hash only when `trace_disk` is not set: what the disk is asked to do. */
void story_operation(Story *story, const char *text);

/* More about the line before, for people only. */
void story_detail(Story *story, const char *text);

/* Of a call's records so many are told; then "… and 67 more", unless it is 0. Only where a story is told in full. */
enum { STORY_ITEMS_MAX = 20 };
bool story_is_full(const Story *story);
void story_rest(Story *story, size_t count);

/* A promise is broken: says what was looked at, what was expected and what was found, how to see it again, and ends the
 * process with STORY_BROKEN_EXIT. `expected` and `found` may be NULL. */
_Noreturn void story_fail(Story *story, const char *what, const char *expected, const char *found);
_Noreturn void story_failf(Story *story, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "again: …": one command that shows this seed's story, and needs no other. */
void story_print_command(const SeedOptions *options, FILE *out);

#endif
