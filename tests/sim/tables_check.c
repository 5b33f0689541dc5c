/* The store's tables of deliveries, held against the oracle's. */
#include <inttypes.h>
#include <stdlib.h>

#include "sim/tables.h"
#include "sim/world.h"

typedef struct Comparing {
    const Tables *right;
    size_t sink;  /* whose retries are read */
    int64_t job;  /* likewise */
    size_t count; /* of the rows that were seen */
    char *difference;
} Comparing;

#define DIFFER(comparing, ...) (snprintf((comparing)->difference, TABLES_TEXT_BYTES, __VA_ARGS__), false)

static bool visit_sink(void *context, const StoredSink *sink)
{
    Comparing *comparing = context;
    size_t at = 0;
    while (at < TABLES_SINKS_MAX && !str_is(sink->name, tables_sink_name(at))) {
        at++;
    }
    const TableSink *right = at < TABLES_SINKS_MAX ? &comparing->right->sinks[at] : NULL;
    comparing->count++;
    if (!right || !right->is_there) {
        return DIFFER(comparing, "there is a sink %.*s", STR_ARGS(sink->name));
    }
    bool same = sink->state == right->state && sink->place.cursor == right->place.cursor &&
                sink->place.sent_seq == right->place.sent_seq && sink->version == right->version;
    return same || DIFFER(comparing,
                          "%.*s has state %d, cursor %" PRId64 ", sent %" PRId64 ", version %" PRId64
                          "; right are %d, %" PRId64 ", %" PRId64 ", %" PRId64,
                          STR_ARGS(sink->name), (int)sink->state, sink->place.cursor, sink->place.sent_seq,
                          sink->version, (int)right->state, right->place.cursor, right->place.sent_seq, right->version);
}

static bool visit_retry(void *context, const StoredRetry *retry)
{
    Comparing *comparing = context;
    const char *name = tables_sink_name(comparing->sink);
    const TableRetry *right = tables_retry(comparing->right, comparing->sink, comparing->job, retry->seq);
    comparing->count++;
    if (!right) {
        return DIFFER(comparing, "%s (replay %" PRId64 ") has a retry of message %" PRId64, name, comparing->job,
                      retry->seq);
    }
    bool same =
        retry->attempts == right->attempts && (right->due_us == TABLES_UNKNOWN || retry->due_us == right->due_us);
    return same ||
           DIFFER(comparing,
                  "%s (replay %" PRId64 "), the retry of message %" PRId64 ": %" PRId64 " attempts, due at %" PRId64
                  "; right are %" PRId64 ", %" PRId64,
                  name, comparing->job, retry->seq, retry->attempts, retry->due_us, right->attempts, right->due_us);
}

static bool is_of_intake(const DeadLetter *letter, const TableLetter *right)
{
    return tables_is_of_intake(right) && letter->stage == DEAD_LETTER_INTAKE &&
           str_equal(letter->origin, TABLES_SOURCE) && str_equal(letter->place, right->place) &&
           str_equal(letter->format, right->format) && str_equal(letter->raw, right->raw);
}

static bool is_of_sink(const DeadLetter *letter, const TableLetter *right)
{
    return tables_is_of_sink(right) && letter->stage == DEAD_LETTER_DELIVERY &&
           str_is(letter->origin, tables_sink_name(right->sink));
}

static bool is_of_job(const DeadLetter *letter, const TableLetter *right)
{
    return right->sink == TABLES_OF_JOBS && letter->stage == DEAD_LETTER_JOB &&
           str_equal(letter->origin, right->batch) && str_equal(letter->place, right->place);
}

static const char *origin_of(const TableLetter *letter)
{
    return tables_is_of_intake(letter) ? "intake" : tables_is_of_sink(letter) ? tables_sink_name(letter->sink) : "jobs";
}

static bool visit_letter(void *context, const DeadLetter *letter)
{
    Comparing *comparing = context;
    const Tables *tables = comparing->right;
    comparing->count++;
    if (letter->id < 1 || (size_t)letter->id > tables->letter_count) {
        return DIFFER(comparing, "there is a dead letter %" PRId64, letter->id);
    }
    const TableLetter *right = &tables->letters[letter->id - 1];
    bool same = (is_of_sink(letter, right) || is_of_intake(letter, right) || is_of_job(letter, right)) &&
                letter->state == right->state && letter->seq == right->seq && letter->attempts == right->attempts &&
                str_equal(letter->error, right->error);
    return same || DIFFER(comparing,
                          "dead letter %" PRId64 " is about message %" PRId64 " of %.*s, %s, after %" PRId64
                          " attempts; right are %" PRId64 " of %s, %s, %" PRId64,
                          letter->id, letter->seq, STR_ARGS(letter->origin), dead_letter_state_names[letter->state],
                          letter->attempts, right->seq, origin_of(right), dead_letter_state_names[right->state],
                          right->attempts);
}

