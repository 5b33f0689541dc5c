#include "intake/feeder_batch.h"

#include "intake/decode.h"

static IntakeLetter letter_of(const SourceMessage *message, Str error)
{
    return (IntakeLetter){.place = message->place,
                          .format = message->format,
                          .raw = message->raw,
                          .error = error,
                          .letter = message->letter};
}

/* Only a message that is much longer than a group can reach the arena's ceiling, and it would do so each time. Where it is the system that has no
 * memory, another try may go well. */
static Status read_message(SourceGroup *group, const SourceMessage *message, const RecordPolicy *policy,
                           Record *ret_record, Str *ret_why)
{
    group->arena.starved = false;
    Status status = decode_message(message, policy, &group->arena, ret_record, ret_why);
    if (status == STATUS_BUSY && !group->arena.starved) {
        *ret_why = STR("takes more memory to read than a message may");
        return STATUS_REFUSED;
    }
    return status;
}

static Status read_messages(Batch *batch, const RecordPolicy *policy, Record *records, IntakeLetter *letters,
                            IntakeLetter *refused)
{
    size_t record_count = 0, refused_count = 0;
    SourceGroup *group = &batch->group;
    for (size_t i = 0; i < group->count; i++) {
        SourceMessage *message = &group->messages[i];
        Str why = STR("");
        Status status = read_message(group, message, policy, &records[record_count], &why);
        if (status == STATUS_BUSY) {
            return status;
        }
        if (status == STATUS_OK) {
            batch->message_of[record_count] = i;
            letters[record_count++] = letter_of(message, why);
        } else {
            message->error = why;
            refused[refused_count++] = letter_of(message, why);
        }
    }
    batch->submission.work.records.count = record_count;
    batch->intake.refused_count = refused_count;
    return STATUS_OK;
}

Status batch_prepare(Batch *batch, const char *source, const RecordPolicy *policy, bool first_wins, Error *reterr)
{
    SourceGroup *group = &batch->group;
    Record *records = ARENA_ARRAY(&group->arena, Record, group->count);
    Outcome *outcomes = ARENA_ARRAY(&group->arena, Outcome, group->count);
    IntakeLetter *letters = ARENA_ARRAY(&group->arena, IntakeLetter, group->count);
    IntakeLetter *refused = ARENA_ARRAY(&group->arena, IntakeLetter, group->count);
    batch->message_of = ARENA_ARRAY(&group->arena, size_t, group->count);
    batch->submission = (Submission){
        .work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .intake = &batch->intake}},
        .bytes = group->bytes + group->count + 1};
    batch->intake = (IntakeChange){.source = str_from(source),
                                   .places = group->places,
                                   .place_count = group->place_count,
                                   .letters = letters,
                                   .refused = refused,
                                   .first_wins = first_wins};
    if (!records || !outcomes || !letters || !refused || !batch->message_of ||
        read_messages(batch, policy, records, letters, refused) != STATUS_OK) {
        return error_set(reterr, STATUS_BUSY, "no memory for the messages of a group");
    }
    return STATUS_OK;
}

void batch_fill_outcomes(Batch *batch)
{
    const Work *work = &batch->submission.work;
    for (size_t i = 0; i < work->records.count; i++) {
        SourceMessage *message = &batch->group.messages[batch->message_of[i]];
        OutcomeKind kind = work->records.outcomes[i].kind;
        message->outcome = kind == OUTCOME_CONFLICT && batch->intake.first_wins ? OUTCOME_DUPLICATE : kind;
        message->differs = work->records.outcomes[i].differs;
    }
}
