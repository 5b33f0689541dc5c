/* The pieces of query/ that know no store: plans, samples, groups, cursors. */
#include "unit.h"

#include "query/cursor.h"
#include "query/groups.h"
#include "query/plan.h"
#include "query/query.h"
#include "query/sample.h"
#include "support/random.h"

#include <stdlib.h>

#define MINUTE_US (60 * INT64_C(1000000))

/* ---- Plans ------------------------------------------------------------------------------------------------------- */

/* One row a second. */
static uint64_t one_a_second(void *self, int64_t from_us, int64_t to_us)
{
    (void)self;
    assert_true(from_us < to_us);
    return (uint64_t)((to_us - from_us) / 1000000) + 1;
}

static const char *plan_text(int64_t from_us, int64_t to_us, PieceKind coarsest, bool may_subtract)
{
    static const char names[] = {[PIECE_ROWS] = 'r', [PIECE_HOURS] = 'h', [PIECE_DAYS] = 'd', [PIECE_WEEKS] = 'w'};
    static char text[256];
    PlanNeeds needs = {from_us, to_us, coarsest, may_subtract, one_a_second, NULL};
    Plan plan;
    int len = 0;
    plan_make(&plan, &needs);
    assert_in_range(plan.count, 1, PLAN_PIECES_MAX);
    for (size_t i = 0; i < plan.count; i++) {
        const PlanPiece *piece = &plan.pieces[i];
        assert_true(piece->from_us < piece->to_us);
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%c%c%lld-%lld", i ? " " : "",
                        piece->sign < 0 ? '-' : '+', names[piece->kind], (long long)(piece->from_us / MINUTE_US),
                        (long long)(piece->to_us / MINUTE_US));
    }
    return text;
}

/* Minutes on both sides; 60 are an hour, 1440 a day. */
static void test_plan(void **state)
{
    (void)state;
    assert_string_equal(plan_text(0, 2880 * MINUTE_US, PIECE_DAYS, true), "+d0-2880");
    assert_string_equal(plan_text(0, 2880 * MINUTE_US, PIECE_HOURS, true), "+h0-2880");
    assert_string_equal(plan_text(0, 120 * MINUTE_US, PIECE_DAYS, true), "+h0-120");
    assert_string_equal(plan_text(10 * MINUTE_US, 20 * MINUTE_US, PIECE_DAYS, true), "+r10-20");
    assert_string_equal(plan_text(50 * MINUTE_US, 190 * MINUTE_US, PIECE_DAYS, true), "+h60-180 +r50-60 +r180-190");
    assert_string_equal(plan_text(10 * MINUTE_US, 170 * MINUTE_US, PIECE_DAYS, true), "+h0-180 -r0-10 -r170-180");
    assert_string_equal(plan_text(10 * MINUTE_US, 170 * MINUTE_US, PIECE_DAYS, false), "+h60-120 +r10-60 +r120-170");
    assert_string_equal(plan_text(60 * MINUTE_US, 2820 * MINUTE_US, PIECE_DAYS, true), "-h0-60 +d0-2880 -h2820-2880");
    assert_string_equal(plan_text(60 * MINUTE_US, 2820 * MINUTE_US, PIECE_DAYS, false), "+h60-2820");
    assert_string_equal(plan_text(1380 * MINUTE_US, 4380 * MINUTE_US, PIECE_DAYS, false),
                        "+h1380-1440 +d1440-4320 +h4320-4380");
    assert_string_equal(plan_text(-1441 * MINUTE_US, 1 * MINUTE_US, PIECE_DAYS, true), "+d-1440-0 +r-1441--1440 +r0-1");
    /* Weeks: from Monday, three days before 1970 began. Minute -4320 and every 10080 from there. */
    assert_string_equal(plan_text(-4320 * MINUTE_US, 15840 * MINUTE_US, PIECE_WEEKS, true), "+w-4320-15840");
    assert_string_equal(plan_text(0, 15840 * MINUTE_US, PIECE_WEEKS, true), "-d-4320-0 +w-4320-15840");
    assert_string_equal(plan_text(0, 17280 * MINUTE_US, PIECE_WEEKS, false), "+d0-5760 +w5760-15840 +d15840-17280");
}

