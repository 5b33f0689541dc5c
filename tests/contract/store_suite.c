/* The contract of store.h: its writing side, and what a store is after it was closed. */
#include "store_fixture.h"

#include "process/rules.h"

static void test_created_duplicate_conflict(void **state)
{
    Fixture *fixture = *state;
    Record record = fixture_record(fixture, "rec-1", "dest-1", 10050, RECORD_POSITIVE, 1000);
    Outcome outcome = fixture_apply_one(fixture, record);
    assert_int_equal(outcome.kind, OUTCOME_CREATED);
    assert_int_equal(outcome.seq, 1);
    outcome = fixture_apply_one(fixture, record);
    assert_int_equal(outcome.kind, OUTCOME_DUPLICATE);
    assert_int_equal(outcome.seq, 1);
    record.value = 10051;
    record.unit = STR("SEK");
    outcome = fixture_apply_one(fixture, record);
    assert_int_equal(outcome.kind, OUTCOME_CONFLICT);
    assert_int_equal(outcome.differs, FIELD_VALUE | FIELD_UNIT);
    assert_int_equal(outcome.seq, 1);
    assert_int_equal(store_last_seq(fixture->store), 1);
    assert_verifies(fixture);
}

static void test_conflict_returns_stored_record(void **state)
{
    Fixture *fixture = *state;
    fixture_apply_one(fixture, fixture_record(fixture, "rec-1", "dest-1", 100, RECORD_POSITIVE, 1000));
    Record other = fixture_record(fixture, "rec-1", "dest-2", 100, RECORD_POSITIVE, 1000);
    Outcome outcome = {0};
    Arena arena;
    Error error = {0};
    arena_init(&arena, 4096, 65536);
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = &other, .outcomes = &outcome, .count = 1, .stored = &arena}};
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_int_equal(outcome.kind, OUTCOME_CONFLICT);
    assert_non_null(outcome.stored);
    assert_true(str_is(outcome.stored->record.destination_id, "dest-1"));
    arena_release(&arena);
}

/* Whose arena is full has to ask again; what others have in the same batch does not suffer. */
static void test_no_room_to_show_what_is_stored(void **state)
{
    Fixture *fixture = *state;
    fixture_apply_one(fixture, fixture_record(fixture, "rec-1", "dest-1", 100, RECORD_POSITIVE, 1000));
    Record other = fixture_record(fixture, "rec-1", "dest-2", 100, RECORD_POSITIVE, 1000);
    Record fresh = fixture_record(fixture, "rec-2", "dest-2", 100, RECORD_POSITIVE, 1000);
    Outcome outcomes[2] = {{0}};
    Arena arena;
    Error error = {0};
    arena_init(&arena, 64, 64);
    Work second = {.kind = WORK_RECORDS, .records = {.items = &fresh, .outcomes = &outcomes[1], .count = 1}};
    Work first = {.kind = WORK_RECORDS,
                  .records = {.items = &other, .outcomes = &outcomes[0], .count = 1, .stored = &arena},
                  .next = &second};
    assert_int_equal(store_apply(fixture->store, &first, &error), STATUS_OK);
    assert_int_equal(first.status, STATUS_OK);
    assert_int_equal(outcomes[0].kind, OUTCOME_CONFLICT);
    assert_null(outcomes[0].stored);
    assert_true(outcomes[0].starved);
    assert_int_equal(outcomes[1].kind, OUTCOME_CREATED);
    arena_release(&arena);
}

static void test_equal_ids_in_one_submission(void **state)
{
    Fixture *fixture = *state;
    Record records[] = {fixture_record(fixture, "rec-1", "dest-1", 100, RECORD_POSITIVE, 1),
                        fixture_record(fixture, "rec-1", "dest-1", 100, RECORD_POSITIVE, 1),
                        fixture_record(fixture, "rec-1", "dest-1", 101, RECORD_POSITIVE, 1)};
    Outcome outcomes[3];
    assert_int_equal(fixture_apply(fixture, records, outcomes, 3), STATUS_OK);
    assert_int_equal(outcomes[0].kind, OUTCOME_CREATED);
    assert_int_equal(outcomes[1].kind, OUTCOME_DUPLICATE);
    assert_int_equal(outcomes[2].kind, OUTCOME_CONFLICT);
    assert_verifies(fixture);
}

static void test_running_totals_and_chain(void **state)
{
    Fixture *fixture = *state;
    fixture_apply_one(fixture, fixture_record(fixture, "a", "dest-1", 35000, RECORD_POSITIVE, 1));
    fixture_apply_one(fixture, fixture_record(fixture, "b", "dest-2", 1, RECORD_POSITIVE, 2));
    fixture_apply_one(fixture, fixture_record(fixture, "c", "dest-1", 15000, RECORD_NEGATIVE, 3));
    Seen *seen = fixture_get(fixture, 3);
    assert_int_equal(seen->prev_seq, 1);
    assert_int_equal(seen->totals.positive_count, 1);
    assert_int_equal(seen->totals.negative_count, 1);
    assert_true(seen->totals.positive_total == 35000);
    assert_true(seen->totals.negative_total == 15000);
    test_free(seen);
    assert_verifies(fixture);
}

