#include "unit.h"

#include "record/record_json.h"

static const RecordPolicy policy = {.scale = 2, .hash_seed = 5};
static const RecordPolicy strict = {.scale = 2, .hash_seed = 5, .refuse_unknown_fields = true};

/* Cells as one text: [a][b], or what went wrong, and what is left after a bar. */
static void split_shown(const char *text, bool complete, char ret_shown[1024])
{
    char copy[512];
    Str cells[CSV_COLUMNS_MAX], rest = {copy, strlen(text)};
    size_t count = 99;
    Error error;
    memcpy(copy, text, strlen(text) + 1);
    Status status = csv_line_split(&rest, complete, cells, &count, &error);
    int len = 0;
    if (status == STATUS_OK) {
        for (size_t i = 0; i < count; i++) {
            len += snprintf(ret_shown + len, 1024 - (size_t)len, "[%.*s]", STR_ARGS(cells[i]));
        }
    } else {
        len += snprintf(ret_shown, 1024, "%s: %s", status_name(status), error.message);
    }
    if (status == STATUS_BUSY) {
        assert_memory_equal(copy, text, strlen(text));
    }
    snprintf(ret_shown + len, 1024 - (size_t)len, "|%.*s", STR_ARGS(rest));
}

static void test_split(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool complete;
        const char *shown;
    } cases[] = {
        {"a,b,c\nd", false, "[a][b][c]|d"},
        {"a,b,c\r\nd", false, "[a][b][c]|d"},
        {"a,b", true, "[a][b]|"},
        {"a,b\r", true, "[a][b]|"},
        {"a,b", false, "busy: the line is not whole yet|a,b"},
        {"a,b\r", false, "busy: the line is not whole yet|a,b\r"},
        {"", true, "|"},
        {"\nx", false, "|x"},
        {"\r\nx", false, "|x"},
        {"\"\"\nx", false, "[]|x"},
        {",\n", false, "[][]|"},
        {"a,\n", false, "[a][]|"},
        {"a,", true, "[a][]|"},
        {"\"a,b\",\"c\"\"d\",\"\"\"\"\n", false, "[a,b][c\"d][\"]|"},
        {"\"a\nb\r\nc\",d\r\ne", false, "[a\nb\r\nc][d]|e"},
        {"\"a", false, "busy: the line is not whole yet|\"a"},
        {"\"a\nb", false, "busy: the line is not whole yet|\"a\nb"},
        {"\"a\"", false, "busy: the line is not whole yet|\"a\""},
        {"\"a\"\r", false, "busy: the line is not whole yet|\"a\"\r"},
        {"\"a\"", true, "[a]|"},
        {"\"a\"\r", true, "[a]|"},
        {"a\rb,c\n", false, "[a\rb][c]|"},
        {"\"a", true, "refused: a quoted cell has no closing quote|"},
        {"a\"b,c\nd", true, "refused: a quote stands inside a cell that does not begin with one|d"},
        {"a\"b,c", false, "busy: the line is not whole yet|a\"b,c"},
        {"\"a\"b,c\nd", true, "refused: a closing quote is followed by neither a comma nor the end of the line|d"},
        {"\"a\" ,c\nd", true, "refused: a closing quote is followed by neither a comma nor the end of the line|d"},
        {"\xEF\xBB\xBF\"a\",b\n", false, "[a][b]|"},
        {" a , b \n", false, "[ a ][ b ]|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char shown[1024];
        split_shown(cases[i].text, cases[i].complete, shown);
        if (strcmp(shown, cases[i].shown) != 0) {
            fail_msg("%s\n   gave: %s\ninstead: %s", cases[i].text, shown, cases[i].shown);
        }
    }
}

static void test_too_many_columns(void **state)
{
    (void)state;
    for (size_t columns = CSV_COLUMNS_MAX; columns <= CSV_COLUMNS_MAX + 2; columns++) {
        char text[256] = "";
        Str cells[CSV_COLUMNS_MAX], rest = {text, 0};
        size_t count;
        Error error;
        memset(text, ',', columns - 1);
        memcpy(text + columns - 1, "\"\n\"\nb,c\n", 8);
        rest.len = columns - 1 + 8;
        Status status = csv_line_split(&rest, false, cells, &count, &error);
        assert_int_equal(status, columns > CSV_COLUMNS_MAX ? STATUS_REFUSED : STATUS_OK);
        if (status == STATUS_REFUSED) {
            assert_string_equal(error.message, "the line has too many columns");
        }
        assert_text(rest, "b,c\n");
        assert_int_equal(csv_line_split(&rest, false, cells, &count, &error), STATUS_OK);
        assert_int_equal(count, 2);
    }
}

#define NAMES "recordId", "time", "sourceId", "destinationId", "type", "value", "unit", "reference"

static Status parse_header(const char *const *names, size_t count, const RecordPolicy *by, CsvHeader *header,
                           Error *error)
{
    Str cells[CSV_COLUMNS_MAX];
    for (size_t i = 0; i < count; i++) {
        cells[i] = str_from(names[i]);
    }
    return csv_header_parse(cells, count, by, header, error);
}

