/* The oracle's own tests: sums, calendar, rules, and going back. What is checked against it is only as good as it
 * is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/timestamp.h"
#include "sim/model.h"
#include "support/random.h"

static void check_decimal(Exact value, unsigned scale, const char *right)
{
    char text[PLAIN_TEXT_BYTES_MAX];
    assert_string_equal(plain_decimal(value, scale, text), right);
}

static void test_decimals(void **state)
{
    (void)state;
    check_decimal(0, 0, "0");
    check_decimal(0, 2, "0.00");
    check_decimal(5, 2, "0.05");
    check_decimal(-5, 2, "-0.05");
    check_decimal(12345, 2, "123.45");
    check_decimal(-100, 0, "-100");
    check_decimal(INT64_MIN, 2, "-92233720368547758.08");
    check_decimal((Exact)INT64_MAX * 1000, 6, "9223372036854775.807000");
    check_decimal((Exact)INT64_MIN * 1000, 6, "-9223372036854775.808000");
}

static void test_times(void **state)
{
    (void)state;
    char text[PLAIN_TEXT_BYTES_MAX];
    assert_string_equal(plain_time(0, text), "1970-01-01T00:00:00Z");
    assert_string_equal(plain_time(-1, text), "1969-12-31T23:59:59.999999Z");
    assert_string_equal(plain_time(INT64_C(1709164800120000), text), "2024-02-29T00:00:00.12Z");
    assert_string_equal(plain_time(TIMESTAMP_MIN, text), "0001-01-01T00:00:00Z");
    assert_string_equal(plain_time(TIMESTAMP_MAX, text), "9999-12-31T23:59:59.999999Z");
    assert_string_equal(plain_duration(999, text), "999 us");
    assert_string_equal(plain_duration(-1005, text), "-1.005 ms");
    assert_string_equal(plain_duration(INT64_C(59000007), text), "59.000007 s");
    assert_string_equal(plain_duration(INT64_C(-93784000001), text), "-1 d 2 h 3 min 4 s");
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) { /* two calendars that know nothing of each other */
        char other[TIMESTAMP_TEXT_BYTES_MAX];
        int64_t time_us = TIMESTAMP_MIN + (int64_t)random_below(&random, (uint64_t)(TIMESTAMP_MAX - TIMESTAMP_MIN));
        timestamp_format(time_us, other);
        assert_string_equal(plain_time(time_us, text), other);
    }
}

static void check_window(const char *kind, const char *time, const char *start)
{
    char text[PLAIN_TEXT_BYTES_MAX];
    int64_t time_us = 0;
    assert_null(timestamp_parse(str_from(time), &time_us));
    assert_string_equal(plain_time(plain_window_start(kind, time_us), text), start);
}

static void test_windows(void **state)
{
    (void)state;
    check_window("minute", "2025-03-02 10:11:12", "2025-03-02T10:11:00Z");
    check_window("hour", "2025-03-02 10:11:12", "2025-03-02T10:00:00Z");
    check_window("day", "1969-12-31 23:59:59", "1969-12-31T00:00:00Z");
    check_window("week", "2025-03-02 10:11:12", "2025-02-24T00:00:00Z"); /* a Sunday */
    check_window("week", "2025-03-03 00:00:00", "2025-03-03T00:00:00Z"); /* a Monday */
    check_window("week", "1969-12-28 12:00:00", "1969-12-22T00:00:00Z");
    check_window("month", "2024-02-29 23:00:00", "2024-02-01T00:00:00Z");
}

static void test_maps(void **state)
{
    (void)state;
    PlainMap map;
    plain_map_init(&map);
    for (int64_t i = 1; i <= 1000; i++) {
        PlainKey key = {.len = 0};
        plain_key_add_number(&key, i);
        plain_map_put(&map, plain_key_str(&key), i);
    }
    for (int64_t i = 1; i <= 2000; i++) {
        PlainKey key = {.len = 0};
        plain_key_add_number(&key, i);
        assert_int_equal(plain_map_get(&map, plain_key_str(&key)), i <= 1000 ? i : 0);
    }
    PlainKey ab = {.len = 0}, a = {.len = 0};
    plain_key_add(&ab, STR("ab"));
    plain_key_add(&ab, STR("c"));
    plain_key_add(&a, STR("a"));
    plain_key_add(&a, STR("bc"));
    assert_false(str_equal(plain_key_str(&ab), plain_key_str(&a)));
    plain_map_clear(&map);
    assert_int_equal(map.count, 0);
    plain_map_release(&map);
}

/* ---- The log ----------------------------------------------------------------------------------------------------- */

