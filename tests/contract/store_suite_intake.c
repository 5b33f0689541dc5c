/* The contract of store.h and intake.h: what goes with records from a source, and dead letters of intake. */
#include "intake_fixture.h"

/* ---- Places ------------------------------------------------------------------------------------------------------ */

static void test_places_move_with_records(void **state)
{
    Fixture *fixture = *state;
    Group *group = group_new("orders");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/0", "{}");
    add_place(group, "in/0", 1, "first");
    add_place(group, "in/1", 7, "");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(group->outcomes[0].kind, OUTCOME_CREATED);
    assert_int_equal(group->change.lettered, 0);
    assert_places(fixture, "orders", "in/0=1:first in/1=7: ");
    assert_places(fixture, "other", "");
    test_free(group);
    /* The one part moves, the other stays; a group may have places alone. Another source's are its own. */
    group = group_new("orders");
    add_place(group, "in/0", 2, "second");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    group->change.source = STR("other");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_places(fixture, "orders", "in/0=2:second in/1=7: ");
    assert_places(fixture, "other", "in/0=2:second ");
    assert_int_equal(store_last_seq(fixture->store), 1);
    test_free(group);
}

static void test_places_are_forgotten(void **state)
{
    Fixture *fixture = *state;
    Group *group = group_new("orders");
    add_place(group, "a", 1, "");
    add_place(group, "b", 2, "");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    group->change.source = STR("other");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    test_free(group);
    Work work = {.kind = WORK_SOURCE_FORGET, .forget = {.source = STR("orders"), .part = STR("a")}};
    assert_int_equal(apply(fixture, &work), STATUS_OK);
    assert_int_equal(work.forget.count, 1);
    assert_places(fixture, "orders", "b=2: ");
    assert_int_equal(apply(fixture, &work), STATUS_OK);
    assert_int_equal(work.forget.count, 0);
    work.forget.part = STR("");
    assert_int_equal(apply(fixture, &work), STATUS_OK);
    assert_int_equal(work.forget.count, 1);
    assert_places(fixture, "orders", "");
    assert_places(fixture, "other", "a=1: b=2: ");
}

/* A batch that fails moves nothing, and makes nothing. */
static void test_nothing_of_a_failed_batch(void **state)
{
    Fixture *fixture = *state;
    fixture_close(fixture);
    fixture->options.dead_letter_bytes_max = room_for(1, 10);
    fixture_open(fixture);
    assert_int_equal(refuse_one(fixture, "in/0/0", STR("12345678"), 0), STATUS_OK);
    int64_t seq = store_last_seq(fixture->store);
    Group *group = group_new("orders");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/1", "{}");
    add_refused(group, "in/0/2", STR("12345678"), "is no record");
    add_place(group, "in/0", 3, "");
    spoil_outcomes(group);
    assert_int_equal(take_in(fixture, group), STATUS_BUSY);
    assert_undecided(group);
    assert_places(fixture, "orders", "");
    assert_int_equal(store_last_seq(fixture->store), seq);
    assert_int_equal(count_letters(fixture), 1);
    /* It comes once more, when there is room. */
    assert_int_equal(change_letters(fixture, by_id(1), DEAD_LETTER_DISCARD, 1), 1);
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(group->outcomes[0].kind, OUTCOME_CREATED);
    assert_places(fixture, "orders", "in/0=3: ");
    test_free(group);
}

typedef struct SeenSources {
    char text[TEXT_BYTES]; /* name=state:reason, a space behind each */
} SeenSources;

static bool see_source(void *context, const StoredSource *source)
{
    SeenSources *seen = context;
    size_t len = strlen(seen->text);
    assert_true(source->updated_us > 0);
    snprintf(seen->text + len, sizeof seen->text - len, "%.*s=%d:%.*s ", STR_ARGS(source->name), (int)source->state,
             STR_ARGS(source->reason));
    return true;
}