static void test_header(void **state)
{
    (void)state;
    CsvHeader header;
    Error error;
    const char *const plain[] = {NAMES};
    assert_int_equal(parse_header(plain, 8, &strict, &header, &error), STATUS_OK);
    for (int i = 0; i < RECORD_FIELD_COUNT; i++) {
        assert_int_equal(header.column_of[i], i);
    }
    assert_int_equal(header.columns, 8);

    const char *const snake[] = {"\xEF\xBB\xBFunit", "reference", " value ", "type",
                                 "destination_id",   "source_id", "time",    "record_id"};
    const int expected[] = {7, 6, 5, 4, 3, 2, 0, 1};
    assert_int_equal(parse_header(snake, 8, &strict, &header, &error), STATUS_OK);
    assert_memory_equal(header.column_of, expected, sizeof expected);

    const char *const more[] = {"id", NAMES, "a_very_long_column_name_of_someone_else"};
    assert_int_equal(parse_header(more, 10, &policy, &header, &error), STATUS_OK);
    assert_int_equal(header.column_of[0], 1);
    assert_int_equal(header.columns, 10);
    assert_int_equal(parse_header(more, 10, &strict, &header, &error), STATUS_REFUSED);
    assert_string_equal(error.message, "the CSV header's column \"id\" is not a field of a record");
}

static void test_bad_headers(void **state)
{
    (void)state;
    CsvHeader header = {.columns = 77};
    Error error;
    const char *const twice[] = {NAMES, "record_id"};
    assert_int_equal(parse_header(twice, 9, &policy, &header, &error), STATUS_REFUSED);
    assert_string_equal(error.message, "the CSV header has the column recordId twice");
    const char *const names[] = {NAMES};
    assert_int_equal(parse_header(names, 7, &policy, &header, &error), STATUS_REFUSED);
    assert_string_equal(error.message, "the CSV header has no column reference");
    assert_int_equal(parse_header(names, 0, &policy, &header, &error), STATUS_REFUSED);
    assert_string_equal(error.message, "the CSV header has no column recordId");
    assert_int_equal(header.columns, 77);
}

static void check_cells(const char *const *texts, size_t count, const char *problems)
{
    const char *const names[] = {NAMES, "note"};
    CsvHeader header;
    Record record;
    RecordProblems found;
    Str cells[CSV_COLUMNS_MAX];
    Buf buf;
    for (size_t i = 0; i < count; i++) {
        cells[i] = str_from(texts[i]);
    }
    assert_int_equal(parse_header(names, 9, &policy, &header, NULL), STATUS_OK);
    Status status = record_from_csv(cells, count, &header, &policy, &record, &found);
    buf_init(&buf, 4096);
    record_problems_put_text(&buf, &found);
    buf_put_char(&buf, '\0');
    assert_string_equal(buf.ptr, problems);
    assert_int_equal(status, *problems ? STATUS_REFUSED : STATUS_OK);
    if (status == STATUS_OK) {
        assert_text(record.record_id, texts[0]);
        assert_text(record.reference, texts[7]);
        assert_true(record.identity_hash == record_identity_hash(&record, IDENTITY_RECORD_ID, 5));
    }
    buf_release(&buf);
}

static void test_records(void **state)
{
    (void)state;
    const char *good[] = {"r-1", "2025-01-01 10:00:00", "s", "d", "negative", "1.5", "EUR", "ref", ""};
    check_cells(good, 9, "");
    check_cells(good, 8, "the record must have as many cells as the CSV header has columns");
    const char *empty[] = {"", "", "", "", "", "", "", "", ""};
    check_cells(empty, 9,
                "recordId is required; time is required; sourceId is required; destinationId is required; "
                "type is required; value is required; unit is required; reference is required");
    const char *bad[] = {"r\xFF", "2025-02-29 10:00:00", "s", "d", "minus", "1e2", "EUR", "ref", "\xFF"};
    check_cells(bad, 9,
                "recordId must be valid UTF-8; time is not a day of that month; type must be positive or negative; "
                "value must be a decimal number such as 100.50");
}

static void check_measure(const char *text, bool complete, bool whole, size_t bytes, size_t break_bytes)
{
    size_t is_bytes, is_break_bytes;
    assert_int_equal(csv_line_measure(str_from(text), complete, &is_bytes, &is_break_bytes), whole);
    assert_int_equal(is_bytes, bytes);
    if (whole) {
        assert_int_equal(is_break_bytes, break_bytes);
    }
}

static void test_measure(void **state)
{
    (void)state;
    check_measure("a,b\nc", false, true, 3, 1);
    check_measure("a,b\r\nc", false, true, 3, 2);
    check_measure("", false, false, 0, 0);
    check_measure("a,b", false, false, 3, 0);
    check_measure("a,b\r", false, false, 3, 0); /* whose line break begins here, or not */
    check_measure("a,\"b\"\r", false, false, 5, 0);
    check_measure("a,b\r", true, true, 3, 1);
    check_measure("a,b", true, true, 3, 0);
    check_measure("\"a\nb\"\nc", false, true, 5, 1);
    check_measure("\"a\nb", false, false, 4, 0);
    check_measure("a\"b\nc", false, true, 3, 1);
    check_measure("\"a\"b\nc", false, true, 4, 1);
    check_measure("\xEF\xBB\xBF\"a\n\"\nc", false, true, 7, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),       cmocka_unit_test(test_too_many_columns), cmocka_unit_test(test_header),
        cmocka_unit_test(test_bad_headers), cmocka_unit_test(test_records),          cmocka_unit_test(test_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
