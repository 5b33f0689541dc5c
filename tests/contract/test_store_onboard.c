/* A SQLite store from before there were organizations, and one whose organizations, batches and jobs do not fit
 * together. */
#include "old_store.h"

static const OrganizationContent acme = {
    .name = {"Acme", 4}, .domain = {"acme.com", 8}, .contact_email = {"a@acme.com", 10}};

/* One organization, whose job has failed, and the answer under a key. */
static void fill(Store *store)
{
    Error error = {0};
    Arena arena;
    int64_t item = 0;
    OnboardOutcome outcome = ONBOARD_NONE;
    IdempotencyAnswer answer = {.key = STR("key"), .code = 202, .answer = STR("{}")};
    TakenJob job = {0};
    JobResult result = {.id = 1, .token = 1, .verdict = JOB_VERDICT_FAILED, .error = STR("no")};
    arena_init(&arena, 1024, 1 << 20);
    Work works[] = {
        {.kind = WORK_ONBOARD,
         .onboard = {.batch_id = STR("b1"),
                     .content = &acme,
                     .items = &item,
                     .outcomes = &outcome,
                     .count = 1,
                     .who = STR("api"),
                     .answer = &answer}},
        {.kind = WORK_JOBS_TAKE, .jobs_take = {.limit = 1, .lease_us = 1000000, .arena = &arena, .jobs = &job}},
        {.kind = WORK_JOBS_END, .jobs_end = {.results = &result, .count = 1}}};
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        assert_int_equal(store_apply(store, &works[i], &error), STATUS_OK);
        assert_int_equal(works[i].status, STATUS_OK);
    }
    assert_true(outcome == ONBOARD_CREATED && job.token == 1 && result.counted);
    arena_release(&arena);
}

COUNTING(count_organization, StoredOrganization, organization, organization->id > 0)
COUNTING(count_change, OrganizationChange, change, change->organization == 1)
COUNTING(count_job, StoredJob, job, job->id > 0)
COUNTING(count_batch, StoredBatch, batch, batch->number > 0)
COUNTING(count_answer, IdempotencyAnswer, answer, answer->code == 202)

/* How many rows there are about onboarding. */
static size_t count_all(StoreReader *reader)
{
    const OrganizationFilter organizations = ORGANIZATION_FILTER_ALL;
    const JobFilter jobs = JOB_FILTER_ALL;
    const BatchFilter batches = {0};
    OnboardCounts counts = {.batches = 9};
    size_t count = 0;
    Error error = {0};
    StoreView *view = NULL;
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    assert_int_equal(reader_organizations(reader, &organizations, count_organization, &count, &error), STATUS_OK);
    assert_int_equal(reader_organization_changes(reader, 1, 0, count_change, &count, &error), STATUS_OK);
    assert_int_equal(reader_jobs(reader, &jobs, count_job, &count, &error), STATUS_OK);
    assert_int_equal(reader_batches(reader, &batches, count_batch, &count, &error), STATUS_OK);
    assert_int_equal(reader_onboard_counts(reader, &counts, &error), STATUS_OK);
    Status status = reader_idempotency(reader, STR("key"), count_answer, &count, &error);
    reader_end(reader);
    view_free(view);
    assert_int_equal(status, count ? STATUS_OK : STATUS_REFUSED);
    assert_int_equal(counts.batches, count ? 1 : 0);
    return count;
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

static const VersionStep onboarding = {
    .undo_sql = DROP_ONBOARD_SQL "PRAGMA user_version = 4",
    .version = "4",
    .fill = fill,
    .count = count_all,
    .rows = 6, /* two of them in the audit trail */
};

static void test_an_older_store_gets_the_tables(void **state) { check_older_is_upgraded(*state, &onboarding); }

static void test_an_older_store_that_is_only_read(void **state) { check_older_is_read(*state, &onboarding); }

static void test_verify_looks_at_onboarding(void **state)
{
    OldStore *fixture = *state;
    Store *store = NULL;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    fill(store);
    store_close(store);
    static const Damage damages[] = {
        {"UPDATE onboard_batches SET completed = 1", "UPDATE onboard_batches SET completed = 0", 2},
        {"UPDATE onboard_batches SET failed = 2", "UPDATE onboard_batches SET failed = 1", 2},
        {"UPDATE onboard_batches SET total = 0", "UPDATE onboard_batches SET total = 1", 2},
        {"UPDATE onboard_batches SET first_job = 2", "UPDATE onboard_batches SET first_job = 1", 1},
        {"UPDATE onboard_batches SET finished_us = -finished_us * 0", "UPDATE onboard_batches SET finished_us = 1", 1},
        {"UPDATE jobs SET organization = 7", "UPDATE jobs SET organization = 1", 2},
        {"UPDATE jobs SET state = 4", "UPDATE jobs SET state = 3", 2},
        {"UPDATE jobs SET state = 9", "UPDATE jobs SET state = 3", 3},
        {"UPDATE organizations SET job = 2", "UPDATE organizations SET job = 1", 1},
        {"UPDATE organizations SET version = 2", "UPDATE organizations SET version = 1", 1},
        {"UPDATE organizations SET deleted_us = 1", "UPDATE organizations SET deleted_us = 0", 1},
        {"UPDATE organization_changes SET organization = 7", "UPDATE organization_changes SET organization = 1", 1},
        {"UPDATE dead_letters SET place = 'job/2'", "UPDATE dead_letters SET place = 'job/1'", 2},
        {"UPDATE dead_letters SET state = 1", "UPDATE dead_letters SET state = 0", 1},
        {"UPDATE onboard_counts SET answers = 0", "UPDATE onboard_counts SET answers = 1", 1},
        {"UPDATE onboard_counts SET last_job = 0", "UPDATE onboard_counts SET last_job = 1", 1},
        {"DROP INDEX organizations_by_domain; INSERT INTO organizations SELECT 2, job, version, created_us, updated_us,"
         " deleted_us, domain, name, contact_email, metadata FROM organizations",
         "DELETE FROM organizations WHERE id = 2", 4},
    };
    check_damages(fixture, damages, sizeof damages / sizeof *damages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OLD_STORE_TEST(test_an_older_store_gets_the_tables),
        OLD_STORE_TEST(test_an_older_store_that_is_only_read),
        OLD_STORE_TEST(test_verify_looks_at_onboarding),
    };
    return cmocka_run_group_tests_name("store-onboard", tests, NULL, NULL);
}