/* Adds up a plan by counting each minute's sign: it must be 1 inside of the range and 0 outside. */
static void check_plan_covers(int64_t from, int64_t to, PieceKind coarsest, bool may_subtract)
{
    enum { MINUTES = 42 * 1440, BEFORE = 7 * 1440 };
    int covered[MINUTES] = {0};
    PlanNeeds needs = {from * MINUTE_US, to * MINUTE_US, coarsest, may_subtract, one_a_second, NULL};
    Plan plan;
    plan_make(&plan, &needs);
    for (size_t i = 0; i < plan.count; i++) {
        PieceKind kind = plan.pieces[i].kind;
        if (kind != PIECE_ROWS) {
            assert_int_equal(plan_bucket_start(kind, plan_bucket(kind, plan.pieces[i].from_us)),
                             plan.pieces[i].from_us);
            assert_int_equal(plan_bucket_start(kind, plan_bucket(kind, plan.pieces[i].to_us)), plan.pieces[i].to_us);
        }
        assert_true(may_subtract || plan.pieces[i].sign > 0);
        assert_true(kind <= coarsest);
        for (int64_t us = plan.pieces[i].from_us; us < plan.pieces[i].to_us; us += MINUTE_US) {
            covered[us / MINUTE_US + BEFORE] += plan.pieces[i].sign;
        }
    }
    for (int64_t minute = 0; minute < MINUTES; minute++) {
        assert_int_equal(covered[minute], minute - BEFORE >= from && minute - BEFORE < to);
    }
}

static void test_plan_covers(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (size_t i = 0; i < 2000; i++) {
        int64_t from = (int64_t)(random_next(&seed) % (28 * 1440)), length = (int64_t)(random_next(&seed) % 1440);
        length = i % 3 == 0 ? length * 20 : i % 3 == 1 ? length % 200 : length * 3;
        int64_t to = from + 1 + length < 28 * 1440 ? from + 1 + length : 28 * 1440;
        check_plan_covers(from, to, PIECE_HOURS + random_next(&seed) % 3, random_next(&seed) % 2);
    }
}

/* ---- Samples ----------------------------------------------------------------------------------------------------- */

static int compare_values(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int64_t random_value(uint64_t *seed, int spread)
{
    uint64_t value = random_next(seed) >> (random_next(seed) % (unsigned)spread);
    return (int64_t)(value % (uint64_t)(RECORD_VALUE_MAX + 1));
}

static void check_percentiles(size_t count, int spread, bool exact)
{
    static int64_t values[20000];
    Arena arena;
    Sample sample = {0};
    uint64_t seed = count;
    arena_init(&arena, 4096, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        values[i] = random_value(&seed, spread);
        assert_true(sample_add(&sample, &arena, values[i]));
    }
    qsort(values, count, sizeof values[0], compare_values);
    for (unsigned percent = 1; percent <= 100; percent++) {
        int64_t true_value = values[(count * percent + 99) / 100 - 1], found = sample_percentile(&sample, percent);
        int64_t off = found > true_value ? found - true_value : true_value - found;
        assert_true(exact ? off == 0 : off * 1000 <= true_value * 8);
    }
    arena_release(&arena);
}

static void test_percentiles(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 3, 8, 9, 99, 100, 101, QUERY_EXACT_VALUES_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        check_percentiles(counts[i], 60, true);
    }
    for (int spread = 1; spread <= 63; spread++) {
        check_percentiles(QUERY_EXACT_VALUES_MAX + 1, spread, false);
        check_percentiles(20000, spread, false);
    }
}

/* Small values have a bucket each. */
static void test_percentiles_of_small_values(void **state)
{
    (void)state;
    Arena arena;
    Sample sample = {0};
    arena_init(&arena, 4096, 1 << 20);
    for (int64_t i = 0; i < 12800; i++) {
        assert_true(sample_add(&sample, &arena, i % 128));
    }
    assert_int_equal(sample_percentile(&sample, 50), 63);
    assert_int_equal(sample_percentile(&sample, 100), 127);
    arena_release(&arena);
}

static void test_sample_ceiling(void **state)
{
    (void)state;
    Arena arena;
    Sample sample = {0};
    arena_init(&arena, 1024, 4096);
    size_t taken = 0;
    while (taken < 10000 && sample_add(&sample, &arena, 5)) {
        taken++;
    }
    assert_in_range(taken, 8, 999);
    assert_int_equal(sample.count, taken);
    arena_release(&arena);
}

/* ---- Groups ------------------------------------------------------------------------------------------------------ */

static Record grouped(const char *destination, const char *unit, RecordType type, int64_t value)
{
    return (Record){.destination_id = str_from(destination),
                    .unit = str_from(unit),
                    .type = type,
                    .value = value,
                    .source_id = STR("s"),
                    .reference = STR("r")};
}

static Groups *groups_of(size_t key_count, const GroupKey *keys, size_t bytes_max)
{
    GroupSpec spec = {.key_count = key_count, .hash_seed = 3, .bytes_max = bytes_max};
    for (size_t i = 0; i < key_count; i++) {
        spec.keys[i] = keys[i];
    }
    Groups *groups = groups_new(&spec);
    assert_non_null(groups);
    return groups;
}

