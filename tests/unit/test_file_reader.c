/* Cutting files into records. */
#include "text_file.h"

#include <sys/socket.h>
#include <zlib.h>

#include "intake/file_reader.h"

/* Items as "line:raw|line:raw|", and what ended them. */
typedef struct Cut {
    char items[4096];
    Status status;
    Error error;
} Cut;

static void cut_all(FileReader *reader, Cut *ret_cut)
{
    size_t used = 0;
    for (bool end = false; ret_cut->status == STATUS_OK && !end;) {
        FileItem item;
        ret_cut->status = file_reader_next(reader, &item, &end, &ret_cut->error);
        if (ret_cut->status == STATUS_OK && !end) {
            used += (size_t)snprintf(ret_cut->items + used, sizeof ret_cut->items - used, "%d:%s%.*s|", (int)item.line,
                                     item.too_long ? "LONG" : "", item.too_long ? 0 : (int)item.raw.len, item.raw.ptr);
        }
    }
    file_reader_close(reader);
}

static void cut(const char *text, size_t len, FileFormat format, size_t item_bytes_max, Cut *ret_cut)
{
    *ret_cut = (Cut){.status = STATUS_OK};
    write_file(path, text, len);
    FileReader *reader = NULL;
    assert_int_equal(file_reader_open(path, format, item_bytes_max, &reader, &ret_cut->error), STATUS_OK);
    cut_all(reader, ret_cut);
}

/* `text` comes in two pieces, the first of `first` bytes, each of which is read by itself. */
static void cut_in_two(const char *text, size_t first, FileFormat format, size_t item_bytes_max, Cut *ret_cut)
{
    int ends[2];
    size_t len = strlen(text);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    assert_int_equal(send(ends[1], text, first, 0), first);
    assert_int_equal(send(ends[1], text + first, len - first, 0), len - first);
    close(ends[1]);
    *ret_cut = (Cut){.status = STATUS_OK};
    FileReader *reader = NULL;
    assert_int_equal(file_reader_open_fd(ends[0], "two pieces", format, item_bytes_max, &reader, &ret_cut->error),
                     STATUS_OK);
    cut_all(reader, ret_cut);
}

static void check(const char *text, FileFormat format, const char *expected)
{
    Cut result;
    cut(text, strlen(text), format, 1024, &result);
    assert_string_equal(result.error.message, "");
    assert_string_equal(result.items, expected);
}

/* `what` is what the message ends in. */
static void check_refused(const char *text, FileFormat format, const char *expected, const char *what)
{
    Cut result;
    cut(text, strlen(text), format, 1024, &result);
    assert_int_equal(result.status, STATUS_REFUSED);
    assert_string_equal(result.items, expected);
    assert_non_null(strstr(result.error.message, what));
}

static void test_ndjson(void **state)
{
    (void)state;
    check("", FILE_FORMAT_NDJSON, "");
    check("\n\r\n  \n", FILE_FORMAT_NDJSON, "");
    check("{1}\n{2}\n", FILE_FORMAT_NDJSON, "1:{1}|2:{2}|");
    check("{1}\r\n\n{2}\r\n \n{3}", FILE_FORMAT_NDJSON, "1:{1}|3:{2}|5:{3}|");
    check("\xEF\xBB\xBF{1}\n", FILE_FORMAT_NDJSON, "1:{1}|");
    check("\n", FILE_FORMAT_AUTO, "");
}

static void test_csv(void **state)
{
    (void)state;
    check("a,b\n1,2\n", FILE_FORMAT_CSV, "1:a,b|2:1,2|");
    check("a,b\r\n\"x\ny\",\"\"\"\n\"\r\n3,4", FILE_FORMAT_CSV, "1:a,b|2:\"x\ny\",\"\"\"\n\"|5:3,4|");
    check("a,b\n", FILE_FORMAT_AUTO, "1:a,b|");
    check("a,b\n\"never closed", FILE_FORMAT_CSV, "1:a,b|2:\"never closed|"); /* whoever reads the line finds out */
}

/* A quote that is astray spoils its own line and no other. */
static void test_csv_stray_quotes(void **state)
{
    (void)state;
    check("a,b\n5\" pipe,1\nx,2\n\"y\"z,3\n4,\"5\n6\"\n", FILE_FORMAT_CSV,
          "1:a,b|2:5\" pipe,1|3:x,2|4:\"y\"z,3|5:4,\"5\n6\"|");
}

