#include "http/event_set.h"

#include "record/cloudevents.h"
#include "record/event_letter.h"

enum {
    /* Names of fields are cut, and so are reasons; a mapping has a few dozen numbers at most that are spelt out, and an
     * arena wastes the ends of chunks. */
    NAME_BYTES = 160,
    TEXT_BYTES_MAX = (RECORD_PROBLEMS_MAX + RECORD_WARNINGS_MAX) * NAME_BYTES +
                     (EVENT_PART_COUNT + MAPPING_PATHS_MAX) * 64 + DEAD_LETTER_ERROR_BYTES_MAX + 4 * NAME_BYTES,
    /* The canonical form of one, when it has the most that is told apart by. */
    SCRATCH_BYTES_MAX = 4 << 20,
    STORED_ID_BYTES_MAX = 4 * RECORD_TEXT_CODE_POINTS_MAX,
};

size_t event_set_bytes_max(size_t count)
{
    const size_t stored = sizeof(StoredRecord) + STORED_ID_BYTES_MAX;
    const size_t each = 2 * (sizeof(EventItem) + sizeof(IntakeLetter)) + (stored + TEXT_BYTES_MAX) / 3 * 4;
    return SCRATCH_BYTES_MAX + count * each;
}

bool event_set_init(EventSet *set, const HttpServerOptions *options, Arena *arena, Str mapping, size_t max)
{
    *set = (EventSet){.options = options, .policy = *options->policy, .arena = arena, .mapping = mapping, .max = max};
    return event_set_reset(set);
}

bool event_set_reset(EventSet *set)
{
    set->items = ARENA_ARRAY(set->arena, EventItem, set->max);
    set->failed = ARENA_ARRAY(set->arena, EventItem, set->max);
    set->letters = ARENA_ARRAY(set->arena, IntakeLetter, set->max);
    set->refused = ARENA_ARRAY(set->arena, IntakeLetter, set->max);
    set->format = event_letter_format(set->mapping, set->arena);
    set->count = set->failed_count = 0;
    return set->format.ptr && set->items && set->failed && set->letters && set->refused;
}

static Status add_failed(EventSet *set, Str client, Str raw, int64_t received_us, const RecordProblems *problems)
{
    Str why, place = event_letter_place(raw, set->mapping, set->arena);
    if (!place.ptr || record_problems_say(problems, DEAD_LETTER_ERROR_BYTES_MAX, set->arena, &why) != STATUS_OK) {
        return STATUS_BUSY;
    }
    set->refused[set->failed_count] = (IntakeLetter){.place = place, .format = set->format, .raw = raw, .error = why};
    int64_t now_us = clock_wall_us(set->options->clock);
    set->failed[set->failed_count++] = (EventItem){
        .client = client, .raw = raw, .received_us = received_us, .normalised_us = now_us, .hashed_us = now_us};
    return STATUS_OK;
}

Status event_set_refuse(EventSet *set, Str raw, int64_t received_us, const RecordProblems *problems)
{
    return add_failed(set, (Str){NULL, 0}, raw, received_us, problems);
}

/* Should the processor refuse it, it becomes a dead letter, too. */
static Status add_event(EventSet *set, const Event *event, Str raw, int64_t received_us)
{
    int64_t now_us = clock_wall_us(set->options->clock);
    Str place = event_letter_place_of_record(event->record.record_id, set->mapping, set->arena);
    if (!place.ptr) {
        return STATUS_BUSY;
    }
    set->letters[set->count] = (IntakeLetter){.place = place, .format = set->format, .raw = raw};
    set->items[set->count++] = (EventItem){.client = event->record.source_id,
                                           .raw = raw,
                                           .mapping = event->mapping->name,
                                           .asked = set->mapping.len > 0,
                                           .received_us = received_us,
                                           .normalised_us = now_us,
                                           .hashed_us = now_us};
    return STATUS_OK;
}

/* What stands in an envelope asks for no failure: the envelope may. */
static Status open_event(EventSet *set, yyjson_val **value, Str *raw, RecordPolicy *policy, RecordProblems *problems)
{
    Str traceparent = {NULL, 0};
    if (set->opened || !yyjson_obj_get(*value, "specversion")) {
        return STATUS_OK;
    }
    Status status = cloudevent_open(*value, policy, value, &traceparent, problems);
    policy->faults_refused = true;
    if (status == STATUS_OK) {
        *raw = json_write(*value, set->arena);
        status = raw->ptr ? STATUS_OK : STATUS_BUSY;
    }
    problems->record_id = (Str){NULL, 0};
    return status;
}

Status event_set_read(EventSet *set, yyjson_val *value, Str raw, int64_t received_us, Record *ret_record,
                      RecordProblems *problems)
{
    Event event;
    RecordPolicy policy = set->policy;
    Status status = open_event(set, &value, &raw, &policy, problems);
    if (status == STATUS_OK) {
        status = event_from_json(value, set->options->mappings, set->mapping, &policy, set->arena, &event, problems);
    }
    if (status == STATUS_REFUSED) {
        status = add_failed(set, problems->record_id, raw, received_us, problems);
        problems->record_id = (Str){NULL, 0};
        return status == STATUS_OK ? STATUS_REFUSED : status;
    }
    if (status == STATUS_OK) {
        *ret_record = event.record;
        status = add_event(set, &event, raw, received_us);
    }
    return status;
}

void event_set_attach(EventSet *set, Work *work)
{
    set->events = (EventChange){.items = set->items, .failed = set->failed, .failed_count = set->failed_count};
    set->intake = (IntakeChange){.source = EVENT_LETTER_SOURCE,
                                 .letters = set->letters,
                                 .refused = set->refused,
                                 .refused_count = set->failed_count,
                                 .first_wins = true};
    work->records.events = &set->events;
    if (!work->records.stored) {
        work->records.stored = set->arena;
        work->records.stored_ids = true;
    }
    work->records.intake = work->records.dry_run ? NULL : &set->intake;
}
