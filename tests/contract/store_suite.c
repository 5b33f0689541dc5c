#include "store_suite.h"

#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/rules.h"

enum { ITEMS_MAX = 4096 };

/* One test's store, and a plain model of what must be in it. */
typedef struct Fixture {
    const StoreFactory *factory;
    char dir[256];
    StoreOptions options;
    Store *store;
    StoreReader *reader;
} Fixture;

static const StoreFactory *factory_in_use;

static void open_store(Fixture *fixture)
{
    Error error = {0};
    Status status = store_open(&fixture->options, &fixture->store, &error);
    if (status != STATUS_OK) {
        print_error("%s\n", error.message);
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(store_reader_open(fixture->store, &fixture->reader, &error), STATUS_OK);
}

static void close_store(Fixture *fixture)
{
    store_reader_close(fixture->reader);
    store_close(fixture->store);
    fixture->store = NULL;
    fixture->reader = NULL;
}

static int setup(void **state)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    fixture->factory = factory_in_use;
    fixture->factory->make(fixture->dir, sizeof fixture->dir);
    fixture->options = store_options_default(fixture->dir);
    fixture->options.free_reserve_bytes = 0;
    fixture->options.publish_records = 100;
    fixture->factory->adjust(&fixture->options);
    open_store(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    if (fixture->store) {
        close_store(fixture);
    }
    fixture->factory->remove(fixture->dir);
    free(fixture);
    return 0;
}

/* ---- Making and applying records ---------------------------------------------------------------------------------------- */

static Record make(const Fixture *fixture, const char *id, const char *destination, int64_t value, RecordType type,
                   int64_t time_us)
{
    Record record = {.record_id = str_from(id),
                     .source_id = STR("source-1"),
                     .destination_id = str_from(destination),
                     .unit = STR("EUR"),
                     .reference = STR("ref-1"),
                     .time_us = time_us,
                     .value = value,
                     .type = type};
    const StoreInfo *info = store_info(fixture->store);
    record.identity_hash = record_identity_hash(&record, info->identity, info->hash_seed);
    return record;
}

static Status apply(Fixture *fixture, const Record *records, Outcome *outcomes, size_t count)
{
    Error error = {0};
    Work work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .count = count}};
    Status status = store_apply(fixture->store, &work, &error);
    if (status != STATUS_OK) {
        print_error("%s\n", error.message);
    }
    return status == STATUS_OK ? work.status : status;
}

static Outcome apply_one(Fixture *fixture, Record record)
{
    Outcome outcome = {0};
    assert_int_equal(apply(fixture, &record, &outcome, 1), STATUS_OK);
    return outcome;
}

static void maintain_fully(Fixture *fixture)
{
    Error error = {0};
    for (int i = 0; i < 200; i++) {
        bool more = false;
        assert_int_equal(store_maintain(fixture->store, true, &more, &error), STATUS_OK);
        usleep(fixture->options.background ? 500 : 0); /* the worker's turn */
    }
}

static StoreView *begin(Fixture *fixture)
{
    StoreView *view = NULL;
    Error error = {0};
    Status status = reader_begin(fixture->reader, &view, &error);
    if (status != STATUS_OK) {
        print_error("%s\n", error.message);
    }
    assert_int_equal(status, STATUS_OK);
    return view;
}

static void end(Fixture *fixture, StoreView *view)
{
    reader_end(fixture->reader);
    view_free(view);
}

static void print_problem(void *context, const char *text)
{
    (void)context;
    print_error("verify: %s\n", text);
}

