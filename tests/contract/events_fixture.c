#include "events_fixture.h"

#include <stdlib.h>

enum { RECEIVED_US = 1000, STEP_US = 10 };

Events *events_new(void)
{
    Events *events = test_calloc(1, sizeof *events);
    events->group = group_new("events");
    events->change = (EventChange){.items = events->items, .failed = events->failed};
    events->work = (Work){
        .kind = WORK_RECORDS,
        .records = {.items = events->group->records, .outcomes = events->group->outcomes, .events = &events->change}};
    return events;
}

void events_free(Events *events)
{
    test_free(events->group);
    test_free(events);
}

EventItem *add_event(Fixture *fixture, Events *events, const char *id, const char *client, const char *raw,
                     int64_t value)
{
    EventItem *item = &events->items[events->group->count];
    int64_t received_us = RECEIVED_US + STEP_US * (int64_t)events->group->count;
    add_record(events->group, record_of(fixture, id, value), id, raw);
    *item = (EventItem){.client = str_from(client),
                        .raw = str_from(raw),
                        .mapping = STR("builtin"),
                        .received_us = received_us,
                        .normalised_us = received_us + 1,
                        .hashed_us = received_us + 2};
    events->work.records.count = events->group->count;
    return item;
}

void add_failed(Events *events, const char *client, int64_t received_us)
{
    assert_true(events->change.failed_count < GROUP_MAX);
    events->failed[events->change.failed_count++] = (EventItem){.client = str_from(client), .received_us = received_us};
}

Status hand_in(Fixture *fixture, Events *events) { return apply(fixture, &events->work); }

Outcome send_event(Fixture *fixture, const char *id, const char *client, const char *raw, int64_t value)
{
    Events *events = events_new();
    add_event(fixture, events, id, client, raw, value);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    Outcome outcome = events->group->outcomes[0];
    events_free(events);
    return outcome;
}

Outcome send_raw(Fixture *fixture, const char *id, const char *raw) { return send_event(fixture, id, "shop", raw, 1); }

EventItem *add_correction(Fixture *fixture, Events *events, const char *id, int64_t seq, const char *alias)
{
    EventItem *item = add_event(fixture, events, id, "shop", "", 2);
    item->corrects = seq;
    item->replaces = alias[0] != '\0';
    item->alias = str_from(alias);
    return item;
}

void make_one_piece(Events *events) { events->work.records.atomic = events->work.records.quiet = true; }

void correct_as(Fixture *fixture, const char *first, const char *second, int64_t seq, const char *alias, int64_t holder)
{
    Events *events = events_new();
    add_correction(fixture, events, first, seq, "");
    add_correction(fixture, events, second, seq, alias)->holder = holder;
    make_one_piece(events);
    assert_int_equal(hand_in(fixture, events), STATUS_OK);
    assert_int_equal(events->group->outcomes[1].kind, OUTCOME_CREATED);
    events_free(events);
}

void correct(Fixture *fixture, const char *first, const char *second, int64_t seq, const char *alias)
{
    correct_as(fixture, first, second, seq, alias, 0);
}

void assert_created(Outcome outcome, int64_t seq)
{
    assert_int_equal(outcome.kind, OUTCOME_CREATED);
    assert_int_equal(outcome.seq, seq);
}

void assert_known(Outcome outcome, int64_t seq)
{
    assert_true(outcome.kind == OUTCOME_DUPLICATE || outcome.kind == OUTCOME_CONFLICT);
    assert_int_equal(outcome.seq, seq);
}

/* ---- Looking ----------------------------------------------------------------------------------------------------- */

static void put(char text[TEXT_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(char text[TEXT_BYTES], const char *format, ...)
{
    size_t len = strlen(text);
    va_list args;
    va_start(args, format);
    int put = vsnprintf(text + len, TEXT_BYTES - len, format, args);
    va_end(args);
    assert_true(put > 0 && len + (size_t)put < TEXT_BYTES);
}

static bool see_event(void *context, const StoredEvent *event)
{
    SeenEvents *seen = context;
    seen->count++;
    seen->last = *event;
    put(seen->text, "%d:%.*s:%.*s*%d ", (int)event->seq, STR_ARGS(event->mapping), STR_ARGS(event->raw),
        (int)event->attempts);
    return !seen->limit || seen->count < seen->limit;
}

SeenEvents look_at_events(Fixture *fixture, int64_t after, int64_t through, size_t limit)
{
    SeenEvents seen = {.limit = limit};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_events(fixture->reader, after, through, see_event, &seen, &error), STATUS_OK);
    fixture_end(fixture, view);
    return seen;
}

Status look_at_event(Fixture *fixture, int64_t seq, SeenEvents *ret_seen)
{
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    *ret_seen = (SeenEvents){0};
    Status status = reader_event(fixture->reader, seq, see_event, ret_seen, &error);
    fixture_end(fixture, view);
    assert_int_equal(ret_seen->count, status == STATUS_OK);
    return status;
}

void assert_events(Fixture *fixture, const char *expected)
{
    assert_string_equal(look_at_events(fixture, 0, INT64_MAX, 0).text, expected);
}

static bool see_attempt(void *context, const EventAttempt *attempt)
{
    put(context, "%s%d:%d#%d ", attempt->differs ? "!" : "", (int)attempt->id, (int)attempt->seq, (int)attempt->number);
    return true;
}

void assert_attempts(Fixture *fixture, EventAttemptFilter filter, const char *expected)
{
    char text[TEXT_BYTES] = "";
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_event_attempts(fixture->reader, &filter, see_attempt, text, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_string_equal(text, expected);
}

static bool see_duplicate(void *context, const StoredDuplicate *duplicate)
{
    put(context, "%d:%.*s:%.*s ", (int)duplicate->id, STR_ARGS(duplicate->mapping), STR_ARGS(duplicate->raw));
    return true;
}

void assert_duplicates(Fixture *fixture, int64_t seq, int64_t after, const char *expected)
{
    char text[TEXT_BYTES] = "";
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_event_duplicates(fixture->reader, seq, after, see_duplicate, text, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_string_equal(text, expected);
}

static bool see_client(void *context, const EventClient *client)
{
    assert_int_equal(client->received, client->processed + client->duplicates + client->failed);
    put(context, "%.*s=%d/%d/%d ", STR_ARGS(client->client), (int)client->processed, (int)client->duplicates,
        (int)client->failed);
    return true;
}

void assert_clients(Fixture *fixture, const char *expected)
{
    char text[TEXT_BYTES] = "";
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_event_clients(fixture->reader, see_client, text, &error), STATUS_OK);
    fixture_end(fixture, view);
    assert_string_equal(text, expected);
}
