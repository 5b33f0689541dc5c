#include "intake/decode.h"

#include "record/cloudevents.h"
#include "record/event.h"
#include "record/traceparent.h"

static Status say(Arena *arena, Str text, Str *ret_why)
{
    *ret_why = arena_copy(arena, text);
    return ret_why->ptr ? STATUS_REFUSED : STATUS_BUSY;
}

/* `what` is not even JSON. */
static Status say_unreadable(Arena *arena, const char *what, const Error *error, Str *ret_why)
{
    const char *why = arena_printf(arena, "%s %s", what, error->message);
    if (why) {
        *ret_why = str_from(why);
    }
    return why ? STATUS_REFUSED : STATUS_BUSY;
}

static Status say_problems(Arena *arena, const RecordProblems *problems, Str *ret_why)
{
    Status status = record_problems_say(problems, DEAD_LETTER_ERROR_BYTES_MAX, arena, ret_why);
    return status == STATUS_OK ? STATUS_REFUSED : status;
}

/* Its attributes are few: what has none of this name is no CloudEvent. */
static bool may_be_cloudevent(Str text)
{
    static const char name[] = "\"specversion\"";
    return text.len > sizeof name && memmem(text.ptr, text.len, name, sizeof name - 1) != NULL;
}

/* What is around an event is no part of it: its bytes are those of the data then. */
static Status open_event(const SourceMessage *message, const RecordPolicy *policy, Arena *arena, yyjson_val **root,
                         EventItem *item, Str *ret_traceparent, RecordProblems *problems)
{
    item->raw = message->raw;
    if (!yyjson_obj_get(*root, "specversion")) {
        return STATUS_OK;
    }
    Status status = cloudevent_open(*root, policy, root, ret_traceparent, problems);
    if (status == STATUS_OK) {
        item->raw = json_write(*root, arena);
        status = item->raw.ptr ? STATUS_OK : STATUS_BUSY;
    }
    return status;
}

static Status read_event(const SourceMessage *message, yyjson_val *root, const MappingSet *mappings, Str asked,
                         const RecordPolicy *policy, Arena *arena, Record *ret_record, EventItem *item, Str *ret_why)
{
    RecordProblems problems = {0};
    Str traceparent = {0};
    Event event;
    Status status = open_event(message, policy, arena, &root, item, &traceparent, &problems);
    if (status == STATUS_OK) {
        status = event_from_json(root, mappings, asked, policy, arena, &event, &problems);
        item->client = status == STATUS_OK ? event.record.source_id : problems.record_id;
    }
    if (status == STATUS_OK) {
        *ret_record = event.record;
        ret_record->traceparent = traceparent_check(traceparent.len ? traceparent : message->traceparent);
        item->mapping = event.mapping->name;
        item->asked = asked.len > 0;
    }
    return status == STATUS_REFUSED ? say_problems(arena, &problems, ret_why) : status;
}

static Status read_tree(char *text, size_t len, const RecordPolicy *policy, Arena *arena, Record *ret_record,
                        Str *ret_why)
{
    RecordProblems problems = {0};
    Str traceparent = {0};
    yyjson_val *root = NULL;
    Error error;
    Status status = json_read(text, len, arena, &root, &error);
    if (status != STATUS_OK) {
        return status == STATUS_REFUSED ? say_unreadable(arena, "the record", &error, ret_why) : STATUS_BUSY;
    }
    if (yyjson_obj_get(root, "specversion")) {
        status = cloudevent_open(root, policy, &root, &traceparent, &problems);
    }
    if (status == STATUS_OK) {
        status = record_from_json(root, policy, ret_record, &problems);
    }
    if (status == STATUS_OK) {
        ret_record->traceparent = traceparent_check(traceparent);
    }
    return status == STATUS_REFUSED ? say_problems(arena, &problems, ret_why) : status;
}

