/* The contract of store.h: its reading side. */
#include "events_fixture.h"

#include <stdlib.h>

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* All records up to a sequence, in order: as many as there are. */
static void assert_walks_through(Fixture *fixture, TimePosition from, TimePosition to, int64_t through)
{
    Error error = {0};
    Seen *seen = seen_new();
    assert_int_equal(reader_walk_times(fixture->reader, from, to, through, FIELD_ALL, seen_visit, seen, &error),
                     STATUS_OK);
    assert_int_equal(seen->count, through);
    for (size_t i = 0; i < seen->count; i++) {
        assert_true(seen->seqs[i] <= through);
        assert_true(i == 0 || seen->times[i] == seen->times[i - 1] ||
                    (seen->times[i] < seen->times[i - 1]) == (from.time_us > to.time_us));
    }
    test_free(seen);
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
        fixture_apply_one(fixture, fixture_record(fixture, id, "dest-1", 1, RECORD_POSITIVE, times[i]));
        if (i == COUNT * 3 / 5) {
            fixture_maintain(fixture);
        }
    }
    qsort(times, COUNT, sizeof *times, compare_times);
    for (int backwards = 0; backwards <= 1; backwards++) {
        Seen *seen = seen_new();
        StoreView *view = fixture_begin(fixture);
        TimePosition first = TIME_POSITION_FIRST, last = TIME_POSITION_LAST;
        /* Up to a sequence that is published, in the tail, and published again now that the tail has been read. */
        const int64_t throughs[] = {100, view_rollup_seq(view), view_rollup_seq(view) + 50, 100};
        assert_in_range(view_rollup_seq(view), 100, COUNT - 100);
        for (size_t i = 0; i < sizeof throughs / sizeof throughs[0]; i++) {
            assert_walks_through(fixture, backwards ? last : first, backwards ? first : last, throughs[i]);
        }
        assert_int_equal(reader_walk_times(fixture->reader, backwards ? last : first, backwards ? first : last,
                                           INT64_MAX, FIELD_ALL, seen_visit, seen, &error),
                         STATUS_OK);
        assert_int_equal(seen->count, COUNT);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(seen->times[i], times[backwards ? COUNT - 1 - i : i]);
        }
        /* From the middle on, exclusive at both ends. */
        TimePosition from = {seen->times[300], seen->seqs[300]}, to = {seen->times[400], seen->seqs[400]};
        int64_t expected = seen->seqs[301];
        seen->count = 0;
        assert_int_equal(reader_walk_times(fixture->reader, from, to, INT64_MAX, FIELD_ALL, seen_visit, seen, &error),
                         STATUS_OK);
        assert_int_equal(seen->count, 99);
        assert_int_equal(seen->seqs[0], expected);
        assert_true(view_estimate_times(view, from, to) >= 99);
        fixture_end(fixture, view);
        test_free(seen);
    }
}

static void test_view_keeps_its_bound(void **state)
{
    Fixture *fixture = *state;
    Error error = {0};
    char id[32];
    fixture_apply_one(fixture, fixture_record(fixture, "rec-1", "dest-1", 1, RECORD_POSITIVE, 500));
    StoreView *view = fixture_begin(fixture);
    reader_end(fixture->reader);
    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "later-%d", i);
        fixture_apply_one(fixture, fixture_record(fixture, id, "dest-1", 1, RECORD_POSITIVE, i));
    }
    fixture_maintain(fixture);
    Seen *seen = seen_new();
    assert_int_equal(reader_resume(fixture->reader, view, &error), STATUS_OK);
    assert_int_equal(view_bound(view), 1);
    assert_int_equal(reader_scan(fixture->reader, 0, INT64_MAX, FIELD_ALL, seen_visit, seen, &error), STATUS_OK);
    assert_int_equal(seen->count, 1);
    seen->count = 0;
    assert_int_equal(reader_walk_times(fixture->reader, TIME_POSITION_FIRST, TIME_POSITION_LAST, INT64_MAX, FIELD_ALL,
                                       seen_visit, seen, &error),
                     STATUS_OK);
    assert_int_equal(seen->count, 1);
    assert_int_equal(reader_get(fixture->reader, 2, seen_visit, seen, &error), STATUS_REFUSED);
    fixture_end(fixture, view);
    test_free(seen);
}

typedef struct Outer {
    Fixture *fixture;
    Seen *inner;
    int64_t last_seq;
} Outer;

static bool scan_again(void *context, const StoredRecord *stored)
{
    Outer *outer = context;
    Error error = {0};
    assert_int_equal(stored->seq, outer->last_seq + 1);
    outer->last_seq = stored->seq;
    outer->inner->count = 0;
    assert_int_equal(
        reader_scan(outer->fixture->reader, stored->seq, INT64_MAX, FIELD_ALL, seen_visit, outer->inner, &error),
        STATUS_OK);
    assert_int_equal(outer->inner->count, 5 - stored->seq);
    return true;
}

