#include "unit.h"

#include "http/framing.h"

/* The headers as the library's parser leaves them: it writes a NUL over the colon and over each byte of the line's
 * end. */
typedef struct Head {
    char text[1024];
    size_t len;
    Framing framing;
} Head;

static void head_init(Head *head) { *head = (Head){.framing = {.has_layout = true}}; }

static void add(Head *head, const char *name, const char *value)
{
    char *at = head->text + head->len;
    size_t name_len = strlen(name), value_len = strlen(value);
    memcpy(at, name, name_len);
    at[name_len] = '\0';
    at[name_len + 1] = ' ';
    memcpy(at + name_len + 2, value, value_len);
    memset(at + name_len + 2 + value_len, 0, 2);
    head->len += name_len + value_len + 4;
    framing_add(&head->framing, (Str){at, name_len}, (Str){at + name_len + 2, value_len});
}

static const char *problem(const Head *head) { return framing_problem(&head->framing, true); }

static void test_good(void **state)
{
    Head head;
    (void)state;
    head_init(&head);
    add(&head, "Host", "localhost");
    add(&head, "X-Empty", "");
    add(&head, "Content-Length", "142");
    assert_null(problem(&head));
    assert_int_equal(head.framing.length, 142);
    assert_int_equal(head.framing.headers, 3);
    assert_false(head.framing.is_chunked);
    head_init(&head);
    add(&head, "HOST", "localhost");
    add(&head, "transfer-encoding", "Chunked");
    assert_null(problem(&head));
    assert_true(head.framing.is_chunked);
}

static void test_ambiguous(void **state)
{
    static const struct {
        const char *headers[3][2];
        const char *says;
    } rows[] = {
        {{{"Content-Length", "5"}, {"Content-Length", "5"}}, "more than one Content-Length"},
        {{{"Content-Length", "5"}, {"content-length", "6"}}, "more than one Content-Length"},
        {{{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}}, "both a Content-Length"},
        {{{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}, "more than one Transfer-Encoding"},
        {{{"Transfer-Encoding", "gzip, chunked"}}, "only Transfer-Encoding"},
        {{{"Transfer-Encoding", "identity"}}, "only Transfer-Encoding"},
        {{{"Transfer-Encoding", ""}}, "only Transfer-Encoding"},
        {{{"Content-Length", "+5"}}, "not a number"},
        {{{"Content-Length", "5, 5"}}, "not a number"},
        {{{"Content-Length", ""}}, "not a number"},
        {{{"Content-Length ", "5"}}, "character"},
        {{{"Content\tLength", "5"}}, "character"},
        {{{"", "5"}}, "character"},
        {{{"X-A", "a\rb"}}, "character"},
        {{{"X-A", "a\x7f"}}, "character"},
        {{{"Host", "other"}}, "more than one Host"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Head head;
        head_init(&head);
        add(&head, "Host", "localhost");
        for (size_t j = 0; j < 3 && rows[i].headers[j][0]; j++) {
            add(&head, rows[i].headers[j][0], rows[i].headers[j][1]);
        }
        assert_non_null(problem(&head));
        assert_non_null(strstr(problem(&head), rows[i].says));
    }
}

static void test_versions(void **state)
{
    Head head;
    (void)state;
    head_init(&head);
    add(&head, "Accept", "*/*");
    assert_non_null(framing_problem(&head.framing, true));
    assert_null(framing_problem(&head.framing, false));
    add(&head, "Transfer-Encoding", "chunked");
    assert_non_null(framing_problem(&head.framing, false));
}

/* A folded line: the library copies the name elsewhere and glues the second line to it; the value stays. */
static void test_folded(void **state)
{
    Head head;
    (void)state;
    head_init(&head);
    add(&head, "Host", "localhost");
    const char moved[] = "Content-Length00";
    char *value = head.text + head.len;
    memcpy(value, "1\0\0", 4);
    framing_add(&head.framing, (Str){moved, sizeof moved - 1}, (Str){value, 1});
    assert_non_null(strstr(problem(&head), "folded"));
}

/* What is behind a NUL, or behind a bare line feed, is no second NUL. */
static void test_cut_value(void **state)
{
    char text[] = "Content-Length\0 5\0, 7\0\0";
    Framing framing = {.has_layout = true};
    (void)state;
    framing_add(&framing, (Str){text, 14}, (Str){text + 16, 1});
    assert_non_null(strstr(framing_problem(&framing, false), "NUL"));
}

/* The request line as the library leaves it: a NUL over each blank between its parts and over each byte of its end.
 * `line` has blanks in these places, and `target` is what it was before it was decoded in place. */
static const char *line_problem(const char *line, const char *method, const char *target, const char *version)
{
    Framing framing = {.has_layout = true};
    const char *method_at = strstr(line, method), *target_at = strstr(line, target),
               *version_at = strstr(line, version);
    framing_begin(&framing, (Str){method_at, strlen(method)}, str_from(target), target_at,
                  (Str){version_at, strlen(version)});
    if (!framing.problem) {
        assert_ptr_equal(framing.line_end, version_at + strlen(version) + 2);
    }
    return framing.problem;
}

static void test_request_line(void **state)
{
    (void)state;
    assert_null(line_problem("GET /a?b=c HTTP/1.1", "GET", "/a?b=c", "HTTP/1.1"));
    assert_non_null(strstr(line_problem("GET  /a HTTP/1.1", "GET", "/a", "HTTP/1.1"), "more than one blank"));
    assert_non_null(strstr(line_problem("GET /a  HTTP/1.1", "GET", "/a", "HTTP/1.1"), "more than one blank"));
    assert_non_null(strstr(line_problem("GET /a0b HTTP/1.1", "GET", "/a", "HTTP/1.1"), "NUL")); /* cut at it */
    assert_non_null(strstr(line_problem("GET /a b HTTP/1.1", "GET", "/a b", "HTTP/1.1"), "%20"));
    assert_non_null(strstr(line_problem("GET /a\rb HTTP/1.1", "GET", "/a\rb", "HTTP/1.1"), "not a method"));
    assert_non_null(strstr(line_problem("G(T /a HTTP/1.1", "G(T", "/a", "HTTP/1.1"), "not a method"));
}

/* A bare line feed, a NUL behind the last value, and a header without a name, which ends the head: all of it shows at
 * the end. */
static void test_head_end(void **state)
{
    Head head;
    (void)state;
    for (int off = -2; off <= 2; off++) {
        head_init(&head);
        add(&head, "Host", "localhost");
        framing_end(&head.framing, head.text + head.len + 2 + off);
        assert_int_equal(problem(&head) == NULL, off == 0);
    }
}

/* Without the layout of the old library the texts may be anywhere. */
static void test_other_layout(void **state)
{
    Framing framing = {.has_layout = false};
    (void)state;
    framing_begin(&framing, STR("GET"), STR("/"), NULL, STR("HTTP/1.1"));
    framing_add(&framing, STR("Host"), STR("a"));
    framing_add(&framing, STR("Content-Length"), STR("5"));
    framing_end(&framing, NULL);
    assert_null(framing_problem(&framing, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),         cmocka_unit_test(test_ambiguous), cmocka_unit_test(test_versions),
        cmocka_unit_test(test_folded),       cmocka_unit_test(test_cut_value), cmocka_unit_test(test_other_layout),
        cmocka_unit_test(test_request_line), cmocka_unit_test(test_head_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
