/* A single event, with the processor in the test's hands: what its client is told when the store does not take it. */
#include "request_world.h"

#include <stdlib.h>

#include "http/records_call.h"

#define EVENT "{\"client\":\"c\",\"metric\":\"m\",\"amount\":5,\"time\":\"2024-01-01\"}"

typedef struct Fixture {
    RequestWorld world;
    Request *request; /* the world's */
    RecordsCall call;
} Fixture;

static int setup(void **state)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    request_world_init(&fixture->world);
    fixture->request = fixture->world.request;
    fixture->call = (RecordsCall){.events = true, .first_wins = true};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    request_world_release(&fixture->world);
    free(fixture);
    return 0;
}

/* What the processor says of it, and then its client is told. */
static void post(Fixture *fixture, Outcome outcome)
{
    Request *request = fixture->request;
    yyjson_doc *doc = yyjson_read(EVENT, strlen(EVENT), YYJSON_READ_NUMBER_AS_RAW);
    assert_non_null(doc);
    request->state = &fixture->call;
    events_post_single(request, yyjson_doc_get_root(doc), STR(EVENT));
    assert_int_equal(handed_count, 1);
    handed[0]->work.records.outcomes[0] = outcome;
    request_world_go_on(&fixture->world);
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
    Str id = handed[0]->work.records.items[0].record_id;
    snprintf(letter, sizeof letter, "\"deadLetter\":{\"source\":\"events\",\"place\":\"%.*s%s\"}", STR_ARGS(id),
             place_ends);
    assert_int_equal(fixture->request->answer.code, 422);
    assert_true(is_said(fixture, "\"errors\":{\"amount\":[\"would make a total of its flow too large\"]}"));
    assert_true(is_said(fixture, letter));
    assert_text(handed[0]->work.records.intake->letters[0].raw, EVENT);
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
    assert_null(handed[0]->work.records.intake);
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
