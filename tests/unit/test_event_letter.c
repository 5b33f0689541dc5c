/* By what dead letters of events are known again, and how they are to be read. */
#include "record/event_letter.h"

#include "unit.h"

static void check_place(Arena *arena, Str raw, const char *mapping, const char *expected)
{
    assert_text(event_letter_place(raw, str_from(mapping), arena), expected);
}

static void test_place(void **state)
{
    Arena arena;
    (void)state;
    arena_init(&arena, 1 << 10, 1 << 16);
    check_place(&arena, STR("abc"), "", "bytes:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *nothing = "bytes:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    check_place(&arena, STR(""), "", nothing);
    check_place(&arena, (Str){NULL, 0}, "", nothing);
    check_place(&arena, STR("a\0b"), "", "bytes:59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138");
    arena_release(&arena);
}

/* The same bytes are to be read in another way: they are another letter. */
static void test_place_with_a_mapping(void **state)
{
    Arena arena;
    (void)state;
    arena_init(&arena, 1 << 10, 1 << 16);
    check_place(&arena, STR("abc"), "shop",
                "bytes:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad?mapping=shop");
    assert_text(event_letter_place_of_record(STR("sha256:12"), STR("shop"), &arena), "sha256:12?mapping=shop");
    assert_text(event_letter_place_of_record(STR("sha256:12"), STR(""), &arena), "sha256:12");
    arena_release(&arena);
}

static void check_format(Arena *arena, Str mapping, const char *expected)
{
    Str parsed = STR("left");
    Str format = event_letter_format(mapping, arena);
    assert_text(format, expected);
    assert_true(event_format_parse(format, &parsed));
    assert_true(str_equal(parsed, mapping));
}

static void test_format(void **state)
{
    Arena arena;
    (void)state;
    arena_init(&arena, 1 << 10, 1 << 16);
    check_format(&arena, STR(""), "event");
    check_format(&arena, STR("shop"), "event:shop");
    check_format(&arena, STR("event:"), "event:event:");
    arena_release(&arena);
}

static void test_other_formats(void **state)
{
    static const char *const others[] = {"", "json", "csv", "even", "events", "Event", "event ", "xevent:shop"};
    Str mapping = STR("left");
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(event_format_parse(str_from(others[i]), &mapping));
        assert_text(mapping, "");
    }
    assert_true(event_format_parse(STR("event:"), &mapping)); /* whichever fits */
    assert_text(mapping, "");
}

static void test_no_memory(void **state)
{
    Arena arena;
    (void)state;
    arena_init(&arena, 16, 16);
    assert_null(event_letter_place(STR("abc"), STR(""), &arena).ptr);
    assert_null(event_letter_place_of_record(STR("sha256:12"), STR("shop"), &arena).ptr);
    assert_text(event_letter_place_of_record(STR("sha256:12"), STR(""), &arena), "sha256:12");
    assert_null(event_letter_format(STR("a mapping with a long name"), &arena).ptr);
    assert_text(event_letter_format(STR(""), &arena), "event");
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place),     cmocka_unit_test(test_place_with_a_mapping),
        cmocka_unit_test(test_format),    cmocka_unit_test(test_other_formats),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
