#include "unit.h"

#include "base/decimal.h"
#include "base/timestamp.h"
#include "event_bodies.h"
#include "event_shapes.h"
#include "record/event.h"

enum { TEXT_BYTES_MAX = 1 << 14 };

static const RecordPolicy warns = {.scale = 2}, refuses = {.scale = 2, .refuse_unknown_fields = true};

typedef struct World {
    MappingSet *mappings;
    Arena arena;
    Event event;
    RecordProblems problems;
    Str canonical;
    Buf said;
} World;

static Mapping amounts_as(const char *name, AmountStyle style)
{
    return (Mapping){.name = str_from(name), .amounts = style};
}

static Mapping dates_as(const char *name, DateOrder order) { return (Mapping){.name = str_from(name), .dates = order}; }

static Mapping counts_as(const char *name, EpochUnit unit) { return (Mapping){.name = str_from(name), .epoch = unit}; }

static EventPath path(World *world, const char *text)
{
    EventPath parsed;
    assert_null(event_path_parse(str_from(text), &world->arena, &parsed));
    return parsed;
}

static int set_up(void **state)
{
    static World world;
    static const Str acme = STR("acme");
    Error err;
    world = (World){0};
    arena_init(&world.arena, 1 << 16, 1 << 24);
    buf_init(&world.said, TEXT_BYTES_MAX);
    EventPath lines = path(&world, "lines.1.n"), at = path(&world, "at"), kind = path(&world, "kind");
    EventPath extra[] = {path(&world, "tag"), path(&world, "order"), path(&world, "a\\.b")};
    EventPath direction = path(&world, "dir");
    EventPath ids[] = {path(&world, "eventId"), path(&world, "meta.id")};
    Mapping items[] = {
        amounts_as("point", AMOUNT_POINT),
        amounts_as("comma", AMOUNT_COMMA),
        dates_as("day_first", DATE_DAY_FIRST),
        dates_as("month_first", DATE_MONTH_FIRST),
        counts_as("seconds", EPOCH_SECONDS),
        counts_as("milliseconds", EPOCH_MILLISECONDS),
        counts_as("microseconds", EPOCH_MICROSECONDS),
        {.name = STR("dollars"), .defaults = {[EVENT_UNIT] = STR("USD")}},
        {.name = STR("euro_sign"), .defaults = {[EVENT_UNIT] = STR("€")}},
        {.name = STR("dollar_sign"), .defaults = {[EVENT_UNIT] = STR("$")}},
        {.name = STR("ids"), .parts = {[EVENT_ID] = {ids, 2}}},
        {.name = STR("acme"),
         .parts = {[EVENT_METRIC] = {&kind, 1},
                   [EVENT_AMOUNT] = {&lines, 1},
                   [EVENT_TIME] = {&at, 1},
                   [EVENT_TYPE] = {&direction, 1}},
         .defaults = {[EVENT_METRIC] = STR("calls"), [EVENT_UNIT] = STR(" pcs ")},
         .extra = {extra, 3},
         .clients = &acme,
         .client_count = 1},
    };
    assert_int_equal(mapping_set_new(items, sizeof items / sizeof items[0], &world.mappings, &err), STATUS_OK);
    arena_reset(&world.arena);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    World *world = *state;
    mapping_set_free(world->mappings);
    arena_release(&world->arena);
    buf_release(&world->said);
    return 0;
}

/* A copy with " in the place of `, to be freed. */
static char *with_quotes(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    for (char *at = copy; (at = strchr(at, '`'));) {
        *at = '"';
    }
    return copy;
}

static yyjson_val *read_json(World *world, Str text)
{
    Error err;
    yyjson_val *value;
    char *padded = arena_alloc_zero(&world->arena, text.len + YYJSON_PADDING_SIZE);
    assert_non_null(padded);
    memcpy(padded, text.ptr, text.len);
    if (json_read(padded, text.len, &world->arena, &value, &err) != STATUS_OK) {
        fail_msg("%.*s: %s", STR_ARGS(text), err.message);
    }
    return value;
}

static Status read_event(World *world, Str json, const char *asked, const RecordPolicy *policy)
{
    Str canonical = {NULL, 0};
    RecordProblems again;
    arena_reset(&world->arena);
    yyjson_val *value = read_json(world, json);
    Status status = event_from_json(value, world->mappings, str_from(asked), policy, &world->arena, &world->event,
                                    &world->problems);
    assert_int_equal(
        status, event_canonical(value, world->mappings, str_from(asked), policy, &world->arena, &canonical, &again));
    assert_int_equal(again.count, world->problems.count);
    assert_int_equal(again.unknown_count, world->problems.unknown_count);
    world->canonical = canonical;
    return status;
}

