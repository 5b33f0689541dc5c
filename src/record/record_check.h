/* What is required of each field of a record, wherever it comes from. The problems are phrases that follow the field's
 * name:
 * "value must have at most 2 decimal places". NULL when there is none. */
#ifndef WEIR_RECORD_RECORD_CHECK_H
#define WEIR_RECORD_RECORD_CHECK_H

#include "base/decimal.h"
#include "record/record_json.h"

#define PROBLEM_REQUIRED "is required"
#define PROBLEM_TEXT     "must be a string of 1 to 255 characters"
#define PROBLEM_TYPE     "must be positive or negative"
#define PROBLEM_VALUE    "must be a number or a string such as \"100.50\""
#define PROBLEM_TIME     "must be a string with a date and time such as 2025-01-01T10:00:00Z"
#define PROBLEM_TWICE    "must not be given twice"
#define PROBLEM_FAULT    "is possible only at the top of a request with a single record or event"

/* The bit number of a field, -1 for a name that is none. */
int record_field_find(Str name);

/* Where the record keeps a field that is text. */
Str *record_text_field(Record *record, unsigned bit);

const char *record_check_text(Str text);      /* any bytes */
const char *record_check_utf8_text(Str text); /* already known to be UTF-8 */
const char *record_check_type(Str text, RecordType *ret_type);
/* `is_json_number` lets an exponent through. */
const char *record_check_value(Str text, bool is_json_number, unsigned scale, int64_t *ret_value);
/* What the parser found, in words. */
const char *record_value_problem(DecimalProblem problem, unsigned scale);

void record_problems_reset(RecordProblems *problems);
/* Beyond RECORD_PROBLEMS_MAX they are not kept; a name is cut when it is very long. */
void record_problems_add(RecordProblems *problems, Str field, const char *problem);
/* Of no field, but of the record as a whole. */
void record_problems_add_whole(RecordProblems *problems, const char *problem);
/* A warning. */
void record_problems_note_unknown(RecordProblems *problems, Str field);
/* A warning or, by the policy, a problem that suggests the nearest name; nothing, or a problem, for FAULT_MEMBER. */
void record_problems_add_unknown(RecordProblems *problems, Str field, const RecordPolicy *policy);

/* The last step of reading a record: OK with the identity's hash, or REFUSED. */
Status record_finish(Record *record, const RecordPolicy *policy, const RecordProblems *problems) MUST_CHECK;

#endif
