#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "onboard/organization.h"

static const RecordPolicy lenient = {.scale = 2, .hash_seed = 5};
static const RecordPolicy strict = {.scale = 2, .hash_seed = 5, .refuse_unknown_fields = true};

enum { ARENA_BYTES_MAX = 64 << 20 };

static yyjson_val *read_text(Arena *arena, const char *text, size_t len)
{
    yyjson_val *value = NULL;
    Error error;
    char *copy = arena_alloc_zero(arena, len + YYJSON_PADDING_SIZE);
    assert_non_null(copy);
    memcpy(copy, text, len);
    if (json_read(copy, len, arena, &value, &error) != STATUS_OK) {
        fail_msg("%s: %s", text, error.message);
    }
    return value;
}

/* The fields between bars, or the problems as JSON. */
static void show(Status status, const OrganizationContent *content, const RecordProblems *problems, Buf *shown)
{
    const Str texts[] = {content->name, content->domain, content->contact_email, content->metadata};
    assert_int_equal(status, problems->count > 0 ? STATUS_REFUSED : STATUS_OK);
    buf_reset(shown);
    if (status == STATUS_REFUSED) {
        organization_problems_put_json(shown, problems);
    }
    for (size_t i = 0; status == STATUS_OK && i < 4; i++) {
        buf_put(shown, i > 0 ? STR("|") : STR(""));
        buf_put(shown, texts[i].ptr ? texts[i] : STR("-"));
    }
    for (size_t i = 0; i < problems->unknown_count; i++) {
        BUF_PUT(shown, " ?");
        buf_put(shown, problems->unknown_fields[i]);
    }
    assert_false(shown->failed);
}

static void check_json(const char *text, OrganizationExtent extent, const RecordPolicy *policy, const char *expected)
{
    Arena arena;
    Buf shown;
    OrganizationContent content;
    RecordProblems problems;
    arena_init(&arena, 4096, ARENA_BYTES_MAX);
    buf_init(&shown, 1 << 20);
    yyjson_val *value = read_text(&arena, text, strlen(text));
    Status status = organization_from_json(value, extent, policy, &arena, &content, &problems);
    show(status, &content, &problems, &shown);
    assert_text(buf_str(&shown), expected);
    buf_release(&shown);
    arena_release(&arena);
}

#define REST ",\"domain\":\"acme.com\",\"contact_email\":\"a@acme.com\"}"
#define ACME "|acme.com|a@acme.com"
#define TEXT "must be a string of 1 to 255 characters"

/* ---- Names ------------------------------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *json, *becomes; /* ! and the problem */
    } cases[] = {
        {"\"Acme Corporation\"", "Acme Corporation"},
        {"\"  Acme \\t\\r\\n\"", "Acme"},
        {"\"\\u00a0\\u3000Acme\\u2003\\u2028\"", "Acme"},
        {"\"A\\u00a0B\"", "A\u00A0B"},
        {"\"ACME GmbH & Co. KG <x>\"", "ACME GmbH & Co. KG <x>"},
        {"\"株式会社\"", "株式会社"},
        {"\"👩\\u200d🚀 Space\"", "👩\u200D🚀 Space"},
        {"\"x\"", "x"},
        {"\"'; drop table organizations; --\"", "'; drop table organizations; --"},
        {"\"=1+1\"", "=1+1"},
        {"\"\"", "!" TEXT},
        {"\" \\n \"", "!" TEXT},
        {"\"\\u3000\"", "!" TEXT},
        {"\"a\\u0000b\"", "!must not contain control characters"},
        {"\"\\u0000\"", "!must not contain control characters"},
        {"\"a\\nb\"", "!must not contain control characters"},
        {"\"a\\tb\"", "!must not contain control characters"},
        {"\"a\\u0085b\"", "!must not contain control characters"},
        {"\"a\\u007fb\"", "!must not contain control characters"},
        {"\"a\\u2028b\"", "!must not contain control characters"},
        {"\"a\\u202eb\"", "!must not contain control characters"},
        {"\"a\\u2066b\"", "!must not contain control characters"},
        {"null", "!must not be null"},
        {"7", "!must be a string"},
        {"[\"Acme\"]", "!must be a string"},
        {"{}", "!must be a string"},
        {"true", "!must be a string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256], expected[256];
        bool is_bad = cases[i].becomes[0] == '!';
        snprintf(text, sizeof text, "{\"name\":%s" REST, cases[i].json);
        snprintf(expected, sizeof expected, is_bad ? "{\"name\":[\"%s\"]}" : "%s" ACME "|-", cases[i].becomes + is_bad);
        check_json(text, ORGANIZATION_WHOLE, &lenient, expected);
    }
}

