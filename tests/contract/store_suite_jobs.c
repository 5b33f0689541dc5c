/* The contract of store.h and onboard.h: what becomes of jobs and of organizations, by whoever does them, by a person,
 * and by a crash. */
#include "onboard_fixture.h"

static const OrganizationFilter all = {.status = -1};

static JobFilter jobs_of(const char *batch)
{
    return (JobFilter){.batch_id = str_from(batch), .state = -1, .after = -1};
}

/* ---- Taken and ended --------------------------------------------------------------------------------------------- */

static void test_jobs_are_taken_the_longest_waiting_first(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com b.com c.com", false);
    stopped_us += 10;
    onboard_domains(fixture, "b2", "d.com", false);
    Taken taken = take_jobs(fixture, 2);
    assert_int_equal(taken.count, 2);
    assert_int_equal(taken.next_due_us, stopped_us - 10);
    assert_true(taken.jobs[1].id == 2 && taken.jobs[1].organization == 2 && taken.jobs[1].attempt == 1);
    assert_true(str_is(taken.jobs[1].content.domain, "b.com") && str_is(taken.jobs[1].content.name, "b.com"));
    assert_true(str_is(taken.jobs[1].batch_id, "b1") && taken.jobs[1].version == 1);
    assert_batch(fixture, "b1", "3=1/2/0/0/0>");
    taken_release(&taken);
    taken = take_jobs(fixture, 16);
    assert_int_equal(taken.count, 2);
    assert_true(str_is(taken.jobs[0].content.domain, "c.com") && str_is(taken.jobs[1].content.domain, "d.com"));
    assert_int_equal(taken.next_due_us, stopped_us - 10 + LEASE_US + 10);
    taken_release(&taken);
    taken = take_jobs(fixture, 16);
    assert_int_equal(taken.count, 0);
    taken_release(&taken);
    assert_jobs(fixture, jobs_of("b1"), "0:processing*1 1:processing*1 2:processing*1 ");
    assert_counts(fixture, "2 4=0/4/0/0/0");
    assert_verifies(fixture);
}

static void test_what_becomes_of_jobs(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com b.com c.com d.com", false);
    int64_t seq = store_last_seq(fixture->store);
    Taken taken = take_jobs(fixture, 4);
    assert_true(end_job(fixture, &taken.jobs[0], JOB_VERDICT_COMPLETED, "", 0));
    assert_true(end_job(fixture, &taken.jobs[1], JOB_VERDICT_AGAIN, "it was away", stopped_us + 500));
    assert_true(end_job(fixture, &taken.jobs[2], JOB_VERDICT_HELD, "", stopped_us + 100));
    assert_true(end_job(fixture, &taken.jobs[3], JOB_VERDICT_FAILED, "it said no", 0));
    taken_release(&taken);
    assert_jobs(fixture, jobs_of("b1"), "0:completed*1 1:pending*1(it was away) 2:pending*0 3:failed*1(it said no) ");
    assert_batch(fixture, "b1", "4=2/0/1/1/0>");
    assert_messages(fixture, seq, "organization.processed:a.com organization.failed:d.com dead_letter.created:job/4 ");
    taken = take_jobs(fixture, 4);
    assert_int_equal(taken.count, 0);
    assert_int_equal(taken.next_due_us, stopped_us + 100);
    stopped_us += 500;
    taken = take_jobs(fixture, 4);
    assert_int_equal(taken.count, 2);
    assert_true(taken.jobs[0].id == 3 && taken.jobs[0].attempt == 1);
    assert_true(taken.jobs[1].id == 2 && taken.jobs[1].attempt == 2);
    seq = store_last_seq(fixture->store);
    assert_true(end_job(fixture, &taken.jobs[0], JOB_VERDICT_COMPLETED, "its domain has no address", 0));
    assert_true(end_job(fixture, &taken.jobs[1], JOB_VERDICT_COMPLETED, "", 0));
    taken_release(&taken);
    assert_batch(fixture, "b1", "4=0/0/3/1/0>!");
    assert_jobs(fixture, (JobFilter){.batch_id = STR("b1"), .state = JOB_COMPLETED, .after = 0},
                "1:completed*2 2:completed*1(its domain has no address) ");
    assert_messages(fixture, seq, "organization.processed:c.com organization.processed:b.com batch.failed:b1 ");
    assert_changes(fixture, 4, "failed by job 4#1 {} in b1;created by api#1 {} in b1;");
    assert_int_equal(open_letters(fixture), 1);
    assert_verifies(fixture);
}