static void test_compressed(void **state)
{
    (void)state;
    check_refused("\x1F\x8B\x07 and so on", FILE_FORMAT_AUTO, "", "damaged");
    check_refused("\x28\xB5\x2F\xFD", FILE_FORMAT_CSV, "", "end too early; was it copied whole?");
    check("\x28\xB5\n", FILE_FORMAT_CSV, "1:\x28\xB5|");
}

static void test_json(void **state)
{
    (void)state;
    check("", FILE_FORMAT_JSON, "");
    check(" [ ] \n", FILE_FORMAT_JSON, "");
    check("[{\"a\":[1,{}]},\n\n \"]\\\"}\" , 17,[]]", FILE_FORMAT_AUTO, "1:{\"a\":[1,{}]}|3:\"]\\\"}\"|3:17|3:[]|");
    check("{\"a\":\n1}\n{\"b\":\"\\\\\"} null", FILE_FORMAT_JSON, "1:{\"a\":\n1}|3:{\"b\":\"\\\\\"}|3:null|");
}

static void test_json_that_is_broken(void **state)
{
    (void)state;
    check_refused("[{}", FILE_FORMAT_JSON, "1:{}|", ":1: the file ends inside the array");
    check_refused("[", FILE_FORMAT_JSON, "", ":1: the file ends inside the array");
    check_refused("[\n{\"a\":", FILE_FORMAT_JSON, "", ":2: the file ends inside the record that begins here");
    check_refused("[{},]", FILE_FORMAT_JSON, "1:{}|", ":1: expected a value");
    check_refused("[,{}]", FILE_FORMAT_JSON, "", ":1: expected a value");
    check_refused("[{} {}]", FILE_FORMAT_JSON, "1:{}|", ":1: expected a comma or the array's end");
    check_refused("[{}]\n[{}]", FILE_FORMAT_JSON, "1:{}|", ":2: there is something behind the array");
    check_refused("{}}", FILE_FORMAT_JSON, "1:{}|", ":1: expected a value");
}

/* A NUL is no end: what stands behind it is not lost. */
static void test_json_with_nul(void **state)
{
    (void)state;
    Cut result;
    cut("{}\0{}", 5, FILE_FORMAT_JSON, 1024, &result);
    assert_int_equal(result.status, STATUS_OK);
    assert_string_equal(result.items, "1:{}|1:|"); /* "\0{}", cut by the printing; whoever reads it finds out */
    cut("[{}]\0", 5, FILE_FORMAT_JSON, 1024, &result);
    assert_int_equal(result.status, STATUS_REFUSED);
    assert_non_null(strstr(result.error.message, "there is something behind the array"));
    cut("[{}\0]", 5, FILE_FORMAT_JSON, 1024, &result);
    assert_int_equal(result.status, STATUS_REFUSED);
}

/* How the file happens to be read makes no difference. */
static void test_long_value_in_one_piece(void **state)
{
    (void)state;
    Cut result;
    cut("[{\"a\":\"0123456789\"}]", 20, FILE_FORMAT_JSON, 18, &result);
    assert_string_equal(result.items, "1:{\"a\":\"0123456789\"}|");
    cut("[{\"a\":\"0123456789\"}]", 20, FILE_FORMAT_JSON, 17, &result);
    assert_int_equal(result.status, STATUS_REFUSED);
    assert_non_null(strstr(result.error.message, "too long"));
}

static void check_in_two(const char *text, FileFormat format, size_t item_bytes_max)
{
    Cut whole, two;
    cut(text, strlen(text), format, item_bytes_max, &whole);
    for (size_t first = 1; first < strlen(text); first++) {
        cut_in_two(text, first, format, item_bytes_max, &two);
        assert_int_equal(two.status, whole.status);
        assert_string_equal(two.items, whole.items);
    }
}

/* Items as long as they may be, and one byte longer, wherever one read ends and the next begins. */
static void test_at_the_limit_in_pieces(void **state)
{
    (void)state;
    for (size_t item_bytes_max = 4; item_bytes_max <= 9; item_bytes_max++) {
        check_in_two("a,b\r\n1,\"2\n\"\r\n\"3\",4\r\n\r\n5\",6\r\n7,\"8\"", FILE_FORMAT_CSV, item_bytes_max);
        check_in_two("{1}\r\n\n{22}\r\n{333}\n{4}\r\n", FILE_FORMAT_NDJSON, item_bytes_max);
        check_in_two("[{1},{22},\r\n{333} , [4]\r\n]\r\n", FILE_FORMAT_JSON, item_bytes_max);
    }
}

