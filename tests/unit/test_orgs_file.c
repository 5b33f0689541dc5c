#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/orgs_file.h"
#include "store/onboard.h"

typedef struct Fixture {
    char path[64];
    OrgsFile file;
    OrgsPiece piece;
    Error error;
} Fixture;

static Status open_text(Fixture *fixture, Str text)
{
    snprintf(fixture->path, sizeof fixture->path, "%s", "/tmp/weir-orgs-XXXXXX");
    int fd = mkstemp(fixture->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.ptr, text.len), text.len);
    close(fd);
    orgs_piece_init(&fixture->piece);
    return orgs_file_open(fixture->path, &fixture->file, &fixture->error);
}

static void close_all(Fixture *fixture)
{
    orgs_file_close(&fixture->file);
    orgs_piece_release(&fixture->piece);
    unlink(fixture->path);
}

static void check_body(const Fixture *fixture, const char *expected)
{
    assert_text(buf_str(&fixture->piece.body), expected);
}

static void test_json(void **state)
{
    static const char *const texts[] = {"{\"organizations\":[{\"name\":\"a\"},\n {\"n\": 1.50}]}",
                                        " [{\"name\": \"a\"}, {\"n\":1.50}]\n",
                                        "\xEF\xBB\xBF[{\"name\":\"a\"},{\"n\":1.50}]"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        Fixture fixture;
        assert_int_equal(open_text(&fixture, str_from(texts[i])), STATUS_OK);
        assert_int_equal(fixture.file.count, 2);
        for (int again = 0; again < 2; again++) {
            assert_true(orgs_file_next(&fixture.file, &fixture.piece));
            check_body(&fixture, "{\"organizations\":[{\"name\":\"a\"},{\"n\":1.50}]}");
            assert_string_equal(fixture.piece.content_type, "application/json");
            assert_int_equal(fixture.piece.count, 2);
            assert_false(orgs_file_next(&fixture.file, &fixture.piece));
            orgs_file_rewind(&fixture.file);
        }
        close_all(&fixture);
    }
}

/* Lines are counted as an editor does, also where a cell has several. */
static void test_csv(void **state)
{
    Fixture fixture;
    (void)state;
    assert_int_equal(open_text(&fixture, STR("\xEF\xBB\xBFname,domain\r\n\"a\r\nb\",a.com\r\n\r\nc,c.com")), STATUS_OK);
    assert_int_equal(fixture.file.count, 2);
    assert_true(orgs_file_next(&fixture.file, &fixture.piece));
    check_body(&fixture, "name,domain\r\n\"a\r\nb\",a.com\r\n\r\nc,c.com");
    assert_string_equal(fixture.piece.content_type, "text/csv");
    assert_int_equal(fixture.piece.count, 2);
    assert_int_equal(fixture.piece.shift, 0);
    assert_false(orgs_file_next(&fixture.file, &fixture.piece));
    close_all(&fixture);
}

static void fill(Buf *text, bool is_csv, int count)
{
    buf_init(text, 16 << 20);
    buf_put(text, is_csv ? STR("name,domain\n") : STR("["));
    for (int i = 0; i < count; i++) {
        buf_printf(text, is_csv ? "%s%d,d%d.com" : "%s{\"name\":\"%d\",\"domain\":\"d%d.com\"}",
                   i ? is_csv ? "\n" : "," : "", i, i);
    }
    buf_put(text, is_csv ? STR("") : STR("]"));
}

static void check_pieces(bool is_csv)
{
    Fixture fixture;
    Buf text;
    size_t pieces = 0, total = 0;
    fill(&text, is_csv, 2 * ONBOARD_ITEMS_MAX + 1);
    assert_int_equal(open_text(&fixture, buf_str(&text)), STATUS_OK);
    while (orgs_file_next(&fixture.file, &fixture.piece)) {
        char first[32];
        assert_int_equal(fixture.piece.first, total);
        assert_int_equal(fixture.piece.shift, is_csv ? total : 0);
        snprintf(first, sizeof first, "d%zu.com", total);
        buf_put_char(&fixture.piece.body, '\0');
        assert_non_null(strstr(fixture.piece.body.ptr, first));
        total += fixture.piece.count;
        pieces++;
    }
    assert_int_equal(pieces, 3);
    assert_int_equal(total, 2 * ONBOARD_ITEMS_MAX + 1);
    close_all(&fixture);
    buf_release(&text);
}

static void test_pieces(void **state)
{
    (void)state;
    check_pieces(false);
    check_pieces(true);
}

/* A body of some MiB is refused, so that large ones go in more pieces; one that is too large by itself goes alone. */
static void test_large_ones(void **state)
{
    enum { EACH = 1 << 20, COUNT = 7 };
    Fixture fixture;
    Buf text;
    size_t pieces = 0;
    (void)state;
    buf_init(&text, 16 << 20);
    for (int i = 0; i < COUNT; i++) {
        buf_put(&text, i ? STR("\",\"") : STR("[\""));
        memset(buf_reserve(&text, EACH), 'x', EACH);
        text.len += EACH;
    }
    BUF_PUT(&text, "\"]");
    assert_int_equal(open_text(&fixture, buf_str(&text)), STATUS_OK);
    while (orgs_file_next(&fixture.file, &fixture.piece)) {
        assert_true(fixture.piece.body.len < ORGS_PIECE_BYTES_MAX);
        pieces++;
    }
    assert_int_equal(pieces, 4);
    close_all(&fixture);
    buf_release(&text);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *problem;
    } rows[] = {{"", " has no organizations"},
                {"[]", " has no organizations"},
                {"name,domain,contact_email\n", " has no organizations"},
                {"{\"organizations\":7}", "is neither an array"},
                {"{\"orgs\":[1]}", "is neither an array"},
                {"[1,]", "is not JSON: "}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Fixture fixture;
        assert_int_equal(open_text(&fixture, str_from(rows[i].text)), STATUS_REFUSED);
        assert_non_null(strstr(fixture.error.message, rows[i].problem));
        close_all(&fixture);
    }
}

static void test_no_file(void **state)
{
    OrgsFile file;
    Error error;
    (void)state;
    assert_int_equal(orgs_file_open("/nowhere/at/all.csv", &file, &error), STATUS_REFUSED);
    assert_non_null(strstr(error.message, "No such file"));
    orgs_file_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),       cmocka_unit_test(test_csv),     cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_large_ones), cmocka_unit_test(test_refused), cmocka_unit_test(test_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