static void test_a_lease_that_ran_out_is_taken_over(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com", false);
    Taken first = take_jobs(fixture, 1);
    stopped_us += LEASE_US - 1;
    Taken none = take_jobs(fixture, 1);
    assert_int_equal(none.count, 0);
    assert_int_equal(none.next_due_us, stopped_us + 1);
    stopped_us++;
    Taken second = take_jobs(fixture, 1);
    assert_int_equal(second.count, 1);
    assert_true(second.jobs[0].id == first.jobs[0].id && second.jobs[0].attempt == 2);
    assert_true(second.jobs[0].token != first.jobs[0].token);
    int64_t seq = store_last_seq(fixture->store);
    static const JobVerdict verdicts[] = {JOB_VERDICT_COMPLETED, JOB_VERDICT_AGAIN, JOB_VERDICT_FAILED,
                                          JOB_VERDICT_HELD};
    for (size_t i = 0; i < 4; i++) {
        assert_false(end_job(fixture, &first.jobs[0], verdicts[i], "late", stopped_us));
    }
    assert_int_equal(store_last_seq(fixture->store), seq);
    assert_jobs(fixture, jobs_of("b1"), "0:processing*2 ");
    assert_true(end_job(fixture, &second.jobs[0], JOB_VERDICT_COMPLETED, "", 0));
    assert_false(end_job(fixture, &second.jobs[0], JOB_VERDICT_FAILED, "twice", 0));
    assert_batch(fixture, "b1", "1=0/0/1/0/0>!");
    taken_release(&first);
    taken_release(&second);
    assert_verifies(fixture);
}

/* Nobody else has taken it: who is late is right all the same. */
static void test_a_late_result_counts(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com", false);
    Taken taken = take_jobs(fixture, 1);
    stopped_us += 2 * (int64_t)LEASE_US;
    assert_true(end_job(fixture, &taken.jobs[0], JOB_VERDICT_COMPLETED, "", 0));
    const TakenJob unknown = {.id = 99, .token = 1};
    assert_false(end_job(fixture, &unknown, JOB_VERDICT_COMPLETED, "", 0));
    taken_release(&taken);
    assert_batch(fixture, "b1", "1=0/0/1/0/0>!");
    assert_verifies(fixture);
}

/* Those that are made or tried again wait as long as they were to wait, and a lease lasts as long as it was to last. */
static void test_a_clock_that_was_set_back(void **state)
{
    Fixture *fixture = *state;
    const int64_t second_us = 1000000, year_us = 365 * 86400 * second_us;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com b.com c.com", false);
    Taken taken = take_jobs(fixture, 2);
    assert_true(end_job(fixture, &taken.jobs[0], JOB_VERDICT_AGAIN, "no", stopped_us + 10 * second_us));
    stopped_us -= year_us;
    Taken third = take_jobs(fixture, 3);
    assert_int_equal(third.count, 1);
    assert_int_equal(third.jobs[0].id, 3);
    assert_true(third.next_due_us == stopped_us + 10 * second_us);
    stopped_us += 10 * second_us;
    Taken first = take_jobs(fixture, 3);
    assert_int_equal(first.count, 1);
    assert_int_equal(first.jobs[0].id, 1);
    assert_true(first.next_due_us == stopped_us - 10 * second_us + (int64_t)LEASE_US);
    /* What somebody decided by the clock as it was before. */
    assert_true(end_job(fixture, &first.jobs[0], JOB_VERDICT_AGAIN, "no", stopped_us + year_us));
    assert_true(end_job(fixture, &third.jobs[0], JOB_VERDICT_COMPLETED, "", 0));
    assert_true(end_job(fixture, &taken.jobs[1], JOB_VERDICT_COMPLETED, "", 0));
    stopped_us += ONBOARD_WAIT_US_MAX;
    assert_int_equal(end_all(fixture, JOB_VERDICT_COMPLETED, ""), 1);
    taken_release(&taken);
    taken_release(&first);
    taken_release(&third);
    assert_batch(fixture, "b1", "3=0/0/3/0/0>!");
    assert_verifies(fixture);
}