static void assert_sources(Fixture *fixture, const char *expected)
{
    SeenSources seen = {0};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_sources(fixture->reader, see_source, &seen, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_string_equal(seen.text, expected);
}

static void set_state(Fixture *fixture, const char *name, SourceState state, const char *reason)
{
    Work work = {.kind = WORK_SOURCE_STATE,
                 .source = {.name = str_from(name), .state = state, .reason = str_from(reason)}};
    assert_int_equal(apply(fixture, &work), STATUS_OK);
}

static void test_states_of_sources(void **state)
{
    Fixture *fixture = *state;
    assert_sources(fixture, "");
    set_state(fixture, "orders", SOURCE_STATE_PAUSED, "too much");
    set_state(fixture, "devices", SOURCE_STATE_PAUSED, "");
    assert_sources(fixture, "devices=1: orders=1:too much ");
    set_state(fixture, "orders", SOURCE_STATE_ACTIVE, "");
    assert_sources(fixture, "devices=1: orders=0: ");
}

/* ---- Dead letters are made --------------------------------------------------------------------------------------- */

static void test_refused_messages_are_dead_letters(void **state)
{
    Fixture *fixture = *state;
    Str raw = {"\xff\0{\"a\"\n", 7};
    Group *group = group_new("orders");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/0", "{}");
    add_refused(group, "in/0/1", raw, "is \"no\" record");
    add_refused(group, "in/0/2", STR(""), "is empty");
    add_record(group, record_of(fixture, "rec-2", 5), "in/0/3", "{}");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_true(group->outcomes[0].kind == OUTCOME_CREATED && group->outcomes[1].kind == OUTCOME_CREATED);
    assert_int_equal(group->change.lettered, 2);
    assert_letter(fixture, 1, DEAD_LETTER_OPEN, 1, "is \"no\" record");
    assert_letter(fixture, 2, DEAD_LETTER_OPEN, 1, "is empty");
    SeenRaw *seen = look_at(fixture, 1);
    assert_true(seen->len == raw.len && memcmp(seen->raw, raw.ptr, raw.len) == 0);
    assert_string_equal(seen->place, "in/0/1");
    assert_string_equal(seen->format, "json");
    assert_string_equal(seen->origin, "orders");
    assert_int_equal(seen->letter.seq, 0);
    assert_true(seen->letter.created_us > 0 && seen->letter.updated_us == seen->letter.created_us);
    test_free(seen);
    assert_int_equal(letter_bytes(fixture), raw.len);
    /* Each is told of, once. */
    SeenMessages messages = look_at_messages(fixture, "dead_letter.created", 0);
    assert_int_equal(messages.count, 2);
    assert_true(messages.seqs[0] == 3 && messages.seqs[1] == 4 && messages.record_seqs[0] == 0);
    const char *begin = "{\"dead_letter\":{\"id\":2,\"stage\":\"intake\",\"source\":\"orders\",\"place\":\"in/0/2\","
                        "\"error\":\"is empty\",\"attempts\":1,\"created\":\"2";
    assert_memory_equal(messages.body, begin, strlen(begin));
    test_free(group);
    assert_verifies(fixture);
}

static void test_conflicts_are_dead_letters(void **state)
{
    Fixture *fixture = *state;
    Group *group = group_new("orders");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/0", "{5}");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/1", "{5}");
    add_record(group, record_of(fixture, "rec-1", 6), "in/0/2", "{6}");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(group->outcomes[0].kind, OUTCOME_CREATED);
    assert_int_equal(group->outcomes[1].kind, OUTCOME_DUPLICATE);
    assert_int_equal(group->outcomes[2].kind, OUTCOME_CONFLICT);
    assert_int_equal(group->change.lettered, 1);
    SeenRaw *seen = look_at(fixture, 1);
    assert_true(seen->len == 3 && memcmp(seen->raw, "{6}", 3) == 0);
    assert_string_equal(seen->place, "in/0/2");
    assert_non_null(strstr(seen->error, "record 1 "));
    assert_non_null(strstr(seen->error, "value"));
    test_free(seen);
    assert_int_equal(look_at_messages(fixture, "dead_letter.created", 0).count, 1);
    test_free(group);
    assert_verifies(fixture);
}

static void test_the_first_wins(void **state)
{
    Fixture *fixture = *state;
    Group *group = group_new("orders");
    group->change.first_wins = true;
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/0", "{5}");
    add_record(group, record_of(fixture, "rec-1", 6), "in/0/1", "{6}");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(group->outcomes[1].kind, OUTCOME_CONFLICT); /* the caller knows what that means for it */
    assert_int_equal(group->change.lettered, 0);
    assert_int_equal(count_letters(fixture), 0);
    test_free(group);
}

