#include "reading.h"
#include "starve.h"

static void check_malformed(const char *text, const char *problem)
{
    Reading reading;
    char expected[256];
    snprintf(expected, sizeof expected, "is not valid JSON: %s", problem);
    read_value(&reading, str_from(text), &policy);
    if (reading.status != STATUS_REFUSED || strcmp(reading.error.message, expected) != 0) {
        fail_msg("%s\n   gave: %s\ninstead: %s", text, reading.error.message, expected);
    }
    reading_release(&reading);
}

static void test_malformed_json_names_the_place(void **state)
{
    (void)state;
    check_malformed("", "the text is empty where JSON was expected");
    check_malformed("  \n ", "line 1, column 1: input data is empty");
    check_malformed("{", "line 1, column 2: unexpected end of data");
    check_malformed("{\"a\":1,}", "line 1, column 7: trailing comma is not allowed");
    check_malformed("[1,]", "line 1, column 3: trailing comma is not allowed");
    check_malformed("{'a':1}", "line 1, column 2: unexpected character, expected a string for object key");
    check_malformed("{\"a\":01}", "line 1, column 6: number with leading zero is not allowed");
    check_malformed("{\"a\":-}", "line 1, column 7: no digit after minus sign");
    check_malformed("{\"a\":+1}", "line 1, column 6: unexpected character, expected a valid JSON value");
    check_malformed("{\"a\":NaN}", "line 1, column 6: unexpected character, expected a valid JSON value");
    check_malformed("[Infinity]", "line 1, column 2: unexpected character, expected a valid JSON value");
    check_malformed("// note\n1", "line 1, column 1: unexpected character, expected a valid root value");
    check_malformed("{}\n{}", "line 2, column 1: unexpected content after document");
    check_malformed("\n\n  {\"a\":\n  1 2}",
                    "line 4, column 5: unexpected character, expected a comma or a closing brace");
    check_malformed("{\"a\":\"b\nc\"}", "line 1, column 8: unexpected control character in string");
    check_malformed("{\"a\":\"\\x\"}", "line 1, column 8: invalid escaped character in string");
    check_malformed("{\"a\":\"\\ud800\"}", "line 1, column 13: no low surrogate in string");
    check_malformed("{\"a\":\"\\ud800\\u0041\"}", "line 1, column 13: invalid low surrogate in string");
    check_malformed("{\"a\":\"\\udc00\"}", "line 1, column 7: invalid high surrogate in string");
    check_malformed("{\"a\":\"\xff\"}", "line 1, column 7: invalid UTF-8 encoding in string");
    check_malformed("{\"a\":\"x\xC0\x80\"}", "line 1, column 8: invalid UTF-8 encoding in string");
    check_malformed("{\"a\":\"\xED\xA0\x80\"}", "line 1, column 7: invalid UTF-8 encoding in string");
    check_malformed("{\"\xF4\x90\x80\x80\":1}", "line 1, column 3: invalid UTF-8 encoding in string");
    check_malformed("\xEF\xBB\xBF{}", "line 1, column 1: byte order mark (BOM) is not supported");
}

/* Strings before the place are decoded already when it is found: what was an escape may look like a line break by
 * then. */
static void test_place_behind_escapes(void **state)
{
    (void)state;
    check_malformed("{\"a\":\"\\u00e9\\t\\\\\",\n \"b\" 1}",
                    "line 2, column 6: unexpected character, expected a colon after object key");
    check_malformed("{\"a\":\"x\\ny\", 1}",
                    "line 1, column 14: unexpected character, expected a string for object key");
    check_malformed("{\"a\":\"x\\ny\",\n\"b\":}",
                    "line 2 (byte 18 of the text): unexpected character, expected a valid JSON value");
}

static void test_malformed_lines(void **state)
{
    (void)state;
    check_problems(STR(""), &policy, "the record is empty");
    check_problems(STR("{\"recordId\":"), &policy, "the record is not valid JSON: unexpected end of data at column 13");
    check_problems(STR("{}{}"), &policy, "the record is not valid JSON: unexpected content after document at column 3");
    check_problems(STR("\0\0\0"), &policy,
                   "the record is not valid JSON: unexpected character, expected a valid root value at column 1");
    check_problems(STR(" \t" GOOD " \r"), &policy, "");
}