/* ---- The tables -------------------------------------------------------------------------------------------------- */

static void put_into(char text[TEXT_BYTES_MAX], const char *part, const char *json)
{
    const char *other = strcmp(part, "amount") == 0 ? "`time`:`2024-01-01`" : "`amount`:5";
    int len = snprintf(text, TEXT_BYTES_MAX, "{`client`:`A`,`metric`:`m`,%s,`%s`:%s}", other, part, json);
    assert_true(len > 0 && len < TEXT_BYTES_MAX);
}

static void say_problem(World *world, const char *part)
{
    assert_int_equal(world->problems.count, 1);
    assert_text(world->problems.items[0].field, part);
    buf_printf(&world->said, "! %s", world->problems.items[0].problem);
}

static void say_amount(World *world)
{
    const Record *record = &world->event.record;
    char text[DECIMAL_TEXT_BYTES_MAX];
    __int128 value = record->type == RECORD_NEGATIVE ? -(__int128)record->value : record->value;
    size_t len = decimal_format(value, 2, text);
    while (text[len - 1] == '0') {
        len--;
    }
    len -= text[len - 1] == '.';
    buf_printf(&world->said, "%.*s %.*s", (int)len, text, STR_ARGS(record->unit));
}

static void say_time(World *world)
{
    char text[TIMESTAMP_TEXT_BYTES_MAX];
    size_t len = timestamp_format(world->event.record.time_us, text);
    buf_put(&world->said, (Str){text, len});
}

static void check_shape(World *world, const EventShape *shape, const char *part, void (*say)(World *world))
{
    char text[TEXT_BYTES_MAX];
    put_into(text, part, shape->json);
    char *json = with_quotes(text);
    Status status = read_event(world, str_from(json), shape->mapping, &warns);
    buf_reset(&world->said);
    if (status == STATUS_OK) {
        say(world);
    } else {
        assert_int_equal(status, STATUS_REFUSED);
        say_problem(world, part);
    }
    if (!str_is(buf_str(&world->said), shape->becomes)) {
        fail_msg("%s by %s becomes %.*s instead of %s", shape->json, shape->mapping, STR_ARGS(buf_str(&world->said)),
                 shape->becomes);
    }
    free(json);
}

static void test_amounts(void **state)
{
    for (size_t i = 0; i < sizeof amount_shapes / sizeof amount_shapes[0]; i++) {
        check_shape(*state, &amount_shapes[i], "amount", say_amount);
    }
}

static void test_times(void **state)
{
    for (size_t i = 0; i < sizeof time_shapes / sizeof time_shapes[0]; i++) {
        check_shape(*state, &time_shapes[i], "time", say_time);
    }
}

static void say_body(World *world, Status status)
{
    buf_reset(&world->said);
    if (status == STATUS_OK) {
        buf_put(&world->said, world->canonical);
    } else {
        assert_int_equal(status, STATUS_REFUSED);
        BUF_PUT(&world->said, "! ");
        record_problems_put_text(&world->said, &world->problems);
    }
    for (size_t i = 0; i < world->problems.unknown_count; i++) {
        buf_put(&world->said, i > 0 ? STR(", ") : STR(" ~ "));
        buf_put(&world->said, world->problems.unknown_fields[i]);
    }
}

static void check_body(World *world, const EventBody *body)
{
    /* Phrases have no quotes of their own, canonical forms have no others. */
    char *json = with_quotes(body->json), *becomes = with_quotes(body->becomes);
    say_body(world, read_event(world, str_from(json), body->asked, &warns));
    if (!str_is(buf_str(&world->said), becomes)) {
        fail_msg("%s becomes\n%.*s\ninstead of\n%s", json, STR_ARGS(buf_str(&world->said)), becomes);
    }
    free(json);
    free(becomes);
}

static void test_bodies(void **state)
{
    for (size_t i = 0; i < sizeof event_bodies / sizeof event_bodies[0]; i++) {
        check_body(*state, &event_bodies[i]);
    }
    size_t shapes = sizeof amount_shapes / sizeof amount_shapes[0] + sizeof time_shapes / sizeof time_shapes[0] +
                    sizeof event_bodies / sizeof event_bodies[0];
    assert_true(shapes >= 300);
}

/* ---- The record, its id and what is said besides ----------------------------------------------------------------- */