/* The same message comes once more, after a crash between the commit and the acknowledgement. */
static void test_redelivery_makes_no_second_letter(void **state)
{
    Fixture *fixture = *state;
    Group *group = group_new("orders");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/0", "{5}");
    add_record(group, record_of(fixture, "rec-1", 6), "in/0/1", "{6}");
    add_refused(group, "in/0/2", STR("x"), "is no record");
    add_place(group, "in/0", 3, "");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    int64_t seq = store_last_seq(fixture->store);
    assert_int_equal(group->change.lettered, 2);
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(group->outcomes[0].kind, OUTCOME_DUPLICATE);
    assert_int_equal(group->change.lettered, 0);
    assert_int_equal(count_letters(fixture), 2);
    assert_int_equal(store_last_seq(fixture->store), seq);
    assert_int_equal(open_letters(fixture), 2);
    /* Also while somebody tries them again. */
    assert_int_equal(retry(fixture, 1, "") + retry(fixture, 2, ""), 2);
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(count_letters(fixture), 2);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_RETRYING);
    /* Other bytes, another place or another source are another message. */
    assert_int_equal(refuse_one(fixture, "in/0/2", STR("y"), 0), STATUS_OK);
    assert_int_equal(refuse_one(fixture, "in/0/3", STR("x"), 0), STATUS_OK);
    group->change.source = STR("other");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(group->change.lettered, 2);
    assert_int_equal(count_letters(fixture), 6);
    test_free(group);
    assert_verifies(fixture);
}

/* ---- And tried again --------------------------------------------------------------------------------------------- */

static void test_a_retry_goes_well(void **state)
{
    Fixture *fixture = *state;
    assert_int_equal(refuse_one(fixture, "in/0/0", STR("{bad}"), 0), STATUS_OK);
    assert_int_equal(refuse_one(fixture, "in/0/1", STR("{bad}"), 0), STATUS_OK);
    assert_int_equal(retry(fixture, 1, "{good}"), 1);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_RETRYING);
    assert_int_equal(open_letters(fixture), 1);
    assert_int_equal(letter_bytes(fixture), 6 + 5);
    SeenRaw *seen = look_at(fixture, 1);
    assert_true(seen->len == 6 && memcmp(seen->raw, "{good}", 6) == 0);
    assert_string_equal(seen->place, "in/0/0");
    test_free(seen);
    assert_int_equal(retry(fixture, 1, "{other}"), 0); /* not twice at a time, nor with other bytes */
    assert_int_equal(letter_bytes(fixture), 6 + 5);
    Group *group = group_new("");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/0", "{good}")->letter = 1;
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(group->outcomes[0].kind, OUTCOME_CREATED);
    assert_int_equal(group->change.lettered, 0);
    assert_letter(fixture, 1, DEAD_LETTER_RESOLVED, 1, "is no record");
    assert_letter(fixture, 2, DEAD_LETTER_OPEN, 1, "is no record");
    assert_int_equal(retry(fixture, 1, ""), 0);
    /* The record was there already: that is as good. */
    assert_int_equal(retry(fixture, 2, ""), 1);
    group->letters[0].letter = 2;
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(group->outcomes[0].kind, OUTCOME_DUPLICATE);
    assert_int_equal(state_of(fixture, 2), DEAD_LETTER_RESOLVED);
    assert_int_equal(open_letters(fixture), 0);
    test_free(group);
    assert_verifies(fixture);
}

