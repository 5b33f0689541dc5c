#include "unit.h"

#include "process/rules.h"

static AlertRule rule(int64_t id, int64_t threshold)
{
    return (AlertRule){
        .id = id, .name = STR("default"), .type = -1, .measure = RULE_VALUE, .threshold = threshold, .enabled = true};
}

static Record record(int64_t value)
{
    return (Record){.record_id = STR("rec-1"),
                    .source_id = STR("source-1"),
                    .destination_id = STR("dest-1"),
                    .unit = STR("EUR"),
                    .reference = STR("ref-1"),
                    .value = value,
                    .type = RECORD_POSITIVE};
}

/* What the rules say about one record: "1:medium:250 3:high:1" by id, severity and how much over. */
static const char *decided(const AlertRule *rules, size_t count, const Record *about, FlowTotals before,
                           FlowTotals after)
{
    static char text[512];
    static Alert alerts[RULES_MAX];
    RuleSet *set = NULL;
    int len = 0;
    text[0] = '\0';
    assert_int_equal(rule_set_new(rules, count, &set, NULL), STATUS_OK);
    size_t fired = rule_set_decide(set, about, &before, &after, alerts);
    for (size_t i = 0; i < fired; i++) {
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%lld:%s:%lld", i ? " " : "",
                        (long long)alerts[i].rule->id, severity_name(alerts[i].severity),
                        (long long)alerts[i].exceeded_by);
    }
    rule_set_drop(set);
    return text;
}

static const char *decided_by_value(const AlertRule *rules, size_t count, int64_t value)
{
    Record about = record(value);
    return decided(rules, count, &about, (FlowTotals){0}, (FlowTotals){0});
}

static void test_value(void **state)
{
    (void)state;
    AlertRule one = rule(1, 100000);
    assert_string_equal(decided_by_value(&one, 1, 99999), "");
    assert_string_equal(decided_by_value(&one, 1, 100000), "");
    assert_string_equal(decided_by_value(&one, 1, 100001), "1:medium:1");
    assert_string_equal(decided_by_value(&one, 1, 125000), "1:medium:25000");
    assert_string_equal(decided_by_value(&one, 1, 125001), "1:high:25001");
    assert_string_equal(decided_by_value(&one, 1, 150000), "1:high:50000");
    assert_string_equal(decided_by_value(&one, 1, 150001), "1:critical:50001");
    assert_string_equal(decided_by_value(&one, 1, RECORD_VALUE_MAX), "1:critical:999999999899999");
}

/* A quarter of 3 is 0.75: exact arithmetic, not rounded percents. */
static void test_small_thresholds(void **state)
{
    (void)state;
    AlertRule one = rule(1, 3);
    assert_string_equal(decided_by_value(&one, 1, 4), "1:high:1");
    assert_string_equal(decided_by_value(&one, 1, 5), "1:critical:2");
    one = rule(1, 4);
    assert_string_equal(decided_by_value(&one, 1, 5), "1:medium:1");
    assert_string_equal(decided_by_value(&one, 1, 6), "1:high:2");
    assert_string_equal(decided_by_value(&one, 1, 7), "1:critical:3");
    one = rule(1, 1);
    assert_string_equal(decided_by_value(&one, 1, 2), "1:critical:1");
    assert_string_equal(decided_by_value(&one, 1, 0), "");
}

static void test_running_totals(void **state)
{
    (void)state;
    AlertRule one = rule(1, 1000);
    Record about = record(300);
    FlowTotals before = {.positive_count = 1, .positive_total = 800},
               after = {.positive_count = 2, .positive_total = 1100};
    one.measure = RULE_TOTAL_VALUE;
    assert_string_equal(decided(&one, 1, &about, before, after), "1:medium:100");
    /* It was above already: it fired then. */
    assert_string_equal(decided(&one, 1, &about, after, (FlowTotals){.positive_total = 1400}), "");
    /* At the threshold is not above it. */
    assert_string_equal(decided(&one, 1, &about, before, (FlowTotals){.positive_total = 1000}), "");
    assert_string_equal(
        decided(&one, 1, &about, (FlowTotals){.positive_total = 1000}, (FlowTotals){.positive_total = 1001}),
        "1:medium:1");
    /* The net total comes down and crosses again. */
    one.measure = RULE_NET_VALUE;
    FlowTotals down = {.positive_total = 1400, .negative_total = 500},
               again = {.positive_total = 3000, .negative_total = 500};
    assert_string_equal(decided(&one, 1, &about, after, down), "");
    assert_string_equal(decided(&one, 1, &about, down, again), "1:critical:1500");
    FlowTotals below = {.negative_total = TOTAL_MAX}, far = {.positive_total = TOTAL_MAX};
    one.threshold = INT64_MAX;
    assert_string_equal(decided(&one, 1, &about, below, (FlowTotals){.positive_total = (Total)INT64_MAX + 1}),
                        "1:medium:1");
    assert_true(decided(&one, 1, &about, below, far)[0] == '1');
}

