#include "record/record_check.h"

enum { UTF8_BYTES_MAX = 4 };

static bool is(Str name, const char *text, size_t len) { return memcmp(name.ptr, text, len) == 0; }

int record_field_find(Str name)
{
    switch (name.len) {
    case 4: return is(name, "time", 4) ? 1 : is(name, "type", 4) ? 4 : is(name, "unit", 4) ? 6 : -1;
    case 5: return is(name, "value", 5) ? 5 : -1;
    case 8: return is(name, "recordId", 8) ? 0 : is(name, "sourceId", 8) ? 2 : -1;
    case 9: return is(name, "reference", 9) ? 7 : -1;
    case 13: return is(name, "destinationId", 13) ? 3 : -1;
    default: return -1;
    }
}

Str *record_text_field(Record *record, unsigned bit)
{
    switch (1u << bit) {
    case FIELD_RECORD_ID: return &record->record_id;
    case FIELD_SOURCE_ID: return &record->source_id;
    case FIELD_DESTINATION_ID: return &record->destination_id;
    case FIELD_UNIT: return &record->unit;
    default: return &record->reference;
    }
}

/* As many bytes as may be characters are not looked at one by one: no text has more characters than bytes. */
const char *record_check_utf8_text(Str text)
{
    if (text.len == 0 || text.len > RECORD_TEXT_CODE_POINTS_MAX * UTF8_BYTES_MAX) {
        return PROBLEM_TEXT;
    }
    if (text.len > RECORD_TEXT_CODE_POINTS_MAX && str_count_code_points(text) > RECORD_TEXT_CODE_POINTS_MAX) {
        return PROBLEM_TEXT;
    }
    return memchr(text.ptr, '\0', text.len) ? "must not contain the character NUL" : NULL;
}

const char *record_check_text(Str text)
{
    if (text.len <= RECORD_TEXT_CODE_POINTS_MAX * UTF8_BYTES_MAX && str_count_code_points(text) < 0) {
        return "must be valid UTF-8";
    }
    return record_check_utf8_text(text);
}

const char *record_check_type(Str text, RecordType *ret_type)
{
    if (text.len != 8 || !(is(text, "positive", 8) || is(text, "negative", 8))) {
        return PROBLEM_TYPE;
    }
    *ret_type = text.ptr[0] == 'p' ? RECORD_POSITIVE : RECORD_NEGATIVE;
    return NULL;
}

static const char *const too_precise[DECIMAL_SCALE_MAX + 1] = {
    "must be a whole number",
    "must have at most 1 decimal place",
    "must have at most 2 decimal places",
    "must have at most 3 decimal places",
    "must have at most 4 decimal places",
    "must have at most 5 decimal places",
    "must have at most 6 decimal places",
};
static const char *const too_large[DECIMAL_SCALE_MAX + 1] = {
    "must be at most 999999999999999",  "must be at most 99999999999999.9", "must be at most 9999999999999.99",
    "must be at most 999999999999.999", "must be at most 99999999999.9999", "must be at most 9999999999.99999",
    "must be at most 999999999.999999",
};

const char *record_value_problem(DecimalProblem problem, unsigned scale)
{
    switch (problem) {
    case DECIMAL_OK: return NULL;
    case DECIMAL_SIGNED: return "must not have a sign: the type says whether it is positive or negative";
    case DECIMAL_TOO_PRECISE: return too_precise[scale];
    case DECIMAL_TOO_LARGE: return too_large[scale];
    case DECIMAL_NOT_A_NUMBER: break;
    }
    return "must be a decimal number such as 100.50";
}

const char *record_check_value(Str text, bool is_json_number, unsigned scale, int64_t *ret_value)
{
    DecimalProblem problem = is_json_number ? decimal_parse_json_number(text, scale, RECORD_VALUE_MAX, ret_value)
                                            : decimal_parse(text, scale, RECORD_VALUE_MAX, ret_value);
    return record_value_problem(problem, scale);
}

void record_problems_reset(RecordProblems *problems)
{
    problems->count = 0;
    problems->unknown_count = 0;
    problems->record_id = (Str){NULL, 0};
}

/* Answers repeat the names of unknown fields; they stay short whatever a client sends. */
static Str cut_name(Str name) { return name.len > 0 ? str_cut(name, FIELD_NAME_BYTES_MAX) : STR("(no name)"); }

static void add(RecordProblems *problems, Str field, const char *problem)
{
    if (problems->count < RECORD_PROBLEMS_MAX) {
        problems->items[problems->count++] = (FieldProblem){field, problem};
    }
}

void record_problems_add(RecordProblems *problems, Str field, const char *problem)
{
    add(problems, cut_name(field), problem);
}

void record_problems_add_whole(RecordProblems *problems, const char *problem) { add(problems, STR(""), problem); }

static const char *unknown_problem(Str name)
{
#define UNKNOWN "is not a field of a record"
    static const char *const suggestions[RECORD_FIELD_COUNT] = {
        UNKNOWN "; did you mean recordId?", UNKNOWN "; did you mean time?",
        UNKNOWN "; did you mean sourceId?", UNKNOWN "; did you mean destinationId?",
        UNKNOWN "; did you mean type?",     UNKNOWN "; did you mean value?",
        UNKNOWN "; did you mean unit?",     UNKNOWN "; did you mean reference?",
    };
    const unsigned far = 2;
    unsigned best = far + 1, found = 0;
    for (unsigned bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
        unsigned distance = str_distance(name, str_from(record_field_names[bit]), far);
        if (distance < best) {
            best = distance;
            found = bit;
        }
    }
    return best <= far && name.len > far ? suggestions[found] : UNKNOWN;
#undef UNKNOWN
}

void record_problems_note_unknown(RecordProblems *problems, Str field)
{
    if (problems->unknown_count < RECORD_WARNINGS_MAX) {
        problems->unknown_fields[problems->unknown_count] = cut_name(field);
    }
    problems->unknown_count++;
}

void record_problems_add_unknown(RecordProblems *problems, Str field, const RecordPolicy *policy)
{
    if (policy->faults_refused && str_is(field, FAULT_MEMBER)) {
        record_problems_add(problems, field, PROBLEM_FAULT);
        return;
    }
    if (policy->faults_allowed && str_is(field, FAULT_MEMBER)) {
        return;
    }
    record_problems_note_unknown(problems, field);
    if (policy->refuse_unknown_fields) {
        record_problems_add(problems, field, unknown_problem(field));
    }
}

Status record_finish(Record *record, const RecordPolicy *policy, const RecordProblems *problems)
{
    if (problems->count > 0) {
        return STATUS_REFUSED;
    }
    record->identity_hash = record_identity_hash(record, policy->identity, policy->hash_seed);
    return STATUS_OK;
}
