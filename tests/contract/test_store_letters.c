/* Room for dead letters in a store of SQLite: it is known at once, however many letters there are, and right after
 * whatever happens to a batch. */
#include "old_store.h"
#include "store/sqlite/sqlite_store.h"

enum { MANY = 400, FEW = 20, OPEN_BYTES = 1000 };

static char filler[2 * OPEN_BYTES];

static Status refuse_message(Store *store, int number, Str raw)
{
    char place[16];
    Error error = {0};
    snprintf(place, sizeof place, "in/0/%04d", number);
    IntakeLetter refused = {.place = str_from(place), .format = STR("json"), .raw = raw, .error = STR("no")};
    IntakeChange intake = {.source = STR("orders"), .refused = &refused, .refused_count = 1};
    Work work = {.kind = WORK_RECORDS, .records = {.intake = &intake}};
    assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
    return work.status;
}

static Status refuse(Store *store, int number, size_t bytes)
{
    return refuse_message(store, number, (Str){filler, bytes});
}

static uint64_t room_for(int letters, size_t bytes)
{
    DeadLetter one = {.origin = STR("orders"), .place = STR("in/0/0000"), .format = STR("json"), .error = STR("no")};
    return (uint64_t)(letters * dead_letter_bytes(&one)) + bytes;
}

static Work discard_work(int64_t id)
{
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.id = id;
    return (Work){.kind = WORK_DEAD_LETTERS,
                  .dead_letters = {.filter = filter, .action = DEAD_LETTER_DISCARD, .limit = 1}};
}

static void discard(Store *store, int64_t id)
{
    Work work = discard_work(id);
    Error error = {0};
    assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
    assert_int_equal(work.dead_letters.count, 1);
}

/* ---- What a call costs ------------------------------------------------------------------------------------------- */

static int count_step(void *context)
{
    ++*(size_t *)context;
    return 0;
}

/* How many instructions SQLite runs for one that has no room beside one that is open, while so many are closed. */
static size_t cost_beside(OldStore *fixture, int closed)
{
    Store *store = NULL;
    size_t steps = 0;
    fixture->options.dead_letter_bytes_max = room_for(MANY + 1, OPEN_BYTES);
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    for (int i = 1; i <= closed; i++) {
        assert_int_equal(refuse(store, i, 0), STATUS_OK);
        discard(store, i);
    }
    assert_int_equal(refuse(store, 0, OPEN_BYTES), STATUS_OK);
    store_close(store);
    fixture->options.dead_letter_bytes_max = room_for(1, OPEN_BYTES);
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    sqlite3_progress_handler(((SqliteStore *)store)->db, 1, count_step, &steps);
    assert_int_equal(refuse(store, MANY + 1, 0), STATUS_BUSY);
    store_close(store);
    return steps;
}

static void test_a_failing_call_costs_no_more_beside_many_letters(void **state)
{
    OldStore *many = *state;
    void *other;
    old_store_setup(&other);
    size_t few_steps = cost_beside(other, FEW), many_steps = cost_beside(many, MANY);
    old_store_teardown(&other);
    assert_true(few_steps > 0);
    assert_true(many_steps < few_steps + FEW);
}

/* ---- What it costs to try some again ----------------------------------------------------------------------------- */

/* All of them have open letters, but only the last one is asked about. */
static const char *const sinks[] = {"alpha", "beta", "gamma", "zeta"};
enum { SINKS = sizeof sinks / sizeof *sinks };

static void die(Store *store, const char *sink, int64_t seq)
{
    Error error = {0};
    const DeadLetter dead = {.seq = seq, .error = STR("no"), .attempts = 1};
    Work work = {.kind = WORK_DELIVERY, .delivery = {.sink = str_from(sink), .dead = &dead, .dead_count = 1}};
    assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
    assert_int_equal(work.status, STATUS_OK);
}

static void fill_sinks(Store *store, int letters)
{
    Error error = {0};
    for (int i = 0; i < SINKS; i++) {
        Work put = {.kind = WORK_SINK_PUT, .sink = {.name = str_from(sinks[i])}};
        assert_int_equal(store_apply(store, &put, &error), STATUS_OK);
        for (int64_t seq = 1; seq <= (i < SINKS - 1 ? letters : 1); seq++) {
            die(store, sinks[i], seq);
        }
    }
    for (int i = 0; i < letters; i++) {
        assert_int_equal(refuse(store, i, 0), STATUS_OK);
    }
}

