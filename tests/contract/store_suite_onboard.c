/* The contract of store.h and onboard.h: batches of organizations, whole or not at all. Their jobs:
 * store_suite_jobs.c. */
#include "onboard_fixture.h"

#include <inttypes.h>
#include <stdio.h>

static const OrganizationFilter all = {.status = -1};

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

static void test_a_batch_and_its_jobs(void **state)
{
    Fixture *fixture = *state;
    Batch *batch = batch_new("b1", ON_DUPLICATE_UPDATE);
    add_organization(batch, "acme.com", "Acme");
    add_organization(batch, "beta.org", "Beta")->metadata = STR("{\"plan\":1}");
    batch->items[1] = 7; /* some of the request were no organizations */
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    assert_int_equal(batch->outcomes[0], ONBOARD_CREATED);
    assert_int_equal(batch->outcomes[1], ONBOARD_CREATED);
    test_free(batch);
    assert_batch(fixture, "b1", "2=2/0/0/0/0");
    assert_jobs(fixture, (JobFilter){.batch_id = STR("b1"), .state = -1, .after = -1}, "0:pending*0 7:pending*0 ");
    assert_organizations(fixture, all, "2:beta.org=Beta#1/pending 1:acme.com=Acme#1/pending ");
    assert_changes(fixture, 1, "created by api#1 {} in b1;");
    assert_messages(fixture, 0, "organization.created:acme.com organization.created:beta.org ");
    assert_counts(fixture, "1 2=2/0/0/0/0");
    assert_verifies(fixture);
}

static void test_a_batch_that_is_complete_at_once(void **state)
{
    Fixture *fixture = *state;
    onboard_domains(fixture, "b1", "acme.com beta.org", true);
    assert_batch(fixture, "b1", "2=0/0/2/0/0>!");
    assert_jobs(fixture, JOB_FILTER_ALL, "0:completed*0 1:completed*0 ");
    assert_organizations(fixture, all, "2:beta.org=beta.org#1/completed 1:acme.com=acme.com#1/completed ");
    assert_changes(fixture, 2, "processed by job 2#1 {} in b1;created by api#1 {} in b1;");
    assert_messages(fixture, 0,
                    "organization.created:acme.com organization.processed:acme.com "
                    "organization.created:beta.org organization.processed:beta.org batch.completed:b1 ");
    assert_int_equal(end_all(fixture, JOB_VERDICT_COMPLETED, ""), 0);
    assert_counts(fixture, "1 2=0/0/2/0/0");
    assert_verifies(fixture);
}

static void test_what_the_messages_say(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    Batch *batch = batch_new("b1", ON_DUPLICATE_UPDATE);
    add_organization(batch, "acme.com", "Acme \"A\"")->metadata = STR("{\"plan\":1}");
    batch->work.onboard.complete = true;
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    test_free(batch);
#define ACME(status, deleted)                                                                                          \
    "{\"organization\":{\"id\":1,\"domain\":\"acme.com\",\"name\":\"Acme \\\"A\\\"\","                                 \
    "\"contact_email\":\"contact@example.com\",\"metadata\":{\"plan\":1},\"status\":\"" status "\"," deleted "},"
    assert_body(fixture, 1,
                ACME("pending",
                     "\"version\":1,\"created\":\"2025-01-01T10:00:00Z\","
                     "\"updated\":\"2025-01-01T10:00:00Z\"") "\"batch_id\":\"b1\",\"job\":{\"id\":1,\"item\":0,"
                                                             "\"status\":\"pending\",\"attempts\":0}}");
    assert_body(fixture, 2,
                ACME("completed",
                     "\"version\":1,\"created\":\"2025-01-01T10:00:00Z\","
                     "\"updated\":\"2025-01-01T10:00:00Z\"") "\"batch_id\":\"b1\",\"job\":{\"id\":1,\"item\":0,"
                                                             "\"status\":\"completed\",\"attempts\":0}}");
    assert_body(fixture, 3,
                "{\"batch\":{\"batch_id\":\"b1\",\"total\":1,\"pending\":0,\"processing\":0,\"completed\":1,"
                "\"failed\":0,\"cancelled\":0,\"created\":\"2025-01-01T10:00:00Z\","
                "\"started\":\"2025-01-01T10:00:00Z\",\"finished\":\"2025-01-01T10:00:00Z\"}}");
    stopped_us += 1000000;
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_DELETED, NULL, 1, NULL), STATUS_OK);
    assert_body(fixture, 4,
                ACME("completed", "\"version\":2,\"created\":\"2025-01-01T10:00:00Z\","
                                  "\"updated\":\"2025-01-01T10:00:01Z\","
                                  "\"deleted\":\"2025-01-01T10:00:01Z\"") "\"batch_id\":null,\"job\":null}");
    assert_verifies(fixture);
}

