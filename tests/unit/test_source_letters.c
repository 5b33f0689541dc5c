/* Dead letters of intake as a source, and what the feeder makes of those of events, on the fake store. */
#include "intake/source_letters.h"

#include <stdlib.h>

#include "intake/feeder.h"
#include "record/event_letter.h"
#include "support/feeder_world.h"
#include "unit.h"

enum { LETTERS_GROUP_MAX = 8 };

#define LOOSE(amount) "{\"client\":\"c\",\"metric\":\"m\",\"amount\":" amount ",\"time\":1700000000}"
#define RECORD(id)                                                                                                     \
    "{\"recordId\":\"" id "\",\"time\":\"2025-01-01T10:00:00Z\",\"sourceId\":\"s\",\"destinationId\":\"d\","           \
    "\"type\":\"positive\",\"value\":\"1\",\"unit\":\"EUR\",\"reference\":\"r\"}"

typedef struct Letters {
    Store *store;
    ManualClock manual;
    Clock clock;
    SourceOptions options;
    Source *source;
    SourceGroup group;
} Letters;

static const StoreInfo info = {.hash_seed = 7, .epoch = 1, .scale = 2};

static int setup(void **state)
{
    Letters *letters = test_calloc(1, sizeof *letters);
    Error error = {0};
    letters->store = fake_store_new(&info);
    letters->manual = (ManualClock){.wall_us = SECOND_US, .monotonic_us = SECOND_US};
    letters->clock = manual_clock(&letters->manual);
    fake_store_use_clock(letters->store, &letters->clock);
    letters->options = (SourceOptions){.name = "", .group_messages_max = LETTERS_GROUP_MAX};
    const SourceContext context = {.options = &letters->options, .info = &info, .clock = &letters->clock};
    assert_int_equal(source_letters_open(letters->store, &context, &letters->source, &error), STATUS_OK);
    assert_int_equal(letters->source->ops->connect(letters->source, NULL, 0, &error), STATUS_OK);
    source_group_init(&letters->group, LETTERS_GROUP_MAX);
    *state = letters;
    return 0;
}

static int teardown(void **state)
{
    Letters *letters = *state;
    source_close(letters->source);
    source_group_release(&letters->group);
    fake_store_free(letters->store);
    test_free(letters);
    return 0;
}

static void apply(Store *store, Work *work)
{
    Error error = {0};
    assert_int_equal(store_apply(store, work, &error), STATUS_OK);
    assert_int_equal(work->status, STATUS_OK);
}

static void put_letter(Store *store, const char *source, const char *format, const char *raw)
{
    const IntakeLetter letter = {
        .place = str_from(raw), .format = str_from(format), .raw = str_from(raw), .error = STR("is wrong")};
    IntakeChange intake = {.source = str_from(source), .refused = &letter, .refused_count = 1};
    Work work = {.kind = WORK_RECORDS, .records = {.intake = &intake}};
    apply(store, &work);
}

static void retry(Store *store, int64_t id, const char *raw)
{
    Work work = {
        .kind = WORK_DEAD_LETTERS,
        .dead_letters = {
            .filter = DEAD_LETTER_FILTER_ALL, .action = DEAD_LETTER_RETRY, .limit = 100, .raw = str_from(raw)}};
    work.dead_letters.filter.id = id;
    apply(store, &work);
}

static size_t fetch(Letters *letters)
{
    Error error = {0};
    source_group_reset(&letters->group);
    assert_int_equal(letters->source->ops->fetch(letters->source, &letters->group, &error), STATUS_OK);
    return letters->group.count;
}

static void test_only_what_is_tried_again(void **state)
{
    Letters *letters = *state;
    put_letter(letters->store, "events", "event:shop", "1");
    put_letter(letters->store, "orders", "json", "2");
    assert_int_equal(fetch(letters), 0);
    retry(letters->store, 1, "");
    assert_int_equal(fetch(letters), 1);
    const SourceMessage *message = &letters->group.messages[0];
    assert_text(message->raw, "1");
    assert_text(message->format, "event:shop");
    assert_int_equal(message->letter, 1);
}

/* What is under way is still there: nothing comes until it is acknowledged. */
static void test_one_group_at_a_time(void **state)
{
    Letters *letters = *state;
    Error error = {0};
    put_letter(letters->store, "events", "event", "1");
    retry(letters->store, 0, "");
    assert_int_equal(fetch(letters), 1);
    assert_int_equal(fetch(letters), 0);
    assert_int_equal(letters->source->ops->acknowledge(letters->source, &letters->group, &error), STATUS_OK);
    assert_int_equal(fetch(letters), 1);
    assert_int_equal(letters->source->ops->connect(letters->source, NULL, 0, &error), STATUS_OK);
    assert_int_equal(fetch(letters), 1);
}

