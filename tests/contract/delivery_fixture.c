#include "delivery_fixture.h"

/* ---- Doing ------------------------------------------------------------------------------------------------------- */

Status apply(Fixture *fixture, Work *work)
{
    Error error = {0};
    Status status = store_apply(fixture->store, work, &error);
    if (status != STATUS_OK) {
        print_error("%s\n", error.message);
    }
    assert_int_equal(status, STATUS_OK);
    return work->status;
}

void put_sink(Fixture *fixture, const char *name, int64_t cursor)
{
    Work work = {.kind = WORK_SINK_PUT, .sink = {.name = str_from(name), .place = {cursor, 0}}};
    assert_int_equal(apply(fixture, &work), STATUS_OK);
}

Status deliver(Fixture *fixture, DeliveryChange change)
{
    Work work = {.kind = WORK_DELIVERY, .delivery = change};
    return apply(fixture, &work);
}

/* A dead letter of the sink's live line, whose place stays what it is in these tests: 0. */
size_t die(Fixture *fixture, const char *sink, int64_t seq, const char *error, bool announce)
{
    DeadLetter dead = {.seq = seq, .error = str_from(error), .attempts = 10};
    DeliveryChange change = {.sink = str_from(sink),
                             .settled = &seq,
                             .settled_count = 1,
                             .dead = &dead,
                             .dead_count = 1,
                             .announce = announce};
    Work work = {.kind = WORK_DELIVERY, .delivery = change};
    assert_int_equal(apply(fixture, &work), STATUS_OK);
    return work.delivery.dead_made;
}

void settle(Fixture *fixture, const char *sink, int64_t seq)
{
    DeliveryChange change = {.sink = str_from(sink), .settled = &seq, .settled_count = 1};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
}

size_t change_letters(Fixture *fixture, DeadLetterFilter filter, DeadLetterAction action, size_t limit)
{
    Work work = {.kind = WORK_DEAD_LETTERS, .dead_letters = {.filter = filter, .action = action, .limit = limit}};
    assert_int_equal(apply(fixture, &work), STATUS_OK);
    return work.dead_letters.count;
}

int64_t put_replay(Fixture *fixture, const char *sink, int64_t after, int64_t through)
{
    Work work = {.kind = WORK_REPLAY_PUT,
                 .replay = {.sink = str_from(sink), .after = after, .through = through, .filter = STR("{}")}};
    assert_int_equal(apply(fixture, &work), STATUS_OK);
    return work.replay.id;
}

/* ---- Looking ----------------------------------------------------------------------------------------------------- */

static bool see_sink(void *context, const StoredSink *sink)
{
    SeenSink *seen = context;
    size_t len = strlen(seen->names);
    snprintf(seen->names + len, sizeof seen->names - len, "%.*s ", STR_ARGS(sink->name));
    if (str_equal(sink->name, seen->wanted)) {
        seen->found = true;
        seen->sink = *sink;
        snprintf(seen->reason, sizeof seen->reason, "%.*s", STR_ARGS(sink->reason));
    }
    return true;
}

SeenSink look_at_sink(Fixture *fixture, const char *name)
{
    SeenSink seen = {.wanted = str_from(name)};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_sinks(fixture->reader, see_sink, &seen, &error), STATUS_OK);
    fixture_end(fixture, view);
    return seen;
}

int64_t version_of(Fixture *fixture, const char *sink) { return look_at_sink(fixture, sink).sink.version; }

static bool see_retry(void *context, const StoredRetry *retry)
{
    SeenRetries *seen = context;
    if (seen->count < SEEN_MAX) {
        seen->retries[seen->count] = *retry;
    }
    seen->count++;
    return true;
}

SeenRetries look_at_retries(Fixture *fixture, const char *sink, int64_t job)
{
    SeenRetries seen = {0};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_retries(fixture->reader, str_from(sink), job, see_retry, &seen, &error), STATUS_OK);
    fixture_end(fixture, view);
    return seen;
}

static bool see_letter(void *context, const DeadLetter *letter)
{
    SeenLetters *seen = context;
    assert_true(seen->count < SEEN_MAX);
    seen->letters[seen->count++] = *letter;
    snprintf(seen->origin, sizeof seen->origin, "%.*s", STR_ARGS(letter->origin));
    snprintf(seen->error, sizeof seen->error, "%.*s", STR_ARGS(letter->error));
    return !seen->limit || seen->count < seen->limit;
}

SeenLetters look_at_letters(Fixture *fixture, DeadLetterFilter filter, size_t limit)
{
    SeenLetters seen = {.limit = limit};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_dead_letters(fixture->reader, &filter, see_letter, &seen, &error), STATUS_OK);
    fixture_end(fixture, view);
    return seen;
}

DeadLetterState state_of(Fixture *fixture, int64_t id)
{
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.id = id;
    SeenLetters seen = look_at_letters(fixture, filter, 0);
    assert_int_equal(seen.count, 1);
    return seen.letters[0].state;
}

int64_t open_letters(Fixture *fixture)
{
    StoreMetrics metrics = {0};
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.state = DEAD_LETTER_OPEN;
    store_metrics(fixture->store, &metrics);
    assert_int_equal(metrics.dead_letters_open, look_at_letters(fixture, filter, 0).count);
    return metrics.dead_letters_open;
}

static bool see_message(void *context, const StoredMessage *message)
{
    SeenMessages *seen = context;
    assert_true(seen->count < SEEN_MAX);
    seen->kinds[seen->count] = message->kind.ptr[0];
    seen->seqs[seen->count] = message->seq;
    seen->record_seqs[seen->count++] = message->record_seq;
    snprintf(seen->body, sizeof seen->body, "%.*s", STR_ARGS(message->body));
    return true;
}

SeenMessages look_at_messages(Fixture *fixture, const char *kind, int64_t after)
{
    SeenMessages seen = {0};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_messages(fixture->reader, str_from(kind), after, see_message, &seen, &error), STATUS_OK);
    fixture_end(fixture, view);
    return seen;
}

static bool see_attempt(void *context, const StoredAttempt *attempt)
{
    SeenAttempts *seen = context;
    assert_true(seen->count < SEEN_MAX);
    seen->attempts[seen->count++] = *attempt;
    snprintf(seen->last, sizeof seen->last, "%.*s|%.*s|%.*s", STR_ARGS(attempt->sink), STR_ARGS(attempt->error),
             STR_ARGS(attempt->response));
    return true;
}

SeenAttempts look_at_attempts(Fixture *fixture, int64_t seq)
{
    SeenAttempts seen = {0};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_attempts(fixture->reader, seq, see_attempt, &seen, &error), STATUS_OK);
    fixture_end(fixture, view);
    return seen;
}

static bool see_replay(void *context, const StoredReplay *replay)
{
    SeenReplays *seen = context;
    assert_true(seen->count < SEEN_MAX);
    seen->replays[seen->count++] = *replay;
    snprintf(seen->last, sizeof seen->last, "%.*s|%.*s", STR_ARGS(replay->sink), STR_ARGS(replay->filter));
    return true;
}

SeenReplays look_at_replays(Fixture *fixture, const char *sink)
{
    SeenReplays seen = {0};
    Error error = {0};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_replays(fixture->reader, str_from(sink), see_replay, &seen, &error), STATUS_OK);
    fixture_end(fixture, view);
    return seen;
}