static void assert_verifies(Fixture *fixture)
{
    VerifyReport report = {0};
    Error error = {0};
    Status status = store_verify(fixture->reader, print_problem, NULL, NULL, &report, &error);
    if (status != STATUS_OK) {
        print_error("%s\n", error.message);
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(report.problems, 0);
}

/* ---- Reading back ------------------------------------------------------------------------------------------------------- */

typedef struct Seen {
    size_t count, limit;
    int64_t seqs[ITEMS_MAX], times[ITEMS_MAX];
    FlowTotals totals; /* of the last */
    int64_t prev_seq;
    char id[512];
} Seen;

static bool see(void *context, const StoredRecord *stored)
{
    Seen *seen = context;
    assert_true(seen->count < ITEMS_MAX);
    seen->seqs[seen->count] = stored->seq;
    seen->times[seen->count++] = stored->record.time_us;
    seen->totals = stored->totals;
    seen->prev_seq = stored->prev_seq;
    snprintf(seen->id, sizeof seen->id, "%.*s", STR_ARGS(stored->record.record_id));
    return !seen->limit || seen->count < seen->limit;
}

static Seen *new_seen(void)
{
    Seen *seen = test_calloc(1, sizeof *seen);
    return seen;
}

static Seen *get_seen(Fixture *fixture, int64_t seq)
{
    Error error = {0};
    Seen *seen = new_seen();
    StoreView *view = begin(fixture);
    assert_int_equal(reader_get(fixture->reader, seq, see, seen, &error), STATUS_OK);
    end(fixture, view);
    return seen;
}

/* ---- Tests -------------------------------------------------------------------------------------------------------------- */

static void test_created_duplicate_conflict(void **state)
{
    Fixture *fixture = *state;
    Record record = make(fixture, "rec-1", "dest-1", 10050, RECORD_POSITIVE, 1000);
    Outcome outcome = apply_one(fixture, record);
    assert_int_equal(outcome.kind, OUTCOME_CREATED);
    assert_int_equal(outcome.seq, 1);
    outcome = apply_one(fixture, record);
    assert_int_equal(outcome.kind, OUTCOME_DUPLICATE);
    assert_int_equal(outcome.seq, 1);
    record.value = 10051;
    record.unit = STR("SEK");
    outcome = apply_one(fixture, record);
    assert_int_equal(outcome.kind, OUTCOME_CONFLICT);
    assert_int_equal(outcome.differs, FIELD_VALUE | FIELD_UNIT);
    assert_int_equal(outcome.seq, 1);
    assert_int_equal(store_last_seq(fixture->store), 1);
    assert_verifies(fixture);
}

static void test_conflict_returns_stored_record(void **state)
{
    Fixture *fixture = *state;
    apply_one(fixture, make(fixture, "rec-1", "dest-1", 100, RECORD_POSITIVE, 1000));
    Record other = make(fixture, "rec-1", "dest-2", 100, RECORD_POSITIVE, 1000);
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

static void test_equal_ids_in_one_submission(void **state)
{
    Fixture *fixture = *state;
    Record records[] = {make(fixture, "rec-1", "dest-1", 100, RECORD_POSITIVE, 1),
                        make(fixture, "rec-1", "dest-1", 100, RECORD_POSITIVE, 1),
                        make(fixture, "rec-1", "dest-1", 101, RECORD_POSITIVE, 1)};
    Outcome outcomes[3];
    assert_int_equal(apply(fixture, records, outcomes, 3), STATUS_OK);
    assert_int_equal(outcomes[0].kind, OUTCOME_CREATED);
    assert_int_equal(outcomes[1].kind, OUTCOME_DUPLICATE);
    assert_int_equal(outcomes[2].kind, OUTCOME_CONFLICT);
    assert_verifies(fixture);
}

static void test_running_totals_and_chain(void **state)
{
    Fixture *fixture = *state;
    apply_one(fixture, make(fixture, "a", "dest-1", 35000, RECORD_POSITIVE, 1));
    apply_one(fixture, make(fixture, "b", "dest-2", 1, RECORD_POSITIVE, 2));
    apply_one(fixture, make(fixture, "c", "dest-1", 15000, RECORD_NEGATIVE, 3));
    Seen *seen = get_seen(fixture, 3);
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
        apply_one(fixture,
                  make(fixture, id, i % 3 ? "dest-1" : "dest-2", i, i % 2 ? RECORD_NEGATIVE : RECORD_POSITIVE, i));
        if (i % 100 == 99) {
            maintain_fully(fixture);
        }
    }
    close_store(fixture);
    open_store(fixture);
    assert_int_equal(store_last_seq(fixture->store), 1000);
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "rec-%d", i);
        Outcome outcome = apply_one(
            fixture, make(fixture, id, i % 3 ? "dest-1" : "dest-2", i, i % 2 ? RECORD_NEGATIVE : RECORD_POSITIVE, i));
        assert_int_equal(outcome.kind, OUTCOME_DUPLICATE);
        assert_int_equal(outcome.seq, i + 1);
    }
    assert_verifies(fixture);
}