static bool visit_replay(void *context, const StoredReplay *replay)
{
    Comparing *comparing = context;
    const TableReplay *right = tables_replay(comparing->right, replay->id);
    comparing->count++;
    if (!right) {
        return DIFFER(comparing, "there is a replay %" PRId64, replay->id);
    }
    bool same = str_is(replay->sink, tables_sink_name(right->sink)) && replay->after == right->after &&
                replay->through == right->through && str_equal(replay->filter, right->filter) &&
                replay->state == right->state && replay->place.cursor == right->place.cursor &&
                replay->place.sent_seq == right->place.sent_seq && replay->sent == right->sent &&
                replay->failed == right->failed;
    return same || DIFFER(comparing,
                          "replay %" PRId64 " has state %d, cursor %" PRId64 ", %" PRId64 " sent, %" PRId64
                          " failed; right are %d, %" PRId64 ", %" PRId64 ", %" PRId64,
                          replay->id, (int)replay->state, replay->place.cursor, replay->sent, replay->failed,
                          (int)right->state, right->place.cursor, right->sent, right->failed);
}

/* When all rows that are there are right, their number says whether any is missing. */
static bool has_all(Comparing *comparing, size_t right, const char *what)
{
    size_t count = comparing->count;
    comparing->count = 0;
    return count == right || DIFFER(comparing, "there are %zu %s, and should be %zu", count, what, right);
}

static size_t count_retries(const Tables *tables, size_t sink, int64_t job)
{
    size_t count = 0;
    for (size_t i = 0; i < tables->retry_count; i++) {
        count += tables->retries[i].sink == sink && tables->retries[i].job == job;
    }
    return count;
}

static Status compare_retries(StoreReader *reader, Comparing *comparing, size_t sink, int64_t job, Error *reterr)
{
    comparing->sink = sink;
    comparing->job = job;
    Status status = reader_retries(reader, str_from(tables_sink_name(sink)), job, visit_retry, comparing, reterr);
    if (status == STATUS_OK && !comparing->difference[0]) {
        has_all(comparing, count_retries(comparing->right, sink, job), "retries of a line");
    }
    return status;
}

static Status compare_all_retries(StoreReader *reader, Comparing *comparing, Error *reterr)
{
    const Tables *right = comparing->right;
    Status status = STATUS_OK;
    for (size_t i = 0; i < TABLES_SINKS_MAX && status == STATUS_OK && !comparing->difference[0]; i++) {
        if (right->sinks[i].is_there) {
            status = compare_retries(reader, comparing, i, 0, reterr);
        }
    }
    for (size_t i = 0; i < right->replay_count && status == STATUS_OK && !comparing->difference[0]; i++) {
        status = compare_retries(reader, comparing, right->replays[i].sink, (int64_t)i + 1, reterr);
    }
    return status;
}

static Status compare_sinks(StoreReader *reader, Comparing *comparing, Error *reterr)
{
    size_t count = 0;
    for (size_t i = 0; i < TABLES_SINKS_MAX; i++) {
        count += comparing->right->sinks[i].is_there;
    }
    Status status = reader_sinks(reader, visit_sink, comparing, reterr);
    if (status == STATUS_OK && !comparing->difference[0]) {
        has_all(comparing, count, "sinks");
    }
    return status;
}

static Status compare_letters(StoreReader *reader, Comparing *comparing, Error *reterr)
{
    DeadLetterFilter all = DEAD_LETTER_FILTER_ALL;
    Status status = reader_dead_letters(reader, &all, visit_letter, comparing, reterr);
    if (status == STATUS_OK && !comparing->difference[0]) {
        has_all(comparing, comparing->right->letter_count, "dead letters");
    }
    return status;
}

static Status compare_replays(StoreReader *reader, Comparing *comparing, Error *reterr)
{
    Status status = reader_replays(reader, STR(""), visit_replay, comparing, reterr);
    if (status == STATUS_OK && !comparing->difference[0]) {
        has_all(comparing, comparing->right->replay_count, "replays");
    }
    return status;
}

bool tables_check(World *world, StoreReader *reader, char ret_difference[TABLES_TEXT_BYTES])
{
    static Status (*const parts[])(StoreReader *, Comparing *, Error *) = {compare_sinks, compare_letters,
                                                                           compare_replays, compare_all_retries};
    Comparing comparing = {.right = &world->tables, .difference = ret_difference};
    Error error = {0};
    uint64_t struck = faults_struck(world);
    ret_difference[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !ret_difference[0]; i++) {
        if (parts[i](reader, &comparing, &error) != STATUS_OK) {
            faults_check_reading(world, struck, "what is stored of deliveries", STATUS_BROKEN, error.message);
            return true;
        }
    }
    return !ret_difference[0];
}