enum { ITEM_BYTES_MAX = 64 };

/* Item `i`, quoted, with a break inside where the format allows it, its length differing from item to item. */
static size_t put_item(char *at, FileFormat format, int i)
{
    if (format == FILE_FORMAT_CSV) {
        return (size_t)snprintf(at, ITEM_BYTES_MAX, "\"\n%.*s\"\"\",:%d}\n", i % 37,
                                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", i);
    }
    const char *line_break = format == FILE_FORMAT_NDJSON ? "" : "\n";
    int len =
        snprintf(at, ITEM_BYTES_MAX, "%s{\"%s%.*s\":%d}%s", format == FILE_FORMAT_JSON && i > 0 ? "," : "", line_break,
                 i % 37, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", i, format == FILE_FORMAT_JSON ? "" : "\n");
    return (size_t)len;
}

static void check_numbers(FileFormat format, int items)
{
    FileReader *reader = NULL;
    Error error = {0};
    assert_int_equal(file_reader_open(path, format, 1024, &reader, &error), STATUS_OK);
    for (int i = 0; i <= items; i++) {
        FileItem item;
        bool end;
        char expected[ITEM_BYTES_MAX];
        assert_int_equal(file_reader_next(reader, &item, &end, &error), STATUS_OK);
        assert_int_equal(end, i == items);
        if (!end) {
            int len = snprintf(expected, sizeof expected, "%s:%d}", format == FILE_FORMAT_CSV ? "," : "\"", i);
            assert_true(item.raw.len > (size_t)len);
            assert_memory_equal(item.raw.ptr + item.raw.len - len, expected, (size_t)len);
            assert_int_equal(item.line, format == FILE_FORMAT_NDJSON ? i + 1
                                        : format == FILE_FORMAT_CSV  ? 2 * i + 1
                                                                     : i + 1);
        }
    }
    file_reader_close(reader);
}

/* Far larger than what is read at once, so that items lie across reads in every way. */
static void test_across_reads(void **state)
{
    (void)state;
    enum { ITEMS = 40000 };
    char *text = malloc(ITEMS * ITEM_BYTES_MAX + 2);
    assert_non_null(text);
    for (FileFormat format = FILE_FORMAT_NDJSON; format <= FILE_FORMAT_CSV; format++) {
        size_t len = 0;
        text[len] = '[';
        len += format == FILE_FORMAT_JSON;
        for (int i = 0; i < ITEMS; i++) {
            len += put_item(text + len, format, i);
        }
        text[len] = ']';
        len += format == FILE_FORMAT_JSON;
        write_file(path, text, len);
        check_numbers(format, ITEMS);
    }
    free(text);
}

static void test_long_lines(void **state)
{
    (void)state;
    enum { LONG = 2000000 };
    char *text = malloc(LONG + 16);
    assert_non_null(text);
    memset(text, 'x', LONG);
    memcpy(text + LONG, "\n{2}\n", 6);
    Cut result;
    cut(text, LONG + 5, FILE_FORMAT_NDJSON, 1024, &result);
    assert_int_equal(result.status, STATUS_OK);
    assert_string_equal(result.items, "1:LONG|2:{2}|");
    cut(text, LONG, FILE_FORMAT_NDJSON, 1024, &result);
    assert_string_equal(result.items, "1:LONG|");
    memset(text, ' ', 2000); /* nothing at its beginning, but something behind */
    cut(text, LONG, FILE_FORMAT_NDJSON, 1024, &result);
    assert_string_equal(result.items, "1:LONG|");
    cut(text, LONG, FILE_FORMAT_CSV, 1024, &result);
    assert_int_equal(result.status, STATUS_REFUSED);
    memset(text, '[', LONG);
    cut(text, LONG, FILE_FORMAT_JSON, 1024, &result);
    assert_int_equal(result.status, STATUS_REFUSED);
    assert_non_null(strstr(result.error.message, "too long"));
    free(text);
}

/* ---- Going on ---------------------------------------------------------------------------------------------------- */

static void write_text(const char *text) { write_file(path, text, strlen(text)); }

static FileReader *open_reader(FileFormat format)
{
    FileReader *reader = NULL;
    Error error;
    assert_int_equal(file_reader_open(path, format, 1024, &reader, &error), STATUS_OK);
    return reader;
}

static void next_is(FileReader *reader, const char *expected, int line)
{
    FileItem item;
    Error error = {0};
    bool end;
    assert_int_equal(file_reader_next(reader, &item, &end, &error), STATUS_OK);
    assert_true(end == !expected);
    if (expected) {
        assert_int_equal(item.raw.len, strlen(expected));
        assert_memory_equal(item.raw.ptr, expected, item.raw.len);
        assert_int_equal(item.line, line);
    }
}

/* The position behind `items` items of what the file holds. */
static FilePosition position_behind(FileFormat format, int items)
{
    FileReader *reader = open_reader(format);
    FilePosition position;
    FileItem item;
    Error error;
    bool end;
    for (int i = 0; i < items; i++) {
        assert_int_equal(file_reader_next(reader, &item, &end, &error), STATUS_OK);
        assert_false(end);
    }
    file_reader_position(reader, &position);
    file_reader_close(reader);
    return position;
}

static FileReader *resume(FileFormat format, const FilePosition *position, bool unchanged, bool expected)
{
    FileReader *reader = open_reader(format);
    Error error = {0};
    FileResume resume = FILE_RESUME_ON_THE_WAY;
    while (resume == FILE_RESUME_ON_THE_WAY) {
        assert_int_equal(file_reader_resume(reader, position, unchanged, &resume, &error), STATUS_OK);
    }
    assert_string_equal(error.message, "");
    assert_int_equal(resume, expected ? FILE_RESUME_THERE : FILE_RESUME_ELSEWHERE);
    return reader;
}

static void test_resume_lines(void **state)
{
    (void)state;
    write_text("{1}\n\n{2}\r\n{3}\n");
    FilePosition position = position_behind(FILE_FORMAT_NDJSON, 2);
    assert_int_equal(position.offset, 10);
    assert_int_equal(position.line, 4);
    for (int unchanged = 0; unchanged <= 1; unchanged++) {
        FileReader *reader = resume(FILE_FORMAT_NDJSON, &position, unchanged, true);
        next_is(reader, "{3}", 4);
        next_is(reader, NULL, 0);
        FilePosition after;
        file_reader_position(reader, &after);
        assert_int_equal(after.items, 3);
        assert_int_equal(after.offset, 14);
        file_reader_close(reader);
    }
}

static void test_resume_csv_knows_its_header(void **state)
{
    (void)state;
    write_text("a,b\n1,\"x\ny\"\n3,4\n");
    FilePosition position = position_behind(FILE_FORMAT_CSV, 2);
    for (int unchanged = 0; unchanged <= 1; unchanged++) {
        FileReader *reader = resume(FILE_FORMAT_CSV, &position, unchanged, true);
        Str header = file_reader_header(reader);
        assert_int_equal(header.len, 3);
        assert_memory_equal(header.ptr, "a,b", 3);
        next_is(reader, "3,4", 4);
        next_is(reader, NULL, 0);
        file_reader_close(reader);
    }
}

static void test_resume_json(void **state)
{
    (void)state;
    write_text("[{\"a\":1},\n{\"b\":2} , 3]\n");
    FilePosition position = position_behind(FILE_FORMAT_JSON, 2);
    FilePosition last = position_behind(FILE_FORMAT_JSON, 3);
    assert_true(last.items == 3 && last.offset > position.offset);
    for (int unchanged = 0; unchanged <= 1; unchanged++) {
        FileReader *reader = resume(FILE_FORMAT_JSON, &position, unchanged, true);
        next_is(reader, "3", 2);
        next_is(reader, NULL, 0);
        file_reader_close(reader);
        reader = resume(FILE_FORMAT_JSON, &last, unchanged, true);
        next_is(reader, NULL, 0);
        file_reader_close(reader);
    }
}

/* What was written to since is compared: what was added is read, what was changed is another text. */
static void test_resume_changed(void **state)
{
    (void)state;
    write_text("{1}\n{2}\n{3}");
    FilePosition middle = position_behind(FILE_FORMAT_NDJSON, 2), last = position_behind(FILE_FORMAT_NDJSON, 3);
    assert_true(middle.chain != last.chain);
    write_text("{1}\n{2}\n{3}\n{4}\n");
    FileReader *reader = resume(FILE_FORMAT_NDJSON, &middle, false, true);
    next_is(reader, "{3}", 3);
    next_is(reader, "{4}", 4);
    file_reader_close(reader);
    file_reader_close(resume(FILE_FORMAT_NDJSON, &last, false, false)); /* its line goes on now: a break at least */
    write_text("{0}\n{2}\n{3}\n");
    file_reader_close(resume(FILE_FORMAT_NDJSON, &middle, false, false));
    write_text("{1}\n");
    file_reader_close(resume(FILE_FORMAT_NDJSON, &middle, false, false));
    file_reader_close(resume(FILE_FORMAT_NDJSON, &middle, true, false));
    write_text("{1}\n{2}\n{3}");
    file_reader_close(resume(FILE_FORMAT_CSV, &middle, true, false)); /* read in another way */
}

static void test_resume_far(void **state)
{
    (void)state;
    enum { ITEMS = 40000 };
    char *text = malloc(ITEMS * ITEM_BYTES_MAX);
    assert_non_null(text);
    size_t len = 0;
    for (int i = 0; i < ITEMS; i++) {
        len += put_item(text + len, FILE_FORMAT_NDJSON, i);
    }
    write_file(path, text, len);
    FilePosition position = position_behind(FILE_FORMAT_NDJSON, ITEMS - 1);
    size_t last_bytes = put_item(text, FILE_FORMAT_NDJSON, ITEMS - 1);
    text[last_bytes - 1] = '\0';
    for (int unchanged = 0; unchanged <= 1; unchanged++) {
        FileReader *reader = resume(FILE_FORMAT_NDJSON, &position, unchanged, true);
        next_is(reader, text, ITEMS);
        next_is(reader, NULL, 0);
        assert_int_equal(file_reader_bytes_read(reader), len);
        file_reader_close(reader);
    }
    free(text);
}

static void write_packed(const char *text, size_t len)
{
    gzFile file = gzopen(path, "wb1e");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)len), len);
    assert_int_equal(gzclose(file), Z_OK);
}