static Record record_of(const char *id, int64_t value, RecordType type)
{
    return (Record){.record_id = str_from(id),
                    .source_id = STR("source"),
                    .destination_id = STR("dest"),
                    .unit = STR("EUR"),
                    .reference = STR("ref"),
                    .value = value,
                    .type = type};
}

static Outcome hand_in(Model *model, const Record *record, bool dry_run)
{
    Outcome outcome;
    ModelWork work = {.kind = WORK_RECORDS, .items = record, .count = 1, .dry_run = dry_run};
    ModelAnswer answer = {.outcomes = &outcome};
    model_apply(model, &work, &answer);
    assert_int_equal(answer.status, STATUS_OK);
    return outcome;
}

static Status put(Model *model, AlertRule rule)
{
    ModelWork work = {.kind = WORK_RULE_PUT, .rule = rule};
    ModelAnswer answer = {.outcomes = NULL};
    model_apply(model, &work, &answer);
    return answer.status;
}

static void test_totals_and_outcomes(void **state)
{
    (void)state;
    Model model;
    model_init(&model, IDENTITY_RECORD_ID);
    Record first = record_of("a", 100, RECORD_POSITIVE), second = record_of("b", 30, RECORD_NEGATIVE);
    Record changed = record_of("a", 101, RECORD_POSITIVE);
    assert_int_equal(hand_in(&model, &first, true).kind, OUTCOME_CREATED);
    assert_int_equal(model_last_seq(&model), 0);
    assert_int_equal(hand_in(&model, &first, false).seq, 1);
    assert_int_equal(hand_in(&model, &second, false).seq, 2);
    Outcome again = hand_in(&model, &first, false), clash = hand_in(&model, &changed, false);
    assert_true(again.kind == OUTCOME_DUPLICATE && again.seq == 1 && again.differs == 0);
    assert_true(clash.kind == OUTCOME_CONFLICT && clash.seq == 1 && clash.differs == FIELD_VALUE);
    const ModelEntry *entry = model_at(&model, 2);
    assert_true(entry->prev_seq == 1 && entry->before.positive == 100 && entry->before.negative == 0);
    model_release(&model);
}

static void test_an_atomic_call_with_a_clash_does_nothing(void **state)
{
    (void)state;
    Model model;
    model_init(&model, IDENTITY_RECORD_ID);
    Record items[] = {record_of("a", 1, RECORD_POSITIVE), record_of("a", 2, RECORD_POSITIVE)};
    Outcome outcomes[2];
    ModelWork work = {.kind = WORK_RECORDS, .items = items, .count = 2, .atomic = true};
    ModelAnswer answer = {.outcomes = outcomes};
    model_apply(&model, &work, &answer);
    assert_int_equal(answer.status, STATUS_CONFLICT);
    assert_int_equal(outcomes[1].kind, OUTCOME_CONFLICT);
    assert_int_equal(model_last_seq(&model), 0);
    assert_int_equal(model_find(&model, &items[0]), 0);
    model_release(&model);
}

static void test_alerts(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *severity; /* NULL: no alert */
    } cases[] = {{1000, NULL}, {1001, "medium"}, {1250, "medium"}, {1251, "high"}, {1500, "high"}, {1501, "critical"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Model model;
        model_init(&model, IDENTITY_RECORD_ID);
        AlertRule rule = {.name = STR("r"), .type = -1, .measure = RULE_VALUE, .threshold = 1000, .enabled = true};
        assert_int_equal(put(&model, rule), STATUS_OK);
        Record record = record_of("a", cases[i].value, RECORD_POSITIVE);
        hand_in(&model, &record, false);
        assert_int_equal(model_last_seq(&model), cases[i].severity ? 2 : 1);
        if (cases[i].severity) {
            assert_true(model_at(&model, 2)->kind == MODEL_ALERT && model_at(&model, 2)->about == 1);
            assert_string_equal(model_at(&model, 2)->severity, cases[i].severity);
        }
        model_release(&model);
    }
}

static void test_rules_have_versions_and_names(void **state)
{
    (void)state;
    Model model;
    model_init(&model, IDENTITY_RECORD_ID);
    AlertRule rule = {.name = STR("r"), .type = -1, .threshold = 1, .enabled = true};
    assert_int_equal(put(&model, rule), STATUS_OK);
    assert_int_equal(put(&model, rule), STATUS_CONFLICT); /* the name is taken */
    rule.id = 1;
    assert_int_equal(put(&model, rule), STATUS_REFUSED); /* version 0 was never */
    rule.version = 1;
    assert_int_equal(put(&model, rule), STATUS_OK);
    assert_int_equal(model.rules[0].version, 2);
    model_release(&model);
}