static void test_group_order(void **state)
{
    (void)state;
    static const GroupKey keys[] = {KEY_TYPE, KEY_DESTINATION_ID};
    static const char *const expected[] = {"0/negative/b/EUR", "0/positive/a/EUR", "0/positive/a/SEK",
                                           "0/positive/\xC3\xA5/EUR", "5/negative/a/EUR"};
    Groups *groups = groups_of(2, keys, 1 << 20);
    const Record records[] = {grouped("\xC3\xA5", "EUR", RECORD_POSITIVE, 1), grouped("a", "SEK", RECORD_POSITIVE, 2),
                              grouped("b", "EUR", RECORD_NEGATIVE, 3), grouped("a", "EUR", RECORD_POSITIVE, 4)};
    const Record later = grouped("a", "EUR", RECORD_NEGATIVE, 5);
    for (size_t i = 0; i < 4; i++) {
        assert_true(groups_add_record(groups, 0, &records[i], 1));
        assert_true(groups_add_record(groups, 0, &records[i], 1));
    }
    assert_true(groups_add_record(groups, 5, &later, 1));
    assert_int_equal(groups_fields(groups), FIELD_VALUE | FIELD_TYPE | FIELD_DESTINATION_ID | FIELD_UNIT);
    groups_sort(groups);
    assert_int_equal(groups_cell_count(groups), 5);
    assert_int_equal(groups_record_count(groups), 9);
    for (size_t i = 0; i < 5; i++) {
        char text[64];
        const GroupCell *cell = groups_cell_at(groups, i);
        snprintf(text, sizeof text, "%lld/%.*s/%.*s/%.*s", (long long)cell->window, STR_ARGS(cell->keys[0]->text),
                 STR_ARGS(cell->keys[1]->text), STR_ARGS(cell->keys[2]->text));
        assert_string_equal(text, expected[i]);
    }
    groups_free(groups);
}

/* Sums that no 64 bits hold, and what is taken away again. */
static void test_group_sums(void **state)
{
    (void)state;
    static const GroupKey keys[] = {KEY_UNIT};
    Groups *groups = groups_of(1, keys, 1 << 20);
    Record one = grouped("a", "EUR", RECORD_NEGATIVE, RECORD_VALUE_MAX),
           other = grouped("a", "SEK", RECORD_POSITIVE, 7);
    GroupAmount amount = {.count = INT64_C(1) << 40, .sum = TOTAL_MAX, .min = 3, .max = RECORD_VALUE_MAX};
    assert_true(groups_add_amount(groups, 0, &one, &amount, 1));
    assert_true(groups_add_record(groups, 0, &one, 1));
    assert_true(groups_add_record(groups, 0, &other, 1));
    assert_true(groups_add_record(groups, 0, &other, -1));
    groups_sort(groups);
    assert_int_equal(groups_cell_count(groups), 1);
    const GroupCell *cell = groups_cell_at(groups, 0);
    assert_int_equal(groups_column_count(groups), 1);
    assert_true(cell->gross == TOTAL_MAX + RECORD_VALUE_MAX);
    assert_true(cell->net == -(TOTAL_MAX + RECORD_VALUE_MAX));
    assert_int_equal(cell->min, 3);
    assert_int_equal(cell->max, RECORD_VALUE_MAX);
    groups_free(groups);
}

/* Many groups, each told apart from all others, in order; and the ceiling. */
static void test_many_groups(void **state)
{
    (void)state;
    enum { MANY = 50000 };
    static const GroupKey keys[] = {KEY_DESTINATION_ID};
    static char names[MANY][8];
    Groups *groups = groups_of(1, keys, (size_t)64 << 20);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < MANY; i++) {
            snprintf(names[i], sizeof names[i], "d%05zu", i * 7919 % MANY);
            Record record = grouped(names[i], "EUR", RECORD_POSITIVE, (int64_t)(i * 7919 % MANY));
            assert_true(groups_add_record(groups, 0, &record, 1));
        }
    }
    groups_sort(groups);
    assert_int_equal(groups_cell_count(groups), MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(groups_cell_at(groups, i)->gross, 2 * i);
        assert_int_equal(groups_cell_at(groups, i)->count, 2);
    }
    groups_free(groups);
    groups = groups_of(1, keys, 1 << 20);
    size_t added = 0;
    for (bool room = true; room && added < MANY; added += room) {
        Record record = grouped(names[added], "EUR", RECORD_POSITIVE, 1);
        room = groups_add_record(groups, 0, &record, 1);
    }
    assert_in_range(added, 2000, 10000);
    groups_reset(groups);
    Record record = grouped("again", "EUR", RECORD_POSITIVE, 1);
    assert_true(groups_add_record(groups, 0, &record, 1));
    groups_sort(groups);
    assert_int_equal(groups_cell_count(groups), 1);
    groups_free(groups);
}

