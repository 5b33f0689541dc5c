/* What a run's store has, held against what was put and what the other sides were told. */
#include "sim/intake_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What was found; by number of a record, and by message. */
typedef struct Found {
    Run *run;
    uint8_t *records; /* how often */
    uint8_t *letters; /* of this message's place, whatever their bytes and state */
    uint8_t *open;    /* of these, those that are open or tried again and have the message's bytes */
    bool clash_won;
} Found;

static bool see_record(void *context, const StoredRecord *stored)
{
    Found *found = context;
    char text[32];
    snprintf(text, sizeof text, "%.*s", STR_ARGS(stored->record.record_id));
    size_t number = strtoul(text + 4, NULL, 10);
    if (number >= found->run->records || found->records[number]++ > 0) {
        story_failf(&found->run->story, "record %zu is stored twice, or was never handed in", number);
    }
    if (stored->record.value != 100) {
        story_failf(&found->run->story, "record %zu is stored as the one that came later", number);
    }
    return true;
}

static RunMessage *message_at(Run *run, Str origin, Str place, size_t *ret_at)
{
    for (size_t i = 0; i < run->message_count; i++) {
        char text[64];
        RunMessage *message = &run->messages[i];
        const char *name = run->sources[message->source].name;
        snprintf(text, sizeof text, "%s/%zu/%" PRId64, name, message->part, message->offset);
        if (str_is(origin, name) && str_is(place, text)) {
            *ret_at = i;
            return message;
        }
    }
    return NULL;
}

static bool see_letter(void *context, const DeadLetter *letter)
{
    Found *found = context;
    size_t at = 0;
    const RunMessage *message = message_at(found->run, letter->origin, letter->place, &at);
    if (!message || message->kind == RUN_GOOD || message->kind == RUN_AGAIN) {
        story_failf(&found->run->story, "dead letter %" PRId64 " (%.*s) is of no message that is bad", letter->id,
                    STR_ARGS(letter->place));
    }
    bool is_bad = str_equal(letter->raw, RUN_BAD_TEXT), is_open = letter->state <= DEAD_LETTER_RETRYING;
    found->letters[at]++;
    found->open[at] = (uint8_t)(found->open[at] + (is_open && message->kind == RUN_BAD && is_bad));
    if (found->open[at] > 1) {
        story_failf(&found->run->story, "the message %.*s has two dead letters that are open", STR_ARGS(letter->place));
    }
    return true;
}

static void look(Run *run, Found *found)
{
    Error error = {0};
    StoreView *view = NULL;
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.stage = DEAD_LETTER_INTAKE;
    Status status = reader_begin(run->reader, &view, &error);
    if (status == STATUS_OK) {
        status = reader_scan(run->reader, 0, view_bound(view), FIELD_ALL, see_record, found, &error);
    }
    if (status == STATUS_OK) {
        status = reader_dead_letters(run->reader, &filter, see_letter, found, &error);
    }
    if (status != STATUS_OK) {
        story_fail(&run->story, "the store is read", NULL, error.message);
    }
    reader_end(run->reader);
    view_free(view);
}

/* Whether the message has become what it has to become. */
static bool is_kept(const Found *found, size_t at)
{
    const RunMessage *message = &found->run->messages[at];
    bool is_record = message->kind == RUN_GOOD || message->kind == RUN_AGAIN;
    return is_record ? found->records[message->number] == 1 : found->letters[at] > 0;
}

typedef struct PlaceSeen {
    Found *found;
    size_t source;
} PlaceSeen;

static bool see_place(void *context, const SourcePlace *place)
{
    const PlaceSeen *seen = context;
    Run *run = seen->found->run;
    size_t part = (size_t)(place->part.ptr[0] - '0');
    for (size_t i = 0; i < run->message_count; i++) {
        const RunMessage *message = &run->messages[i];
        if (message->source == seen->source && message->part == part && message->offset < place->next &&
            !is_kept(seen->found, i)) {
            story_failf(&run->story, "the place of %s/%zu is %" PRId64 ", and message %" PRId64 " is not in the store",
                        run->sources[seen->source].name, part, place->next, message->offset);
        }
    }
    return true;
}

static void check_places(Run *run, Found *found)
{
    Error error = {0};
    for (size_t i = 0; i < run->source_count; i++) {
        PlaceSeen seen = {found, i};
        StoreView *view = NULL;
        Status status = reader_begin(run->reader, &view, &error);
        if (status == STATUS_OK) {
            status = reader_places(run->reader, str_from(run->sources[i].name), see_place, &seen, &error);
        }
        if (status != STATUS_OK) {
            story_fail(&run->story, "the places are read", NULL, error.message);
        }
        reader_end(run->reader);
        view_free(view);
    }
}

static void check_messages(Run *run, const Found *found, bool is_end)
{
    for (size_t i = 0; i < run->message_count; i++) {
        const RunMessage *message = &run->messages[i];
        FakeOrigin *origin = run->origin[message->source];
        bool told = fake_origin_acknowledged(origin, message->part, message->offset);
        if ((told || is_end) && !is_kept(found, i)) {
            story_failf(&run->story, "the message %s/%zu/%" PRId64 " %s, and is not in the store",
                        run->sources[message->source].name, message->part, message->offset,
                        told ? "was acknowledged" : "was left behind");
        }
    }
}

static void check_told(Run *run, const Found *found)
{
    for (size_t number = 0; number < run->records; number++) {
        if (run->told[number] && found->records[number] != 1) {
            story_failf(&run->story, "a client was told that record %zu is stored, and it is not", number);
        }
    }
}

static bool see_retrying(void *context, const DeadLetter *letter)
{
    *(size_t *)context += letter->state == DEAD_LETTER_RETRYING;
    return true;
}

size_t run_count_retrying(Run *run)
{
    size_t count = 0;
    Error error = {0};
    StoreView *view = NULL;
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.state = DEAD_LETTER_RETRYING;
    Status status = reader_begin(run->reader, &view, &error);
    if (status == STATUS_OK) {
        status = reader_dead_letters(run->reader, &filter, see_retrying, &count, &error);
    }
    if (status != STATUS_OK) {
        story_fail(&run->story, "the dead letters are read", NULL, error.message);
    }
    reader_end(run->reader);
    view_free(view);
    return count;
}

static void on_problem(void *context, const char *text) { story_fail(context, "the store verifies", NULL, text); }

static void check_verifies(Run *run)
{
    VerifyReport report = {0};
    Error error = {0};
    Status status = store_verify(run->reader, on_problem, &run->story, NULL, &report, &error);
    if (status != STATUS_OK) {
        story_fail(&run->story, "the store verifies", NULL, error.message);
    }
}

void run_check(Run *run, bool is_end)
{
    Found found = {.run = run,
                   .records = calloc(run->records + 1, 1),
                   .letters = calloc(run->message_count + 1, 1),
                   .open = calloc(run->message_count + 1, 1)};
    if (!found.records || !found.letters || !found.open) {
        abort();
    }
    look(run, &found);
    check_messages(run, &found, is_end);
    check_told(run, &found);
    check_places(run, &found);
    if (is_end) {
        check_verifies(run);
    }
    free(found.records);
    free(found.letters);
    free(found.open);
}