/* ---- Domains that are there -------------------------------------------------------------------------------------- */

static void test_a_domain_that_is_there_is_updated(void **state)
{
    Fixture *fixture = *state;
    onboard_domains(fixture, "b1", "acme.com", true);
    Batch *batch = batch_new("b2", ON_DUPLICATE_UPDATE);
    add_organization(batch, "acme.com", "Acme")->metadata = STR("{\"a\":[1]}");
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    assert_int_equal(batch->outcomes[0], ONBOARD_UPDATED);
    assert_organizations(fixture, all, "1:acme.com=Acme#2/pending ");
    assert_changes(fixture, 1,
                   "updated by api#2 {\"name\":[\"acme.com\",\"Acme\"],\"metadata\":[null,{\"a\":[1]}]} in b2;"
                   "processed by job 1#1 {} in b1;created by api#1 {} in b1;");
    /* Nothing differs: it gets a job all the same. */
    batch->work.onboard.batch_id = STR("b3");
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    assert_int_equal(batch->outcomes[0], ONBOARD_UPDATED);
    test_free(batch);
    assert_organizations(fixture, all, "1:acme.com=Acme#2/pending ");
    assert_messages(fixture, 3, "organization.updated:acme.com organization.updated:acme.com ");
    assert_batches(fixture, (BatchFilter){0}, "b3 b2 b1 ");
    assert_batches(fixture, (BatchFilter){.before = 3}, "b2 b1 ");
    assert_counts(fixture, "3 1=2/0/1/0/0");
    assert_verifies(fixture);
}

static void test_a_domain_that_is_there_is_skipped(void **state)
{
    Fixture *fixture = *state;
    onboard_domains(fixture, "b1", "acme.com", false);
    Batch *batch = batch_new("b2", ON_DUPLICATE_SKIP);
    add_organization(batch, "acme.com", "other");
    add_organization(batch, "beta.org", "Beta");
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    assert_int_equal(batch->outcomes[0], ONBOARD_SKIPPED);
    assert_int_equal(batch->outcomes[1], ONBOARD_CREATED);
    assert_batch(fixture, "b2", "1=1/0/0/0/0");
    assert_jobs(fixture, (JobFilter){.batch_id = STR("b2"), .state = -1, .after = -1}, "1:pending*0 ");
    /* All of them. */
    batch->work.onboard.batch_id = STR("b3");
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    test_free(batch);
    assert_batch(fixture, "b3", "0=0/0/0/0/0!");
    assert_messages(fixture, 2, "batch.completed:b3 ");
    assert_organizations(fixture, all, "2:beta.org=Beta#1/pending 1:acme.com=acme.com#1/pending ");
    assert_verifies(fixture);
}

static void test_a_domain_that_is_there_fails_the_batch(void **state)
{
    Fixture *fixture = *state;
    onboard_domains(fixture, "b1", "acme.com", true);
    Batch *batch = batch_new("b2", ON_DUPLICATE_FAIL);
    add_organization(batch, "beta.org", "Beta");
    add_organization(batch, "acme.com", "other");
    put_key(batch, "key", 'a', "{}");
    assert_int_equal(onboard(fixture, batch), STATUS_CONFLICT);
    assert_int_equal(batch->work.onboard.conflict, ONBOARD_CONFLICT_DOMAINS);
    assert_int_equal(batch->outcomes[0], ONBOARD_NONE);
    assert_int_equal(batch->outcomes[1], ONBOARD_EXISTS);
    assert_batch(fixture, "b2", "");
    assert_answer(fixture, "key", "");
    assert_int_equal(store_last_seq(fixture->store), 3);
    batch->content[1].domain = STR("gamma.net");
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    assert_int_equal(batch->work.onboard.conflict, ONBOARD_CONFLICT_NONE);
    test_free(batch);
    assert_counts(fixture, "2 3=2/0/1/0/0");
    assert_verifies(fixture);
}