static void test_empty_groups(void **state)
{
    (void)state;
    Groups *groups = groups_of(0, NULL, 1 << 20);
    groups_sort(groups);
    assert_int_equal(groups_cell_count(groups), 0);
    assert_int_equal(groups_record_count(groups), 0);
    groups_free(groups);
    groups_free(NULL);
}

/* ---- Cursors ----------------------------------------------------------------------------------------------------- */

static void test_cursor(void **state)
{
    (void)state;
    StoreInfo info = {.hash_seed = 9, .epoch = 1};
    Filter filter = FILTER_ALL, other = FILTER_ALL;
    Cursor cursor = {.bound = INT64_MAX - 5, .at = {TIMESTAMP_MIN, 123456789}, .descending = true}, back;
    char text[CURSOR_TEXT_BYTES];
    Str shown = {text, sizeof text};
    other.unit = STR("EUR");
    cursor_format(&cursor, &filter, &info, text);
    assert_null(cursor_parse(shown, &filter, &info, &back));
    assert_int_equal(back.bound, cursor.bound);
    assert_int_equal(back.at.time_us, cursor.at.time_us);
    assert_int_equal(back.at.seq, cursor.at.seq);
    assert_true(back.descending);
    assert_non_null(strstr(cursor_parse(shown, &other, &info, &back), "other filters"));
    cursor_format(&(Cursor){.bound = -1, .at = cursor.at}, &filter, &info, text); /* made up, in the right form */
    assert_non_null(strstr(cursor_parse(shown, &filter, &info, &back), "is not a cursor"));
    cursor_format(&(Cursor){.bound = 1, .at = {0, -1}}, &filter, &info, text);
    assert_non_null(strstr(cursor_parse(shown, &filter, &info, &back), "is not a cursor"));
    cursor_format(&cursor, &filter, &info, text);
    info.epoch = 2; /* a restored store */
    assert_non_null(strstr(cursor_parse(shown, &filter, &info, &back), "another store"));
    info = (StoreInfo){.hash_seed = 10, .epoch = 1};
    assert_non_null(strstr(cursor_parse(shown, &filter, &info, &back), "another store"));
}

static void test_bad_cursors(void **state)
{
    (void)state;
    StoreInfo info = {.hash_seed = 9, .epoch = 1};
    Filter filter = FILTER_ALL;
    Cursor cursor = {.bound = 77, .at = {5, 6}}, back;
    char text[CURSOR_TEXT_BYTES];
    cursor_format(&cursor, &filter, &info, text);
    assert_non_null(cursor_parse((Str){text, sizeof text - 1}, &filter, &info, &back));
    assert_non_null(cursor_parse(STR(""), &filter, &info, &back));
    for (size_t i = 0; i < sizeof text; i++) {
        char saved = text[i];
        static const char bad[] = {'\0', '=', '+', '/', ' ', '\xFF'};
        for (size_t j = 0; j < sizeof bad; j++) {
            text[i] = bad[j];
            assert_non_null(cursor_parse((Str){text, sizeof text}, &filter, &info, &back));
        }
        text[i] = saved;
    }
    assert_null(cursor_parse((Str){text, sizeof text}, &filter, &info, &back));
}

static void test_filter_hash(void **state)
{
    (void)state;
    Filter a = FILTER_ALL, b = FILTER_ALL;
    a.source_id = STR("xy");
    b.destination_id = STR("xy");
    assert_int_not_equal(filter_hash(&a, 1), filter_hash(&b, 1));
    a.destination_id = STR("z");
    b = a;
    assert_int_equal(filter_hash(&a, 1), filter_hash(&b, 1));
    b.type = RECORD_POSITIVE;
    assert_int_not_equal(filter_hash(&a, 1), filter_hash(&b, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),           cmocka_unit_test(test_plan_covers),
        cmocka_unit_test(test_percentiles),    cmocka_unit_test(test_percentiles_of_small_values),
        cmocka_unit_test(test_sample_ceiling), cmocka_unit_test(test_group_order),
        cmocka_unit_test(test_group_sums),     cmocka_unit_test(test_many_groups),
        cmocka_unit_test(test_empty_groups),   cmocka_unit_test(test_cursor),
        cmocka_unit_test(test_bad_cursors),    cmocka_unit_test(test_filter_hash),
    };
    return cmocka_run_group_tests_name("query_parts", tests, NULL, NULL);
}
