/* What the SQLite store keeps of events: a store of an older program gets the tables, and verify finds what no program
 * would leave. */
#include "old_store.h"

COUNTING(count_event, StoredEvent, event, event->seq > 0 && event->attempts > 0)
COUNTING(count_event_attempt, EventAttempt, attempt, attempt->seq > 0 && attempt->number > 1)
COUNTING(count_event_duplicate, StoredDuplicate, duplicate, duplicate->id > 0 && duplicate->raw.len > 0)
COUNTING(count_client, EventClient, client, client->received > 0)

/* How many rows there are about events. */
static size_t count_events(StoreReader *reader)
{
    const EventAttemptFilter all = {0}, of_one = {.seq = 2};
    size_t count = 0;
    Error error = {0};
    StoreView *view = NULL;
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    assert_int_equal(reader_events(reader, 0, INT64_MAX, count_event, &count, &error), STATUS_OK);
    assert_int_equal(reader_event(reader, 2, count_event, &count, &error), count ? STATUS_OK : STATUS_REFUSED);
    assert_int_equal(reader_event_attempts(reader, &all, count_event_attempt, &count, &error), STATUS_OK);
    assert_int_equal(reader_event_duplicates(reader, 2, 0, count_event_duplicate, &count, &error), STATUS_OK);
    assert_int_equal(reader_event_attempts(reader, &of_one, count_event_attempt, &count, &error), STATUS_OK);
    assert_int_equal(reader_event_clients(reader, count_client, &count, &error), STATUS_OK);
    reader_end(reader);
    view_free(view);
    return count;
}

static Record record_of_shop(Store *store, Str record_id)
{
    const StoreInfo *info = store_info(store);
    Record record = {.record_id = record_id,
                     .source_id = STR("shop"),
                     .destination_id = STR("shop"),
                     .unit = STR("none"),
                     .reference = STR("sales")};
    record.identity_hash = record_identity_hash(&record, info->identity, info->hash_seed);
    return record;
}

/* Behind the first record: an event that came twice, and its correction. */
static void fill_events(Store *store)
{
    static const char *const ids[] = {"sha256:1", "sha256:1", "correction:1:1"};
    Record records[3];
    Outcome outcomes[3];
    EventItem items[3];
    Error error = {0};
    for (size_t i = 0; i < 3; i++) {
        records[i] = record_of_shop(store, str_from(ids[i]));
        items[i] = (EventItem){.client = STR("shop"), .raw = STR("{}"), .mapping = STR("builtin"), .received_us = 1};
    }
    items[1].raw = STR("{ }");
    items[2].corrects = 2;
    items[2].replaces = true;
    items[2].alias = STR("sha256:2");
    EventChange change = {.items = items};
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = records, .outcomes = outcomes, .count = 3, .events = &change}};
    assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
    assert_true(outcomes[0].seq == 2 && outcomes[1].seq == 2 && outcomes[2].seq == 3);
}

/* ---- Older stores ------------------------------------------------------------------------------------------------ */

static const VersionStep events = {
    .undo_sql = DROP_LETTER_BYTES_SQL DROP_EVENTS_SQL DROP_ONBOARD_SQL "PRAGMA user_version = 3",
    .version = "3",
    .fill = fill_events,
    .count = count_events,
    .rows = 2 + 1 + 1 + 1 + 1 + 1,
};

static void test_a_third_version_gets_events(void **state) { check_older_is_upgraded(*state, &events); }

static void test_a_third_version_that_is_only_read(void **state) { check_older_is_read(*state, &events); }

/* ---- What no program leaves -------------------------------------------------------------------------------------- */

static void fill_store(const OldStore *fixture)
{
    Store *store = NULL;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    apply_record(store);
    fill_events(store);
    store_close(store);
}