static void test_a_deleted_domain_is_there(void **state)
{
    Fixture *fixture = *state;
    onboard_domains(fixture, "b1", "acme.com", true);
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_DELETED, NULL, 0, NULL), STATUS_OK);
    assert_counts(fixture, "1 0=0/0/1/0/0");
    Batch *batch = batch_new("b2", ON_DUPLICATE_FAIL);
    add_organization(batch, "acme.com", "acme.com");
    assert_int_equal(onboard(fixture, batch), STATUS_CONFLICT);
    batch->work.onboard.on_duplicate = ON_DUPLICATE_SKIP;
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    assert_organizations(fixture, all, "");
    assert_organizations(fixture, (OrganizationFilter){.status = -1, .deleted = true},
                         "!1:acme.com=acme.com#2/completed ");
    batch->work.onboard.on_duplicate = ON_DUPLICATE_UPDATE;
    batch->work.onboard.batch_id = STR("b3");
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    assert_int_equal(batch->outcomes[0], ONBOARD_UPDATED);
    test_free(batch);
    assert_organizations(fixture, all, "1:acme.com=acme.com#3/pending ");
    assert_changes(fixture, 1,
                   "restored by api#3 {} in b3;deleted by anna#2 {};processed by job 1#1 {} in b1;"
                   "created by api#1 {} in b1;");
    assert_counts(fixture, "3 1=1/0/1/0/0");
    assert_verifies(fixture);
}

/* The caller sees to it that there is none; the store does not break when there is. */
static void test_a_domain_that_is_there_twice(void **state)
{
    Fixture *fixture = *state;
    static const OnDuplicate modes[] = {ON_DUPLICATE_UPDATE, ON_DUPLICATE_SKIP, ON_DUPLICATE_FAIL};
    for (size_t i = 0; i < 3; i++) {
        char id[16], domain[32], expected[64];
        snprintf(id, sizeof id, "b%zu", i);
        snprintf(domain, sizeof domain, "%zu.com", i);
        Batch *batch = batch_new(id, modes[i]);
        add_organization(batch, domain, "first");
        add_organization(batch, domain, "second");
        assert_int_equal(onboard(fixture, batch), STATUS_OK);
        assert_int_equal(batch->outcomes[0], ONBOARD_CREATED);
        assert_int_equal(batch->outcomes[1], ONBOARD_UPDATED);
        assert_batch(fixture, id, "2=2/0/0/0/0");
        snprintf(expected, sizeof expected, "%zu:%s=second#2/pending ", i + 1, domain);
        assert_organizations(fixture, (OrganizationFilter){.status = -1, .domain = str_from(domain)}, expected);
        test_free(batch);
    }
    assert_verifies(fixture);
}

/* ---- Not at all -------------------------------------------------------------------------------------------------- */

static void test_a_batch_is_there_once(void **state)
{
    Fixture *fixture = *state;
    onboard_domains(fixture, "b1", "acme.com", false);
    Batch *batch = batch_new("b1", ON_DUPLICATE_UPDATE);
    add_organization(batch, "beta.org", "Beta");
    assert_int_equal(onboard(fixture, batch), STATUS_CONFLICT);
    assert_int_equal(batch->work.onboard.conflict, ONBOARD_CONFLICT_BATCH);
    test_free(batch);
    assert_counts(fixture, "1 1=1/0/0/0/0");
    assert_verifies(fixture);
}