static void test_atomic_takes_all_or_nothing(void **state)
{
    Fixture *fixture = *state;
    apply_one(fixture, make(fixture, "old", "dest-1", 5, RECORD_POSITIVE, 1));
    Record records[] = {make(fixture, "new-1", "dest-1", 1, RECORD_POSITIVE, 1),
                        make(fixture, "old", "dest-1", 6, RECORD_POSITIVE, 1),
                        make(fixture, "new-2", "dest-1", 1, RECORD_POSITIVE, 1)};
    Outcome outcomes[3];
    Error error = {0};
    Work work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .count = 3, .atomic = true}};
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_int_equal(work.status, STATUS_CONFLICT);
    assert_true(outcomes[0].kind == OUTCOME_NONE && outcomes[1].kind == OUTCOME_CONFLICT &&
                outcomes[2].kind == OUTCOME_NONE);
    assert_int_equal(store_last_seq(fixture->store), 1);
    records[1] = make(fixture, "new-1", "dest-1", 1, RECORD_POSITIVE, 1);
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    assert_true(work.status == STATUS_OK && outcomes[1].kind == OUTCOME_DUPLICATE);
    assert_int_equal(store_last_seq(fixture->store), 3);
    assert_verifies(fixture);
}

static void test_dry_run_changes_nothing(void **state)
{
    Fixture *fixture = *state;
    apply_one(fixture, make(fixture, "old", "dest-1", 5, RECORD_POSITIVE, 1));
    Record records[] = {make(fixture, "new", "dest-1", 1, RECORD_POSITIVE, 1),
                        make(fixture, "new", "dest-1", 2, RECORD_POSITIVE, 1),
                        make(fixture, "old", "dest-1", 5, RECORD_POSITIVE, 1)};
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
    assert_int_equal(apply_one(fixture, records[0]).kind, OUTCOME_CREATED);
}

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void test_walk_by_time(void **state)
{
    Fixture *fixture = *state;
    enum { COUNT = 777 };
    int64_t times[COUNT];
    char id[32];
    Error error = {0};
    for (int i = 0; i < COUNT; i++) { /* three fifths published, the rest in the tail; times repeat and go below 1970 */
        snprintf(id, sizeof id, "rec-%d", i);
        times[i] = (int64_t)((i * 7919) % 300) * 1000 - 50000;
        apply_one(fixture, make(fixture, id, "dest-1", 1, RECORD_POSITIVE, times[i]));
        if (i == COUNT * 3 / 5) {
            maintain_fully(fixture);
        }
    }
    qsort(times, COUNT, sizeof *times, compare_times);
    for (int backwards = 0; backwards <= 1; backwards++) {
        Seen *seen = new_seen();
        StoreView *view = begin(fixture);
        TimePosition first = TIME_POSITION_FIRST, last = TIME_POSITION_LAST;
        assert_int_equal(reader_walk_times(fixture->reader, backwards ? last : first, backwards ? first : last,
                                           FIELD_ALL, see, seen, &error),
                         STATUS_OK);
        assert_int_equal(seen->count, COUNT);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(seen->times[i], times[backwards ? COUNT - 1 - i : i]);
        }
        /* From the middle on, exclusive at both ends. */
        TimePosition from = {seen->times[300], seen->seqs[300]}, to = {seen->times[400], seen->seqs[400]};
        int64_t expected = seen->seqs[301];
        seen->count = 0;
        assert_int_equal(reader_walk_times(fixture->reader, from, to, FIELD_ALL, see, seen, &error), STATUS_OK);
        assert_int_equal(seen->count, 99);
        assert_int_equal(seen->seqs[0], expected);
        assert_true(view_estimate_times(view, from, to) >= 99);
        end(fixture, view);
        test_free(seen);
    }
}

static void test_view_keeps_its_bound(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    char id[32];
    apply_one(fixture, make(fixture, "rec-1", "dest-1", 1, RECORD_POSITIVE, 500));
    StoreView *view = begin(fixture);
    reader_end(fixture->reader);
    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "later-%d", i);
        apply_one(fixture, make(fixture, id, "dest-1", 1, RECORD_POSITIVE, i));
    }
    maintain_fully(fixture);
    Seen *seen = new_seen();
    assert_int_equal(reader_resume(fixture->reader, view, &error), STATUS_OK);
    assert_int_equal(view_bound(view), 1);
    assert_int_equal(reader_scan(fixture->reader, 0, INT64_MAX, FIELD_ALL, see, seen, &error), STATUS_OK);
    assert_int_equal(seen->count, 1);
    seen->count = 0;
    assert_int_equal(
        reader_walk_times(fixture->reader, TIME_POSITION_FIRST, TIME_POSITION_LAST, FIELD_ALL, see, seen, &error),
        STATUS_OK);
    assert_int_equal(seen->count, 1);
    assert_int_equal(reader_get(fixture->reader, 2, see, seen, &error), STATUS_REFUSED);
    end(fixture, view);
    test_free(seen);
}

