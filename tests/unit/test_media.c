#include "unit.h"

#include "http/media.h"

enum { ALL = ANSWER_JSON | ANSWER_NDJSON | ANSWER_CSV | ANSWER_EVENTS };

static void test_bodies(void **state)
{
    static const struct {
        const char *header;
        MediaType type;
        const char *charset;
    } rows[] = {
        {"", MEDIA_JSON, ""},
        {"application/json", MEDIA_JSON, ""},
        {"Application/JSON; Charset=\"UTF-8\"", MEDIA_JSON, "UTF-8"},
        {"text/json ;charset=latin1", MEDIA_JSON, "latin1"},
        {"application/vnd.weir+json", MEDIA_JSON, ""},
        {"application/x-ndjson", MEDIA_NDJSON, ""},
        {"application/jsonl; charset=utf-8", MEDIA_NDJSON, "utf-8"},
        {"application/cloudevents+json", MEDIA_CLOUDEVENT, ""},
        {"application/cloudevents-batch+json; charset=utf-8", MEDIA_CLOUDEVENTS, "utf-8"},
        {"text/csv; charset=utf-8; header=present", MEDIA_CSV, "utf-8"},
        {"application/x-www-form-urlencoded", MEDIA_FORM, ""},
        {"multipart/form-data; boundary=x", MEDIA_FORM, ""},
        {"text/plain", MEDIA_OTHER, ""},
        {"+json", MEDIA_OTHER, ""},
        {"applicationjson", MEDIA_OTHER, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Str charset;
        assert_int_equal(media_type_parse(str_from(rows[i].header), &charset), rows[i].type);
        assert_text(charset, rows[i].charset);
    }
}

static void test_charsets(void **state)
{
    (void)state;
    assert_true(media_charset_is_utf8((Str){NULL, 0}));
    assert_true(media_charset_is_utf8(STR("UTF-8")));
    assert_false(media_charset_is_utf8(STR("iso-8859-1")));
}

static void test_accept(void **state)
{
    static const struct {
        const char *accept;
        unsigned offered;
        MediaAnswer answer;
    } rows[] = {
        {"", ALL, ANSWER_JSON},
        {"*/*", ALL, ANSWER_JSON},
        {"text/csv", ALL, ANSWER_CSV},
        {"TEXT/CSV", ALL, ANSWER_CSV},
        {"application/x-ndjson", ALL, ANSWER_NDJSON},
        {"text/event-stream", ALL, ANSWER_EVENTS},
        {"text/event-stream", ANSWER_JSON | ANSWER_CSV, ANSWER_JSON},
        {"text/csv;q=0.5, application/json;q=0.4", ALL, ANSWER_CSV},
        {"text/csv;q=0.4, application/json;q=0.5", ALL, ANSWER_JSON},
        {"text/csv;q=0, */*", ALL, ANSWER_JSON},
        {"application/json;q=0, text/*", ALL, ANSWER_CSV},
        {"text/csv, */*", ALL, ANSWER_CSV},
        {"text/*;q=0.9, application/json;q=0.8", ALL, ANSWER_CSV},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", ALL, ANSWER_JSON},
        {"image/png", ALL, ANSWER_JSON},
        {"application/json, text/csv", ALL, ANSWER_JSON},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(media_negotiate(str_from(rows[i].accept), rows[i].offered), rows[i].answer);
    }
}

static void test_format(void **state)
{
    MediaAnswer answer = ANSWER_JSON;
    (void)state;
    assert_true(media_answer_parse(STR("csv"), ALL, &answer));
    assert_int_equal(answer, ANSWER_CSV);
    assert_false(media_answer_parse(STR("csv"), ANSWER_JSON | ANSWER_EVENTS, &answer));
    assert_false(media_answer_parse(STR("xml"), ALL, &answer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_charsets),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