/* Readers keep what they ask with: one walk must not be another's. */
static void test_a_scan_inside_a_scan(void **state)
{
    Fixture *fixture = *state;
    Outer outer = {.fixture = fixture, .inner = seen_new()};
    Error error = {0};
    char id[32];
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "rec-%d", i);
        fixture_apply_one(fixture, fixture_record(fixture, id, "dest-1", 1, RECORD_POSITIVE, i));
    }
    StoreView *view = fixture_begin(fixture);
    for (int i = 0; i < 2; i++) {
        outer.last_seq = 0;
        assert_int_equal(reader_scan(fixture->reader, 0, INT64_MAX, FIELD_ALL, scan_again, &outer, &error), STATUS_OK);
        assert_int_equal(outer.last_seq, 5);
    }
    fixture_end(fixture, view);
    test_free(outer.inner);
}

/* The records with this id, in one look. */
static Seen *find(Fixture *fixture, const char *id)
{
    Error error = {0};
    Seen *seen = seen_new();
    for (int64_t at = 0; at != FIND_DONE;) {
        assert_int_equal(reader_find(fixture->reader, str_from(id), STR(""), &at, seen_visit, seen, &error), STATUS_OK);
    }
    return seen;
}

static void test_find_by_id(void **state)
{
    Fixture *fixture = *state;
    char id[32];
    for (int i = 0; i < 350; i++) {
        snprintf(id, sizeof id, "rec-%d", i);
        fixture_apply_one(fixture, fixture_record(fixture, id, "dest-1", 1, RECORD_POSITIVE, i));
        if (i == 200) {
            fixture_maintain(fixture);
        }
    }
    StoreView *view = fixture_begin(fixture);
    for (int i = 0; i < 350; i++) {
        snprintf(id, sizeof id, "rec-%d", i);
        Seen *seen = find(fixture, id);
        assert_int_equal(seen->count, 1);
        assert_int_equal(seen->seqs[0], i + 1);
        test_free(seen);
    }
    Seen *seen = find(fixture, "rec-350");
    assert_int_equal(seen->count, 0);
    test_free(seen);
    fixture_end(fixture, view);
}

static uint64_t hash_of_flow(const Fixture *fixture, int flow)
{
    char destination[32];
    snprintf(destination, sizeof destination, "dest-%d", flow);
    return record_flow_hash(str_from(destination), STR("ref-1"), STR("EUR"), store_info(fixture->store)->hash_seed);
}

/* What the index says of a flow: only one whose hash another has may be untold, and that is looked for in the log. */
static int64_t find_flow(Fixture *fixture, const int64_t *flow_of, int flow, int flows, int64_t bound)
{
    Error error = {0};
    char destination[32];
    int64_t seq = -2;
    int equal = 0;
    snprintf(destination, sizeof destination, "dest-%d", flow);
    assert_int_equal(reader_find_flow(fixture->reader, str_from(destination), STR("ref-1"), STR("EUR"), &seq, &error),
                     STATUS_OK);
    for (int other = 0; seq == FLOW_UNTOLD && other < flows; other++) {
        equal += hash_of_flow(fixture, other) == hash_of_flow(fixture, flow);
    }
    if (equal > 1) {
        for (seq = bound; seq > 0 && flow_of[seq] != flow;) {
            seq--;
        }
    }
    return seq;
}

/* The newest of each flow, and from there its chain, are those of the log up to the view's bound. */
static void check_flows(Fixture *fixture, const int64_t *flow_of, int flows, int64_t bound)
{
    Error error = {0};
    for (int flow = 0; flow < flows; flow++) {
        int64_t seq = find_flow(fixture, flow_of, flow, flows, bound);
        for (int64_t expected = bound; expected > 0; expected--) {
            if (flow_of[expected] == flow) {
                Seen *seen = seen_new();
                assert_int_equal(seq, expected);
                assert_int_equal(reader_get(fixture->reader, seq, seen_visit, seen, &error), STATUS_OK);
                seq = seen->prev_seq;
                test_free(seen);
            }
        }
        assert_int_equal(seq, 0);
    }
}