static void test_going_back(void **state)
{
    (void)state;
    Model model;
    model_init(&model, IDENTITY_RECORD_ID);
    Record first = record_of("a", 1, RECORD_POSITIVE), second = record_of("b", 2, RECORD_POSITIVE);
    hand_in(&model, &first, false);
    ModelMark mark = model_mark(&model);
    hand_in(&model, &second, false);
    assert_int_equal(put(&model, (AlertRule){.name = STR("r"), .threshold = 1}), STATUS_OK);
    assert_false(model_same_rules(&model, &mark));
    model_rewind(&model, &mark);
    assert_true(model_same_rules(&model, &mark));
    assert_int_equal(model_find(&model, &second), 0);
    assert_int_equal(model_find(&model, &first), 1);
    assert_int_equal(hand_in(&model, &second, false).seq, 2);
    assert_int_equal(model_at(&model, 2)->prev_seq, 1);
    model_release(&model);
}

static void check_order(Model *model)
{
    size_t count = 0;
    const ModelTimed *places = model_by_time(model, &count);
    assert_int_equal(count, model_last_seq(model));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(places[i].time_us, model_at(model, places[i].seq)->record.time_us);
        assert_true(i == 0 || places[i - 1].time_us < places[i].time_us ||
                    (places[i - 1].time_us == places[i].time_us && places[i - 1].seq < places[i].seq));
    }
}