static void test_filters(void **state)
{
    (void)state;
    AlertRule base = rule(1, 10);
    Record about = record(11);
    const struct {
        size_t offset;
        Str same, other;
    } texts[] = {
        {offsetof(AlertRule, source_id), STR("source-1"), STR("source-2")},
        {offsetof(AlertRule, destination_id), STR("dest-1"), STR("dest-12")},
        {offsetof(AlertRule, unit), STR("EUR"), STR("eur")},
        {offsetof(AlertRule, reference), STR("ref-1"), STR("ref")},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        AlertRule one = base;
        Str *filter = (Str *)(void *)((char *)&one + texts[i].offset);
        *filter = texts[i].same;
        assert_string_equal(decided(&one, 1, &about, (FlowTotals){0}, (FlowTotals){0}), "1:medium:1");
        *filter = texts[i].other;
        assert_string_equal(decided(&one, 1, &about, (FlowTotals){0}, (FlowTotals){0}), "");
    }
    base.type = RECORD_POSITIVE;
    assert_string_equal(decided_by_value(&base, 1, 11), "1:medium:1");
    base.type = RECORD_NEGATIVE;
    assert_string_equal(decided_by_value(&base, 1, 11), "");
    base.type = -1;
    base.enabled = false;
    assert_string_equal(decided_by_value(&base, 1, 11), "");
}

static void test_several(void **state)
{
    (void)state;
    AlertRule rules[] = {rule(9, 10), rule(2, 100), rule(5, 13), rule(3, 14)};
    rules[0].destination_id = STR("dest-1");
    rules[2].destination_id = STR("dest-2");
    assert_string_equal(decided_by_value(rules, 4, 15), "3:medium:1 9:high:5");
    assert_string_equal(decided_by_value(rules, 0, 15), "");
}

static void test_set(void **state)
{
    (void)state;
    static AlertRule many[RULES_MAX + 1];
    static Alert alerts[RULES_MAX];
    char name[] = "changing";
    RuleSet *set = NULL;
    Error error;
    for (size_t i = 0; i <= RULES_MAX; i++) {
        many[i] = rule((int64_t)(RULES_MAX + 1 - i), 10);
        many[i].name = (Str){name, strlen(name)};
    }
    assert_int_equal(rule_set_new(many, RULES_MAX + 1, &set, &error), STATUS_REFUSED);
    assert_non_null(strstr(error.message, "1001"));
    assert_int_equal(rule_set_new(many, RULES_MAX, &set, &error), STATUS_OK);
    memset(name, 'x', strlen(name));
    assert_int_equal(rule_set_count(set), RULES_MAX);
    assert_int_equal(rule_set_at(set, 0)->id, 2);
    assert_text(rule_set_at(set, 0)->name, "changing");
    Record about = record(11);
    FlowTotals none = {0};
    assert_int_equal(rule_set_decide(set, &about, &none, &none, alerts), RULES_MAX);
    RuleSet *kept = rule_set_keep(set);
    rule_set_drop(set);
    assert_int_equal(rule_set_count(kept), RULES_MAX);
    rule_set_drop(kept);
    rule_set_drop(NULL);
}

static void test_names(void **state)
{
    (void)state;
    RuleMeasure measure;
    for (RuleMeasure each = RULE_VALUE; each <= RULE_NET_VALUE; each++) {
        assert_true(rule_measure_parse(str_from(rule_measure_name(each)), &measure));
        assert_int_equal(measure, each);
    }
    assert_false(rule_measure_parse(STR("total"), &measure));
    assert_false(rule_measure_parse(STR(""), &measure));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value),   cmocka_unit_test(test_small_thresholds), cmocka_unit_test(test_running_totals),
        cmocka_unit_test(test_filters), cmocka_unit_test(test_several),          cmocka_unit_test(test_set),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
