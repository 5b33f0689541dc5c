#include "record/record_json.h"

#include "base/timestamp.h"
#include "record/json_keys.h"
#include "record/json_read.h"
#include "record/record_check.h"

static Str text_of(yyjson_val *value) { return (Str){yyjson_get_str(value), yyjson_get_len(value)}; }

/* The values of the record's fields as they stand in the object. */
typedef struct FieldValues {
    yyjson_val *value[RECORD_FIELD_COUNT]; /* NULL when missing; the first when given twice */
    uint32_t twice;                        /* RecordField bits */
    size_t unknown;
} FieldValues;

static void find_fields(yyjson_val *object, FieldValues *ret_fields)
{
    yyjson_obj_iter keys = yyjson_obj_iter_with(object);
    memset(ret_fields, 0, sizeof *ret_fields);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&keys));) {
        int bit = record_field_find(text_of(key));
        if (bit < 0) {
            ret_fields->unknown++;
        } else if (ret_fields->value[bit]) {
            ret_fields->twice |= 1u << bit;
        } else {
            ret_fields->value[bit] = yyjson_obj_iter_get_val(key);
        }
    }
}

static const char *take_text(yyjson_val *value, Str *ret_text)
{
    if (!yyjson_is_str(value)) {
        return PROBLEM_TEXT;
    }
    *ret_text = text_of(value);
    return record_check_utf8_text(*ret_text);
}

static const char *take_value(yyjson_val *value, unsigned scale, int64_t *ret_value)
{
    if (yyjson_is_raw(value)) {
        Str number = {yyjson_get_raw(value), yyjson_get_len(value)};
        return record_check_value(number, true, scale, ret_value);
    }
    return yyjson_is_str(value) ? record_check_value(text_of(value), false, scale, ret_value) : PROBLEM_VALUE;
}

static const char *take_field(unsigned bit, yyjson_val *value, unsigned scale, Record *record)
{
    if (!value) {
        return PROBLEM_REQUIRED;
    }
    if (yyjson_is_null(value)) {
        return "must not be null";
    }
    switch (1u << bit) {
    case FIELD_TIME: return yyjson_is_str(value) ? timestamp_parse(text_of(value), &record->time_us) : PROBLEM_TIME;
    case FIELD_TYPE: return yyjson_is_str(value) ? record_check_type(text_of(value), &record->type) : PROBLEM_TYPE;
    case FIELD_VALUE: return take_value(value, scale, &record->value);
    default: return take_text(value, record_text_field(record, bit));
    }
}

static void take_fields(const FieldValues *fields, unsigned scale, Record *record, RecordProblems *problems)
{
    for (unsigned bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
        const char *problem = take_field(bit, fields->value[bit], scale, record);
        if (fields->twice & (1u << bit)) {
            problem = PROBLEM_TWICE;
        }
        if (problem) {
            record_problems_add(problems, str_from(record_field_names[bit]), problem);
        } else if (bit == 0) {
            problems->record_id = record->record_id;
        }
    }
}

/* A second walk, because most records have no such fields. */
static Status take_unknown_fields(yyjson_val *object, const RecordPolicy *policy, RecordProblems *problems,
                                  size_t unknown)
{
    KeySet set;
    yyjson_obj_iter keys = yyjson_obj_iter_with(object);
    if (!key_set_init(&set, unknown, policy->hash_seed)) {
        return STATUS_BUSY;
    }
    Status status = STATUS_OK;
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&keys));) {
        if (record_field_find(text_of(key)) >= 0) {
            continue;
        }
        const char *problem =
            key_set_add(&set, key) ? json_check_keys(yyjson_obj_iter_get_val(key), policy->hash_seed) : PROBLEM_TWICE;
        if (problem == json_keys_no_memory) {
            status = STATUS_BUSY;
        } else if (problem) {
            record_problems_add(problems, text_of(key), problem);
        } else {
            record_problems_add_unknown(problems, text_of(key), policy);
        }
    }
    key_set_release(&set);
    return status;
}

Status record_from_json(yyjson_val *value, const RecordPolicy *policy, Record *ret_record, RecordProblems *problems)
{
    FieldValues fields;
    record_problems_reset(problems);
    if (!yyjson_is_obj(value)) {
        record_problems_add_whole(problems, "must be a JSON object");
        return STATUS_REFUSED;
    }
    memset(ret_record, 0, sizeof *ret_record);
    find_fields(value, &fields);
    take_fields(&fields, policy->scale, ret_record, problems);
    if (fields.unknown > 0 && take_unknown_fields(value, policy, problems, fields.unknown) != STATUS_OK) {
        return STATUS_BUSY;
    }
    return record_finish(ret_record, policy, problems);
}

static Status refuse_line(const yyjson_read_err *err, Arena *arena, RecordProblems *problems)
{
    const char *problem = arena_printf(arena, "is not valid JSON: %s at column %zu", err->msg, err->pos + 1);
    if (!problem) {
        return STATUS_BUSY;
    }
    record_problems_add_whole(problems, problem);
    return STATUS_REFUSED;
}

static Status lack_memory(bool half_free, const Arena *arena, RecordProblems *problems)
{
    record_problems_add_whole(problems, JSON_TOO_MUCH);
    return half_free && !arena->starved ? STATUS_REFUSED : STATUS_BUSY;
}

Status record_parse_line(char *line, size_t len, const RecordPolicy *policy, Arena *arena, Record *ret_record,
                         RecordProblems *problems)
{
    /* Enough for yyjson's first guess (2.7 bytes a byte of text) at lines of up to about 1,400 bytes. */
    _Alignas(16) char local[4096];
    JsonMemory memory = {local, local + sizeof local, arena};
    ArenaMark mark = arena_mark(arena);
    bool half_free = arena->taken <= arena->bytes_max / 2;
    arena->starved = false;
    yyjson_read_err err;
    record_problems_reset(problems);
    if (len == 0) {
        record_problems_add_whole(problems, "is empty");
        return STATUS_REFUSED;
    }
    yyjson_val *root = json_read_with(&memory, line, len, &err);
    Status status = root ? record_from_json(root, policy, ret_record, problems) : STATUS_REFUSED;
    arena_rewind(arena, mark);
    if (root) {
        return status;
    }
    return err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? lack_memory(half_free, arena, problems)
                                                           : refuse_line(&err, arena, problems);
}