static void test_everything_survives_reopening(void **state)
{
    Fixture *fixture = *state;
    char id[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "rec-%d", i);
        fixture_apply_one(fixture, fixture_record(fixture, id, i % 3 ? "dest-1" : "dest-2", i,
                                                  i % 2 ? RECORD_NEGATIVE : RECORD_POSITIVE, i));
        if (i % 100 == 99) {
            fixture_maintain(fixture);
        }
    }
    fixture_close(fixture);
    fixture_open(fixture);
    assert_int_equal(store_last_seq(fixture->store), 1000);
    StoreMetrics metrics;
    store_metrics(fixture->store, &metrics);
    assert_int_equal(metrics.record_count, 1000);
    assert_int_equal(metrics.message_count, 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "rec-%d", i);
        Outcome outcome = fixture_apply_one(fixture, fixture_record(fixture, id, i % 3 ? "dest-1" : "dest-2", i,
                                                                    i % 2 ? RECORD_NEGATIVE : RECORD_POSITIVE, i));
        assert_int_equal(outcome.kind, OUTCOME_DUPLICATE);
        assert_int_equal(outcome.seq, i + 1);
    }
    assert_verifies(fixture);
}

static void test_atomic_takes_all_or_nothing(void **state)
{
    Fixture *fixture = *state;
    fixture_apply_one(fixture, fixture_record(fixture, "old", "dest-1", 5, RECORD_POSITIVE, 1));
    Record records[] = {fixture_record(fixture, "new-1", "dest-1", 1, RECORD_POSITIVE, 1),
                        fixture_record(fixture, "old", "dest-1", 6, RECORD_POSITIVE, 1),
                        fixture_record(fixture, "new-2", "dest-1", 1, RECORD_POSITIVE, 1)};
    Outcome outcomes[3];
    Error error = {0};
    Work work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .count = 3, .atomic = true}};
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_int_equal(work.status, STATUS_CONFLICT);
    assert_true(outcomes[0].kind == OUTCOME_NONE && outcomes[1].kind == OUTCOME_CONFLICT &&
                outcomes[2].kind == OUTCOME_NONE);
    assert_int_equal(store_last_seq(fixture->store), 1);
    records[1] = fixture_record(fixture, "new-1", "dest-1", 1, RECORD_POSITIVE, 1);
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_true(work.status == STATUS_OK && outcomes[1].kind == OUTCOME_DUPLICATE);
    assert_int_equal(store_last_seq(fixture->store), 3);
    assert_verifies(fixture);
}

static void test_dry_run_changes_nothing(void **state)
{
    Fixture *fixture = *state;
    fixture_apply_one(fixture, fixture_record(fixture, "old", "dest-1", 5, RECORD_POSITIVE, 1));
    Record records[] = {fixture_record(fixture, "new", "dest-1", 1, RECORD_POSITIVE, 1),
                        fixture_record(fixture, "new", "dest-1", 2, RECORD_POSITIVE, 1),
                        fixture_record(fixture, "old", "dest-1", 5, RECORD_POSITIVE, 1)};
    Outcome outcomes[3];
    Error error = {0};
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = records, .outcomes = outcomes, .count = 3, .dry_run = true}};
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_int_equal(outcomes[0].kind, OUTCOME_CREATED);
    assert_int_equal(outcomes[0].seq, 0);
    assert_int_equal(outcomes[1].kind, OUTCOME_CONFLICT);
    assert_int_equal(outcomes[2].kind, OUTCOME_DUPLICATE);
    assert_int_equal(store_last_seq(fixture->store), 1);
    assert_int_equal(fixture_apply_one(fixture, records[0]).kind, OUTCOME_CREATED);
}

static Status put_rule(Fixture *fixture, AlertRule rule, AlertRule *ret_rule)
{
    Error error = {0};
    Work work = {.kind = WORK_RULE_PUT, .rule = rule};
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    *ret_rule = work.rule;
    return work.status;
}

static bool count_message(void *context, const StoredMessage *message)
{
    int64_t *last_record = context;
    assert_true(str_is(message->kind, "alert"));
    *last_record = message->record_seq;
    return true;
}