static void test_a_batch_that_is_too_large(void **state)
{
    Fixture *fixture = *state;
    static char domains[BATCH_ORGANIZATIONS_MAX][32];
    Batch *batch = batch_new("b1", ON_DUPLICATE_UPDATE);
    for (int i = 0; i < BATCH_ORGANIZATIONS_MAX; i++) {
        snprintf(domains[i], sizeof domains[i], "org-%d.example", i);
        add_organization(batch, domains[i], domains[i]);
    }
    assert_int_equal(onboard(fixture, batch), STATUS_REFUSED);
    assert_int_equal(store_last_seq(fixture->store), 0);
    batch->work.onboard.count = ONBOARD_ITEMS_MAX;
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    assert_batch(fixture, "b1", "1000=1000/0/0/0/0");
    assert_int_equal(store_last_seq(fixture->store), 1000);
    test_free(batch);
    assert_verifies(fixture);
}

/* What fails behind it in the same transaction takes it back, and the next try is a new one. */
static void test_a_batch_fails_with_its_transaction(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    Batch *batch = batch_new("b1", ON_DUPLICATE_UPDATE);
    add_organization(batch, "acme.com", "Acme");
    put_key(batch, "key", 'a', "{}");
    batch->work.onboard.complete = true;
    Record record = fixture_record(fixture, "rec-1", "dest", 5, RECORD_POSITIVE, 0);
    Outcome outcome = {0};
    Work fails = {.kind = WORK_RECORDS,
                  .records = {.items = &record, .outcomes = &outcome, .count = 1, .simulate_failure = true}};
    batch->work.next = &fails;
    assert_int_equal(store_apply(fixture->store, &batch->work, &error), STATUS_BUSY);
    assert_int_equal(store_last_seq(fixture->store), 0);
    assert_batch(fixture, "b1", "");
    assert_answer(fixture, "key", "");
    assert_organizations(fixture, all, "");
    assert_counts(fixture, "0 0=0/0/0/0/0");
    batch->work.next = NULL;
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    test_free(batch);
    assert_messages(fixture, 0, "organization.created:acme.com organization.processed:acme.com batch.completed:b1 ");
    assert_counts(fixture, "1 1=0/0/1/0/0");
    assert_verifies(fixture);
}

/* ---- Idempotency ------------------------------------------------------------------------------------------------- */

static void test_an_answer_is_kept_with_its_batch(void **state)
{
    Fixture *fixture = *state;
    Batch *batch = batch_new("b1", ON_DUPLICATE_UPDATE);
    add_organization(batch, "acme.com", "Acme");
    put_key(batch, "key", 'a', "{\"batch_id\":\"b1\"}");
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    assert_answer(fixture, "key", "202 {\"batch_id\":\"b1\"}");
    assert_answer(fixture, "Key", "");
    /* The same request, and another one. */
    batch->work.onboard.batch_id = STR("b2");
    assert_int_equal(onboard(fixture, batch), STATUS_CONFLICT);
    assert_int_equal(batch->work.onboard.conflict, ONBOARD_CONFLICT_KEY);
    assert_int_equal(batch->outcomes[0], ONBOARD_NONE);
    put_key(batch, "key", 'b', "{}");
    assert_int_equal(onboard(fixture, batch), STATUS_CONFLICT);
    assert_int_equal(batch->work.onboard.conflict, ONBOARD_CONFLICT_BODY);
    put_key(batch, "other", 'b', "{}");
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    assert_answer(fixture, "key", "202 {\"batch_id\":\"b1\"}");
    assert_batches(fixture, (BatchFilter){0}, "b2 b1 ");
    test_free(batch);
    assert_verifies(fixture);
}

typedef struct Said {
    size_t calls;
    char text[64];
    bool fails;
} Said;

static void say(void *self, OnboardChange *change)
{
    Said *said = self;
    int len = snprintf(said->text, sizeof said->text, "%d %d", (int)change->outcomes[0], (int)change->outcomes[1]);
    said->calls++;
    change->answer->code = 200;
    change->answer->answer = (Str){said->fails ? NULL : said->text, (size_t)len};
}