static void test_verify_looks_at_events(void **state)
{
    OldStore *fixture = *state;
    static const Damage damages[] = {
        {"INSERT INTO raw_events VALUES(9, 1, 1, 1, 1, 1, 0, 0, '', x'')", "DELETE FROM raw_events WHERE seq = 9", 1},
        {"UPDATE raw_events SET corrects = 4 WHERE seq = 3", "UPDATE raw_events SET corrects = 2 WHERE seq = 3", 1},
        {"UPDATE raw_events SET corrects = -1 WHERE seq = 3", "UPDATE raw_events SET corrects = 2 WHERE seq = 3", 1},
        {"UPDATE raw_events SET taken_for = 1 WHERE seq = 2", "UPDATE raw_events SET taken_for = 0 WHERE seq = 2", 1},
        {"UPDATE raw_events SET taken_for = 2 WHERE seq = 2", "UPDATE raw_events SET taken_for = 0 WHERE seq = 2", 1},
        {"UPDATE raw_duplicates SET seq = 9", "UPDATE raw_duplicates SET seq = 2", 1},
        {"UPDATE raw_duplicates SET seq = 1", "UPDATE raw_duplicates SET seq = 2", 1},
        {"UPDATE raw_duplicates SET seq = 3", "UPDATE raw_duplicates SET seq = 2", 1},
        {"UPDATE event_attempts SET seq = 9", "UPDATE event_attempts SET seq = 2", 1},
        {"UPDATE event_aliases SET seq = 1", "UPDATE event_aliases SET seq = 3", 1},
        {"UPDATE event_aliases SET seq = 2", "UPDATE event_aliases SET seq = 3", 1},
        {"UPDATE event_aliases SET seq = -3", "UPDATE event_aliases SET seq = 3", 1},
        {"UPDATE event_clients SET failed = -1", "UPDATE event_clients SET failed = 0", 1},
        {"UPDATE event_clients SET last_us = 0", "UPDATE event_clients SET last_us = 1", 1},
        {"UPDATE event_clients SET processed = 2", "UPDATE event_clients SET processed = 1", 1},
        {"UPDATE event_clients SET duplicates = 0", "UPDATE event_clients SET duplicates = 1", 1},
    };
    fill_store(fixture);
    check_damages(fixture, damages, sizeof damages / sizeof *damages);
    run_sql(fixture,
            "DELETE FROM raw_events WHERE seq = 2"); /* its record is there, it was counted, and it had a duplicate */
    assert_int_equal(verify_once(fixture), 2);
}

/* A flow whose total is nearly too large: an event that would make it so was received, and failed. */
static void test_a_rejected_event_has_failed(void **state)
{
    OldStore *fixture = *state;
    Store *store = NULL;
    fill_store(fixture);
    run_sql(fixture, "UPDATE records SET positive_total_hi = 9223372036854775807 WHERE seq = 1");
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    Record record = plain_record(store, STR("sha256:5"));
    Outcome outcome = {0};
    Error error = {0};
    const EventItem item = {.client = STR("source"), .raw = STR("{5}"), .received_us = 1};
    const IntakeLetter letter = {.place = STR("sha256:x"), .format = STR("event"), .raw = STR("{5}")};
    IntakeChange intake = {.source = STR("events"), .letters = &letter};
    EventChange change = {.items = &item};
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = &record, .outcomes = &outcome, .count = 1, .intake = &intake, .events = &change}};
    assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
    assert_int_equal(outcome.kind, OUTCOME_REJECTED);
    assert_int_equal(intake.lettered, 1);
    store_close(store);
    assert_answer(fixture, "SELECT failed || processed || duplicates FROM event_clients WHERE client = 'source'",
                  "100");
    assert_answer(fixture, "SELECT count(*) FROM raw_events", "2");
}

/* A damaged store does not take the event for a new one. */
static void test_an_id_that_leads_to_nothing(void **state)
{
    OldStore *fixture = *state;
    Store *store = NULL;
    fill_store(fixture);
    run_sql(fixture, "UPDATE event_aliases SET seq = 99 WHERE record_id = 'sha256:2'");
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    Record record = record_of_shop(store, STR("sha256:2"));
    Outcome outcome = {0};
    Error error = {0};
    const EventItem item = {.client = STR("shop"), .raw = STR("{}"), .received_us = 1};
    EventChange change = {.items = &item};
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = &record, .outcomes = &outcome, .count = 1, .events = &change}};
    assert_int_equal(store_apply(store, &work, &error), STATUS_BROKEN);
    assert_non_null(strstr(error.message, "record 99"));
    store_close(store);
}

/* The bytes of one may take many pages. */
static void test_large_events(void **state)
{
    OldStore *fixture = *state;
    enum { RAW_BYTES = 1 << 20 };
    Store *store = NULL;
    Error error = {0};
    char *raw = test_malloc(RAW_BYTES);
    memset(raw, 'x', RAW_BYTES);
    fill_store(fixture);
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    Record record = record_of_shop(store, STR("sha256:7"));
    Outcome outcome = {0};
    const EventItem item = {.client = STR("shop"), .raw = {raw, RAW_BYTES}, .received_us = 1};
    EventChange change = {.items = &item};
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = &record, .outcomes = &outcome, .count = 1, .events = &change}};
    assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
    store_close(store);
    assert_answer(fixture,
                  "SELECT length(raw) || ' ' || (raw = CAST(replace(hex(zeroblob(524288)), '0', 'x') AS BLOB))"
                  " FROM raw_events WHERE seq = 4",
                  "1048576 1");
    assert_int_equal(verify_once(fixture), 0);
    test_free(raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OLD_STORE_TEST(test_a_third_version_gets_events), OLD_STORE_TEST(test_a_third_version_that_is_only_read),
        OLD_STORE_TEST(test_verify_looks_at_events),      OLD_STORE_TEST(test_a_rejected_event_has_failed),
        OLD_STORE_TEST(test_an_id_that_leads_to_nothing), OLD_STORE_TEST(test_large_events),
    };
    return cmocka_run_group_tests_name("store-events", tests, NULL, NULL);
}
