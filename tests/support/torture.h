/* Memory that gives out where a test wants it: the nth allocation from now fails, and then the next, and so on, as
 * curl's torture tests do. Programs with torture.c are linked with the allocating functions wrapped
 * (`torture_link_args`); what libraries take for themselves is not touched, but for SQLite. One thread. */
#ifndef WEIR_TESTS_TORTURE_H
#define WEIR_TESTS_TORTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SQLite's allocations go the same way. Before its first use. */
void torture_sqlite(void);

/* The nth allocation from now on (1 is the next) and the `count` - 1 behind it fail; with 0 none does, they are only
 * counted. */
void torture_begin(uint64_t nth, uint64_t count);
/* No further one fails. Returns how many there were since torture_begin. */
uint64_t torture_end(void);
/* Whether one has failed since torture_begin. */
bool torture_struck(void);

/* How many fail from the nth on, in each of three ways: it alone; with a few behind it, so that what mends the failure
 * fails, too, and what comes after that does not; with all behind it. */
enum { TORTURE_WAYS = 3 };
uint64_t torture_failures(uint64_t nth, unsigned way);

/* Whether WEIR_TORTURE is "all". Any other word ends the program: it would be a slice that is taken for all. */
static inline bool torture_is_whole(void)
{
    const char *text = getenv("WEIR_TORTURE");
    if (text && text[0] && strcmp(text, "all") != 0) {
        fprintf(stderr, "WEIR_TORTURE=%s: \"all\", or nothing for a slice\n", text);
        exit(2);
    }
    return text && text[0];
}

/* One of how many allocations is to fail: of each when torture is whole, else so that about `wanted` fail. */
uint64_t torture_stride(uint64_t allocations, uint64_t wanted);

/* Blocks that were taken and not given back. */
int64_t torture_live(void);

#endif
