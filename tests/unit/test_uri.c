#include "unit.h"

#include "http/uri.h"

static Arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 4096, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static Status parse(const char *target, Uri *uri, Str *bad)
{
    return uri_parse(str_from(target), &arena, uri, bad, NULL);
}

static void test_parts(void **state)
{
    Uri uri;
    Str bad;
    (void)state;
    assert_int_equal(parse("/api/records?type=positive&startTime=2025-01-01+10%3A00%3A00&x&&y=", &uri, &bad),
                     STATUS_OK);
    assert_text(uri.path, "/api/records");
    assert_int_equal(uri.param_count, 4);
    assert_text(uri.params[0].name, "type");
    assert_text(uri.params[0].value, "positive");
    assert_text(uri.params[1].value, "2025-01-01 10:00:00");
    assert_text(uri.params[2].name, "x");
    assert_text(uri.params[2].value, "");
    assert_text(uri.params[3].name, "y");
}

static void test_forms(void **state)
{
    Uri uri;
    Str bad;
    (void)state;
    assert_int_equal(parse("http://host:80/health?a=b", &uri, &bad), STATUS_OK);
    assert_text(uri.path, "/health");
    assert_int_equal(parse("http://host", &uri, &bad), STATUS_OK);
    assert_text(uri.path, "/");
    assert_int_equal(parse("http://host?a=/b", &uri, &bad), STATUS_OK);
    assert_text(uri.path, "/");
    assert_text(uri.params[0].value, "/b");
    /* A scheme stands in front, and what stands elsewhere is none. */
    assert_int_equal(parse("x?a=b://y/health", &uri, &bad), STATUS_REFUSED);
    assert_int_equal(parse("x/y://z/health", &uri, &bad), STATUS_REFUSED);
    assert_int_equal(parse("://host/health", &uri, &bad), STATUS_REFUSED);
    assert_int_equal(parse("1http://host/health", &uri, &bad), STATUS_REFUSED);
    assert_int_equal(parse("*", &uri, &bad), STATUS_REFUSED);
    assert_int_equal(parse("", &uri, &bad), STATUS_REFUSED);
    assert_int_equal(parse("?a=b", &uri, &bad), STATUS_REFUSED);
    assert_int_equal(parse("/a b", &uri, &bad), STATUS_REFUSED);
}

static void test_bad_parameters(void **state)
{
    static const char *const targets[] = {"/r?type=%zz", "/r?type=%4", "/r?type=%00", "/r?type=%ff",
                                          "/r?type=%ed%a0%80"};
    Uri uri;
    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        Str bad = {NULL, 0};
        assert_int_equal(parse(targets[i], &uri, &bad), STATUS_REFUSED);
        assert_text(bad, "type");
    }
}

static void test_too_many_parameters(void **state)
{
    char target[URI_PARAMS_MAX * 2 + 16] = "/r?";
    Uri uri;
    Str bad;
    (void)state;
    for (size_t i = 0; i <= URI_PARAMS_MAX; i++) {
        snprintf(target + 3 + i * 2, 3, "a&");
    }
    assert_int_equal(parse(target, &uri, &bad), STATUS_REFUSED);
    assert_int_equal(bad.len, 0);
    target[3 + URI_PARAMS_MAX * 2] = '\0';
    assert_int_equal(parse(target, &uri, &bad), STATUS_OK);
    assert_int_equal(uri.param_count, URI_PARAMS_MAX);
}

static void test_decode(void **state)
{
    Str text;
    (void)state;
    assert_int_equal(uri_decode(STR("a%2Fb+c%C3%A9"), false, &arena, &text, NULL), STATUS_OK);
    assert_text(text, "a/b+c\xc3\xa9");
    assert_int_equal(uri_decode(STR("a+b"), true, &arena, &text, NULL), STATUS_OK);
    assert_text(text, "a b");
    assert_int_equal(uri_decode((Str){NULL, 0}, true, &arena, &text, NULL), STATUS_OK);
    assert_int_equal(text.len, 0);
}

static void test_match(void **state)
{
    Str segment[URI_SEGMENTS_MAX] = {{NULL, 0}};
    (void)state;
    assert_true(uri_match(STR("/api/records/a%2Fb"), "/api/records/{recordId}", segment));
    assert_text(segment[0], "a%2Fb");
    assert_false(uri_match(STR("/api/records/"), "/api/records/{recordId}", segment));
    assert_false(uri_match(STR("/api/records/a/b"), "/api/records/{recordId}", segment));
    assert_false(uri_match(STR("/api/record"), "/api/records", segment));
    assert_false(uri_match(STR("/api/records/"), "/api/records", segment));
    assert_true(uri_match(STR("/"), "/", segment));
    assert_true(uri_match(STR("/sinks/a/replays/7"), "/sinks/{name}/replays/{id}", segment));
    assert_text(segment[0], "a");
    assert_text(segment[1], "7");
    assert_false(uri_match(STR("/sinks/a/replays"), "/sinks/{name}/replays/{id}", segment));
    assert_false(uri_match(STR("/a/b/c"), "/{1}/{2}/{3}", segment)); /* more than there is room for */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_parameters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_parameters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_decode, set_up, tear_down),
        cmocka_unit_test(test_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
