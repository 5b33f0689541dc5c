#include "unit.h"

#include "base/uuid.h"

static int64_t wall_us;

static int64_t tell_wall(void *self)
{
    (void)self;
    return wall_us;
}

static Status fill_ones(void *self, void *bytes, size_t count, Error *reterr)
{
    (void)self, (void)reterr;
    memset(bytes, 0xff, count);
    return STATUS_OK;
}

static Status fill_nothing(void *self, void *bytes, size_t count, Error *reterr)
{
    (void)self, (void)bytes, (void)count;
    return error_set(reterr, STATUS_BROKEN, "there is none");
}

static const Clock at_wall = {.wall_us = tell_wall, .monotonic_us = tell_wall};

/* RFC 9562, appendix A.6, has this time: 2022-02-22T19:22:22Z is 0x017F22E279B0 ms. */
static void test_form(void **state)
{
    char text[UUID_TEXT_BYTES];
    Error error;
    (void)state;
    wall_us = INT64_C(0x017F22E279B0) * 1000 + 999;
    assert_int_equal(uuid_make(&at_wall, &(Random){.fill = fill_ones}, text, &error), STATUS_OK);
    assert_string_equal(text, "017f22e2-79b0-7fff-bfff-ffffffffffff");
}

static void test_later_ones_sort_behind(void **state)
{
    char before[UUID_TEXT_BYTES], text[UUID_TEXT_BYTES];
    Error error;
    (void)state;
    wall_us = INT64_C(1700000000000000);
    assert_int_equal(uuid_make(&at_wall, &random_system, before, &error), STATUS_OK);
    for (int i = 0; i < 1000; i++) {
        wall_us += 1000;
        assert_int_equal(uuid_make(&at_wall, &random_system, text, &error), STATUS_OK);
        assert_true(strcmp(before, text) < 0);
        assert_int_equal(strlen(text), UUID_TEXT_BYTES - 1);
        memcpy(before, text, sizeof text);
    }
}

static void test_without_randomness(void **state)
{
    char text[UUID_TEXT_BYTES];
    Error error;
    (void)state;
    assert_int_equal(uuid_make(&at_wall, &(Random){.fill = fill_nothing}, text, &error), STATUS_BROKEN);
    assert_string_equal(error.message, "there is none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_later_ones_sort_behind),
        cmocka_unit_test(test_without_randomness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