/* How many instructions SQLite runs until those of this stage and origin are tried again. */
static size_t cost_of_retry(Store *store, DeadLetterStage stage, Str origin, size_t expected)
{
    Error error = {0};
    size_t steps = 0;
    DeadLetterFilter filter = {.stage = (int)stage, .state = DEAD_LETTER_OPEN, .origin = origin};
    Work work = {.kind = WORK_DEAD_LETTERS, .dead_letters = {.filter = filter, .limit = MANY}};
    sqlite3_progress_handler(((SqliteStore *)store)->db, 1, count_step, &steps);
    assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
    sqlite3_progress_handler(((SqliteStore *)store)->db, 0, NULL, NULL);
    assert_int_equal(work.dead_letters.count, expected);
    return steps;
}

typedef struct RetryCosts {
    size_t sink, source, batch;
} RetryCosts;

static RetryCosts costs_beside(OldStore *fixture, int letters)
{
    Store *store = NULL;
    RetryCosts costs;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    fill_sinks(store, letters);
    costs.sink = cost_of_retry(store, DEAD_LETTER_DELIVERY, STR("zeta"), 1);
    costs.source = cost_of_retry(store, DEAD_LETTER_INTAKE, STR("bills"), 0);
    costs.batch = cost_of_retry(store, DEAD_LETTER_JOB, STR("batch"), 0);
    store_close(store);
    return costs;
}

/* The letters of other sinks, sources and batches are not looked at: the processor does nothing else meanwhile. */
static void test_trying_again_costs_no_more_beside_many_letters(void **state)
{
    OldStore *many = *state;
    void *other;
    old_store_setup(&other);
    RetryCosts few_costs = costs_beside(other, FEW), many_costs = costs_beside(many, MANY);
    old_store_teardown(&other);
    assert_true(few_costs.sink > 0);
    assert_true(many_costs.sink < few_costs.sink + FEW);
    assert_true(many_costs.source < few_costs.source + FEW);
    assert_true(many_costs.batch < few_costs.batch + FEW);
}

/* ---- What it costs to list them ---------------------------------------------------------------------------------- */

static bool add_raw_bytes(void *context, const DeadLetter *letter)
{
    assert_int_equal(letter->raw.len, 0);
    *(size_t *)context += letter->raw_bytes;
    return true;
}

static int pages_read(StoreReader *reader)
{
    int pages = 0, highest = 0;
    sqlite3 *db = ((SqliteReader *)reader)->db;
    assert_int_equal(sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_MISS, &pages, &highest, 0), SQLITE_OK);
    return pages;
}

/* What came in may be long: lists say how long, and do not read it. */
static void test_a_list_reads_no_message(void **state)
{
    enum { LETTERS = 8, BYTES = sizeof filler * 64 };
    static char message[BYTES];
    OldStore *fixture = *state;
    Store *store = NULL;
    StoreReader *reader = NULL;
    StoreView *view = NULL;
    Error error = {0};
    size_t bytes = 0;
    DeadLetterFilter filter = {.stage = -1, .state = -1, .without_raw = true};
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    for (int i = 1; i <= LETTERS; i++) {
        assert_int_equal(refuse_message(store, i, (Str){message, BYTES}), STATUS_OK);
    }
    assert_int_equal(store_reader_open(store, &reader, &error), STATUS_OK);
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    int before = pages_read(reader);
    assert_int_equal(reader_dead_letters(reader, &filter, add_raw_bytes, &bytes, &error), STATUS_OK);
    assert_int_equal(bytes, LETTERS * BYTES);
    assert_in_range(pages_read(reader) - before, 1, 2 * LETTERS);
    reader_end(reader);
    view_free(view);
    store_reader_close(reader);
    store_close(store);
}

static void assert_bytes(Store *store, int letters, size_t bytes)
{
    StoreMetrics metrics = {0};
    store_metrics(store, &metrics);
    assert_int_equal(metrics.dead_letter_bytes, room_for(letters, bytes));
}

/* ---- What is too long -------------------------------------------------------------------------------------------- */

/* SQLite would keep no such value, and the store would take nothing more. */
static void test_a_message_that_is_too_long_is_refused(void **state)
{
    OldStore *fixture = *state;
    Store *store = NULL;
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(refuse_message(store, 1, (Str){filler, 1100000000}), STATUS_REFUSED); /* nobody reads it */
    assert_int_equal(refuse(store, 2, 10), STATUS_OK);
    assert_bytes(store, 1, 10);
    store_close(store);
}

/* ---- What is counted --------------------------------------------------------------------------------------------- */

