#include "unit.h"

#include "http/rule_json.h"

static yyjson_doc *read(const char *text)
{
    yyjson_doc *doc = yyjson_read(text, strlen(text), YYJSON_READ_NUMBER_AS_RAW);
    assert_non_null(doc);
    return doc;
}

static void test_create(void **state)
{
    AlertRule rule = rule_default();
    QueryProblems problems;
    Buf buf;
    (void)state;
    yyjson_doc *doc = read("{\"name\":\"big\",\"destinationId\":\"d\",\"unit\":\"\",\"type\":\"negative\","
                           "\"measure\":\"net_value\",\"threshold\":1.5e3,\"enabled\":false}");
    assert_int_equal(rule_apply_json(&rule, yyjson_doc_get_root(doc), 2, &problems), STATUS_OK);
    rule_require(&rule, true, &problems);
    assert_int_equal(problems.count, 0);
    buf_init(&buf, 4096);
    rule_put_json(&buf, &rule, 2);
    assert_text(
        buf_str(&buf),
        "{\"id\":0,\"name\":\"big\",\"sourceId\":null,\"destinationId\":\"d\",\"unit\":null,\"reference\":null,"
        "\"type\":\"negative\",\"measure\":\"net_value\",\"threshold\":\"1500.00\",\"enabled\":false,\"version\":0,"
        "\"createdAt\":\"1970-01-01T00:00:00Z\",\"updatedAt\":\"1970-01-01T00:00:00Z\"}");
    buf_release(&buf);
    yyjson_doc_free(doc);
}

static void test_required(void **state)
{
    AlertRule rule = rule_default();
    QueryProblems problems;
    (void)state;
    yyjson_doc *doc = read("{}");
    assert_int_equal(rule_apply_json(&rule, yyjson_doc_get_root(doc), 2, &problems), STATUS_OK);
    rule_require(&rule, true, &problems);
    assert_int_equal(problems.count, 2);
    assert_string_equal(problems.items[0].field, "name");
    assert_string_equal(problems.items[1].field, "threshold");
    yyjson_doc_free(doc);
}

static void test_problems(void **state)
{
    static const struct {
        const char *text, *field;
    } rows[] = {
        {"{\"name\":\"\"}", "name"},
        {"{\"name\":7}", "name"},
        {"{\"name\":\"a\\u0000b\"}", "name"},
        {"{\"threshold\":\"0\"}", "threshold"},
        {"{\"threshold\":-1}", "threshold"},
        {"{\"threshold\":\"1.005\"}", "threshold"},
        {"{\"threshold\":true}", "threshold"},
        {"{\"type\":\"both\"}", "type"},
        {"{\"measure\":null}", "measure"},
        {"{\"enabled\":\"yes\"}", "enabled"},
        {"{\"unit\":5}", "unit"},
        {"{\"colour\":\"red\"}", "colour"},
        {"{\"version\":1}", "version"},
        {"{\"name\":\"a\",\"name\":\"b\"}", "body"},
        {"[]", "body"},
        {"null", "body"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AlertRule rule = rule_default();
        QueryProblems problems;
        yyjson_doc *doc = read(rows[i].text);
        assert_int_equal(rule_apply_json(&rule, yyjson_doc_get_root(doc), 2, &problems), STATUS_REFUSED);
        assert_int_equal(problems.count, 1);
        assert_string_equal(problems.items[0].field, rows[i].field);
        yyjson_doc_free(doc);
    }
}

static void test_change(void **state)
{
    AlertRule rule = {.id = 3, .name = STR("old"), .unit = STR("EUR"), .type = 0, .threshold = 500, .version = 7};
    QueryProblems problems;
    (void)state;
    yyjson_doc *doc = read("{\"unit\":null,\"type\":null,\"threshold\":\"6.00\",\"version\":7}");
    assert_int_equal(rule_apply_json(&rule, yyjson_doc_get_root(doc), 2, &problems), STATUS_OK);
    assert_text(rule.name, "old");
    assert_int_equal(rule.unit.len, 0);
    assert_int_equal(rule.type, -1);
    assert_int_equal(rule.threshold, 600);
    yyjson_doc_free(doc);
    doc = read("{\"version\":6}");
    assert_int_equal(rule_apply_json(&rule, yyjson_doc_get_root(doc), 2, &problems), STATUS_CONFLICT);
    yyjson_doc_free(doc);
    doc = read("{\"version\":6,\"version\":7}");
    assert_int_equal(rule_apply_json(&rule, yyjson_doc_get_root(doc), 2, &problems), STATUS_REFUSED);
    yyjson_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
