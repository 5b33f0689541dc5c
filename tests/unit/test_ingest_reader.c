/* Cutting files into records. */
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/ingest_reader.h"

static char path[] = "/tmp/weir-test-ingest-XXXXXX";

static void write_file(const char *text, size_t len)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Items as "line:raw|line:raw|", and what ended them. */
typedef struct Cut {
    char items[4096];
    Status status;
    Error error;
} Cut;

static void cut(const char *text, size_t len, IngestFormat format, size_t item_bytes_max, Cut *ret_cut)
{
    *ret_cut = (Cut){.status = STATUS_OK};
    write_file(text, len);
    IngestReader *reader = NULL;
    assert_int_equal(ingest_reader_open(path, format, item_bytes_max, &reader, &ret_cut->error), STATUS_OK);
    size_t used = 0;
    for (bool end = false; ret_cut->status == STATUS_OK && !end;) {
        IngestItem item;
        ret_cut->status = ingest_reader_next(reader, &item, &end, &ret_cut->error);
        if (ret_cut->status == STATUS_OK && !end) {
            used += (size_t)snprintf(ret_cut->items + used, sizeof ret_cut->items - used, "%d:%s%.*s|", (int)item.line,
                                     item.too_long ? "LONG" : "", item.too_long ? 0 : (int)item.raw.len, item.raw.ptr);
        }
    }
    ingest_reader_close(reader);
}

static void check(const char *text, IngestFormat format, const char *expected)
{
    Cut result;
    cut(text, strlen(text), format, 1024, &result);
    assert_string_equal(result.error.message, "");
    assert_string_equal(result.items, expected);
}

/* `what` is what the message ends in. */
static void check_refused(const char *text, IngestFormat format, const char *expected, const char *what)
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
    check("", INGEST_NDJSON, "");
    check("\n\r\n  \n", INGEST_NDJSON, "");
    check("{1}\n{2}\n", INGEST_NDJSON, "1:{1}|2:{2}|");
    check("{1}\r\n\n{2}\r\n \n{3}", INGEST_NDJSON, "1:{1}|3:{2}|5:{3}|");
    check("\xEF\xBB\xBF{1}\n", INGEST_NDJSON, "1:{1}|");
    check("\n", INGEST_AUTO, "");
}

static void test_csv(void **state)
{
    (void)state;
    check("a,b\n1,2\n", INGEST_CSV, "1:a,b|2:1,2|");
    check("a,b\r\n\"x\ny\",\"\"\"\n\"\r\n3,4", INGEST_CSV, "1:a,b|2:\"x\ny\",\"\"\"\n\"|5:3,4|");
    check("a,b\n", INGEST_AUTO, "1:a,b|");
    check("a,b\n\"never closed", INGEST_CSV, "1:a,b|2:\"never closed|"); /* whoever reads the line finds out */
}

/* A quote that is astray spoils its own line and no other. */
static void test_csv_stray_quotes(void **state)
{
    (void)state;
    check("a,b\n5\" pipe,1\nx,2\n\"y\"z,3\n4,\"5\n6\"\n", INGEST_CSV,
          "1:a,b|2:5\" pipe,1|3:x,2|4:\"y\"z,3|5:4,\"5\n6\"|");
}

static void test_compressed(void **state)
{
    (void)state;
    check_refused("\x1F\x8B\x08 and so on", INGEST_AUTO, "", "is compressed");
    check_refused("\x28\xB5\x2F\xFD and so on", INGEST_CSV, "", "is compressed");
    check("\x28\xB5\n", INGEST_CSV, "1:\x28\xB5|");
}

static void test_json(void **state)
{
    (void)state;
    check("", INGEST_JSON, "");
    check(" [ ] \n", INGEST_JSON, "");
    check("[{\"a\":[1,{}]},\n\n \"]\\\"}\" , 17,[]]", INGEST_AUTO, "1:{\"a\":[1,{}]}|3:\"]\\\"}\"|3:17|3:[]|");
    check("{\"a\":\n1}\n{\"b\":\"\\\\\"} null", INGEST_JSON, "1:{\"a\":\n1}|3:{\"b\":\"\\\\\"}|3:null|");
}

static void test_json_that_is_broken(void **state)
{
    (void)state;
    check_refused("[{}", INGEST_JSON, "1:{}|", ":1: the file ends inside the array");
    check_refused("[", INGEST_JSON, "", ":1: the file ends inside the array");
    check_refused("[\n{\"a\":", INGEST_JSON, "", ":2: the file ends inside the record that begins here");
    check_refused("[{},]", INGEST_JSON, "1:{}|", ":1: expected a value");
    check_refused("[,{}]", INGEST_JSON, "", ":1: expected a value");
    check_refused("[{} {}]", INGEST_JSON, "1:{}|", ":1: expected a comma or the array's end");
    check_refused("[{}]\n[{}]", INGEST_JSON, "1:{}|", ":2: there is something behind the array");
    check_refused("{}}", INGEST_JSON, "1:{}|", ":1: expected a value");
}