/* One is discarded, and another tried again and taken in; then the batch fails. */
static void fail_batch(Store *store)
{
    Error error = {0};
    Outcome outcome;
    Record record = plain_record(store, STR("rec-1"));
    IntakeLetter letter = {.place = STR("in/0/0002"), .format = STR("json"), .letter = 2};
    IntakeChange intake = {.source = STR("orders"), .letters = &letter};
    Work works[] = {discard_work(1), discard_work(2), {.kind = WORK_RECORDS}, {.kind = WORK_RECORDS}};
    works[0].next = &works[1];
    works[1].next = &works[2];
    works[2].next = &works[3];
    works[1].dead_letters.action = DEAD_LETTER_RETRY;
    works[2].records.items = works[3].records.items = &record;
    works[2].records.outcomes = works[3].records.outcomes = &outcome;
    works[2].records.count = works[3].records.count = 1;
    works[2].records.intake = &intake;
    works[3].records.simulate_failure = true;
    assert_int_equal(store_apply(store, works, &error), STATUS_BUSY);
}

/* Nothing is closed, so nothing makes room; then one is, and makes it once. */
static void assert_room_for_one(Store *store, int number)
{
    assert_int_equal(refuse(store, number, 10), STATUS_BUSY);
    assert_bytes(store, 2, 20);
    discard(store, number - 2);
    assert_int_equal(refuse(store, number, 10), STATUS_OK);
    assert_int_equal(refuse(store, number + 1, 10), STATUS_BUSY);
    assert_bytes(store, 2, 20);
}

static void test_room_is_known_after_a_failed_batch_and_a_start(void **state)
{
    OldStore *fixture = *state;
    Store *store = NULL;
    fixture->options.dead_letter_bytes_max = room_for(2, 25);
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(refuse(store, 1, 10), STATUS_OK);
    assert_int_equal(refuse(store, 2, 10), STATUS_OK);
    fail_batch(store);
    assert_room_for_one(store, 3);
    store_close(store);
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_room_for_one(store, 4);
    /* One that was closed before the start. */
    discard(store, 3);
    store_close(store);
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(refuse(store, 5, 10), STATUS_OK);
    assert_bytes(store, 2, 20);
    store_close(store);
}

/* One is tried again, and what it holds is taken in. */
static void resolve(Store *store, int64_t id)
{
    Error error = {0};
    Outcome outcome;
    Record record = plain_record(store, STR("rec-1"));
    IntakeLetter letter = {.place = STR("in/0/0001"), .format = STR("json"), .letter = id};
    IntakeChange intake = {.source = STR("orders"), .letters = &letter};
    Work works[] = {
        discard_work(id),
        {.kind = WORK_RECORDS, .records = {.items = &record, .outcomes = &outcome, .count = 1, .intake = &intake}}};
    works[0].next = &works[1];
    works[0].dead_letters.action = DEAD_LETTER_RETRY;
    assert_int_equal(store_apply(store, works, &error), STATUS_OK);
    assert_int_equal(works[0].dead_letters.count, 1);
    assert_int_equal(outcome.kind, OUTCOME_CREATED);
}

/* At once, like one that is discarded, and not only after the next start. */
static void test_one_that_is_resolved_makes_room(void **state)
{
    OldStore *fixture = *state;
    Store *store = NULL;
    fixture->options.dead_letter_bytes_max = room_for(2, 25);
    assert_int_equal(open_store(fixture, &store), STATUS_OK);
    assert_int_equal(refuse(store, 1, 10), STATUS_OK);
    assert_int_equal(refuse(store, 2, 10), STATUS_OK);
    assert_int_equal(refuse(store, 3, 10), STATUS_BUSY);
    resolve(store, 1);
    assert_int_equal(refuse(store, 3, 10), STATUS_OK);
    assert_int_equal(refuse(store, 4, 10), STATUS_BUSY);
    assert_bytes(store, 2, 20);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OLD_STORE_TEST(test_a_failing_call_costs_no_more_beside_many_letters),
        OLD_STORE_TEST(test_trying_again_costs_no_more_beside_many_letters),
        OLD_STORE_TEST(test_a_list_reads_no_message),
        OLD_STORE_TEST(test_a_message_that_is_too_long_is_refused),
        OLD_STORE_TEST(test_room_is_known_after_a_failed_batch_and_a_start),
        OLD_STORE_TEST(test_one_that_is_resolved_makes_room),
    };
    return cmocka_run_group_tests_name("store-letters", tests, NULL, NULL);
}