static void test_a_lease_and_a_clock_that_was_set_back(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com", false);
    Taken taken = take_jobs(fixture, 1);
    assert_int_equal(taken.count, 1);
    stopped_us -= INT64_C(365) * 86400 * 1000000;
    Taken none = take_jobs(fixture, 1);
    assert_int_equal(none.count, 0);
    assert_true(none.next_due_us == stopped_us + (int64_t)LEASE_US);
    stopped_us += LEASE_US;
    Taken again = take_jobs(fixture, 1);
    assert_int_equal(again.count, 1);
    taken_release(&taken);
    taken_release(&none);
    taken_release(&again);
    assert_verifies(fixture);
}

static void test_memory_that_gives_out(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    static char metadata[3000];
    Batch *batch = batch_new("b1", ON_DUPLICATE_UPDATE);
    memset(metadata, ' ', sizeof metadata);
    metadata[0] = '{', metadata[sizeof metadata - 1] = '}';
    add_organization(batch, "a.com", "A")->metadata = (Str){metadata, sizeof metadata};
    add_organization(batch, "b.com", "B")->metadata = (Str){metadata, sizeof metadata};
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    test_free(batch);
    Arena arena;
    TakenJob jobs[2];
    arena_init(&arena, 1024, 1024);
    Work work = {.kind = WORK_JOBS_TAKE,
                 .jobs_take = {.limit = 2, .lease_us = LEASE_US, .arena = &arena, .jobs = jobs}};
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_int_equal(work.status, STATUS_BUSY);
    assert_int_equal(work.jobs_take.count, 0);
    arena_release(&arena);
    arena_init(&arena, 1024, 6000);
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_int_equal(work.status, STATUS_OK);
    assert_int_equal(work.jobs_take.count, 1);
    arena_release(&arena);
    assert_batch(fixture, "b1", "2=1/1/0/0/0>");
    assert_verifies(fixture);
}

/* ---- After a crash ----------------------------------------------------------------------------------------------- */

static void test_leases_end_with_their_process(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com b.com", false);
    Taken before = take_jobs(fixture, 1);
    fixture_close(fixture);
    stopped_us += 1000;
    fixture_open(fixture);
    assert_jobs(fixture, jobs_of("b1"), "0:pending*1 1:pending*0 ");
    assert_batch(fixture, "b1", "2=2/0/0/0/0>");
    assert_counts(fixture, "1 2=2/0/0/0/0");
    assert_verifies(fixture);
    assert_false(end_job(fixture, &before.jobs[0], JOB_VERDICT_COMPLETED, "", 0));
    Taken after = take_jobs(fixture, 2);
    assert_int_equal(after.count, 2);
    assert_true(after.jobs[1].id == before.jobs[0].id && after.jobs[1].attempt == 2);
    assert_false(end_job(fixture, &before.jobs[0], JOB_VERDICT_COMPLETED, "", 0));
    assert_true(end_job(fixture, &after.jobs[1], JOB_VERDICT_COMPLETED, "", 0));
    taken_release(&before);
    taken_release(&after);
    assert_batch(fixture, "b1", "2=0/1/1/0/0>");
    assert_verifies(fixture);
}