static void test_a_retry_fails(void **state)
{
    Fixture *fixture = *state;
    Group *group = group_new("orders");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/0", "{5}");
    add_record(group, record_of(fixture, "rec-1", 6), "in/0/1", "{6}");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    test_free(group);
    assert_int_equal(refuse_one(fixture, "in/0/2", STR("x"), 0), STATUS_OK);
    assert_int_equal(change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_RETRY, 10), 2);
    int64_t seq = store_last_seq(fixture->store);
    group = group_new("");
    add_record(group, record_of(fixture, "rec-1", 6), "in/0/1", "{6}")->letter = 1;
    add_refused(group, "in/0/2", STR("x"), "is still none")->letter = 2;
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(group->change.lettered, 2);
    assert_letter(fixture, 2, DEAD_LETTER_OPEN, 2, "is still none");
    SeenRaw *seen = look_at(fixture, 1);
    assert_true(seen->letter.state == DEAD_LETTER_OPEN && seen->letter.attempts == 2);
    test_free(seen);
    assert_int_equal(store_last_seq(fixture->store), seq); /* nobody is told twice */
    assert_int_equal(count_letters(fixture), 2);
    assert_int_equal(open_letters(fixture), 2);
    /* Handed in once more, since its answer was lost: they are not RETRYING any more, and stay as they are. */
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(group->change.lettered, 0);
    assert_letter(fixture, 2, DEAD_LETTER_OPEN, 2, "is still none");
    assert_int_equal(open_letters(fixture), 2);
    test_free(group);
    assert_verifies(fixture);
}

static void test_a_discarded_letter_stays_so(void **state)
{
    Fixture *fixture = *state;
    assert_int_equal(refuse_one(fixture, "in/0/0", STR("x"), 0), STATUS_OK);
    assert_int_equal(change_letters(fixture, by_id(1), DEAD_LETTER_DISCARD, 1), 1);
    assert_int_equal(open_letters(fixture), 0);
    /* It was on its way when that happened. */
    assert_int_equal(refuse_one(fixture, "in/0/0", STR("x"), 1), STATUS_OK);
    assert_letter(fixture, 1, DEAD_LETTER_DISCARDED, 1, "is no record");
    Group *group = group_new("");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/0", "x")->letter = 1;
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(group->outcomes[0].kind, OUTCOME_CREATED);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_DISCARDED);
    assert_int_equal(open_letters(fixture), 0);
    assert_int_equal(retry(fixture, 1, ""), 0);
    test_free(group);
}

/* Bytes are put with an id alone, and only where they are tried again. */
static void test_retries_by_filter(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "orders", 0);
    for (int i = 0; i < 4; i++) {
        char place[16];
        snprintf(place, sizeof place, "in/0/%d", i);
        assert_int_equal(refuse_one(fixture, place, STR("x"), 0), STATUS_OK);
    }
    die(fixture, "orders", 1, "no", false); /* of the same name, and not of the same stage */
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.stage = DEAD_LETTER_INTAKE;
    Work work = {.kind = WORK_DEAD_LETTERS, .dead_letters = {.filter = filter, .limit = 2, .raw = STR("mended")}};
    assert_int_equal(apply(fixture, &work), STATUS_OK);
    assert_int_equal(work.dead_letters.count, 2); /* the oldest */
    assert_true(state_of(fixture, 1) == DEAD_LETTER_RETRYING && state_of(fixture, 2) == DEAD_LETTER_RETRYING);
    assert_true(state_of(fixture, 3) == DEAD_LETTER_OPEN && state_of(fixture, 5) == DEAD_LETTER_OPEN);
    assert_int_equal(letter_bytes(fixture), 4);
    filter.origin = STR("nobody");
    assert_int_equal(change_letters(fixture, filter, DEAD_LETTER_RETRY, 10), 0);
    /* What the filter does not pick keeps its bytes. */
    work.dead_letters.filter = by_id(3);
    work.dead_letters.filter.origin = STR("nobody");
    assert_int_equal(apply(fixture, &work), STATUS_OK);
    assert_int_equal(work.dead_letters.count, 0);
    assert_int_equal(letter_bytes(fixture), 4);
    /* All stages together: the rest. */
    assert_int_equal(change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_RETRY, 10), 3);
    assert_int_equal(open_letters(fixture), 0);
    assert_int_equal(look_at_retries(fixture, "orders", 0).count, 1);
    assert_verifies(fixture);
}

/* ---- Their room -------------------------------------------------------------------------------------------------- */

static void bound_letters(Fixture *fixture, uint64_t bytes)
{
    fixture_close(fixture);
    fixture->options.dead_letter_bytes_max = bytes;
    fixture_open(fixture);
}