/* A NUL is no end: what stands behind it is not lost. */
static void test_json_with_nul(void **state)
{
    (void)state;
    Cut result;
    cut("{}\0{}", 5, INGEST_JSON, 1024, &result);
    assert_int_equal(result.status, STATUS_OK);
    assert_string_equal(result.items, "1:{}|1:|"); /* "\0{}", cut by the printing; whoever reads it finds out */
    cut("[{}]\0", 5, INGEST_JSON, 1024, &result);
    assert_int_equal(result.status, STATUS_REFUSED);
    assert_non_null(strstr(result.error.message, "there is something behind the array"));
    cut("[{}\0]", 5, INGEST_JSON, 1024, &result);
    assert_int_equal(result.status, STATUS_REFUSED);
}

/* How the file happens to be read makes no difference. */
static void test_long_value_in_one_piece(void **state)
{
    (void)state;
    Cut result;
    cut("[{\"a\":\"0123456789\"}]", 20, INGEST_JSON, 18, &result);
    assert_string_equal(result.items, "1:{\"a\":\"0123456789\"}|");
    cut("[{\"a\":\"0123456789\"}]", 20, INGEST_JSON, 17, &result);
    assert_int_equal(result.status, STATUS_REFUSED);
    assert_non_null(strstr(result.error.message, "too long"));
}

enum { ITEM_BYTES_MAX = 64 };

/* Item `i`, quoted, with a break inside where the format allows it, its length differing from item to item. */
static size_t put_item(char *at, IngestFormat format, int i)
{
    if (format == INGEST_CSV) {
        return (size_t)snprintf(at, ITEM_BYTES_MAX, "\"\n%.*s\"\"\",:%d}\n", i % 37,
                                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", i);
    }
    const char *line_break = format == INGEST_NDJSON ? "" : "\n";
    int len = snprintf(at, ITEM_BYTES_MAX, "%s{\"%s%.*s\":%d}%s", format == INGEST_JSON && i > 0 ? "," : "", line_break,
                       i % 37, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", i, format == INGEST_JSON ? "" : "\n");
    return (size_t)len;
}

static void check_numbers(IngestFormat format, int items)
{
    IngestReader *reader = NULL;
    Error error = {0};
    assert_int_equal(ingest_reader_open(path, format, 1024, &reader, &error), STATUS_OK);
    for (int i = 0; i <= items; i++) {
        IngestItem item;
        bool end;
        char expected[ITEM_BYTES_MAX];
        assert_int_equal(ingest_reader_next(reader, &item, &end, &error), STATUS_OK);
        assert_int_equal(end, i == items);
        if (!end) {
            int len = snprintf(expected, sizeof expected, "%s:%d}", format == INGEST_CSV ? "," : "\"", i);
            assert_true(item.raw.len > (size_t)len);
            assert_memory_equal(item.raw.ptr + item.raw.len - len, expected, (size_t)len);
            assert_int_equal(item.line, format == INGEST_NDJSON ? i + 1 : format == INGEST_CSV ? 2 * i + 1 : i + 1);
        }
    }
    ingest_reader_close(reader);
}

/* Far larger than what is read at once, so that items lie across reads in every way. */
static void test_across_reads(void **state)
{
    (void)state;
    enum { ITEMS = 40000 };
    char *text = malloc(ITEMS * ITEM_BYTES_MAX + 2);
    assert_non_null(text);
    for (IngestFormat format = INGEST_NDJSON; format <= INGEST_CSV; format++) {
        size_t len = 0;
        text[len] = '[';
        len += format == INGEST_JSON;
        for (int i = 0; i < ITEMS; i++) {
            len += put_item(text + len, format, i);
        }
        text[len] = ']';
        len += format == INGEST_JSON;
        write_file(text, len);
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
    cut(text, LONG + 5, INGEST_NDJSON, 1024, &result);
    assert_int_equal(result.status, STATUS_OK);
    assert_string_equal(result.items, "1:LONG|2:{2}|");
    cut(text, LONG, INGEST_NDJSON, 1024, &result);
    assert_string_equal(result.items, "1:LONG|");
    memset(text, ' ', 2000); /* nothing at its beginning, but something behind */
    cut(text, LONG, INGEST_NDJSON, 1024, &result);
    assert_string_equal(result.items, "1:LONG|");
    cut(text, LONG, INGEST_CSV, 1024, &result);
    assert_int_equal(result.status, STATUS_REFUSED);
    memset(text, '[', LONG);
    cut(text, LONG, INGEST_JSON, 1024, &result);
    assert_int_equal(result.status, STATUS_REFUSED);
    assert_non_null(strstr(result.error.message, "too long"));
    free(text);
}

static void test_missing_file(void **state)
{
    (void)state;
    IngestReader *reader = NULL;
    Error error;
    assert_int_equal(ingest_reader_open("/nonexistent", INGEST_AUTO, 1024, &reader, &error), STATUS_REFUSED);
    assert_string_equal(error.message, "/nonexistent cannot be opened: No such file or directory");
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
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
        cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_csv_stray_quotes),
        cmocka_unit_test(test_json_with_nul),
        cmocka_unit_test(test_long_value_in_one_piece),
    };
    return cmocka_run_group_tests_name("ingest_reader", tests, make_file, remove_file);
}
