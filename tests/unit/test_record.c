#include "unit.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "record/record.h"

static Record example(void)
{
    return (Record){
        .record_id = STR("rec-001"),
        .source_id = STR("source-1"),
        .destination_id = STR("dest-1"),
        .unit = STR("EUR"),
        .reference = STR("ref-001"),
        .time_us = INT64_C(1735725600000000),
        .value = 10050,
        .type = RECORD_POSITIVE,
    };
}

/* The example with one field changed. */
static Record changed(uint32_t field)
{
    Record record = example();
    switch (field) {
    case FIELD_RECORD_ID: record.record_id = STR("rec-002"); break;
    case FIELD_TIME: record.time_us++; break;
    case FIELD_SOURCE_ID: record.source_id = STR("source-2"); break;
    case FIELD_DESTINATION_ID: record.destination_id = STR("dest-2"); break;
    case FIELD_TYPE: record.type = RECORD_NEGATIVE; break;
    case FIELD_VALUE: record.value++; break;
    case FIELD_UNIT: record.unit = STR("SEK"); break;
    default: record.reference = STR("ref-002"); break;
    }
    return record;
}

static void test_differs(void **state)
{
    (void)state;
    Record a = example();
    assert_int_equal(record_differs(&a, &a), 0);
    for (unsigned bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
        Record b = changed(1u << bit);
        assert_int_equal(record_differs(&a, &b), 1u << bit);
        assert_int_equal(record_differs(&b, &a), 1u << bit);
    }
    Record traced = example();
    traced.traceparent = STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_int_equal(record_differs(&a, &traced), 0);
}

static void test_identity_hash(void **state)
{
    (void)state;
    static const RecordIdentity identities[] = {IDENTITY_RECORD_ID, IDENTITY_SOURCE_AND_RECORD_ID, IDENTITY_CONTENT};
    Record a = example();
    for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++) {
        uint64_t hash = record_identity_hash(&a, identities[i], 1);
        assert_true(hash != 0);
        assert_true(hash == record_identity_hash(&a, identities[i], 1));
        assert_true(hash != record_identity_hash(&a, identities[i], 2));
        for (unsigned bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
            Record b = changed(1u << bit);
            bool same = record_identity_hash(&b, identities[i], 1) == hash;
            assert_int_equal(same, !(record_identity_fields(identities[i]) & (1u << bit)));
        }
    }
    assert_int_equal(record_identity_fields(IDENTITY_RECORD_ID), FIELD_RECORD_ID);
    assert_int_equal(record_identity_fields(IDENTITY_SOURCE_AND_RECORD_ID), FIELD_SOURCE_ID | FIELD_RECORD_ID);
    assert_int_equal(record_identity_fields(IDENTITY_CONTENT), 0xFF & ~FIELD_RECORD_ID);
}

/* What ends one field and begins the next has to count: "ab"+"c" is not "a"+"bc". */
static void test_framing(void **state)
{
    (void)state;
    assert_true(record_flow_hash(STR("ab"), STR("c"), STR("d"), 1) !=
                record_flow_hash(STR("a"), STR("bc"), STR("d"), 1));
    assert_true(record_flow_hash(STR("ab"), STR("c"), STR("d"), 1) !=
                record_flow_hash(STR("ab"), STR("cd"), STR(""), 1));
    assert_true(record_flow_hash(STR("a"), STR("b"), STR("c"), 1) != record_flow_hash(STR("b"), STR("a"), STR("c"), 1));
    Record a = example(), b = example();
    a.source_id = STR("x");
    a.record_id = STR("yz");
    b.source_id = STR("xy");
    b.record_id = STR("z");
    assert_true(record_identity_hash(&a, IDENTITY_SOURCE_AND_RECORD_ID, 1) !=
                record_identity_hash(&b, IDENTITY_SOURCE_AND_RECORD_ID, 1));
}

/* The list of fields in one piece: texts behind their lengths (32 bits), little-endian. */
static uint64_t plain_hash(const Str *texts, size_t count, uint64_t seed)
{
    static unsigned char bytes[8 * 1100];
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        for (unsigned shift = 0; shift < 32; shift += 8) {
            bytes[len++] = (unsigned char)(texts[i].len >> shift);
        }
        memcpy(bytes + len, texts[i].ptr, texts[i].len);
        len += texts[i].len;
    }
    return XXH3_64bits_withSeed(bytes, len, seed);
}

/* However long the texts are, and in whatever pieces they met the buffer, the hash is that of the list in one piece. */
static void test_hash_of_long_texts(void **state)
{
    (void)state;
    char filler[1020];
    memset(filler, 'x', sizeof filler);
    for (size_t len = 0; len <= sizeof filler; len++) {
        Str text = {filler, len}, other = {filler, sizeof filler - len};
        const Str lists[][3] = {{text, STR("r"), STR("u")}, {STR("d"), text, STR("u")}, {text, other, text}};
        for (size_t i = 0; i < 3; i++) {
            uint64_t expected = plain_hash(lists[i], 3, 9);
            assert_true(record_flow_hash(lists[i][0], lists[i][1], lists[i][2], 9) == expected);
        }
    }
}