static void test_letters_have_room_for_so_many_bytes(void **state)
{
    Fixture *fixture = *state;
    bound_letters(fixture, room_for(2, 100));
    static const char filler[60] = {'f'};
    Str sixty = {filler, 60}, forty = {filler, 40};
    assert_int_equal(refuse_one(fixture, "in/0/0", sixty, 0), STATUS_OK);
    assert_int_equal(refuse_one(fixture, "in/0/1", forty, 0), STATUS_OK);
    assert_int_equal(letter_bytes(fixture), 100);
    assert_int_equal(refuse_one(fixture, "in/0/2", STR("x"), 0), STATUS_BUSY);
    /* What is no dead letter still goes. */
    Group *group = group_new("orders");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/3", "{}");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    /* Trying them again needs no room, whatever becomes of it. */
    assert_int_equal(retry(fixture, 1, ""), 1);
    assert_int_equal(refuse_one(fixture, "in/0/0", sixty, 1), STATUS_OK);
    assert_letter(fixture, 1, DEAD_LETTER_OPEN, 2, "is no record");
    /* One that is closed goes when its room is needed, and not before. */
    assert_int_equal(change_letters(fixture, by_id(1), DEAD_LETTER_DISCARD, 1), 1);
    assert_int_equal(count_letters(fixture), 2);
    assert_int_equal(refuse_one(fixture, "in/0/4", (Str){filler, 50}, 0), STATUS_OK);
    assert_int_equal(count_letters(fixture), 2);
    assert_int_equal(look_at_letters(fixture, by_id(1), 0).count, 0);
    assert_int_equal(letter_bytes(fixture), 90);
    /* Ids are not used again. */
    assert_int_equal(look_at_letters(fixture, DEAD_LETTER_FILTER_ALL, 0).letters[0].id, 3);
    test_free(group);
}

/* The oldest go first, of both kinds, as many as it takes; and none when that would not be enough. */
static void test_closed_letters_make_room(void **state)
{
    Fixture *fixture = *state;
    bound_letters(fixture, room_for(5, 100));
    static const char filler[2000] = {'f'};
    for (int64_t id = 1; id <= 5; id++) {
        char place[16];
        snprintf(place, sizeof place, "in/0/%d", (int)id);
        assert_int_equal(refuse_one(fixture, place, (Str){filler, 20}, 0), STATUS_OK);
    }
    assert_int_equal(retry(fixture, 3, ""), 1);
    Group *group = group_new("");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/3", "{}")->letter = 3;
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    test_free(group);
    assert_int_equal(change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_DISCARD, 3), 3); /* 1, 2 and 4 */
    assert_int_equal(refuse_one(fixture, "in/1/0", (Str){filler, 20}, 0), STATUS_OK);
    assert_true(look_at_letters(fixture, by_id(1), 0).count == 0 && state_of(fixture, 3) == DEAD_LETTER_RESOLVED);
    size_t too_long = room_for(2, 61); /* with itself, and the two that are open */
    assert_int_equal(refuse_one(fixture, "in/1/1", (Str){filler, too_long}, 0), STATUS_BUSY);
    assert_int_equal(count_letters(fixture), 5);
    assert_int_equal(refuse_one(fixture, "in/1/1", (Str){filler, 21}, 0), STATUS_OK);
    assert_int_equal(count_letters(fixture), 4);
    assert_int_equal(state_of(fixture, 4), DEAD_LETTER_DISCARDED);
    assert_int_equal(letter_bytes(fixture), 81);
    assert_int_equal(open_letters(fixture), 3);
}

static Status refuse_of(Fixture *fixture, const char *source, const char *place, size_t bytes)
{
    static char filler[100];
    Group *group = group_new(source);
    add_refused(group, place, (Str){filler, bytes}, "is no record");
    Status status = take_in(fixture, group);
    test_free(group);
    return status;
}

/* Whoever may post cannot hold up the sources, which have all of it; and what came over HTTP is known after a start,
 * too. */
