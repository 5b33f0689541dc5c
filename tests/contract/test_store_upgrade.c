/* A SQLite store of an older program: it gets the tables that it lacks, all of them or none, and its readers miss
 * nothing. */
#include "old_store.h"

#include "store/sqlite/schema.h"

COUNTING(count_sink, StoredSink, sink, sink->name.len > 0)
COUNTING(count_retry, StoredRetry, retry, retry->seq > 0)
COUNTING(count_attempt, StoredAttempt, attempt, attempt->seq > 0)
COUNTING(count_letter, DeadLetter, letter, letter->id > 0)
COUNTING(count_replay, StoredReplay, replay, replay->id > 0)
COUNTING(count_source, StoredSource, source, source->name.len > 0)
COUNTING(count_place, SourcePlace, place, place->part.len > 0)

static bool see_no_event(void *context, const StoredRecord *stored)
{
    (void)context;
    assert_false(stored->is_event);
    return true;
}

/* How many rows there are about deliveries. */
static size_t count_all(StoreReader *reader)
{
    const DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    size_t count = 0;
    Error error = {0};
    StoreView *view = NULL;
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    assert_int_equal(reader_sinks(reader, count_sink, &count, &error), STATUS_OK);
    assert_int_equal(reader_retries(reader, STR("hooks"), 0, count_retry, &count, &error), STATUS_OK);
    assert_int_equal(reader_attempts(reader, 1, count_attempt, &count, &error), STATUS_OK);
    assert_int_equal(reader_dead_letters(reader, &filter, count_letter, &count, &error), STATUS_OK);
    assert_int_equal(reader_replays(reader, STR(""), count_replay, &count, &error), STATUS_OK);
    assert_int_equal(reader_scan(reader, 0, INT64_MAX, FIELD_EVENT, see_no_event, NULL, &error), STATUS_OK);
    assert_int_equal(reader_walk_times(reader, TIME_POSITION_FIRST, TIME_POSITION_LAST, INT64_MAX, FIELD_EVENT,
                                       see_no_event, NULL, &error),
                     STATUS_OK);
    reader_end(reader);
    view_free(view);
    return count;
}

/* A row in each of the tables; the dead letter waits for its retry. */
static void fill(Store *store)
{
    Error error = {0};
    const DeadLetter dead = {.seq = 1, .error = STR("no"), .attempts = 1};
    const StoredAttempt attempt = {.seq = 1, .number = 1};
    Work works[] = {{.kind = WORK_SINK_PUT, .sink = {.name = STR("hooks")}},
                    {.kind = WORK_DELIVERY,
                     .delivery = {.sink = STR("hooks"),
                                  .place = {1, 1},
                                  .dead = &dead,
                                  .dead_count = 1,
                                  .attempts = &attempt,
                                  .attempt_count = 1}},
                    {.kind = WORK_DEAD_LETTERS, .dead_letters = {.filter = DEAD_LETTER_FILTER_ALL, .limit = 9}},
                    {.kind = WORK_REPLAY_PUT, .replay = {.sink = STR("hooks"), .through = 1}}};
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        assert_int_equal(store_apply(store, &works[i], &error), STATUS_OK);
        assert_int_equal(works[i].status, STATUS_OK);
    }
    assert_int_equal(works[2].dead_letters.count, 1);
}

/* How many rows there are about sources. */
static size_t count_intake(StoreReader *reader)
{
    size_t count = 0;
    Error error = {0};
    StoreView *view = NULL;
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    assert_int_equal(reader_sources(reader, count_source, &count, &error), STATUS_OK);
    assert_int_equal(reader_places(reader, STR("orders"), count_place, &count, &error), STATUS_OK);
    reader_end(reader);
    view_free(view);
    return count;
}

/* A source that is paused, its place, and a dead letter of it. */
static void fill_intake(Store *store)
{
    Error error = {0};
    SourcePlace place = {.part = STR("in/0"), .next = 2, .mark = STR("mark")};
    IntakeLetter refused = {.place = STR("in/0/1"), .format = STR("json"), .raw = STR("four"), .error = STR("no")};
    IntakeChange intake = {
        .source = STR("orders"), .places = &place, .place_count = 1, .refused = &refused, .refused_count = 1};
    Work works[] = {{.kind = WORK_SOURCE_STATE, .source = {.name = STR("orders"), .state = SOURCE_STATE_PAUSED}},
                    {.kind = WORK_RECORDS, .records = {.intake = &intake}}};
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        assert_int_equal(store_apply(store, &works[i], &error), STATUS_OK);
        assert_int_equal(works[i].status, STATUS_OK);
    }
    assert_int_equal(intake.lettered, 1);
}

/* What the letter of fill_intake counts for. */
static int64_t bytes_of_intake(void)
{
    DeadLetter letter = {
        .origin = STR("orders"), .place = STR("in/0/1"), .format = STR("json"), .raw = STR("four"), .error = STR("no")};
    return dead_letter_bytes(&letter);
}

typedef struct Letter {
    DeadLetter letter; /* its texts are gone */
    char texts[64];
} Letter;

