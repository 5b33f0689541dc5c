/* What the commands show to people: tables, progress, counts, and what a server's refusal says. */
#include <yyjson.h>

#include "cli/client.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "unit.h"

static void test_counts(void **state)
{
    (void)state;
    char text[COUNT_BYTES_MAX];
    assert_string_equal(count_format(0, text), "0");
    assert_string_equal(count_format(999, text), "999");
    assert_string_equal(count_format(1000, text), "1,000");
    assert_string_equal(count_format(1234567, text), "1,234,567");
    assert_string_equal(count_format(UINT64_MAX, text), "18,446,744,073,709,551,615");
}

static void check_progress(uint64_t behind, uint64_t done, uint64_t total, uint64_t records, int64_t elapsed_us,
                           const char *expected)
{
    char text[PROGRESS_BYTES_MAX];
    Progress progress = {.what = "taking in", .behind = behind};
    assert_int_equal(progress_format(text, &progress, done, total, records, elapsed_us), strlen(expected));
    assert_string_equal(text, expected);
}

static void test_progress(void **state)
{
    (void)state;
    check_progress(0, 0, 100, 0, 0, "taking in  [                        ]   0 %  0 records");
    check_progress(0, 50, 100, 2000, 2000000,
                   "taking in  [############            ]  50 %  2,000 records  1,000/s  0:02 left");
    check_progress(0, 1, 1000, 1, 1000000, "taking in  [                        ]   0 %  1 records  1/s  16:39 left");
    check_progress(0, 100, 100, 7, 1000000, "taking in  [########################] 100 %  7 records  7/s  0:00 left");
    check_progress(0, 200, 100, 7, 1000000, "taking in  [########################] 100 %  7 records  7/s");
    check_progress(40, 50, 100, 2000, 2000000,
                   "taking in  [############            ]  50 %  2,000 records  1,000/s  0:10 left");
    check_progress(0, 200, 0, 7, 700000, "taking in  7 records  10/s");
}

static void test_progress_counts_other_things(void **state)
{
    (void)state;
    char text[PROGRESS_BYTES_MAX];
    Progress progress = {.what = "onboarding", .noun = "organizations"};
    progress_format(text, &progress, 5, 0, 5, 100000);
    assert_string_equal(text, "onboarding  5 organizations");
}

static void test_progress_is_cut(void **state)
{
    (void)state;
    char what[PROGRESS_BYTES_MAX * 2], text[PROGRESS_BYTES_MAX];
    memset(what, 'x', sizeof what - 1);
    what[sizeof what - 1] = '\0';
    assert_int_equal(progress_format(text, &(Progress){.what = what}, 1, 2, 3, 4000000), PROGRESS_BYTES_MAX - 1);
    assert_int_equal(strlen(text), PROGRESS_BYTES_MAX - 1);
}

static void check_table(Table *table, const char *expected)
{
    Buf out;
    buf_init(&out, 65536);
    assert_false(table->failed);
    table_print(table, &out);
    buf_put_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    buf_release(&out);
    table_release(table);
}

static void test_table(void **state)
{
    (void)state;
    Table table;
    table_init(&table);
    size_t name = table_column(&table, STR("name"), false), value = table_column(&table, STR("value"), true);
    assert_int_equal(table_column(&table, STR("name"), false), name);
    table_begin_row(&table);
    table_put(&table, name, STR("żółw"));
    table_put(&table, value, STR("5.00"));
    table_begin_row(&table);
    table_put(&table, value, STR("-12345.00"));
    size_t late = table_column(&table, STR("late"), false);
    table_put(&table, late, STR("x"));
    check_table(&table, "name      value  late\nżółw       5.00  \n      -12345.00  x\n");
    table_init(&table);
    table_column(&table, STR("nothing"), false);
    check_table(&table, "");
}

/* A terminal obeys escape sequences, and records come from strangers. */
static void test_table_is_harmless(void **state)
{
    (void)state;
    Table table;
    table_init(&table);
    size_t column = table_column(&table, STR("id"), false);
    table_begin_row(&table);
    table_put(&table, column,
              STR("a\033[2Jb\nc\x7F\xC2\x9B"
                  "d"));
    check_table(&table, "id\na [2Jb c   d\n");
}