/* What was taken or ended in a transaction that fails was not. */
static void test_jobs_fail_with_their_transaction(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    onboard_domains(fixture, "b1", "a.com", false);
    Taken taken = take_jobs(fixture, 1);
    Record record = fixture_record(fixture, "rec-1", "dest", 5, RECORD_POSITIVE, 0);
    Outcome outcome = {0};
    JobResult result = {.id = taken.jobs[0].id, .token = taken.jobs[0].token, .verdict = JOB_VERDICT_FAILED};
    Work fails = {.kind = WORK_RECORDS,
                  .records = {.items = &record, .outcomes = &outcome, .count = 1, .simulate_failure = true}};
    Work end = {.kind = WORK_JOBS_END, .next = &fails, .jobs_end = {.results = &result, .count = 1, .announce = true}};
    assert_int_equal(store_apply(fixture->store, &end, &error), STATUS_BUSY);
    assert_batch(fixture, "b1", "1=0/1/0/0/0>");
    assert_int_equal(open_letters(fixture), 0);
    assert_int_equal(store_last_seq(fixture->store), 1);
    end.next = NULL;
    assert_int_equal(store_apply(fixture->store, &end, &error), STATUS_OK);
    assert_true(result.counted);
    assert_batch(fixture, "b1", "1=0/0/0/1/0>!");
    assert_int_equal(open_letters(fixture), 1);
    taken_release(&taken);
    assert_verifies(fixture);
}

/* ---- Dead letters ------------------------------------------------------------------------------------------------ */

static size_t change_job_letters(Fixture *fixture, DeadLetterAction action)
{
    Error error = {0};
    Work work = {.kind = WORK_DEAD_LETTERS,
                 .dead_letters = {.filter = {.stage = DEAD_LETTER_JOB, .state = -1}, .action = action, .limit = 100}};
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_int_equal(work.status, STATUS_OK);
    return work.dead_letters.count;
}

static void test_letters_of_jobs_are_tried_again(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com b.com", false);
    assert_int_equal(end_all(fixture, JOB_VERDICT_FAILED, "no"), 2);
    assert_batch(fixture, "b1", "2=0/0/0/2/0>!");
    assert_int_equal(open_letters(fixture), 2);
    assert_int_equal(change_job_letters(fixture, DEAD_LETTER_RETRY), 2);
    assert_int_equal(change_job_letters(fixture, DEAD_LETTER_RETRY), 0);
    assert_int_equal(open_letters(fixture), 0);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_RETRYING);
    assert_batch(fixture, "b1", "2=2/0/0/0/0>");
    assert_jobs(fixture, jobs_of("b1"), "0:pending*0(no) 1:pending*0(no) ");
    assert_verifies(fixture);
    int64_t seq = store_last_seq(fixture->store);
    Taken taken = take_jobs(fixture, 2);
    assert_int_equal(taken.jobs[0].attempt, 1);
    assert_true(end_job(fixture, &taken.jobs[0], JOB_VERDICT_COMPLETED, "", 0));
    assert_true(end_job(fixture, &taken.jobs[1], JOB_VERDICT_FAILED, "no again", 0));
    taken_release(&taken);
    /* The second time it is the same letter, and nobody is told of it once more. */
    assert_messages(fixture, seq, "organization.processed:a.com organization.failed:b.com batch.failed:b1 ");
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_RESOLVED);
    assert_int_equal(state_of(fixture, 2), DEAD_LETTER_OPEN);
    assert_int_equal(open_letters(fixture), 1);
    assert_batch(fixture, "b1", "2=0/0/1/1/0>!");
    assert_verifies(fixture);
    fixture_close(fixture);
    fixture_open(fixture);
    assert_int_equal(open_letters(fixture), 1);
}