/* Every beginning of a record is refused: a cut body or line is never taken for a whole one. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t len = 1; len < sizeof GOOD - 1; len++) {
        for (int way = 0; way < 2; way++) {
            Reading reading;
            (way ? read_value : read_line)(&reading, (Str){GOOD, len}, &policy);
            assert_int_equal(reading.status, STATUS_REFUSED);
            reading_release(&reading);
        }
    }
}

/* A million brackets: refused in place when they do not close, and walked without recursion when they do. */
static void test_nesting_bombs(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    Buf buf;
    Reading reading;
    buf_init(&buf, 4 * DEPTH);
    buf_put(&buf, (Str){GOOD, sizeof GOOD - 2});
    BUF_PUT(&buf, ",\"note\":");
    char *open = buf_reserve(&buf, 2 * DEPTH + 1);
    memset(open, '[', DEPTH);
    memset(open + DEPTH, ']', DEPTH);
    open[2 * DEPTH] = '}';

    Str unclosed = {buf.ptr, buf.len + DEPTH};
    read_line(&reading, unclosed, &policy);
    assert_int_equal(reading.status, STATUS_REFUSED);
    assert_string_equal(reading.shown, "the record has too many values, or is nested too deep");
    assert_true(reading.arena.taken <= 4096);
    reading_release(&reading);
    read_value(&reading, unclosed, &policy);
    assert_int_equal(reading.status, STATUS_REFUSED);
    assert_string_equal(reading.error.message, "has too many values, or is nested too deep");
    reading_release(&reading);

    yyjson_val *root;
    Arena arena;
    Error error;
    arena_init(&arena, 4096, 256 << 20);
    buf.len += 2 * DEPTH + 1;
    char *text = with_padding(buf_str(&buf));
    assert_int_equal(json_read(text, buf.len, &arena, &root, &error), STATUS_OK);
    assert_int_equal(record_from_json(root, &policy, &reading.record, &reading.problems), STATUS_OK);
    assert_int_equal(record_from_json(yyjson_obj_get(root, "note"), &policy, &reading.record, &reading.problems),
                     STATUS_REFUSED);
    free(text);
    arena_release(&arena);
    buf_release(&buf);
}

static void test_full_arena_is_busy(void **state)
{
    (void)state;
    Reading reading = {.status = STATUS_OK};
    RecordProblems problems;
    Record record;
    yyjson_val *root;
    arena_init(&reading.arena, 256, 4096);
    assert_non_null(arena_alloc(&reading.arena, 3800));
    reading.text = with_padding(STR(GOOD));
    assert_int_equal(json_read(reading.text, sizeof GOOD - 1, &reading.arena, &root, &reading.error), STATUS_BUSY);
    assert_string_equal(reading.error.message, "there is no memory left to read the JSON in");
    assert_memory_equal(reading.text + sizeof GOOD - 1, BEHIND, sizeof BEHIND);

    /* A line has scratch memory of its own; only a long one needs the arena. */
    memcpy(reading.text, GOOD, sizeof GOOD - 1);
    assert_int_equal(record_parse_line(reading.text, sizeof GOOD - 1, &policy, &reading.arena, &record, &problems),
                     STATUS_OK);
    char spaces[5000 + YYJSON_PADDING_SIZE];
    memset(spaces, ' ', sizeof spaces);
    memcpy(spaces, GOOD, sizeof GOOD - 1);
    assert_int_equal(record_parse_line(spaces, 5000, &policy, &reading.arena, &record, &problems), STATUS_BUSY);
    reading_release(&reading);
}

