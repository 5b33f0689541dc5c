/* The marks of places in files. */
#include "unit.h"

#include "intake/file_mark.h"

static const FileMark example = {
    .file = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2},
    .position = {FILE_FORMAT_CSV, INT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 4},
    .finished = true,
    .report_bytes = UINT64_MAX,
};

static void check_back(const FileMark *mark)
{
    char text[SOURCE_MARK_BYTES_MAX];
    FileMark back;
    size_t len = file_mark_format(mark, text);
    assert_true(len <= SOURCE_MARK_BYTES_MAX);
    assert_true(file_mark_parse((Str){text, len}, (int64_t)mark->position.offset, &back));
    assert_true(file_identity_equal(&back.file, &mark->file));
    const FilePosition *a = &back.position, *b = &mark->position;
    assert_true(a->format == b->format && a->offset == b->offset && a->line == b->line && a->items == b->items &&
                a->chain == b->chain && a->inside == b->inside);
    assert_int_equal(back.finished, mark->finished);
    assert_int_equal(back.report_bytes, mark->report_bytes);
    assert_true(str_equal(back.name, mark->name));
}

static void test_there_and_back(void **state)
{
    (void)state;
    FileMark mark = example;
    check_back(&mark);
    mark.name = STR("a name with spaces\nand breaks");
    check_back(&mark);
    char longest[FILE_MARK_NAME_BYTES_MAX];
    memset(longest, '9', sizeof longest);
    mark.name = (Str){longest, sizeof longest};
    check_back(&mark);
    check_back(&(FileMark){0});
}

static void test_others_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "1",
                                        "1 2 3 4 1 6 7 8 0 0 0",       /* no space behind the last */
                                        "2 2 3 4 1 6 7 8 0 0 0 ",      /* of a version that is not ours */
                                        "1 2 3 4 4 6 7 8 0 0 0 ",      /* no such format */
                                        "1 2 3 4 1 6 7 8 999999 0 0 ", /* no such state */
                                        "1 2 3 4 1 6 7 8 0 2 0 ",      /* neither finished nor not */
                                        "1 2 3 4 1 6 7 -8 0 0 0 ",     /* no number */
                                        "1 2 3 4 1 6 7 8 0 0 99999999999999999999999 "};
    FileMark mark;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_false(file_mark_parse(str_from(texts[i]), 0, &mark));
    }
    assert_true(file_mark_parse(STR("1 2 3 4 1 6 7 8 0 0 0 "), 0, &mark));
    assert_false(file_mark_parse(STR("1 2 3 4 1 6 7 8 0 0 0 "), -1, &mark));
    char long_name[SOURCE_MARK_BYTES_MAX];
    int len = snprintf(long_name, sizeof long_name, "1 2 3 4 1 6 7 8 0 0 0 %0231d", 0);
    assert_false(file_mark_parse((Str){long_name, (size_t)len}, 0, &mark));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_others_are_refused),
    };
    return cmocka_run_group_tests_name("file_mark", tests, NULL, NULL);
}
