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

#endif