static void test_an_answer_that_tells_the_outcomes(void **state)
{
    Fixture *fixture = *state;
    onboard_domains(fixture, "b1", "acme.com", true);
    Said said = {.fails = true};
    char expected[64];
    Batch *batch = batch_new("b2", ON_DUPLICATE_SKIP);
    add_organization(batch, "acme.com", "Acme");
    add_organization(batch, "beta.org", "Beta");
    put_key(batch, "key", 'a', "");
    batch->work.onboard.say = say;
    batch->work.onboard.self = &said;
    assert_int_equal(onboard(fixture, batch), STATUS_BUSY);
    assert_answer(fixture, "key", "");
    assert_batch(fixture, "b2", "");
    said.fails = false;
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    assert_int_equal(said.calls, 2);
    snprintf(expected, sizeof expected, "200 %d %d", ONBOARD_SKIPPED, ONBOARD_CREATED);
    assert_answer(fixture, "key", expected);
    test_free(batch);
    assert_verifies(fixture);
}

static void test_answers_and_keys_have_bounds(void **state)
{
    Fixture *fixture = *state;
    static char text[IDEMPOTENCY_ANSWER_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    Batch *batch = batch_new("b1", ON_DUPLICATE_UPDATE);
    add_organization(batch, "acme.com", "Acme");
    put_key(batch, "key", 'a', "");
    batch->answer.answer = (Str){text, sizeof text};
    assert_int_equal(onboard(fixture, batch), STATUS_REFUSED);
    batch->answer.answer.len--;
    batch->answer.key = (Str){text, ONBOARD_KEY_BYTES_MAX + 1};
    assert_int_equal(onboard(fixture, batch), STATUS_REFUSED);
    assert_batch(fixture, "b1", "");
    batch->answer.key.len--;
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    test_free(batch);
    assert_verifies(fixture);
}

static void onboard_with_key(Fixture *fixture, const char *name)
{
    Batch *batch = batch_new(name, ON_DUPLICATE_UPDATE);
    put_key(batch, name, 'a', name);
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    test_free(batch);
}

static void test_old_answers_are_removed(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_with_key(fixture, "b1");
    stopped_us += IDEMPOTENCY_KEPT_US;
    onboard_with_key(fixture, "b2");
    assert_answer(fixture, "b1", "202 b1");
    stopped_us++;
    onboard_with_key(fixture, "b3");
    assert_answer(fixture, "b1", "");
    assert_answer(fixture, "b2", "202 b2");
    assert_answer(fixture, "b3", "202 b3");
    assert_verifies(fixture);
}

static void test_it_is_there_after_a_start(void **state)
{
    Fixture *fixture = *state;
    onboard_with_key(fixture, "b1");
    onboard_domains(fixture, "b2", "acme.com beta.org", false);
    fixture_close(fixture);
    fixture_open(fixture);
    assert_answer(fixture, "b1", "202 b1");
    assert_batches(fixture, (BatchFilter){0}, "b2 b1 ");
    assert_counts(fixture, "2 2=2/0/0/0/0");
    onboard_domains(fixture, "b3", "acme.com gamma.net", false);
    assert_organizations(
        fixture, all, "3:gamma.net=gamma.net#1/pending 2:beta.org=beta.org#1/pending 1:acme.com=acme.com#1/pending ");
    assert_jobs(fixture, JOB_FILTER_ALL, "0:pending*0 1:pending*0 0:pending*0 1:pending*0 ");
    assert_verifies(fixture);
}

int store_suite_run_onboard(const StoreFactory *factory)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_batch_and_its_jobs),
        STORE_TEST(test_a_batch_that_is_complete_at_once),
        STORE_TEST(test_what_the_messages_say),
        STORE_TEST(test_a_domain_that_is_there_is_updated),
        STORE_TEST(test_a_domain_that_is_there_is_skipped),
        STORE_TEST(test_a_domain_that_is_there_fails_the_batch),
        STORE_TEST(test_a_deleted_domain_is_there),
        STORE_TEST(test_a_domain_that_is_there_twice),
        STORE_TEST(test_a_batch_is_there_once),
        STORE_TEST(test_a_batch_that_is_too_large),
        STORE_TEST(test_a_batch_fails_with_its_transaction),
        STORE_TEST(test_an_answer_is_kept_with_its_batch),
        STORE_TEST(test_an_answer_that_tells_the_outcomes),
        STORE_TEST(test_answers_and_keys_have_bounds),
        STORE_TEST(test_old_answers_are_removed),
        STORE_TEST(test_it_is_there_after_a_start),
    };
    fixture_use(factory);
    return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
