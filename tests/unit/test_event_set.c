/* The events of a call: what goes with their records, and what with those that are none. */
#include "http/event_set.h"

#include "record/record_check.h"
#include "support/handles.h"
#include "unit.h"

static const RecordPolicy policy = {.scale = 2, .identity = IDENTITY_RECORD_ID, .hash_seed = 5};

#define GOOD  "{\"client\":\"c\",\"metric\":\"m\",\"amount\":5,\"time\":1700000000}"
#define BAD   "{\"client\":\"c\",\"metric\":\"m\"}"
#define WHOLE "{\"metric\":\"m\"}"

enum { EVENTS_MAX = 8 };

typedef struct Fixture {
    ManualClock manual;
    Clock clock;
    MappingSet *mappings;
    HttpServerOptions options;
    Arena arena;
    EventSet set;
    Record record;
    RecordProblems problems;
} Fixture;

static int setup(void **state)
{
    Fixture *fixture = test_calloc(1, sizeof *fixture);
    Error error = {0};
    assert_int_equal(mapping_set_new(NULL, 0, &fixture->mappings, &error), STATUS_OK);
    fixture->manual = (ManualClock){.wall_us = 2000, .monotonic_us = 1};
    fixture->clock = manual_clock(&fixture->manual);
    fixture->options = http_server_options_default();
    fixture->options.policy = &policy;
    fixture->options.mappings = fixture->mappings;
    fixture->options.clock = &fixture->clock;
    arena_init(&fixture->arena, 4 << 10, 1 << 20);
    assert_true(event_set_init(&fixture->set, &fixture->options, &fixture->arena, (Str){NULL, 0}, EVENTS_MAX));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    arena_release(&fixture->arena);
    mapping_set_free(fixture->mappings);
    test_free(fixture);
    return 0;
}

static Status read_event(Fixture *fixture, const char *text, int64_t received_us)
{
    yyjson_val *value = NULL;
    Error error = {0};
    Str raw = str_from(text);
    char *copy = arena_alloc_zero(&fixture->arena, raw.len + YYJSON_PADDING_SIZE);
    assert_non_null(copy);
    memcpy(copy, raw.ptr, raw.len);
    assert_int_equal(json_read(copy, raw.len, &fixture->arena, &value, &error), STATUS_OK);
    record_problems_reset(&fixture->problems);
    return event_set_read(&fixture->set, value, raw, received_us, &fixture->record, &fixture->problems);
}

static void test_an_event(void **state)
{
    Fixture *fixture = *state;
    const EventSet *set = &fixture->set;
    assert_int_equal(read_event(fixture, GOOD, 1500), STATUS_OK);
    assert_true(fixture->record.value == 500 && str_is(fixture->record.source_id, "c"));
    assert_true(set->count == 1 && set->failed_count == 0);
    const EventItem *item = &set->items[0];
    assert_text(item->client, "c");
    assert_text(item->raw, GOOD);
    assert_text(item->mapping, "builtin");
    assert_true(item->received_us == 1500 && item->normalised_us == 2000 && item->hashed_us == 2000);
    assert_true(item->corrects == 0 && item->alias.len == 0);
    /* Should the processor refuse it: by its id, not by its bytes. */
    assert_true(str_equal(set->letters[0].place, fixture->record.record_id));
    assert_text(set->letters[0].format, "event");
    assert_text(set->letters[0].raw, GOOD);
}

static void test_what_is_none(void **state)
{
    Fixture *fixture = *state;
    const EventSet *set = &fixture->set;
    assert_int_equal(read_event(fixture, BAD, 1500), STATUS_REFUSED);
    assert_int_equal(fixture->problems.count, 2);
    assert_int_equal(fixture->problems.record_id.len, 0);
    assert_int_equal(read_event(fixture, WHOLE, 1501), STATUS_REFUSED);
    assert_int_equal(event_set_refuse(&fixture->set, STR("{"), 1502, &fixture->problems), STATUS_OK);
    assert_true(set->count == 0 && set->failed_count == 3);
    assert_text(set->failed[0].client, "c");
    assert_text(set->failed[1].client, "");
    assert_text(set->failed[2].client, "");
    assert_true(set->failed[0].received_us == 1500 && set->failed[2].received_us == 1502);
    assert_text(set->refused[0].raw, BAD);
    assert_text(set->refused[2].raw, "{");
    assert_text(set->refused[0].format, "event");
    assert_true(str_starts_with(set->refused[0].error, STR("amount is missing")));
    assert_true(str_starts_with(set->refused[1].error, STR("client is missing")));
    assert_text(set->refused[2].place, "bytes:021fb596db81e6d02bf3d2586ee3981fe519f275c0ac9ca76bbcf2ebb4097d96");
    /* The same bytes are the same letter. */
    assert_int_equal(read_event(fixture, BAD, 1503), STATUS_REFUSED);
    assert_true(str_equal(set->refused[0].place, set->refused[3].place));
}