static void test_clients_have_half_of_the_room(void **state)
{
    Fixture *fixture = *state;
    bound_letters(fixture, room_for(4, 100));
    assert_int_equal(refuse_of(fixture, "events", "bytes:1", 20), STATUS_OK);
    assert_int_equal(refuse_of(fixture, "events", "bytes:2", 20), STATUS_OK);
    if (fixture->factory->keeps) {
        bound_letters(fixture, room_for(4, 100));
    }
    assert_int_equal(refuse_of(fixture, "events", "bytes:3", 1), STATUS_BUSY);
    assert_int_equal(refuse_of(fixture, "orders", "in/0/1", 20), STATUS_OK);
    assert_int_equal(refuse_of(fixture, "orders", "in/0/2", 20), STATUS_OK);
    assert_int_equal(refuse_of(fixture, "orders", "in/0/3", 20), STATUS_BUSY);
    /* What is closed or tried again makes as much room as it had, whoever had it. */
    assert_int_equal(retry(fixture, 1, ""), 1);
    assert_int_equal(refuse_of(fixture, "events", "bytes:3", 1), STATUS_BUSY);
    assert_int_equal(refuse_one(fixture, "bytes:1", STR("x"), 1), STATUS_OK);
    assert_int_equal(change_letters(fixture, by_id(3), DEAD_LETTER_DISCARD, 1), 1);
    assert_int_equal(refuse_of(fixture, "events", "bytes:3", 1), STATUS_BUSY);
    assert_int_equal(change_letters(fixture, by_id(2), DEAD_LETTER_DISCARD, 1), 1);
    assert_int_equal(refuse_of(fixture, "events", "bytes:3", 1), STATUS_OK);
    assert_int_equal(refuse_of(fixture, "orders", "in/0/3", 20), STATUS_OK);
    assert_verifies(fixture);
}

/* A source is not held up for ever by one message. */
static void test_one_that_is_longer_than_the_room(void **state)
{
    Fixture *fixture = *state;
    bound_letters(fixture, room_for(1, 100));
    static const char filler[200] = {'f'};
    assert_int_equal(refuse_one(fixture, "in/0/0", (Str){filler, 10}, 0), STATUS_OK);
    assert_int_equal(refuse_one(fixture, "in/0/1", (Str){filler, 200}, 0), STATUS_BUSY);
    assert_int_equal(change_letters(fixture, by_id(1), DEAD_LETTER_DISCARD, 1), 1);
    assert_int_equal(refuse_one(fixture, "in/0/1", (Str){filler, 200}, 0), STATUS_OK);
    assert_int_equal(letter_bytes(fixture), 200);
    assert_int_equal(refuse_one(fixture, "in/0/2", STR("x"), 0), STATUS_BUSY);
}

/* Where it came from takes room as its bytes do, … */
static void test_the_place_of_a_letter_counts(void **state)
{
    Fixture *fixture = *state;
    static const char place[] = "a/place/that/is/much/longer/than/the/others/0";
    bound_letters(fixture, room_for(2, 100));
    assert_int_equal(refuse_one(fixture, place, STR("x"), 0), STATUS_OK);
    assert_int_equal(letter_bytes(fixture), 1);
    assert_int_equal(refuse_one(fixture, "in/0/1", STR("x"), 0), STATUS_BUSY);
    assert_verifies(fixture);
}

/* … and so does why it is none, also when that is another reason later. */
static void test_the_reason_of_a_letter_counts(void **state)
{
    Fixture *fixture = *state;
    char why[400];
    memset(why, 'w', sizeof why - 1);
    why[sizeof why - 1] = '\0';
    bound_letters(fixture, room_for(2, 100));
    assert_int_equal(refuse_one(fixture, "in/0/0", STR("x"), 0), STATUS_OK);
    assert_int_equal(retry(fixture, 1, "yy"), 1);
    assert_int_equal(letter_bytes(fixture), 2);
    Group *group = group_new("");
    add_refused(group, "in/0/0", STR("yy"), why)->letter = 1;
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(letter_bytes(fixture), 2);
    test_free(group);
    assert_int_equal(refuse_one(fixture, "in/0/1", STR("x"), 0), STATUS_BUSY);
    assert_verifies(fixture);
}