/* Index files keep these hashes: a change here has to raise the version of the files' format, too. */
static void test_hash_is_stable(void **state)
{
    (void)state;
    Record a = example();
    assert_true(record_identity_hash(&a, IDENTITY_RECORD_ID, 1) == UINT64_C(0x22ded268a291aefd));
    assert_true(record_identity_hash(&a, IDENTITY_CONTENT, 1) == UINT64_C(0x07b855dfb40fad69));
    assert_true(record_flow_hash(a.destination_id, a.reference, a.unit, 1) == UINT64_C(0x5360798ab71b71cd));
}

static void test_totals(void **state)
{
    (void)state;
    FlowTotals totals = {0};
    assert_true(flow_totals_add(&totals, RECORD_POSITIVE, 35000, 1));
    assert_true(flow_totals_add(&totals, RECORD_NEGATIVE, 15000, 1));
    assert_true(flow_totals_add(&totals, RECORD_POSITIVE, 0, 1));
    assert_int_equal(flow_totals_count(&totals), 3);
    assert_int_equal(totals.positive_count, 2);
    assert_true(flow_totals_gross(&totals) == 50000);
    assert_true(flow_totals_net(&totals) == 20000);
    assert_true(flow_totals_add(&totals, RECORD_NEGATIVE, 15000, -1));
    assert_int_equal(totals.negative_count, 0);
    assert_true(totals.negative_total == 0);
}

static void test_totals_never_wrap(void **state)
{
    (void)state;
    FlowTotals totals = {.positive_count = 7, .positive_total = TOTAL_MAX - 5}, before = totals;
    assert_false(flow_totals_add(&totals, RECORD_POSITIVE, 6, 1));
    assert_memory_equal(&totals, &before, sizeof totals);
    assert_true(flow_totals_add(&totals, RECORD_POSITIVE, 5, 1));
    assert_true(totals.positive_total == TOTAL_MAX);
    assert_true(flow_totals_add(&totals, RECORD_NEGATIVE, RECORD_VALUE_MAX, 1));
    assert_true(flow_totals_gross(&totals) == TOTAL_MAX + RECORD_VALUE_MAX);
}

static void test_summary_is_of_the_previous_records(void **state)
{
    (void)state;
    StoredRecord stored = {.record = example()};
    stored.totals =
        (FlowTotals){.positive_count = 4, .negative_count = 2, .positive_total = 45050, .negative_total = 15000};
    FlowTotals before = stored_record_summary(&stored);
    assert_int_equal(flow_totals_count(&before), 5);
    assert_int_equal(before.positive_count, 3);
    assert_true(before.positive_total == 35000);
    assert_true(before.negative_total == 15000);
    stored.record.type = RECORD_NEGATIVE;
    before = stored_record_summary(&stored);
    assert_int_equal(before.negative_count, 1);
    assert_true(before.negative_total == 15000 - 10050);
}

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_ids_of_events(void **state)
{
    (void)state;
    static const struct {
        const char *id, *key; /* NULL: of no event */
        uint64_t number;
    } cases[] = {
        {"sha256:" HASH, HASH, 0},
        {"sha256:" HASH ":12", HASH ":12", 0},
        {"correction:" HASH ":3", HASH, 3},
        {"correction:" HASH ":12:3", HASH ":12", 3},
        {"sha256:" HASH ":", NULL, 0},
        {"sha256:" HASH ":0", NULL, 0},
        {"sha256:" HASH ":12:3", NULL, 0},
        {"sha256:" HASH "0", NULL, 0},
        {"sha256:" HASH ":99999999999999999999", NULL, 0},
        {"sha256:0123", NULL, 0},
        {"sha256:", NULL, 0},
        {"correction:" HASH, NULL, 0},
        {"correction:" HASH ":0", NULL, 0},
        {"correction:" HASH ":1:2:3", NULL, 0},
        {"correction::1", NULL, 0},
        {"correction:", NULL, 0},
        {HASH, NULL, 0},
        {"", NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Record record = {.record_id = str_from(cases[i].id)};
        Str key = STR("");
        uint64_t number = 0;
        assert_int_equal(record_has_event_id(&record, &key, &number), cases[i].key != NULL);
        assert_true(!cases[i].key || (str_equal(key, str_from(cases[i].key)) && number == cases[i].number));
        assert_true(str_equal(record_event_hash(&record), cases[i].key ? STR(HASH) : STR("")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differs),
        cmocka_unit_test(test_identity_hash),
        cmocka_unit_test(test_ids_of_events),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_hash_of_long_texts),
        cmocka_unit_test(test_hash_is_stable),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_totals_never_wrap),
        cmocka_unit_test(test_summary_is_of_the_previous_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
