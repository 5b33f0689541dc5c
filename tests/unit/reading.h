/* One record, read from JSON in a buffer whose padding is watched: for the tests of reading. */
#ifndef WEIR_TESTS_READING_H
#define WEIR_TESTS_READING_H

#include "unit.h"

#include "record/record_json.h"

#define GOOD                                                                                                           \
    "{\"recordId\":\"rec-001\",\"time\":\"2025-01-01 "                                                                 \
    "10:00:00\",\"sourceId\":\"source-1\",\"destinationId\":\"dest-1\","                                               \
    "\"type\":\"positive\",\"value\":\"100.50\",\"unit\":\"EUR\",\"reference\":\"ref-001\"}"

static const RecordPolicy policy = {.scale = 2, .identity = IDENTITY_RECORD_ID, .hash_seed = 5};
static const RecordPolicy strict = {.scale = 2, .hash_seed = 5, .refuse_unknown_fields = true};

/* One reading, in a buffer whose padding is watched. */
typedef struct Reading {
    Arena arena;
    char *text;
    Record record;
    RecordProblems problems;
    Error error;
    Status status;
    char shown[16384]; /* the problems as text */
} Reading;

static inline void reading_release(Reading *reading)
{
    free(reading->text);
    arena_release(&reading->arena);
}

static inline void show(Reading *reading)
{
    Buf buf;
    buf_init(&buf, sizeof reading->shown - 1);
    record_problems_put_text(&buf, &reading->problems);
    assert_false(buf.failed);
    memcpy(reading->shown, buf.ptr ? buf.ptr : "", buf.len);
    reading->shown[buf.len] = '\0';
    buf_release(&buf);
}

/* What follows a text in its buffer: bytes that would close any string, array or object, and more of a record. */
#define BEHIND "\"}]},\"}]}\n\"unit\":\"x\",\"reference\":\"r\"}"

static inline char *with_padding(Str text)
{
    char *copy = malloc(text.len + sizeof BEHIND);
    assert_non_null(copy);
    memcpy(copy, text.ptr, text.len);
    memcpy(copy + text.len, BEHIND, sizeof BEHIND);
    return copy;
}

static inline void read_line(Reading *reading, Str text, const RecordPolicy *by)
{
    memset(reading, 0, sizeof *reading);
    arena_init(&reading->arena, 4096, 1 << 20);
    reading->text = with_padding(text);
    reading->status =
        record_parse_line(reading->text, text.len, by, &reading->arena, &reading->record, &reading->problems);
    assert_memory_equal(reading->text + text.len, BEHIND, sizeof BEHIND);
    show(reading);
}

static inline void read_value(Reading *reading, Str text, const RecordPolicy *by)
{
    yyjson_val *root;
    memset(reading, 0, sizeof *reading);
    arena_init(&reading->arena, 4096, 1 << 20);
    reading->text = with_padding(text);
    reading->status = json_read(reading->text, text.len, &reading->arena, &root, &reading->error);
    assert_memory_equal(reading->text + text.len, BEHIND, sizeof BEHIND);
    if (reading->status == STATUS_OK) {
        reading->status = record_from_json(root, by, &reading->record, &reading->problems);
        show(reading);
    }
}

static inline void check_problems(Str text, const RecordPolicy *by, const char *problems)
{
    Reading reading;
    read_line(&reading, text, by);
    if (strcmp(reading.shown, problems) != 0) {
        fail_msg("%.*s\n   gave: %s\ninstead: %s", STR_ARGS(text), reading.shown, problems);
    }
    assert_int_equal(reading.status, *problems ? STATUS_REFUSED : STATUS_OK);
    reading_release(&reading);
}

#endif
