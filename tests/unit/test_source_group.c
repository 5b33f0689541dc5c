/* Groups of messages: their bounds, their copies, their places. */
#include "intake/source_group.h"

#include <stdlib.h>

#include "unit.h"

enum { MESSAGES_MAX = 3 };

static int setup(void **state)
{
    static SourceGroup group;
    source_group_init(&group, MESSAGES_MAX);
    *state = &group;
    return 0;
}

static int teardown(void **state)
{
    source_group_release(*state);
    return 0;
}

static void add(SourceGroup *group, Str raw)
{
    Error error = {0};
    SourceMessage message = {.raw = raw, .place = STR("in/0/1"), .format = SOURCE_FORMAT_JSON};
    assert_int_equal(source_group_add(group, &message, &error), STATUS_OK);
}

static void put_place(SourceGroup *group, const char *part, int64_t next, const char *mark)
{
    Error error = {0};
    assert_int_equal(source_group_put_place(group, str_from(part), next, str_from(mark), &error), STATUS_OK);
}

static void test_messages_have_a_bound(void **state)
{
    SourceGroup *group = *state;
    for (size_t i = 0; i < MESSAGES_MAX; i++) {
        assert_true(source_group_has_room(group, 5));
        add(group, STR("12345"));
        assert_int_equal(group->count, i + 1);
        assert_int_equal(group->bytes, 5 * (i + 1));
    }
    assert_false(source_group_has_room(group, 0));
    source_group_reset(group);
    assert_true(group->count == 0 && group->bytes == 0 && source_group_has_room(group, 5));
}

static void test_bytes_have_a_bound(void **state)
{
    SourceGroup *group = *state;
    assert_true(source_group_has_room(group, SOURCE_MESSAGE_BYTES_MAX)); /* the first one may be longer */
    add(group, STR("1"));
    assert_true(source_group_has_room(group, SOURCE_GROUP_BYTES - 1));
    assert_false(source_group_has_room(group, SOURCE_GROUP_BYTES));
}

/* The longest message there is, on top of a group that is nearly full. */
static void test_there_is_memory_for_the_longest(void **state)
{
    SourceGroup *group = *state;
    char *raw = malloc(SOURCE_MESSAGE_BYTES_MAX);
    assert_non_null(raw);
    memset(raw, 'x', SOURCE_MESSAGE_BYTES_MAX);
    add(group, (Str){raw, SOURCE_MESSAGE_BYTES_MAX});
    assert_int_equal(group->messages[0].raw.len, SOURCE_MESSAGE_BYTES_MAX);
    assert_int_equal(group->messages[0].raw.ptr[SOURCE_MESSAGE_BYTES_MAX - 1], 'x');
    assert_false(source_group_has_room(group, 1));
    source_group_reset(group);
    add(group, (Str){raw, SOURCE_GROUP_BYTES});
    assert_false(source_group_has_room(group, 1));
    free(raw);
}

static void test_texts_are_copied(void **state)
{
    SourceGroup *group = *state;
    Error error = {0};
    char texts[] = "\0raw\0place\0format\0trace\0token\0refused";
    SourceMessage message = {.raw = {texts, 5},
                             .place = {texts + 5, 5},
                             .format = {texts + 11, 6},
                             .traceparent = {texts + 18, 5},
                             .token = {texts + 24, 5},
                             .refused = {texts + 30, 7},
                             .letter = 7,
                             .outcome = OUTCOME_CREATED,
                             .error = {texts, 5}};
    assert_int_equal(source_group_add(group, &message, &error), STATUS_OK);
    memset(texts, '?', sizeof texts);
    const SourceMessage *copy = &group->messages[0];
    assert_true(copy->raw.len == 5 && memcmp(copy->raw.ptr, "\0raw\0", 5) == 0);
    assert_text(copy->place, "place");
    assert_text(copy->format, "format");
    assert_text(copy->traceparent, "trace");
    assert_text(copy->token, "token");
    assert_text(copy->refused, "refused");
    assert_int_equal(copy->letter, 7);
    /* What becomes of it is not known yet. */
    assert_int_equal(copy->outcome, OUTCOME_NONE);
    assert_text(copy->error, "");
}

static void test_empty_texts(void **state)
{
    SourceGroup *group = *state;
    Error error = {0};
    SourceMessage message = {0};
    assert_int_equal(source_group_add(group, &message, &error), STATUS_OK);
    assert_non_null(group->messages[0].raw.ptr);
    assert_int_equal(group->messages[0].refused.len, 0);
    assert_int_equal(group->bytes, 0);
}

static void test_places_are_replaced_by_part(void **state)
{
    SourceGroup *group = *state;
    char part[] = "in/0", mark[] = "first";
    put_place(group, part, 1, mark);
    part[0] = mark[0] = '?';
    put_place(group, "in/1", 7, "");
    put_place(group, "in/0", 3, "second");
    assert_int_equal(group->place_count, 2);
    assert_text(group->places[0].part, "in/0");
    assert_int_equal(group->places[0].next, 3);
    assert_text(group->places[0].mark, "second");
    assert_text(group->places[1].part, "in/1");
    assert_int_equal(group->places[1].next, 7);
    assert_text(group->places[1].mark, "");
    source_group_reset(group);
    assert_int_equal(group->place_count, 0);
    put_place(group, "in/2", 1, "");
    assert_int_equal(group->place_count, 1);
}

static void test_many_places(void **state)
{
    SourceGroup *group = *state;
    char part[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(part, sizeof part, "in/%d", i % 500);
        put_place(group, part, i, "");
    }
    assert_int_equal(group->place_count, 500);
    for (int i = 0; i < 500; i++) {
        snprintf(part, sizeof part, "in/%d", i);
        assert_text(group->places[i].part, part);
        assert_int_equal(group->places[i].next, 500 + i);
    }
}

/* What does not fit is not half there. */
static void test_no_memory(void **state)
{
    SourceGroup *group = *state;
    Error error = {0};
    static const char filler[4096] = {'f'};
    SourceMessage message = {.raw = {filler, sizeof filler}, .place = STR("p"), .format = STR("json")};
    group->arena.bytes_max = 3 << 20;
    size_t count = 0, places = 0;
    while (places < 80 &&
           source_group_put_place(group, (Str){filler, 4000 + places}, 1, STR(""), &error) == STATUS_OK) {
        places++;
    }
    assert_int_equal(group->place_count, places);
    group->cap = 10000;
    while (count < 9000 && source_group_add(group, &message, &error) == STATUS_OK) {
        count++;
    }
    assert_in_range(count, 0, 8999);
    assert_int_equal(group->count, count);
    assert_int_equal(group->bytes, count * sizeof filler);
    assert_true(error.message[0] != '\0');
}

#define GROUP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GROUP_TEST(test_messages_have_a_bound),
        GROUP_TEST(test_bytes_have_a_bound),
        GROUP_TEST(test_there_is_memory_for_the_longest),
        GROUP_TEST(test_texts_are_copied),
        GROUP_TEST(test_empty_texts),
        GROUP_TEST(test_places_are_replaced_by_part),
        GROUP_TEST(test_many_places),
        GROUP_TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