static void test_letters_of_jobs_are_discarded(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com", false);
    assert_int_equal(end_all(fixture, JOB_VERDICT_FAILED, "no"), 1);
    assert_int_equal(change_job_letters(fixture, DEAD_LETTER_DISCARD), 1);
    assert_int_equal(change_job_letters(fixture, DEAD_LETTER_RETRY), 0);
    assert_batch(fixture, "b1", "1=0/0/0/1/0>!");
    assert_int_equal(open_letters(fixture), 0);
    assert_verifies(fixture);
    /* The whole batch is tried again, and that one with it. */
    assert_int_equal(change_batch(fixture, WORK_BATCH_RETRY, "b1"), 1);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_RETRYING);
    assert_int_equal(open_letters(fixture), 0);
    assert_verifies(fixture);
}

static bool see_letter(void *context, const DeadLetter *letter)
{
    Look *look = context;
    snprintf(look->text, sizeof look->text, "%.*s %.*s %d %.*s*%d", STR_ARGS(letter->origin), STR_ARGS(letter->place),
             (int)letter->seq, STR_ARGS(letter->error), (int)letter->attempts);
    assert_int_equal(letter->stage, DEAD_LETTER_JOB);
    return true;
}

static void test_what_a_letter_says(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    static char longest[2 * ONBOARD_ERROR_BYTES_MAX];
    static Look look;
    Error error = {0};
    onboard_domains(fixture, "b1", "a.com", false);
    assert_int_equal(end_all(fixture, JOB_VERDICT_AGAIN, "later"), 1);
    memset(longest, 'x', sizeof longest - 1);
    assert_int_equal(end_all(fixture, JOB_VERDICT_FAILED, longest), 1);
    char expected[ONBOARD_ERROR_BYTES_MAX + 64];
    snprintf(expected, sizeof expected, "b1 job/1 0 %.*s*2", ONBOARD_ERROR_BYTES_MAX, longest);
    const DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_dead_letters(fixture->reader, &filter, see_letter, &look, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_string_equal(look.text, expected);
    assert_verifies(fixture);
}

/* ---- By a person ------------------------------------------------------------------------------------------------- */

static void test_failed_jobs_of_a_batch_are_tried_again(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com b.com c.com", false);
    Taken taken = take_jobs(fixture, 2);
    assert_true(end_job(fixture, &taken.jobs[0], JOB_VERDICT_FAILED, "no", 0));
    assert_true(end_job(fixture, &taken.jobs[1], JOB_VERDICT_COMPLETED, "", 0));
    taken_release(&taken);
    assert_int_equal(change_batch(fixture, WORK_BATCH_RETRY, "b1"), 1);
    assert_int_equal(change_batch(fixture, WORK_BATCH_RETRY, "b1"), 0);
    assert_int_equal(change_batch(fixture, WORK_BATCH_RETRY, "b2"), -1);
    assert_batch(fixture, "b1", "3=2/0/1/0/0>");
    assert_int_equal(end_all(fixture, JOB_VERDICT_COMPLETED, ""), 2);
    assert_batch(fixture, "b1", "3=0/0/3/0/0>!");
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_RESOLVED);
    assert_verifies(fixture);
}

