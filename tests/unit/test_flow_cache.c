/* The flow cache against what was put in: it may forget, it may never answer for another flow. */
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/sqlite/flow_cache.h"

typedef struct Flow {
    char destination[64], reference[64];
    Record record;
    uint64_t hash;
} Flow;

static void make_flow(Flow *flow, unsigned number, uint64_t hash)
{
    snprintf(flow->destination, sizeof flow->destination, "dest-%u", number % 10);
    snprintf(flow->reference, sizeof flow->reference, "ref-%u", number);
    flow->record = (Record){
        .destination_id = str_from(flow->destination), .reference = str_from(flow->reference), .unit = STR("EUR")};
    flow->hash = hash;
}

static FlowState state_of(const Flow *flow, int64_t seq)
{
    return (FlowState){.hash = flow->hash, .seq = seq, .totals = {.positive_count = seq}};
}

static void test_finds_what_was_put(void **state)
{
    (void)state;
    FlowCache *cache = flow_cache_new(1 << 20);
    Flow flow;
    make_flow(&flow, 1, 77);
    assert_null(flow_cache_find(cache, flow.hash, &flow.record));
    FlowState put = state_of(&flow, 5);
    flow_cache_put(cache, &flow.record, &put);
    FlowState *found = flow_cache_find(cache, flow.hash, &flow.record);
    assert_non_null(found);
    assert_int_equal(found->seq, 5);
    found->seq = 6; /* changed in place */
    assert_int_equal(flow_cache_find(cache, flow.hash, &flow.record)->seq, 6);
    flow_cache_clear(cache);
    assert_null(flow_cache_find(cache, flow.hash, &flow.record));
    flow_cache_free(cache);
}

static void test_equal_hashes_are_told_apart(void **state)
{
    (void)state;
    FlowCache *cache = flow_cache_new(1 << 20);
    Flow flows[3];
    for (unsigned i = 0; i < 3; i++) {
        make_flow(&flows[i], i, 42);
        FlowState put = state_of(&flows[i], i + 1);
        flow_cache_put(cache, &flows[i].record, &put);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(flow_cache_find(cache, 42, &flows[i].record)->seq, i + 1);
    }
    flow_cache_free(cache);
}

/* The same bytes split differently between the parts are another flow. */
static void test_parts_are_not_joined(void **state)
{
    (void)state;
    FlowCache *cache = flow_cache_new(1 << 20);
    Record one = {.destination_id = STR("ab"), .reference = STR("c"), .unit = STR("d")};
    Record other = {.destination_id = STR("a"), .reference = STR("bc"), .unit = STR("d")};
    FlowState put = {.hash = 9, .seq = 1};
    flow_cache_put(cache, &one, &put);
    assert_null(flow_cache_find(cache, 9, &other));
    assert_non_null(flow_cache_find(cache, 9, &one));
    flow_cache_free(cache);
}

/* Whichever of the parts it is that differs. */
static void test_each_part_counts(void **state)
{
    (void)state;
    FlowCache *cache = flow_cache_new(1 << 20);
    const Record flows[] = {
        {.destination_id = STR("dest-1"), .reference = STR("ref-1"), .unit = STR("EUR")},
        {.destination_id = STR("dest-2"), .reference = STR("ref-1"), .unit = STR("EUR")},
        {.destination_id = STR("dest-1"), .reference = STR("ref-2"), .unit = STR("EUR")},
        {.destination_id = STR("dest-1"), .reference = STR("ref-1"), .unit = STR("SEK")},
    };
    enum { FLOWS = sizeof flows / sizeof *flows };
    for (size_t i = 0; i < FLOWS; i++) {
        assert_null(flow_cache_find(cache, 42, &flows[i]));
        flow_cache_put(cache, &flows[i], &(FlowState){.hash = 42, .seq = (int64_t)i + 1});
    }
    for (size_t i = 0; i < FLOWS; i++) {
        assert_int_equal(flow_cache_find(cache, 42, &flows[i])->seq, i + 1);
    }
    flow_cache_free(cache);
}

static void test_long_names_are_not_kept(void **state)
{
    (void)state;
    FlowCache *cache = flow_cache_new(1 << 20);
    static char long_name[300];
    memset(long_name, 'x', sizeof long_name);
    Record record = {.destination_id = {long_name, sizeof long_name}, .reference = STR("r"), .unit = STR("u")};
    FlowState put = {.hash = 9, .seq = 1};
    flow_cache_put(cache, &record, &put);
    assert_null(flow_cache_find(cache, 9, &record));
    flow_cache_free(cache);
}

/* Many more flows than room: whatever is found is right, and the flow used last is still there. */
static void test_forgets_the_oldest(void **state)
{
    (void)state;
    enum { FLOWS = 5000 };
    FlowCache *cache = flow_cache_new(64 << 10); /* 512 entries */
    static Flow flows[FLOWS];
    size_t kept = 0;
    for (unsigned i = 0; i < FLOWS; i++) {
        make_flow(&flows[i], i, (i + 1) * UINT64_C(0x9E3779B97F4A7C15));
        FlowState put = state_of(&flows[i], i + 1);
        flow_cache_put(cache, &flows[i].record, &put);
        assert_int_equal(flow_cache_find(cache, flows[i].hash, &flows[i].record)->seq, i + 1);
    }
    for (unsigned i = 0; i < FLOWS; i++) {
        FlowState *found = flow_cache_find(cache, flows[i].hash, &flows[i].record);
        if (found) {
            assert_int_equal(found->seq, i + 1);
            kept++;
        }
    }
    assert_in_range(kept, 400, 512);
    flow_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_was_put),      cmocka_unit_test(test_equal_hashes_are_told_apart),
        cmocka_unit_test(test_parts_are_not_joined),    cmocka_unit_test(test_each_part_counts),
        cmocka_unit_test(test_long_names_are_not_kept), cmocka_unit_test(test_forgets_the_oldest),
    };
    return cmocka_run_group_tests_name("flow_cache", tests, NULL, NULL);
}
