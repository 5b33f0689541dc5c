#include "unit.h"

#include <ctype.h>

#include "http/http_metrics.h"
#include "http/pages.h"
#include "http/problem.h"
#include "http/routes.h"

static const Route *find(const char *method, const char *path, Str segment[URI_SEGMENTS_MAX], char *allow)
{
    return route_find(method, str_from(path), segment, allow);
}

static void test_found(void **state)
{
    char allow[ROUTE_ALLOW_BYTES];
    Str segment[URI_SEGMENTS_MAX] = {{NULL, 0}};
    (void)state;
    assert_string_equal(find("POST", "/api/records", segment, allow)->pattern, "/api/records");
    assert_ptr_equal(find("POST", "/api/v1/records", segment, allow), find("POST", "/api/records", segment, allow));
    assert_ptr_equal(find("HEAD", "/health", segment, allow), find("GET", "/health", segment, allow));
    assert_string_equal(find("GET", "/api/records/aggregate", segment, allow)->pattern, "/api/records/aggregate");
    assert_string_equal(find("GET", "/api/v1/records/rec-1", segment, allow)->pattern, "/api/records/{recordId}");
    assert_text(segment[0], "rec-1");
    assert_text(segment[1], "");
    assert_string_equal(find("DELETE", "/api/v1/sinks/hooks/replays/7", segment, allow)->pattern,
                        "/api/sinks/{name}/replays/{id}");
    assert_text(segment[0], "hooks");
    assert_text(segment[1], "7");
    assert_string_equal(find("POST", "/api/v1/sources/orders/forget", segment, allow)->pattern,
                        "/api/sources/{name}/forget");
    assert_text(segment[0], "orders");
    assert_string_equal(find("POST", "/api/dead-letters/retry", segment, allow)->pattern, "/api/dead-letters/retry");
    assert_string_equal(find("POST", "/api/dead-letters/7/retry", segment, allow)->pattern,
                        "/api/dead-letters/{id}/retry");
    assert_string_equal(find("POST", "/api/v1/bulk-onboard/b-1/retry", segment, allow)->pattern,
                        "/api/bulk-onboard/{id}/retry");
    assert_text(segment[0], "b-1");
    assert_string_equal(find("GET", "/api/organizations/acme.com/history", segment, allow)->pattern,
                        "/api/organizations/{id}/history");
}

static void test_not_found(void **state)
{
    char allow[ROUTE_ALLOW_BYTES];
    Str segment[URI_SEGMENTS_MAX] = {{NULL, 0}};
    (void)state;
    assert_null(find("GET", "/nothing", segment, allow));
    assert_string_equal(allow, "");
    assert_null(find("GET", "/v1/records", segment, allow));
    assert_null(find("GET", "/api/v1", segment, allow));
    assert_null(find("PUT", "/api/records", segment, allow));
    assert_string_equal(allow, "POST, GET, HEAD");
    assert_null(find("POST", "/api/records/aggregate", segment, allow));
    assert_string_equal(allow, "GET, HEAD");
    assert_null(find("HEAD", "/records", segment, allow));
    assert_string_equal(allow, "POST");
}

/* The contract has each route, and no other. */
static void test_openapi(void **state)
{
    yyjson_doc *doc = yyjson_read(page_openapi().ptr, page_openapi().len, 0);
    (void)state;
    assert_non_null(doc);
    yyjson_val *paths = yyjson_obj_get(yyjson_doc_get_root(doc), "paths");
    size_t described = 0, index, count, inner, methods;
    yyjson_val *path, *item, *method, *operation;
    yyjson_obj_foreach(paths, index, count, path, item)
    {
        yyjson_obj_foreach(item, inner, methods, method, operation)
        {
            described += !yyjson_equals_str(method, "parameters");
        }
    }
    for (size_t i = 0; i < route_count; i++) {
        char lower[16] = "";
        for (size_t j = 0; routes[i].method[j]; j++) {
            lower[j] = (char)tolower(routes[i].method[j]);
        }
        if (!yyjson_obj_get(yyjson_obj_get(paths, routes[i].pattern), lower)) {
            fail_msg("%s %s is not in openapi.json", routes[i].method, routes[i].pattern);
        }
    }
    assert_int_equal(described, route_count);
    yyjson_doc_free(doc);
}

/* The last place of the metrics is for requests without a route. */
static void test_each_is_counted_by_itself(void **state)
{
    (void)state;
    assert_true(route_count < HTTP_METRICS_ROUTES_MAX);
}

static void test_problem(void **state)
{
    Buf buf;
    (void)state;
    buf_init(&buf, 4096);
    problem_put(&buf, &(Problem){PROBLEM_NOT_FOUND, STR("no \"x\""), STR("/a"), STR("\"errors\":{}")});
    assert_text(buf_str(&buf),
                "{\"type\":\"urn:weir:problem:not-found\",\"title\":\"There is nothing here\",\"status\":404,"
                "\"detail\":\"no \\\"x\\\"\",\"message\":\"no \\\"x\\\"\",\"instance\":\"/a\",\"errors\":{}}");
    buf_release(&buf);
}

static void test_statuses(void **state)
{
    (void)state;
    assert_int_equal(problem_code(problem_of_status(STATUS_REFUSED)), 422);
    assert_int_equal(problem_code(problem_of_status(STATUS_CONFLICT)), 409);
    assert_int_equal(problem_code(problem_of_status(STATUS_BUSY)), 503);
    assert_int_equal(problem_code(problem_of_status(STATUS_UNKNOWN)), 503);
    assert_int_equal(problem_code(problem_of_status(STATUS_BROKEN)), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),   cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_openapi), cmocka_unit_test(test_each_is_counted_by_itself),
        cmocka_unit_test(test_problem), cmocka_unit_test(test_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
