/* The partitions that a Kafka source has places in. */
#include "intake/kafka_part.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static KafkaParts load(const SourcePlace *places, size_t count)
{
    KafkaParts parts = {0};
    Error error;
    assert_int_equal(kafka_parts_load(&parts, places, count, &error), STATUS_OK);
    return parts;
}

static void test_places_of_the_store(void **state)
{
    (void)state;
    const SourcePlace places[] = {{STR("records.in/0"), 7, STR("offset=6 time=1 hash=2")},
                                  {STR("records.in/12"), 0, STR("")},
                                  {STR("other/0"), 3, STR("")}};
    KafkaParts parts = load(places, 3);
    assert_int_equal(parts.count, 3);
    const KafkaPart *part = kafka_parts_find(&parts, "records.in", 0);
    assert_int_equal(part->next, 7);
    assert_int_equal(part->stored, 7);
    assert_int_equal(part->kept, 7);
    assert_string_equal(part->mark, "offset=6 time=1 hash=2");
    assert_true(part->in_store && !part->assigned && !part->put && !part->compare);
    assert_int_equal(kafka_parts_find(&parts, "records.in", 12)->next, 0);
    assert_ptr_equal(kafka_parts_find_name(&parts, STR("other/0")), kafka_parts_find(&parts, "other", 0));
    assert_null(kafka_parts_find(&parts, "records.in", 1));
    assert_null(kafka_parts_find_name(&parts, STR("records.in/1")));
    assert_true(kafka_parts_know(&parts, "other"));
    assert_false(kafka_parts_know(&parts, "another"));
    kafka_parts_release(&parts);
    assert_int_equal(parts.count, 0);
}

/* A source that was of another kind once, under the same name. */
static void test_places_of_others(void **state)
{
    (void)state;
    char name[KAFKA_TOPIC_BYTES_MAX + 8];
    memset(name, 'a', sizeof name);
    name[KAFKA_TOPIC_BYTES_MAX + 1] = '/';
    name[KAFKA_TOPIC_BYTES_MAX + 2] = '0';
    const SourcePlace places[] = {
        {STR("orders.csv"), 7, STR("")},   {STR("a/b/0"), 7, STR("")}, {STR("a/-1"), 7, STR("")},
        {STR("a/2147483648"), 7, STR("")}, {STR(""), 7, STR("")},      {{name, KAFKA_TOPIC_BYTES_MAX + 3}, 7, STR("")},
        {STR("a/2147483647"), 7, STR("")}};
    KafkaParts parts = load(places, sizeof places / sizeof *places);
    assert_int_equal(parts.count, 1);
    assert_int_equal(parts.items[0].partition, INT32_MAX);
    kafka_parts_release(&parts);
}

static void test_a_partition_is_added_once(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    KafkaParts parts = {0};
    for (int32_t round = 0; round < 2; round++) {
        for (int32_t i = 0; i < COUNT; i++) {
            const KafkaPart *part = kafka_parts_get(&parts, "t", i);
            assert_non_null(part);
            assert_int_equal(part->partition, i);
            assert_int_equal(part->next, KAFKA_NOWHERE);
        }
    }
    assert_int_equal(parts.count, COUNT);
    assert_string_equal(kafka_parts_find(&parts, "t", COUNT - 1)->name, "t/99");
    assert_false(kafka_parts_know(&parts, "t"));
    kafka_parts_release(&parts);
}

static void test_what_waits(void **state)
{
    (void)state;
    static const struct {
        bool assigned;
        int64_t next, stored, end, seen_end, waiting;
    } cases[] = {
        {true, 10, 10, 10, KAFKA_NOWHERE, 0},
        {true, 10, 4, 12, KAFKA_NOWHERE, 8},
        {false, 10, 4, 12, KAFKA_NOWHERE, 0},           /* another's */
        {true, KAFKA_NOWHERE, KAFKA_NOWHERE, 12, 0, 0}, /* not begun */
        {true, 10, 10, 11, 11, 0},                      /* the end of a transaction */
        {true, 10, 10, 15, 11, 4},
        {true, 10, 9, 11, 11, 2}, /* what is under way waits, too */
        {true, 10, 10, 8, KAFKA_NOWHERE, 0},
    };
    KafkaParts parts = {0};
    KafkaPart *part = kafka_parts_get(&parts, "t", 0);
    assert_non_null(part);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        part->assigned = cases[i].assigned;
        part->next = cases[i].next;
        part->stored = cases[i].stored;
        part->end = cases[i].end;
        part->seen_end = cases[i].seen_end;
        assert_int_equal(kafka_parts_waiting(&parts), cases[i].waiting);
    }
    kafka_parts_release(&parts);
}

/* A source of that store alone, and of that offset: what a tool moves or copies elsewhere is nobody's. */
static void test_signs(void **state)
{
    (void)state;
    const uint8_t store[KAFKA_STORE_ID_BYTES] = {0xab, 1}, other[KAFKA_STORE_ID_BYTES] = {0xab, 2};
    char sign[KAFKA_SIGN_BYTES], longest[65];
    kafka_sign_make(store, "orders", 1041, sign);
    assert_string_equal(sign, "weir store=ab010000000000000000000000000000 source=orders offset=1041");
    rd_kafka_topic_partition_t committed = {.offset = 1041, .metadata = sign, .metadata_size = strlen(sign)};
    assert_true(kafka_sign_is(store, "orders", &committed));
    assert_false(kafka_sign_is(other, "orders", &committed));
    assert_false(kafka_sign_is(store, "order", &committed));
    committed.offset = 1042;
    assert_false(kafka_sign_is(store, "orders", &committed));
    committed = (rd_kafka_topic_partition_t){.offset = 1041};
    assert_false(kafka_sign_is(store, "orders", &committed));
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    kafka_sign_make(store, longest, INT64_MAX, sign);
    assert_non_null(strstr(sign, " offset=9223372036854775807"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places_of_the_store),
        cmocka_unit_test(test_places_of_others),
        cmocka_unit_test(test_a_partition_is_added_once),
        cmocka_unit_test(test_what_waits),
        cmocka_unit_test(test_signs),
    };
    return cmocka_run_group_tests_name("kafka_part", tests, NULL, NULL);
}