/* It would wait for ever, and everything behind it: it is open again at once, with what to do about it. */
static void test_one_that_no_group_holds(void **state)
{
    Letters *letters = *state;
    size_t bytes = (size_t)SOURCE_MESSAGE_BYTES_MAX + 1;
    char *raw = calloc(1, bytes);
    assert_non_null(raw);
    const IntakeLetter letter = {
        .place = STR("bytes:1"), .format = STR("event"), .raw = {raw, bytes}, .error = STR("is wrong")};
    IntakeChange intake = {.source = STR("events"), .refused = &letter, .refused_count = 1};
    Work work = {.kind = WORK_RECORDS, .records = {.intake = &intake}};
    apply(letters->store, &work);
    put_letter(letters->store, "events", "event", "1");
    retry(letters->store, 0, "");
    assert_int_equal(fetch(letters), 2);
    assert_int_equal(letters->group.messages[1].letter, 1);
    assert_int_equal(letters->group.messages[1].raw.len, 0);
    assert_true(str_starts_with(letters->group.messages[1].refused, STR("is too long to be tried again")));
    free(raw);
}

/* A group is of events, whatever their mappings, or of records. */
static void test_groups_are_of_a_kind(void **state)
{
    static const char *const formats[] = {"event", "event:shop", "json", "csv", "event", "json"};
    Letters *letters = *state;
    char raw[] = "0";
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++, raw[0]++) {
        put_letter(letters->store, "events", formats[i], raw);
    }
    retry(letters->store, 0, "");
    assert_int_equal(fetch(letters), 1); /* the newest first */
    assert_text(letters->group.messages[0].raw, "5");
}

static void test_the_store_cannot_be_read(void **state)
{
    Letters *letters = *state;
    Error error = {0};
    put_letter(letters->store, "events", "event", "1");
    retry(letters->store, 0, "");
    fake_store_fail(letters->store, STATUS_BUSY);
    source_group_reset(&letters->group);
    assert_int_equal(letters->source->ops->fetch(letters->source, &letters->group, &error), STATUS_BUSY);
    fake_store_fail(letters->store, STATUS_OK);
    assert_int_equal(fetch(letters), 1);
}

/* ---- What becomes of them ---------------------------------------------------------------------------------------- */

typedef struct Seen {
    char text[256]; /* id:state:attempts of each, a space behind each */
} Seen;

static bool see_letter(void *context, const DeadLetter *letter)
{
    Seen *seen = context;
    size_t len = strlen(seen->text);
    snprintf(seen->text + len, sizeof seen->text - len, "%d:%s:%d ", (int)letter->id,
             dead_letter_state_names[letter->state], (int)letter->attempts);
    return true;
}

static void assert_letters(World *world, const char *expected)
{
    Seen seen = {""};
    Error error = {0};
    const DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    assert_int_equal(reader_dead_letters(fake_store_reader(world->store), &filter, see_letter, &seen, &error),
                     STATUS_OK);
    assert_string_equal(seen.text, expected);
}

static bool see_client(void *context, const EventClient *client)
{
    Seen *seen = context;
    size_t len = strlen(seen->text);
    snprintf(seen->text + len, sizeof seen->text - len, "%.*s=%d/%d/%d ", STR_ARGS(client->client),
             (int)client->processed, (int)client->duplicates, (int)client->failed);
    return true;
}

static void assert_clients(World *world, const char *expected)
{
    Seen seen = {""};
    Error error = {0};
    assert_int_equal(reader_event_clients(fake_store_reader(world->store), see_client, &seen, &error), STATUS_OK);
    assert_string_equal(seen.text, expected);
}

static MappingSet *mappings;

/* A world whose feeder reads dead letters. */
static int setup_world(void **state)
{
    Error error = {0};
    assert_int_equal(world_setup_queue(state), 0);
    World *world = *state;
    assert_int_equal(mapping_set_new(NULL, 0, &mappings, &error), STATUS_OK);
    feeder_close(world->feeder);
    world->options.mappings = mappings;
    world->source.name = "";
    assert_int_equal(
        feeder_open(&world->options, &world->source, source_letters_open, world->store, &world->feeder, &error),
        STATUS_OK);
    return 0;
}

static int teardown_world(void **state)
{
    int failed = world_teardown(state);
    mapping_set_free(mappings);
    return failed;
}

static void settle(World *world)
{
    feeder_look(world->feeder);
    world_run_for(world, 2 * SECOND_US);
}

static void test_events_that_are_mended(void **state)
{
    World *world = *state;
    put_letter(world->store, "events", "event", LOOSE("\"much\""));
    put_letter(world->store, "events", "event:gone", LOOSE("2"));
    put_letter(world->store, "orders", "json", RECORD("r"));
    put_letter(world->store, "events", "event:builtin", LOOSE("3"));
    retry(world->store, 0, "");
    settle(world);
    /* One whose mapping is gone is read as if none had been asked for. */
    assert_letters(world, "4:resolved:1 3:resolved:1 2:resolved:1 1:open:2 ");
    assert_int_equal(world_stored(world), 3);
    assert_clients(world, "c=2/0/1 "); /* records are not among them */
    retry(world->store, 1, LOOSE("3.0"));
    settle(world);
    assert_letters(world, "4:resolved:1 3:resolved:1 2:resolved:1 1:resolved:2 ");
    assert_int_equal(world_stored(world), 3);
    assert_clients(world, "c=2/1/1 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_what_is_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_group_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_no_group_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups_are_of_a_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_store_cannot_be_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events_that_are_mended, setup_world, teardown_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