/* A lack of memory says nothing about the text: it is BUSY, whatever was free in the arena. */
static void test_lack_of_memory_is_busy(void **state)
{
    (void)state;
    static char long_line[6000 + YYJSON_PADDING_SIZE];
    Reading reading = {.status = STATUS_OK};
    RecordProblems problems;
    Record record;
    yyjson_val *root;
    arena_init(&reading.arena, 256, 1 << 20);
    reading.text = with_padding(STR(GOOD));
    memset(long_line, ' ', sizeof long_line);
    memcpy(long_line, GOOD, sizeof GOOD - 1);
    starving = true;
    Status text_status = json_read(reading.text, sizeof GOOD - 1, &reading.arena, &root, &reading.error);
    Status line_status = record_parse_line(long_line, 6000, &policy, &reading.arena, &record, &problems);
    starving = false;
    assert_int_equal(text_status, STATUS_BUSY);
    assert_int_equal(line_status, STATUS_BUSY);
    memcpy(long_line, GOOD, sizeof GOOD - 1);
    assert_int_equal(record_parse_line(long_line, 6000, &policy, &reading.arena, &record, &problems), STATUS_OK);
    reading_release(&reading);
}

/* The same for the search for keys that are given twice, which takes memory for large objects. */
static void test_lack_of_memory_for_keys(void **state)
{
    (void)state;
    enum { KEYS = 1000 };
    static const char *const where[] = {"", ",\"note\":{\"x\":0"};
    for (size_t nested = 0; nested < 2; nested++) {
        Reading reading = {.status = STATUS_OK};
        yyjson_val *root;
        Buf buf;
        buf_init(&buf, 1 << 20);
        buf_put(&buf, (Str){GOOD, sizeof GOOD - 2});
        buf_put(&buf, str_from(where[nested]));
        for (int i = 0; i < KEYS; i++) {
            buf_printf(&buf, ",\"k%d\":0", i);
        }
        buf_put(&buf, nested ? STR("}}") : STR("}"));
        arena_init(&reading.arena, 4096, 1 << 20);
        reading.text = with_padding(buf_str(&buf));
        assert_int_equal(json_read(reading.text, buf.len, &reading.arena, &root, &reading.error), STATUS_OK);
        starving = true;
        Status status = record_from_json(root, &policy, &reading.record, &reading.problems);
        starving = false;
        assert_int_equal(status, STATUS_BUSY);
        assert_int_equal(record_from_json(root, &policy, &reading.record, &reading.problems), STATUS_OK);
        buf_release(&buf);
        reading_release(&reading);
    }
}

/* Line after line through one arena: what a line needed is given back. */
static void test_lines_leave_nothing_behind(void **state)
{
    (void)state;
    Arena arena;
    Record record;
    RecordProblems problems;
    size_t len = 20000;
    char *text = malloc(len + YYJSON_PADDING_SIZE);
    assert_non_null(text);
    arena_init(&arena, 4096, 256 << 10);
    for (int round = 0; round < 1000; round++) {
        memset(text, ' ', len + YYJSON_PADDING_SIZE);
        memcpy(text, GOOD, sizeof GOOD - 1);
        assert_int_equal(record_parse_line(text, len, &policy, &arena, &record, &problems), STATUS_OK);
        assert_text(record.reference, "ref-001");
    }
    assert_true(arena.taken <= 4096);
    free(text);
    arena_release(&arena);
}

/* Lines in one buffer: the padding of each is the next one's beginning. */
static void test_lines_in_a_row(void **state)
{
    (void)state;
    static const char three[] = GOOD "\n" GOOD "\n" GOOD "\n####";
    char text[sizeof three];
    Arena arena;
    Record record;
    RecordProblems problems;
    memcpy(text, three, sizeof three);
    arena_init(&arena, 4096, 1 << 16);
    for (size_t i = 0; i < 3; i++) {
        char *line = text + i * sizeof GOOD;
        assert_int_equal(record_parse_line(line, sizeof GOOD - 1, &policy, &arena, &record, &problems), STATUS_OK);
        assert_text(record.record_id, "rec-001");
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_json_names_the_place),
        cmocka_unit_test(test_place_behind_escapes),
        cmocka_unit_test(test_malformed_lines),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_nesting_bombs),
        cmocka_unit_test(test_full_arena_is_busy),
        cmocka_unit_test(test_lack_of_memory_is_busy),
        cmocka_unit_test(test_lack_of_memory_for_keys),
        cmocka_unit_test(test_lines_leave_nothing_behind),
        cmocka_unit_test(test_lines_in_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