/* A reason and a place of any length leave room for the notice. What is cut is no half of a character. */
static void test_texts_of_letters_are_cut(void **state)
{
    Fixture *fixture = *state;
    enum { LONG = 20000 };
    char *text = test_malloc(LONG + 1);
    memset(text, 1, LONG); /* six bytes each in JSON */
    memcpy(text + DEAD_LETTER_ERROR_BYTES_MAX - 1, "\xC3\xA9", 2);
    text[LONG] = '\0';
    Group *group = group_new("orders");
    add_refused(group, text, STR("x"), text);
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(take_in(fixture, group), STATUS_OK); /* the same one */
    SeenLetters seen = look_at_letters(fixture, by_id(1), 0);
    assert_int_equal(seen.letters[0].attempts, 2);
    assert_int_equal(seen.letters[0].error.len, DEAD_LETTER_ERROR_BYTES_MAX - 1);
    assert_int_equal(seen.letters[0].place.len, DEAD_LETTER_PLACE_BYTES_MAX);
    assert_int_equal(letter_bytes(fixture), 1);
    assert_int_equal(look_at_messages(fixture, "dead_letter.created", 0).count, 1);
    test_free(group);
    test_free(text);
    assert_verifies(fixture);
}

static void test_letters_of_a_place(void **state)
{
    Fixture *fixture = *state;
    for (int i = 0; i < 4; i++) { /* bytes of another length are another letter, of the same place */
        assert_int_equal(refuse_one(fixture, i < 3 ? "in/0/7" : "in/0/70", (Str){"xyzv", (size_t)i + 1}, 0), STATUS_OK);
    }
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.origin = STR("orders");
    filter.place = STR("in/0/7");
    SeenLetters seen = look_at_letters(fixture, filter, 0);
    assert_int_equal(seen.count, 3);
    filter.before = 3;
    seen = look_at_letters(fixture, filter, 0);
    assert_true(seen.count == 2 && seen.letters[0].id == 2 && seen.letters[1].id == 1);
    filter.origin = STR("others");
    assert_int_equal(look_at_letters(fixture, filter, 0).count, 0);
    filter.origin = STR("orders");
    filter.place = STR("in/0");
    assert_int_equal(look_at_letters(fixture, filter, 0).count, 0);
}

/* ---- Kept -------------------------------------------------------------------------------------------------------- */

static void test_all_of_it_is_kept(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    Group *group = group_new("orders");
    add_record(group, record_of(fixture, "rec-1", 5), "in/0/0", "{}");
    add_refused(group, "in/0/1", STR("four"), "is no record");
    add_place(group, "in/0", 2, "mark");
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    set_state(fixture, "orders", SOURCE_STATE_PAUSED, "why");
    fixture_close(fixture);
    fixture_open(fixture);
    assert_places(fixture, "orders", "in/0=2:mark ");
    assert_sources(fixture, "orders=1:why ");
    assert_int_equal(letter_bytes(fixture), 4);
    assert_int_equal(open_letters(fixture), 1);
    assert_int_equal(take_in(fixture, group), STATUS_OK);
    assert_int_equal(count_letters(fixture), 1);
    test_free(group);
    assert_verifies(fixture);
}

int store_suite_run_intake(const StoreFactory *factory)
{
    fixture_use(factory);
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_places_move_with_records),
        STORE_TEST(test_places_are_forgotten),
        STORE_TEST(test_nothing_of_a_failed_batch),
        STORE_TEST(test_states_of_sources),
        STORE_TEST(test_refused_messages_are_dead_letters),
        STORE_TEST(test_conflicts_are_dead_letters),
        STORE_TEST(test_the_first_wins),
        STORE_TEST(test_redelivery_makes_no_second_letter),
        STORE_TEST(test_a_retry_goes_well),
        STORE_TEST(test_a_retry_fails),
        STORE_TEST(test_a_discarded_letter_stays_so),
        STORE_TEST(test_retries_by_filter),
        STORE_TEST(test_letters_have_room_for_so_many_bytes),
        STORE_TEST(test_closed_letters_make_room),
        STORE_TEST(test_clients_have_half_of_the_room),
        STORE_TEST(test_one_that_is_longer_than_the_room),
        STORE_TEST(test_the_place_of_a_letter_counts),
        STORE_TEST(test_the_reason_of_a_letter_counts),
        STORE_TEST(test_texts_of_letters_are_cut),
        STORE_TEST(test_letters_of_a_place),
        STORE_TEST(test_all_of_it_is_kept),
    };
    return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
