#include "intake_fixture.h"

#include <stdlib.h>

/* ---- Doing and looking ------------------------------------------------------------------------------------------- */

Group *group_new(const char *source)
{
    Group *group = test_calloc(1, sizeof *group);
    group->change = (IntakeChange){
        .source = str_from(source), .places = group->places, .letters = group->letters, .refused = group->refused};
    return group;
}

IntakeLetter *add_record(Group *group, Record record, const char *place, const char *raw)
{
    assert_true(group->count < GROUP_MAX);
    IntakeLetter *letter = &group->letters[group->count];
    *letter = (IntakeLetter){.place = str_from(place), .format = STR("json"), .raw = str_from(raw)};
    group->records[group->count++] = record;
    return letter;
}

IntakeLetter *add_refused(Group *group, const char *place, Str raw, const char *error)
{
    assert_true(group->change.refused_count < GROUP_MAX);
    IntakeLetter *letter = &group->refused[group->change.refused_count++];
    *letter = (IntakeLetter){.place = str_from(place), .format = STR("json"), .raw = raw, .error = str_from(error)};
    return letter;
}

void add_place(Group *group, const char *part, int64_t next, const char *mark)
{
    assert_true(group->change.place_count < GROUP_MAX);
    group->places[group->change.place_count++] =
        (SourcePlace){.part = str_from(part), .next = next, .mark = str_from(mark)};
}

void spoil_outcomes(Group *group) { memset(group->outcomes, 0x5a, sizeof group->outcomes); }

void assert_undecided(const Group *group)
{
    assert_true(group->count > 0);
    for (size_t i = 0; i < group->count; i++) {
        assert_int_equal(group->outcomes[i].kind, OUTCOME_NONE);
    }
}

/* The group is left as it is, so that it can come again. */
Status take_in(Fixture *fixture, Group *group)
{
    Work work = {
        .kind = WORK_RECORDS,
        .records = {
            .items = group->records, .outcomes = group->outcomes, .count = group->count, .intake = &group->change}};
    return apply(fixture, &work);
}

/* One refused message, and nothing else. */
Status refuse_one(Fixture *fixture, const char *place, Str raw, int64_t letter)
{
    Group *group = group_new("orders");
    add_refused(group, place, raw, "is no record")->letter = letter;
    Status status = take_in(fixture, group);
    test_free(group);
    return status;
}

Record record_of(const Fixture *fixture, const char *id, int64_t value)
{
    return fixture_record(fixture, id, "dest-1", value, RECORD_POSITIVE, 1);
}

typedef struct SeenPlaces {
    size_t count;
    char text[TEXT_BYTES]; /* part=next:mark, a space behind each */
} SeenPlaces;

static bool see_place(void *context, const SourcePlace *place)
{
    SeenPlaces *seen = context;
    size_t len = strlen(seen->text);
    snprintf(seen->text + len, sizeof seen->text - len, "%.*s=%d:%.*s ", STR_ARGS(place->part), (int)place->next,
             STR_ARGS(place->mark));
    seen->count++;
    return true;
}

void assert_places(Fixture *fixture, const char *source, const char *expected)
{
    SeenPlaces seen = {0};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_places(fixture->reader, str_from(source), see_place, &seen, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_string_equal(seen.text, expected);
}

static bool see_raw(void *context, const DeadLetter *letter)
{
    SeenRaw *seen = context;
    seen->count++;
    seen->letter = *letter;
    seen->len = letter->raw.len;
    assert_true(letter->raw.len <= sizeof seen->raw);
    assert_int_equal(letter->raw_bytes, letter->raw.len);
    memcpy(seen->raw, letter->raw.len ? letter->raw.ptr : "", letter->raw.len);
    snprintf(seen->place, sizeof seen->place, "%.*s", STR_ARGS(letter->place));
    snprintf(seen->format, sizeof seen->format, "%.*s", STR_ARGS(letter->format));
    snprintf(seen->error, sizeof seen->error, "%.*s", STR_ARGS(letter->error));
    snprintf(seen->origin, sizeof seen->origin, "%.*s", STR_ARGS(letter->origin));
    return true;
}

DeadLetterFilter by_id(int64_t id)
{
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.id = id;
    return filter;
}

SeenRaw *look_at(Fixture *fixture, int64_t id)
{
    SeenRaw *seen = test_calloc(1, sizeof *seen);
    Error error = {0};
    DeadLetterFilter filter = by_id(id);
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_dead_letters(fixture->reader, &filter, see_raw, seen, &error), STATUS_OK);
    fixture_end(fixture, view);
    return seen;
}

void assert_letter(Fixture *fixture, int64_t id, DeadLetterState state, int64_t attempts, const char *error)
{
    SeenRaw *seen = look_at(fixture, id);
    assert_int_equal(seen->count, 1);
    assert_int_equal(seen->letter.stage, DEAD_LETTER_INTAKE);
    assert_int_equal(seen->letter.state, state);
    assert_int_equal(seen->letter.attempts, attempts);
    assert_string_equal(seen->error, error);
    test_free(seen);
}

size_t count_letters(Fixture *fixture) { return look_at_letters(fixture, DEAD_LETTER_FILTER_ALL, 0).count; }

uint64_t letter_bytes(Fixture *fixture)
{
    StoreMetrics metrics = {0};
    uint64_t bytes = 0, raws = 0;
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.stage = DEAD_LETTER_INTAKE;
    store_metrics(fixture->store, &metrics);
    SeenLetters seen = look_at_letters(fixture, filter, 0);
    for (size_t i = 0; i < seen.count; i++) {
        bytes += (uint64_t)dead_letter_bytes(&seen.letters[i]);
        raws += seen.letters[i].raw.len;
    }
    assert_int_equal(metrics.dead_letter_bytes, bytes);
    open_letters(fixture);
    return raws;
}

uint64_t room_for(size_t letters, size_t raw_bytes)
{
    DeadLetter one = {
        .origin = STR("orders"), .place = STR("in/0/0"), .format = STR("json"), .error = STR("is no record")};
    return letters * (uint64_t)dead_letter_bytes(&one) + raw_bytes;
}

size_t retry(Fixture *fixture, int64_t id, const char *raw)
{
    Work work = {.kind = WORK_DEAD_LETTERS,
                 .dead_letters = {.filter = by_id(id), .action = DEAD_LETTER_RETRY, .limit = 10}};
    work.dead_letters.raw = str_from(raw);
    assert_int_equal(apply(fixture, &work), STATUS_OK);
    return work.dead_letters.count;
}