static bool copy_letter(void *context, const DeadLetter *letter)
{
    Letter *copy = context;
    copy->letter = *letter;
    snprintf(copy->texts, sizeof copy->texts, "%.*s|%.*s|%.*s|%.*s", STR_ARGS(letter->origin), STR_ARGS(letter->place),
             STR_ARGS(letter->format), STR_ARGS(letter->raw));
    return true;
}

static Letter letter_of(StoreReader *reader, int64_t id)
{
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    Letter copy = {0};
    Error error = {0};
    StoreView *view = NULL;
    filter.id = id;
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    assert_int_equal(reader_dead_letters(reader, &filter, copy_letter, &copy, &error), STATUS_OK);
    reader_end(reader);
    view_free(view);
    assert_int_equal(copy.letter.id, id);
    return copy;
}

/* ---- Versions ---------------------------------------------------------------------------------------------------- */

static const VersionStep deliveries = {
    .undo_sql = "DROP TABLE sinks; DROP TABLE retries; DROP TABLE delivery_attempts; DROP TABLE dead_letters;"
                "DROP TABLE replays; DROP TABLE sources; DROP TABLE source_places;" DROP_EVENTS_SQL DROP_ONBOARD_SQL
                "PRAGMA user_version = 1",
    .version = "1",
    .fill = fill,
    .count = count_all,
    .rows = 5,
};

/* The dead letters of the second version had neither a place nor a format. */
static size_t count_beside_letters(StoreReader *reader)
{
    size_t count = count_intake(reader);
    Letter letter = letter_of(reader, 1);
    assert_true(letter.letter.stage == DEAD_LETTER_DELIVERY && letter.letter.state == DEAD_LETTER_RETRYING);
    assert_string_equal(letter.texts, "hooks|||");
    assert_int_equal(count_all(reader), deliveries.rows + (count > 0));
    if (count) {
        assert_string_equal(letter_of(reader, 2).texts, "orders|in/0/1|json|four");
    }
    return count;
}

static const VersionStep sources = {
    .undo_sql = DROP_ONBOARD_SQL
    "DROP TABLE sources; DROP TABLE source_places; DROP INDEX dead_letters_of_intake;"
    "ALTER TABLE dead_letters DROP COLUMN format; ALTER TABLE dead_letters DROP COLUMN place;" DROP_LETTER_BYTES_SQL
        DROP_EVENTS_SQL "PRAGMA user_version = 2",
    .version = "2",
    .prepare = fill,
    .fill = fill_intake,
    .count = count_beside_letters,
    .rows = 2,
};

/* As the first version left it, with a record in it. */
static void make_first_version(const OldStore *fixture)
{
    Store *store = NULL;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(apply_record(store).kind, OUTCOME_CREATED);
    store_close(store);
    run_sql(fixture, deliveries.undo_sql);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

static void test_a_new_store_has_the_newest_tables(void **state)
{
    OldStore *fixture = *state;
    Store *store = NULL;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    store_close(store);
    char version[16];
    snprintf(version, sizeof version, "%d", SCHEMA_VERSION);
    assert_answer(fixture, "PRAGMA user_version", version);
    assert_answer(fixture, "PRAGMA application_id", "1466263922"); /* "Weir" */
}

static void test_a_first_version_gets_deliveries(void **state) { check_older_is_upgraded(*state, &deliveries); }

static void test_a_first_version_that_is_only_read(void **state) { check_older_is_read(*state, &deliveries); }

static void test_a_second_version_gets_sources(void **state) { check_older_is_upgraded(*state, &sources); }

static void test_a_second_version_that_is_only_read(void **state) { check_older_is_read(*state, &sources); }

/* With a letter of delivery, which is tried again, and one of intake. */
static void leave_letters(const OldStore *fixture)
{
    Store *store = NULL;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    fill(store);
    fill_intake(store);
    store_close(store);
}

static void check_letters_are_counted(const OldStore *fixture)
{
    Store *store = NULL;
    StoreMetrics metrics = {0};
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    store_metrics(store, &metrics);
    assert_int_equal(metrics.dead_letter_bytes, bytes_of_intake());
    assert_int_equal(metrics.dead_letters_open, 1);
    store_close(store);
}

/* What the letters of intake keep is counted at the start. */
static void test_letters_are_counted_at_the_start(void **state)
{
    leave_letters(*state);
    check_letters_are_counted(*state);
}

/* Those of a version that did not count them, too. */
static void test_letters_of_a_third_version_are_counted(void **state)
{
    OldStore *fixture = *state;
    leave_letters(fixture);
    run_sql(fixture, DROP_LETTER_BYTES_SQL DROP_EVENTS_SQL DROP_ONBOARD_SQL "PRAGMA user_version = 3");
    check_letters_are_counted(fixture);
    assert_int_equal(verify_once(fixture), 0);
    run_sql(fixture, "UPDATE dead_letters SET bytes = bytes + 1 WHERE stage = 0");
    assert_int_equal(verify_once(fixture), 1);
}

/* A flow whose total is nearly too large: whatever would make it so is a dead letter. */
static void test_rejected_records_are_dead_letters(void **state)
{
    OldStore *fixture = *state;
    Store *store = NULL;
    StoreReader *reader = NULL;
    Error error = {0};
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(apply_record(store).kind, OUTCOME_CREATED);
    store_close(store);
    run_sql(fixture, "UPDATE records SET positive_total_hi = 9223372036854775807, positive_total_lo = 0");
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    Record record = plain_record(store, STR("rec-2"));
    Outcome outcome = {0};
    IntakeLetter letter = {.place = STR("in/0/0"), .format = STR("json"), .raw = STR("{}")};
    IntakeChange intake = {.source = STR("orders"), .letters = &letter};
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = &record, .outcomes = &outcome, .count = 1, .intake = &intake}};
    assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
    assert_int_equal(outcome.kind, OUTCOME_REJECTED);
    assert_int_equal(intake.lettered, 1);
    assert_int_equal(store_reader_open(store, &reader, &error), STATUS_OK);
    assert_string_equal(letter_of(reader, 1).texts, "orders|in/0/0|json|{}");
    store_reader_close(reader);
    store_close(store);
}