static void test_find_by_id(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    char id[32];
    for (int i = 0; i < 350; i++) {
        snprintf(id, sizeof id, "rec-%d", i);
        apply_one(fixture, make(fixture, id, "dest-1", 1, RECORD_POSITIVE, i));
        if (i == 200) {
            maintain_fully(fixture);
        }
    }
    StoreView *view = begin(fixture);
    for (int i = 0; i < 350; i++) {
        Seen *seen = new_seen();
        snprintf(id, sizeof id, "rec-%d", i);
        assert_int_equal(reader_find(fixture->reader, str_from(id), STR(""), see, seen, &error), STATUS_OK);
        assert_int_equal(seen->count, 1);
        assert_int_equal(seen->seqs[0], i + 1);
        test_free(seen);
    }
    Seen *seen = new_seen();
    assert_int_equal(reader_find(fixture->reader, STR("rec-350"), STR(""), see, seen, &error), STATUS_OK);
    assert_int_equal(seen->count, 0);
    test_free(seen);
    end(fixture, view);
}

typedef struct RollupSum {
    int64_t count;
    Total sum;
    int64_t min, max;
} RollupSum;

static bool sum_rollup(void *context, const Rollup *rollup)
{
    RollupSum *sum = context;
    sum->count += rollup->count;
    sum->sum += rollup->sum;
    sum->min = rollup->min < sum->min ? rollup->min : sum->min;
    sum->max = rollup->max > sum->max ? rollup->max : sum->max;
    return true;
}

static void test_rollups_cover_the_published(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    Total total = 0;
    enum { COUNT = 3000 };
    static Record records[COUNT];
    static Outcome outcomes[COUNT];
    static char ids[COUNT][32];
    for (int i = 0; i < COUNT; i++) { /* an hour apart around 1970 */
        snprintf(ids[i], sizeof ids[i], "rec-%d", i);
        records[i] = make(fixture, ids[i], "dest-1", i + 1, i % 2 ? RECORD_NEGATIVE : RECORD_POSITIVE,
                          (i - COUNT / 2) * INT64_C(3600000000) + 1);
        total += i + 1;
    }
    assert_int_equal(apply(fixture, records, outcomes, COUNT), STATUS_OK);
    maintain_fully(fixture);
    for (RollupLevel level = ROLLUP_HOUR; level <= ROLLUP_WEEK; level++) {
        RollupSum sum = {.min = INT64_MAX, .max = INT64_MIN};
        StoreView *view = begin(fixture);
        assert_int_equal(view_rollup_seq(view), COUNT);
        assert_int_equal(reader_rollups(fixture->reader, level, INT64_MIN, INT64_MAX, sum_rollup, &sum, &error),
                         STATUS_OK);
        assert_int_equal(sum.count, COUNT);
        assert_true(sum.sum == total);
        assert_int_equal(sum.min, 1);
        assert_int_equal(sum.max, COUNT);
        end(fixture, view);
    }
    assert_verifies(fixture);
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
    apply_one(fixture, make(fixture, "a", "dest-1", 100000, RECORD_POSITIVE, 1));
    Outcome outcome = apply_one(fixture, make(fixture, "b", "dest-1", 100001, RECORD_POSITIVE, 1));
    assert_int_equal(outcome.seq, 2);
    outcome = apply_one(fixture, make(fixture, "c", "dest-1", 1, RECORD_POSITIVE, 1));
    assert_int_equal(outcome.seq, 4); /* the alert has 3 */
    int64_t about = 0;
    StoreView *view = begin(fixture);
    assert_int_equal(reader_messages(fixture->reader, STR("alert"), 0, count_message, &about, &error), STATUS_OK);
    assert_int_equal(about, 2);
    end(fixture, view);
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
    close_store(fixture);
    StoreOptions options = fixture->options;
    options.identity = IDENTITY_CONTENT;
    assert_int_equal(store_open(&options, &second, &error), STATUS_REFUSED);
    options = fixture->options;
    options.scale = 3;
    assert_int_equal(store_open(&options, &second, &error), STATUS_REFUSED);
    open_store(fixture);
}