static void test_alert_is_stored_with_its_record(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    AlertRule rule = {.name = STR("default"), .type = -1, .threshold = 100000, .enabled = true}, stored;
    assert_int_equal(put_rule(fixture, rule, &stored), STATUS_OK);
    assert_int_equal(stored.id, 1);
    assert_int_equal(put_rule(fixture, rule, &stored), STATUS_CONFLICT);
    fixture_apply_one(fixture, fixture_record(fixture, "a", "dest-1", 100000, RECORD_POSITIVE, 1));
    Outcome outcome = fixture_apply_one(fixture, fixture_record(fixture, "b", "dest-1", 100001, RECORD_POSITIVE, 1));
    assert_int_equal(outcome.seq, 2);
    outcome = fixture_apply_one(fixture, fixture_record(fixture, "c", "dest-1", 1, RECORD_POSITIVE, 1));
    assert_int_equal(outcome.seq, 4); /* the alert has 3 */
    int64_t about = 0;
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_messages(fixture->reader, STR("alert"), 0, count_message, &about, &error), STATUS_OK);
    assert_int_equal(about, 2);
    fixture_end(fixture, view);
    assert_verifies(fixture);
}

/* The totals that rules look at go on all the same. */
static void test_quiet_records_fire_no_alerts(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    AlertRule rule = {.name = STR("default"), .type = -1, .threshold = 1000, .enabled = true}, stored;
    assert_int_equal(put_rule(fixture, rule, &stored), STATUS_OK);
    Record record = fixture_record(fixture, "a", "dest-1", 1001, RECORD_POSITIVE, 1);
    Outcome outcome = {0};
    Work work = {.kind = WORK_RECORDS, .records = {.items = &record, .outcomes = &outcome, .count = 1, .quiet = true}};
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_int_equal(outcome.kind, OUTCOME_CREATED);
    assert_int_equal(store_last_seq(fixture->store), 1);
    fixture_apply_one(fixture, fixture_record(fixture, "b", "dest-1", 1001, RECORD_POSITIVE, 1));
    assert_int_equal(store_last_seq(fixture->store), 3);
    Seen *seen = fixture_get(fixture, 2);
    assert_true(seen->totals.positive_total == 2002);
    test_free(seen);
    assert_verifies(fixture);
}

static void test_rule_changes_need_the_version(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    AlertRule rule = {.name = STR("one"), .type = -1, .threshold = 5, .enabled = true}, stored;
    assert_int_equal(put_rule(fixture, rule, &stored), STATUS_OK);
    stored.name = STR("renamed");
    AlertRule changed;
    assert_int_equal(put_rule(fixture, stored, &changed), STATUS_OK);
    assert_int_equal(changed.version, 2);
    assert_int_equal(put_rule(fixture, stored, &changed), STATUS_REFUSED);
    assert_int_equal(rule_set_count(store_rules(fixture->store)), 1);
    assert_true(str_is(rule_set_at(store_rules(fixture->store), 0)->name, "renamed"));
    Work work = {.kind = WORK_RULE_DELETE, .rule = {.id = stored.id}};
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_int_equal(work.status, STATUS_OK);
    assert_int_equal(rule_set_count(store_rules(fixture->store)), 0);
}

static void test_second_opening_is_refused(void **state)
{
    Fixture *fixture = *state;
    Store *second = NULL;
    Error error = {0};
    assert_int_equal(store_open(&fixture->options, &second, &error), STATUS_BUSY);
    assert_non_null(strstr(error.message, "another process"));
}

static void test_other_choices_are_refused(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    Store *second = NULL;
    fixture_close(fixture);
    StoreOptions options = fixture->options;
    options.identity = IDENTITY_CONTENT;
    assert_int_equal(store_open(&options, &second, &error), STATUS_REFUSED);
    options = fixture->options;
    options.scale = 3;
    assert_int_equal(store_open(&options, &second, &error), STATUS_REFUSED);
    fixture_open(fixture);
}

static void test_rebuild_gives_the_same(void **state)
{
    Fixture *fixture = *state;
    char id[32];
    for (int i = 0; i < 1500; i++) {
        snprintf(id, sizeof id, "rec-%d", i);
        fixture_apply_one(fixture, fixture_record(fixture, id, i % 7 ? "dest-1" : "dest-2", i,
                                                  i % 2 ? RECORD_NEGATIVE : RECORD_POSITIVE, i * 977 % 911));
        if (i % 250 == 249) {
            fixture_maintain(fixture);
        }
    }
    fixture_close(fixture);
    fixture->options.rebuild = true;
    fixture_open(fixture);
    fixture->options.rebuild = false;
    assert_verifies(fixture);
    Outcome outcome = fixture_apply_one(fixture, fixture_record(fixture, "rec-0", "dest-2", 0, RECORD_POSITIVE, 0));
    assert_int_equal(outcome.kind, OUTCOME_DUPLICATE);
    outcome = fixture_apply_one(fixture, fixture_record(fixture, "rec-new", "dest-2", 1, RECORD_POSITIVE, 0));
    assert_int_equal(outcome.kind, OUTCOME_CREATED);
    assert_verifies(fixture);
}