static Status read_json(char *text, size_t len, const RecordPolicy *policy, Arena *arena, Record *ret_record,
                        Str *ret_why)
{
    RecordProblems problems = {0};
    if (may_be_cloudevent((Str){text, len})) {
        return read_tree(text, len, policy, arena, ret_record, ret_why);
    }
    Status status = record_parse_line(text, len, policy, arena, ret_record, &problems);
    return status == STATUS_REFUSED ? say_problems(arena, &problems, ret_why) : status;
}

static Status read_csv(Str text, const RecordPolicy *policy, Arena *arena, Record *ret_record, Str *ret_why)
{
    RecordProblems problems = {0};
    Str cells[CSV_COLUMNS_MAX];
    size_t count = 0;
    CsvHeader header;
    Error error;
    Status status = csv_line_split(&text, true, cells, &count, &error);
    if (status == STATUS_OK) {
        status = csv_header_parse(cells, count, policy, &header, &error);
    }
    if (status == STATUS_OK) {
        status = csv_line_split(&text, true, cells, &count, &error);
    }
    if (status == STATUS_OK && str_trim(text).len > 0) {
        status = error_set(&error, STATUS_REFUSED, "has more than one line behind the header");
    }
    if (status != STATUS_OK) {
        return say(arena, str_from(error.message), ret_why);
    }
    status = record_from_csv(cells, count, &header, policy, ret_record, &problems);
    return status == STATUS_REFUSED ? say_problems(arena, &problems, ret_why) : status;
}

/* Nobody would look at one that a message asks for. */
static RecordPolicy refusing_faults(const RecordPolicy *policy)
{
    RecordPolicy strict = *policy;
    strict.faults_refused = true;
    return strict;
}

/* A copy that parsing may change, padded as it asks. */
static char *copy_to_parse(Arena *arena, Str raw)
{
    char *text = arena_alloc(arena, raw.len + YYJSON_PADDING_SIZE);
    if (text) {
        memcpy(text, raw.ptr, raw.len);
        memset(text + raw.len, 0, YYJSON_PADDING_SIZE);
    }
    return text;
}

Status decode_message(const SourceMessage *message, const RecordPolicy *policy, Arena *arena, Record *ret_record,
                      Str *ret_why)
{
    if (message->refused.len || message->raw.len == 0) {
        return say(arena, message->refused.len ? message->refused : STR("is empty"), ret_why);
    }
    char *text = copy_to_parse(arena, message->raw);
    if (!text) {
        return STATUS_BUSY;
    }
    const RecordPolicy strict = refusing_faults(policy);
    Status status = str_equal(message->format, SOURCE_FORMAT_CSV)
                        ? read_csv((Str){text, message->raw.len}, &strict, arena, ret_record, ret_why)
                        : read_json(text, message->raw.len, &strict, arena, ret_record, ret_why);
    if (status == STATUS_OK && !ret_record->traceparent.len) {
        ret_record->traceparent = traceparent_check(message->traceparent);
    }
    return status;
}

Status decode_event(const SourceMessage *message, const MappingSet *mappings, Str asked, const RecordPolicy *policy,
                    Arena *arena, Record *ret_record, EventItem *item, Str *ret_why)
{
    yyjson_val *root = NULL;
    Error error;
    if (message->refused.len || message->raw.len == 0) {
        return say(arena, message->refused.len ? message->refused : STR("is empty"), ret_why);
    }
    /* A dead letter may ask for one that there is no more: then it is read as it would be if nothing was asked for,
     * which it shows. */
    if (asked.len && !mapping_find(mappings, asked)) {
        asked = (Str){NULL, 0};
    }
    const RecordPolicy strict = refusing_faults(policy);
    char *text = copy_to_parse(arena, message->raw);
    Status status = text ? json_read(text, message->raw.len, arena, &root, &error) : STATUS_BUSY;
    if (status != STATUS_OK) {
        return status == STATUS_REFUSED ? say_unreadable(arena, "event", &error, ret_why) : STATUS_BUSY;
    }
    return read_event(message, root, mappings, asked, &strict, arena, ret_record, item, ret_why);
}