static void test_rebuild_gives_the_same(void **state)
{
    Fixture *fixture = *state;
    char id[32];
    for (int i = 0; i < 1500; i++) {
        snprintf(id, sizeof id, "rec-%d", i);
        apply_one(fixture, make(fixture, id, i % 7 ? "dest-1" : "dest-2", i, i % 2 ? RECORD_NEGATIVE : RECORD_POSITIVE,
                                i * 977 % 911));
        if (i % 250 == 249) {
            maintain_fully(fixture);
        }
    }
    close_store(fixture);
    fixture->options.rebuild = true;
    open_store(fixture);
    fixture->options.rebuild = false;
    assert_verifies(fixture);
    Outcome outcome = apply_one(fixture, make(fixture, "rec-0", "dest-2", 0, RECORD_POSITIVE, 0));
    assert_int_equal(outcome.kind, OUTCOME_DUPLICATE);
    outcome = apply_one(fixture, make(fixture, "rec-new", "dest-2", 1, RECORD_POSITIVE, 0));
    assert_int_equal(outcome.kind, OUTCOME_CREATED);
    assert_verifies(fixture);
}

static void test_identities(void **state)
{
    Fixture *fixture = *state;
    close_store(fixture);
    fixture->factory->remove(fixture->dir);
    fixture->factory->make(fixture->dir, sizeof fixture->dir);
    fixture->options.identity = IDENTITY_SOURCE_AND_RECORD_ID;
    open_store(fixture);
    Record record = make(fixture, "rec-1", "dest-1", 1, RECORD_POSITIVE, 1);
    assert_int_equal(apply_one(fixture, record).kind, OUTCOME_CREATED);
    record.source_id = STR("source-2");
    record.identity_hash =
        record_identity_hash(&record, IDENTITY_SOURCE_AND_RECORD_ID, store_info(fixture->store)->hash_seed);
    assert_int_equal(apply_one(fixture, record).kind, OUTCOME_CREATED);
    assert_int_equal(apply_one(fixture, record).kind, OUTCOME_DUPLICATE);
    assert_verifies(fixture);
    close_store(fixture);
    fixture->factory->remove(fixture->dir);
    fixture->factory->make(fixture->dir, sizeof fixture->dir);
    fixture->options.identity = IDENTITY_CONTENT;
    open_store(fixture);
    assert_int_equal(apply_one(fixture, make(fixture, "rec-1", "dest-1", 1, RECORD_POSITIVE, 1)).kind, OUTCOME_CREATED);
    assert_int_equal(apply_one(fixture, make(fixture, "rec-2", "dest-1", 1, RECORD_POSITIVE, 1)).kind,
                     OUTCOME_DUPLICATE);
    assert_int_equal(apply_one(fixture, make(fixture, "rec-1", "dest-1", 2, RECORD_POSITIVE, 1)).kind, OUTCOME_CREATED);
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
            records[i] = make(fixture, ids[i], destinations[i], numbers[i], RECORD_POSITIVE, numbers[i] * 1000);
        }
        assert_int_equal(apply(fixture, records, outcomes, BATCH), STATUS_OK);
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
            close_store(fixture);
            open_store(fixture);
        }
    }
    assert_verifies(fixture);
}

int store_suite_run(const StoreFactory *factory)
{
    factory_in_use = factory;
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_created_duplicate_conflict),
        STORE_TEST(test_conflict_returns_stored_record),
        STORE_TEST(test_equal_ids_in_one_submission),
        STORE_TEST(test_running_totals_and_chain),
        STORE_TEST(test_everything_survives_reopening),
        STORE_TEST(test_atomic_takes_all_or_nothing),
        STORE_TEST(test_dry_run_changes_nothing),
        STORE_TEST(test_walk_by_time),
        STORE_TEST(test_view_keeps_its_bound),
        STORE_TEST(test_find_by_id),
        STORE_TEST(test_rollups_cover_the_published),
        STORE_TEST(test_alert_is_stored_with_its_record),
        STORE_TEST(test_rule_changes_need_the_version),
        STORE_TEST(test_second_opening_is_refused),
        STORE_TEST(test_other_choices_are_refused),
        STORE_TEST(test_rebuild_gives_the_same),
        STORE_TEST(test_identities),
        STORE_TEST(test_many_random_batches),
    };
    return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