static void test_find_flow(void **state)
{
    Fixture *fixture = *state;
    enum {
        COUNT = 600,
        FLOWS = 24
    }; /* the flows of the first half never come again, some are in the tail only, one is nowhere */
    static int64_t flow_of[COUNT + 1];
    Error error = {0};
    StoreView *early = NULL, *view;
    char id[32], destination[32];
    int64_t seq = -1;
    for (int i = 1; i <= COUNT; i++) {
        flow_of[i] = i < COUNT / 2 ? i % 8 : i < COUNT - 20 ? 8 + i % 7 : 12 + i % 11;
        snprintf(id, sizeof id, "rec-%d", i);
        snprintf(destination, sizeof destination, "dest-%d", (int)flow_of[i]);
        fixture_apply_one(fixture, fixture_record(fixture, id, destination, 1, RECORD_POSITIVE, i));
        if (i == COUNT / 3) {
            early = fixture_begin(fixture);
            reader_end(fixture->reader);
        } else if (i % 150 == 0) {
            fixture_maintain(fixture);
        }
    }
    view = fixture_begin(fixture);
    check_flows(fixture, flow_of, FLOWS, COUNT);
    /* The same texts in other places are another flow. */
    assert_int_equal(reader_find_flow(fixture->reader, STR("dest-1"), STR("EUR"), STR("ref-1"), &seq, &error),
                     STATUS_OK);
    assert_true(seq == 0 || seq == FLOW_UNTOLD);
    fixture_end(fixture, view);
    assert_int_equal(reader_resume(fixture->reader, early, &error), STATUS_OK);
    check_flows(fixture, flow_of, FLOWS, COUNT / 3);
    fixture_end(fixture, early);
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
        records[i] = fixture_record(fixture, ids[i], "dest-1", i + 1, i % 2 ? RECORD_NEGATIVE : RECORD_POSITIVE,
                                    (i - COUNT / 2) * INT64_C(3600000000) + 1);
        total += i + 1;
    }
    assert_int_equal(fixture_apply(fixture, records, outcomes, COUNT), STATUS_OK);
    fixture_maintain(fixture);
    for (RollupLevel level = ROLLUP_HOUR; level <= ROLLUP_WEEK; level++) {
        RollupSum sum = {.min = INT64_MAX, .max = INT64_MIN};
        StoreView *view = fixture_begin(fixture);
        assert_int_equal(view_rollup_seq(view), COUNT);
        assert_int_equal(reader_rollups(fixture->reader, level, INT64_MIN, INT64_MAX, sum_rollup, &sum, &error),
                         STATUS_OK);
        assert_int_equal(sum.count, COUNT);
        assert_true(sum.sum == total);
        assert_int_equal(sum.min, 1);
        assert_int_equal(sum.max, COUNT);
        fixture_end(fixture, view);
    }
    assert_verifies(fixture);
}

/* ---- Which of them were events ----------------------------------------------------------------------------------- */

static bool see_kind(void *context, const StoredRecord *stored)
{
    char *text = context;
    size_t len = strlen(text);
    text[len] = stored->is_event ? 'e' : '-';
    text[len + 1] = '\0';
    return true;
}

/* All of them have one time, so that their order is the same in both. */
static void assert_kinds(Fixture *fixture, uint32_t fields, const char *expected)
{
    char scanned[16] = "", walked[16] = "";
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_scan(fixture->reader, 0, INT64_MAX, fields, see_kind, scanned, &error), STATUS_OK);
    assert_int_equal(reader_walk_times(fixture->reader, TIME_POSITION_FIRST, TIME_POSITION_LAST, INT64_MAX, fields,
                                       see_kind, walked, &error),
                     STATUS_OK);
    fixture_end(fixture, view);
    assert_string_equal(scanned, expected);
    assert_string_equal(walked, expected);
}

/* Anybody can give a record an id like an event's: what came from an event is what the store has the event of. */
static void test_an_id_makes_no_event(void **state)
{
    Fixture *fixture = *state;
    send_event(fixture, "sha256:1", "shop", "{1}", 1);
    fixture_apply_one(fixture, record_of(fixture, "sha256:2", 2));
    fixture_apply_one(fixture, record_of(fixture, "rec-1", 3));
    fixture_apply_one(fixture, record_of(fixture, "correction:1:2", 4));
    Events *events = events_new();
    add_event(fixture, events, "correction:1:1", "shop", "", 1)->corrects = 1;
    add_event(fixture, events, "sha256:3", "shop", "", 5);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    events_free(events);
    for (int published = 0; published < 2; published++) {
        assert_kinds(fixture, FIELD_EVENT, "e---ee");
        assert_kinds(fixture, FIELD_ALL | FIELD_EVENT, "e---ee");
        assert_kinds(fixture, FIELD_ALL, "------"); /* it was not asked for */
        fixture_maintain(fixture);
    }
    assert_verifies(fixture);
}

int store_suite_run_reading(const StoreFactory *factory)
{
    fixture_use(factory);
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_walk_by_time),
        STORE_TEST(test_view_keeps_its_bound),
        STORE_TEST(test_a_scan_inside_a_scan),
        STORE_TEST(test_find_by_id),
        STORE_TEST(test_find_flow),
        STORE_TEST(test_rollups_cover_the_published),
        STORE_TEST(test_an_id_makes_no_event),
    };
    return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
