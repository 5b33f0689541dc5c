/* A single event, with the processor in the test's hands: what its client is told when the store does not take it. */
#include "unit.h"

#include <microhttpd.h>
#include <stdlib.h>

#include "http/parts.h"
#include "http/records_call.h"
#include "http/turn.h"

/* ---- What is replaced (by the linker's --wrap) --------------------------------------------------------------------------- */

static Submission *handed;

Status __wrap_processor_submit(Processor *processor, Submission *submission, Error *reterr);
Status __wrap_processor_submit(Processor *processor, Submission *submission, Error *reterr)
{
    (void)processor, (void)reterr;
    handed = submission;
    return STATUS_OK;
}

void MHD_suspend_connection(struct MHD_Connection *mhd) { (void)mhd; }
void MHD_resume_connection(struct MHD_Connection *mhd) { (void)mhd; }

/* ---- Events -------------------------------------------------------------------------------------------------------------- */

#define EVENT "{\"client\":\"c\",\"metric\":\"m\",\"amount\":5,\"time\":\"2024-01-01\"}"

static const RecordPolicy policy = {.scale = 2, .identity = IDENTITY_RECORD_ID, .hash_seed = 5};

typedef struct Fixture {
    HttpServer server;
    Poller poller; /* never asleep */
    Conn conn;
    MappingSet *mappings;
    Request *request;
    RecordsCall call;
} Fixture;

static int setup(void **state)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    Error error = {0};
    assert_non_null(fixture);
    handed = NULL;
    assert_int_equal(mapping_set_new(NULL, 0, &fixture->mappings, &error), STATUS_OK);
    fixture->server.options = http_server_options_default();
    fixture->server.options.policy = &policy;
    fixture->server.options.mappings = fixture->mappings;
    fixture->server.options.clock = &clock_system;
    fixture->conn.server = &fixture->server;
    fixture->conn.poller = &fixture->poller;
    fixture->request = request_new(&fixture->conn);
    assert_non_null(fixture->request);
    fixture->call = (RecordsCall){.events = true, .first_wins = true};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    request_free(fixture->request);
    mapping_set_free(fixture->mappings);
    free(fixture);
    return 0;
}

/* What the processor says of it, and then its client is told. */
static void post(Fixture *fixture, Outcome outcome)
{
    const Error no_error = {0};
    Request *request = fixture->request;
    yyjson_doc *doc = yyjson_read(EVENT, strlen(EVENT), YYJSON_READ_NUMBER_AS_RAW);
    assert_non_null(doc);
    request->state = &fixture->call;
    events_post_single(request, yyjson_doc_get_root(doc), STR(EVENT));
    assert_non_null(handed);
    handed->work.records.outcomes[0] = outcome;
    handed->done(handed, STATUS_OK, &no_error);
    assert_int_equal(turn_take_back(request), TURN_BACK_OURS);
    request->then(request);
    yyjson_doc_free(doc);
}

static bool is_said(const Fixture *fixture, const char *what)
{
    const Buf *out = &fixture->request->out;
    return memmem(out->ptr, out->len, what, strlen(what)) != NULL;
}

static void check_rejected(Fixture *fixture, const char *place_ends)
{
    char letter[256];
    post(fixture, (Outcome){.kind = OUTCOME_REJECTED});
    Str id = handed->work.records.items[0].record_id;
    snprintf(letter, sizeof letter, "\"deadLetter\":{\"source\":\"events\",\"place\":\"%.*s%s\"}", STR_ARGS(id),
             place_ends);
    assert_int_equal(fixture->request->answer.code, 422);
    assert_true(is_said(fixture, "\"errors\":{\"amount\":[\"would make a total of its flow too large\"]}"));
    assert_true(is_said(fixture, letter));
    assert_text(handed->work.records.intake->letters[0].raw, EVENT);
}

/* The store keeps a letter of it as of one that is none, and where that is found is told. */
static void test_rejected(void **state) { check_rejected(*state, ""); }

static void test_rejected_by_a_mapping(void **state)
{
    Fixture *fixture = *state;
    fixture->call.mapping = STR("builtin");
    check_rejected(fixture, "?mapping=builtin");
}

static void test_rejected_in_a_dry_run(void **state)
{
    Fixture *fixture = *state;
    fixture->call.dry_run = true;
    post(fixture, (Outcome){.kind = OUTCOME_REJECTED});
    assert_int_equal(fixture->request->answer.code, 422);
    assert_false(is_said(fixture, "deadLetter"));
    assert_null(handed->work.records.intake);
}

static void test_created(void **state)
{
    Fixture *fixture = *state;
    post(fixture, (Outcome){.kind = OUTCOME_CREATED, .seq = 1});
    assert_int_equal(fixture->request->answer.code, 201);
    assert_false(is_said(fixture, "deadLetter"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rejected, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rejected_by_a_mapping, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rejected_in_a_dry_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_created, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
