/* What a client may ask for: failures. */
#include "http/fault.h"

#include <stdlib.h>

#include "http/parts.h"
#include "unit.h"

static const RecordPolicy allowed = {.scale = 2, .faults_allowed = true}, not_allowed = {.scale = 2};

typedef struct Fixture {
    HttpServer server;
    Conn conn;
    Request *request;
} Fixture;

static int setup(void **state)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->server.options = http_server_options_default();
    fixture->server.options.policy = &allowed;
    fixture->conn.server = &fixture->server;
    fixture->request = request_new(&fixture->conn);
    assert_non_null(fixture->request);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    request_free(fixture->request);
    free(fixture);
    return 0;
}

/* False when an answer was said. */
static bool read_fault(Fixture *fixture, const char *text, Fault *ret_fault)
{
    yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
    assert_non_null(doc);
    buf_reset(&fixture->request->out);
    fixture->request->answer = (Answer){0};
    bool ok = fault_read(fixture->request, yyjson_doc_get_root(doc), ret_fault);
    yyjson_doc_free(doc);
    return ok;
}

static void check_said(const Fixture *fixture, int code, const char *what)
{
    const Buf *out = &fixture->request->out;
    assert_int_equal(fixture->request->answer.code, code);
    assert_non_null(memmem(out->ptr, out->len, what, strlen(what)));
}

static void test_what_is_asked_for(void **state)
{
    static const struct {
        const char *text;
        Fault fault;
    } cases[] = {
        {"{\"simulateFailure\":\"before\"}", FAULT_BEFORE},
        {"{\"simulateFailure\":\"during\"}", FAULT_DURING},
        {"{\"simulateFailure\":true}", FAULT_DURING},
        {"{\"simulateFailure\":\"after\",\"a\":1}", FAULT_AFTER},
        {"{\"simulateFailure\":false}", FAULT_NONE},
        {"{\"payload\":{\"simulateFailure\":true}}", FAULT_NONE}, /* only at the top */
        {"{\"simulatefailure\":true}", FAULT_NONE},
        {"{}", FAULT_NONE},
        {"7", FAULT_NONE}, /* what that is others say */
        {"[{\"simulateFailure\":true}]", FAULT_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Fault fault = FAULT_AFTER;
        assert_true(read_fault(*state, cases[i].text, &fault));
        assert_int_equal(fault, cases[i].fault);
    }
}

static void test_what_is_not_understood(void **state)
{
    static const char *const texts[] = {"\"no\"", "\"Before\"", "\"\"", "\"before \"", "1", "null", "{}", "[true]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[64];
        Fault fault;
        snprintf(text, sizeof text, "{\"simulateFailure\":%s}", texts[i]);
        assert_false(read_fault(*state, text, &fault));
        assert_int_equal(fault, FAULT_NONE);
        check_said(*state, 422, "\"errors\":{\"simulateFailure\":[\"must be before, during, after, true or false\"]}");
    }
}

/* Whatever it says: who sends it is told that it does nothing here. */
static void test_not_allowed(void **state)
{
    static const char *const texts[] = {"\"before\"", "\"after\"", "true", "false", "7"};
    Fixture *fixture = *state;
    fixture->server.options.policy = &not_allowed;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[64];
        Fault fault;
        snprintf(text, sizeof text, "{\"simulateFailure\":%s}", texts[i]);
        assert_false(read_fault(fixture, text, &fault));
        check_said(fixture, 422, "\"errors\":{\"simulateFailure\":[\"is not allowed here (faults.allow)\"]}");
    }
    Fault fault;
    assert_true(read_fault(fixture, "{\"a\":1}", &fault));
}

static void test_what_is_said(void **state)
{
    static const char *const expected[] = {[FAULT_BEFORE] = "a failure before the transaction was simulated",
                                           [FAULT_DURING] = "a failure during the transaction was simulated",
                                           [FAULT_AFTER] = "a failure after the transaction was simulated"};
    Fixture *fixture = *state;
    for (Fault fault = FAULT_BEFORE; fault <= FAULT_AFTER; fault++) {
        buf_reset(&fixture->request->out);
        fault_say(fixture->request, fault);
        check_said(fixture, 500, expected[fault]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_understood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_said, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