static void test_what_goes_with_the_work(void **state)
{
    Fixture *fixture = *state;
    assert_int_equal(read_event(fixture, GOOD, 1), STATUS_OK);
    assert_int_equal(read_event(fixture, BAD, 2), STATUS_REFUSED);
    Work work = {.kind = WORK_RECORDS, .records = {.items = &fixture->record, .count = 1}};
    event_set_attach(&fixture->set, &work);
    const EventChange *events = work.records.events;
    const IntakeChange *intake = work.records.intake;
    assert_ptr_equal(events->items, fixture->set.items);
    assert_ptr_equal(events->failed, fixture->set.failed);
    assert_int_equal(events->failed_count, 1);
    assert_text(intake->source, "events");
    assert_int_equal(intake->refused_count, 1);
    assert_int_equal(intake->place_count, 0);
    assert_true(intake->first_wins);
    /* A dry run leaves no dead letters. */
    work = (Work){.kind = WORK_RECORDS, .records = {.dry_run = true}};
    event_set_attach(&fixture->set, &work);
    assert_null(work.records.intake);
    assert_non_null(work.records.events);
}

static void test_used_again(void **state)
{
    Fixture *fixture = *state;
    assert_int_equal(read_event(fixture, GOOD, 1), STATUS_OK);
    assert_int_equal(read_event(fixture, BAD, 2), STATUS_REFUSED);
    arena_reset(&fixture->arena);
    assert_true(event_set_reset(&fixture->set));
    assert_true(fixture->set.count == 0 && fixture->set.failed_count == 0);
    for (int i = 0; i < EVENTS_MAX; i++) {
        assert_int_equal(read_event(fixture, i % 2 ? GOOD : BAD, i), i % 2 ? STATUS_OK : STATUS_REFUSED);
    }
    assert_true(fixture->set.count == EVENTS_MAX / 2 && fixture->set.failed_count == EVENTS_MAX / 2);
}

/* The same bytes, by another mapping: other letters, of what can be read and of what cannot. */
static void test_by_a_mapping(void **state)
{
    Fixture *fixture = *state;
    Str places[2][2];
    for (int i = 0; i < 2; i++) {
        Str mapping = i ? STR("builtin") : STR("");
        assert_true(event_set_init(&fixture->set, &fixture->options, &fixture->arena, mapping, EVENTS_MAX));
        assert_int_equal(read_event(fixture, GOOD, 1), STATUS_OK);
        assert_int_equal(read_event(fixture, BAD, 1), STATUS_REFUSED);
        places[i][0] = fixture->set.letters[0].place;
        places[i][1] = fixture->set.refused[0].place;
    }
    for (int i = 0; i < 2; i++) {
        const char *expected = arena_printf(&fixture->arena, "%.*s?mapping=builtin", STR_ARGS(places[0][i]));
        assert_text(places[1][i], expected);
    }
    assert_text(fixture->set.refused[0].format, "event:builtin");
}

static void test_no_memory(void **state)
{
    Fixture *fixture = *state;
    EventSet set;
    Arena arena;
    arena_init(&arena, 64, 64);
    assert_false(event_set_init(&set, &fixture->options, &arena, (Str){NULL, 0}, EVENTS_MAX));
    arena_release(&arena);
    /* Room for the set alone: an event that is refused for want of memory is no dead letter. */
    enum { SET_BYTES = EVENTS_MAX * (2 * sizeof(EventItem) + 2 * sizeof(IntakeLetter)) + 64 };
    arena_init(&arena, SET_BYTES, SET_BYTES);
    assert_true(event_set_init(&set, &fixture->options, &arena, (Str){NULL, 0}, EVENTS_MAX));
    record_problems_reset(&fixture->problems);
    record_problems_add(&fixture->problems, STR("event"), "is not valid");
    assert_int_equal(event_set_refuse(&set, STR("{"), 1, &fixture->problems), STATUS_BUSY);
    assert_int_equal(set.failed_count, 0);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_goes_with_the_work, setup, teardown),
        cmocka_unit_test_setup_teardown(test_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_by_a_mapping, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