static void test_table_has_so_many_columns(void **state)
{
    (void)state;
    Table table;
    table_init(&table);
    char name[8];
    for (size_t i = 0; i <= TABLE_COLUMNS_MAX; i++) {
        snprintf(name, sizeof name, "%zu", i);
        assert_int_equal(table_column(&table, str_from(name), true), i);
    }
    table_begin_row(&table);
    table_put(&table, TABLE_COLUMNS_MAX, STR("dropped"));
    assert_false(table.failed);
    table_release(&table);
}

static void check_problem(long code, const char *body, Status status, const char *message)
{
    Error error = {0};
    client_describe_problem(code, str_from(body), &error);
    assert_int_equal(error.status, status);
    assert_string_equal(error.message, message);
}

static void test_problems(void **state)
{
    (void)state;
    check_problem(422, "{\"detail\":\"d\",\"errors\":{\"value\":[\"is required\",\"is odd\"],\"time\":[\"is late\"]}}",
                  STATUS_REFUSED, "the server answered 422: value is required; value is odd; time is late");
    check_problem(409, "{\"detail\":\"differs\"}", STATUS_CONFLICT, "the server answered 409: differs");
    check_problem(503, "{\"message\":\"full\"}", STATUS_BUSY, "the server answered 503: full");
    check_problem(429, "", STATUS_BUSY, "the server answered 429");
    check_problem(502, "<html>", STATUS_UNKNOWN, "the server answered 502");
    check_problem(500, "[]", STATUS_BROKEN, "the server answered 500");
    check_problem(404, "{\"errors\":[1],\"detail\":7,\"message\":null}", STATUS_REFUSED, "the server answered 404");
    check_problem(422, "{\"errors\":{\"a\":\"b\",\"c\":[1,{}]}}", STATUS_REFUSED, "the server answered 422: c ; c ");
}

static bool no_memory_to_read; /* for JSON */

yyjson_doc *__real_yyjson_read_opts(char *text, size_t len, yyjson_read_flag flags, const yyjson_alc *alc,
                                    yyjson_read_err *err);
yyjson_doc *__wrap_yyjson_read_opts(char *text, size_t len, yyjson_read_flag flags, const yyjson_alc *alc,
                                    yyjson_read_err *err);

yyjson_doc *__wrap_yyjson_read_opts(char *text, size_t len, yyjson_read_flag flags, const yyjson_alc *alc,
                                    yyjson_read_err *err)
{
    if (!no_memory_to_read) {
        return __real_yyjson_read_opts(text, len, flags, alc, err);
    }
    if (err) {
        *err = (yyjson_read_err){.code = YYJSON_READ_ERROR_MEMORY_ALLOCATION, .msg = "no memory"};
    }
    return NULL;
}

/* That nothing could be read is not that nothing is there. */
static void test_why_a_record_is_none(void **state)
{
    (void)state;
    const Str errors = STR("{\"value\":[\"is required\"],\"time\":[\"is late\"]}");
    Buf text;
    buf_init(&text, 256);
    client_put_field_errors(&text, errors);
    assert_text(buf_str(&text), "value is required; time is late");
    buf_reset(&text);
    client_put_field_errors(&text, STR(""));
    client_put_field_errors(&text, STR("{\"value\":[\"is re"));
    assert_true(text.len == 0 && !text.failed);
    no_memory_to_read = true;
    client_put_field_errors(&text, errors);
    no_memory_to_read = false;
    assert_true(text.len == 0 && text.failed && text.no_memory);
    buf_release(&text);
}

static void test_urls(void **state)
{
    (void)state;
    Client *client = NULL;
    Error error;
    static const char *const bad[] = {"", "127.0.0.1:8080", "ftp://x", "file:///etc/passwd", "HTTP//x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(client_open(bad[i], &client, &error), STATUS_REFUSED);
        assert_null(client);
    }
    assert_int_equal(client_open("http://127.0.0.1:8080///", &client, &error), STATUS_OK);
    client_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_progress_counts_other_things),
        cmocka_unit_test(test_progress_is_cut),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_is_harmless),
        cmocka_unit_test(test_table_has_so_many_columns),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_why_a_record_is_none),
        cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests_name("cli_text", tests, NULL, NULL);
}