static void test_an_upgrade_is_done_whole_or_not_at_all(void **state)
{
    OldStore *fixture = *state;
    Store *store = NULL;
    make_first_version(fixture);
    run_sql(fixture, "CREATE TABLE replays(somebody_elses)"); /* the last of the tables */
    char *before = ask(fixture, all_sql);
    assert_int_equal(open_store(fixture, &store), STATUS_BROKEN);
    assert_answer(fixture, all_sql, before);
    assert_answer(fixture, "PRAGMA user_version", "1");
    test_free(before);
    run_sql(fixture, "DROP TABLE replays");
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    store_close(store);
}

static void test_a_newer_store_is_refused(void **state)
{
    OldStore *fixture = *state;
    Store *store = NULL;
    make_first_version(fixture);
    char newer[64];
    snprintf(newer, sizeof newer, "PRAGMA user_version = %d", SCHEMA_VERSION + 1);
    run_sql(fixture, newer);
    for (int read_only = 0; read_only < 2; read_only++) {
        fixture->options.read_only = read_only;
        assert_int_equal(open_store(fixture, &store), STATUS_REFUSED);
    }
    assert_answer(fixture, "SELECT count(*) FROM sqlite_schema WHERE name = 'sinks'", "0");
}

static void test_verify_looks_at_deliveries(void **state)
{
    OldStore *fixture = *state;
    Store *store = NULL;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    apply_record(store);
    fill(store);
    store_close(store);
    /* Each of them is a row that nobody would ever look at again. */
    static const Damage damages[] = {
        {"DELETE FROM retries", "INSERT INTO retries VALUES('hooks', 0, 1, 1, 1, 0)", 1},
        {"INSERT INTO retries VALUES('hook', 0, 1, 1, 1, 0)", "DELETE FROM retries WHERE sink = 'hook'", 1},
        {"INSERT INTO retries VALUES('hooks', 7, 1, 1, 1, 0)", "DELETE FROM retries WHERE job = 7", 1}};
    check_damages(fixture, damages, sizeof damages / sizeof *damages);
}

/* Both behind what is published, where no index has them. */
static void test_verify_sees_a_record_that_is_there_twice(void **state)
{
#define COPY_SQL(seq, count, total)                                                                                    \
    "INSERT INTO records SELECT " seq ", time_us, value, type, destination_id, unit, reference, source_id, 'rec-2',"   \
    " received_us, " seq " - 1, " count ", negative_count, 0, " total ", negative_total_hi, negative_total_lo,"        \
    " traceparent FROM records WHERE seq = 1"
    OldStore *fixture = *state;
    Store *store = NULL;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    apply_record(store);
    store_close(store);
    fixture->options.read_only = true;
    run_sql(fixture, COPY_SQL("2", "2", "10"));
    assert_int_equal(verify_once(fixture), 0);
    run_sql(fixture, COPY_SQL("3", "3", "15"));
    assert_int_equal(verify_once(fixture), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OLD_STORE_TEST(test_a_new_store_has_the_newest_tables),
        OLD_STORE_TEST(test_a_first_version_gets_deliveries),
        OLD_STORE_TEST(test_a_first_version_that_is_only_read),
        OLD_STORE_TEST(test_a_second_version_gets_sources),
        OLD_STORE_TEST(test_a_second_version_that_is_only_read),
        OLD_STORE_TEST(test_letters_are_counted_at_the_start),
        OLD_STORE_TEST(test_letters_of_a_third_version_are_counted),
        OLD_STORE_TEST(test_rejected_records_are_dead_letters),
        OLD_STORE_TEST(test_an_upgrade_is_done_whole_or_not_at_all),
        OLD_STORE_TEST(test_a_newer_store_is_refused),
        OLD_STORE_TEST(test_verify_looks_at_deliveries),
        OLD_STORE_TEST(test_verify_sees_a_record_that_is_there_twice),
    };
    return cmocka_run_group_tests_name("store-upgrade", tests, NULL, NULL);
}
