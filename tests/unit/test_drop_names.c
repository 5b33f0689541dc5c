/* Names in a drop directory. */
#include "unit.h"

#include "intake/drop_names.h"

#define DEFAULT "*.ndjson, *.json,*.gz"

static void test_wanted(void **state)
{
    (void)state;
    assert_true(drop_name_is_wanted("a.ndjson", DEFAULT));
    assert_true(drop_name_is_wanted("a.json", DEFAULT));
    assert_true(drop_name_is_wanted("a b.csv.gz", DEFAULT));
    assert_true(drop_name_is_wanted("a", "*"));
    assert_true(drop_name_is_wanted("orders-7.txt", "invoice*, orders-[0-9].txt"));
}

static void test_not_wanted(void **state)
{
    (void)state;
    static const char *const names[] = {"",          "a.csv",       ".a.ndjson",      "a.ndjson.part",   "a.ndjson.tmp",
                                        "a.ndjson~", "a.json.PART", "a.json.partial", "a.json.filepart", ".",
                                        ".."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_false(drop_name_is_wanted(names[i], DEFAULT));
    }
    assert_false(drop_name_is_wanted(".a", "*"));
    assert_false(drop_name_is_wanted(".a", ".*"));
    assert_false(drop_name_is_wanted("a.tmp", "*"));
    assert_false(drop_name_is_wanted("a.csv.report.ndjson", DEFAULT)); /* put back together with its file */
    assert_false(drop_name_is_wanted("a.csv.1.report.ndjson", "*"));
    assert_true(drop_name_is_wanted("report.ndjson", DEFAULT));
    assert_false(drop_name_is_wanted("a", ""));
    assert_false(drop_name_is_wanted("a", " , ,"));
}

static void test_long_names(void **state)
{
    (void)state;
    char name[FILE_MARK_NAME_BYTES_MAX + 2], target[DROP_NAME_BYTES_MAX];
    memset(name, 'a', sizeof name);
    name[FILE_MARK_NAME_BYTES_MAX + 1] = '\0';
    assert_false(drop_name_is_wanted(name, "*"));
    name[FILE_MARK_NAME_BYTES_MAX] = '\0';
    assert_true(drop_name_is_wanted(name, "*"));
    drop_report_name_of(target, name, 9999);
    assert_int_equal(strlen(target), FILE_MARK_NAME_BYTES_MAX + strlen(".9999.report.ndjson"));
    assert_true(strlen(target) <= 255); /* what file systems take */
}

static void test_numbers(void **state)
{
    (void)state;
    char target[DROP_NAME_BYTES_MAX];
    drop_name_of(target, "a.csv", 0);
    assert_string_equal(target, "a.csv");
    drop_name_of(target, "a.csv", 2);
    assert_string_equal(target, "a.csv.2");
    drop_report_name_of(target, "a.csv", 0);
    assert_string_equal(target, "a.csv.report.ndjson");
    drop_report_name_of(target, "a.csv", 2);
    assert_string_equal(target, "a.csv.2.report.ndjson");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_not_wanted),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests_name("drop_names", tests, NULL, NULL);
}