static void test_pending_jobs_of_a_batch_are_cancelled(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com b.com c.com", false);
    Taken taken = take_jobs(fixture, 1);
    int64_t seq = store_last_seq(fixture->store);
    assert_int_equal(change_batch(fixture, WORK_BATCH_CANCEL, "b1"), 2);
    assert_int_equal(change_batch(fixture, WORK_BATCH_CANCEL, "b1"), 0);
    assert_int_equal(change_batch(fixture, WORK_BATCH_CANCEL, "b2"), -1);
    assert_batch(fixture, "b1", "3=0/1/0/0/2>");
    assert_organizations(fixture, (OrganizationFilter){.status = JOB_CANCELLED},
                         "3:c.com=c.com#1/cancelled 2:b.com=b.com#1/cancelled ");
    assert_int_equal(store_last_seq(fixture->store), seq);
    assert_true(end_job(fixture, &taken.jobs[0], JOB_VERDICT_COMPLETED, "", 0));
    taken_release(&taken);
    assert_batch(fixture, "b1", "3=0/0/1/0/2>!");
    assert_messages(fixture, seq, "organization.processed:a.com batch.completed:b1 ");
    /* A whole batch, and one with a letter that was tried again. */
    onboard_domains(fixture, "b2", "d.com", false);
    assert_int_equal(end_all(fixture, JOB_VERDICT_FAILED, "no"), 1);
    assert_int_equal(change_batch(fixture, WORK_BATCH_RETRY, "b2"), 1);
    assert_int_equal(change_batch(fixture, WORK_BATCH_CANCEL, "b2"), 1);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_DISCARDED);
    assert_batch(fixture, "b2", "1=0/0/0/0/1>!");
    assert_int_equal(change_batch(fixture, WORK_BATCH_RETRY, "b2"), 0);
    assert_counts(fixture, "2 4=0/0/1/0/3");
    assert_verifies(fixture);
}

static void test_an_organization_is_changed(void **state)
{
    Fixture *fixture = *state;
    OrganizationEdit edit;
    onboard_domains(fixture, "b1", "a.com b.com", true);
    int64_t seq = store_last_seq(fixture->store);
    const OrganizationContent name = {.name = STR("A"), .metadata = STR("{}")};
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_UPDATED, &name, 1, &edit), STATUS_OK);
    assert_int_equal(edit.new_version, 2);
    assert_changes(fixture, 1,
                   "updated by anna#2 {\"name\":[\"a.com\",\"A\"],\"metadata\":[null,{}]};"
                   "processed by job 1#1 {} in b1;created by api#1 {} in b1;");
    /* Nothing differs. */
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_UPDATED, &name, 0, &edit), STATUS_OK);
    assert_int_equal(edit.new_version, 2);
    assert_messages(fixture, seq, "organization.updated:a.com ");
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_UPDATED, &name, 1, &edit), STATUS_CONFLICT);
    assert_true(edit.version_differs);
    const OrganizationContent domain = {.domain = STR("b.com")};
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_UPDATED, &domain, 2, &edit), STATUS_CONFLICT);
    assert_false(edit.version_differs);
    assert_int_equal(edit_organization(fixture, 9, ORGANIZATION_UPDATED, &name, 0, &edit), STATUS_REFUSED);
    assert_organizations(fixture, all, "2:b.com=b.com#1/completed 1:a.com=A#2/completed ");
    assert_verifies(fixture);
}

static void test_an_organization_is_deleted_and_restored(void **state)
{
    Fixture *fixture = *state;
    onboard_domains(fixture, "b1", "a.com b.com", false);
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_RESTORED, NULL, 0, NULL), STATUS_REFUSED);
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_DELETED, NULL, 0, NULL), STATUS_OK);
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_DELETED, NULL, 0, NULL), STATUS_REFUSED);
    const OrganizationContent name = {.name = STR("A")};
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_UPDATED, &name, 0, NULL), STATUS_REFUSED);
    assert_batch(fixture, "b1", "2=1/0/0/0/1");
    assert_organizations(fixture, (OrganizationFilter){.status = -1, .id = 1}, "!1:a.com=a.com#2/cancelled ");
    assert_counts(fixture, "1 1=1/0/0/0/1");
    /* Another one takes the domain meanwhile. */
    const OrganizationContent domain = {.domain = STR("a.com")};
    assert_int_equal(edit_organization(fixture, 2, ORGANIZATION_UPDATED, &domain, 0, NULL), STATUS_OK);
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_RESTORED, NULL, 2, NULL), STATUS_CONFLICT);
    assert_int_equal(edit_organization(fixture, 2, ORGANIZATION_DELETED, NULL, 0, NULL), STATUS_OK);
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_RESTORED, NULL, 2, NULL), STATUS_OK);
    assert_organizations(fixture, all, "1:a.com=a.com#3/cancelled ");
    assert_verifies(fixture);
}