static void test_identities(void **state)
{
    Fixture *fixture = *state;
    fixture_begin_anew(fixture, IDENTITY_SOURCE_AND_RECORD_ID);
    Record record = fixture_record(fixture, "rec-1", "dest-1", 1, RECORD_POSITIVE, 1);
    assert_int_equal(fixture_apply_one(fixture, record).kind, OUTCOME_CREATED);
    record.source_id = STR("source-2");
    record.identity_hash =
        record_identity_hash(&record, IDENTITY_SOURCE_AND_RECORD_ID, store_info(fixture->store)->hash_seed);
    assert_int_equal(fixture_apply_one(fixture, record).kind, OUTCOME_CREATED);
    assert_int_equal(fixture_apply_one(fixture, record).kind, OUTCOME_DUPLICATE);
    assert_verifies(fixture);
    fixture_begin_anew(fixture, IDENTITY_CONTENT);
    assert_int_equal(fixture_apply_one(fixture, fixture_record(fixture, "rec-1", "dest-1", 1, RECORD_POSITIVE, 1)).kind,
                     OUTCOME_CREATED);
    assert_int_equal(fixture_apply_one(fixture, fixture_record(fixture, "rec-2", "dest-1", 1, RECORD_POSITIVE, 1)).kind,
                     OUTCOME_DUPLICATE);
    assert_int_equal(fixture_apply_one(fixture, fixture_record(fixture, "rec-1", "dest-1", 2, RECORD_POSITIVE, 1)).kind,
                     OUTCOME_CREATED);
    assert_verifies(fixture);
}

static void test_many_random_batches(void **state)
{
    Fixture *fixture = *state;
    enum { BATCHES = 120, BATCH = 64, IDS = 3000 };
    static int64_t seq_of[IDS];
    static char ids[BATCH][32], destinations[BATCH][32];
    uint64_t random = 42;
    memset(seq_of, 0, sizeof seq_of);
    for (int batch = 0; batch < BATCHES; batch++) {
        Record records[BATCH];
        Outcome outcomes[BATCH];
        int numbers[BATCH];
        for (int i = 0; i < BATCH; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            numbers[i] = (int)(random >> 33) % IDS;
            snprintf(ids[i], sizeof ids[i], "rec-%d", numbers[i]);
            snprintf(destinations[i], sizeof destinations[i], "dest-%d", numbers[i] % 17);
            records[i] =
                fixture_record(fixture, ids[i], destinations[i], numbers[i], RECORD_POSITIVE, numbers[i] * 1000);
        }
        assert_int_equal(fixture_apply(fixture, records, outcomes, BATCH), STATUS_OK);
        for (int i = 0; i < BATCH; i++) {
            assert_int_equal(outcomes[i].kind, seq_of[numbers[i]] ? OUTCOME_DUPLICATE : OUTCOME_CREATED);
            if (seq_of[numbers[i]]) {
                assert_int_equal(outcomes[i].seq, seq_of[numbers[i]]);
            }
            seq_of[numbers[i]] = outcomes[i].seq;
        }
        bool more = false;
        Error error = {0};
        assert_int_equal(store_maintain(fixture->store, batch % 5 == 0, &more, &error), STATUS_OK);
        if (batch % 40 == 39) {
            fixture_close(fixture);
            fixture_open(fixture);
        }
    }
    assert_verifies(fixture);
}

int store_suite_run(const StoreFactory *factory)
{
    fixture_use(factory);
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_created_duplicate_conflict),
        STORE_TEST(test_conflict_returns_stored_record),
        STORE_TEST(test_no_room_to_show_what_is_stored),
        STORE_TEST(test_equal_ids_in_one_submission),
        STORE_TEST(test_running_totals_and_chain),
        STORE_TEST(test_everything_survives_reopening),
        STORE_TEST(test_atomic_takes_all_or_nothing),
        STORE_TEST(test_dry_run_changes_nothing),
        STORE_TEST(test_alert_is_stored_with_its_record),
        STORE_TEST(test_quiet_records_fire_no_alerts),
        STORE_TEST(test_rule_changes_need_the_version),
        STORE_TEST(test_second_opening_is_refused),
        STORE_TEST(test_other_choices_are_refused),
        STORE_TEST(test_rebuild_gives_the_same),
        STORE_TEST(test_identities),
        STORE_TEST(test_many_random_batches),
    };
    int failed = cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
    failed += store_suite_run_reading(factory);
    failed += store_suite_run_deliveries(factory);
    failed += store_suite_run_dead_letters(factory);
    failed += store_suite_run_intake(factory);
    failed += store_suite_run_events(factory);
    failed += store_suite_run_corrections(factory);
    failed += store_suite_run_duplicates(factory);
    failed += store_suite_run_onboard(factory);
    return failed + store_suite_run_jobs(factory);
}