static void check_long_name(const char *character, size_t count, bool good)
{
    char text[2048] = "{\"name\":\"";
    Arena arena;
    OrganizationContent content;
    RecordProblems problems;
    size_t len = strlen(text);
    for (size_t i = 0; i < count; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", character);
    }
    snprintf(text + len, sizeof text - len, "\"" REST);
    arena_init(&arena, 4096, ARENA_BYTES_MAX);
    yyjson_val *value = read_text(&arena, text, strlen(text));
    Status status = organization_from_json(value, ORGANIZATION_WHOLE, &lenient, &arena, &content, &problems);
    assert_int_equal(status, good ? STATUS_OK : STATUS_REFUSED);
    assert_int_equal(content.name.len, good ? count * strlen(character) : 0);
    arena_release(&arena);
}

static void test_length_of_names(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "é", "日", "😀"};
    for (size_t i = 0; i < 4; i++) {
        check_long_name(characters[i], 255, true);
        check_long_name(characters[i], 256, false);
    }
}

/* ---- Fields ------------------------------------------------------------------------------------------------------ */

#define WHOLE "{\"name\":\"Acme\"" REST

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        const char *json, *shown;
    } cases[] = {
        {WHOLE, "Acme" ACME "|-"},
        {"{\"contact_email\":\"A@Acme.COM\",\"domain\":\"https://ACME.com./x\",\"name\":\"Acme\"}",
         "Acme|acme.com|A@acme.com|-"},
        {"{}", "{\"name\":[\"is required\"],\"domain\":[\"is required\"],\"contact_email\":[\"is required\"]}"},
        {"[]", "{\"organization\":[\"must be a JSON object\"]}"},
        {"null", "{\"organization\":[\"must be a JSON object\"]}"},
        {"\"acme.com\"", "{\"organization\":[\"must be a JSON object\"]}"},
        {"{\"name\":1,\"domain\":2,\"contact_email\":null,\"metadata\":3}",
         "{\"name\":[\"must be a string\"],\"domain\":[\"must be a string\"],\"contact_email\":[\"must not be null\"],"
         "\"metadata\":[\"must be a JSON object\"]}"},
        {"{\"name\":\"a\",\"name\":\"a\"" REST, "{\"name\":[\"must not be given twice\"]}"},
        {"{\"name\":\"a\",\"domain\":\"b.com\"" REST, "{\"domain\":[\"must not be given twice\"]}"},
        {"{\"x\":1,\"name\":\"Acme\"" REST, "Acme" ACME "|- ?x"},
        {"{\"x\":1,\"name\":\"Acme\",\"\":2" REST, "Acme" ACME "|- ?x ?(no name)"},
        {"{\"x\":1,\"x\":2,\"name\":\"Acme\"" REST,
         "{\"organization\":[\"contains an object with the same key twice\"]} ?x ?x"},
        {"{\"x\":{\"y\":1,\"y\":2},\"name\":\"Acme\"" REST,
         "{\"organization\":[\"contains an object with the same key twice\"]} ?x"},
        {"{\"contactEmail\":\"a@acme.com\",\"name\":\"Acme\",\"domain\":\"acme.com\"}",
         "{\"contact_email\":[\"is required\"]} ?contactEmail"},
        {"{\"name\":\"Acme\",\"metadata\":null" REST, "Acme" ACME "|"},
        {"{\"name\":\"Acme\",\"metadata\":{}" REST, "Acme" ACME "|{}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_json(cases[i].json, ORGANIZATION_WHOLE, &lenient, cases[i].shown);
    }
}

static void test_unknown_fields_refused(void **state)
{
    (void)state;
    check_json(WHOLE, ORGANIZATION_WHOLE, &strict, "Acme" ACME "|-");
    check_json("{\"x\":1,\"Domain\":2,\"contactEmail\":\"\",\"meta_data\":0,\"name\":\"Acme\"" REST, ORGANIZATION_WHOLE,
               &strict,
               "{\"x\":[\"is not a field of an organization\"],"
               "\"Domain\":[\"is not a field of an organization; did you mean domain?\"],"
               "\"contactEmail\":[\"is not a field of an organization; did you mean contact_email?\"],"
               "\"meta_data\":[\"is not a field of an organization; did you mean metadata?\"]}"
               " ?x ?Domain ?contactEmail ?meta_data");
}

