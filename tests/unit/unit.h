/* What every unit test includes: cmocka with the headers it wants first, and checks for the types of base/. */
#ifndef WEIR_TESTS_UNIT_H
#define WEIR_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

/* Fails with both texts printed. */
static inline void check_text(Str actual, const char *expected, const char *file, int line)
{
    if (!str_is(actual, expected)) {
        print_error("got \"%.*s\" instead of \"%s\"\n", STR_ARGS(actual), expected);
        _fail(file, line);
    }
}
#define assert_text(actual, expected) check_text((actual), (expected), __FILE__, __LINE__)

/* Random numbers that are the same in every run (splitmix64, Steele et al. 2014). */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

#endif