/* Whichever of its jobs it is: one of an older batch, one that was under way, one that had failed and is tried
 * again. */
static void test_nobody_is_called_about_a_deleted_organization(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com b.com c.com", false);
    Taken taken = take_jobs(fixture, 2);
    assert_true(end_job(fixture, &taken.jobs[0], JOB_VERDICT_FAILED, "no", 0));
    onboard_domains(fixture, "b2", "c.com d.com", false);
    for (int64_t id = 1; id <= 3; id++) {
        assert_int_equal(edit_organization(fixture, id, ORGANIZATION_DELETED, NULL, 0, NULL), STATUS_OK);
    }
    assert_true(end_job(fixture, &taken.jobs[1], JOB_VERDICT_AGAIN, "later", stopped_us));
    taken_release(&taken);
    assert_int_equal(change_batch(fixture, WORK_BATCH_RETRY, "b1"), 1);
    assert_batch(fixture, "b1", "3=3/0/0/0/0>");
    int64_t seq = store_last_seq(fixture->store);
    taken = take_jobs(fixture, 2);
    assert_int_equal(taken.count, 0); /* two were looked at */
    assert_int_equal(taken.next_due_us, stopped_us);
    taken_release(&taken);
    taken = take_jobs(fixture, 16);
    assert_int_equal(taken.count, 1);
    assert_true(str_is(taken.jobs[0].content.domain, "d.com"));
    taken_release(&taken);
    assert_batch(fixture, "b1", "3=0/0/0/0/3>!");
    assert_batch(fixture, "b2", "2=0/1/0/0/1>");
    assert_messages(fixture, seq, "batch.completed:b1 ");
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_DISCARDED);
    assert_counts(fixture, "2 1=0/1/0/0/4");
    assert_verifies(fixture);
}

/* Whoever had it was slow, and the organization is deleted meanwhile. */
static void test_a_lease_of_a_deleted_organization(void **state)
{
    Fixture *fixture = *state;
    use_stopped_clock(fixture);
    onboard_domains(fixture, "b1", "a.com", false);
    Taken late = take_jobs(fixture, 1);
    assert_int_equal(edit_organization(fixture, 1, ORGANIZATION_DELETED, NULL, 0, NULL), STATUS_OK);
    stopped_us += LEASE_US;
    Taken taken = take_jobs(fixture, 1);
    assert_int_equal(taken.count, 0);
    assert_batch(fixture, "b1", "1=0/0/0/0/1>!");
    assert_false(end_job(fixture, &late.jobs[0], JOB_VERDICT_COMPLETED, "", 0));
    taken_release(&taken);
    taken_release(&late);
    assert_verifies(fixture);
}

/* ---- Looked for -------------------------------------------------------------------------------------------------- */

