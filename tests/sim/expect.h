/* Looks at JSON that Weir wrote: each call takes a member and fails the run when it is not what the model says. */
#ifndef WEIR_TESTS_SIM_EXPECT_H
#define WEIR_TESTS_SIM_EXPECT_H

#include <yyjson.h>

#include "sim/plain.h"
#include "sim/story.h"

typedef struct Expect {
    Story *story;
    const char *what; /* "notification 12"; borrows */
    unsigned scale;
} Expect;

/* Numbers stay text, so that nothing is rounded. The caller frees the document. */
yyjson_doc *expect_json(const Expect *expect, Str text);

yyjson_val *expect_member(const Expect *expect, yyjson_val *object, const char *name);
void expect_text(const Expect *expect, yyjson_val *object, const char *name, Str right);
void expect_number(const Expect *expect, yyjson_val *object, const char *name, const char *right);
void expect_int(const Expect *expect, yyjson_val *object, const char *name, int64_t right);
void expect_decimal(const Expect *expect, yyjson_val *object, const char *name, Exact right); /* as a string */
void expect_time(const Expect *expect, yyjson_val *object, const char *name, int64_t right_us);
/* Nothing but these. */
void expect_size(const Expect *expect, yyjson_val *object, size_t members);

/* A number that the answer has and that nobody knows before. */
int64_t expect_any_int(const Expect *expect, yyjson_val *object, const char *name);

#endif