/* However many unknown fields there are, the known ones' problems come first. */
static void test_many_unknown_fields(void **state)
{
    (void)state;
    char text[4096] = "{";
    Arena arena;
    OrganizationContent content;
    RecordProblems problems;
    for (size_t i = 0; i < 100; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "\"x%zu\":%zu,", i, i);
    }
    size_t len = strlen(text);
    snprintf(text + len, sizeof text - len, "\"name\":7" REST);
    arena_init(&arena, 4096, ARENA_BYTES_MAX);
    yyjson_val *value = read_text(&arena, text, strlen(text));
    assert_int_equal(organization_from_json(value, ORGANIZATION_WHOLE, &strict, &arena, &content, &problems),
                     STATUS_REFUSED);
    assert_int_equal(problems.count, RECORD_PROBLEMS_MAX);
    assert_int_equal(problems.unknown_count, 100);
    assert_text(problems.items[0].field, "name");
    assert_text(content.domain, "acme.com"); /* is known all the same */
    assert_true(content.name.len == 0);
    arena_release(&arena);
}

static void test_parts(void **state)
{
    (void)state;
    static const struct {
        const char *json, *shown;
    } cases[] = {
        {"{\"name\":\" Acme \"}", "Acme|-|-|-"},
        {"{\"domain\":\"ACME.com.\"}", "-|acme.com|-|-"},
        {"{\"contact_email\":\"a@ACME.com\"}", "-|-|a@acme.com|-"},
        {"{\"metadata\":null}", "-|-|-|"},
        {"{\"metadata\":{ }}", "-|-|-|{}"},
        {"{\"name\":null}", "{\"name\":[\"must not be null\"]}"},
        {"{\"name\":\"\",\"domain\":\"x\"}",
         "{\"name\":[\"" TEXT "\"],\"domain\":[\"must have a dot in it, as acme.com has\"]}"},
        {"{}", "{\"organization\":[\"must have one of the fields name, domain, contact_email and metadata\"]}"},
        {"{\"x\":1}",
         "{\"organization\":[\"must have one of the fields name, domain, contact_email and metadata\"]} ?x"},
        {"[]", "{\"organization\":[\"must be a JSON object\"]}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_json(cases[i].json, ORGANIZATION_PARTS, &lenient, cases[i].shown);
    }
}

/* ---- Metadata ---------------------------------------------------------------------------------------------------- */

static void test_metadata(void **state)
{
    (void)state;
    static const struct {
        const char *json, *becomes; /* ! and the problem */
    } cases[] = {
        {"{}", "{}"},
        {"{ \"plan\" : \"gold\" , \"seats\" : 1.50e1 , \"tags\" : [ true , null ] }",
         "{\"plan\":\"gold\",\"seats\":1.50e1,\"tags\":[true,null]}"},
        {"{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}"},
        {"{\"n\":123456789012345678901234567890.10}", "{\"n\":123456789012345678901234567890.10}"},
        {"{\"é\":\"\\u00e9\\n\\/\"}", "{\"é\":\"é\\n/\"}"},
        {"{\"\":{\"\":{}}}", "{\"\":{\"\":{}}}"},
        {"[]", "!must be a JSON object"},
        {"\"{}\"", "!must be a JSON object"},
        {"1", "!must be a JSON object"},
        {"{\"a\":1,\"a\":2}", "!contains an object with the same key twice"},
        {"{\"a\":[{\"b\":1,\"b\":1}]}", "!contains an object with the same key twice"},
        {"{\"a\":\"\\u0000\"}", "!must not contain the character NUL"},
        {"{\"a\\u0000\":1}", "!must not contain the character NUL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512], expected[512];
        bool is_bad = cases[i].becomes[0] == '!';
        snprintf(text, sizeof text, "{\"name\":\"Acme\",\"metadata\":%s" REST, cases[i].json);
        snprintf(expected, sizeof expected, is_bad ? "{\"metadata\":[\"%s\"]}" : "Acme" ACME "|%s",
                 cases[i].becomes + is_bad);
        check_json(text, ORGANIZATION_WHOLE, &lenient, expected);
    }
}

/* Objects and lists in turn, so many levels deep. */
static Status read_deep(size_t depth, RecordProblems *problems)
{
    char text[4096] = "{\"metadata\":";
    Arena arena;
    OrganizationContent content;
    size_t len = strlen(text);
    for (size_t i = 0; i < depth; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, i % 2 ? "[" : "{\"k\":");
    }
    text[len++] = '7';
    for (size_t i = depth; i > 0; i--) {
        text[len++] = i % 2 ? '}' : ']';
    }
    text[len++] = '}';
    arena_init(&arena, 4096, ARENA_BYTES_MAX);
    Status status =
        organization_from_json(read_text(&arena, text, len), ORGANIZATION_PARTS, &lenient, &arena, &content, problems);
    arena_release(&arena);
    return status;
}

static void test_depth_of_metadata(void **state)
{
    (void)state;
    RecordProblems problems;
    assert_int_equal(read_deep(ORGANIZATION_METADATA_DEPTH_MAX, &problems), STATUS_OK);
    assert_int_equal(read_deep(ORGANIZATION_METADATA_DEPTH_MAX + 1, &problems), STATUS_REFUSED);
    assert_string_equal(problems.items[0].problem, "must not be nested deeper than 32 levels");
    assert_int_equal(read_deep(500, &problems), STATUS_REFUSED);
}

/* {"k":"xxx…"}, so long in all; with `space` in between it is longer before it is written short. */
static Status read_long(size_t bytes, size_t space, RecordProblems *problems, size_t *ret_len)
{
    Arena arena;
    OrganizationContent content;
    Buf text;
    buf_init(&text, 64 << 20);
    BUF_PUT(&text, "{\"metadata\":{\"k\":");
    for (size_t i = 0; i < space; i++) {
        buf_put_char(&text, ' ');
    }
    buf_put_char(&text, '"');
    for (size_t i = 0; i < bytes - strlen("{\"k\":\"\"}"); i++) {
        buf_put_char(&text, 'x');
    }
    BUF_PUT(&text, "\"}}");
    assert_false(text.failed);
    arena_init(&arena, 4096, ARENA_BYTES_MAX);
    Status status = organization_from_json(read_text(&arena, text.ptr, text.len), ORGANIZATION_PARTS, &lenient, &arena,
                                           &content, problems);
    *ret_len = content.metadata.len;
    arena_release(&arena);
    buf_release(&text);
    return status;
}

static void test_length_of_metadata(void **state)
{
    (void)state;
    static const char problem[] = "must be at most 65536 bytes of JSON, as short as it can be written";
    RecordProblems problems;
    size_t len;
    assert_int_equal(read_long(ONBOARD_METADATA_BYTES_MAX, 0, &problems, &len), STATUS_OK);
    assert_int_equal(len, ONBOARD_METADATA_BYTES_MAX);
    assert_int_equal(read_long(ONBOARD_METADATA_BYTES_MAX, 100000, &problems, &len), STATUS_OK);
    assert_int_equal(len, ONBOARD_METADATA_BYTES_MAX);
    assert_int_equal(read_long(ONBOARD_METADATA_BYTES_MAX + 1, 0, &problems, &len), STATUS_REFUSED);
    assert_string_equal(problems.items[0].problem, problem);
    assert_int_equal(read_long(5 << 20, 0, &problems, &len), STATUS_REFUSED);
    assert_string_equal(problems.items[0].problem, problem);
    assert_int_equal(len, 0);
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

static void check_columns(const char *header, const RecordPolicy *policy, const char *expected)
{
    Str names[CSV_COLUMNS_MAX], rest = str_from(header);
    size_t count = 0;
    OrganizationColumns columns;
    RecordProblems problems;
    Error error;
    char shown[ERROR_MESSAGE_BYTES_MAX + 1] = "";
    while (rest.ptr) {
        names[count++] = str_split(&rest, ',');
    }
    Status status = organization_columns_parse(names, count, policy, &columns, &problems, &error);
    if (status == STATUS_REFUSED) {
        snprintf(shown, sizeof shown, "!%s", error.message);
    } else {
        snprintf(shown, sizeof shown, "%d %d %d %d of %zu, %zu unknown", columns.column_of[0], columns.column_of[1],
                 columns.column_of[2], columns.column_of[3], columns.columns, problems.unknown_count);
    }
    assert_string_equal(shown, expected);
}

static void test_columns(void **state)
{
    (void)state;
    check_columns("name,domain,contact_email", &lenient, "0 1 2 -1 of 3, 0 unknown");
    check_columns("metadata,contact_email,domain,name", &lenient, "3 2 1 0 of 4, 0 unknown");
    check_columns("\xEF\xBB\xBF"
                  "name, Domain ,CONTACT_EMAIL",
                  &lenient, "0 1 2 -1 of 3, 0 unknown");
    check_columns("name,domain,x,contact_email,", &lenient, "0 1 3 -1 of 5, 2 unknown");
    check_columns("name,domain", &lenient, "!the CSV header has no column contact_email");
    check_columns("name;domain;contact_email", &lenient,
                  "!the CSV header has no column name; columns are separated by commas");
    check_columns("name,domain,contact_email,domain", &lenient, "!the CSV header has the column domain twice");
    check_columns("name,domain,contact_email,\xFF", &lenient,
                  "!the name of the CSV header's column 4 is not valid UTF-8");
    check_columns("name,domain,contact_email,mail", &strict,
                  "!the CSV header's column 4, \"mail\", is not a field of an organization");
    check_columns(
        "name,domain,contactEmail", &strict,
        "!the CSV header's column 3, \"contactEmail\", is not a field of an organization; did you mean contact_email?");
}

static void check_row(const char *row, const char *expected)
{
    const OrganizationColumns columns = {{0, 1, 2, 3}, 4};
    char copy[512 + YYJSON_PADDING_SIZE] = "";
    Str cells[CSV_COLUMNS_MAX], rest = {copy, strlen(row)};
    size_t count = 0;
    Arena arena;
    Buf shown;
    OrganizationContent content;
    RecordProblems problems;
    memcpy(copy, row, strlen(row));
    while (rest.ptr) {
        cells[count++] = str_split(&rest, '|');
    }
    arena_init(&arena, 4096, ARENA_BYTES_MAX);
    buf_init(&shown, 1 << 20);
    Status status = organization_from_csv(cells, count, &columns, &lenient, &arena, &content, &problems);
    show(status, &content, &problems, &shown);
    assert_text(buf_str(&shown), expected);
    buf_release(&shown);
    arena_release(&arena);
}

static void test_rows(void **state)
{
    (void)state;
    check_row("Acme|acme.com|a@acme.com|", "Acme" ACME "|-");
    check_row(" Acme | https://ACME.com/ | a@ACME.com |{ \"a\" : 1 }", "Acme" ACME "|{\"a\":1}");
    check_row("Acme|acme.com|a@acme.com|[]", "{\"metadata\":[\"must be a JSON object\"]}");
    check_row("Acme|acme.com|a@acme.com|{\"a\":}",
              "{\"metadata\":[\"must be a JSON object, and is not valid JSON: line 1, column 6: "
              "unexpected character, expected a valid JSON value\"]}");
    check_row("|||", "{\"name\":[\"is required\"],\"domain\":[\"is required\"],\"contact_email\":[\"is required\"]}");
    check_row("Acme|acme.com|a@acme.com",
              "{\"organization\":[\"must have as many cells as the CSV header has columns\"]}");
    check_row("Acme|acme.com|a@acme.com||",
              "{\"organization\":[\"must have as many cells as the CSV header has columns\"]}");
    check_row("\xFF|\xFF.com|\xFF@x.com|{\"\xFF\":1}",
              "{\"name\":[\"must be valid UTF-8\"],\"domain\":[\"must be valid UTF-8\"],\"contact_email\":[\"must be "
              "valid UTF-8\"],"
              "\"metadata\":[\"must be a JSON object, and is not valid JSON: line 1, column 3: invalid UTF-8 encoding "
              "in string\"]}");
}

/* No memory is neither good nor bad, whatever it is that lacks it. */
static void test_memory_runs_out(void **state)
{
    (void)state;
    static const char *const texts[] = {WHOLE, "{\"contact_email\":\"a@b\"}",
                                        "{\"metadata\":{\"a\":\"0123456789abcdef\"}}"};
    for (size_t i = 0; i < 3; i++) {
        Arena reading, arena;
        OrganizationContent content;
        RecordProblems problems;
        arena_init(&reading, 4096, ARENA_BYTES_MAX);
        arena_init(&arena, 16, 8);
        yyjson_val *value = read_text(&reading, texts[i], strlen(texts[i]));
        assert_int_equal(organization_from_json(value, ORGANIZATION_PARTS, &lenient, &arena, &content, &problems),
                         STATUS_BUSY);
        arena_release(&arena);
        arena_release(&reading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_length_of_names),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_unknown_fields_refused),
        cmocka_unit_test(test_many_unknown_fields),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_depth_of_metadata),
        cmocka_unit_test(test_length_of_metadata),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