static void test_record(void **state)
{
    World *world = *state;
    const Record *record = &world->event.record;
    Str json = STR("{\"source\":\"client_A\",\"payload\":{\"metric\":\"revenue\",\"amount\":\"-1200.5 "
                   "EUR\",\"timestamp\":\"2024/01/01\"}}");
    assert_int_equal(read_event(world, json, "", &warns), STATUS_OK);
    assert_text(record->source_id, "client_A");
    assert_text(record->destination_id, "client_A");
    assert_text(record->reference, "revenue");
    assert_text(record->unit, "EUR");
    assert_int_equal(record->value, 120050);
    assert_int_equal(record->type, RECORD_NEGATIVE);
    assert_int_equal(record->time_us, INT64_C(1704067200000000));
    assert_int_equal(record->traceparent.len, 0);
    assert_true(record->identity_hash == record_identity_hash(record, IDENTITY_RECORD_ID, 0));
    assert_text(world->event.mapping->name, "builtin");
    assert_text(world->problems.record_id, "client_A");
}

/* printf '%s' '["weir-event-1","client_A","revenue","positive","1200","none","2024-01-01T00:00:00.000000Z",{}]' |
 * sha256sum */
static void test_id(void **state)
{
    World *world = *state;
    Str json = STR("{\"source\":\"client_A\",\"payload\":{\"metric\":\"revenue\",\"amount\":\"1200\",\"timestamp\":"
                   "\"2024/01/01\"}}");
    assert_int_equal(read_event(world, json, "", &warns), STATUS_OK);
    assert_text(world->event.record.record_id,
                "sha256:dc62b02e58f08a4f10173c1e8ee08fad1e3133745ea9b8c67a2e975c5b5915a7");
    assert_int_equal(world->event.hash[0], 0xdc);
    assert_int_equal(world->event.hash[31], 0xa7);
}

static void test_client_of_a_bad_event_is_named(void **state)
{
    World *world = *state;
    assert_int_equal(read_event(world, STR("{\"client\":\"A\"}"), "", &warns), STATUS_REFUSED);
    assert_text(world->problems.record_id, "A");
    assert_int_equal(read_event(world, STR("{\"client\":[]}"), "", &warns), STATUS_REFUSED);
    assert_int_equal(world->problems.record_id.len, 0);
}

static void test_unknown_fields_can_be_refused(void **state)
{
    World *world = *state;
    Str json = STR("{\"client\":\"A\",\"metric\":\"m\",\"amount\":5,\"time\":1700000000,\"payload\":{\"x\":1},"
                   "\"simulateFailure\":true}");
    assert_int_equal(read_event(world, json, "", &refuses), STATUS_REFUSED);
    assert_int_equal(world->problems.count, 1);
    assert_text(world->problems.items[0].field, "payload.x");
    assert_text(str_from(world->problems.items[0].problem), "is not a field that the mapping takes");
    assert_int_equal(world->problems.unknown_count, 1);
}

/* In a piece of a request nobody would look at it. */
static void test_faults_can_be_refused(void **state)
{
    World *world = *state;
    static const char *const members[] = {"\"simulateFailure\":true", "\"simulateFailure\":null",
                                          "\"foo\":1,\"simulateFailure\":\"after\""};
    RecordPolicy by = warns;
    by.faults_allowed = by.faults_refused = true;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char json[256];
        int len = snprintf(json, sizeof json, "{\"client\":\"A\",\"metric\":\"m\",\"amount\":5,\"time\":1700000000,%s}",
                           members[i]);
        assert_int_equal(read_event(world, (Str){json, (size_t)len}, "", &by), STATUS_REFUSED);
        assert_int_equal(world->problems.count, 1);
        assert_text(world->problems.items[0].field, "simulateFailure");
        assert_text(str_from(world->problems.items[0].problem),
                    "is possible only at the top of a request with a single record or event");
    }
    assert_int_equal(read_event(world,
                                STR("{\"client\":\"A\",\"metric\":\"m\",\"amount\":5,\"time\":1700000000,\"payload\":"
                                    "{\"simulateFailure\":true}}"),
                                "", &by),
                     STATUS_OK);
}