static void test_the_order_of_time(void **state)
{
    (void)state;
    enum { RECORDS = 3000 };
    static char ids[RECORDS][8];
    Model model;
    ModelMark mark;
    uint64_t random = 1;
    model_init(&model, IDENTITY_RECORD_ID);
    for (int i = 0; i < RECORDS; i++) {
        snprintf(ids[i], sizeof ids[i], "%d", i);
        Record record = record_of(ids[i], 1, RECORD_POSITIVE);
        record.time_us = (int64_t)random_below(&random, 500) - 250;
        if (random_below(&random, 20) == 0) {
            mark = model_mark(&model);
            hand_in(&model, &record, false);
            if (random_below(&random, 2)) {
                check_order(&model);
            }
            model_rewind(&model, &mark);
        }
        hand_in(&model, &record, false);
        if (random_below(&random, 30) == 0) {
            check_order(&model);
        }
    }
    check_order(&model);
    model_release(&model);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

static EventItem item_of(const char *client, const char *raw)
{
    return (EventItem){.client = str_from(client), .raw = str_from(raw), .mapping = STR("builtin"), .alias = STR("")};
}

static Outcome send(Model *model, const char *id, const char *raw)
{
    Outcome outcome;
    Record record = record_of(id, 5, RECORD_POSITIVE);
    EventItem item = item_of("client", raw);
    ModelWork work = {.kind = WORK_RECORDS, .items = &record, .count = 1, .events = &item};
    ModelAnswer answer = {.outcomes = &outcome};
    model_apply(model, &work, &answer);
    event_model_commit(&model->events);
    return outcome;
}

/* Takes back the record at `corrects`, or replaces it with what is known as `alias`. */
static Status correct(Model *model, const char *id, int64_t corrects, const char *alias, int64_t holder)
{
    Outcome outcome;
    Record record = record_of(id, 5, RECORD_NEGATIVE);
    EventItem item = item_of("source", "");
    item.corrects = corrects;
    item.replaces = alias[0];
    item.alias = str_from(alias);
    item.holder = holder;
    ModelWork work = {
        .kind = WORK_RECORDS, .items = &record, .count = 1, .events = &item, .atomic = true, .quiet = true};
    ModelAnswer answer = {.outcomes = &outcome};
    model_apply(model, &work, &answer);
    return answer.status;
}

static void assert_is(Outcome outcome, OutcomeKind kind, int64_t seq)
{
    assert_int_equal(outcome.kind, kind);
    assert_int_equal(outcome.seq, seq);
}

static void test_where_events_lead(void **state)
{
    (void)state;
    Model model;
    model_init(&model, IDENTITY_RECORD_ID);
    assert_is(send(&model, "one", "{1}"), OUTCOME_CREATED, 1);
    assert_is(send(&model, "one", "{ 1 }"), OUTCOME_DUPLICATE, 1);
    ModelMark mark = model_mark(&model);
    assert_int_equal(correct(&model, "back", 1, "", 0), STATUS_OK);
    assert_int_equal(correct(&model, "instead", 1, "two", 7), STATUS_OK); /* whom nobody knows as that any more */
    assert_is(send(&model, "two", "{9}"), OUTCOME_CONFLICT, 3);           /* it has the other sign */
    assert_is(send(&model, "one", "{1}"), OUTCOME_DUPLICATE, 1);
    assert_is(send(&model, "one", "{2}"), OUTCOME_CREATED, 4);
    assert_true(str_is(model_at(&model, 4)->record.record_id, "one:4"));
    assert_is(send(&model, "one", "{1}"), OUTCOME_DUPLICATE, 4);
    assert_int_equal(correct(&model, "late", 4, "two", 1), STATUS_CONFLICT);
    assert_int_equal(event_model_lead(&model.events, STR("two")), 3);
    model_rewind(&model, &mark);
    assert_int_equal(event_model_lead(&model.events, STR("two")), 0);
    assert_is(send(&model, "one", "{2}"), OUTCOME_DUPLICATE, 1);
    model_release(&model);
}

static void test_what_is_kept_of_events(void **state)
{
    (void)state;
    Model model;
    model_init(&model, IDENTITY_RECORD_ID);
    EventModel *events = &model.events;
    events->attempts_max = 2;
    events->clients_max = 0;
    for (int i = 0; i < 4; i++) {
        send(&model, "one", "{1}");
    }
    assert_int_equal(events->attempt_count - events->gone, 2);
    assert_int_equal(events->facts[events->attempts[2]].number, 4);
    send(&model, "two", "{2}");
    send(&model, "two", "{2}");
    send(&model, "two", "{2}");
    send(&model, "one", "{1}"); /* all of its others have left the ring */
    assert_int_equal(events->facts[events->attempts[5]].number, 2);
    assert_int_equal(events->client_count, 1);
    assert_true(events->clients[0].client.len == 0 && events->clients[0].processed == 2);
    assert_int_equal(events->clients[0].duplicates, 6);
    EventItem failed = item_of("other", "");
    event_model_failed(events, &failed);
    assert_int_equal(events->clients[0].failed, 1);
    model_release(&model);
}

/* Hands in what had been taken for a duplicate of event 1. */
static Outcome take(Model *model, const char *id, const char *raw, int64_t holder, Status *ret_status)
{
    Record record = record_of(id, 5, RECORD_POSITIVE);
    EventItem item = item_of("client", raw);
    Outcome outcome = {0};
    item.taken_for = 1;
    item.holder = holder;
    ModelWork work = {
        .kind = WORK_RECORDS, .items = &record, .count = 1, .events = &item, .atomic = true, .quiet = true};
    ModelAnswer answer = {.outcomes = &outcome};
    model_apply(model, &work, &answer);
    *ret_status = answer.status;
    return outcome;
}

static void test_what_was_taken_for_a_duplicate(void **state)
{
    (void)state;
    Model model;
    Status status;
    model_init(&model, IDENTITY_RECORD_ID);
    EventModel *events = &model.events;
    send(&model, "one", "{1}");
    send(&model, "one", "{1}");
    send(&model, "one", "{2}");
    send(&model, "one", "{3}");
    send(&model, "one", "{2}");
    assert_int_equal(events->duplicate_count, 2);
    assert_int_equal(event_model_next_duplicate(events, 1, 0), 0);
    assert_int_equal(event_model_next_duplicate(events, 2, 0), SIZE_MAX);
    ModelMark mark = model_mark(&model);
    assert_is(take(&model, "one", "{2}", 0, &status), OUTCOME_DUPLICATE, 1);
    assert_is(take(&model, "one", "{2}", 1, &status), OUTCOME_CREATED, 2);
    assert_true(str_is(model_at(&model, 2)->record.record_id, "one:2"));
    assert_is(take(&model, "three", "{3}", 0, &status), OUTCOME_CREATED, 3);
    assert_int_equal(status, STATUS_OK);
    assert_is(take(&model, "four", "{3}", 0, &status), OUTCOME_CONFLICT, 0);
    assert_int_equal(status, STATUS_CONFLICT);
    assert_true(events->duplicate_count == 0 && events->clients[0].processed == 3 &&
                events->clients[0].duplicates == 2);
    model_rewind(&model, &mark);
    assert_true(events->duplicate_count == 2 && events->clients[0].processed == 1 &&
                events->clients[0].duplicates == 4);
    model_release(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_totals_and_outcomes),
        cmocka_unit_test(test_an_atomic_call_with_a_clash_does_nothing),
        cmocka_unit_test(test_where_events_lead),
        cmocka_unit_test(test_what_is_kept_of_events),
        cmocka_unit_test(test_what_was_taken_for_a_duplicate),
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_rules_have_versions_and_names),
        cmocka_unit_test(test_going_back),
        cmocka_unit_test(test_the_order_of_time),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