static void test_organizations_are_looked_for(void **state)
{
    Fixture *fixture = *state;
    Batch *batch = batch_new("b1", ON_DUPLICATE_UPDATE);
    add_organization(batch, "alpha.com", "First");
    add_organization(batch, "beta.com", "Alpha 100%");
    add_organization(batch, "gamma.com", "x_y\\z");
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    test_free(batch);
    onboard_domains(fixture, "b2", "alpha.com delta.com", true);
#define ALPHA "1:alpha.com=alpha.com#2/completed "
#define BETA  "2:beta.com=Alpha 100%#1/pending "
#define GAMMA "3:gamma.com=x_y\\z#1/pending "
#define DELTA "4:delta.com=delta.com#1/completed "
    static const struct {
        OrganizationFilter filter;
        const char *expected;
    } cases[] = {
        {{.status = -1}, DELTA GAMMA BETA ALPHA},
        {{.status = -1, .before = 3}, BETA ALPHA},
        {{.status = -1, .before = 4, .after = 1}, GAMMA BETA},
        {{.status = JOB_PENDING, .before = 4, .after = 2}, GAMMA},
        {{.status = -1, .after = 2, .search = {"alpha", 5}}, ""},
        {{.status = JOB_PENDING}, GAMMA BETA},
        {{.status = JOB_PENDING, .before = 3}, BETA},
        {{.status = JOB_COMPLETED}, DELTA ALPHA},
        {{.status = JOB_FAILED}, ""},
        {{.status = -1, .search = {"ALPHA", 5}}, BETA ALPHA},
        {{.status = JOB_PENDING, .search = {"alpha", 5}}, BETA},
        {{.status = -1, .search = {"eta.com", 7}}, ""},
        {{.status = -1, .search = {"x_y", 3}, .beginning = {"delta.c", 7}}, DELTA GAMMA},
        {{.status = -1, .search = {"%", 1}}, BETA},
        {{.status = -1, .search = {"_", 1}}, GAMMA},
        {{.status = -1, .search = {"y\\Z", 3}}, GAMMA},
        {{.status = -1, .batch_id = {"b1", 2}}, GAMMA BETA ALPHA},
        {{.status = -1, .batch_id = {"b2", 2}}, DELTA ALPHA},
        {{.status = JOB_PENDING, .batch_id = {"b1", 2}}, GAMMA BETA},
        {{.status = -1, .batch_id = {"b3", 2}}, ""},
        {{.status = -1, .domain = {"beta.com", 8}}, BETA},
        {{.status = -1, .domain = {"beta", 4}}, ""},
        {{.status = -1, .id = 4}, DELTA},
        {{.status = -1, .id = 9}, ""},
        {{.status = -1, .deleted = true}, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_organizations(fixture, cases[i].filter, cases[i].expected);
    }
    assert_jobs(fixture, (JobFilter){.state = JOB_COMPLETED, .after = -1}, "0:completed*0 1:completed*0 ");
    assert_jobs(fixture, (JobFilter){.state = -1, .after = 3}, "0:completed*0 1:completed*0 ");
    assert_jobs(fixture, (JobFilter){.state = -1, .after = -1, .id = 2}, "1:pending*0 ");
    assert_jobs(fixture, jobs_of("b3"), "");
    assert_verifies(fixture);
}

int store_suite_run_jobs(const StoreFactory *factory)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_jobs_are_taken_the_longest_waiting_first),
        STORE_TEST(test_what_becomes_of_jobs),
        STORE_TEST(test_a_lease_that_ran_out_is_taken_over),
        STORE_TEST(test_a_late_result_counts),
        STORE_TEST(test_a_clock_that_was_set_back),
        STORE_TEST(test_a_lease_and_a_clock_that_was_set_back),
        STORE_TEST(test_memory_that_gives_out),
        STORE_TEST(test_leases_end_with_their_process),
        STORE_TEST(test_jobs_fail_with_their_transaction),
        STORE_TEST(test_letters_of_jobs_are_tried_again),
        STORE_TEST(test_letters_of_jobs_are_discarded),
        STORE_TEST(test_what_a_letter_says),
        STORE_TEST(test_failed_jobs_of_a_batch_are_tried_again),
        STORE_TEST(test_pending_jobs_of_a_batch_are_cancelled),
        STORE_TEST(test_an_organization_is_changed),
        STORE_TEST(test_an_organization_is_deleted_and_restored),
        STORE_TEST(test_nobody_is_called_about_a_deleted_organization),
        STORE_TEST(test_a_lease_of_a_deleted_organization),
        STORE_TEST(test_organizations_are_looked_for),
    };
    fixture_use(factory);
    return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