/* So many that not all are listed, and keys longer than any list wants them. */
static void test_many_unknown_fields(void **state)
{
    World *world = *state;
    Buf json;
    buf_init(&json, 1 << 20);
    BUF_PUT(&json, "{\"client\":\"A\",\"metric\":\"m\",\"amount\":5,\"time\":1700000000");
    for (int i = 0; i < 1000; i++) {
        buf_printf(&json, ",\"%03d", i);
        for (int n = 0; n < 100; n++) {
            BUF_PUT(&json, "é");
        }
        BUF_PUT(&json, "\":1");
    }
    BUF_PUT(&json, "}");
    assert_int_equal(read_event(world, buf_str(&json), "", &warns), STATUS_OK);
    assert_int_equal(world->problems.unknown_count, 1000);
    assert_true(str_count_code_points(world->problems.unknown_fields[0]) > 0);
    assert_true(world->problems.unknown_fields[0].len <= 128);
    assert_int_equal(read_event(world, buf_str(&json), "", &refuses), STATUS_REFUSED);
    assert_int_equal(world->problems.unknown_count, 1000);
    assert_int_equal(world->problems.count, RECORD_PROBLEMS_MAX);
    buf_release(&json);
}

static void test_long_extra_field(void **state)
{
    World *world = *state;
    for (size_t len = 4096; len <= 4097; len++) {
        Buf json;
        buf_init(&json, 1 << 14);
        BUF_PUT(&json, "{\"client\":\"acme\",\"lines\":[null,{\"n\":1}],\"at\":1700000000,\"tag\":\" ");
        for (size_t i = 0; i < len; i++) {
            buf_put_char(&json, 'x');
        }
        BUF_PUT(&json, "\"}");
        assert_int_equal(read_event(world, buf_str(&json), "", &warns), len == 4096 ? STATUS_OK : STATUS_REFUSED);
        buf_release(&json);
    }
    assert_text(world->problems.items[0].field, "tag");
    assert_text(str_from(world->problems.items[0].problem), "must have at most 4096 bytes");
}

static void test_scale_is_not_in_the_hash(void **state)
{
    World *world = *state;
    Str json = STR("{\"client\":\"A\",\"metric\":\"m\",\"amount\":1200.5,\"time\":1700000000}");
    const RecordPolicy fine = {.scale = 6}, coarse = {.scale = 0};
    char kept[80];
    assert_int_equal(read_event(world, json, "", &warns), STATUS_OK);
    assert_int_equal(world->event.record.value, 120050);
    snprintf(kept, sizeof kept, "%.*s", STR_ARGS(world->event.record.record_id));
    assert_int_equal(read_event(world, json, "", &fine), STATUS_OK);
    assert_int_equal(world->event.record.value, 1200500000);
    assert_text(world->event.record.record_id, kept);
    assert_int_equal(read_event(world, json, "", &coarse), STATUS_REFUSED);
    assert_text(str_from(world->problems.items[0].problem), "must be a whole number");
    assert_int_equal(
        read_event(world, STR("{\"client\":\"A\",\"metric\":\"m\",\"amount\":1200,\"time\":1700000000}"), "", &coarse),
        STATUS_OK);
    assert_text(world->canonical,
                "[\"weir-event-1\",\"A\",\"m\",\"positive\",\"1200\",\"none\",\"2023-11-14T22:13:20.000000Z\",{}]");
}

/* Whatever allocation is the one too many: nothing is refused for it, and with enough of it all is well. */
static void test_arena_at_its_ceiling(void **state)
{
    World *world = *state;
    Error err;
    yyjson_val *value;
    size_t busy = 0;
    Status status = STATUS_BUSY;
    char text[256 + YYJSON_PADDING_SIZE] =
        "{\"client\":4.2e1,\"metric\":\"m\",\"amount\":5,\"time\":1700000000,\"data\":"
        "{\"a.b\":1,\"c\":2},\"d\":3}";
    assert_int_equal(json_read(text, strlen(text), &world->arena, &value, &err), STATUS_OK);
    for (size_t bytes = 16; status == STATUS_BUSY && bytes < 1 << 16; bytes += 16) {
        Arena small;
        arena_init(&small, 64, bytes);
        status = event_from_json(value, world->mappings, STR(""), &warns, &small, &world->event, &world->problems);
        busy += status == STATUS_BUSY;
        arena_release(&small);
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(world->problems.unknown_count, 3);
    assert_true(busy > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amounts),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_client_of_a_bad_event_is_named),
        cmocka_unit_test(test_unknown_fields_can_be_refused),
        cmocka_unit_test(test_faults_can_be_refused),
        cmocka_unit_test(test_many_unknown_fields),
        cmocka_unit_test(test_long_extra_field),
        cmocka_unit_test(test_scale_is_not_in_the_hash),
        cmocka_unit_test(test_arena_at_its_ceiling),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
