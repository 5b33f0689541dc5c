#include "sim/expect.h"

#include <inttypes.h>
#include <stdlib.h>

enum { FOUND_BYTES_MAX = 600 };

static _Noreturn void fail(const Expect *expect, const char *name, const char *right, const char *found)
{
    char what[1024];
    snprintf(what, sizeof what, "%s: %s", expect->what, name);
    story_fail(expect->story, what, right, found);
}

static _Noreturn void fail_member(const Expect *expect, const char *name, const char *right, const char *found)
{
    char what[64];
    snprintf(what, sizeof what, "its \"%s\"", name);
    fail(expect, what, right, found);
}

yyjson_doc *expect_json(const Expect *expect, Str text)
{
    yyjson_doc *doc = yyjson_read(text.ptr, text.len, YYJSON_READ_NUMBER_AS_RAW);
    if (!doc) {
        char found[FOUND_BYTES_MAX];
        snprintf(found, sizeof found, "%.*s", STR_ARGS(text));
        fail(expect, "the text", "JSON", found);
    }
    return doc;
}

yyjson_val *expect_member(const Expect *expect, yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    if (!value) {
        fail_member(expect, name, "a member of this name", "none");
    }
    return value;
}

static void check_text(const Expect *expect, yyjson_val *value, const char *name, Str right)
{
    Str is = {yyjson_is_raw(value) ? yyjson_get_raw(value) : yyjson_get_str(value), yyjson_get_len(value)};
    if (!is.ptr || !str_equal(is, right)) {
        char expected[FOUND_BYTES_MAX], found[FOUND_BYTES_MAX];
        snprintf(expected, sizeof expected, "%.*s", STR_ARGS(right));
        snprintf(found, sizeof found, "%.*s", STR_ARGS(is));
        fail_member(expect, name, expected, is.ptr ? found : "something else");
    }
}

void expect_text(const Expect *expect, yyjson_val *object, const char *name, Str right)
{
    yyjson_val *value = expect_member(expect, object, name);
    if (!yyjson_is_str(value)) {
        fail_member(expect, name, "a string", yyjson_get_type_desc(value));
    }
    check_text(expect, value, name, right);
}

void expect_number(const Expect *expect, yyjson_val *object, const char *name, const char *right)
{
    yyjson_val *value = expect_member(expect, object, name);
    if (!yyjson_is_raw(value)) {
        fail_member(expect, name, "a number", yyjson_get_type_desc(value));
    }
    check_text(expect, value, name, str_from(right));
}

void expect_int(const Expect *expect, yyjson_val *object, const char *name, int64_t right)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, right);
    expect_number(expect, object, name, text);
}

void expect_decimal(const Expect *expect, yyjson_val *object, const char *name, Exact right)
{
    char text[PLAIN_TEXT_BYTES_MAX];
    expect_text(expect, object, name, str_from(plain_decimal(right, expect->scale, text)));
}

void expect_time(const Expect *expect, yyjson_val *object, const char *name, int64_t right_us)
{
    char text[PLAIN_TEXT_BYTES_MAX];
    expect_text(expect, object, name, str_from(plain_time(right_us, text)));
}

void expect_size(const Expect *expect, yyjson_val *object, size_t members)
{
    if (yyjson_obj_size(object) != members) {
        char right[32], found[32];
        snprintf(right, sizeof right, "%zu members", members);
        snprintf(found, sizeof found, "%zu", yyjson_obj_size(object));
        fail(expect, "how many members it has", right, found);
    }
}

int64_t expect_any_int(const Expect *expect, yyjson_val *object, const char *name)
{
    yyjson_val *value = expect_member(expect, object, name);
    if (!yyjson_is_raw(value)) {
        fail_member(expect, name, "a number", yyjson_get_type_desc(value));
    }
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)yyjson_get_len(value), yyjson_get_raw(value));
    return strtoll(text, NULL, 10);
}