/* However far it is, a call is short. */
static void check_steps(const FilePosition *position, bool unchanged, const char *next, int steps)
{
    FileReader *reader = open_reader(FILE_FORMAT_NDJSON);
    FileResume resume = FILE_RESUME_ON_THE_WAY;
    Error error;
    for (int step = 1; step <= steps; step++) {
        assert_int_equal(resume, FILE_RESUME_ON_THE_WAY);
        assert_int_equal(file_reader_resume(reader, position, unchanged, &resume, &error), STATUS_OK);
    }
    assert_int_equal(resume, FILE_RESUME_THERE);
    next_is(reader, next, (int)position->line);
    file_reader_close(reader);
}

static void test_resume_in_steps(void **state)
{
    (void)state;
    enum { LINE = 1000, LINES = 5 * (FILE_RESUME_BYTES / 2) / LINE };
    char *text = malloc((size_t)LINE * LINES);
    assert_non_null(text);
    for (size_t i = 0; i < LINES; i++) {
        memset(text + LINE * i, 'a' + (char)(i % 26), LINE - 1);
        text[LINE * i + LINE - 1] = '\n';
    }
    char *last = text + (size_t)LINE * (LINES - 1);
    write_packed(text, (size_t)LINE * LINES);
    FilePosition position = position_behind(FILE_FORMAT_NDJSON, LINES - 1);
    last[LINE - 1] = '\0';
    check_steps(&position, true, last, 3);
    check_steps(&position, false, last, 3);
    last[LINE - 1] = '\n';
    write_file(path, text, (size_t)LINE * LINES);
    last[LINE - 1] = '\0';
    check_steps(&position, true, last, 1); /* it need not be read */
    check_steps(&position, false, last, 3);
    free(text);
}

static void test_missing_file(void **state)
{
    (void)state;
    FileReader *reader = NULL;
    Error error;
    assert_int_equal(file_reader_open("/nonexistent", FILE_FORMAT_AUTO, 1024, &reader, &error), STATUS_REFUSED);
    assert_string_equal(error.message, "/nonexistent cannot be opened: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ndjson),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_that_is_broken),
        cmocka_unit_test(test_across_reads),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_resume_lines),
        cmocka_unit_test(test_resume_csv_knows_its_header),
        cmocka_unit_test(test_resume_json),
        cmocka_unit_test(test_resume_changed),
        cmocka_unit_test(test_resume_far),
        cmocka_unit_test(test_resume_in_steps),
        cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_csv_stray_quotes),
        cmocka_unit_test(test_json_with_nul),
        cmocka_unit_test(test_long_value_in_one_piece),
        cmocka_unit_test(test_at_the_limit_in_pieces),
    };
    return cmocka_run_group_tests_name("file_reader", tests, make_file, remove_file);
}
