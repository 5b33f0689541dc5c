#include "intake/feeder_batch.h"

#include "intake/decode.h"
#include "record/event_letter.h"

static IntakeLetter letter_of(const SourceMessage *message, Str error)
{
    return (IntakeLetter){.place = message->place,
                          .format = message->format,
                          .raw = message->raw,
                          .error = error,
                          .letter = message->letter};
}

/* Which one its messages ask for; empty: whichever fits. */
static Str mapping_of(const SourceOptions *source)
{
    return strcmp(source->mapping, SOURCE_MAPPING_AUTO) == 0 ? (Str){NULL, 0} : str_from(source->mapping);
}

/* Its messages are events when the source has a mapping, or, of dead letters that are tried again, when the first of
 * them is one: then all are. */
static bool has_events(const Batch *batch, const SourceOptions *source)
{
    Str mapping;
    return source->mapping || (batch->group.count > 0 && event_format_parse(batch->group.messages[0].format, &mapping));
}

static Status read_event(SourceGroup *group, SourceMessage *message, const IntakeOptions *options, Record *ret_record,
                         EventItem *item, Str *ret_why)
{
    Str mapping;
    if (!event_format_parse(message->format, &mapping)) {
        mapping = (Str){NULL, 0};
    }
    item->received_us = clock_wall_us(options->clock);
    Status status =
        decode_event(message, options->mappings, mapping, options->policy, &group->arena, ret_record, item, ret_why);
    item->normalised_us = item->hashed_us = clock_wall_us(options->clock);
    return status;
}

/* Only a message that is much longer than a group can reach the arena's ceiling, and it would do so each time. Where it
 * is the system that has no memory, for the arena or beside it, another try may go well. */
static Status read_message(Batch *batch, SourceMessage *message, const IntakeOptions *options, Record *ret_record,
                           EventItem *item, Str *ret_why)
{
    SourceGroup *group = &batch->group;
    group->arena.starved = group->arena.full = false;
    Status status = batch->items ? read_event(group, message, options, ret_record, item, ret_why)
                                 : decode_message(message, options->policy, &group->arena, ret_record, ret_why);
    if (status == STATUS_BUSY && group->arena.full && !group->arena.starved) {
        *ret_why = STR("takes more memory to read than a message may");
        return STATUS_REFUSED;
    }
    return status;
}

static Status read_messages(Batch *batch, const IntakeOptions *options, Record *records)
{
    size_t record_count = 0, refused_count = 0;
    SourceGroup *group = &batch->group;
    for (size_t i = 0; i < group->count; i++) {
        SourceMessage *message = &group->messages[i];
        EventItem item = {0};
        Str why = STR("");
        Status status = read_message(batch, message, options, &records[record_count], &item, &why);
        if (status == STATUS_BUSY) {
            return status;
        }
        bool taken = status == STATUS_OK;
        if (batch->items) {
            *(taken ? &batch->items[record_count] : &batch->failed[refused_count]) = item;
        }
        if (taken) {
            batch->message_of[record_count] = i;
            batch->letters[record_count++] = letter_of(message, why);
        } else {
            message->error = why;
            batch->refused[refused_count++] = letter_of(message, why);
        }
    }
    batch->submission.work.records.count = record_count;
    batch->intake.refused_count = batch->events.failed_count = refused_count;
    return STATUS_OK;
}

/* As their dead letters are to be read when they are tried again. A line of CSV is an event that cannot be read, and
 * its letter one of an event: what takes the place of its bytes will be JSON. */
static Status mark_events(Batch *batch, const SourceOptions *source)
{
    SourceGroup *group = &batch->group;
    Str format = event_letter_format(source->mapping ? mapping_of(source) : (Str){NULL, 0}, &group->arena);
    batch->items = ARENA_ARRAY(&group->arena, EventItem, group->count);
    batch->failed = ARENA_ARRAY(&group->arena, EventItem, group->count);
    batch->events = (EventChange){.items = batch->items, .failed = batch->failed};
    batch->submission.work.records.events = &batch->events;
    for (size_t i = 0; i < group->count && source->mapping; i++) {
        SourceMessage *message = &group->messages[i];
        if (str_equal(message->format, SOURCE_FORMAT_CSV) && message->refused.len == 0) {
            message->refused = STR("is a line of CSV: events are read from JSON alone");
        }
        message->format = format;
    }
    return format.ptr && batch->items && batch->failed ? STATUS_OK : STATUS_BUSY;
}

static Status no_memory(Error *reterr)
{
    return error_set(reterr, STATUS_BUSY, "no memory for the messages of a group");
}

Status batch_prepare(Batch *batch, const SourceOptions *source, const IntakeOptions *options, Error *reterr)
{
    SourceGroup *group = &batch->group;
    Record *records = ARENA_ARRAY(&group->arena, Record, group->count);
    Outcome *outcomes = ARENA_ARRAY(&group->arena, Outcome, group->count);
    batch->items = batch->failed = NULL;
    batch->letters = ARENA_ARRAY(&group->arena, IntakeLetter, group->count);
    batch->refused = ARENA_ARRAY(&group->arena, IntakeLetter, group->count);
    batch->message_of = ARENA_ARRAY(&group->arena, size_t, group->count);
    batch->submission = (Submission){
        .work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .intake = &batch->intake}},
        .bytes = group->bytes + group->count + 1};
    batch->intake = (IntakeChange){.source = str_from(source->name),
                                   .places = group->places,
                                   .place_count = group->place_count,
                                   .letters = batch->letters,
                                   .refused = batch->refused,
                                   .first_wins = options->first_wins};
    if (!records || !outcomes || !batch->letters || !batch->refused || !batch->message_of ||
        (has_events(batch, source) && mark_events(batch, source) != STATUS_OK)) {
        return no_memory(reterr);
    }
    return read_messages(batch, options, records) == STATUS_OK ? STATUS_OK : no_memory(reterr);
}

void batch_fill_outcomes(Batch *batch)
{
    const Work *work = &batch->submission.work;
    for (size_t i = 0; i < work->records.count; i++) {
        SourceMessage *message = &batch->group.messages[batch->message_of[i]];
        OutcomeKind kind = work->records.outcomes[i].kind;
        message->outcome =
            kind == OUTCOME_CONFLICT && (batch->intake.first_wins || batch->items) ? OUTCOME_DUPLICATE : kind;
        message->differs = work->records.outcomes[i].differs;
    }
}
